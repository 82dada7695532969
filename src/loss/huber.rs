use super::*;
use crate::sum::{difference, finite_or_zero};

/// Huber's loss (1964): with r = pred - target,
///
/// ```text
/// loss = r^2 / 2 where |r| <= delta, else delta (|r| - delta / 2)        slope = clamp(r, -delta, delta)
/// ```
///
/// Its mean is PyTorch's `huber_loss`. Value and slope are continuous at delta. Pred and target: any number; NaN gives
/// NaN, and an infinite r (of finite numbers too) an infinite loss. delta: positive and finite. Within 2 ULP.
///
/// ```
/// use fused_loss::{Elementwise, Huber};
/// let mut grad = [0.0_f32; 2];
/// assert_eq!(Huber { delta: 1.0 }.batch(&[4.0, 1.5], &[1.0, 1.0]).gradient(&mut grad).sum(), Ok(2.625));
/// assert_eq!(grad, [1.0, 0.5]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Huber<F> {
    /// Where the quadratic part ends.
    pub delta: F,
}

impl<F: Float> Loss<F> for Huber<F> {
    const TERMS: Terms = Terms::NotNegative;

    #[inline(always)]
    fn at<V: Lanes<Elem = F>>(self, pred: V, target: V) -> (V, V) {
        let (residual, rest) = difference(pred, target);
        let delta = residual.splat(self.delta);
        let slope = residual.clamp(-delta, delta);
        // slope (r - slope / 2), with what the rounding of r left out: above delta, 2 ULP would not hold.
        let lever = slope.neg_mul_add(residual.splat(F::HALF), residual);
        (slope.mul_add(lever, finite_or_zero(slope * rest)), slope)
    }

    fn definition(self, pred: f64, target: f64) -> f64 {
        let (distance, delta) = ((pred - target).abs(), self.delta.to_f64());
        if distance <= delta { distance * distance / 2.0 } else { delta * (distance - delta / 2.0) }
    }

    fn check(self) -> Result<(), Error<F>> {
        DELTA.check(self.delta)
    }
}

const DELTA: Parameter = Parameter::new("delta", 1.0, Values::Positive, "where the quadratic part ends");

named!(Huber<F> = "huber": "(p - y)^2 / 2 where |p - y| <= delta, else delta (|p - y| - delta / 2)",
    delta: DELTA);
