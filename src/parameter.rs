//! What parameters of losses may be, and how they are named.

use crate::error::Error;
use crate::float::Float;

/// A parameter of a loss: its name, its domain, and what doors that choose by name say of it.
///
/// ```
/// let huber = fused_loss::AnyLoss::<f32>::list().find(|loss| loss.name == "huber").unwrap();
/// assert_eq!(huber.parameters[0].name, "delta");
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Parameter {
    /// The name of its field.
    pub name: &'static str,
    /// Its value where none is given: PyTorch's. NaN where there is none then.
    pub default: f64,
    /// What it may be.
    pub values: Values,
    /// What it does.
    pub meaning: &'static str,
}

/// What a parameter may be. Choices and flags are numbers too, for doors that pass numbers on.
///
/// ```
/// use fused_loss::{AnyLoss, Values};
/// let kl = AnyLoss::<f32>::list().find(|loss| loss.name == "kl-divergence").unwrap();
/// assert_eq!(kl.parameters[0].values, Values::Flag);
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Values {
    /// A finite number above 0.
    Positive,
    /// A finite number from 0 on.
    NotNegative,
    /// A number above 0 and below 1/2, so large that 1 less it is not 1.
    Margin,
    /// A number from 0 to 1.
    Fraction,
    /// A number above 0 and below 1.
    Inside,
    /// A number from 2^-60 to 2^60.
    Moderate,
    /// A whole number of at most 2^53.
    Whole,
    /// One of these, as its index.
    Choice(&'static [&'static str]),
    /// No or yes, as 0 or 1.
    Flag,
}

impl Parameter {
    /// A flag, off by default.
    pub(crate) const fn flag(name: &'static str, meaning: &'static str) -> Self {
        Parameter { name, default: 0.0, values: Values::Flag, meaning }
    }

    pub(crate) const fn new(name: &'static str, default: f64, values: Values, meaning: &'static str) -> Self {
        Parameter { name, default, values, meaning }
    }

    /// What it must be, in words.
    ///
    /// ```
    /// # use fused_loss::{Parameter, Values};
    /// let beta = Parameter { name: "beta", default: 1.0, values: Values::NotNegative, meaning: "" };
    /// assert_eq!(beta.domain(), "finite and not negative");
    /// ```
    #[cfg_attr(called, inline(never))]
    pub fn domain(&self) -> &'static str {
        match self.values {
            Values::Positive => "finite and positive",
            Values::NotNegative => "finite and not negative",
            Values::Margin => "from the precision's epsilon to below 1/2",
            Values::Fraction => "from 0 to 1",
            Values::Inside => "above 0 and below 1",
            Values::Moderate => "from 2^-60 to 2^60",
            Values::Whole => "a whole number",
            Values::Choice(_) => "the index of a choice",
            Values::Flag => "0 or 1",
        }
    }

    /// `Err(Parameter)` where a value lies outside the domain.
    ///
    /// ```
    /// # use fused_loss::{Parameter, Values};
    /// let delta = Parameter { name: "delta", default: 1.0, values: Values::Positive, meaning: "" };
    /// assert_eq!(delta.check(0.0_f32).unwrap_err().to_string(), "delta is 0, but must be finite and positive");
    /// ```
    #[cfg_attr(not(called), inline)]
    pub fn check<F: Float>(&self, value: F) -> Result<(), Error<F>> {
        if self.holds(value) { Ok(()) } else { Err(self.refused(value)) }
    }

    #[cold]
    fn refused<F: Float>(&self, value: F) -> Error<F> {
        Error::Parameter { name: self.name, value, domain: self.domain() }
    }

    /// Calls know the domain: of all this, a comparison or two is left there.
    #[cfg_attr(not(called), inline(always))]
    fn holds<F: Float>(&self, value: F) -> bool {
        match self.values {
            Values::Positive => value > F::ZERO && value.finite(),
            Values::NotNegative => value >= F::ZERO && value.finite(),
            Values::Margin => value > F::ZERO && value < F::HALF && F::ONE - value < F::ONE,
            Values::Fraction => value >= F::ZERO && value <= F::ONE,
            Values::Inside => value > F::ZERO && value < F::ONE,
            Values::Moderate => {
                let power = F::from_count(1 << 60);
                value >= F::ONE / power && value <= power
            }
            Values::Whole => {
                // Without f64 arithmetic, which targets that have f32 alone would link for it.
                let magnitude = value.magnitude();
                let exact = F::from_count(1 << (F::SIGNIFICAND - 1));
                magnitude <= F::from_count(1 << 53)
                    && (magnitude >= exact || (magnitude + exact) - exact == magnitude)
            }
            Values::Choice(choices) => (0..choices.len()).any(|index| value == F::from_count(index as u64)),
            Values::Flag => value == F::ZERO || value == F::ONE,
        }
    }
}

/// The parameters that were given to a loss chosen at run time.
pub(crate) struct Given<'a, F>(pub &'a dyn Fn(&Parameter) -> Option<F>);

impl<F: Float> Given<'_, F> {
    /// The value of one, or its default.
    #[cfg_attr(called, inline(never))]
    pub fn value(&self, parameter: &Parameter) -> F {
        (self.0)(parameter).unwrap_or(F::from_f64(parameter.default))
    }
}

/// What a field of a loss is made of: numbers as they are, flags from 0 or 1.
pub(crate) trait Setting {
    fn setting(value: f64) -> Self;
}

impl<F: Float> Setting for F {
    fn setting(value: f64) -> F {
        F::from_f64(value)
    }
}

impl Setting for bool {
    fn setting(value: f64) -> bool {
        value != 0.0
    }
}

/// A label, where the number is one.
impl Setting for Option<i64> {
    fn setting(value: f64) -> Option<i64> {
        let whole = value as i64;
        (whole as f64 == value && value.abs() <= (1_u64 << 53) as f64).then_some(whole)
    }
}
