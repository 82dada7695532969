//! One loss over one batch on several threads, with the bits of a single call.

use std::thread;

use fused_loss::{Elementwise, Error, Float, Level, Loss, Total};

use crate::losses::explain;

/// The slices of a batch, or of a thread's part of it.
pub struct Part<'a, F> {
    pub pred: &'a [F],
    pub target: &'a [F],
    pub weights: Option<&'a [F]>,
    pub grad: Option<&'a mut [F]>,
    pub each: Option<&'a mut [F]>,
    /// What the gradient of the sum is multiplied by.
    pub factor: F,
}

impl<'a, F: Float> Part<'a, F> {
    /// Takes the first elements off.
    fn split_off(&mut self, count: usize) -> Part<'a, F> {
        let weights = match &mut self.weights {
            Some(weights) => weights.split_off(..count),
            None => None,
        };
        let split = |slice: &mut Option<&'a mut [F]>| match slice {
            Some(slice) => slice.split_off_mut(..count),
            None => None,
        };
        Part {
            pred: self.pred.split_off(..count).unwrap_or_default(),
            target: self.target.split_off(..count).unwrap_or_default(),
            weights,
            grad: split(&mut self.grad),
            each: split(&mut self.each),
            factor: self.factor,
        }
    }

    fn run<L: Loss<F>>(self, loss: L, level: Level) -> Result<Total<F>, Error<F>> {
        let mut batch = loss.batch(self.pred, self.target).scale(self.factor).level(level);
        if let Some(weights) = self.weights {
            batch = batch.weights(weights);
        }
        if let Some(grad) = self.grad {
            batch = batch.gradient(grad);
        }
        if let Some(each) = self.each {
            batch = batch.losses(each);
        }
        batch.total()
    }
}

/// The total over slices of one length. Whole blocks go to each thread, so that merging is exact.
pub fn total<F, L>(loss: L, mut batch: Part<'_, F>, level: Level, threads: usize) -> Result<Total<F>, String>
where
    F: Float,
    L: Loss<F> + Send,
{
    let count = batch.pred.len();
    let blocks = count.div_ceil(Total::<F>::BLOCK);
    let share = blocks.div_ceil(threads).max(1) * Total::<F>::BLOCK;
    thread::scope(|scope| {
        let first = batch.split_off(share.min(count));
        let mut others = Vec::new();
        while !batch.pred.is_empty() {
            let part = batch.split_off(share.min(batch.pred.len()));
            let other = thread::Builder::new().spawn_scoped(scope, move || part.run(loss, level));
            others.push(other.map_err(|error| format!("cannot start a thread: {error}"))?);
        }
        let mut total = first.run(loss, level).map_err(explain)?;
        // In order: of several bad values, the first is named.
        for (index, other) in others.into_iter().enumerate() {
            let part = other.join().map_err(|_| "a thread has failed")?;
            let base = (index + 1) * share;
            total.merge(&part.map_err(|error| explain(error.shifted(base)))?);
        }
        Ok(total)
    })
}
