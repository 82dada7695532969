//! What an elementwise loss is, and the list of them.

use crate::error::Error;
use crate::float::Float;
use crate::lanes::{Lanes, Mask};
use crate::parameter::{Given, Parameter, Setting, Values};
use crate::policy::{self, Policy};
use crate::sum::Terms;

/// A loss of one prediction and one target, written once over lanes.
///
/// This is all there is to a new loss: its kernel [`at`](Loss::at), its textbook definition for tests, and, where it
/// has them, the domains of its inputs and parameters. It gets every level of the CPU, both precisions, every
/// reduction and output from [`Elementwise`](crate::Elementwise). See `examples/new_loss.rs`.
///
/// ```
/// use fused_loss::{Elementwise, Float, Lanes, Loss};
///
/// /// |r|^3 / 3, with r = pred - target.
/// #[derive(Clone, Copy)]
/// struct Cubic;
///
/// impl<F: Float> Loss<F> for Cubic {
///     #[inline(always)] // without it, calls stay calls and run without the register's instructions
///     fn at<V: Lanes<Elem = F>>(self, pred: V, target: V) -> (V, V) {
///         let residual = pred - target;
///         let slope = residual * residual.abs();
///         (slope * residual / residual.splat(F::from_f64(3.0)), slope)
///     }
///     fn definition(self, pred: f64, target: f64) -> f64 {
///         (pred - target).abs().powi(3) / 3.0
///     }
/// }
/// assert_eq!(Cubic.batch(&[3.0_f32], &[0.0]).sum(), Ok(9.0));
/// ```
pub trait Loss<F: Float>: Copy {
    /// Loss and slope (the derivative by the prediction), lane by lane.
    ///
    /// Implementations bear `#[inline(always)]`, and so does every function over lanes that they call.
    fn at<V: Lanes<Elem = F>>(self, pred: V, target: V) -> (V, V);

    /// How the losses are added up. Only a benchmark of what compensation costs leaves it out.
    #[doc(hidden)]
    const TERMS: Terms = Terms::AnySign;

    /// Whether an element takes so long, by exponentials or logarithms, that a few are worth the widest registers.
    #[doc(hidden)]
    const COSTLY: bool = false;

    /// Whether it is so long a chain that two rows side by side hide more of its latency than their registers cost.
    #[doc(hidden)]
    #[inline]
    fn long(self) -> bool {
        false
    }

    /// How many rows of two registers a [`shorter`](Loss::shorter) form takes side by side: 2, or 4 where it is a long chain.
    /// 0 where there is no such form.
    #[doc(hidden)]
    const SHORTER: usize = 0;

    /// Whether the shorter form gives the bits of [`at`](Loss::at) in all lanes, which then lie in the domains.
    #[doc(hidden)]
    #[inline(always)]
    fn fits<V: Lanes<Elem = F>>(self, _pred: V, _target: V) -> bool {
        false
    }

    /// Loss and slope by a shorter way, where it [`fits`](Loss::fits): long batches take it as long as it does.
    #[doc(hidden)]
    #[inline(always)]
    fn shorter<V: Lanes<Elem = F>>(self, pred: V, target: V) -> (V, V) {
        self.at(pred, target)
    }

    /// The textbook formula in `f64`, plain and obvious: what tests hold [`at`](Loss::at) against.
    fn definition(self, pred: f64, target: f64) -> f64;

    /// Which predictions are right; others are an `Err`. NaN passes, and propagates.
    #[inline(always)]
    fn pred_domain(self) -> Domain<F> {
        Domain::All
    }

    /// Which targets are right; others are an `Err`, NaN too unless the domain is [`Domain::All`].
    #[inline(always)]
    fn target_domain(self) -> Domain<F> {
        Domain::All
    }

    /// Whether the parameters lie in their domain.
    fn check(self) -> Result<(), Error<F>> {
        Ok(())
    }

    /// Calls `visitor` with the loss itself; an enum of losses calls it with the one that it holds, so that the
    /// choice is made once a block and not once a register.
    #[doc(hidden)]
    #[inline]
    fn visit<T: Visitor<F>>(self, visitor: T) -> T::Output {
        visitor.visit(self)
    }
}

/// What [`Loss::visit`] calls.
#[doc(hidden)]
pub trait Visitor<F: Float> {
    /// What it gives back.
    type Output;
    /// Called once.
    fn visit<L: Loss<F>>(self, loss: L) -> Self::Output;
}

/// Where a prediction or target may lie.
///
/// ```
/// use fused_loss::{BceWithLogits, Domain, Loss};
/// assert_eq!(BceWithLogits::<f32>::default().target_domain(), Domain::Interval { low: 0.0, high: 1.0 });
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Domain<F> {
    /// Anywhere, infinities and NaN included.
    All,
    /// From `low` to `high`, both included.
    Interval {
        /// The least right value.
        low: F,
        /// The greatest right value.
        high: F,
    },
}

impl<F: Float> Domain<F> {
    /// Every probability.
    pub(crate) const UNIT: Self = Domain::Interval { low: F::ZERO, high: F::ONE };
    /// Every finite number from 0 on.
    pub(crate) const NOT_NEGATIVE: Self = Domain::Interval { low: F::ZERO, high: F::MAX };

    /// Whether it holds `x`; NaN only where it is [`Domain::All`].
    ///
    /// ```
    /// use fused_loss::Domain;
    /// assert!(!Domain::Interval { low: 0.0, high: 1.0 }.holds(f32::NAN));
    /// ```
    pub fn holds(self, x: F) -> bool {
        match self {
            Domain::All => true,
            Domain::Interval { low, high } => low <= x && x <= high,
        }
    }

    /// Lanes inside it, which NaN is not; none where it is everything.
    #[inline(always)]
    pub(crate) fn inside<V: Lanes<Elem = F>>(self, x: V) -> Option<V::Mask> {
        match self {
            Domain::All => None,
            _ if self == Domain::UNIT => Some(unit_product(x).ge(x.splat(F::ZERO))),
            // The logarithm asks the same of a target, so that this costs nothing.
            _ if cfg!(not(small)) && self == Domain::NOT_NEGATIVE && x.normal().all() => Some(x.normal()),
            Domain::Interval { low, high } => Some(x.ge(x.splat(low)) & x.le(x.splat(high))),
        }
    }

    /// Lanes outside it, which NaN is not either.
    #[inline(always)]
    pub(crate) fn outside<V: Lanes<Elem = F>>(self, x: V) -> Option<V::Mask> {
        match self {
            Domain::All => None,
            _ if self == Domain::UNIT => Some(unit_product(x).lt(x.splat(F::ZERO))),
            Domain::Interval { low, high } => Some(x.lt(x.splat(low)) | x.gt(x.splat(high))),
        }
    }
}

/// Negative outside of 0 to 1, and only there: one comparison for both ends. Neither factor is small where the other
/// is, so that nothing is rounded to 0.
#[inline(always)]
fn unit_product<V: Lanes>(x: V) -> V {
    x * (x.splat(V::Elem::ONE) - x)
}

/// A loss that has a name: what a line of the list needs beside [`Loss`].
#[doc(hidden)]
pub trait Named<F: Float>: Copy {
    /// kebab-case of the type's name.
    const NAME: &'static str;
    /// The formula, as the README shows it.
    const FORMULA: &'static str;
    /// Whether it is a loss of rows of classes.
    const ROWS: bool;
    /// Its parameters, in the order of `with`.
    const PARAMETERS: &'static [Parameter];
    /// The loss with these parameters.
    fn with(parameters: impl Fn(&Parameter) -> F) -> Self;
}

/// Names a loss of the list: `Type = "name": "formula"`, then a field and its [`Parameter`] each.
macro_rules! named {
    (@rows) => { false };
    (@rows rows) => { true };
    // A field made of several parameters by a function; such a loss has no default.
    ($name:ident<F> = $text:literal: $formula:literal, $field:ident by $with:path: $($parameter:path),*) => {
        impl<F: crate::Float> crate::loss::Named<F> for $name<F> {
            const NAME: &'static str = $text;
            const FORMULA: &'static str = $formula;
            const ROWS: bool = false;
            const PARAMETERS: &'static [crate::Parameter] = &[$($parameter),*];

            fn with(parameter: impl Fn(&crate::Parameter) -> F) -> Self {
                $name { $field: $with(parameter) }
            }
        }
    };
    ($name:ident $(<$f:ident>)? = $text:literal $(of $rows:ident)?: $formula:literal $(, $field:ident: $parameter:expr)*) => {
        impl<F: crate::Float> crate::loss::Named<F> for $name $(<$f>)? {
            const NAME: &'static str = $text;
            const FORMULA: &'static str = $formula;
            const ROWS: bool = named!(@rows $($rows)?);
            const PARAMETERS: &'static [crate::Parameter] = &[$($parameter),*];

            fn with(_parameter: impl Fn(&crate::Parameter) -> F) -> Self {
                $name { $($field: Setting::setting(_parameter(&$parameter).to_f64())),* }
            }
        }

        /// The parameters' defaults, which are PyTorch's.
        impl $(<$f: crate::Float>)? Default for $name $(<$f>)? {
            fn default() -> Self {
                $name { $($field: Setting::setting($parameter.default)),* }
            }
        }
    };
}

pub(crate) use named;

/// A line of the list of losses.
///
/// ```
/// for loss in fused_loss::AnyLoss::<f64>::list() {
///     println!("{}: {}", loss.name, loss.formula);
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its name, as the command line has it.
    pub name: &'static str,
    /// Its formula.
    pub formula: &'static str,
    /// Whether it is a loss of rows of classes: its mean is that over rows, as PyTorch has it.
    pub rows: bool,
    /// Its parameters.
    pub parameters: &'static [Parameter],
}

impl Entry {
    /// The line of a loss.
    pub(crate) const fn of<F: Float, L: Named<F>>() -> Self {
        Entry { name: L::NAME, formula: L::FORMULA, rows: L::ROWS, parameters: L::PARAMETERS }
    }
}

/// The list: `file: Type`, in the order of the README. A new loss is its file and one line here.
macro_rules! losses {
    ($($file:ident: $name:ident $(<$f:ident>)?,)*) => {
        $(mod $file;)*
        $(pub use $file::$name;)*

        /// Any loss of the crate, chosen at run time.
        ///
        /// The choice is made once a block of elements, so it is as fast as the loss itself.
        ///
        /// ```
        /// use fused_loss::{AnyLoss, Elementwise};
        /// let loss = AnyLoss::named("huber", |parameter| Some(if parameter.name == "delta" { 2.0 } else { 1.0 }));
        /// assert_eq!(loss.unwrap().batch(&[5.0_f32], &[0.0]).sum(), Ok(8.0));
        /// ```
        #[derive(Clone, Copy, Debug)]
        #[non_exhaustive]
        pub enum AnyLoss<F: Float> {
            $(#[doc = concat!("See [`", stringify!($name), "`](crate::", stringify!($name), ").")]
            $name($name $(<$f>)?),)*
        }

        impl<F: Float> AnyLoss<F> {
            /// All of them.
            pub fn list() -> impl Iterator<Item = Entry> {
                const { &[$(Entry::of::<F, $name $(<$f>)?>(),)*] }.iter().copied()
            }

            /// The loss of this name. `parameter` gives a parameter's value, or `None` for its default.
            pub fn named(name: &str, parameter: impl Fn(&Parameter) -> Option<F>) -> Option<Self> {
                // A loop over the names and a table of what they make, which is less than a branch for each.
                const fn makers<F: Float>() -> &'static [fn(&Given<'_, F>) -> AnyLoss<F>] {
                    &[$(|given| AnyLoss::$name(Named::<F>::with(|parameter| given.value(parameter))),)*]
                }
                // The list of one precision, which is that of both.
                let place = AnyLoss::<f32>::list().position(|entry| entry.name == name)?;
                makers().get(place).map(|make| make(&Given(&parameter)))
            }
        }

        impl<F: Float> Loss<F> for AnyLoss<F> {
            #[inline(always)]
            fn at<V: Lanes<Elem = F>>(self, pred: V, target: V) -> (V, V) {
                match self { $(AnyLoss::$name(loss) => loss.at(pred, target),)* }
            }
            fn definition(self, pred: f64, target: f64) -> f64 {
                match self { $(AnyLoss::$name(loss) => Loss::<F>::definition(loss, pred, target),)* }
            }
            fn pred_domain(self) -> Domain<F> {
                match self { $(AnyLoss::$name(loss) => loss.pred_domain(),)* }
            }
            fn target_domain(self) -> Domain<F> {
                match self { $(AnyLoss::$name(loss) => loss.target_domain(),)* }
            }
            fn check(self) -> Result<(), Error<F>> {
                match self { $(AnyLoss::$name(loss) => loss.check(),)* }
            }
            fn visit<T: Visitor<F>>(self, visitor: T) -> T::Output {
                if cfg!(small) {
                    return visitor.visit(self); // one loop for all, and a choice a register
                }
                match self { $(AnyLoss::$name(loss) => visitor.visit(loss),)* }
            }
        }
    };
}

losses! {
    mse: Mse,
    half_mse: HalfMse,
    mae: Mae,
    huber: Huber<F>,
    smooth_l1: SmoothL1<F>,
    bce: BinaryCrossEntropy<F>,
    bce_with_logits: BceWithLogits<F>,
    categorical_cross_entropy: CategoricalCrossEntropy,
    kl_divergence: KlDivergence,
    generalized_kl: GeneralizedKl,
}
