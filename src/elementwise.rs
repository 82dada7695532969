//! The one fused loop: predictions and targets to their sum and their gradient, in one pass.
//!
//! A batch is cut into blocks of [`Total::BLOCK`] elements. A block runs inside one level's instructions and gives a
//! (high, low) sum; out here, plain code adds the blocks up exactly.

use core::ops::Range;

use crate::dispatch::{Kernel, Level};
use crate::error::Error;
use crate::float::Float;
use crate::job::{Job, Targets};
use crate::lanes::{Lanes, Mask};
use crate::loss::{Loss, Visitor};
use crate::sum::{HighLow, LaneSum, fold};
use crate::total::{Exact, Total};

impl<F: Float> Job<'_, F> {
    /// The sum of the losses, as a pair. It is added to `total`, where there is one.
    pub fn run<L: Loss<F>>(
        mut self,
        loss: L,
        level: Level,
        total: Option<&mut Exact<F>>,
    ) -> Result<HighLow<F>, Error<F>> {
        let count = self.target.len();
        // One block's pair, rounded once, has the same bits without the detour.
        if total.is_none() && count <= Total::<F>::BLOCK {
            return self.block(loss, level, 0..count);
        }
        let mut own = Exact::ZERO;
        let sum = total.unwrap_or(&mut own);
        for base in (0..count).step_by(Total::<F>::BLOCK) {
            sum.add_pair(self.block(loss, level, base..count.min(base + Total::<F>::BLOCK))?);
        }
        Ok(sum.high_low())
    }

    fn block<L: Loss<F>>(
        &mut self,
        loss: L,
        level: Level,
        range: Range<usize>,
    ) -> Result<HighLow<F>, Error<F>> {
        // The bad element is in the register that the kernel stopped at, and nothing there has been written.
        loss.visit(Run { job: self, range, level }).map_err(|at| self.bad(loss, at))
    }

    #[cold]
    fn bad<L: Loss<F>>(&self, loss: L, from: usize) -> Error<F> {
        let pred = if self.pred.is_empty() { &*self.grad } else { self.pred };
        first_bad(loss, pred, self.target, self.weights, from).unwrap_or(Error::Empty)
    }
}

/// The first bad value from index `from` on: of one element, the weight before the target before the prediction.
pub fn first_bad<F: Float, L: Loss<F>>(
    loss: L,
    pred: &[F],
    target: &[F],
    weights: &[F],
    from: usize,
) -> Option<Error<F>> {
    for (index, (&pred, &target)) in pred.iter().zip(target).enumerate().skip(from) {
        let weight = weights.get(index).copied().unwrap_or(F::ONE);
        if !weight.finite() {
            return Some(Error::Weight { index, value: weight });
        }
        if weight == F::ZERO {
            continue;
        }
        if !loss.target_domain().holds(target) {
            return Some(Error::Target { index, value: target });
        }
        if !pred.nan() && !loss.pred_domain().holds(pred) {
            return Some(Error::Pred { index, value: pred });
        }
    }
    None
}

impl<F: Float, L: Loss<F>> Targets<L, F> for &[F] {
    const ROWS: bool = false;

    #[inline]
    fn count(&self, pred: usize) -> usize {
        pred
    }

    #[inline]
    fn check_lengths(&self, expected: usize) -> Result<(), Error<F>> {
        let (what, found) = ("target", self.len());
        if found == expected { Ok(()) } else { Err(Error::Length { what, expected, found }) }
    }

    #[inline]
    fn check(&self, loss: L, _: &[F]) -> Result<(), Error<F>> {
        loss.check()
    }

    fn first_bad(&self, loss: L, pred: &[F], weights: &[F]) -> Option<Error<F>> {
        first_bad(loss, pred, self, weights, 0)
    }

    fn taking_part(&self, _: L, losses: usize, weights: &[F], level: Level) -> Result<Total<F>, Error<F>> {
        let mut total = Total { count: losses as u64, ..Total::default() };
        if weights.is_empty() {
            total.weight.add_count(total.count);
        } else {
            sum(weights, level, Some(&mut total.weight))?;
        }
        Ok(total)
    }

    fn run(
        job: Job<'_, F, Self>,
        loss: L,
        level: Level,
        total: Option<&mut Exact<F>>,
    ) -> Result<HighLow<F>, Error<F>> {
        job.run(loss, level, total)
    }
}

/// The sum of numbers: the fused loop over a loss that is its prediction.
pub fn sum<F: Float>(
    numbers: &[F],
    level: Level,
    total: Option<&mut Exact<F>>,
) -> Result<HighLow<F>, Error<F>> {
    Job::of(numbers, numbers).run(Identity, level, total)
}

#[derive(Clone, Copy)]
struct Identity;

impl<F: Float> Loss<F> for Identity {
    #[inline(always)]
    fn at<V: Lanes<Elem = F>>(self, pred: V, _: V) -> (V, V) {
        (pred, pred)
    }
    fn definition(self, pred: f64, _: f64) -> f64 {
        pred
    }
}

/// Enters the kernel once the loss is known.
struct Run<'j, 'a, F> {
    job: &'j mut Job<'a, F>,
    range: Range<usize>,
    level: Level,
}

impl<F: Float> Visitor<F> for Run<'_, '_, F> {
    type Output = Result<HighLow<F>, usize>;
    #[inline]
    fn visit<L: Loss<F>>(self, loss: L) -> Self::Output {
        let Run { job, range, level } = self;
        if job.grad.is_empty() {
            level.run(Block::<F, L, false> { job, range, loss })
        } else {
            level.run(Block::<F, L, true> { job, range, loss })
        }
    }
}

/// One block with one loss. There is a copy for each loss, precision, level, and value or value and gradient; the
/// rarer options are branches, a register each.
struct Block<'j, 'a, F, L, const GRAD: bool> {
    job: &'j mut Job<'a, F>,
    range: Range<usize>,
    loss: L,
}

impl<F: Float, L: Loss<F>, const GRAD: bool> Kernel<F> for Block<'_, '_, F, L, GRAD> {
    /// On a bad value, the index that its register begins at.
    type Output = Result<HighLow<F>, usize>;

    #[inline(always)]
    fn run<V: Lanes<Elem = F>, const WIDTH: usize, const PARTS: usize>(self, zero: V) -> Self::Output {
        let Block { job, range, loss } = self;
        let start = range.start;
        let target = job.target.get(range.clone()).unwrap_or_default();
        let grad = if GRAD { job.grad.get_mut(range.clone()).unwrap_or_default() } else { &mut [] };
        let mut job = Job {
            pred: job.pred.get(range.clone()).unwrap_or_default(),
            target,
            weights: job.weights.get(range.clone()).unwrap_or_default(),
            grad,
            each: job.each.get_mut(range).unwrap_or_default(),
            ..*job
        };
        let plain = !job.add && job.weights.is_empty() && job.each.is_empty();
        let whole = target.len() - target.len() % WIDTH;
        let (mut sum_row, mut error_row) = ([F::ZERO; WIDTH], [F::ZERO; WIDTH]);

        // Whole rows: all that counts for speed, with sums in registers. One lane a register is for targets where size
        // is what counts: there, the last loop does it all.
        if V::LANES > 1 && whole > 0 {
            let mut sums = [LaneSum::new(zero); PARTS];
            if plain {
                job.plain_rows::<L, V, WIDTH, PARTS, GRAD>(loss, zero, &mut sums).map_err(|at| start + at)?;
            } else {
                for row in (0..whole).step_by(WIDTH) {
                    for (part, sum) in sums.iter_mut().enumerate() {
                        let at = row + part * V::LANES;
                        let value = job.step::<L, V, GRAD>(loss, zero, at..at + V::LANES);
                        sum.add(value.ok_or(start + at)?, L::COMPENSATED);
                    }
                }
            }
            let rows = sum_row.chunks_mut(V::LANES).zip(error_row.chunks_mut(V::LANES));
            for (sum, (sums, errors)) in sums.into_iter().zip(rows) {
                sum.store(sums, errors);
            }
        }

        // What is left, one register at a time, with sums in memory: small code, and little work for small calls.
        let (from, zero) = (if V::LANES > 1 { whole } else { 0 }, zero.single());
        for at in (from..target.len()).step_by(V::Single::LANES) {
            let lanes = at..target.len().min(at + V::Single::LANES);
            let value = job.step::<L, V::Single, GRAD>(loss, zero, lanes).ok_or(start + at)?;
            let slots = at % WIDTH..at % WIDTH + V::Single::LANES;
            if let (Some(sums), Some(errors)) = (sum_row.get_mut(slots.clone()), error_row.get_mut(slots)) {
                let mut sum = LaneSum::load(zero, sums, errors);
                sum.add(value, L::COMPENSATED);
                sum.store(sums, errors);
            }
        }
        Ok(fold(&sum_row, &error_row, target.len()))
    }
}

impl<F: Float> Job<'_, F> {
    /// Whole rows without the rarer options. On a bad value, the index that its register begins at.
    #[inline(always)]
    fn plain_rows<L, V, const WIDTH: usize, const PARTS: usize, const GRAD: bool>(
        &mut self,
        loss: L,
        zero: V,
        sums: &mut [LaneSum<V>; PARTS],
    ) -> Result<(), usize>
    where
        L: Loss<F>,
        V: Lanes<Elem = F>,
    {
        let factor = zero.splat(self.factor);
        let (targets, _) = self.target.as_chunks::<WIDTH>();
        let (preds, _) = self.pred.as_chunks::<WIDTH>();
        let (grads, _) = self.grad.as_chunks_mut::<WIDTH>();
        for (row, target) in targets.iter().enumerate() {
            let mut grad = if GRAD { grads.get_mut(row) } else { None };
            for (part, sum) in sums.iter_mut().enumerate() {
                let lanes = part * V::LANES..(part + 1) * V::LANES;
                let pred = match (preds.get(row), &grad) {
                    (Some(pred), _) => zero.load(&pred[lanes.clone()]),
                    (None, Some(pred)) => zero.load(&pred[lanes.clone()]),
                    (None, None) => zero,
                };
                let target = zero.load(&target[lanes.clone()]);
                let (value, slope) = loss.at(pred, target);
                if wrong(loss, pred, target).is_some_and(|wrong| wrong.any()) {
                    return Err(row * WIDTH + lanes.start);
                }
                sum.add(value, L::COMPENSATED);
                if let Some(grad) = &mut grad {
                    (slope * factor).store(&mut grad[lanes]);
                }
            }
        }
        Ok(())
    }

    /// The losses of a register that begins at `lanes`, with all options; none where a value is bad. The last register
    /// may be short; its lanes take the same path as all others, so that no element's bits depend on its place.
    #[inline(always)]
    fn step<L, V, const GRAD: bool>(&mut self, loss: L, zero: V, lanes: Range<usize>) -> Option<V>
    where
        L: Loss<F>,
        V: Lanes<Elem = F>,
    {
        let preds = zero.part(if GRAD && self.pred.is_empty() { &*self.grad } else { self.pred }, &lanes);
        let targets = zero.part(self.target, &lanes);
        let (mut value, mut slope) = loss.at(preds, targets);
        let mut wrong = wrong(loss, preds, targets);
        let mut factor = zero.splat(self.factor);
        if !self.weights.is_empty() {
            let weight = zero.part(self.weights, &lanes);
            let masked = weight.eq(zero);
            let infinite = !weight.abs().le(zero.splat(F::MAX));
            wrong = Some(wrong.map_or(infinite, |wrong| (wrong & !masked) | infinite));
            // Selected, not multiplied: a masked element may hold anything, infinities included.
            value = masked.select(zero, value * weight);
            slope = masked.select(zero, slope);
            factor = weight * zero.splat(self.lift) * factor;
        }
        if lanes.len() < V::LANES {
            let live = zero.first(lanes.len());
            value = live.select(value, zero);
            wrong = wrong.map(|wrong| wrong & live);
        }
        if wrong.is_some_and(|wrong| wrong.any()) {
            return None;
        }
        if GRAD {
            slope = slope * factor;
            if self.add {
                slope = zero.part(self.grad, &lanes) + slope;
            }
            slope.put(self.grad, &lanes);
        }
        if !self.each.is_empty() {
            value.put(self.each, &lanes);
        }
        Some(value)
    }
}

/// Lanes whose target or prediction lies outside its domain; none where there are no domains.
#[inline(always)]
fn wrong<V: Lanes, L: Loss<V::Elem>>(loss: L, pred: V, target: V) -> Option<V::Mask> {
    let wrong = loss.target_domain().outside(target);
    match loss.pred_domain().outside(pred) {
        None => wrong,
        Some(outside) => {
            let outside = outside & pred.eq(pred);
            Some(wrong.map_or(outside, |wrong| wrong | outside))
        }
    }
}

/// The lanes of a register, of which there may be fewer than it has.
trait Parts: Lanes {
    #[inline(always)]
    fn part(self, slice: &[Self::Elem], lanes: &Range<usize>) -> Self {
        match slice.get(lanes.clone()) {
            Some(part) if part.len() == Self::LANES => self.load(part),
            // All slices have this length, so that one mask does for them.
            Some(part) => self.load_first(part),
            None => self.splat(Self::Elem::ZERO),
        }
    }
    #[inline(always)]
    fn put(self, slice: &mut [Self::Elem], lanes: &Range<usize>) {
        match slice.get_mut(lanes.clone()) {
            Some(part) if part.len() == Self::LANES => self.store(part),
            Some(part) => self.store_first(part),
            None => {}
        }
    }
}

impl<V: Lanes> Parts for V {}
