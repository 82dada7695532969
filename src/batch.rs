//! The call: a loss, its slices and its options, ended by the reduction.

use crate::dispatch::Level;
use crate::error::Error;
use crate::float::Float;
use crate::job::{Job, Targets};
use crate::lanes::Scalar;
use crate::loss::Loss;
use crate::sum::HighLow;
use crate::total::{Exact, Total, divisor};

/// What every [`Loss`] can do: run over a batch, or over a single pair.
///
/// ```
/// use fused_loss::{Elementwise, Mse};
/// assert_eq!(Mse.batch(&[3.0_f32, 1.0], &[1.0, 1.0]).mean(), Ok(2.0));
/// ```
pub trait Elementwise<F: Float>: Loss<F> {
    /// A call over `pred` and `target`, of one length. It runs when it is ended, by [`Batch::mean`] for one.
    ///
    /// ```
    /// use fused_loss::{Elementwise, Huber};
    /// let mut grad = [0.0_f32; 2];
    /// let batch = Huber { delta: 1.0 }.batch(&[3.0, 1.0], &[1.0, 1.0]);
    /// assert_eq!(batch.weights(&[2.0, 1.0]).gradient(&mut grad).mean(), Ok(1.5));
    /// assert_eq!(grad, [1.0, 0.0]);
    /// ```
    fn batch<'a>(self, pred: &'a [F], target: &'a [F]) -> Batch<'a, Self, F> {
        Batch::new(self, Pred::Apart(pred), target)
    }

    /// A call that writes the gradient over the predictions.
    ///
    /// On an `Err`, `pred` may hold both: call [`Batch::check`] first where it must not be lost.
    ///
    /// ```
    /// use fused_loss::{Elementwise, Mse};
    /// let mut pred = [3.0_f32, 1.0];
    /// assert_eq!(Mse.batch_in_place(&mut pred, &[1.0, 1.0]).sum(), Ok(4.0));
    /// assert_eq!(pred, [4.0, 0.0]);
    /// ```
    fn batch_in_place<'a>(self, pred: &'a mut [F], target: &'a [F]) -> Batch<'a, Self, F> {
        Batch::new(self, Pred::InPlace(pred), target)
    }

    /// Loss and slope of one prediction and target, unchecked: outside the domains, whatever the formula gives.
    ///
    /// It has the bits of [`Rounding::Unfused`](crate::Rounding::Unfused).
    ///
    /// ```
    /// use fused_loss::{Elementwise, Mse};
    /// assert_eq!(Mse.at_one(3.0_f32, 1.0), (4.0, 4.0));
    /// ```
    fn at_one(self, pred: F, target: F) -> (F, F) {
        let (value, slope) = self.at(Scalar(pred), Scalar(target));
        (value.0, slope.0)
    }
}

impl<F: Float, L: Loss<F>> Elementwise<F> for L {}

/// A call with its options, from [`Elementwise::batch`] or [`Elementwise::batch_in_place`].
///
/// Options: [`weights`](Batch::weights), [`gradient`](Batch::gradient) or [`add_gradient`](Batch::add_gradient),
/// [`losses`](Batch::losses), [`scale`](Batch::scale), [`level`](Batch::level). Ends: [`mean`](Batch::mean),
/// [`sum`](Batch::sum), [`mean_over`](Batch::mean_over), [`weighted_mean`](Batch::weighted_mean),
/// [`total`](Batch::total), [`check`](Batch::check).
///
/// The gradient is that of the reduced value, times the scale: weight, scale and 1 / n are folded into one factor
/// first. Lengths and parameters are checked before anything is written; values are checked in the same pass, and on
/// an `Err` the outputs hold unspecified numbers.
///
/// ```
/// use fused_loss::{Elementwise, Mae};
/// let (mut grad, mut losses) = ([0.0_f64; 3], [0.0; 3]);
/// let mean = Mae.batch(&[1.0, 2.0, 3.0], &[0.0; 3]).gradient(&mut grad).losses(&mut losses).scale(6.0).mean();
/// assert_eq!((mean, grad, losses), (Ok(2.0), [2.0; 3], [1.0, 2.0, 3.0]));
/// ```
#[must_use = "a batch runs when it is ended, by `mean` for one"]
pub struct Batch<'a, L, F, T = &'a [F]> {
    loss: L,
    pred: Pred<'a, F>,
    pub(crate) target: T,
    weights: Option<&'a [F]>,
    grad: Option<&'a mut [F]>,
    add: bool,
    each: Option<&'a mut [F]>,
    scale: F,
    level: Option<Level>,
}

/// How a job is run.
pub trait Runs<L, F: Float, T> {
    fn run(
        job: Job<'_, F, T>,
        loss: L,
        level: Level,
        total: Option<&mut Exact<F>>,
    ) -> Result<HighLow<F>, Error<F>>;
}

/// On the caller's own thread.
pub struct Alone;

impl<L, F: Float, T: Targets<L, F>> Runs<L, F, T> for Alone {
    #[cfg_attr(not(called), inline(always))]
    fn run(
        job: Job<'_, F, T>,
        loss: L,
        level: Level,
        total: Option<&mut Exact<F>>,
    ) -> Result<HighLow<F>, Error<F>> {
        T::run(job, loss, level, total)
    }
}

/// What a call gives.
pub enum End {
    Sum,
    Mean,
    MeanOver(usize),
    WeightedMean,
}

/// Where predictions are read from.
pub enum Pred<'a, F> {
    Apart(&'a [F]),
    InPlace(&'a mut [F]),
}

impl<'a, L: Copy, F: Float, T: Targets<L, F>> Batch<'a, L, F, T> {
    pub(crate) fn new(loss: L, pred: Pred<'a, F>, target: T) -> Self {
        let (weights, grad, each, level) = (None, None, None, None);
        Batch { loss, pred, target, weights, grad, add: false, each, scale: F::ONE, level }
    }

    /// A weight for each element. Weight 0 masks: loss and gradient are 0 whatever the prediction holds, and the
    /// target is not checked. Negative weights are allowed; infinite ones and NaN are `Err(Weight)`.
    ///
    /// ```
    /// # use fused_loss::{Elementwise, Mse};
    /// let sum = Mse.batch(&[3.0_f32, f32::INFINITY], &[1.0, 0.0]).weights(&[0.5, 0.0]).sum();
    /// assert_eq!(sum, Ok(2.0));
    /// ```
    pub fn weights(mut self, weights: &'a [F]) -> Self {
        self.weights = Some(weights);
        self
    }

    /// Where the gradient is written.
    ///
    /// ```
    /// # use fused_loss::{Elementwise, Mse};
    /// let mut grad = [0.0_f32; 2];
    /// Mse.batch(&[3.0, 1.0], &[1.0, 2.0]).gradient(&mut grad).mean()?;
    /// assert_eq!(grad, [2.0, -1.0]);
    /// # Ok::<(), fused_loss::Error<f32>>(())
    /// ```
    pub fn gradient(mut self, grad: &'a mut [F]) -> Self {
        (self.grad, self.add) = (Some(grad), false);
        self
    }

    /// What the gradient is added to.
    ///
    /// ```
    /// # use fused_loss::{Elementwise, Mae};
    /// let mut grad = [10.0_f32; 2];
    /// Mae.batch(&[3.0, 1.0], &[1.0, 2.0]).add_gradient(&mut grad).sum()?;
    /// assert_eq!(grad, [11.0, 9.0]);
    /// # Ok::<(), fused_loss::Error<f32>>(())
    /// ```
    pub fn add_gradient(mut self, grad: &'a mut [F]) -> Self {
        (self.grad, self.add) = (Some(grad), true);
        self
    }

    /// Where each element's loss is written: weighted, neither scaled nor divided.
    ///
    /// ```
    /// # use fused_loss::{Elementwise, Mse};
    /// let mut each = [0.0_f32; 2];
    /// Mse.batch(&[3.0, 1.0], &[1.0, 2.0]).losses(&mut each).sum()?;
    /// assert_eq!(each, [4.0, 1.0]);
    /// # Ok::<(), fused_loss::Error<f32>>(())
    /// ```
    pub fn losses(mut self, each: &'a mut [F]) -> Self {
        self.each = Some(each);
        self
    }

    /// The upstream factor: multiplies the gradient alone. Must be finite.
    ///
    /// A weight times it is one factor. Where that is beyond the largest number, it is infinite, and a slope of 0 becomes NaN.
    ///
    /// The factor of the mean's gradient is `scale / n`, rounded once: a shard of n elements that ends in
    /// [`total`](Batch::total) with `scale(1.0 / n as f32)` has the bits of the whole call.
    ///
    /// ```
    /// # use fused_loss::{Elementwise, Mse};
    /// let mut grad = [0.0_f32; 2];
    /// assert_eq!(Mse.batch(&[3.0, 1.0], &[1.0, 2.0]).gradient(&mut grad).scale(0.5).mean(), Ok(2.5));
    /// assert_eq!(grad, [1.0, -0.5]);
    /// ```
    pub fn scale(mut self, scale: F) -> Self {
        self.scale = scale;
        self
    }

    /// Runs on this level instead of the best one.
    ///
    /// ```
    /// # use fused_loss::{Elementwise, Level, Mse};
    /// let plain = Level::find("scalar").unwrap();
    /// assert_eq!(Mse.batch(&[3.0_f32], &[1.0]).level(plain).sum(), Ok(4.0));
    /// ```
    pub fn level(mut self, level: Level) -> Self {
        self.level = Some(level);
        self
    }

    /// The sum of the losses.
    ///
    /// Within 1 ULP of the exact sum of the rounded losses where they have one sign, at any length; an infinite or NaN
    /// loss gives what plain summation would.
    ///
    /// ```
    /// # use fused_loss::{Elementwise, Mse};
    /// assert_eq!(Mse.batch(&[3.0_f32, 1.0], &[1.0, 1.0]).sum(), Ok(4.0));
    /// ```
    pub fn sum(self) -> Result<F, Error<F>> {
        self.end::<Alone>(End::Sum)
    }

    /// The sum of the losses over their number, those of weight 0 included: PyTorch's `reduction='mean'`.
    ///
    /// Within 1 ULP, where the sum is; of an infinite sum it is infinite too. `Err(Empty)` where there are no losses.
    ///
    /// ```
    /// # use fused_loss::{Elementwise, Error, Mse};
    /// assert_eq!(Mse.batch(&[3.0_f32, 1.0], &[1.0, 1.0]).mean(), Ok(2.0));
    /// assert_eq!(Mse.batch(&[0.0_f32; 0], &[]).mean(), Err(Error::Empty));
    /// ```
    pub fn mean(self) -> Result<F, Error<F>> {
        self.end::<Alone>(End::Mean)
    }

    /// The sum of the losses over a denominator of the caller's: the batch size for PyTorch's `'batchmean'`, or the
    /// whole batch's count where gradients are accumulated over parts of it (a mean of means is wrong).
    ///
    /// `Err(Empty)` where it is 0.
    ///
    /// ```
    /// # use fused_loss::{Elementwise, Mse};
    /// assert_eq!(Mse.batch(&[3.0_f32, 1.0], &[1.0, 1.0]).mean_over(8), Ok(0.5));
    /// ```
    pub fn mean_over(self, count: usize) -> Result<F, Error<F>> {
        self.end::<Alone>(End::MeanOver(count))
    }

    /// The sum of the weighted losses over the sum of the weights, which a first pass over the weights alone finds. With
    /// class weights, that of a row is the product of both.
    ///
    /// `Err(NoWeights)` without weights, `Err(Empty)` where they sum to 0, `Err(Parameter)` where they sum to more than
    /// the largest number.
    ///
    /// ```
    /// # use fused_loss::{Elementwise, Mse};
    /// assert_eq!(Mse.batch(&[3.0_f32, 1.0], &[1.0, 1.0]).weights(&[0.5, 1.5]).weighted_mean(), Ok(1.0));
    /// ```
    pub fn weighted_mean(self) -> Result<F, Error<F>> {
        self.end::<Alone>(End::WeightedMean)
    }

    /// The exact total, for merging; the gradient is that of the sum.
    ///
    /// ```
    /// # use fused_loss::{Elementwise, Mse};
    /// let total = Mse.batch(&[3.0_f32, 1.0], &[1.0, 1.0]).total()?;
    /// assert_eq!((total.sum(), total.count()), (4.0, 2));
    /// # Ok::<(), fused_loss::Error<f32>>(())
    /// ```
    pub fn total(self) -> Result<Total<F>, Error<F>> {
        self.end_in_total::<Alone>()
    }

    /// Makes every check of a call, on lengths, parameters and values, and writes nothing.
    ///
    /// ```
    /// # use fused_loss::{BceWithLogits, Elementwise, Error};
    /// let batch = BceWithLogits::default().batch(&[0.0_f32, 0.0], &[1.0, 1.5]);
    /// assert_eq!(batch.check(), Err(Error::Target { index: 1, value: 1.5 }));
    /// ```
    pub fn check(mut self) -> Result<(), Error<F>> {
        self.check_shape()?;
        self.check_values()
    }

    pub(crate) fn end_in_total<R: Runs<L, F, T>>(mut self) -> Result<Total<F>, Error<F>> {
        self.check_shape()?;
        let mut total = self.taking_part(self.weights.unwrap_or_default())?;
        let factor = self.scale;
        self.run::<R, _>(factor, F::ONE, Some(&mut total.sum), |_| ())?;
        Ok(total)
    }

    /// Inlined, for of a call whose options the compiler knows there is little left.
    #[cfg_attr(not(called), inline(always))]
    pub(crate) fn end<R: Runs<L, F, T>>(mut self, end: End) -> Result<F, Error<F>> {
        self.check_shape()?;
        let divisor = match end {
            End::Sum => {
                let factor = self.scale;
                return self.run::<R, _>(factor, F::ONE, None, |sum| sum.high);
            }
            End::Mean => self.target.mean_divisor(self.loss, self.count())?,
            End::MeanOver(0) => return Err(Error::Empty),
            End::MeanOver(count) => HighLow::of_count(count as u64),
            End::WeightedMean => {
                let weight = self.taking_part(self.weights.ok_or(Error::NoWeights)?)?.weight.high_low();
                if !weight.high.finite() {
                    self.check_values()?; // names the weight that is not
                }
                divisor(weight)?
            }
        };
        let mut factor = self.scale / divisor.high;
        let mut lift = F::ONE;
        if !factor.finite() {
            // A tiny sum of weights has no reciprocal; the weights' share of it is a number all the same.
            let smallest_normal = F::from_pattern(1 << (F::SIGNIFICAND - 1));
            lift = F::ONE / smallest_normal;
            factor = self.scale / (divisor.high * lift);
        }
        self.run::<R, _>(factor, lift, None, |sum| sum.divide(divisor))
    }

    /// The same call of another loss, with other targets.
    pub(crate) fn map<M, U>(self, to: impl FnOnce(L, T) -> (M, U)) -> Batch<'a, M, F, U> {
        let Batch { loss, pred, target, weights, grad, add, each, scale, level } = self;
        let (loss, target) = to(loss, target);
        Batch { loss, pred, target, weights, grad, add, each, scale, level }
    }

    fn chosen_level(&self) -> Level {
        self.level.unwrap_or_else(Level::detect)
    }

    fn pred(&self) -> &[F] {
        match &self.pred {
            Pred::Apart(pred) => pred,
            Pred::InPlace(pred) => pred,
        }
    }

    /// How many losses there are.
    fn count(&self) -> usize {
        self.target.count(self.pred().len())
    }

    pub(crate) fn check_shape(&mut self) -> Result<(), Error<F>> {
        let elements = self.pred().len();
        self.target.check_lengths(elements)?;
        let losses = self.target.count(elements);
        let fits = |what, expected, length: Option<usize>| match length {
            Some(found) if found != expected && self.target.of_rows() && what != "gradient" => {
                Err(Error::Rows { what, expected, found })
            }
            Some(found) if found != expected => Err(Error::Length { what, expected, found }),
            _ => Ok(()),
        };
        fits("weights", losses, self.weights.map(<[F]>::len))?;
        fits("gradient", elements, self.grad.as_deref().map(<[F]>::len))?;
        fits("losses", losses, self.each.as_deref().map(<[F]>::len))?;
        if !self.scale.finite() {
            return Err(Error::Parameter { name: "scale", value: self.scale, domain: "finite" });
        }
        self.target.check(self.loss, self.weights.unwrap_or_default(), self.level)
    }

    /// A total of what takes part, with these weights.
    pub(crate) fn taking_part(&self, weights: &[F]) -> Result<Total<F>, Error<F>> {
        self.target.taking_part(self.loss, self.count(), weights, self.chosen_level())
    }

    fn check_values(&self) -> Result<(), Error<F>> {
        let bad = self.target.first_bad(self.loss, self.pred(), self.weights.unwrap_or_default());
        bad.map_or(Ok(()), Err)
    }

    /// What is made of the sum. In memory beside an error, the pair would be written as two numbers and read as one,
    /// which short batches would wait for; so it is taken before the two are put together.
    #[cfg_attr(not(called), inline(always))]
    fn run<R: Runs<L, F, T>, M>(
        self,
        factor: F,
        lift: F,
        total: Option<&mut Exact<F>>,
        made: impl FnOnce(HighLow<F>) -> M,
    ) -> Result<M, Error<F>> {
        if cfg!(small) {
            return self.run_job::<R>(factor, lift, total).map(made);
        }
        let mut failed = Ok(());
        let made = made(self.run_aside::<R>(factor, lift, total, &mut failed));
        failed.map(|()| made)
    }

    /// The pair comes back in registers as long as it comes alone.
    #[inline]
    fn run_aside<R: Runs<L, F, T>>(
        self,
        factor: F,
        lift: F,
        total: Option<&mut Exact<F>>,
        failed: &mut Result<(), Error<F>>,
    ) -> HighLow<F> {
        self.run_job::<R>(factor, lift, total).unwrap_or_else(|error| {
            *failed = Err(error);
            HighLow { high: F::NAN, low: F::NAN }
        })
    }

    #[cfg_attr(not(called), inline(always))]
    fn run_job<R: Runs<L, F, T>>(
        self,
        factor: F,
        lift: F,
        total: Option<&mut Exact<F>>,
    ) -> Result<HighLow<F>, Error<F>> {
        let level = self.chosen_level();
        let (pred, grad): (&[F], &mut [F]) = match (self.pred, self.grad) {
            (Pred::Apart(pred), grad) => (pred, grad.unwrap_or_default()),
            (Pred::InPlace(pred), Some(grad)) => (pred, grad),
            (Pred::InPlace(pred), None) => (&[], pred),
        };
        let job = Job {
            pred,
            target: self.target,
            weights: self.weights.unwrap_or_default(),
            grad,
            each: self.each.unwrap_or_default(),
            add: self.add,
            far: false,
            factor,
            lift,
        };
        R::run(job, self.loss, level, total)
    }
}
