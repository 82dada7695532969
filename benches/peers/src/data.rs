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
        let pred = numbers(&cell.data, "pred")?;
        let grad = Aligned::new(&vec![F::ZERO; pred.len()]);
        if cell.classes == 1 {
            return Ok(Data { pred, target: numbers(&cell.data, "target")?, labels: Vec::new(), grad });
        }
        let words = words(&cell.data, "labels", 8)?;
        Ok(Data {
            pred,
            target: Aligned::new(&[]),
            labels: words.into_iter().map(|word| word as i64).collect(),
            grad,
        })
    }
}

fn numbers<F: Float>(data: &str, name: &str) -> Result<Aligned<F>, String> {
    let words = words(data, name, size_of::<F>())?;
    Ok(Aligned::new(&words.into_iter().map(F::from_pattern).collect::<Vec<_>>()))
}

/// A file of little-endian words of so many bytes.
fn words(data: &str, name: &str, width: usize) -> Result<Vec<u64>, String> {
    let path = format!("{data}.{name}");
    let bytes = std::fs::read(&path).map_err(|error| format!("{path}: {error}"))?;
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
    Ok(bytes.chunks_exact(width).map(word).collect())
}

/// An array that begins a cache line, as those of PyTorch do.
pub struct Aligned<F> {
    room: Vec<F>,
    start: usize,
    count: usize,
}

impl<F: Float> Aligned<F> {
    pub fn new(numbers: &[F]) -> Self {
        const LINE: usize = 64;
        let spare = LINE / size_of::<F>();
        let mut room = vec![F::ONE; numbers.len() + spare];
        let start = room.as_ptr().align_offset(LINE).min(spare);
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
