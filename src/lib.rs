//! Loss functions for training: value and gradient in one fused SIMD pass, exact totals, the same bits on every
//! machine.
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
mod lanes;
mod loss;
pub mod math;
mod sum;
mod total;

pub use batch::{Batch, Elementwise};
pub use dispatch::{Level, Rounding};
pub use error::Error;
pub use float::Float;
pub use lanes::{Lanes, Mask};
pub use loss::*;
pub use total::Total;
