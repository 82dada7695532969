use super::{Domain, Loss, Named, Parameter};
use crate::error::Error;
use crate::float::Float;
use crate::lanes::{Lanes, Mask};
use crate::math::{div_one_plus, exp_nonpositive, ln_1p_unit};

/// Binary cross-entropy of a logit x and a target y, hard or soft, with c = `pos_weight`:
///
/// ```text
/// loss = c y ln(1 + e^-x) + (1 - y) ln(1 + e^x)        slope = (1 - y) / (1 + e^-x) - c y / (1 + e^x)
/// ```
///
/// Its mean is PyTorch's `binary_cross_entropy_with_logits`. Logits: any number; NaN gives NaN, an infinite logit its
/// limit (0 or inf). Targets: 0 to 1, else `Err(Target)`. pos_weight: finite, not negative. Loss and slope keep their
/// relative accuracy at both ends: 2 ULP for y = 0 or 1; for y between, loss 2.5 ULP, slope 5 u max(sigmoid, y).
///
/// ```
/// use fused_loss::{BceWithLogits, Elementwise};
/// let loss = BceWithLogits::default().batch(&[-50.0_f64], &[0.0]).mean()?;
/// assert_eq!(loss as f32, 1.9287498e-22); // where 1 - sigmoid would give 0
/// # Ok::<(), fused_loss::Error<f64>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct BceWithLogits<F> {
    /// The factor of the positive part; 1 weighs both alike.
    pub pos_weight: F,
}

impl<F: Float> Default for BceWithLogits<F> {
    fn default() -> Self {
        BceWithLogits { pos_weight: F::ONE }
    }
}

impl<F: Float> Loss<F> for BceWithLogits<F> {
    #[inline(always)]
    fn at<V: Lanes<Elem = F>>(self, pred: V, target: V) -> (V, V) {
        let (zero, one) = (pred.splat(F::ZERO), pred.splat(F::ONE));
        let distance = pred.abs();
        let e = exp_nonpositive(-distance);
        let tail = ln_1p_unit(e);
        let negative = pred.lt(zero);
        // ln(1 + e^x) = max(x, 0) + tail and sigmoid(x) = (x < 0 ? e : 1) / (1 + e); likewise for -x.
        let rising = negative.select(e, one);
        let (linear, numerator) = if self.pos_weight == F::ONE {
            (pred.neg_mul_add(target, pred.max(zero)), target.neg_mul_add(e, rising - target))
        } else {
            let (positive, other) = (target * target.splat(self.pos_weight), one - target);
            let falling = negative.select(one, e);
            let linear = positive.mul_add((-pred).max(zero) + tail, other * (pred.max(zero) + tail));
            (linear, positive.neg_mul_add(falling, other * rising))
        };
        let slope = div_one_plus(numerator, e);
        let loss = if self.pos_weight == F::ONE { linear + tail } else { linear };
        // 0 times an infinite logit is NaN, where the loss has its limit; one test, never true in practice.
        let infinite = distance.eq(pred.splat(F::INFINITY));
        if infinite.any() {
            let wrong = negative.select(target * target.splat(self.pos_weight), one - target);
            let limit = wrong.gt(zero).select(distance, zero);
            return (infinite.select(limit, loss), slope);
        }
        (loss, slope)
    }

    fn definition(self, logit: f64, target: f64) -> f64 {
        let softplus = |x: f64| x.max(0.0) + libm::log1p(libm::exp(-x.abs()));
        self.pos_weight.to_f64() * target * softplus(-logit) + (1.0 - target) * softplus(logit)
    }

    fn target_domain(self) -> Domain<F> {
        Domain::UNIT
    }

    fn check(self) -> Result<(), Error<F>> {
        if self.pos_weight >= F::ZERO && self.pos_weight.finite() {
            return Ok(());
        }
        Err(Error::Parameter { name: "pos_weight", value: self.pos_weight, domain: "finite and not negative" })
    }
}

impl<F: Float> Named<F> for BceWithLogits<F> {
    const NAME: &'static str = "bce-with-logits";
    const FORMULA: &'static str = "c y ln(1 + e^-x) + (1 - y) ln(1 + e^x), c = pos_weight";
    const PARAMETERS: &'static [Parameter] =
        &[Parameter { name: "pos-weight", default: 1.0, meaning: "factor of the positive part, >= 0" }];

    fn with(parameter: impl Fn(&Parameter) -> F) -> Self {
        BceWithLogits { pos_weight: parameter(&<Self as Named<F>>::PARAMETERS[0]) }
    }
}
