//! Batches of no more than a row, where what counts is what a call costs.

use super::{Parts, right};
use crate::dispatch::{Kernel, Level};
use crate::float::Float;
use crate::lanes::{Lanes, Mask};
use crate::loss::{Loss, Visitor};
use crate::sum::{Aligned, HighLow, fold};

/// Enters the kernel of a short batch once the loss is known.
pub struct RunShort<'j, F> {
    pub pred: &'j [F],
    pub target: &'j [F],
    pub grad: &'j mut [F],
    pub factor: F,
    pub level: Level,
}

impl<F: Float> Visitor<F> for RunShort<'_, F> {
    type Output = HighLow<F>;
    #[inline]
    fn visit<L: Loss<F>>(self, loss: L) -> HighLow<F> {
        let RunShort { pred, target, grad, factor, level } = self;
        // A quarter of a row fills the registers of that level.
        let level = if L::COSTLY && target.len() > F::WIDTH / 4 { level } else { level.for_little() };
        if grad.is_empty() {
            level.run(Short::<F, L, false> { pred, target, grad, factor, loss })
        } else {
            level.run(Short::<F, L, true> { pred, target, grad, factor, loss })
        }
    }
}

/// A batch of no more than a row, without the rarer options, in a kernel of its own: it waits for every instruction.
/// Each lane has one term, so that nothing is rounded before the fold.
struct Short<'j, F, L, const GRAD: bool> {
    /// Empty where the gradient goes in place.
    pred: &'j [F],
    target: &'j [F],
    grad: &'j mut [F],
    factor: F,
    loss: L,
}

impl<F: Float, L: Loss<F>, const GRAD: bool> Kernel<F> for Short<'_, F, L, GRAD> {
    /// Its low part is NaN, which that of a sum never is, where a value is bad. The high one is then the index that its
    /// register begins at: what is before that has been written, in place over the predictions.
    type Output = HighLow<F>;
    type Home = L;

    #[inline(always)]
    fn run<V: Lanes<Elem = F>, const WIDTH: usize, const PARTS: usize>(self, zero: V) -> HighLow<F> {
        let Short { pred, target, grad, factor, loss } = self;
        let (zero, count, lanes) = (zero.single(), target.len(), V::Single::LANES);
        let factor = zero.splat(factor);
        let in_place = GRAD && pred.is_empty();
        // Cut to one length, which is looked at once and not at each register.
        let pred = pred.get(..count).unwrap_or(target);
        let Some(grad) = grad.get_mut(..if GRAD { count } else { 0 }) else {
            return HighLow { high: F::ZERO, low: F::NAN };
        };
        let mut losses = Aligned([F::ZERO; WIDTH]);
        let Aligned(losses) = &mut losses;
        let (mut wrong, mut at) = (false, 0);
        for losses in losses.chunks_exact_mut(lanes) {
            if at >= count {
                break;
            }
            let live = lanes.min(count - at);
            let preds = zero.part(if in_place { &*grad } else { pred }, at, live);
            let targets = zero.part(target, at, live);
            let (mut value, slope) = loss.at(preds, targets);
            let mut right = right(loss, preds, targets);
            if live < lanes {
                let live = zero.first(live);
                value = live.keep(value);
                right = right.map(|right| right | !live);
            }
            if right.is_some_and(|right| !right.all()) {
                wrong = true;
                break;
            }
            (zero + value).store(losses);
            if GRAD {
                (slope * factor).put(grad, at, live);
            }
            at += lanes;
        }
        if wrong {
            return HighLow { high: F::from_count(at as u64), low: F::NAN };
        }
        fold(losses, None, count)
    }
}
