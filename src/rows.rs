//! The call over rows of classes.

use crate::batch::{Batch, Pred};
use crate::error::Error;
use crate::float::Float;
use crate::labels::{Label, Labels};
use crate::loss::Loss;
use crate::row_loss::{OfRow, RowLoss, RowTargets, TakesLogits, WeighsClasses};
use crate::rowwise::Elements;
use crate::total::Total;

/// What every [`Loss`] can do with rows of classes: a row's loss is the sum of its elements' losses.
///
/// Weights, unreduced losses and means are those of rows: PyTorch's reductions of losses over classes.
///
/// ```
/// use fused_loss::{CategoricalCrossEntropy, Rowwise};
/// let (p, mut each) = ([0.5_f32, 0.5, 1.0, 0.0], [0.0; 2]);
/// let mean = CategoricalCrossEntropy.rows(&p, 2).labels(&[1_i64, 0]).losses(&mut each).mean();
/// assert_eq!((mean, each), (Ok(0.34657359), [0.6931472, 0.0]));
/// ```
pub trait Rowwise<F: Float>: Loss<F> {
    /// A call over `pred`, whose rows of `classes` elements follow each other.
    ///
    /// ```
    /// use fused_loss::{Error, KlDivergence, Rowwise};
    /// let rows = |pred| KlDivergence::default().rows(pred, 3).targets(&[1.0, 0.0, 0.0]).mean();
    /// assert_eq!(rows(&[-0.5_f32, -1.0, -2.0]), Ok(0.5));
    /// assert_eq!(rows(&[-0.5, -1.0]), Err(Error::Classes { pred: 2, classes: 3 }));
    /// ```
    fn rows<'a>(self, pred: &'a [F], classes: usize) -> Rows<'a, Elements<Self>, F> {
        Rows::new(Elements(self), Pred::Apart(pred), classes)
    }

    /// A call that writes the gradient over the predictions.
    ///
    /// ```
    /// use fused_loss::{CategoricalCrossEntropy, Rowwise};
    /// let mut p = [0.25_f32, 0.5, 0.25];
    /// CategoricalCrossEntropy.rows_in_place(&mut p, 3).labels(&[1_u8]).sum()?;
    /// assert_eq!(p, [0.0, -2.0, 0.0]);
    /// # Ok::<(), fused_loss::Error<f32>>(())
    /// ```
    fn rows_in_place<'a>(self, pred: &'a mut [F], classes: usize) -> Rows<'a, Elements<Self>, F> {
        Rows::new(Elements(self), Pred::InPlace(pred), classes)
    }
}

impl<F: Float, L: Loss<F>> Rowwise<F> for L {}

/// What every [`RowLoss`] can do.
///
/// ```
/// use fused_loss::{RowLosses, SoftmaxCrossEntropy};
/// let mut grad = [0.0_f32; 2];
/// let rows = SoftmaxCrossEntropy::default().rows(&[0.0, 0.0], 2);
/// assert_eq!(rows.labels(&[0_u8]).gradient(&mut grad).mean(), Ok(0.6931472));
/// assert_eq!(grad, [-0.5, 0.5]);
/// ```
pub trait RowLosses<F: Float>: RowLoss<F> {
    /// A call over `logits`, whose rows of `classes` elements follow each other.
    ///
    /// ```
    /// use fused_loss::{RowLosses, SoftmaxCrossEntropy};
    /// let confident = SoftmaxCrossEntropy::default().rows(&[50.0_f32, 0.0], 2).labels(&[0_u8]).mean()?;
    /// assert!((confident / 1.92875e-22 - 1.0).abs() < 1e-6); // where others give 0
    /// # Ok::<(), fused_loss::Error<f32>>(())
    /// ```
    fn rows<'a>(self, logits: &'a [F], classes: usize) -> Rows<'a, Self, F> {
        Rows::new(self, Pred::Apart(logits), classes)
    }

    /// A call that writes the gradient over the logits: no second array of a large vocabulary.
    ///
    /// ```
    /// use fused_loss::{RowLosses, SoftmaxCrossEntropy};
    /// let mut logits = [0.0_f32, 0.0];
    /// SoftmaxCrossEntropy::default().rows_in_place(&mut logits, 2).labels(&[0_u8]).sum()?;
    /// assert_eq!(logits, [-0.5, 0.5]);
    /// # Ok::<(), fused_loss::Error<f32>>(())
    /// ```
    fn rows_in_place<'a>(self, logits: &'a mut [F], classes: usize) -> Rows<'a, Self, F> {
        Rows::new(self, Pred::InPlace(logits), classes)
    }
}

impl<F: Float, L: RowLoss<F>> RowLosses<F> for L {}

/// Rows of predictions that still lack their targets.
///
/// ```
/// use fused_loss::{CategoricalCrossEntropy, Rowwise};
/// let rows = CategoricalCrossEntropy.rows(&[0.5_f64, 0.5], 2);
/// assert_eq!(rows.targets(&[0.5, 0.5]).sum(), Ok(std::f64::consts::LN_2));
/// ```
#[must_use = "rows run when they have targets and the call is ended, by `mean` for one"]
pub struct Rows<'a, L, F> {
    loss: L,
    pred: Pred<'a, F>,
    classes: usize,
    stride: usize,
}

impl<'a, L: RowLoss<F>, F: Float> Rows<'a, L, F> {
    pub(crate) fn new(loss: L, pred: Pred<'a, F>, classes: usize) -> Self {
        Rows { loss, pred, classes, stride: classes }
    }

    /// How many elements lie from the start of a row to that of the next, where rows have room at their ends. The
    /// gradient and targets for each prediction have it too; what lies in the room is neither read nor written.
    ///
    /// ```
    /// # use fused_loss::{CategoricalCrossEntropy, Rowwise};
    /// let p = [0.5_f32, 0.5, -9.0, 1.0, 0.0];
    /// let rows = CategoricalCrossEntropy.rows(&p, 2).stride(3).labels(&[0_u8, 0]);
    /// assert_eq!(rows.sum(), Ok(0.6931472));
    /// ```
    pub fn stride(mut self, stride: usize) -> Self {
        self.stride = stride;
        self
    }

    /// A target for each prediction.
    ///
    /// ```
    /// # use fused_loss::{CategoricalCrossEntropy, Rowwise};
    /// let sum = CategoricalCrossEntropy.rows(&[0.5_f32, 0.5], 2).targets(&[1.0, 0.0]).sum();
    /// assert_eq!(sum, Ok(0.6931472));
    /// ```
    pub fn targets(self, target: &'a [F]) -> Batch<'a, L, F, RowTargets<'a, F>> {
        self.of(OfRow::Each(target))
    }

    /// A label for each row, counted from 0: it stands for a row of zeros with 1 at that class, and gives what that
    /// would. A label that is no class is `Err(Label)`, before anything is written, but for rows of weight 0.
    ///
    /// ```
    /// # use fused_loss::{CategoricalCrossEntropy, Error, Rowwise};
    /// let sum = |label| CategoricalCrossEntropy.rows(&[0.5_f32, 0.5], 2).labels(&[label]).sum();
    /// assert_eq!(sum(1), Ok(0.6931472));
    /// assert_eq!(sum(-1), Err(Error::Label { index: 0, value: -1, classes: 2 }));
    /// ```
    pub fn labels<T: Label>(self, labels: &'a [T]) -> Batch<'a, L, F, RowTargets<'a, F>> {
        self.of(OfRow::Label(Labels::of(labels)))
    }

    fn of(self, of: OfRow<'a, F>) -> Batch<'a, L, F, RowTargets<'a, F>> {
        let Rows { loss, pred, classes, stride } = self;
        let (class_weights, log_sums, hits) = (None, None, None);
        let all_classes = false;
        Batch::new(loss, pred, RowTargets { classes, stride, of, all_classes, class_weights, log_sums, hits })
    }
}

impl<'a, L: WeighsClasses<F>, F: Float> Batch<'a, L, F, RowTargets<'a, F>> {
    /// A factor for each class, finite, on the loss of its label or on its terms of target rows. The mean of labels divides
    /// by the sum of the labels' factors, as PyTorch's `weight`.
    ///
    /// ```
    /// # use fused_loss::{NegativeLogLikelihood, RowLosses};
    /// let rows = NegativeLogLikelihood::default().rows(&[-1.0_f32, -2.0, -3.0, -4.0], 2);
    /// assert_eq!(rows.labels(&[0_u8, 1]).class_weights(&[1.0, 3.0]).mean(), Ok(3.25));
    /// ```
    pub fn class_weights(mut self, weights: &'a [F]) -> Self {
        self.target.class_weights = Some(weights);
        self
    }
}

impl<'a, L: TakesLogits<F>, F: Float> Batch<'a, L, F, RowTargets<'a, F>> {
    /// Where each row's log-sum-exp is written, of the logits as the softmax sees them; of rows that are left out too.
    ///
    /// ```
    /// # use fused_loss::{RowLosses, SoftmaxCrossEntropy};
    /// let mut log_sums = [0.0_f32];
    /// let rows = SoftmaxCrossEntropy::default().rows(&[1.0_f32, 1.0], 2);
    /// rows.labels(&[0_u8]).log_sum_exp(&mut log_sums).sum()?;
    /// assert_eq!(log_sums, [1.6931472]);
    /// # Ok::<(), fused_loss::Error<f32>>(())
    /// ```
    pub fn log_sum_exp(mut self, into: &'a mut [F]) -> Self {
        self.target.log_sums = Some(into);
        self
    }

    /// Where it is written whether a row's greatest logit, the first of equal ones, is that of its label or of the
    /// greatest target. A row that is left out or holds NaN is no hit.
    ///
    /// ```
    /// # use fused_loss::{RowLosses, SoftmaxCrossEntropy};
    /// let mut hits = [false; 2];
    /// let rows = SoftmaxCrossEntropy::default().rows(&[1.0_f32, 2.0, 3.0, 0.0], 2);
    /// rows.labels(&[1_u8, 1]).hits(&mut hits).sum()?;
    /// assert_eq!(hits, [true, false]);
    /// # Ok::<(), fused_loss::Error<f32>>(())
    /// ```
    pub fn hits(mut self, into: &'a mut [bool]) -> Self {
        self.target.hits = Some(into);
        self
    }
}

impl<'a, L: RowLoss<F>, F: Float> Batch<'a, L, F, RowTargets<'a, F>> {
    /// What takes part, without the losses: how many rows, and the sum of their labels' class weights, by which the mean
    /// divides. It is for callers who split rows: the whole's divisor must be known before the parts' gradients.
    ///
    /// ```
    /// # use fused_loss::{NegativeLogLikelihood, RowLosses};
    /// let rows = NegativeLogLikelihood::default().rows(&[-1.0_f32, -2.0, -3.0, -4.0], 2);
    /// let divisor = rows.labels(&[0_i64, -100]).class_weights(&[0.5, 3.0]).divisor()?;
    /// assert_eq!((divisor.count(), divisor.weight()), (1, 0.5));
    /// # Ok::<(), fused_loss::Error<f32>>(())
    /// ```
    pub fn divisor(mut self) -> Result<Total<F>, Error<F>> {
        self.check_shape()?;
        self.taking_part(&[])
    }
}
