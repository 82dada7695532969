use super::*;
use crate::math::{ln, ln_1p};

/// Binary cross-entropy of a probability p and a target y, hard or soft, with 0 ln 0 = 0:
///
/// ```text
/// loss = -(y ln p + (1 - y) ln(1 - p))        slope = (1 - y) / (1 - p) - y / p
/// ```
///
/// [`Policy`] says what happens at the ends. Pred and target: 0 to 1, else `Err`; a NaN pred gives NaN. 2 ULP for y = 0
/// or 1, 2.5 against the sum of both parts for y between. Where there is a logit, take [`BceWithLogits`]: p itself is
/// rounded.
///
/// ```
/// use fused_loss::{BinaryCrossEntropy, Elementwise, Policy};
/// let loss = BinaryCrossEntropy { policy: Policy::Clamp };
/// assert_eq!(loss.batch(&[0.0_f32, 1.0], &[1.0, 1.0]).mean(), Ok(50.0));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct BinaryCrossEntropy<F> {
    /// What becomes of the logarithm of 0.
    pub policy: Policy<F>,
}

impl<F: Float> Loss<F> for BinaryCrossEntropy<F> {
    const COSTLY: bool = true;

    #[inline(always)]
    fn at<V: Lanes<Elem = F>>(self, pred: V, target: V) -> (V, V) {
        let (zero, one) = (pred.splat(F::ZERO), pred.splat(F::ONE));
        let p = self.policy.clip(pred);
        let (hit, falling) = self.policy.part(target, p, ln(p));
        let (miss, rising) = self.policy.part(one - target, one - p, ln_1p(-p));
        let slope = rising - falling;
        let slope = match self.policy {
            Policy::Eps(_) => (!(p.lt(pred) | p.gt(pred))).keep(slope),
            _ => slope,
        };
        (zero - (hit + miss), slope)
    }

    fn definition(self, pred: f64, target: f64) -> f64 {
        let p = self.policy.clipped(pred);
        let part = |weight: f64, log: f64| if weight == 0.0 { 0.0 } else { weight * self.policy.clamped(log) };
        -(part(target, libm::log(p)) + part(1.0 - target, libm::log1p(-p)))
    }

    fn pred_domain(self) -> Domain<F> {
        Domain::UNIT
    }

    fn target_domain(self) -> Domain<F> {
        Domain::UNIT
    }

    fn check(self) -> Result<(), Error<F>> {
        self.policy.check()
    }
}

named!(BinaryCrossEntropy<F> = "bce": "-(y ln p + (1 - y) ln(1 - p))",
    policy by policy::named: policy::POLICY, policy::EPS);
