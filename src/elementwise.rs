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
use crate::sum::{Aligned, HighLow, LaneSum, fold, store_rows, sum_in_turns};
use crate::total::{Exact, Total};

mod far;
mod short;
mod whole;

use far::{Carry, RunFar};
use short::RunShort;

impl<F: Float> Job<'_, F> {
    /// The sum of the losses, as a pair. It is added to `total`, where there is one.
    #[cfg_attr(not(called), inline(always))]
    pub fn run<L: Loss<F>>(
        mut self,
        loss: L,
        level: Level,
        total: Option<&mut Exact<F>>,
    ) -> Result<HighLow<F>, Error<F>> {
        if cfg!(any(small, not(portable_simd))) {
            return self.run_blocks(loss, level, total);
        }
        let count = self.target.len();
        if total.is_some() || count > F::WIDTH || !self.plain() {
            // All of it, but put together here: a short batch is not written to memory for a call that it does not make.
            return self.block(0..count, 0).run_blocks(loss, level, total);
        }
        let Job { pred, target, grad, factor, .. } = self;
        let pair = loss.visit(RunShort { pred, target, grad: &mut *grad, factor, level });
        if pair.low.nan() {
            let pred = if pred.is_empty() { grad } else { pred };
            return Err(bad_value(loss, pred, target, &[], pair.high.to_f64() as usize));
        }
        Ok(pair)
    }

    #[inline(never)]
    fn run_blocks<L: Loss<F>>(
        mut self,
        loss: L,
        level: Level,
        total: Option<&mut Exact<F>>,
    ) -> Result<HighLow<F>, Error<F>> {
        let count = self.target.len();
        // One block's pair, rounded once, has the same bits without the detour.
        if total.is_none() && count <= Total::<F>::BLOCK {
            let mut bad = None;
            let pair = loss.visit(Run { job: &mut self, level, bad: &mut bad });
            return bad.map_or(Ok(pair), |at| Err(self.bad(loss, at)));
        }
        let long = self.far || self.long();
        self.far = long && level.streams() && self.plain();
        let mut own = Exact::ZERO;
        let result = self.add_blocks(loss, level, total.unwrap_or(&mut own));
        if self.far {
            level.settle();
        }
        result
    }

    fn add_blocks<L: Loss<F>>(
        &mut self,
        loss: L,
        level: Level,
        sum: &mut Exact<F>,
    ) -> Result<HighLow<F>, Error<F>> {
        let count = self.target.len();
        let in_place = self.pred.is_empty();
        let mut carry = Carry::default();
        for base in (0..count).step_by(Total::<F>::BLOCK) {
            let range = base..count.min(base + Total::<F>::BLOCK);
            let mut bad = None;
            let pair = if cfg!(x86_dispatch)
                && self.far
                && range.len() == Total::<F>::BLOCK
                && (in_place || base > 0)
            {
                let margin = if in_place { 0 } else { Carry::<F>::MARGIN };
                let mut block = self.block(range, margin);
                loss.visit(RunFar { job: &mut block, level, carry: &mut carry, bad: &mut bad })
            } else {
                carry.flush(self.grad.get_mut(..base).unwrap_or_default());
                let mut block = self.block(range, 0);
                loss.visit(Run { job: &mut block, level, bad: &mut bad })
            };
            sum.add_pair(pair);
            if let Some(at) = bad {
                return Err(self.bad(loss, base + at));
            }
        }
        carry.flush(self.grad);
        Ok(sum.high_low())
    }

    /// Whether it has none of the rarer options.
    #[inline(always)]
    fn plain(&self) -> bool {
        !self.add && self.weights.is_empty() && self.each.is_empty()
    }

    /// Some of its elements; the gradient begins so many before.
    #[cfg_attr(not(called), inline(always))]
    fn block(&mut self, range: Range<usize>, margin: usize) -> Job<'_, F> {
        Job {
            pred: self.pred.get(range.clone()).unwrap_or_default(),
            target: self.target.get(range.clone()).unwrap_or_default(),
            weights: self.weights.get(range.clone()).unwrap_or_default(),
            grad: self.grad.get_mut(range.start - margin..range.end).unwrap_or_default(),
            each: self.each.get_mut(range).unwrap_or_default(),
            ..*self
        }
    }

    /// The bad element is in the register that the kernel stopped at, and nothing there has been written.
    fn bad<L: Loss<F>>(&self, loss: L, from: usize) -> Error<F> {
        let pred = if self.pred.is_empty() { &*self.grad } else { self.pred };
        bad_value(loss, pred, self.target, self.weights, from)
    }
}

/// The first bad value, which a kernel has met.
#[cold]
fn bad_value<F: Float, L: Loss<F>>(
    loss: L,
    pred: &[F],
    target: &[F],
    weights: &[F],
    from: usize,
) -> Error<F> {
    first_bad(loss, pred, target, weights, from).unwrap_or(Error::Empty)
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
        let bad = bad_element(loss, pred, target, index);
        if bad.is_some() {
            return bad;
        }
    }
    None
}

/// What is wrong with an element: the target before the prediction.
#[cfg_attr(called, inline(never))]
pub fn bad_element<F: Float, L: Loss<F>>(loss: L, pred: F, target: F, index: usize) -> Option<Error<F>> {
    if !loss.target_domain().holds(target) {
        return Some(Error::Target { index, value: target });
    }
    let fits = pred.nan() || loss.pred_domain().holds(pred);
    (!fits).then_some(Error::Pred { index, value: pred })
}

impl<F: Float, L: Loss<F>> Targets<L, F> for &[F] {
    #[inline]
    fn of_rows(&self) -> bool {
        false
    }

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
    fn check(&mut self, loss: L, _: &[F], _: Option<Level>) -> Result<(), Error<F>> {
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

    #[cfg_attr(not(called), inline(always))]
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
    if cfg!(small) {
        return Ok(sum_plainly(numbers, total));
    }
    Job::of(numbers, numbers).run(Identity, level, total)
}

/// The same without the fused loop, of which a copy for this alone would be larger.
fn sum_plainly<F: Float>(numbers: &[F], total: Option<&mut Exact<F>>) -> HighLow<F> {
    if total.is_none() && numbers.len() <= Total::<F>::BLOCK {
        return sum_in_turns(numbers, F::WIDTH);
    }
    let mut own = Exact::ZERO;
    let sum = total.unwrap_or(&mut own);
    numbers.chunks(Total::<F>::BLOCK).for_each(|block| sum.add_pair(sum_in_turns(block, F::WIDTH)));
    sum.high_low()
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
    level: Level,
    /// Where a kernel says that it met a bad value: at which index the register begins. Aside, for the sum comes back
    /// in registers as long as it comes alone, and small batches wait for it.
    bad: &'j mut Option<usize>,
}

impl<F: Float> Visitor<F> for Run<'_, '_, F> {
    type Output = HighLow<F>;
    #[inline]
    fn visit<L: Loss<F>>(self, loss: L) -> Self::Output {
        let Run { job, level, bad } = self;
        // Of a few rows and a rest, wide registers would take longer over the rest and the fold than they save.
        let few = !L::COSTLY && job.target.len() < 4 * F::WIDTH;
        let level = if few { level.for_little() } else { level };
        if cfg!(not(small)) && job.grad.is_empty() {
            level.run(Block::<F, L, false> { job, loss, bad })
        } else {
            level.run(Block::<F, L, true> { job, loss, bad })
        }
    }
}

/// The sum, or nothing and where it stopped in `bad`.
#[inline(always)]
fn aside<F: Float>(sum: Result<HighLow<F>, usize>, bad: &mut Option<usize>) -> HighLow<F> {
    *bad = sum.err();
    sum.unwrap_or(HighLow { high: F::ZERO, low: F::ZERO })
}

/// One block with one loss. There is a copy for each loss, precision, level, and value or value and gradient; the
/// rarer options are branches, a register each.
struct Block<'j, 'a, F, L, const GRAD: bool> {
    job: &'j mut Job<'a, F>,
    loss: L,
    bad: &'j mut Option<usize>,
}

impl<F: Float, L: Loss<F>, const GRAD: bool> Kernel<F> for Block<'_, '_, F, L, GRAD> {
    type Output = HighLow<F>;
    type Home = L;

    #[inline(always)]
    fn run<V: Lanes<Elem = F>, const WIDTH: usize, const PARTS: usize>(mut self, zero: V) -> HighLow<F> {
        aside(self.sum::<V, WIDTH, PARTS>(zero), self.bad)
    }
}

impl<F: Float, L: Loss<F>, const GRAD: bool> Block<'_, '_, F, L, GRAD> {
    /// The sum, or the index that the register of a bad value begins at.
    #[inline(always)]
    fn sum<V, const WIDTH: usize, const PARTS: usize>(&mut self, zero: V) -> Result<HighLow<F>, usize>
    where
        V: Lanes<Elem = F>,
    {
        let (job, loss) = (&mut *self.job, self.loss);
        // A copy of its own, which no write to a slice can be thought to change.
        let mut job = Job { grad: &mut *job.grad, each: &mut *job.each, ..*job };
        let count = job.target.len();
        let plain = job.plain();
        let (mut sum_row, mut error_row) = (Aligned([F::ZERO; WIDTH]), Aligned([F::ZERO; WIDTH]));
        let (Aligned(sum_row), Aligned(error_row)) = (&mut sum_row, &mut error_row);
        let mut at = 0;

        // Whole rows: all that counts for speed, with sums in registers. One lane a register is for targets where size
        // is what counts: there, the last loop does it all.
        if cfg!(not(small)) && V::LANES > 1 && count >= WIDTH {
            let mut sums = [LaneSum::new(zero); PARTS];
            if plain {
                job.plain_rows::<L, V, WIDTH, PARTS, GRAD>(loss, zero, &mut sums)?;
                at = count - count % WIDTH;
            } else {
                while at + WIDTH <= count {
                    for sum in &mut sums {
                        let value = job.step::<L, V, GRAD>(loss, zero, at, V::LANES);
                        sum.add_one_of(L::TERMS.weighted(), value.ok_or(at)?);
                        at += V::LANES;
                    }
                }
            }
            store_rows(sums, sum_row, error_row);
        }

        // What is left, one register at a time, with sums in memory: small code, and little work for small calls.
        let zero = zero.single();
        while at < count {
            let lanes = V::Single::LANES.min(count - at);
            let value = job.step::<L, V::Single, GRAD>(loss, zero, at, lanes).ok_or(at)?;
            let slot = at % WIDTH;
            let slots = slot..slot + V::Single::LANES;
            if let (Some(sums), Some(errors)) = (sum_row.get_mut(slots.clone()), error_row.get_mut(slots)) {
                let mut sum = LaneSum::load(zero, sums, errors);
                sum.add_one_of(L::TERMS.weighted(), value);
                sum.store(sums, errors);
            }
            at += V::Single::LANES;
        }
        Ok(fold(sum_row, Some(error_row), count))
    }
}

impl<F: Float> Job<'_, F> {
    /// The losses of the register that begins at `at`, with all options; none where a value is bad. The last register
    /// may have fewer than all `lanes`; they take the same path as all others, so that no element's bits depend on its
    /// place.
    #[inline(always)]
    fn step<L, V, const GRAD: bool>(&mut self, loss: L, zero: V, at: usize, lanes: usize) -> Option<V>
    where
        L: Loss<F>,
        V: Lanes<Elem = F>,
    {
        let preds = zero.part(if GRAD && self.pred.is_empty() { &*self.grad } else { self.pred }, at, lanes);
        let targets = zero.part(self.target, at, lanes);
        let (mut value, mut slope) = loss.at(preds, targets);
        let mut right = right(loss, preds, targets);
        let mut factor = zero.splat(self.factor);
        if !self.weights.is_empty() {
            let weight = zero.part(self.weights, at, lanes);
            let masked = weight.eq(zero);
            let finite = weight.abs().le(zero.splat(F::MAX));
            right = Some(right.map_or(finite, |right| (right | masked) & finite));
            // Selected, not multiplied: a masked element may hold anything, infinities included.
            value = (!masked).keep(value * weight);
            slope = (!masked).keep(slope);
            factor = weight * zero.splat(self.lift) * factor;
        }
        if lanes < V::LANES {
            let live = zero.first(lanes);
            value = live.keep(value);
            right = right.map(|right| right | !live);
        }
        if right.is_some_and(|right| !right.all()) {
            return None;
        }
        if GRAD {
            slope = slope * factor;
            if self.add {
                slope = zero.part(self.grad, at, lanes) + slope;
            }
            slope.put(self.grad, at, lanes);
        }
        if !self.each.is_empty() {
            value.put(self.each, at, lanes);
        }
        Some(value)
    }
}

/// Lanes whose target and prediction lie in their domains, or the prediction is NaN; none where there are no domains.
#[inline(always)]
fn right<V: Lanes, L: Loss<V::Elem>>(loss: L, pred: V, target: V) -> Option<V::Mask> {
    match (loss.target_domain().inside(target), loss.pred_domain().outside(pred)) {
        (right, None) => right,
        (None, Some(wrong)) => Some(!wrong),
        (Some(right), Some(wrong)) => Some(right & !wrong),
    }
}

/// The first `lanes` lanes of a register, in a slice that has them from `at` on.
trait Parts: Lanes {
    #[inline(always)]
    fn part(self, slice: &[Self::Elem], at: usize, lanes: usize) -> Self {
        match slice.get(at..at + lanes) {
            Some(part) if lanes == Self::LANES => self.load(part),
            // All slices have this length, so that one mask does for them.
            Some(part) => self.load_first(part),
            None => self.splat(Self::Elem::ZERO),
        }
    }
    #[inline(always)]
    fn put(self, slice: &mut [Self::Elem], at: usize, lanes: usize) {
        match slice.get_mut(at..at + lanes) {
            Some(part) if lanes == Self::LANES => self.store(part),
            Some(part) => self.store_first(part),
            None => {}
        }
    }
}

impl<V: Lanes> Parts for V {}
