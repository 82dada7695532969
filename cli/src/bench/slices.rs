//! The slices of one call.

use fused_loss::Float;

use crate::parallel::{Share, Target};

/// What a call reads and writes, or a thread's part of it.
pub struct Slices<'a, F> {
    /// Empty where the gradient goes in place: `out` holds the predictions then.
    pub pred: &'a [F],
    pub target: Target<'a, F>,
    /// Empty where the value alone is asked for.
    pub out: &'a mut [F],
}

impl<F: Float> Slices<'_, F> {
    pub fn reborrow(&mut self) -> Slices<'_, F> {
        Slices { pred: self.pred, target: self.target, out: self.out }
    }
}

impl<F: Float> Share for Slices<'_, F> {
    fn len(&self) -> usize {
        self.target.losses()
    }

    fn split_off(&mut self, count: usize) -> Self {
        let elements = count * self.target.classes();
        let (target, rest) = self.target.split_at(count);
        self.target = rest;
        Slices {
            pred: self.pred.split_off(..elements.min(self.pred.len())).unwrap_or_default(),
            target,
            out: self.out.split_off_mut(..elements.min(self.out.len())).unwrap_or_default(),
        }
    }
}
