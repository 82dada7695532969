//! Rows whose classes lie on several workers: what a worker's part of a row comes to, and how parts are put together.

use super::OverSoftmax;
use super::label::Weights;
use super::many::Batch;
use crate::dispatch::{Kernel, Level, Rounding};
use crate::float::Float;
use crate::lanes::Lanes;
use crate::softmax::{Row, maximum};
use crate::sum::{HighLow, two_product};
use crate::total::{Exact, Total};

/// The greatest of some logits, and its place.
pub struct Greatest<'a, F>(pub &'a [F]);

impl<F: Float> Kernel<F> for Greatest<'_, F> {
    type Output = (F, usize);
    type Home = Self;

    #[inline(always)]
    fn run<V: Lanes<Elem = F>, const WIDTH: usize, const PARTS: usize>(self, zero: V) -> (F, usize) {
        maximum(zero, self.0)
    }
}

/// The sum of the exponentials of at most a block of logits, against a row's maximum.
struct Block<'a, F> {
    logits: &'a [F],
    of: OverSoftmax<F, ()>,
    max: F,
    except: usize,
}

impl<F: Float> Kernel<F> for Block<'_, F> {
    type Output = HighLow<F>;
    type Home = Self;

    #[inline(always)]
    fn run<V: Lanes<Elem = F>, const WIDTH: usize, const PARTS: usize>(self, zero: V) -> HighLow<F> {
        let Block { logits, of, max, except } = self;
        let power = of.logits.of_row(zero, zero.single().splat(max));
        let mut room = Row::new(logits, &mut []);
        room.exponentials::<V, WIDTH, PARTS>(zero, power, of.logits.shaped(max), except, false)
    }
}

/// Adds the exponentials of some logits, but for that of the place `except`, to a sum.
pub fn add_up<F: Float>(
    logits: &[F],
    of: OverSoftmax<F, ()>,
    max: F,
    except: Option<usize>,
    level: Level,
    sum: &mut Exact<F>,
) {
    for (block, logits) in logits.chunks(Total::<F>::BLOCK).enumerate() {
        let except = except.and_then(|at| at.checked_sub(block * Total::<F>::BLOCK)).unwrap_or(usize::MAX);
        sum.add_pair(level.run(Block { logits, of, max, except }));
    }
}

/// A sum of exponentials of one class of rounding, in the units of another.
pub fn in_units_of<F: Float>(sum: HighLow<F>, from: Rounding, to: Rounding) -> HighLow<F> {
    let [unit, inverse] = F::EXP.fused_unit();
    let factor = match (from, to) {
        (Rounding::Unfused, Rounding::Fused) => unit,
        (Rounding::Fused, Rounding::Unfused) => inverse,
        _ => return sum,
    };
    let HighLow { high, low } = two_product(sum.high, factor[0]);
    HighLow { high, low: low + (sum.high * factor[1] + sum.low * factor[0]) }
}

/// What is known of a whole row.
#[derive(Clone, Copy)]
pub struct Whole<F> {
    pub max: F,
    pub rest: HighLow<F>,
    /// The label's logit, and whether it is the greatest.
    pub own: F,
    pub hit: bool,
}

/// Loss and log-sum-exp of a row, and the gradient of some of its classes.
pub struct Finish<'a, F> {
    pub of: OverSoftmax<F, ()>,
    pub whole: Whole<F>,
    pub factor: F,
    pub room: Row<'a, F>,
    /// The label's place, if it is among them.
    pub label: Option<usize>,
}

impl<F: Float> Kernel<F> for Finish<'_, F> {
    type Output = [F; 2];
    type Home = Self;

    #[inline(always)]
    fn run<V: Lanes<Elem = F>, const WIDTH: usize, const PARTS: usize>(self, zero: V) -> [F; 2] {
        let Finish { of, whole, factor, room, label } = self;
        let mut batch = Batch::default();
        batch.max[0] = whole.max;
        batch.own[0] = whole.own;
        (batch.rest[0][0], batch.rest[1][0]) = (whole.rest.high, whole.rest.low);
        batch.hit[0] = if whole.hit { F::ONE } else { F::ZERO };
        let single = zero.single();
        let found = batch.work_out(Weights::ones(single), F::ONE, factor, &of, single);
        let results = [crate::softmax::lane(found.loss), crate::softmax::lane(found.log_sum)];
        if !room.grad.is_empty() {
            batch.write(&of, zero, room, label, false, false, 0);
        }
        results
    }
}
