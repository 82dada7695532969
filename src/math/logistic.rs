//! The logistic family.

use crate::float::Float;
use crate::lanes::Lanes;

/// num / (1 + e) for e from 0 to 1.
#[inline(always)]
pub fn div_one_plus<V: Lanes>(num: V, e: V) -> V {
    let one = e.splat(V::Elem::ONE);
    let high = one + e;
    let low = e - (high - one);
    let quotient = num / high;
    quotient.neg_mul_add(low, quotient)
}
