//! Loss functions for training: value and gradient in one fused SIMD pass, exact totals, the same bits on every
//! machine.
//!
//! ```
//! use fused_loss::{Elementwise, Huber};
//! let (pred, target) = ([2.5_f32, -1.0, 40.0], [1.0, 0.0, 40.5]);
//! let mut grad = [0.0; 3];
//! let loss = Huber { delta: 1.0 }.batch(&pred, &target).gradient(&mut grad).mean()?;
//! assert_eq!((loss, grad), (0.5416667, [1.0 / 3.0, -1.0 / 3.0, -0.5 / 3.0]));
//! # Ok::<(), fused_loss::Error<f32>>(())
//! ```
//!
//! - Losses: [`Mse`], [`HalfMse`], [`Mae`], [`Huber`], [`SmoothL1`], [`BinaryCrossEntropy`], [`BceWithLogits`],
//!   [`CategoricalCrossEntropy`], [`KlDivergence`]; [`AnyLoss`] is one of them, chosen at run time.
//! - Losses over rows of logits: [`SoftmaxCrossEntropy`], [`NegativeLogLikelihood`], [`SoftmaxKl`], [`JensenShannon`],
//!   begun by [`RowLosses::rows`]; [`AnyRowLoss`] is one of them. [`SoftmaxCrossEntropy::shard`] splits the classes, and
//!   [`Softmax`] is the softmax alone.
//! - A call: [`Elementwise::batch`], or over rows of classes [`Rowwise::rows`], and the options and reductions of
//!   [`Batch`]. [`Total`] merges parts exactly.
//! - Levels of the CPU and the class of their bits: [`Level`], [`Rounding`].
//! - A loss of your own: [`Loss`] over [`Lanes`], with the functions of [`math`].
//!
//! The crate never allocates and needs no `std`: its feature `std` only goes on to `wide`, and `rayon`, which adds
//! `Batch::parallel`, is off by default. Results are promised in the default floating-point environment: round to
//! nearest, subnormal numbers kept.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(all(target_arch = "x86", not(x86_dispatch)))]
compile_error!(
    "x86 without SSE2 rounds to 80 bits on the way: its results would differ from every other machine's"
);

mod batch;
mod dispatch;
mod elementwise;
mod error;
mod float;
mod job;
mod labels;
mod lanes;
mod loss;
pub mod math;
mod normalize;
#[cfg(feature = "rayon")]
mod parallel;
mod parameter;
mod policy;
mod row_loss;
mod rows;
mod rowwise;
mod shard;
mod softmax;
mod softmax_rows;
mod sum;
mod total;

pub use batch::{Batch, Elementwise};
pub use dispatch::{Level, Rounding};
pub use error::Error;
pub use float::Float;
#[doc(hidden)]
pub use job::Targets;
pub use labels::Label;
pub use lanes::{Lanes, Mask};
pub use loss::*;
pub use normalize::Softmax;
#[cfg(feature = "rayon")]
#[doc(hidden)]
pub use parallel::Cut;
#[cfg(feature = "rayon")]
#[cfg_attr(docsrs, doc(cfg(feature = "rayon")))]
pub use parallel::Parallel;
pub use parameter::{Parameter, Values};
pub use policy::Policy;
pub use row_loss::{
    AnyRowLoss, JensenShannon, NegativeLogLikelihood, RowLoss, Smoothing, SoftmaxCrossEntropy, SoftmaxKl,
    TakesLogits, TargetKind, WeighsClasses,
};
#[doc(hidden)]
pub use row_loss::{AnyTargets, RowTargets};
pub use rows::{RowLosses, Rows, Rowwise};
pub use rowwise::Elements;
pub use shard::{RowMax, RowShard, RowSum};
#[doc(hidden)]
pub use sum::Terms;
pub use total::Total;

/// Runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
