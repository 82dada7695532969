//! What a loss over probabilities does where a logarithm is infinite.

use crate::error::Error;
use crate::float::Float;
use crate::lanes::{Lanes, Mask};
use crate::parameter::{Parameter, Values};

/// How [`BinaryCrossEntropy`](crate::BinaryCrossEntropy) treats probabilities of 0 and 1. There is no default: frameworks differ, so say which.
///
/// ```
/// use fused_loss::{BinaryCrossEntropy, Elementwise, Policy};
/// let mut grad = [9.0_f32];
/// let keras = BinaryCrossEntropy { policy: Policy::Eps(1e-7) };
/// keras.batch(&[0.0], &[1.0]).gradient(&mut grad).sum()?;
/// assert_eq!(grad, [0.0]);
/// # Ok::<(), fused_loss::Error<f32>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Policy<F> {
    /// The formula as it stands: infinite where the target asks for the impossible.
    Exact,
    /// Logarithms below -100 are -100, as PyTorch has it, and their slope is 0. (PyTorch's own slope there is that of
    /// a probability of 1e-12, which is not the derivative of its loss.)
    Clamp,
    /// Probabilities are clipped to eps..1 - eps, as Keras has it, and the slope is 0 where they are.
    Eps(F),
}

pub const POLICY: Parameter = Parameter::new(
    "policy",
    1.0,
    Values::Choice(&["exact", "clamp", "eps"]),
    "the logarithm of 0: inf, -100, or that of eps",
);
pub const EPS: Parameter = Parameter::new("eps", 1e-7, Values::Margin, "where policy eps clips");

/// The policy of these two parameters.
pub fn named<F: Float>(parameter: impl Fn(&Parameter) -> F) -> Policy<F> {
    match parameter(&POLICY).to_f64() {
        0.0 => Policy::Exact,
        1.0 => Policy::Clamp,
        _ => Policy::Eps(parameter(&EPS)),
    }
}

/// The least logarithm under [`Policy::Clamp`].
const LEAST: f64 = -100.0;

impl<F: Float> Policy<F> {
    pub(crate) fn check(self) -> Result<(), Error<F>> {
        match self {
            Policy::Eps(eps) => EPS.check(eps),
            _ => Ok(()),
        }
    }

    /// The probability that counts.
    #[inline(always)]
    pub(crate) fn clip<V: Lanes<Elem = F>>(self, p: V) -> V {
        match self {
            Policy::Eps(eps) => p.clamp(p.splat(eps), p.splat(F::ONE - eps)),
            _ => p,
        }
    }

    /// `weight * log` and its slope `weight / p`, for the logarithm of p; both are 0 where the weight is. (p may be -0.)
    #[inline(always)]
    pub(crate) fn part<V: Lanes<Elem = F>>(self, weight: V, p: V, log: V) -> (V, V) {
        let something = !weight.eq(p.splat(F::ZERO));
        let (value, slope) = match self {
            Policy::Clamp => {
                let least = p.splat(F::from_f64(LEAST));
                (least.max(log), (!log.lt(least)).keep(weight / p.abs()))
            }
            _ => (log, weight / p.abs()),
        };
        // A NaN passes both selections, through the part whose weight is not 0.
        (something.keep(weight * value), something.keep(slope))
    }

    /// [`clip`](Policy::clip) in the textbook's numbers.
    pub(crate) fn clipped(self, p: f64) -> f64 {
        match self {
            Policy::Eps(eps) => p.clamp(eps.to_f64(), (F::ONE - eps).to_f64()),
            _ => p,
        }
    }

    /// A logarithm that counts, in the textbook's numbers.
    pub(crate) fn clamped(self, log: f64) -> f64 {
        match self {
            Policy::Clamp => log.max(LEAST),
            _ => log,
        }
    }
}
