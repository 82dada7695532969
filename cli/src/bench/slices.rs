//! The slices of one call, and several threads over them.

use std::thread;

use fused_loss::{Float, Total};

/// What a call reads and writes, or a thread's part of it.
pub struct Slices<'a, F> {
    /// Empty where the gradient goes in place: `out` holds the predictions then.
    pub pred: &'a [F],
    pub target: &'a [F],
    /// Empty where the value alone is asked for.
    pub out: &'a mut [F],
}

impl<'a, F> Slices<'a, F> {
    pub fn reborrow(&mut self) -> Slices<'_, F> {
        Slices { pred: self.pred, target: self.target, out: self.out }
    }

    /// Takes the first elements off.
    fn split_off(&mut self, count: usize) -> Slices<'a, F> {
        Slices {
            pred: self.pred.split_off(..count.min(self.pred.len())).unwrap_or_default(),
            target: self.target.split_off(..count.min(self.target.len())).unwrap_or_default(),
            out: self.out.split_off_mut(..count.min(self.out.len())).unwrap_or_default(),
        }
    }
}

/// Whole blocks to each thread, as `eval` does it, and what they come to.
pub fn spread<F: Float, T: Send>(
    mut slices: Slices<'_, F>,
    threads: usize,
    work: impl Fn(Slices<'_, F>) -> Result<T, String> + Sync,
    mut merge: impl FnMut(T, T) -> T,
) -> Result<T, String> {
    let blocks = slices.target.len().div_ceil(Total::<F>::BLOCK);
    let share = blocks.div_ceil(threads).max(1) * Total::<F>::BLOCK;
    if share >= slices.target.len() {
        return work(slices);
    }
    let work = &work;
    thread::scope(|scope| {
        let first = slices.split_off(share);
        let mut others = Vec::new();
        while !slices.target.is_empty() {
            let part = slices.split_off(share);
            let other = thread::Builder::new().spawn_scoped(scope, move || work(part));
            others.push(other.map_err(|error| format!("cannot start a thread: {error}"))?);
        }
        let mut whole = work(first)?;
        for other in others {
            whole = merge(whole, other.join().map_err(|_| "a thread has failed")??);
        }
        Ok(whole)
    })
}
