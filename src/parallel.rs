//! A call on several threads, with the bits of one: it is cut where blocks end, and exact sums merge in any order.

use crate::batch::{Batch, End, Runs};
use crate::dispatch::Level;
use crate::error::Error;
use crate::float::Float;
use crate::job::{Job, Targets};
use crate::loss::{AnyLoss, Loss, Visitor};
use crate::row_loss::{AnyRowLoss, AnyTargets, OfRow, RowLoss, RowTargets};
use crate::sum::HighLow;
use crate::total::{Exact, ROWS, Total};

/// From so many elements on, a second thread has been worth waking: of losses that move numbers, and of those that take
/// exponentials or logarithms of them.
const ENOUGH: usize = 1 << 18;
const ENOUGH_COSTLY: usize = 1 << 16;

/// So many pieces for each thread: one that is held up leaves the rest of its share to the others.
const PIECES: usize = 4;

/// A call that runs on several threads, from [`Batch::parallel`].
///
/// Ends: [`mean`](Parallel::mean), [`sum`](Parallel::sum), [`mean_over`](Parallel::mean_over),
/// [`weighted_mean`](Parallel::weighted_mean), [`total`](Parallel::total). Each gives what that of [`Batch`] does, bit
/// for bit; of several bad values, the first one is the error.
///
/// ```
/// use fused_loss::{Elementwise, Mae};
/// let (pred, target) = (vec![3.0_f32; 1 << 20], vec![1.0; 1 << 20]);
/// let threads = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
/// assert_eq!(threads.install(|| Mae.batch(&pred, &target).parallel().sum()), Ok(2_097_152.0));
/// ```
#[must_use = "a batch runs when it is ended, by `mean` for one"]
pub struct Parallel<'a, L, F, T = &'a [F]>(Batch<'a, L, F, T>);

impl<'a, L: Copy + Send, F: Float, T: Cut<L, F> + Send> Batch<'a, L, F, T> {
    /// The same call on the threads of the rayon pool that it is ended in, where there is enough to do: from 2^18
    /// predictions on, or 2^16 where the loss takes exponentials or logarithms, or is one of rows.
    ///
    /// ```
    /// # use fused_loss::{Elementwise, Mse};
    /// let (pred, target) = (vec![3.0_f32; 1 << 20], vec![1.0; 1 << 20]);
    /// let mut grad = vec![0.0; 1 << 20];
    /// assert_eq!(Mse.batch(&pred, &target).gradient(&mut grad).parallel().mean(), Ok(4.0));
    /// ```
    pub fn parallel(self) -> Parallel<'a, L, F, T> {
        Parallel(self)
    }
}

impl<L: Copy + Send, F: Float, T: Cut<L, F> + Send> Parallel<'_, L, F, T> {
    /// See [`Batch::sum`].
    ///
    /// ```
    /// # use fused_loss::{Elementwise, Mse};
    /// assert_eq!(Mse.batch(&[3.0_f32, 1.0], &[1.0, 1.0]).parallel().sum(), Ok(4.0));
    /// ```
    pub fn sum(self) -> Result<F, Error<F>> {
        self.0.end::<Spread>(End::Sum)
    }

    /// See [`Batch::mean`].
    ///
    /// ```
    /// # use fused_loss::{Elementwise, Mse};
    /// assert_eq!(Mse.batch(&[3.0_f32, 1.0], &[1.0, 1.0]).parallel().mean(), Ok(2.0));
    /// ```
    pub fn mean(self) -> Result<F, Error<F>> {
        self.0.end::<Spread>(End::Mean)
    }

    /// See [`Batch::mean_over`].
    ///
    /// ```
    /// # use fused_loss::{Elementwise, Mse};
    /// assert_eq!(Mse.batch(&[3.0_f32, 1.0], &[1.0, 1.0]).parallel().mean_over(8), Ok(0.5));
    /// ```
    pub fn mean_over(self, count: usize) -> Result<F, Error<F>> {
        self.0.end::<Spread>(End::MeanOver(count))
    }

    /// See [`Batch::weighted_mean`]. The first pass, over the weights, is on one thread.
    ///
    /// ```
    /// # use fused_loss::{Elementwise, Mse};
    /// let batch = Mse.batch(&[3.0_f32, 1.0], &[1.0, 1.0]).weights(&[0.5, 1.5]);
    /// assert_eq!(batch.parallel().weighted_mean(), Ok(1.0));
    /// ```
    pub fn weighted_mean(self) -> Result<F, Error<F>> {
        self.0.end::<Spread>(End::WeightedMean)
    }

    /// See [`Batch::total`].
    ///
    /// ```
    /// # use fused_loss::{Elementwise, Mse};
    /// let total = Mse.batch(&[3.0_f32, 1.0], &[1.0, 1.0]).parallel().total()?;
    /// assert_eq!((total.sum(), total.count()), (4.0, 2));
    /// # Ok::<(), fused_loss::Error<f32>>(())
    /// ```
    pub fn total(self) -> Result<Total<F>, Error<F>> {
        self.0.end_in_total::<Spread>()
    }
}

/// Targets that can be cut.
#[doc(hidden)]
pub trait Cut<L, F: Float>: Targets<L, F> {
    /// Between multiples of so many losses, exact sums are those of the whole.
    fn block(&self) -> usize;
    /// How many predictions belong to a loss.
    fn stride(&self) -> usize;
    /// Whether an element takes long.
    fn costly(&self, loss: L) -> bool;
    /// The first of so many losses, and the others.
    fn cut(self, losses: usize) -> (Self, Self);
}

/// On the threads of the pool that it is called in, where there is enough to do.
struct Spread;

impl<L: Copy + Send, F: Float, T: Cut<L, F> + Send> Runs<L, F, T> for Spread {
    #[inline(always)]
    fn run(
        job: Job<'_, F, T>,
        loss: L,
        level: Level,
        total: Option<&mut Exact<F>>,
    ) -> Result<HighLow<F>, Error<F>> {
        // Calls that are not shared out are not to notice that they could have been.
        let elements = job.pred.len().max(job.grad.len());
        if elements < ENOUGH_COSTLY {
            T::run(job, loss, level, total)
        } else {
            spread(job, loss, level, total)
        }
    }
}

#[inline(never)]
fn spread<F: Float, L: Copy + Send, T: Cut<L, F> + Send>(
    mut job: Job<'_, F, T>,
    loss: L,
    level: Level,
    total: Option<&mut Exact<F>>,
) -> Result<HighLow<F>, Error<F>> {
    let elements = job.pred.len().max(job.grad.len());
    let threads = rayon::current_num_threads();
    if threads == 1 || (elements < ENOUGH && !job.target.costly(loss)) {
        return T::run(job, loss, level, total);
    }
    job.far = job.long();
    let losses = job.target.count(elements);
    let sum = halves(job, loss, level, losses, losses.div_ceil(threads * PIECES))?;
    if let Some(total) = total {
        total.merge(&sum);
    }
    Ok(sum.high_low())
}

/// The sum of so many losses, in halves down to pieces of `least`.
fn halves<F: Float, L: Copy + Send, T: Cut<L, F> + Send>(
    job: Job<'_, F, T>,
    loss: L,
    level: Level,
    losses: usize,
    least: usize,
) -> Result<Exact<F>, Error<F>> {
    let block = job.target.block();
    let half = losses.div_ceil(block).div_ceil(2) * block;
    if losses <= least || half >= losses {
        let mut sum = Exact::ZERO;
        T::run(job, loss, level, Some(&mut sum))?;
        return Ok(sum);
    }
    let stride = job.target.stride();
    let (first, second) = job.cut(half);
    let (first, second) = rayon::join(
        move || halves(first, loss, level, half, least),
        move || halves(second, loss, level, losses - half, least),
    );
    // Of two errors, the first in order.
    let mut sum = first?;
    sum.merge(&second.map_err(|error| error.shifted_rows(half, stride))?);
    Ok(sum)
}

impl<F: Float, T> Job<'_, F, T> {
    /// The first of so many losses, and the others.
    fn cut<L>(self, losses: usize) -> (Self, Self)
    where
        T: Cut<L, F>,
    {
        let Job { add, far, factor, lift, .. } = self;
        let elements = losses * self.target.stride();
        let (target, other_target) = self.target.cut(losses);
        // Slices that are not asked for are empty, and stay so.
        let (pred, other_pred) = self.pred.split_at_checked(elements).unwrap_or_default();
        let (weights, other_weights) = self.weights.split_at_checked(losses).unwrap_or_default();
        let (grad, other_grad) = self.grad.split_at_mut_checked(elements).unwrap_or_default();
        let (each, other_each) = self.each.split_at_mut_checked(losses).unwrap_or_default();
        let first = Job { pred, target, weights, grad, each, add, far, factor, lift };
        let (pred, target, weights, grad, each) =
            (other_pred, other_target, other_weights, other_grad, other_each);
        (first, Job { pred, target, weights, grad, each, add, far, factor, lift })
    }
}

impl<F: Float, L: Loss<F>> Cut<L, F> for &[F] {
    fn block(&self) -> usize {
        Total::<F>::BLOCK
    }

    fn stride(&self) -> usize {
        1
    }

    fn costly(&self, loss: L) -> bool {
        loss.visit(Costly)
    }

    fn cut(self, losses: usize) -> (Self, Self) {
        self.split_at_checked(losses).unwrap_or_default()
    }
}

/// Asks the loss itself, of a choice of losses.
struct Costly;

impl<F: Float> Visitor<F> for Costly {
    type Output = bool;
    fn visit<L: Loss<F>>(self, _: L) -> bool {
        L::COSTLY
    }
}

impl<F: Float, L: RowLoss<F>> Cut<L, F> for RowTargets<'_, F> {
    fn block(&self) -> usize {
        ROWS
    }

    fn stride(&self) -> usize {
        self.stride
    }

    fn costly(&self, _: L) -> bool {
        true
    }

    fn cut(self, losses: usize) -> (Self, Self) {
        let RowTargets { classes, stride, all_classes, class_weights, .. } = self;
        let (of, other_of) = match self.of {
            OfRow::Each(target) => {
                let (first, second) = target.split_at_checked(losses * stride).unwrap_or_default();
                (OfRow::Each(first), OfRow::Each(second))
            }
            OfRow::Label(labels) => {
                let (first, second) = labels.split_at(losses);
                (OfRow::Label(first), OfRow::Label(second))
            }
        };
        let (log_sums, other_log_sums) = cut_some(self.log_sums, losses);
        let (hits, other_hits) = cut_some(self.hits, losses);
        let first = RowTargets { classes, stride, of, all_classes, class_weights, log_sums, hits };
        let (of, log_sums, hits) = (other_of, other_log_sums, other_hits);
        (first, RowTargets { classes, stride, of, all_classes, class_weights, log_sums, hits })
    }
}

/// Both parts of an output, where it is asked for.
fn cut_some<T>(output: Option<&mut [T]>, at: usize) -> (Option<&mut [T]>, Option<&mut [T]>) {
    output.and_then(|output| output.split_at_mut_checked(at)).unzip()
}

impl<F: Float> Cut<AnyRowLoss<F>, F> for AnyTargets<'_, F> {
    fn block(&self) -> usize {
        match self {
            AnyTargets::Elements(..) => Total::<F>::BLOCK,
            AnyTargets::Rows(_) => ROWS,
        }
    }

    fn stride(&self) -> usize {
        match self {
            AnyTargets::Elements(..) => 1,
            AnyTargets::Rows(rows) => rows.stride,
        }
    }

    fn costly(&self, _: AnyRowLoss<F>) -> bool {
        match self {
            AnyTargets::Elements(loss, target) => target.costly(*loss),
            AnyTargets::Rows(_) => true,
        }
    }

    fn cut(self, losses: usize) -> (Self, Self) {
        match self {
            AnyTargets::Elements(loss, target) => {
                let (first, second) = Cut::<AnyLoss<F>, F>::cut(target, losses);
                (AnyTargets::Elements(loss, first), AnyTargets::Elements(loss, second))
            }
            AnyTargets::Rows(rows) => {
                let (first, second) = Cut::<AnyRowLoss<F>, F>::cut(rows, losses);
                (AnyTargets::Rows(first), AnyTargets::Rows(second))
            }
        }
    }
}
