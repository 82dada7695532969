//! The bits of a number as files and reports have them.

use fused_loss::Float;

/// The bit pattern. A NaN has many and none of them is promised, so all are written as the same one.
pub fn pattern<F: Float>(value: F) -> u64 {
    if value.to_f64().is_nan() { F::NAN.to_pattern() } else { value.to_pattern() }
}
