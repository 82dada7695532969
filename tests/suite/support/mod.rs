//! What all tests and the fuzz targets share: references, samples, exact sums, and the oracle that ties them.
#![allow(dead_code)] // the fuzz target uses a part of it

pub mod exact;
pub mod oracle;
pub mod reference;
pub mod row_call;
pub mod row_oracle;
pub mod row_reference;
pub mod row_refusals;
pub mod row_samples;
pub mod rows;
pub mod samples;
pub mod wide;

use fused_loss::Float;

/// Equal bits, and every NaN one and the same.
pub fn same<F: Float>(a: F, b: F) -> bool {
    a.to_pattern() == b.to_pattern() || (is_nan(a) && is_nan(b))
}

pub fn is_nan<F: Float>(x: F) -> bool {
    x.to_f64().is_nan()
}

/// The next number up (or down) of the format.
pub fn next<F: Float>(x: F, steps: i64) -> F {
    // Patterns of one sign count up in magnitude; those of the other count down.
    let sign = 1_u64 << (F::BITS - 1);
    let place = |x: F| {
        let pattern = x.to_pattern();
        if pattern & sign == 0 { pattern as i64 } else { -((pattern & !sign) as i64) }
    };
    let place = place(x) + steps;
    if place < 0 { F::from_pattern(place.unsigned_abs() | sign) } else { F::from_pattern(place as u64) }
}
