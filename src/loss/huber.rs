use super::*;
use crate::sum::{bounded_difference, difference};

/// Huber's loss (1964): with r = pred - target,
///
/// ```text
/// loss = r^2 / 2 where |r| <= delta, else delta (|r| - delta / 2)        slope = clamp(r, -delta, delta)
/// ```
///
/// Its mean is PyTorch's `huber_loss`. Value and slope are continuous at delta. Pred and target: any number; NaN gives
/// NaN, an infinite one an infinite loss. delta: positive and finite. Within 2 ULP.
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
        parabola_then_line(pred, target, self.delta, F::ONE)
    }

    fn definition(self, pred: f64, target: f64) -> f64 {
        let (distance, delta) = ((pred - target).abs(), self.delta.to_f64());
        if distance <= delta { distance * distance / 2.0 } else { delta * (distance - delta / 2.0) }
    }

    fn check(self) -> Result<(), Error<F>> {
        DELTA.check(self.delta)
    }
}

/// With r = pred - target: r^2 / (2 scale), and beyond the knee its tangent.
#[cfg_attr(not(called), inline(always))]
#[cfg_attr(called, inline(never))]
pub(super) fn parabola_then_line<V: Lanes>(pred: V, target: V, knee: V::Elem, scale: V::Elem) -> (V, V) {
    // Where all losses are numbers from 0 on, none of their parts is too large.
    if !cfg!(small) {
        let (lever, rest, slope) = parts(difference(pred, target), knee, scale);
        let loss = slope.mul_add(lever, rest);
        if loss.ge(pred.splat(V::Elem::ZERO)).all() {
            return (loss, slope);
        }
    }
    let (lever, rest, slope) = parts(bounded_difference(pred, target), knee, scale);
    let infinity = pred.splat(V::Elem::INFINITY);
    // It is no number where r is infinite, or the loss beyond the largest.
    let rest = rest.gt(-infinity).select(rest, infinity);
    (slope.mul_add(lever, rest), slope)
}

/// Lever and rest of the loss slope (r - inner / 2), where inner is r up to the knee, and the slope. The rest is what the
/// rounding of r left out: beyond the knee, 2 ULP would not hold.
#[inline(always)]
fn parts<V: Lanes>((residual, rest): (V, V), knee: V::Elem, scale: V::Elem) -> (V, V, V) {
    let knee = residual.splat(knee);
    let inner = residual.clamp(-knee, knee);
    let slope = inner / residual.splat(scale);
    (inner.neg_mul_add(residual.splat(V::Elem::HALF), residual), slope * rest, slope)
}

const DELTA: Parameter = Parameter::new("delta", 1.0, Values::Positive, "where the parabola ends");

named!(Huber<F> = "huber": "(p - y)^2 / 2 where |p - y| <= delta, else delta (|p - y| - delta / 2)",
    delta: DELTA);
