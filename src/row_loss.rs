//! What a loss over rows of classes is, what its rows are compared with, and how the rows' losses are added up.

use crate::dispatch::Level;
use crate::elementwise::sum;
use crate::error::Error;
use crate::float::Float;
use crate::job::{Job, Targets};
use crate::labels::Labels;
use crate::loss::{Domain, Loss, Named, named};
use crate::parameter::{Parameter, Setting, Values};
use crate::sum::{HighLow, fold, two_sum};
use crate::total::{Exact, ROWS, Total, divisor};

mod any;
mod jensen_shannon;
mod negative_log_likelihood;
mod softmax_cross_entropy;
mod softmax_kl;

pub use any::{AnyRowLoss, AnyTargets};
pub use jensen_shannon::JensenShannon;
pub use negative_log_likelihood::NegativeLogLikelihood;
pub use softmax_cross_entropy::{Smoothing, SoftmaxCrossEntropy};
pub use softmax_kl::{SoftmaxKl, TargetKind};

const IGNORE_INDEX: Parameter =
    Parameter::new("ignore_index", -100.0, Values::Whole, "rows of this label are left out");
pub const TEMPERATURE: Parameter =
    Parameter::new("temperature", 1.0, Values::Moderate, "logits are divided by it");

/// A loss of rows of classes: a row has one loss.
///
/// Weights, unreduced losses and means are those of rows. Calls begin with [`rows`](crate::RowLosses::rows).
///
/// ```
/// use fused_loss::{Float, RowLoss, RowLosses};
/// fn sum<F: Float>(loss: impl RowLoss<F>, logits: &[F], classes: usize, labels: &[i64]) -> Option<F> {
///     loss.rows(logits, classes).labels(labels).sum().ok()
/// }
/// let loss = fused_loss::SoftmaxCrossEntropy::default();
/// assert_eq!(sum(loss, &[0.0_f32, 0.0], 2, &[1]), Some(0.6931472));
/// ```
pub trait RowLoss<F: Float>: Copy {
    /// Whether the parameters lie in their domain.
    fn check(self) -> Result<(), Error<F>>;

    /// The label of rows that are left out.
    fn ignore_index(self) -> Option<i64> {
        None
    }

    /// Whether classes may be weighed: [`WeighsClasses`], for a loss chosen at run time.
    fn weighs_classes(self) -> bool {
        false
    }

    /// Whether predictions are logits, which have a log-sum-exp and hits: [`TakesLogits`], for a loss chosen at run time.
    fn takes_logits(self) -> bool {
        false
    }

    /// What is wrong with a prediction and a target that differs from the label's 0 and 1: of their elements' index.
    #[doc(hidden)]
    fn bad(self, pred: F, target: F, index: usize) -> Option<Error<F>>;

    /// The sum of the rows' losses, as a pair. It is added to `total`, where there is one.
    #[doc(hidden)]
    fn run(
        self,
        job: Job<'_, F, RowTargets<'_, F>>,
        level: Level,
        total: Option<&mut Exact<F>>,
    ) -> Result<HighLow<F>, Error<F>>;
}

/// A loss of rows whose classes may be weighed: what [`class_weights`](crate::Batch::class_weights) is for.
///
/// ```
/// fn weighable<F: fused_loss::Float, L: fused_loss::WeighsClasses<F>>(_: L) {}
/// weighable::<f32, _>(fused_loss::NegativeLogLikelihood::default());
/// ```
pub trait WeighsClasses<F: Float>: RowLoss<F> {}
impl<F: Float> WeighsClasses<F> for SoftmaxCrossEntropy<F> {}
impl<F: Float> WeighsClasses<F> for NegativeLogLikelihood {}

/// A loss over the softmax of logits: what [`log_sum_exp`](crate::Batch::log_sum_exp) and [`hits`](crate::Batch::hits)
/// are for.
///
/// ```
/// fn of_logits<F: fused_loss::Float, L: fused_loss::TakesLogits<F>>(_: L) {}
/// of_logits(fused_loss::SoftmaxKl::<f32>::default());
/// ```
pub trait TakesLogits<F: Float>: RowLoss<F> {}
impl<F: Float> TakesLogits<F> for SoftmaxCrossEntropy<F> {}
impl<F: Float> TakesLogits<F> for SoftmaxKl<F> {}
impl<F: Float> TakesLogits<F> for JensenShannon<F> {}

/// What rows are compared with, and what else a call over rows has.
#[doc(hidden)]
pub struct RowTargets<'a, F> {
    pub classes: usize,
    /// From the start of a row to that of the next.
    pub stride: usize,
    pub of: OfRow<'a, F>,
    /// Whether every label has been seen to be a class.
    pub all_classes: bool,
    /// A factor for each class.
    pub class_weights: Option<&'a [F]>,
    /// For the logarithm of the sum of a row's exponentials.
    pub log_sums: Option<&'a mut [F]>,
    /// For whether a row's greatest prediction is that of its target.
    pub hits: Option<&'a mut [bool]>,
}

#[derive(Clone, Copy)]
#[doc(hidden)]
pub enum OfRow<'a, F> {
    /// A number for each class.
    Each(&'a [F]),
    /// The class that has 1, where the others have 0.
    Label(Labels<'a>),
}

impl<F: Float> RowTargets<'_, F> {
    /// How many rows so many predictions are; the last one may end where its classes do.
    pub fn rows(&self, pred: usize) -> usize {
        let others = pred.checked_sub(self.classes).and_then(|rest| rest.checked_div(self.stride));
        others.map_or(0, |others| others + 1)
    }

    /// The target of a class.
    pub fn target(&self, row: usize, class: usize) -> F {
        match self.of {
            OfRow::Each(target) => target.get(row * self.stride + class).copied().unwrap_or(F::ZERO),
            OfRow::Label(labels) if labels.class_of(row, self.classes) == Some(class) => F::ONE,
            OfRow::Label(_) => F::ZERO,
        }
    }

    /// Whether there are labels.
    pub fn labelled(&self) -> bool {
        matches!(self.of, OfRow::Label(_))
    }

    /// The classes that the labels of rows from `first` on name, as numbers; -1 where one is none of so few classes.
    #[cfg_attr(not(called), inline(always))]
    #[cfg_attr(called, inline(never))]
    pub fn classes_of_labels(&self, first: usize, into: &mut [F]) {
        if let OfRow::Label(labels) = self.of {
            labels.classes_into(first, self.classes, self.all_classes, into);
        }
    }

    /// The class that a row's label names.
    #[inline]
    pub fn label(&self, row: usize) -> Option<usize> {
        match self.of {
            OfRow::Each(_) => None,
            OfRow::Label(labels) => labels.class_of(row, self.classes),
        }
    }

    /// Whether a row's label leaves it out.
    #[inline]
    pub fn ignored(&self, row: usize, ignore_index: Option<i64>) -> bool {
        match self.of {
            OfRow::Each(_) => false,
            OfRow::Label(labels) => labels.ignored(row, ignore_index),
        }
    }

    /// What a row's label weighs, in losses and in what they are divided by.
    #[inline]
    pub fn class_weight(&self, row: usize) -> F {
        let own = |weights: &[F]| self.label(row).and_then(|class| weights.get(class).copied());
        self.class_weights.and_then(own).unwrap_or(F::ONE)
    }
}

impl<F: Float, L: RowLoss<F>> Targets<L, F> for RowTargets<'_, F> {
    fn of_rows(&self) -> bool {
        true
    }

    fn count(&self, pred: usize) -> usize {
        self.rows(pred)
    }

    #[cfg_attr(called, inline(never))]
    fn check_lengths(&self, pred: usize) -> Result<(), Error<F>> {
        let RowTargets { classes, stride, .. } = *self;
        if stride < classes {
            return Err(Error::Stride { stride, classes });
        }
        let rows = self.rows(pred);
        let whole = rows * stride;
        if classes == 0 || (pred != whole && (rows == 0 || pred != whole - (stride - classes))) {
            return Err(Error::Classes { pred, classes });
        }
        match self.of {
            OfRow::Each(target) if target.len() != pred => {
                return Err(Error::Length { what: "target", expected: pred, found: target.len() });
            }
            OfRow::Label(labels) if labels.len() != rows => {
                return Err(Error::Rows { what: "labels", expected: rows, found: labels.len() });
            }
            _ => {}
        }
        let outputs = [
            ("log_sum_exp", self.log_sums.as_deref().map(<[F]>::len)),
            ("hits", self.hits.as_deref().map(<[bool]>::len)),
        ];
        for (what, length) in outputs {
            match length {
                Some(found) if found != rows => return Err(Error::Rows { what, expected: rows, found }),
                _ => {}
            }
        }
        match self.class_weights {
            Some(weights) if weights.len() != classes => {
                Err(Error::ClassWeights { classes, found: weights.len() })
            }
            _ => Ok(()),
        }
    }

    fn check(&mut self, loss: L, weights: &[F], level: Option<Level>) -> Result<(), Error<F>> {
        loss.check()?;
        for (what, asked, taken) in [
            ("class_weights", self.class_weights.is_some(), loss.weighs_classes()),
            ("log_sum_exp", self.log_sums.is_some(), loss.takes_logits()),
            ("hits", self.hits.is_some(), loss.takes_logits()),
        ] {
            if asked && !taken {
                return Err(Error::Unsupported { what });
            }
        }
        if let Some(bad) = self.class_weights.and_then(|all| all.iter().position(|weight| !weight.finite())) {
            let value = self.class_weights.map_or(F::NAN, |all| all[bad]);
            return Err(Error::ClassWeight { class: bad, value });
        }
        match self.of {
            OfRow::Each(_) => Ok(()),
            OfRow::Label(labels) => {
                self.all_classes = labels.check(
                    self.classes,
                    loss.ignore_index(),
                    weights,
                    level.unwrap_or_else(Level::detect),
                )?;
                Ok(())
            }
        }
    }

    fn first_bad(&self, loss: L, pred: &[F], weights: &[F]) -> Option<Error<F>> {
        for (row, pred) in pred.chunks(self.stride.max(1)).enumerate() {
            match weights.get(row) {
                Some(&weight) if !weight.finite() => {
                    return Some(Error::Weight { index: row, value: weight });
                }
                Some(&weight) if weight == F::ZERO => continue,
                _ if self.ignored(row, loss.ignore_index()) => continue,
                _ => {}
            }
            for (class, &pred) in pred.iter().take(self.classes).enumerate() {
                let bad = loss.bad(pred, self.target(row, class), row * self.stride + class);
                if bad.is_some() {
                    return bad;
                }
            }
        }
        None
    }

    fn mean_divisor(&self, loss: L, losses: usize) -> Result<HighLow<F>, Error<F>> {
        if !cfg!(small) && self.class_weights.is_none() {
            return match self.count_taking_part(loss.ignore_index(), losses) {
                0 => Err(Error::Empty),
                count => Ok(HighLow::of_count(count)),
            };
        }
        let part = self.sum_weights(loss.ignore_index(), losses, &[]);
        if part.count == 0 { Err(Error::Empty) } else { divisor(part.weight.high_low()) }
    }

    fn taking_part(&self, loss: L, losses: usize, weights: &[F], _: Level) -> Result<Total<F>, Error<F>> {
        Ok(self.sum_weights(loss.ignore_index(), losses, weights))
    }

    fn run(
        job: Job<'_, F, Self>,
        loss: L,
        level: Level,
        total: Option<&mut Exact<F>>,
    ) -> Result<HighLow<F>, Error<F>> {
        loss.run(job, level, total)
    }
}

impl<F: Float> RowTargets<'_, F> {
    fn is_class(&self, label: i64) -> bool {
        usize::try_from(label).is_ok_and(|label| label < self.classes)
    }

    /// How many rows take part.
    fn count_taking_part(&self, ignore_index: Option<i64>, rows: usize) -> u64 {
        let ignored = match (self.of, ignore_index) {
            (OfRow::Label(_), Some(index)) if self.all_classes && !self.is_class(index) => 0,
            (OfRow::Label(labels), Some(index)) => labels.count_of(index),
            _ => 0,
        };
        (rows - ignored) as u64
    }

    /// How many rows take part, and the sum of what they weigh.
    fn sum_weights(&self, ignore_index: Option<i64>, rows: usize, weights: &[F]) -> Total<F> {
        let mut total = Total::default();
        if !cfg!(small) && weights.is_empty() && self.class_weights.is_none() {
            total.count = self.count_taking_part(ignore_index, rows);
            total.weight.add_count(total.count);
            return total;
        }
        for row in (0..rows).filter(|&row| !self.ignored(row, ignore_index)) {
            total.count += 1;
            let weight = weights.get(row).copied().unwrap_or(F::ONE);
            // A masked row's label may be no class, and has no weight of its own then.
            total.weight.add(weight * self.class_weight(row));
        }
        total
    }
}

/// An error for a target outside the domain of its loss.
fn bad_target<F: Float>(domain: Domain<F>, target: F, index: usize) -> Option<Error<F>> {
    (!domain.holds(target)).then_some(Error::Target { index, value: target })
}

/// Fills in the losses of rows from one on.
type Fill<'a, F> = dyn FnMut(usize, &mut [F]) -> Result<(), Error<F>> + 'a;

/// So many rows are filled in at once: what a call costs is shared by several groups.
const AHEAD: usize = if cfg!(small) { ROWS } else { 8 * ROWS };

/// Adds up the losses of rows that `fill` finds, in groups. One copy serves all losses: a call of it is for many rows.
pub fn sum_rows<F: Float>(
    rows: usize,
    level: Level,
    total: Option<&mut Exact<F>>,
    fill: &mut Fill<'_, F>,
) -> Result<HighLow<F>, Error<F>> {
    let mut losses = [F::ZERO; AHEAD];
    if total.is_none() && rows <= ROWS {
        let losses = &mut losses[..rows];
        fill(0, losses)?;
        return sum(losses, level, None);
    }
    let mut own = Exact::ZERO;
    let exact = total.unwrap_or(&mut own);
    for first in (0..rows).step_by(losses.len()) {
        let count = losses.len().min(rows - first);
        let losses = &mut losses[..count];
        fill(first, losses)?;
        for group in losses.chunks(ROWS) {
            exact.add_pair(match group.try_into() {
                Ok(whole) if !cfg!(small) => sum_of_group(whole),
                _ => sum(group, level, None)?,
            });
        }
    }
    Ok(exact.high_low())
}

/// The sum of a whole group: what [`sum`] gives, without a call into a level for so little.
fn sum_of_group<F: Float>(losses: &[F; ROWS]) -> HighLow<F> {
    if F::WIDTH == ROWS {
        return fold(losses, None, ROWS);
    }
    const HALF: usize = ROWS / 2;
    let [mut sums, mut errors] = [[F::ZERO; HALF]; 2];
    for (lane, (&first, &second)) in losses.iter().zip(&losses[HALF..]).enumerate() {
        let both = two_sum(first, second);
        (sums[lane], errors[lane]) = (both.high, both.low);
    }
    fold(&sums, Some(&errors), HALF)
}
