//! The exponential family.

use crate::float::Float;
use crate::lanes::{Lanes, Mask};

use super::{Functions, horner};

/// What the steps below need of a precision.
pub struct Constants<F: 'static> {
    lowest: F,
    highest: F,
    log2_e: F,
    ln_2_high: F,
    ln_2_low: F,
    round: F,
    round_halves: F,
    scale: F,
    round_half: F,
    /// Below it e^x - 1 rounds to -1.
    minus_one: F,
    tiny: F,
    q: &'static [F],
    q_m1: &'static [F],
}

pub const F32: Constants<f32> = Constants {
    lowest: -104.0,
    highest: 89.0,
    log2_e: 1.442695,
    ln_2_high: 0.69314575,
    ln_2_low: 1.4286068e-06,
    round: 12_582_912.0 + 127.0 + 30.0,
    round_halves: 12_582_912.0 + 254.0 + 30.0,
    scale: 1.0 / (1 << 30) as f32,
    round_half: 12_582_912.0 + 126.0,
    minus_one: -20.0,
    tiny: 1.0 / (1 << 26) as f32,
    q: &[0.49999994, 0.16666521, 0.04166827, 0.008368685, 0.0013820421],
    q_m1: &[0.5, 0.16666666, 0.041666493, 0.008333545, 0.0013932341, 0.00019762565],
};

pub const F64: Constants<f64> = Constants {
    lowest: -746.0,
    highest: 710.0,
    log2_e: 1.4426950408889634,
    ln_2_high: 0.6931471805598903,
    ln_2_low: 5.497923018708371e-14,
    round: 6_755_399_441_055_744.0 + 1023.0 + 60.0,
    round_halves: 6_755_399_441_055_744.0 + 2046.0 + 60.0,
    scale: 1.0 / (1_u64 << 60) as f64,
    round_half: 6_755_399_441_055_744.0 + 1022.0,
    minus_one: -40.0,
    tiny: 1.0 / (1_u64 << 55) as f64,
    q: &[
        0.5000000000000011,
        0.16666666666666438,
        0.04166666666652672,
        0.008333333333478911,
        0.0013888888944458,
        0.00019841269539076954,
        2.4801492285701897e-05,
        2.7557558002206022e-06,
        2.763052896202054e-07,
        2.5008919163543642e-08,
    ],
    q_m1: &[
        0.5,
        0.16666666666666677,
        0.04166666666666668,
        0.008333333333321763,
        0.001388888888889661,
        0.00019841269885468817,
        2.480158727465984e-05,
        2.7557244997833697e-06,
        2.755733217661595e-07,
        2.5108747585777515e-08,
        2.0893361735338598e-09,
    ],
};

/// `scale` e^r, for x = n ln 2 + r.
#[inline(always)]
fn power<V: Lanes>(x: V, n: V, of: &Constants<V::Elem>) -> V {
    let r_high = n.neg_mul_add(x.splat(of.ln_2_high), x);
    if V::FUSED {
        let r = n.neg_mul_add(x.splat(of.ln_2_low), r_high);
        let q = horner(r, of.q, of.scale);
        let one = x.splat(of.scale);
        q.mul_add(r, one).mul_add(r, one)
    } else {
        let r_low = n * x.splat(of.ln_2_low);
        let r = r_high - r_low;
        let q = horner(r, of.q, V::Elem::ONE);
        (x.splat(V::Elem::ONE) + (r_high + (r * r * q - r_low))) * x.splat(of.scale)
    }
}

/// exp_nonpositive.
#[inline(always)]
pub fn exp_nonpositive<V: Lanes>(x: V) -> V {
    let of = &V::Elem::EXP;
    let round = x.splat(of.round);
    let x = x.splat(of.lowest).max(x);
    let biased = x.mul_add(x.splat(of.log2_e), round);
    power(x, biased - round, of) * biased.bits_shl(V::Elem::SIGNIFICAND - 1)
}

/// exp.
#[inline(always)]
pub fn exp<V: Lanes>(x: V) -> V {
    let of = &V::Elem::EXP;
    let round = x.splat(of.round_halves);
    let x = x.clamp(x.splat(of.lowest), x.splat(of.highest));
    let biased = x.mul_add(x.splat(of.log2_e), round);
    let half = biased.bits_shr(1);
    let rest = biased.bits_sub(half);
    let shift = V::Elem::SIGNIFICAND - 1;
    power(x, biased - round, of) * half.bits_shl(shift) * rest.bits_shl(shift)
}

/// exp_m1.
#[inline(always)]
pub fn exp_m1<V: Lanes>(x: V) -> V {
    let of = &V::Elem::EXP;
    let round = x.splat(of.round_half);
    let half = x.splat(V::Elem::HALF);
    let inside = x.clamp(x.splat(of.minus_one), x.splat(of.highest));
    let biased = inside.mul_add(x.splat(of.log2_e), round);
    let n = biased - round;
    let scale = biased.bits_shl(V::Elem::SIGNIFICAND - 1);
    let r_high = n.neg_mul_add(x.splat(of.ln_2_high), inside);
    let r_low = n * x.splat(-of.ln_2_low);
    let r = r_high + r_low;
    let r_error = r_low - (r - r_high);
    let rest = (r * r).mul_add(horner(r, of.q_m1, V::Elem::ONE), r_error.mul_add(r, r_low));
    let whole = scale - half;
    let whole_low = (scale - whole) - half;
    let linear = scale * r_high;
    let high = whole + linear;
    let error = linear - (high - whole);
    let sum = high + scale.mul_add(rest, error + whole_low);
    x.abs().lt(x.splat(of.tiny)).select(x, sum + sum)
}
