use super::kl_divergence::{LOG_TARGET, PROBABILITIES};
use super::*;
use crate::math::exp;

/// Generalized Kullback-Leibler divergence of p from y, not negative, of any sums (Lee and Seung 2001), term by term:
///
/// ```text
/// loss = y (ln y - ln p) + p - y        slope = p - y by ln p, 1 - y / p by p
/// ```
///
/// No term is negative, and 0 only where p = y. Inputs and NaN as in [`KlDivergence`], but p may be above 1. Within 3 ULP of
/// the parts' magnitudes; where a part is beyond the largest number, infinite or NaN.
///
/// ```
/// use fused_loss::{Elementwise, GeneralizedKl};
/// let loss = GeneralizedKl { log_target: false, pred_probabilities: true };
/// assert_eq!(loss.batch(&[0.5_f32, 0.25], &[0.5, 0.0]).sum(), Ok(0.25));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct GeneralizedKl {
    /// Whether targets are logarithms.
    pub log_target: bool,
    /// Whether predictions are p itself, and not its logarithm.
    pub pred_probabilities: bool,
}

impl GeneralizedKl {
    #[inline]
    fn divergence(self) -> KlDivergence {
        KlDivergence { log_target: self.log_target, pred_probabilities: self.pred_probabilities }
    }
}

impl<F: Float> Loss<F> for GeneralizedKl {
    const COSTLY: bool = true;

    #[inline(always)]
    fn at<V: Lanes<Elem = F>>(self, pred: V, target: V) -> (V, V) {
        let (value, slope) = self.divergence().at(pred, target);
        let y = if self.log_target { exp(target) } else { target };
        let (p, unit) =
            if self.pred_probabilities { (pred, pred.splat(F::ONE)) } else { (exp(pred), exp(pred)) };
        (pred.splat(F::ZERO).max(value + (p - y)), unit + slope)
    }

    fn definition(self, pred: f64, target: f64) -> f64 {
        let y = if self.log_target { libm::exp(target) } else { target };
        let p = if self.pred_probabilities { pred } else { libm::exp(pred) };
        Loss::<F>::definition(self.divergence(), pred, target) + (p - y)
    }

    fn pred_domain(self) -> Domain<F> {
        if self.pred_probabilities { Domain::NOT_NEGATIVE } else { Domain::All }
    }

    fn target_domain(self) -> Domain<F> {
        self.divergence().target_domain()
    }
}

named!(GeneralizedKl = "generalized-kl": "y (ln y - ln p) + p - y", log_target: LOG_TARGET,
    pred_probabilities: PROBABILITIES);
