//! Work over a batch on several threads, with the bits of a single call.

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

impl<F: Float> Share for Part<'_, F> {
    fn len(&self) -> usize {
        self.pred.len()
    }

    fn split_off(&mut self, count: usize) -> Self {
        Part {
            pred: self.pred.split_off(..count).unwrap_or_default(),
            target: self.target.split_off(..count).unwrap_or_default(),
            weights: self.weights.as_mut().and_then(|weights| weights.split_off(..count)),
            grad: self.grad.as_mut().and_then(|grad| grad.split_off_mut(..count)),
            each: self.each.as_mut().and_then(|each| each.split_off_mut(..count)),
            factor: self.factor,
        }
    }
}

impl<F: Float> Part<'_, F> {
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

/// The total over slices of one length.
pub fn total<F, L>(loss: L, batch: Part<'_, F>, level: Level, threads: usize) -> Result<Total<F>, String>
where
    F: Float,
    L: Loss<F> + Send + Sync,
{
    let work = |part: Part<'_, F>, base| {
        part.run(loss, level).map_err(|error: Error<F>| explain(error.shifted(base)))
    };
    spread(batch, Total::<F>::BLOCK, threads, work, |mut one, other| {
        one.merge(&other);
        one
    })
}

/// What threads can share out.
pub trait Share: Sized + Send {
    /// How many elements there are.
    fn len(&self) -> usize;
    /// Takes the first ones off.
    fn split_off(&mut self, count: usize) -> Self;
}

/// Gives whole blocks to each thread, so that totals merge exactly, and merges what they come to in order: of several
/// errors, that of the first part is the result. `work` is told the index that its part begins at.
pub fn spread<S: Share, T: Send>(
    mut all: S,
    block: usize,
    threads: usize,
    work: impl Fn(S, usize) -> Result<T, String> + Sync,
    mut merge: impl FnMut(T, T) -> T,
) -> Result<T, String> {
    let share = all.len().div_ceil(block).div_ceil(threads).max(1) * block;
    if share >= all.len() {
        return work(all, 0);
    }
    let work = &work;
    thread::scope(|scope| {
        let first = all.split_off(share);
        let (mut base, mut others) = (share, Vec::new());
        while all.len() > 0 {
            let part = all.split_off(share.min(all.len()));
            let other = thread::Builder::new().spawn_scoped(scope, move || work(part, base));
            others.push(other.map_err(|error| format!("cannot start a thread: {error}"))?);
            base += share;
        }
        let mut whole = work(first, 0)?;
        for other in others {
            whole = merge(whole, other.join().map_err(|_| "a thread has failed")??);
        }
        Ok(whole)
    })
}
