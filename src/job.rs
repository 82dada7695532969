//! What a call hands to a loop.

use crate::dispatch::Level;
use crate::error::Error;
use crate::float::Float;
use crate::sum::HighLow;
use crate::total::{Exact, Total};

/// The slices of one call, or of a part of it. Those that are not asked for are empty.
pub struct Job<'a, F, T = &'a [F]> {
    /// Empty where the gradient goes in place: `grad` holds the predictions then.
    pub pred: &'a [F],
    pub target: T,
    /// As many as there are losses.
    pub weights: &'a [F],
    /// As long as the predictions.
    pub grad: &'a mut [F],
    /// As many as there are losses.
    pub each: &'a mut [F],
    /// Whether the gradient is added to what `grad` holds.
    pub add: bool,
    /// Whether the gradient, or the one that this is a part of, is longer than the cache.
    pub far: bool,
    /// What the gradient is multiplied by.
    pub factor: F,
    /// What the weights are multiplied by before that: a power of two, for sums of weights whose reciprocal overflows.
    pub lift: F,
}

impl<'a, F: Float, T> Job<'a, F, T> {
    /// Nothing but predictions and targets.
    pub fn of(pred: &'a [F], target: T) -> Self {
        let (weights, grad, each) = Default::default();
        Job { pred, target, weights, grad, each, add: false, far: false, factor: F::ONE, lift: F::ONE }
    }
}

/// What predictions are compared with, and the loop that does it: an element each, or rows of classes.
pub trait Targets<L, F: Float>: Sized {
    /// Whether weights and losses belong to rows.
    fn of_rows(&self) -> bool;
    /// How many losses so many predictions have.
    fn count(&self, pred: usize) -> usize;
    /// Whether the lengths fit so many predictions.
    fn check_lengths(&self, pred: usize) -> Result<(), Error<F>>;
    /// Whether the parameters of the loss are right and the labels are classes; those of weight 0 are not looked at.
    fn check(&mut self, loss: L, weights: &[F], level: Option<Level>) -> Result<(), Error<F>>;
    /// The first bad value.
    fn first_bad(&self, loss: L, pred: &[F], weights: &[F]) -> Option<Error<F>>;
    /// What the mean of so many losses divides by.
    #[inline]
    fn mean_divisor(&self, _loss: L, losses: usize) -> Result<HighLow<F>, Error<F>> {
        if losses == 0 { Err(Error::Empty) } else { Ok(HighLow::of_count(losses as u64)) }
    }
    /// How many of so many losses take part, and the sum of their weights: a total without the losses.
    fn taking_part(&self, loss: L, losses: usize, weights: &[F], level: Level) -> Result<Total<F>, Error<F>>;
    /// The sum of the losses, as a pair. It is added to `total`, where there is one.
    fn run(
        job: Job<'_, F, Self>,
        loss: L,
        level: Level,
        total: Option<&mut Exact<F>>,
    ) -> Result<HighLow<F>, Error<F>>;
}
