//! The arrays of a cell, from files that all peers read.

use std::ops::{Deref, DerefMut};

use fused_loss::Float;

use crate::Cell;

/// Predictions, and what they are compared with.
pub struct Data<F> {
    pub pred: Aligned<F>,
    /// A number for each prediction; empty where there are labels.
    pub target: Aligned<F>,
    pub labels: Vec<i64>,
    /// Room for the gradient.
    pub grad: Aligned<F>,
}

impl<F: Float> Data<F> {
    pub fn read(cell: &Cell) -> Result<Self, String> {
        Self::read_off_line(cell, 0)
    }

    /// Arrays that begin so many bytes after a cache line does.
    pub fn read_off_line(cell: &Cell, bytes: usize) -> Result<Self, String> {
        let numbers = |name| -> Result<Aligned<F>, String> {
            let words = words(&cell.data, name, size_of::<F>())?;
            Ok(Aligned::new(&words.into_iter().map(F::from_pattern).collect::<Vec<_>>(), bytes))
        };
        let pred = numbers("pred")?;
        let grad = Aligned::new(&vec![F::ZERO; pred.len()], bytes);
        if cell.classes == 1 {
            return Ok(Data { pred, target: numbers("target")?, labels: Vec::new(), grad });
        }
        let words = words(&cell.data, "labels", 8)?;
        Ok(Data {
            pred,
            target: Aligned::new(&[], bytes),
            labels: words.into_iter().map(|word| word as i64).collect(),
            grad,
        })
    }
}

/// A file of little-endian words of so many bytes.
fn words(data: &str, name: &str, width: usize) -> Result<Vec<u64>, String> {
    let path = format!("{data}.{name}");
    let bytes = std::fs::read(&path).map_err(|error| format!("{path}: {error}"))?;
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
    Ok(bytes.chunks_exact(width).map(word).collect())
}

/// An array that begins a cache line, as those of PyTorch do, or so many bytes after it.
pub struct Aligned<F> {
    room: Vec<F>,
    start: usize,
    count: usize,
}

impl<F: Float> Aligned<F> {
    pub fn new(numbers: &[F], off_line: usize) -> Self {
        const LINE: usize = 64;
        let spare = (LINE + off_line) / size_of::<F>();
        let mut room = vec![F::ONE; numbers.len() + spare];
        let start = (room.as_ptr().align_offset(LINE) + off_line / size_of::<F>()).min(spare);
        room[start..][..numbers.len()].copy_from_slice(numbers);
        Aligned { room, start, count: numbers.len() }
    }
}

impl<F> Deref for Aligned<F> {
    type Target = [F];

    fn deref(&self) -> &[F] {
        &self.room[self.start..][..self.count]
    }
}

impl<F> DerefMut for Aligned<F> {
    fn deref_mut(&mut self) -> &mut [F] {
        &mut self.room[self.start..][..self.count]
    }
}
