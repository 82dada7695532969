use super::huber::parabola_then_line;
use super::*;

/// Smooth L1 (Girshick 2015): Huber's loss over beta. With r = pred - target,
///
/// ```text
/// loss = r^2 / (2 beta) where |r| < beta, else |r| - beta / 2        slope = clamp(r / beta, -1, 1)
/// ```
///
/// Its mean is PyTorch's `smooth_l1_loss`; beta = 0 is [`Mae`]. Pred and target: any number; NaN gives NaN, infinite ones inf.
/// beta: finite, not negative. Within 2 ULP.
///
/// ```
/// use fused_loss::{Elementwise, SmoothL1};
/// let mut grad = [0.0_f32; 2];
/// assert_eq!(SmoothL1 { beta: 2.0 }.batch(&[4.0, 2.0], &[1.0, 1.0]).gradient(&mut grad).sum(), Ok(2.25));
/// assert_eq!(grad, [1.0, 0.5]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SmoothL1<F> {
    /// Where the quadratic part ends.
    pub beta: F,
}

impl<F: Float> Loss<F> for SmoothL1<F> {
    const TERMS: Terms = Terms::NotNegative;

    #[inline(always)]
    fn at<V: Lanes<Elem = F>>(self, pred: V, target: V) -> (V, V) {
        if self.beta == F::ZERO {
            return Mae.at(pred, target);
        }
        parabola_then_line(pred, target, self.beta, self.beta)
    }

    fn definition(self, pred: f64, target: f64) -> f64 {
        let (distance, beta) = ((pred - target).abs(), self.beta.to_f64());
        if distance < beta { distance * distance / (2.0 * beta) } else { distance - beta / 2.0 }
    }

    fn check(self) -> Result<(), Error<F>> {
        BETA.check(self.beta)
    }
}

const BETA: Parameter =
    Parameter::new("beta", 1.0, Values::NotNegative, "where the parabola ends; 0 gives mae");

named!(SmoothL1<F> = "smooth-l1": "(p - y)^2 / (2 beta) where |p - y| < beta, else |p - y| - beta / 2",
    beta: BETA);
