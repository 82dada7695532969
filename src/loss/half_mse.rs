use super::*;

/// Half the squared error: with r = pred - target,
///
/// ```text
/// loss = r^2 / 2        slope = r
/// ```
///
/// The convention of scikit-learn's `HalfSquaredError` and optax's `l2_loss`; for PyTorch's see [`Mse`](crate::Mse).
/// Pred and target: any number. NaN gives NaN; r beyond the root of the largest number gives an infinite loss.
/// Within 2 ULP.
///
/// ```
/// use fused_loss::{Elementwise, HalfMse};
/// assert_eq!(HalfMse.batch(&[3.0_f32, 1.0], &[1.0, 1.0]).sum(), Ok(2.0));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct HalfMse;

impl<F: Float> Loss<F> for HalfMse {
    const TERMS: Terms = Terms::NotNegative;

    #[inline(always)]
    fn at<V: Lanes<Elem = F>>(self, pred: V, target: V) -> (V, V) {
        let residual = pred - target;
        (residual * (residual * residual.splat(F::HALF)), residual)
    }

    fn definition(self, pred: f64, target: f64) -> f64 {
        (pred - target) * (pred - target) / 2.0
    }
}

named!(HalfMse = "half-mse": "(p - y)^2 / 2");
