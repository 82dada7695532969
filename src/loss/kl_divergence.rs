use super::*;
use crate::math::{exp, ln};

/// Kullback-Leibler divergence of predicted probabilities p from target probabilities y, term by term, with 0 ln 0 = 0:
///
/// ```text
/// loss = y (ln y - ln p)        slope = -y by ln p, -y / p by p
/// ```
///
/// PyTorch's `kl_div`; its `'batchmean'` is [`mean_over`](crate::Batch::mean_over). Pred is ln p, any number, or p, 0 to 1.
/// Target is y, from 0 on, or ln y, any number. Others are an `Err`; NaN gives NaN. Within 2.5 ULP of the parts'
/// magnitudes; where y or its product with a logarithm is subnormal, it has no more digits than that.
///
/// ```
/// use fused_loss::{Elementwise, KlDivergence};
/// assert_eq!(KlDivergence::default().batch(&[-0.5_f32, -1.0], &[1.0, 0.0]).sum(), Ok(0.5));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct KlDivergence {
    /// Whether targets are logarithms.
    pub log_target: bool,
    /// Whether predictions are probabilities.
    pub pred_probabilities: bool,
}

impl<F: Float> Loss<F> for KlDivergence {
    const COSTLY: bool = true;

    #[inline(always)]
    fn at<V: Lanes<Elem = F>>(self, pred: V, target: V) -> (V, V) {
        let (zero, number) = (pred.splat(F::ZERO), pred.eq(pred));
        let (y, log_y) = if self.log_target { (exp(target), target) } else { (target, ln(target)) };
        // Nothing is 0, also where it is multiplied by an infinite logarithm or divided by 0.
        let something = !(y.eq(zero) & number);
        let (log_p, slope) = match self.pred_probabilities {
            true => (ln(pred), something.keep(y / pred.abs())),
            false => (pred, y),
        };
        (something.keep(y * (log_y - log_p)), number.select(zero - slope, pred))
    }

    fn definition(self, pred: f64, target: f64) -> f64 {
        let (y, log_y) =
            if self.log_target { (libm::exp(target), target) } else { (target, libm::log(target)) };
        let log_p = if self.pred_probabilities { libm::log(pred) } else { pred };
        if y == 0.0 { 0.0 } else { y * (log_y - log_p) }
    }

    fn pred_domain(self) -> Domain<F> {
        if self.pred_probabilities { Domain::UNIT } else { Domain::All }
    }

    fn target_domain(self) -> Domain<F> {
        if self.log_target { Domain::All } else { Domain::NOT_NEGATIVE }
    }
}

pub const LOG_TARGET: Parameter = Parameter::flag("log_target", "targets are logarithms");
pub const PROBABILITIES: Parameter = Parameter::flag("pred_probabilities", "predictions are probabilities");

named!(KlDivergence = "kl-divergence": "y (ln y - ln p)", log_target: LOG_TARGET, pred_probabilities: PROBABILITIES);
