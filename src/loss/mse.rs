use super::*;

/// Squared error: with r = pred - target,
///
/// ```text
/// loss = r^2        slope = 2 r
/// ```
///
/// Its mean is PyTorch's `mse_loss`. For the convention with 1/2 see [`HalfMse`](crate::HalfMse).
/// Pred and target: any number. NaN gives NaN; r beyond the root of the largest number gives an infinite loss.
/// Within 2 ULP.
///
/// ```
/// use fused_loss::{Elementwise, Mse};
/// let mut grad = [0.0_f32; 2];
/// assert_eq!(Mse.batch(&[3.0, 1.0], &[1.0, 1.0]).gradient(&mut grad).mean(), Ok(2.0));
/// assert_eq!(grad, [2.0, 0.0]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Mse;

impl<F: Float> Loss<F> for Mse {
    const TERMS: Terms = Terms::NotNegative;

    #[inline(always)]
    fn at<V: Lanes<Elem = F>>(self, pred: V, target: V) -> (V, V) {
        let residual = pred - target;
        (residual * residual, residual + residual)
    }

    fn definition(self, pred: f64, target: f64) -> f64 {
        (pred - target) * (pred - target)
    }
}

named!(Mse = "mse": "(p - y)^2");
