//! The slices of one call.

use fused_loss::Float;

use crate::parallel::Share;

/// What a call reads and writes, or a thread's part of it.
pub struct Slices<'a, F> {
    /// Empty where the gradient goes in place: `out` holds the predictions then.
    pub pred: &'a [F],
    pub target: &'a [F],
    /// Empty where the value alone is asked for.
    pub out: &'a mut [F],
}

impl<F> Slices<'_, F> {
    pub fn reborrow(&mut self) -> Slices<'_, F> {
        Slices { pred: self.pred, target: self.target, out: self.out }
    }
}

impl<F: Float> Share for Slices<'_, F> {
    fn len(&self) -> usize {
        self.target.len()
    }

    fn split_off(&mut self, count: usize) -> Self {
        Slices {
            pred: self.pred.split_off(..count.min(self.pred.len())).unwrap_or_default(),
            target: self.target.split_off(..count.min(self.target.len())).unwrap_or_default(),
            out: self.out.split_off_mut(..count.min(self.out.len())).unwrap_or_default(),
        }
    }
}
