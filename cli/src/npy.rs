//! .npy files: formats 1.0 to 3.0, C order, little-endian. Read whole and never mapped, since a file that is cut
//! short while mapped kills the process.

mod header;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use fused_loss::Float;

use header::Header;

use crate::pattern::pattern;
pub use header::{Dtype, shape_text};

const MAGIC: &[u8] = b"\x93NUMPY";
/// Bytes that are converted at a time: a multiple of every element's size.
const CHUNK: usize = 1 << 16;

/// A file whose header has been read and found to fit its length.
pub struct Npy {
    name: String,
    file: File,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    /// Elements: the product of the shape.
    pub count: usize,
}

impl Npy {
    pub fn open(path: &Path) -> Result<Npy, String> {
        Npy::open_unnamed(path).map_err(|reason| format!("{}: {reason}", path.display()))
    }

    fn open_unnamed(path: &Path) -> Result<Npy, String> {
        // Asked before opening: opening a pipe would wait for its writer.
        let kind = fs::metadata(path).map_err(|error| error.to_string())?;
        if kind.is_dir() {
            return Err("is a folder, not an .npy file".into());
        }
        if !kind.is_file() {
            return Err("is not a regular file".into());
        }
        let mut file = File::open(path).map_err(|error| error.to_string())?;
        let mut left = file.metadata().map_err(|error| error.to_string())?.len();

        let start = take(&mut file, &mut left, MAGIC.len() as u64).unwrap_or_default();
        if start != MAGIC {
            return Err("is not an .npy file: it does not begin with \\x93NUMPY".into());
        }
        let version = take(&mut file, &mut left, 2)?;
        let length_bytes = match version[..] {
            [1, 0] => 2,
            [2 | 3, 0] => 4,
            _ => return Err(format!("is of .npy format {}.{}, not 1.0 to 3.0", version[0], version[1])),
        };
        let length = take(&mut file, &mut left, length_bytes)?;
        let length = length.iter().rev().fold(0, |length, &byte| length << 8 | u64::from(byte));
        let text = take(&mut file, &mut left, length)?;
        let Header { dtype, shape, count } = Header::parse(&text)?;

        let needed = count as u64 * dtype.size() as u64;
        if left != needed {
            let fault = if left < needed { "is cut short" } else { "has bytes left over" };
            let shape = shape_text(&shape);
            return Err(format!("{fault}: shape {shape} of {dtype} is {needed} bytes, the file has {left}"));
        }
        Ok(Npy { name: path.display().to_string(), file, dtype, shape, count })
    }

    /// The elements, rounded to the precision asked for.
    pub fn floats<F: Float>(mut self) -> Result<Vec<F>, String> {
        self.check_floats()?;
        let mut values = reserved(self.count)?;
        let mut left = self.count * self.dtype.size();
        let mut chunk = vec![0; CHUNK.min(left)];
        while left > 0 {
            let bytes = &mut chunk[..CHUNK.min(left)];
            self.file.read_exact(bytes).map_err(|error| format!("{}: {error}", self.name))?;
            left -= bytes.len();
            if self.dtype == Dtype::F32 {
                let numbers = bytes.as_chunks().0.iter().map(|&number| f32::from_le_bytes(number));
                values.extend(numbers.map(|number| F::from_f64(number.into())));
            } else {
                let numbers = bytes.as_chunks().0.iter().map(|&number| f64::from_le_bytes(number));
                values.extend(numbers.map(F::from_f64));
            }
        }
        Ok(values)
    }

    /// The elements, which are labels. One may be too large only where it is not bad, by its index, or an earlier one is: -1
    /// then.
    pub fn labels(mut self, is_bad: impl Fn(usize, u64) -> bool) -> Result<Vec<i64>, String> {
        let mut values = reserved(self.count)?;
        let mut bytes = reserved(self.count * self.dtype.size())?;
        self.file.read_to_end(&mut bytes).map_err(|error| format!("{}: {error}", self.name))?;
        match self.dtype {
            Dtype::U8 => values.extend(bytes.iter().map(|&label| i64::from(label))),
            Dtype::U16 => {
                values.extend(bytes.as_chunks().0.iter().map(|&b| i64::from(u16::from_le_bytes(b))))
            }
            Dtype::U32 => {
                values.extend(bytes.as_chunks().0.iter().map(|&b| i64::from(u32::from_le_bytes(b))))
            }
            Dtype::I32 => {
                values.extend(bytes.as_chunks().0.iter().map(|&b| i64::from(i32::from_le_bytes(b))))
            }
            Dtype::I64 => values.extend(bytes.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b))),
            Dtype::U64 => {
                let mut first = true;
                for (index, &label) in bytes.as_chunks().0.iter().enumerate() {
                    let label = u64::from_le_bytes(label);
                    let bad = is_bad(index, label);
                    values.push(match i64::try_from(label) {
                        Ok(label) => label,
                        Err(_) if !bad || !first => -1,
                        Err(_) => {
                            let name = &self.name;
                            return Err(format!(
                                "{name}: label {label} at index {index} is beyond any class"
                            ));
                        }
                    });
                    first = first && !bad;
                }
            }
            Dtype::F32 | Dtype::F64 => return Err(format!("{}: has no integers", self.name)),
        }
        if values.len() == self.count { Ok(values) } else { Err(format!("{}: was cut short", self.name)) }
    }

    pub fn holds_floats(&self) -> bool {
        matches!(self.dtype, Dtype::F32 | Dtype::F64)
    }

    /// An error where it holds anything else than floats.
    pub fn check_floats(&self) -> Result<(), String> {
        if self.holds_floats() {
            return Ok(());
        }
        Err(format!("{}: has dtype {}, but must have f4 or f8", self.name, self.dtype))
    }

    /// What it is called in errors.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The next bytes of a header. A length is never believed, nor memory taken for it, before the file is seen to hold it.
fn take(file: &mut File, left: &mut u64, count: u64) -> Result<Vec<u8>, String> {
    if count > *left {
        return Err(format!("is cut short in its header: {count} bytes wanted, {left} left"));
    }
    let mut bytes = reserved(count as usize)?;
    bytes.resize(count as usize, 0);
    file.read_exact(&mut bytes).map_err(|error| error.to_string())?;
    *left -= count;
    Ok(bytes)
}

/// An empty vector with room for so many; too many are an error, not an abort.
pub fn reserved<T>(count: usize) -> Result<Vec<T>, String> {
    let mut values = Vec::new();
    values.try_reserve_exact(count).map_err(|_| format!("no memory for {count} numbers"))?;
    Ok(values)
}

/// Writes an array of 0 and 1 in format 1.0.
pub fn write_flags(out: &mut dyn Write, shape: &[usize], values: &[bool]) -> io::Result<()> {
    out.write_all(MAGIC)?;
    out.write_all(&header::bytes("|u1", shape))?;
    values.iter().try_for_each(|&value| out.write_all(&[value.into()]))
}

/// Writes an array in format 1.0.
pub fn write<F: Float>(out: &mut dyn Write, shape: &[usize], values: &[F]) -> io::Result<()> {
    let size = F::BITS as usize / 8;
    out.write_all(MAGIC)?;
    out.write_all(&header::bytes(&format!("<f{size}"), shape))?;
    let mut bytes = Vec::with_capacity(CHUNK);
    for values in values.chunks(CHUNK / size) {
        bytes.clear();
        for &value in values {
            bytes.extend_from_slice(&pattern(value).to_le_bytes()[..size]);
        }
        out.write_all(&bytes)?;
    }
    Ok(())
}
