use super::*;
use crate::math::{ln, ln_1p, ln_with_rest};

/// Binary cross-entropy of a probability p and a target y, hard or soft, with 0 ln 0 = 0:
///
/// ```text
/// loss = -(y ln p + (1 - y) ln(1 - p))        slope = (1 - y) / (1 - p) - y / p
/// ```
///
/// [`Policy`] says what happens at the ends. Pred and target: 0 to 1, else `Err`; a NaN pred gives NaN. 2 ULP for y = 0
/// or 1; for y between, 2.5 ULP, against the sum of both parts in the slope, and 2 of itself where levels are
/// [fused](crate::Rounding::Fused). Where there is a logit, take [`BceWithLogits`]: p itself is rounded.
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
        let p = self.policy.clip(pred);
        let (loss, slope) = if V::FUSED { self.quick(p, target) } else { self.by_parts(p, target) };
        let slope = match self.policy {
            Policy::Eps(_) => (!(p.lt(pred) | p.gt(pred))).keep(slope),
            _ => slope,
        };
        (loss, slope)
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

/// Probabilities below it are rare. Its logarithm is above what any policy lets count.
const LEAST: f64 = 1.0 / (1_u128 << 100) as f64;

impl<F: Float> BinaryCrossEntropy<F> {
    /// Loss and slope of a probability that counts, as the formula has them.
    #[inline(always)]
    fn by_parts<V: Lanes<Elem = F>>(self, p: V, target: V) -> (V, V) {
        let (zero, one) = (p.splat(F::ZERO), p.splat(F::ONE));
        let (hit, falling) = self.policy.part(target, p, ln(p));
        let (miss, rising) = self.policy.part(one - target, one - p, ln_1p(-p));
        (zero - (hit + miss), rising - falling)
    }

    /// The same with one division, slope = (p - y) / (p (1 - p)), where no policy has a say.
    #[inline(always)]
    fn quick<V: Lanes<Elem = F>>(self, p: V, target: V) -> (V, V) {
        let (zero, one) = (p.splat(F::ZERO), p.splat(F::ONE));
        let rest = one - p;
        let (of_p, of_rest) = ln_with_rest(p, rest);
        let loss = zero - target.mul_add(of_p, (one - target) * of_rest);
        // What 1 - p and the product are off by is known, and so is what it leaves of p - y.
        let product = p * rest;
        let low = p.mul_add((one - rest) - p, p.mul_add(rest, -product));
        let (difference, inverse) = (p - target, one / product);
        let slope = difference * inverse;
        let left = slope.neg_mul_add(low, slope.neg_mul_add(product, difference));
        let slope = left.mul_add(inverse, slope);
        let usual = p.ge(p.splat(F::from_f64(LEAST))) & p.lt(one);
        if usual.all() {
            return (loss, slope);
        }
        let parts = self.by_parts(p, target);
        (usual.select(loss, parts.0), usual.select(slope, parts.1))
    }
}

named!(BinaryCrossEntropy<F> = "bce": "-(y ln p + (1 - y) ln(1 - p))",
    policy by policy::named: policy::POLICY, policy::EPS);
