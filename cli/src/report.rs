//! What `eval` says about its result, to programs and to people.

use std::fmt;

use fused_loss::Float;
use serde::Serialize;

use crate::pattern::pattern;

/// The JSON object, field by field.
#[derive(Serialize)]
pub struct Report {
    pub loss: String,
    pub value: Option<Number>,
    pub bits: Option<String>,
    pub count: u64,
    pub weight: Number,
    pub dtype: &'static str,
    pub level: &'static str,
    pub rounding: String,
    pub threads: usize,
    pub seconds: f64,
    /// What the value is, for people.
    #[serde(skip)]
    pub reduction: &'static str,
    /// What is counted, in the singular.
    #[serde(skip)]
    pub counted: &'static str,
}

/// A number that JSON and people read in its shortest form, which depends on its precision.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Number {
    F32(f32),
    F64(f64),
    Count(u64),
    /// JSON has no numbers for these.
    Name(&'static str),
}

impl<F: Float> From<F> for Number {
    fn from(value: F) -> Self {
        match value.to_f64() {
            wide if wide.is_nan() => Number::Name("NaN"),
            f64::INFINITY => Number::Name("inf"),
            f64::NEG_INFINITY => Number::Name("-inf"),
            wide if F::BITS == 32 => Number::F32(wide as f32),
            wide => Number::F64(wide),
        }
    }
}

/// The bit pattern in hexadecimal.
pub fn bits<F: Float>(value: F) -> String {
    format!("{:#0width$x}", pattern(value), width = 2 + F::BITS as usize / 4)
}

impl fmt::Display for Number {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Debug is the shortest form too, but with an exponent where that is shorter.
            Number::F32(number) => write!(out, "{number:?}"),
            Number::F64(number) => write!(out, "{number:?}"),
            Number::Count(count) => write!(out, "{count}"),
            Number::Name(name) => out.write_str(name),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.value, &self.bits) {
            (Some(value), Some(bits)) => {
                writeln!(out, "{}: {} {value}  ({bits})", self.loss, self.reduction)?;
            }
            _ => writeln!(out, "{}: not reduced", self.loss)?,
        }
        let weight = match self.weight {
            Number::Count(_) => String::new(),
            ref weight => format!(", weights of sum {weight}"),
        };
        let plural = |count: u64| if count == 1 { "" } else { "s" };
        writeln!(out, "  {} {}{} of {}{weight}", self.count, self.counted, plural(self.count), self.dtype)?;
        let (threads, time) = (self.threads, self.seconds * 1e3);
        let plural = plural(threads as u64);
        write!(out, "  {} ({}), {threads} thread{plural}, {time:.3} ms", self.level, self.rounding)
    }
}
