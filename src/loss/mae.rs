use super::*;

/// Absolute error: with r = pred - target,
///
/// ```text
/// loss = |r|        slope = sign(r), 0 at r = 0
/// ```
///
/// Its mean is PyTorch's `l1_loss`. Pred and target: any number. NaN gives NaN, in the slope too; an infinite r has
/// an infinite loss and a slope of its sign. Within 1 ULP; the slope is exact.
///
/// ```
/// use fused_loss::{Elementwise, Mae};
/// let mut grad = [9.0_f64; 3];
/// assert_eq!(Mae.batch(&[3.0, 1.0, 0.0], &[1.0, 1.0, 4.0]).gradient(&mut grad).sum(), Ok(6.0));
/// assert_eq!(grad, [1.0, 0.0, -1.0]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Mae;

impl<F: Float> Loss<F> for Mae {
    const TERMS: Terms = Terms::NotNegative;

    #[inline(always)]
    fn at<V: Lanes<Elem = F>>(self, pred: V, target: V) -> (V, V) {
        let residual = pred - target;
        let zero = residual.splat(F::ZERO);
        let sign = residual.splat(F::ONE).copysign(residual);
        let slope = residual.lt(zero) | residual.gt(zero);
        // Neither below nor above 0 is 0 itself, or NaN, and both are their own slope.
        (residual.abs(), slope.select(sign, residual))
    }

    fn definition(self, pred: f64, target: f64) -> f64 {
        (pred - target).abs()
    }
}

named!(Mae = "mae": "|p - y|");
