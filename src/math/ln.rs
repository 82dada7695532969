//! The logarithms.

use crate::float::Float;
use crate::lanes::{Lanes, Mask};

const LN_2_HIGH: f32 = 0.69314575;
const LN_2_LOW: f32 = 1.4286068e-06;

#[inline(always)]
pub(super) fn ln_f32<V: Lanes<Elem = f32>>(x: V) -> V {
    let (mut number, mut offset) = (x, x.splat(8_388_608.0 + 256.0));
    let usual = x.bits_add(x.splat_bits(1 << 23)).ge(x.splat_bits(2 << 23));
    let rare = (!usual).any();
    if rare {
        let tiny = x.lt(x.splat(f32::MIN_POSITIVE));
        number = tiny.select(x * x.splat(16_777_216.0), x);
        offset = tiny.select(x.splat(8_388_608.0 + 256.0 + 24.0), offset);
    }
    let i = number.bits_sub(x.splat_bits(0x3f2a_aaab ^ 1 << 31));
    let k = i.bits_shr(23).bits_or(x.splat_bits(0x4b00_0000)) - offset;
    let m = i.bits_and(x.splat_bits(0x007f_ffff)).bits_add(x.splat_bits(0x3f2a_aaab));
    let f = m - x.splat(1.0);
    const Q: [f32; 9] = [
        -0.5,
        0.33333215,
        -0.24999802,
        0.20010446,
        -0.16680315,
        0.14005314,
        -0.12186751,
        0.13986832,
        -0.12880038,
    ];
    let q = super::horner(f, &Q, 1.0);
    let result = if V::FUSED {
        k.mul_add(x.splat(core::f32::consts::LN_2), (f * f).mul_add(q, f))
    } else {
        let k_high = k * x.splat(LN_2_HIGH);
        let high = k_high + f;
        let error = f - (high - k_high);
        high + (f * f * q + (error + k * x.splat(LN_2_LOW)))
    };
    if rare { special(x, result) } else { result }
}

/// The values outside the numbers above 0.
#[inline(always)]
fn special<V: Lanes>(x: V, result: V) -> V {
    let zero = x.splat(V::Elem::ZERO);
    let infinity = x.splat(V::Elem::INFINITY);
    let outside = x.eq(zero).select(-infinity, x.splat(V::Elem::NAN));
    x.eq(infinity).select(infinity, x.gt(zero).select(result, outside))
}

#[inline(always)]
pub(super) fn ln_1p_unit_f32<V: Lanes<Elem = f32>>(x: V) -> V {
    const Q: [f32; 9] = [
        -0.37813956,
        0.17922491,
        -0.09323223,
        0.051088467,
        -0.028898444,
        0.016661797,
        -0.010217674,
        0.006918675,
        -0.003238701,
    ];
    let q = super::horner(x - x.splat(0.5), &Q, 1.0);
    (x * x).mul_add(q, x)
}

const LN_2_HIGH_64: f64 = 0.6931471805598903;
const LN_2_LOW_64: f64 = 5.497923018708371e-14;
const ATANH: [f64; 7] = [
    0.6666666666666735,
    0.39999999999409885,
    0.2857142874347125,
    0.22222198459094628,
    0.18183570442046906,
    0.15313888738128065,
    0.14797625563621575,
];

#[inline(always)]
pub(super) fn ln_f64<V: Lanes<Elem = f64>>(x: V) -> V {
    const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    const ROUND: f64 = 4_503_599_627_370_496.0 + 2048.0;
    let (mut number, mut offset) = (x, x.splat(ROUND));
    let usual = x.bits_add(x.splat_bits(1 << 52)).ge(x.splat_bits(2 << 52));
    let rare = (!usual).any();
    if rare {
        let tiny = x.lt(x.splat(f64::MIN_POSITIVE));
        number = tiny.select(x * x.splat(18_014_398_509_481_984.0), x);
        offset = tiny.select(x.splat(ROUND + 54.0), offset);
    }
    let i = number.bits_sub(x.splat_bits(SQRT_HALF ^ 1 << 63));
    let k = i.bits_shr(52).bits_or(x.splat_bits(0x4330 << 48)) - offset;
    let m = i.bits_and(x.splat_bits((1 << 52) - 1)).bits_add(x.splat_bits(SQRT_HALF));
    let result = assemble(m - x.splat(1.0), k);
    if rare { special(x, result) } else { result }
}

/// k ln 2 + ln(1 + f).
#[inline(always)]
fn assemble<V: Lanes<Elem = f64>>(f: V, k: V) -> V {
    let s = f / (x_two(f) + f);
    let z = s * s;
    let h = f * f * f.splat(0.5);
    let r = z * super::horner(z, &ATANH, 1.0);
    let low = s.mul_add(h + r, k * f.splat(LN_2_LOW_64));
    k.mul_add(f.splat(LN_2_HIGH_64), f - (h - low))
}

#[inline(always)]
fn x_two<V: Lanes<Elem = f64>>(x: V) -> V {
    x.splat(2.0)
}

#[inline(always)]
pub(super) fn ln_1p_unit_f64<V: Lanes<Elem = f64>>(x: V) -> V {
    let one = x.splat(1.0);
    let upper = x.gt(x.splat(0.5));
    let f = upper.select((x - one) * x.splat(0.5), x);
    assemble(f, upper.select(one, x.splat(0.0)))
}
