//! The one fused loop: predictions and targets to their sum and their gradient, in one pass.
//!
//! A batch is cut into blocks of [`Total::BLOCK`] elements. A block runs inside one level's instructions and gives a
//! (high, low) sum; out here, plain code adds the blocks up exactly.

use core::ops::Range;

use crate::dispatch::{Kernel, Level};
use crate::error::Error;
use crate::float::Float;
use crate::lanes::{Lanes, Mask};
use crate::loss::{Loss, Visitor};
use crate::sum::{HighLow, LaneSum, fold};
use crate::total::{Exact, Total};

/// The slices of one call, or of one block. Those that are not asked for are empty; the others are of one length.
pub struct Job<'a, F> {
    /// Empty where the gradient goes in place: `grad` holds the predictions then.
    pub pred: &'a [F],
    pub target: &'a [F],
    pub weights: &'a [F],
    pub grad: &'a mut [F],
    pub each: &'a mut [F],
    /// Whether the gradient is added to what `grad` holds.
    pub add: bool,
    /// What the gradient is multiplied by.
    pub factor: F,
}

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
        let block = Job {
            pred: self.pred.get(range.clone()).unwrap_or_default(),
            target: self.target.get(range.clone()).unwrap_or_default(),
            weights: self.weights.get(range.clone()).unwrap_or_default(),
            grad: self.grad.get_mut(range.clone()).unwrap_or_default(),
            each: self.each.get_mut(range.clone()).unwrap_or_default(),
            ..*self
        };
        let sum = loss.visit(Run { block, level });
        // The bad element is in the register that the kernel stopped at, and nothing there has been written.
        sum.map_err(|at| {
            let pred = if self.pred.is_empty() { &*self.grad } else { self.pred };
            let bad = first_bad(loss, pred, self.target, self.weights, range.start + at);
            bad.unwrap_or(Error::Empty)
        })
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
        if pred == pred && !loss.pred_domain().holds(pred) {
            return Some(Error::Pred { index, value: pred });
        }
    }
    None
}

/// Enters the kernel once the loss is known.
struct Run<'a, F> {
    block: Job<'a, F>,
    level: Level,
}

impl<F: Float> Visitor<F> for Run<'_, F> {
    type Output = Result<HighLow<F>, usize>;
    #[inline]
    fn visit<L: Loss<F>>(self, loss: L) -> Self::Output {
        let Run { block, level } = self;
        if block.grad.is_empty() {
            level.run(Block::<F, L, false> { block, loss })
        } else {
            level.run(Block::<F, L, true> { block, loss })
        }
    }
}

/// One block with one loss. There is a copy for each loss, precision, level, and value or value and gradient; the
/// rarer options are branches, a register each.
struct Block<'a, F, L, const GRAD: bool> {
    block: Job<'a, F>,
    loss: L,
}

/// The last elements of a block, padded to a row of lanes so that they take the same path as all others.
struct Tail<F, const WIDTH: usize> {
    pred: [F; WIDTH],
    target: [F; WIDTH],
    weights: [F; WIDTH],
    grad: [F; WIDTH],
    each: [F; WIDTH],
    /// 1 where there is an element.
    live: [F; WIDTH],
}

/// The row that begins with `rest` and goes on with its first element, which is as right or wrong as itself.
#[inline(always)]
fn padded<F: Float, const WIDTH: usize>(rest: &[F]) -> [F; WIDTH] {
    let mut row = [rest.first().copied().unwrap_or(F::ZERO); WIDTH];
    for (to, &from) in row.iter_mut().zip(rest) {
        *to = from;
    }
    row
}

impl<F: Float, L: Loss<F>, const GRAD: bool> Kernel<F> for Block<'_, F, L, GRAD> {
    /// On a bad value, the index that its register begins at.
    type Output = Result<HighLow<F>, usize>;

    #[inline(always)]
    fn run<V: Lanes<Elem = F>, const WIDTH: usize, const PARTS: usize>(self, zero: V) -> Self::Output {
        let Block { block, loss } = self;
        let in_place = GRAD && block.pred.is_empty();
        let weighted = !block.weights.is_empty();
        let each_wanted = !block.each.is_empty();
        let (preds, pred_rest) = block.pred.as_chunks::<WIDTH>();
        let (targets, target_rest) = block.target.as_chunks::<WIDTH>();
        let (weights, weight_rest) = block.weights.as_chunks::<WIDTH>();
        let (grads, grad_rest) = block.grad.as_chunks_mut::<WIDTH>();
        let (eaches, each_rest) = block.each.as_chunks_mut::<WIDTH>();

        let full = targets.len();
        let mut tail = Tail::<F, WIDTH> {
            pred: padded(pred_rest),
            target: padded(target_rest),
            weights: padded(weight_rest),
            grad: padded(grad_rest),
            each: [F::ZERO; WIDTH],
            live: [F::ZERO; WIDTH],
        };
        for (live, _) in tail.live.iter_mut().zip(target_rest) {
            *live = F::ONE;
        }

        let factor = zero.splat(block.factor);
        let mut sums = [LaneSum::new(zero); PARTS];
        for row in 0..block.target.len().div_ceil(WIDTH) {
            let pred = preds.get(row).unwrap_or(&tail.pred);
            let target = targets.get(row).unwrap_or(&tail.target);
            let weight = weights.get(row).unwrap_or(&tail.weights);
            let grad = grads.get_mut(row).unwrap_or(&mut tail.grad);
            let each = eaches.get_mut(row).unwrap_or(&mut tail.each);
            for part in 0..PARTS {
                let lanes = part * V::LANES..(part + 1) * V::LANES;
                let pred = zero.load(if in_place { &grad[lanes.clone()] } else { &pred[lanes.clone()] });
                let target = zero.load(&target[lanes.clone()]);
                let (mut value, mut slope) = loss.at(pred, target);

                let wrong_target = loss.target_domain().outside(target);
                let wrong_pred = loss.pred_domain().outside(pred).map(|wrong| wrong & pred.eq(pred));
                let wrong = match (wrong_target, wrong_pred) {
                    (Some(target), Some(pred)) => Some(target | pred),
                    (target, pred) => target.or(pred),
                };
                let mut bad = wrong.is_some_and(|wrong| wrong.any());

                if weighted {
                    let weight = zero.load(&weight[lanes.clone()]);
                    let masked = weight.eq(zero);
                    let infinite = !weight.abs().le(zero.splat(F::MAX));
                    bad = infinite.any() || wrong.is_some_and(|wrong| (wrong & !masked).any());
                    // Selected, not multiplied: a masked element may hold anything, infinities included.
                    value = masked.select(zero, value * weight);
                    slope = masked.select(zero, slope * (weight * factor));
                } else {
                    slope = slope * factor;
                }
                if bad {
                    return Err(row * WIDTH + lanes.start);
                }
                if each_wanted {
                    value.store(&mut each[lanes.clone()]);
                }
                if GRAD {
                    let into = &mut grad[lanes.clone()];
                    let slope = if block.add { zero.load(into) + slope } else { slope };
                    slope.store(into);
                }
                if row == full {
                    value = zero.load(&tail.live[lanes]).eq(zero).select(zero, value);
                }
                sums[part].add(value);
            }
        }
        for (to, &from) in grad_rest.iter_mut().zip(&tail.grad) {
            *to = from;
        }
        for (to, &from) in each_rest.iter_mut().zip(&tail.each) {
            *to = from;
        }

        let (mut sum_row, mut error_row) = ([F::ZERO; WIDTH], [F::ZERO; WIDTH]);
        for ((sum, sums), errors) in
            sums.into_iter().zip(sum_row.chunks_mut(V::LANES)).zip(error_row.chunks_mut(V::LANES))
        {
            sum.store(sums, errors);
        }
        Ok(fold(sum_row, error_row))
    }
}
