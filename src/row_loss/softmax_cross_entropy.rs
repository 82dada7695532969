use super::*;
use crate::lanes::{Lanes, Mask};
use crate::softmax::Logits;
use crate::softmax_rows::OverSoftmax;

/// Cross-entropy of the softmax of logits z and a label k, or target probabilities y:
///
/// ```text
/// loss = lse(z) - z_k          slope = softmax(z) - [j = k]        lse(z) = ln sum e^z
/// loss = sum y (lse(z) - z)    slope = softmax(z) sum y - y
/// ```
///
/// PyTorch's `cross_entropy`. With class weights w, a term of class j is multiplied by w_j; the mean of labels then divides
/// by the sum of the labels' weights over the rows that take part, that of target rows by their number. Target rows hold
/// finite numbers from 0 on, of any sum, else `Err(Target)`; 0 (-inf) is 0.
///
/// A confident row keeps its relative accuracy: with the greatest logit's class as the label, the loss is ln(1 + S) and
/// its slope -S / (1 + S), S the sum of the others' exponentials over its own. For a label alone the loss is within 3 ULP
/// and each slope within 4. A soft cap and a temperature add an ULP, however large the logits are and however far a class
/// lies below the greatest. What smoothing and target rows give is within 4 ULP of the magnitudes that it is a sum of. A loss
/// or a label's slope that is subnormal before weights and scale has no more digits than that, nor has a slope under factors of
/// 1e11 (f64: 1e23) and more.
///
/// -inf masks a class, but under a soft cap it is -c as any far logit. NaN or +inf among the logits of a row, or nothing but
/// -inf, under a cap too, make its loss and gradient NaN; its log-sum-exp is then NaN, +inf or -inf. Other rows do not notice.
///
/// ```
/// use fused_loss::{RowLosses, SoftmaxCrossEntropy};
/// let mut grad = [0.0_f32; 2];
/// let rows = SoftmaxCrossEntropy::default().rows(&[50.0, 0.0], 2);
/// let mean = rows.labels(&[0_u8]).gradient(&mut grad).mean()?;
/// let near = |x: f32| (x / 1.92875e-22 - 1.0).abs() < 1e-6;
/// assert!(near(mean) && near(-grad[0]) && near(grad[1])); // where others give 0
/// # Ok::<(), fused_loss::Error<f32>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SoftmaxCrossEntropy<F> {
    /// Rows of this label are left out; PyTorch's is -100. With `None` every label must be a class.
    pub ignore_index: Option<i64>,
    /// What of each target is spread over classes.
    pub smoothing: Smoothing<F>,
    /// The factor a of a term a lse(z)^2 that is added to each row's loss (PaLM, Chowdhery et al. 2022).
    pub z_loss: F,
    /// Logits are c tanh(z / c) first (Gemma 2, 2024).
    pub soft_cap: Option<F>,
    /// Logits are divided by it, after the cap.
    pub temperature: F,
}

/// How labels are smoothed (Szegedy et al. 2015), by an amount a from 0 to 1, over K classes.
///
/// ```
/// use fused_loss::{RowLosses, Smoothing, SoftmaxCrossEntropy};
/// let sum = |smoothing| {
///     let loss = SoftmaxCrossEntropy { smoothing, ..SoftmaxCrossEntropy::default() };
///     loss.rows(&[1.0_f64, 0.0], 2).labels(&[0_u8]).sum()
/// };
/// assert_eq!(sum(Smoothing::AllClasses(0.2)), sum(Smoothing::OtherClasses(0.1)));
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Smoothing<F> {
    /// a / K for every class, the right one among them, which has 1 - a besides: PyTorch's `label_smoothing`.
    AllClasses(F),
    /// a / (K - 1) for every other class, and 1 - a for the right one.
    OtherClasses(F),
}

impl<F: Float> Default for SoftmaxCrossEntropy<F> {
    fn default() -> Self {
        SoftmaxCrossEntropy {
            ignore_index: Some(IGNORE_INDEX.default as i64),
            smoothing: Smoothing::AllClasses(F::ZERO),
            z_loss: F::ZERO,
            soft_cap: None,
            temperature: F::ONE,
        }
    }
}

const LABEL_SMOOTHING: Parameter =
    Parameter::new("label_smoothing", 0.0, Values::Fraction, "part of a target that all classes share");
const OVER_OTHERS: Parameter =
    Parameter::flag("smoothing_over_others", "spread over the other classes alone");
const Z_LOSS: Parameter =
    Parameter::new("z_loss", 0.0, Values::NotNegative, "factor of the squared log-sum-exp");
const SOFT_CAP: Parameter =
    Parameter::new("soft_cap", f64::NAN, Values::Moderate, "logits are c tanh(z / c) first");

impl<F: Float> Named<F> for SoftmaxCrossEntropy<F> {
    const NAME: &'static str = "softmax-cross-entropy";
    const FORMULA: &'static str = "lse(x) - x_k, or sum y (lse(x) - x)";
    const ROWS: bool = true;
    const PARAMETERS: &'static [Parameter] =
        &[IGNORE_INDEX, LABEL_SMOOTHING, OVER_OTHERS, Z_LOSS, SOFT_CAP, TEMPERATURE];

    fn with(parameter: impl Fn(&Parameter) -> F) -> Self {
        let (amount, cap) = (parameter(&LABEL_SMOOTHING), parameter(&SOFT_CAP));
        let over_others = parameter(&OVER_OTHERS) != F::ZERO;
        SoftmaxCrossEntropy {
            ignore_index: Setting::setting(parameter(&IGNORE_INDEX).to_f64()),
            smoothing: if over_others {
                Smoothing::OtherClasses(amount)
            } else {
                Smoothing::AllClasses(amount)
            },
            z_loss: parameter(&Z_LOSS),
            soft_cap: (!cap.nan()).then_some(cap),
            temperature: parameter(&TEMPERATURE),
        }
    }
}

impl<F: Float> SoftmaxCrossEntropy<F> {
    pub(crate) fn over_softmax(self, classes: usize) -> OverSoftmax<F, MinusLog> {
        let (smoothing, over_others) = match self.smoothing {
            Smoothing::AllClasses(a) => (a, false),
            Smoothing::OtherClasses(a) if classes > 1 => (a, true),
            // There is no other class.
            Smoothing::OtherClasses(_) => (F::ZERO, false),
        };
        OverSoftmax {
            of: MinusLog,
            logits: Logits::new(self.temperature, self.soft_cap),
            z_loss: self.z_loss,
            smoothing,
            over_others,
            ignore_index: self.ignore_index,
            teacher: false,
            label_alone: true,
        }
    }
}

impl<F: Float> RowLoss<F> for SoftmaxCrossEntropy<F> {
    fn check(self) -> Result<(), Error<F>> {
        let (Smoothing::AllClasses(smoothing) | Smoothing::OtherClasses(smoothing)) = self.smoothing;
        LABEL_SMOOTHING.check(smoothing)?;
        Z_LOSS.check(self.z_loss)?;
        self.soft_cap.map_or(Ok(()), |cap| SOFT_CAP.check(cap))?;
        TEMPERATURE.check(self.temperature)
    }

    fn ignore_index(self) -> Option<i64> {
        self.ignore_index
    }

    fn weighs_classes(self) -> bool {
        true
    }

    fn takes_logits(self) -> bool {
        true
    }

    fn bad(self, _: F, target: F, index: usize) -> Option<Error<F>> {
        bad_target(Domain::NOT_NEGATIVE, target, index)
    }

    fn run(
        self,
        job: Job<'_, F, RowTargets<'_, F>>,
        level: Level,
        total: Option<&mut Exact<F>>,
    ) -> Result<HighLow<F>, Error<F>> {
        self.over_softmax(job.target.classes).run(job, level, total)
    }
}

/// -y ln p of ln p, with 0 (-inf) = 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MinusLog;

impl<F: Float> Loss<F> for MinusLog {
    #[inline(always)]
    fn at<V: Lanes<Elem = F>>(self, log_p: V, target: V) -> (V, V) {
        let zero = target.splat(F::ZERO);
        let nothing = target.eq(zero) & log_p.eq(log_p);
        (nothing.select(zero, zero - target * log_p), zero - target)
    }
    fn definition(self, log_p: f64, target: f64) -> f64 {
        if target == 0.0 { 0.0 } else { -target * log_p }
    }
    fn target_domain(self) -> Domain<F> {
        Domain::NOT_NEGATIVE
    }
}
