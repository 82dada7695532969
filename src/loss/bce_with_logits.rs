use super::*;
use crate::math::{div_one_plus, exp_minus, exp_nonpositive, ln_1p_unit};

/// Binary cross-entropy of a logit x and a target y, hard or soft, with c = `pos_weight`:
///
/// ```text
/// loss = c y ln(1 + e^-x) + (1 - y) ln(1 + e^x)        slope = (1 - y) / (1 + e^-x) - c y / (1 + e^x)
/// ```
///
/// Its mean is PyTorch's `binary_cross_entropy_with_logits`. Logits: any; NaN gives NaN, an infinite one its limit (0 or
/// inf). Targets: 0 to 1, else `Err(Target)`. pos_weight: finite, not negative. Both ends keep their relative accuracy:
/// 2 ULP for y = 0 or 1; for y between, loss 2.5 ULP, slope 5 u max(sigmoid, y). With c other than 1, 5 u and 6 u of the
/// parts' magnitudes, but no better than c, or x, times the smallest number: c may raise what was subnormal, and x a c y
/// that is.
///
/// ```
/// use fused_loss::{BceWithLogits, Elementwise};
/// let mean = BceWithLogits::default().batch(&[-50.0_f64], &[0.0]).mean();
/// assert_eq!(mean, Ok(1.9287498479639178e-22)); // where 1 - sigmoid would give 0
/// ```
#[derive(Clone, Copy, Debug)]
pub struct BceWithLogits<F> {
    /// The factor of the positive part; 1 weighs both alike.
    pub pos_weight: F,
}

impl<F: Float> Loss<F> for BceWithLogits<F> {
    const TERMS: Terms = Terms::NotNegative;
    const COSTLY: bool = true;
    const SHORTER: usize = 4;

    #[inline(always)]
    fn at<V: Lanes<Elem = F>>(self, pred: V, target: V) -> (V, V) {
        let (zero, one) = (pred.splat(F::ZERO), pred.splat(F::ONE));
        let (negative, minus_distance) = (pred.lt(zero), pred.bits_or(-zero));
        let e = exp_nonpositive(minus_distance);
        // What weighs ln(1 + e^x), and minus what weighs ln(1 + e^-x).
        let (other, minus_positive) = (one - target, target * target.splat(-self.pos_weight));
        // sigmoid is 1 / (1 + e) above 0 and e / (1 + e) below, and 1 - sigmoid the other one. What speaks against the sign
        // of the logit has that sign here.
        let against = negative.select(minus_positive, other);
        // 0 times an infinite logit is NaN, which `max` turns to the 0 that it stands for.
        let linear = (against * pred).max(zero);
        let (numerator, linear, weight) = if self.alike::<V>() {
            let finite = pred.abs().le(pred.splat(F::MAX));
            let (numerator, of_finite) = alike(pred, target, e);
            (numerator, finite.select(of_finite, linear), one)
        } else {
            let along = negative.select(other, minus_positive);
            (along.mul_add(e, against), linear, other - minus_positive)
        };
        (weight.mul_add(ln_1p_unit(e), linear), div_one_plus(numerator, e))
    }

    #[inline(always)]
    fn fits<V: Lanes<Elem = F>>(self, pred: V, target: V) -> bool {
        // Targets from 0 to 1, and finite logits: 0 times others is NaN.
        let inside = target.neg_mul_add(target, target).ge(pred * pred.splat(F::ZERO));
        self.alike::<V>() && inside.all()
    }

    #[inline(always)]
    fn shorter<V: Lanes<Elem = F>>(self, pred: V, target: V) -> (V, V) {
        let e = exp_minus(pred);
        let (numerator, linear) = alike(pred, target, e);
        (ln_1p_unit(e) + linear, div_one_plus(numerator, e))
    }

    #[inline]
    fn long(self) -> bool {
        true
    }

    fn definition(self, logit: f64, target: f64) -> f64 {
        let softplus = |x: f64| x.max(0.0) + libm::log1p(libm::exp(-x.abs()));
        self.pos_weight.to_f64() * target * softplus(-logit) + (1.0 - target) * softplus(logit)
    }

    fn target_domain(self) -> Domain<F> {
        Domain::UNIT
    }

    fn check(self) -> Result<(), Error<F>> {
        POS_WEIGHT.check(self.pos_weight)
    }
}

impl<F: Float> BceWithLogits<F> {
    /// Whether both labels weigh the same, where a product and a sum round once: what is lost elsewhere would show.
    #[inline(always)]
    fn alike<V: Lanes<Elem = F>>(self) -> bool {
        V::FUSED && self.pos_weight == F::ONE
    }
}

/// Where both labels weigh the same: 1 + e times the slope, and the loss of a finite logit less ln(1 + e).
#[inline(always)]
fn alike<V: Lanes>(pred: V, target: V, e: V) -> (V, V) {
    let (zero, one) = (pred.splat(V::Elem::ZERO), pred.splat(V::Elem::ONE));
    // 1 + e times the sigmoid.
    let sigmoid = pred.lt(zero).select(e, one);
    (e.neg_mul_add(target, sigmoid - target), pred.neg_mul_add(target, zero.max(pred)))
}

const POS_WEIGHT: Parameter =
    Parameter::new("pos_weight", 1.0, Values::NotNegative, "factor of the positives");

named!(BceWithLogits<F> = "bce-with-logits": "c y ln(1 + e^-x) + (1 - y) ln(1 + e^x), c = pos_weight",
    pos_weight: POS_WEIGHT);
