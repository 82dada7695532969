use super::*;
use crate::loss::KlDivergence;
use crate::softmax_rows::OverSoftmax;

/// Kullback-Leibler divergence of the softmax q of logits from target probabilities y, as in distillation (Hinton et al.
/// 2015):
///
/// ```text
/// loss = sum y (ln y - ln q),  q = softmax(z / T)        slope = (q sum y - y) / T
/// ```
///
/// Its mean over rows is PyTorch's `kl_div` of `log_softmax` with `'batchmean'`. Nothing is multiplied by T^2, which
/// distillation often does to the gradient: [`scale`](crate::Batch::scale) is for that. Targets are probabilities, from 0
/// on, of any sum; their logarithms; or a teacher's logits, whose softmax at the same temperature is meant. 0 ln 0 = 0.
/// A row with +inf or NaN among its logits, or nothing but -inf, gives NaN. Loss and slope are within 4 ULP of the
/// magnitudes that they are a difference of; a teacher's logits add 2 |ln y| ULP.
///
/// ```
/// use fused_loss::{RowLosses, SoftmaxKl, TargetKind};
/// let same = SoftmaxKl { targets: TargetKind::Logits, temperature: 2.0_f32 };
/// assert_eq!(same.rows(&[1.0, 3.0], 2).targets(&[5.0, 7.0]).mean(), Ok(0.0));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SoftmaxKl<F> {
    /// What targets are.
    pub targets: TargetKind,
    /// The logits are divided by it.
    pub temperature: F,
}

/// What the targets of a loss over softmax are.
///
/// ```
/// use fused_loss::{RowLosses, SoftmaxKl, TargetKind};
/// let kl = SoftmaxKl { targets: TargetKind::Probabilities, temperature: 1.0_f32 };
/// assert_eq!(kl.rows(&[0.0, 0.0], 2).targets(&[0.5, 0.5]).mean(), Ok(0.0));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TargetKind {
    /// Probabilities, from 0 on.
    Probabilities,
    /// Logarithms of probabilities.
    LogProbabilities,
    /// Logits, of which the softmax is meant.
    Logits,
}

/// [`TargetKind`]'s own order.
pub const TARGETS: Parameter = Parameter::new(
    "targets",
    0.0,
    Values::Choice(&["probabilities", "log-probabilities", "logits"]),
    "what target rows are",
);

impl Setting for TargetKind {
    fn setting(value: f64) -> TargetKind {
        match value {
            1.0 => TargetKind::LogProbabilities,
            2.0 => TargetKind::Logits,
            _ => TargetKind::Probabilities,
        }
    }
}

impl TargetKind {
    /// What targets are: a label is a row of the probabilities 0 and 1, whatever target rows would be.
    pub(super) fn or_label(self, labelled: bool) -> Self {
        if labelled { TargetKind::Probabilities } else { self }
    }
}

named!(SoftmaxKl<F> = "softmax-kl" of rows: "sum y (ln y - ln q), q = softmax(x / T)",
    targets: TARGETS, temperature: TEMPERATURE);

impl<F: Float> SoftmaxKl<F> {
    fn divergence(self) -> KlDivergence {
        KlDivergence { log_target: self.targets != TargetKind::Probabilities, pred_probabilities: false }
    }

    pub(crate) fn over_softmax(self, labelled: bool) -> OverSoftmax<F, KlDivergence> {
        let loss = SoftmaxKl { targets: self.targets.or_label(labelled), ..self };
        OverSoftmax::of_distributions(loss.divergence(), loss.temperature, loss.targets == TargetKind::Logits)
    }
}

impl<F: Float> RowLoss<F> for SoftmaxKl<F> {
    fn check(self) -> Result<(), Error<F>> {
        TEMPERATURE.check(self.temperature)
    }

    fn takes_logits(self) -> bool {
        true
    }

    fn bad(self, _: F, target: F, index: usize) -> Option<Error<F>> {
        bad_target(Loss::<F>::target_domain(self.divergence()), target, index)
    }

    fn run(
        self,
        job: Job<'_, F, RowTargets<'_, F>>,
        level: Level,
        total: Option<&mut Exact<F>>,
    ) -> Result<HighLow<F>, Error<F>> {
        self.over_softmax(job.target.labelled()).run(job, level, total)
    }
}
