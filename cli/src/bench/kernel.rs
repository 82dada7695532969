//! What is measured: a loss as callers of the crate run it, or the plain loop.

use fused_loss::{AnyLoss, Batch, Elementwise, Level, Loss, Total};

use super::data::Arrays;
use super::exact::ExactSum;
use super::plain::Plain;
use super::reference::{self, Libm};
use super::slices::Slices;
use super::{REFERENCE, Sum};
use crate::losses::explain;
use crate::parallel::spread;

#[derive(Clone, Copy, PartialEq)]
pub enum Engine {
    Level(Level),
    /// A plain loop over libm.
    Reference,
}

impl Engine {
    pub fn name(self) -> &'static str {
        match self {
            Engine::Level(level) => level.name(),
            Engine::Reference => REFERENCE,
        }
    }
}

pub struct Kernel<F: Libm> {
    pub name: &'static str,
    pub loss: AnyLoss<F>,
    pub engine: Engine,
    pub sum: Sum,
    pub threads: usize,
    pub count: usize,
}

impl<F: Libm> Kernel<F> {
    /// What it lacks to run, if anything.
    pub fn missing(&self) -> Option<String> {
        let nothing = Slices { pred: &[], target: &[], out: &mut [] };
        let found =
            self.engine != Engine::Reference || reference::pass(self.loss, nothing, F::ONE, |_| ()).is_some();
        (!found).then(|| format!("the loss {} has no reference", self.name))
    }

    /// One call: the mean, and the gradient of the mean where there is room for it.
    pub fn call(&self, slices: Slices<'_, F>) -> Result<F, String> {
        match (self.engine, self.sum) {
            (Engine::Level(level), Sum::Compensated) => self.mean(self.loss, slices, level),
            (Engine::Level(level), Sum::Plain) => self.mean(Plain(self.loss), slices, level),
            (Engine::Reference, _) => Ok(self.plain_sum(slices)? / F::from_count(self.count as u64)),
        }
    }

    fn mean<L: Loss<F> + Sync>(&self, loss: L, slices: Slices<'_, F>, level: Level) -> Result<F, String> {
        if self.threads == 1 {
            return batch(loss, slices).level(level).mean().map_err(explain);
        }
        self.total(loss, slices, level)?.mean().map_err(explain)
    }

    fn total<L>(&self, loss: L, slices: Slices<'_, F>, level: Level) -> Result<Total<F>, String>
    where
        L: Loss<F> + Sync,
    {
        let factor = F::ONE / F::from_count(self.count as u64);
        let part =
            |part: Slices<'_, F>, _| batch(loss, part).scale(factor).level(level).total().map_err(explain);
        spread(slices, Total::<F>::BLOCK, self.threads, part, |mut one, other| {
            one.merge(&other);
            one
        })
    }

    fn plain_sum(&self, slices: Slices<'_, F>) -> Result<F, String> {
        let (loss, factor) = (self.loss, F::ONE / F::from_count(self.count as u64));
        let part = |part: Slices<'_, F>, _| {
            let mut sum = F::ZERO;
            reference::pass(loss, part, factor, |value| sum = sum + value);
            Ok(sum)
        };
        spread(slices, Total::<F>::BLOCK, self.threads, part, |one, other| one + other)
    }

    /// How far the sum is off the exact sum of what it adds up, in ULP.
    pub fn total_error(&self, arrays: &Arrays<F>) -> Result<Option<f64>, String> {
        let (pred, target) = arrays.inputs();
        let slices = || Slices { pred, target, out: &mut [] };
        let mut exact = ExactSum::default();
        let found = match self.engine {
            Engine::Level(level) => {
                // Block by block, for the losses of all elements would need one more large array.
                let mut room = vec![F::ZERO; Total::<F>::BLOCK.min(self.count)];
                for (pred, target) in pred.chunks(room.len()).zip(target.chunks(room.len())) {
                    let each = &mut room[..pred.len()];
                    let batch = self.loss.batch(pred, target).losses(each).level(level);
                    batch.sum().map_err(explain)?;
                    each.iter().for_each(|value| exact.add(value.to_f64()));
                }
                match self.sum {
                    Sum::Compensated => self.total(self.loss, slices(), level)?.sum(),
                    Sum::Plain => self.total(Plain(self.loss), slices(), level)?.sum(),
                }
            }
            Engine::Reference => {
                reference::pass(self.loss, slices(), F::ONE, |value| exact.add(value.to_f64()));
                self.plain_sum(slices())?
            }
        };
        Ok(exact.error_ulp(found))
    }
}

fn batch<F: Libm, L: Loss<F>>(loss: L, slices: Slices<'_, F>) -> Batch<'_, L, F> {
    let Slices { pred, target, out } = slices;
    match (pred.is_empty(), out.is_empty()) {
        (_, true) => loss.batch(pred, target),
        (true, false) => loss.batch_in_place(out, target),
        (false, false) => loss.batch(pred, target).gradient(out),
    }
}
