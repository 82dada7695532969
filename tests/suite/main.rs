//! Every test that calls kernels, in one binary: each binary would compile all kernels of all levels again.

mod accuracy;
mod coverage;
mod environment;
mod errors;
mod gradients;
mod levels;
mod long;
#[cfg(feature = "rayon")]
mod parallel;
mod properties;
mod pytorch;
mod row_bits;
mod row_errors;
mod row_losses;
mod row_pytorch;
mod row_shards;
mod row_specials;
mod rows;
mod support;
mod totals;
