use super::softmax_kl::TARGETS;
use super::*;
use crate::lanes::{Lanes, Mask};
use crate::math::{exp, ln};
use crate::softmax_rows::OverSoftmax;

/// Jensen-Shannon divergence between target probabilities y and the softmax q of logits, by a mixture with beta:
///
/// ```text
/// loss = beta KL(y, m) + (1 - beta) KL(q, m),  m = beta y + (1 - beta) q,  q = softmax(z / T)
/// slope = (h - q sum h) / T,  h = (1 - beta) q (ln q - ln m)
/// ```
///
/// beta = 1/2 is the symmetric divergence; other values are those of generalized knowledge distillation (Agarwal et al.
/// 2024). The mean divides by rows. Targets as in [`SoftmaxKl`](crate::SoftmaxKl), with 0 ln 0 = 0; beta between 0 and 1. A
/// row with +inf or NaN among its logits, or nothing but -inf, gives NaN. Loss and slope are within 8 ULP of the sum of
/// y (1 + |ln y|) + q (1 + |ln q|), though they may be far smaller.
///
/// ```
/// use fused_loss::{JensenShannon, RowLosses};
/// let js = JensenShannon::default();
/// assert_eq!(js.rows(&[0.0_f32, 0.0], 2).targets(&[0.5, 0.5]).mean(), Ok(0.0));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct JensenShannon<F> {
    /// What targets are.
    pub targets: TargetKind,
    /// The targets' part of the mixture.
    pub beta: F,
    /// The logits are divided by it.
    pub temperature: F,
}

const BETA: Parameter = Parameter::new("beta", 0.5, Values::Inside, "the targets' part of the mixture");

named!(JensenShannon<F> = "jensen-shannon" of rows: "beta KL(y, m) + (1 - beta) KL(q, m), m = beta y + (1 - beta) q",
    targets: TARGETS, beta: BETA, temperature: TEMPERATURE);

impl<F: Float> JensenShannon<F> {
    fn terms(self) -> Terms<F> {
        Terms { log_target: self.targets != TargetKind::Probabilities, beta: self.beta }
    }

    pub(crate) fn over_softmax(self, labelled: bool) -> OverSoftmax<F, Terms<F>> {
        let loss = JensenShannon { targets: self.targets.or_label(labelled), ..self };
        OverSoftmax::of_distributions(loss.terms(), loss.temperature, loss.targets == TargetKind::Logits)
    }
}

impl<F: Float> RowLoss<F> for JensenShannon<F> {
    fn check(self) -> Result<(), Error<F>> {
        BETA.check(self.beta)?;
        TEMPERATURE.check(self.temperature)
    }

    fn takes_logits(self) -> bool {
        true
    }

    fn bad(self, _: F, target: F, index: usize) -> Option<Error<F>> {
        bad_target(self.terms().target_domain(), target, index)
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

/// The divergence of a class, of the logarithm of its share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<F> {
    log_target: bool,
    beta: F,
}

impl<F: Float> Loss<F> for Terms<F> {
    const COSTLY: bool = true;

    #[inline(always)]
    fn at<V: Lanes<Elem = F>>(self, log_q: V, target: V) -> (V, V) {
        let zero = log_q.splat(F::ZERO);
        let (y, log_y) = if self.log_target { (exp(target), target) } else { (target, ln(target)) };
        let q = exp(log_q);
        let (ours, theirs) = (q * q.splat(F::ONE - self.beta), y * y.splat(self.beta));
        let log_m = ln(ours + theirs);
        // 0 ln 0 is 0; where both are 0, so is m.
        let part = |of: V, log: V| of.eq(zero).select(zero, of * (log - log_m));
        let slope = part(ours, log_q);
        (part(theirs, log_y) + slope, slope)
    }

    fn definition(self, log_q: f64, target: f64) -> f64 {
        let (y, log_y) =
            if self.log_target { (libm::exp(target), target) } else { (target, libm::log(target)) };
        let beta = self.beta.to_f64();
        let (ours, theirs) = ((1.0 - beta) * libm::exp(log_q), beta * y);
        let part = |of: f64, log: f64| if of == 0.0 { 0.0 } else { of * (log - libm::log(ours + theirs)) };
        part(theirs, log_y) + part(ours, log_q)
    }

    fn target_domain(self) -> Domain<F> {
        if self.log_target { Domain::All } else { Domain::NOT_NEGATIVE }
    }
}
