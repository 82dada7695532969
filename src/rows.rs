//! The call over rows of classes.

use crate::batch::{Batch, Pred};
use crate::float::Float;
use crate::labels::{Label, Labels};
use crate::loss::Loss;
use crate::rowwise::{OfRow, RowTargets};

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
    fn rows<'a>(self, pred: &'a [F], classes: usize) -> Rows<'a, Self, F> {
        Rows { loss: self, pred: Pred::Apart(pred), classes }
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
    fn rows_in_place<'a>(self, pred: &'a mut [F], classes: usize) -> Rows<'a, Self, F> {
        Rows { loss: self, pred: Pred::InPlace(pred), classes }
    }
}

impl<F: Float, L: Loss<F>> Rowwise<F> for L {}

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
}

impl<'a, L: Loss<F>, F: Float> Rows<'a, L, F> {
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
        Batch::new(self.loss, self.pred, RowTargets { classes: self.classes, of })
    }
}
