//! The softmax itself, of one row.

use super::no_log_sum;
use crate::dispatch::Kernel;
use crate::float::Float;
use crate::lanes::{Lanes, Scalar};
use crate::math::ln_1p;
use crate::softmax::{Logits, Row, Sums, lane, load_from, maximum, store_from};

/// What becomes of the logits of a row.
#[derive(Clone, Copy, PartialEq)]
pub enum Form {
    /// Nothing: the log-sum-exp is all.
    None,
    Softmax,
    LogSoftmax,
}

/// Writes the softmax of a row, or its logarithm, and gives the log-sum-exp.
pub struct Shares<'a, F> {
    pub room: Row<'a, F>,
    pub logits: Logits<F>,
    pub form: Form,
}

impl<F: Float> Kernel<F> for Shares<'_, F> {
    type Output = F;
    type Home = Self;

    #[inline(always)]
    fn run<V: Lanes<Elem = F>, const WIDTH: usize, const PARTS: usize>(self, zero: V) -> F {
        let Shares { mut room, logits, form } = self;
        let (max, at) = maximum(zero, room.logits());
        if !max.finite() {
            let log_sum = no_log_sum(room.logits());
            room.grad.fill(F::NAN);
            return log_sum;
        }
        let single = zero.single().splat(max);
        let top = lane(logits.against(single).of_greatest());
        let power = logits.of_row(zero, single);
        let keep = form == Form::Softmax;
        let rest = room.exponentials::<V, WIDTH, PARTS>(zero, power, logits.shaped(max), at, keep);
        let sums = Sums::new(Scalar(top), [Scalar(rest.high), Scalar(rest.low)]);
        let log = lane(ln_1p(zero.single().splat(sums.odds().0)));
        let (all, max, logs) = (sums.splat(zero), zero.splat(max), zero.splat(log));
        if form != Form::None {
            for at in (0..room.grad.len()).step_by(V::LANES) {
                let share = match form {
                    Form::Softmax => all.share(load_from(zero, room.grad, at).0),
                    _ => {
                        let (z, _) = load_from(zero, room.logits(), at);
                        zero - (logits.down(max, z) + logs)
                    }
                };
                store_from(share, room.grad, at);
            }
        }
        logits.over_temperature(single_of(max)).0 + log
    }
}

#[inline(always)]
fn single_of<V: Lanes>(lanes: V) -> Scalar<V::Elem> {
    Scalar(lane(lanes))
}
