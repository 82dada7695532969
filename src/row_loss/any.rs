//! The list of losses over rows, as one type whose choice is made at run time.

use super::jensen_shannon::Terms;
use super::softmax_cross_entropy::MinusLog;
use super::*;
use crate::batch::Batch;
use crate::lanes::Lanes;
use crate::loss::{AnyLoss, Domain, Entry, KlDivergence, Loss};
use crate::parameter::Given;
use crate::rowwise::Elements;
use crate::softmax_rows::OverSoftmax;

/// The list, in the order of the README. A new loss over rows is its file and one line here.
macro_rules! row_losses {
    ($($name:ident $(<$f:ident>)?,)*) => {
        /// Any loss over rows of classes, chosen at run time.
        ///
        /// It takes [`class_weights`](crate::Batch::class_weights), [`log_sum_exp`](crate::Batch::log_sum_exp) and
        /// [`hits`](crate::Batch::hits); where the one that was chosen does not, the call is `Err(Unsupported)`.
        ///
        /// ```
        /// use fused_loss::{AnyRowLoss, Error, RowLoss, RowLosses};
        /// let nll = AnyRowLoss::named("nll", |_| None).unwrap();
        /// assert_eq!(nll.rows(&[-0.5_f32, -1.0], 2).labels(&[0_u8]).class_weights(&[2.0, 1.0]).sum(), Ok(1.0));
        /// let mut log_sums = [0.0];
        /// let rows = nll.rows(&[-0.5_f32, -1.0], 2).labels(&[0_u8]).log_sum_exp(&mut log_sums);
        /// assert_eq!((nll.takes_logits(), rows.sum()), (false, Err(Error::Unsupported { what: "log_sum_exp" })));
        /// ```
        #[derive(Clone, Copy, Debug)]
        #[non_exhaustive]
        pub enum AnyRowLoss<F: Float> {
            $(#[doc = concat!("See [`", stringify!($name), "`](crate::", stringify!($name), ").")]
            $name($name $(<$f>)?),)*
            /// An elementwise loss, whose rows' losses are the sums of their elements'.
            Elements(Elements<AnyLoss<F>>),
        }

        impl<F: Float> AnyRowLoss<F> {
            /// All of them.
            ///
            /// ```
            /// let names: Vec<_> = fused_loss::AnyRowLoss::<f32>::list().map(|loss| loss.name).collect();
            /// assert_eq!(names, ["softmax-cross-entropy", "nll", "softmax-kl", "jensen-shannon"]);
            /// ```
            pub fn list() -> impl Iterator<Item = Entry> {
                const { &[$(Entry::of::<F, $name $(<$f>)?>(),)*] }.iter().copied()
            }

            /// The loss of this name. `parameter` gives a parameter's value, or `None` for its default. An ignore_index
            /// that is not whole is no row's label; [`ignoring`](AnyRowLoss::ignoring) takes those that `F` rounds.
            ///
            /// ```
            /// use fused_loss::{AnyRowLoss, RowLosses};
            /// let hot = |parameter: &fused_loss::Parameter| (parameter.name == "temperature").then_some(2.0);
            /// let loss = AnyRowLoss::<f32>::named("softmax-cross-entropy", hot).unwrap();
            /// assert_eq!(loss.rows(&[1.0, 1.0], 2).labels(&[0_u8]).sum(), Ok(0.6931472));
            /// assert!(AnyRowLoss::<f32>::named("mse", |_| None).is_none());
            /// ```
            pub fn named(name: &str, parameter: impl Fn(&Parameter) -> Option<F>) -> Option<Self> {
                // A loop over the names and a table of what they make, which is less than a branch for each.
                const fn makers<F: Float>() -> &'static [fn(&Given<'_, F>) -> AnyRowLoss<F>] {
                    &[$(|given| AnyRowLoss::$name(Named::<F>::with(|parameter| given.value(parameter))),)*]
                }
                // The list of one precision, which is that of both.
                let place = AnyRowLoss::<f32>::list().position(|entry| entry.name == name)?;
                makers().get(place).map(|make| make(&Given(&parameter)))
            }
        }

        impl<F: Float> RowLoss<F> for AnyRowLoss<F> {
            fn check(self) -> Result<(), Error<F>> {
                match self {
                    $(AnyRowLoss::$name(loss) => RowLoss::<F>::check(loss),)*
                    AnyRowLoss::Elements(loss) => RowLoss::<F>::check(loss),
                }
            }
            fn ignore_index(self) -> Option<i64> {
                match self {
                    $(AnyRowLoss::$name(loss) => RowLoss::<F>::ignore_index(loss),)*
                    AnyRowLoss::Elements(loss) => RowLoss::<F>::ignore_index(loss),
                }
            }
            fn weighs_classes(self) -> bool {
                match self {
                    $(AnyRowLoss::$name(loss) => RowLoss::<F>::weighs_classes(loss),)*
                    AnyRowLoss::Elements(loss) => RowLoss::<F>::weighs_classes(loss),
                }
            }
            fn takes_logits(self) -> bool {
                match self {
                    $(AnyRowLoss::$name(loss) => RowLoss::<F>::takes_logits(loss),)*
                    AnyRowLoss::Elements(loss) => RowLoss::<F>::takes_logits(loss),
                }
            }
            fn bad(self, pred: F, target: F, index: usize) -> Option<Error<F>> {
                match self {
                    $(AnyRowLoss::$name(loss) => loss.bad(pred, target, index),)*
                    AnyRowLoss::Elements(loss) => loss.bad(pred, target, index),
                }
            }
            fn run(
                self,
                job: Job<'_, F, RowTargets<'_, F>>,
                level: Level,
                total: Option<&mut Exact<F>>,
            ) -> Result<HighLow<F>, Error<F>> {
                if cfg!(small) {
                    return self.run_small(job, level, total);
                }
                match self {
                    $(AnyRowLoss::$name(loss) => loss.run(job, level, total),)*
                    AnyRowLoss::Elements(loss) => loss.run(job, level, total),
                }
            }
        }
    };
}

row_losses! {
    SoftmaxCrossEntropy<F>,
    NegativeLogLikelihood,
    SoftmaxKl<F>,
    JensenShannon<F>,
}

impl<F: Float> AnyRowLoss<F> {
    /// The same loss with another label for rows that are left out, or none. Losses without such a label stay as they are.
    ///
    /// ```
    /// use fused_loss::{AnyRowLoss, RowLosses};
    /// let nll = AnyRowLoss::named("nll", |_| None).unwrap().ignoring(Some(4_294_967_295));
    /// assert_eq!(nll.rows(&[-0.5_f32, -1.5], 1).labels(&[0, u32::MAX]).mean(), Ok(0.5));
    /// ```
    pub fn ignoring(mut self, label: Option<i64>) -> Self {
        match &mut self {
            AnyRowLoss::SoftmaxCrossEntropy(loss) => loss.ignore_index = label,
            AnyRowLoss::NegativeLogLikelihood(loss) => loss.ignore_index = label,
            _ => {}
        }
        self
    }
}

/// An elementwise loss over rows.
///
/// ```
/// use fused_loss::{AnyLoss, AnyRowLoss, Mae, RowLosses};
/// let loss = AnyRowLoss::from(AnyLoss::Mae(Mae));
/// assert_eq!(loss.rows(&[1.0_f32, 2.0, 3.0, 4.0], 2).targets(&[0.0; 4]).mean(), Ok(5.0));
/// ```
impl<F: Float> From<AnyLoss<F>> for AnyRowLoss<F> {
    fn from(loss: AnyLoss<F>) -> Self {
        AnyRowLoss::Elements(Elements(loss))
    }
}

impl<F: Float> AnyRowLoss<F> {
    /// Runs in one copy of the loops for all losses.
    fn run_small(
        self,
        job: Job<'_, F, RowTargets<'_, F>>,
        level: Level,
        total: Option<&mut Exact<F>>,
    ) -> Result<HighLow<F>, Error<F>> {
        let labelled = job.target.labelled();
        let over_softmax = match self {
            AnyRowLoss::SoftmaxCrossEntropy(loss) => {
                loss.over_softmax(job.target.classes).map(AnyShareLoss::MinusLog)
            }
            AnyRowLoss::SoftmaxKl(loss) => loss.over_softmax(labelled).map(AnyShareLoss::Divergence),
            AnyRowLoss::JensenShannon(loss) => loss.over_softmax(labelled).map(AnyShareLoss::Terms),
            AnyRowLoss::NegativeLogLikelihood(loss) => return loss.run(job, level, total),
            AnyRowLoss::Elements(loss) => return loss.run(job, level, total),
        };
        run_over_softmax(over_softmax, job, level, total)
    }
}

/// Alone, so that what is handed over lies in one place for all losses.
#[inline(never)]
fn run_over_softmax<F: Float>(
    over_softmax: OverSoftmax<F, AnyShareLoss<F>>,
    job: Job<'_, F, RowTargets<'_, F>>,
    level: Level,
    total: Option<&mut Exact<F>>,
) -> Result<HighLow<F>, Error<F>> {
    over_softmax.run(job, level, total)
}

/// What a class's share costs in any of them.
#[derive(Clone, Copy, Debug)]
enum AnyShareLoss<F> {
    MinusLog(MinusLog),
    Divergence(KlDivergence),
    Terms(Terms<F>),
}

impl<F: Float> Loss<F> for AnyShareLoss<F> {
    #[cfg_attr(not(called), inline(always))]
    #[cfg_attr(called, inline(never))]
    fn at<V: Lanes<Elem = F>>(self, log_share: V, target: V) -> (V, V) {
        match self {
            AnyShareLoss::MinusLog(loss) => loss.at(log_share, target),
            AnyShareLoss::Divergence(loss) => loss.at(log_share, target),
            AnyShareLoss::Terms(loss) => loss.at(log_share, target),
        }
    }

    fn definition(self, log_share: f64, target: f64) -> f64 {
        match self {
            AnyShareLoss::MinusLog(loss) => Loss::<F>::definition(loss, log_share, target),
            AnyShareLoss::Divergence(loss) => Loss::<F>::definition(loss, log_share, target),
            AnyShareLoss::Terms(loss) => loss.definition(log_share, target),
        }
    }

    fn target_domain(self) -> Domain<F> {
        match self {
            AnyShareLoss::MinusLog(loss) => loss.target_domain(),
            AnyShareLoss::Divergence(loss) => loss.target_domain(),
            AnyShareLoss::Terms(loss) => loss.target_domain(),
        }
    }
}

impl<F: Float> WeighsClasses<F> for AnyRowLoss<F> {}
impl<F: Float> TakesLogits<F> for AnyRowLoss<F> {}

/// Elements or rows, chosen at run time: a door through which both go has one copy of the call.
#[doc(hidden)]
pub enum AnyTargets<'a, F: Float> {
    /// With their loss, which takes the place of the batch's.
    Elements(AnyLoss<F>, &'a [F]),
    Rows(RowTargets<'a, F>),
}

impl<'a, F: Float> Batch<'a, AnyLoss<F>, F> {
    /// The same call as one of either kind.
    #[doc(hidden)]
    pub fn any(self) -> Batch<'a, AnyRowLoss<F>, F, AnyTargets<'a, F>> {
        self.map(|loss, target| (loss.into(), AnyTargets::Elements(loss, target)))
    }
}

impl<'a, F: Float> Batch<'a, AnyRowLoss<F>, F, RowTargets<'a, F>> {
    /// The same call as one of either kind.
    #[doc(hidden)]
    pub fn any(self) -> Batch<'a, AnyRowLoss<F>, F, AnyTargets<'a, F>> {
        self.map(|loss, target| (loss, AnyTargets::Rows(target)))
    }
}

impl<F: Float> Targets<AnyRowLoss<F>, F> for AnyTargets<'_, F> {
    fn of_rows(&self) -> bool {
        matches!(self, AnyTargets::Rows(_))
    }

    fn count(&self, pred: usize) -> usize {
        match self {
            AnyTargets::Elements(..) => pred,
            AnyTargets::Rows(rows) => rows.rows(pred),
        }
    }

    fn check_lengths(&self, pred: usize) -> Result<(), Error<F>> {
        match self {
            AnyTargets::Elements(_, target) => Targets::<AnyLoss<F>, F>::check_lengths(target, pred),
            AnyTargets::Rows(rows) => Targets::<AnyRowLoss<F>, F>::check_lengths(rows, pred),
        }
    }

    fn check(&mut self, loss: AnyRowLoss<F>, weights: &[F], level: Option<Level>) -> Result<(), Error<F>> {
        match self {
            AnyTargets::Elements(..) => RowLoss::check(loss),
            AnyTargets::Rows(rows) => rows.check(loss, weights, level),
        }
    }

    fn first_bad(&self, loss: AnyRowLoss<F>, pred: &[F], weights: &[F]) -> Option<Error<F>> {
        match self {
            AnyTargets::Elements(loss, target) => target.first_bad(*loss, pred, weights),
            AnyTargets::Rows(rows) => rows.first_bad(loss, pred, weights),
        }
    }

    fn mean_divisor(&self, loss: AnyRowLoss<F>, losses: usize) -> Result<HighLow<F>, Error<F>> {
        match self {
            AnyTargets::Elements(loss, target) => target.mean_divisor(*loss, losses),
            AnyTargets::Rows(rows) => rows.mean_divisor(loss, losses),
        }
    }

    fn taking_part(
        &self,
        loss: AnyRowLoss<F>,
        losses: usize,
        weights: &[F],
        level: Level,
    ) -> Result<Total<F>, Error<F>> {
        match self {
            AnyTargets::Elements(loss, target) => target.taking_part(*loss, losses, weights, level),
            AnyTargets::Rows(rows) => rows.taking_part(loss, losses, weights, level),
        }
    }

    fn run(
        job: Job<'_, F, Self>,
        loss: AnyRowLoss<F>,
        level: Level,
        total: Option<&mut Exact<F>>,
    ) -> Result<HighLow<F>, Error<F>> {
        let Job { pred, target, weights, grad, each, add, far, factor, lift } = job;
        match target {
            AnyTargets::Elements(loss, target) => {
                Job { pred, target, weights, grad, each, add, far, factor, lift }.run(loss, level, total)
            }
            AnyTargets::Rows(target) => {
                loss.run(Job { pred, target, weights, grad, each, add, far, factor, lift }, level, total)
            }
        }
    }
}
