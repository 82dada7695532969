//! The logistic family.

use crate::float::Float;
use crate::lanes::{Lanes, Mask};

use super::{exp_nonpositive, ln_1p_unit};

/// num / (1 + e) for e from 0 to 1.
#[inline(always)]
pub fn div_one_plus<V: Lanes>(num: V, e: V) -> V {
    let one = e.splat(V::Elem::ONE);
    let high = one + e;
    let low = e - (high - one);
    let quotient = num / high;
    quotient.neg_mul_add(low, quotient)
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub fn logistic<V: Lanes>(x: V) -> V {
    let e = exp_nonpositive(-x.abs());
    let negative = x.lt(x.splat(V::Elem::ZERO));
    div_one_plus(negative.select(e, x.splat(V::Elem::ONE)), e)
}

/// ln(1 + e^x).
#[inline(always)]
pub fn softplus<V: Lanes>(x: V) -> V {
    x.splat(V::Elem::ZERO).max(x) + ln_1p_unit(exp_nonpositive(-x.abs()))
}

/// ln(1 / (1 + e^-x)).
#[inline(always)]
pub fn log_sigmoid<V: Lanes>(x: V) -> V {
    x.splat(-V::Elem::ZERO).min(x) - ln_1p_unit(exp_nonpositive(-x.abs()))
}
