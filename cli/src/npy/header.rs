//! The header of an .npy file: a Python dict literal with the keys descr, fortran_order and shape.

use std::fmt;

/// NumPy's own limit.
const MOST_DIMENSIONS: usize = 64;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dtype {
    F32,
    F64,
    U8,
    U16,
    U32,
    U64,
    I32,
    I64,
}

impl Dtype {
    fn parse(descr: &str) -> Result<Dtype, String> {
        match descr {
            "<f4" => Ok(Dtype::F32),
            "<f8" => Ok(Dtype::F64),
            "|u1" | "<u1" => Ok(Dtype::U8),
            "<u2" => Ok(Dtype::U16),
            "<u4" => Ok(Dtype::U32),
            "<u8" => Ok(Dtype::U64),
            "<i4" => Ok(Dtype::I32),
            "<i8" => Ok(Dtype::I64),
            _ if descr.starts_with('>') => {
                Err(format!("has big-endian dtype {descr:?}; save it as little-endian, '<'"))
            }
            _ => Err(format!("has dtype {descr:?}; known are f4, f8, u1, u2, u4, u8, i4 and i8")),
        }
    }

    pub fn size(self) -> usize {
        match self {
            Dtype::U8 => 1,
            Dtype::U16 => 2,
            Dtype::F32 | Dtype::U32 | Dtype::I32 => 4,
            Dtype::F64 | Dtype::U64 | Dtype::I64 => 8,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Dtype::F32 => "f4",
            Dtype::F64 => "f8",
            Dtype::U8 => "u1",
            Dtype::U16 => "u2",
            Dtype::U32 => "u4",
            Dtype::U64 => "u8",
            Dtype::I32 => "i4",
            Dtype::I64 => "i8",
        })
    }
}

#[derive(Debug)]
pub struct Header {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub count: usize,
}

impl Header {
    pub fn parse(text: &[u8]) -> Result<Header, String> {
        let text = str::from_utf8(text).map_err(|_| "has a header that is not text")?;
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        let mut cursor = Cursor(text);
        cursor.expect("{")?;
        while !cursor.eat("}") {
            let key = cursor.string()?;
            cursor.expect(":")?;
            let again = match key {
                "descr" => descr.replace(cursor.descr()?).is_some(),
                "fortran_order" => fortran.replace(cursor.truth()?).is_some(),
                "shape" => shape.replace(cursor.shape()?).is_some(),
                _ => return Err(format!("has a header with the unknown key {key:?}")),
            };
            if again {
                return Err(format!("has a header with the key {key:?} twice"));
            }
            if !cursor.eat(",") {
                cursor.expect("}")?;
                break;
            }
        }
        if !cursor.0.trim().is_empty() {
            return Err(not_understood(cursor.0));
        }

        let dtype = Dtype::parse(descr.ok_or("has a header without descr")?)?;
        let shape = shape.ok_or("has a header without shape")?;
        // One dimension has one order, whatever the flag says.
        if fortran.ok_or("has a header without fortran_order")? && shape.len() > 1 {
            return Err("is in Fortran order; save it in C order (np.ascontiguousarray)".into());
        }
        let count = count(&shape, dtype).ok_or("has a shape beyond any memory")?;
        Ok(Header { dtype, shape, count })
    }
}

/// The number of elements, if their bytes can be counted too.
fn count(shape: &[usize], dtype: Dtype) -> Option<usize> {
    // As in NumPy, lengths must multiply to something sane even beside a 0.
    let product =
        shape.iter().filter(|&&n| n != 0).try_fold(1_usize, |product, &n| product.checked_mul(n))?;
    product.checked_mul(dtype.size()).filter(|&bytes| isize::try_from(bytes).is_ok())?;
    Some(if shape.contains(&0) { 0 } else { product })
}

/// What is left of the literal.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn eat(&mut self, token: &str) -> bool {
        let rest = self.0.trim_start().strip_prefix(token);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.eat(token) { Ok(()) } else { Err(not_understood(self.0)) }
    }

    fn string(&mut self) -> Result<&'a str, String> {
        let quote = if self.eat("'") { '\'' } else { '"' };
        if quote == '"' {
            self.expect("\"")?;
        }
        let (string, rest) = self.0.split_once(quote).ok_or_else(|| not_understood(self.0))?;
        self.0 = rest;
        Ok(string)
    }

    fn descr(&mut self) -> Result<&'a str, String> {
        if self.eat("[") || self.eat("(") {
            return Err("has a structured dtype; save one field of it".into());
        }
        self.string()
    }

    fn truth(&mut self) -> Result<bool, String> {
        if self.eat("True") {
            return Ok(true);
        }
        self.expect("False").map(|()| false)
    }

    fn shape(&mut self) -> Result<Vec<usize>, String> {
        let mut shape = Vec::new();
        self.expect("(")?;
        while !self.eat(")") {
            self.0 = self.0.trim_start();
            let end = self.0.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(self.0.len());
            let (digits, rest) = self.0.split_at(end);
            if digits.is_empty() {
                return Err(not_understood(self.0));
            }
            if shape.len() == MOST_DIMENSIONS {
                return Err(format!("has a shape of more than {MOST_DIMENSIONS} dimensions"));
            }
            shape.push(digits.parse().map_err(|_| "has a shape beyond any memory")?);
            self.0 = rest;
            self.eat("L"); // as Python 2 wrote long integers
            if !self.eat(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(shape)
    }
}

fn not_understood(rest: &str) -> String {
    let shown: String = rest.trim().chars().take(20).collect();
    format!("has a header that is not understood at {shown:?}")
}

/// A shape as Python writes it.
pub fn shape_text(shape: &[usize]) -> String {
    match shape {
        [one] => format!("({one},)"),
        _ => format!("({})", shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// Everything between the magic and the data of an array, in format 1.0: at most 64 dimensions always fit it.
pub fn bytes(descr: &str, shape: &[usize]) -> Vec<u8> {
    let shape = shape_text(shape);
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    // As NumPy does: the data begins at a multiple of 64, after magic, version and length.
    let start = 6 + 2 + 2;
    let padded = (start + text.len() + 1).next_multiple_of(64) - start - 1;
    text.extend(std::iter::repeat_n(' ', padded - text.len()));
    text.push('\n');
    let mut bytes = vec![1, 0];
    bytes.extend_from_slice(&(text.len() as u16).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes
}
