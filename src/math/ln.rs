//! The logarithms.
//!
//! ```text
//! x = m 2^k                               ln x = k ln 2 + ln(1 + f),  f = m - 1
//! ```
//!
//! - k and m come from the pattern as an integer: less the pattern of the lowest m, its exponent bits are k and its
//!   fraction is that of m, less the same.
//! - m is from 3/4 to 3/2, where the f = x 2^-k + (2^-k - 1) of `ln_1p` is exact; so does [1/2, 1] in its cheap form.
//! - f32: ln(1 + f) = f + f^2 Q(f); a division would cost more than the coefficients that it saves.
//! - Of probabilities, m is from 1/2 to 1, and all is in u = 1 - m: -ln(1 - u) = u - u^2 Q, in both precisions. From p = 1/2
//!   on, u is 1 - p; and nothing cancels.
//! - f64: with s = f / (2 + f), ln(1 + f) = f - (f^2/2 - s (f^2/2 + R)), R = s^2 Q(s^2), the form of fdlibm: here
//!   division saves more than it costs.
//! - ln 2 is a high part, whose product with k is exact, and a low part. Only the fused `ln` in f32 does with one
//!   constant: the nearest f32 is within 2^-28.4 of ln 2; and so does what nothing is taken from, in both precisions.
//! - What is rare (zero, subnormal, negative, infinite, NaN) is behind a branch that a register takes when it holds
//!   one.
//!
//! Every Q was fitted by Lawson-weighted least squares of the relative error of the logarithm at 60 to 100 Chebyshev
//! nodes in 240 bits, the low coefficients rounded one at a time and the rest fitted again.

use crate::float::Float;
use crate::lanes::{Lanes, Mask};

use super::{Functions, horner};

/// What a precision tells the logarithms.
pub struct Constants<F: 'static> {
    /// 2^(SIGNIFICAND - 1), where the last place is 1, plus what keeps k positive in the bits below it.
    offset: F,
    /// The same for m from 1/2 to 1, which is less an exponent field.
    offset_of_halves: F,
    /// Q of ln(1 - u) = -u + u^2 Q, u from 0 to 1/2, in powers of 5/16 - u.
    halves: &'static [F],
    /// Takes subnormal numbers among the normal ones, and the largest down, without rounding.
    rescue: F,
    /// Its binary logarithm.
    rescue_power: F,
    /// From here on 1 + x is x, and further on 2^-k is no normal number.
    huge: F,
    /// ln 2, high and low.
    ln_2: [F; 2],
}

pub const F32: Constants<f32> = Constants {
    offset: 8_388_608.0 + 256.0,
    offset_of_halves: 8_388_608.0 + 126.0,
    // Fit error 2^-27.8.
    halves: &[
        -0.6368609, 0.5786354, -0.6076828, 0.68987477, -0.8205203, 1.004897, -1.3210287, 1.8721529,
        -1.7282727,
    ],
    rescue: 4_294_967_296.0,
    rescue_power: 32.0,
    huge: 1e30,
    ln_2: [0.693_145_75, 1.428_606_8e-6],
};

pub const F64: Constants<f64> = Constants {
    offset: 4_503_599_627_370_496.0 + 2048.0,
    offset_of_halves: 4_503_599_627_370_496.0 + 1022.0,
    // Fit error 2^-56.5.
    halves: &[
        -0.6368609222800455,
        0.5786355519531623,
        -0.6076733175668654,
        0.6898049645079948,
        -0.8217377268952648,
        1.0114595908826418,
        -1.274711405884324,
        1.6353335414922077,
        -2.1273369067708296,
        2.7983662325336733,
        -3.7147200376234215,
        4.96915641448666,
        -6.69488065070141,
        9.06465453506449,
        -12.208463716773334,
        16.47758035055018,
        -24.167787651023215,
        37.929558137266035,
        -46.245053937894454,
        27.07009309273126,
    ],
    rescue: 18_446_744_073_709_551_616.0,
    rescue_power: 64.0,
    huge: 1e300,
    ln_2: [0.693_147_180_559_890_3, 5.497_923_018_708_371e-14],
};

/// The natural logarithm.
///
/// - Valid range: all.
/// - Max error in ULP: f32 0.931 fused, 0.992 unfused over all inputs; f64 0.902 fused, 0.908 unfused over 10^8.
/// - Subnormal numbers are as good as the others. 1 gives +0, both zeros -inf, numbers below them NaN, inf inf, NaN
///   NaN.
///
/// ```
/// use fused_loss::{Lanes, math};
/// /// Minus the log-likelihood of a probability.
/// #[inline(always)]
/// fn surprise<V: Lanes>(probability: V) -> V {
///     -math::ln(probability)
/// }
/// ```
#[cfg_attr(not(called), inline(always))]
#[cfg_attr(called, inline(never))]
pub fn ln<V: Lanes>(x: V) -> V {
    let of = V::Elem::LN;
    let shift = V::Elem::SIGNIFICAND - 1;
    let (mut number, mut offset) = (x, x.splat(of.offset));
    let rare = (!x.normal()).any();
    if rare {
        let subnormal = x.lt(x.splat_bits(1 << shift));
        number = subnormal.select(x * x.splat(of.rescue), x);
        offset = subnormal.select(offset + x.splat(of.rescue_power), offset);
    }
    let (f, minus_k) = parts(number, offset);
    let sum = V::Elem::ln_of_parts(f, minus_k);
    if rare { outside(x, x, sum) } else { sum }
}

/// The logarithm of normal numbers above 0, and any finite number for 0.
#[inline(always)]
pub(crate) fn ln_normal<V: Lanes>(x: V) -> V {
    let (f, minus_k) = match x.split::<false>() {
        Some((m, minus_k)) => (m - x.splat(V::Elem::ONE), minus_k),
        None => parts(x, x.splat(V::Elem::LN.offset)),
    };
    V::Elem::ln_of_parts(f, minus_k)
}

/// ln(1 + x), without the loss where x is small.
///
/// - Valid range: all.
/// - Max error in ULP: f32 0.916 fused, 0.993 unfused over all inputs; f64 0.897 fused, 0.911 unfused over 10^8.
/// - -0 gives -0, -1 gives -inf, numbers below it NaN, inf inf, NaN NaN.
///
/// ```
/// use fused_loss::{Lanes, math};
/// /// ln(1 - p).
/// #[inline(always)]
/// fn ln_of_rest<V: Lanes>(p: V) -> V {
///     math::ln_1p(-p)
/// }
/// ```
#[cfg_attr(not(called), inline(always))]
#[cfg_attr(called, inline(never))]
pub fn ln_1p<V: Lanes>(x: V) -> V {
    let of = V::Elem::LN;
    let one = x.splat(V::Elem::ONE);
    let (mut number, mut offset) = (x, x.splat(of.offset));
    let huge = x.splat(of.huge);
    let rare = (!(x.gt(-one) & x.lt(huge))).any();
    if rare {
        let huge = x.ge(huge);
        number = huge.select(x / x.splat(of.rescue), x);
        offset = huge.select(offset - x.splat(of.rescue_power), offset);
    }
    let (f, minus_k) = parts_1p(number, one + number, offset);
    // The sum loses the sign of -0; otherwise it has the sign of x by itself.
    let sum = V::Elem::ln_1p_of_parts(f, minus_k).bits_or(x.bits_and(-x.splat(V::Elem::ZERO)));
    if rare { outside(x, one + x, sum) } else { sum }
}

/// ln(1 + x), for x from 0 to 1: cheaper than [`ln_1p`].
///
/// - Valid range: 0 to 1; the sign of a zero is not kept.
/// - Max error in ULP: f32 0.976 fused, 0.994 unfused over all inputs; f64 0.930 fused, 0.897 unfused over 10^8.
/// - NaN gives NaN.
///
/// ```
/// use fused_loss::{Lanes, math};
/// /// ln(1 + e^-|x|), what softplus adds to its corner.
/// #[inline(always)]
/// fn rounding<V: Lanes>(x: V) -> V {
///     math::ln_1p_unit(math::exp_nonpositive(-x.abs()))
/// }
/// ```
#[cfg_attr(not(called), inline(always))]
#[cfg_attr(called, inline(never))]
pub fn ln_1p_unit<V: Lanes>(x: V) -> V {
    V::Elem::ln_1p_unit(x)
}

/// -ln p of a probability, with `rest` = 1 - p: the lesser of the two is exact, the other one may be rounded.
///
/// - Valid range: from 2^-100 up to what is below 1, and 1 for what is rounded; on levels that fuse.
/// - Max error in ULP: f32 0.895 over all inputs; f64 1.066 over 10^8.
#[inline(always)]
pub(crate) fn minus_ln<V: Lanes>(p: V, rest: V) -> V {
    let (u, minus_k) = halves(p);
    // From 1/2 on, k is 0, that of 1 too.
    let lower = p.lt(p.splat(V::Elem::from_f64(0.5)));
    minus_ln_of_halves(lower.select(u, rest), lower.keep(minus_k))
}

/// -ln p and -ln(1 - p), with the bits of [`minus_ln`], and `rest` = 1 - p rounded.
#[inline(always)]
pub(crate) fn minus_ln_both<V: Lanes>(p: V, rest: V) -> (V, V) {
    // Of the two, the lesser one is exact.
    let lesser = p.min(rest);
    let (u, minus_k) = halves(lesser);
    let of_lesser = minus_ln_of_halves(u, minus_k);
    let of_other = minus_ln_of_m(lesser);
    let swapped = rest.lt(p);
    (swapped.select(of_other, of_lesser), swapped.select(of_lesser, of_other))
}

/// 1 - m and -k of p = m 2^k, with m from 1/2 to 1.
#[inline(always)]
fn halves<V: Lanes>(p: V) -> (V, V) {
    if let Some((m, minus_k)) = p.split::<true>() {
        return (p.splat(V::Elem::ONE) - m, minus_k);
    }
    let shift = V::Elem::SIGNIFICAND - 1;
    let (one, half) = (p.splat(V::Elem::ONE), p.splat(V::Elem::from_f64(0.5)));
    let m = p.bits_and(p.splat_bits((1 << shift) - 1)).bits_or(half);
    let place = (V::Elem::ONE.to_pattern() >> shift) + u64::from(shift);
    let count = p.bits_shr(shift).bits_or(p.splat_bits(place << shift));
    (one - m, p.splat(V::Elem::LN.offset_of_halves) - count)
}

/// -ln((1 - u) 2^k). Nothing cancels, so that one constant does for ln 2.
#[inline(always)]
fn minus_ln_of_halves<V: Lanes>(u: V, minus_k: V) -> V {
    minus_k.mul_add(u.splat(V::Elem::from_f64(core::f64::consts::LN_2)), minus_ln_of_m(u))
}

/// -ln(1 - u).
#[inline(always)]
fn minus_ln_of_m<V: Lanes>(u: V) -> V {
    let q = horner(u.splat(V::Elem::from_f64(0.3125)) - u, V::Elem::LN.halves, V::Elem::ONE);
    (u * u).neg_mul_add(q, u)
}

/// f and -k of x.
#[inline(always)]
fn parts<V: Lanes>(x: V, offset: V) -> (V, V) {
    let fraction = x.splat_bits((1 << (V::Elem::SIGNIFICAND - 1)) - 1);
    let (above, minus_k) = exponent(x, offset);
    let m = above.bits_and(fraction).bits_add(x.splat_bits(lowest::<V>()));
    (m - x.splat(V::Elem::ONE), minus_k)
}

/// f and -k of 1 + x, which is `sum` rounded.
#[inline(always)]
fn parts_1p<V: Lanes>(x: V, sum: V, offset: V) -> (V, V) {
    let (shift, one) = (V::Elem::SIGNIFICAND - 1, x.splat(V::Elem::ONE));
    let (above, minus_k) = exponent(sum, offset);
    // The exponent bits of `above` are k, and its sign bit is flipped: that of -1 makes up for it.
    let power = (-one).bits_sub(above.bits_and(x.splat_bits(u64::MAX << shift)));
    (x.mul_add(power, power - one), minus_k)
}

/// The pattern of 3/4, the lowest m.
#[inline(always)]
fn lowest<V: Lanes>() -> u64 {
    V::Elem::ONE.to_pattern() - (1 << (V::Elem::SIGNIFICAND - 2))
}

/// The pattern of x less that of the lowest m, its sign bit flipped, and -k.
///
/// The flip makes the exponent bits positive: shifted down they are k plus half their range, and under the bits of
/// 2^(SIGNIFICAND - 1), where the last place is 1, they count as a number. -k and not k, since 0 - 0 keeps zeros of
/// f.
#[inline(always)]
fn exponent<V: Lanes>(x: V, offset: V) -> (V, V) {
    let shift = V::Elem::SIGNIFICAND - 1;
    let above = x.bits_sub(x.splat_bits(lowest::<V>() ^ 1 << (V::Elem::BITS - 1)));
    let place = (V::Elem::ONE.to_pattern() >> shift) + u64::from(shift);
    (above, offset - above.bits_shr(shift).bits_or(x.splat_bits(place << shift)))
}

/// `sum` where the logarithm of `of` is finite; its other values elsewhere.
#[inline(always)]
fn outside<V: Lanes>(x: V, of: V, sum: V) -> V {
    let (zero, infinity) = (x.splat(V::Elem::ZERO), x.splat(V::Elem::INFINITY));
    let other = of.eq(zero).select(-infinity, x.splat(V::Elem::NAN));
    x.eq(infinity).select(infinity, of.gt(zero).select(sum, other))
}

// Fit error 2^-27.6.
const Q: [f32; 9] =
    [-0.5, 0.3333345, -0.250001, 0.19990814, -0.16647115, 0.14478657, -0.13162991, 0.10464884, -0.04507567];

/// Of exact x. Fused, nothing is lost that shows.
#[inline(always)]
pub(super) fn ln_of_parts_f32<V: Lanes<Elem = f32>>(f: V, minus_k: V) -> V {
    if !V::FUSED {
        return ln_1p_of_parts_f32(f, minus_k);
    }
    minus_k.neg_mul_add(f.splat(core::f32::consts::LN_2), (f * f).mul_add(horner(f, &Q, 1.0), f))
}

/// k ln 2 + f + f^2 Q with one rounding that counts: f is added to the exact product, and what that loses is kept.
#[cfg_attr(not(called), inline(always))]
#[cfg_attr(called, inline(never))]
pub(super) fn ln_1p_of_parts_f32<V: Lanes<Elem = f32>>(f: V, minus_k: V) -> V {
    let q = horner(f, &Q, 1.0);
    let [ln_2_high, ln_2_low] = F32.ln_2;
    let power = minus_k * f.splat(ln_2_high);
    let high = f - power;
    let lost = f - (high + power);
    high + (f * f).mul_add(q, minus_k.neg_mul_add(f.splat(ln_2_low), lost))
}

// x + x^2 Q in powers of x - c, so that the roundings of Horner's rule halve at each step; that is what one
// polynomial for the whole range takes, and two with a split at 1/2 would cost six operations more. c is where the
// lowest coefficient happens to lose little: fit errors 2^-27.4 and 2^-27.5. Unfused, Q + 1/4 is rounded in place of
// Q, which is larger, and x^2 / 4 is exact but for the rounding of x^2.
#[inline(always)]
pub(super) fn ln_1p_unit_f32<V: Lanes<Elem = f32>>(x: V) -> V {
    let square = x * x;
    if V::FUSED {
        const Q: [f32; 9] = [
            -0.3726283,
            0.17354415,
            -0.0886065,
            0.0476315,
            -0.026445564,
            0.014894765,
            -0.008752388,
            0.0060771545,
            -0.0033063043,
        ];
        square.mul_add(horner(x - x.splat(0.53125), &Q, 1.0), x)
    } else {
        const Q: [f32; 9] = [
            -0.107099995,
            0.15810454,
            -0.076491304,
            0.038895436,
            -0.020460363,
            0.010932174,
            -0.0055790194,
            0.0036205347,
            -0.0032903447,
        ];
        let q = horner(x - x.splat(0.625), &Q, 1.0);
        x + (x * (x * q) - square * x.splat(0.25))
    }
}

// Fit error 2^-62.7.
const ATANH: [f64; 8] = [
    0.666666666666666,
    0.4000000000005645,
    0.2857142855591406,
    0.22222224284542202,
    0.1818166667930067,
    0.15391083662898533,
    0.13174099796053093,
    0.13839523856258037,
];

/// From s = f / (2 + f) and the coefficients of (2 atanh(s) / s - 2) / s^2 in s^2.
#[cfg_attr(not(called), inline(always))]
#[cfg_attr(called, inline(never))]
pub(super) fn ln_of_parts_f64<V: Lanes<Elem = f64>>(f: V, minus_k: V) -> V {
    let [ln_2_high, ln_2_low] = F64.ln_2;
    let s = f / (f.splat(2.0) + f);
    let z = s * s;
    let h = f * f * f.splat(0.5);
    let r = z * horner(z, &ATANH, 1.0);
    let low = s.mul_add(h + r, minus_k * f.splat(-ln_2_low));
    minus_k.neg_mul_add(f.splat(ln_2_high), f - (h - low))
}

// Fused, f is x up to 1, with two coefficients more in place of a choice: x - s (x - R), where what 2 + x loses is
// added to R, as s is off by that much (fit error 2^-59.4). Unfused, its roundings would show.
#[inline(always)]
pub(super) fn ln_1p_unit_f64<V: Lanes<Elem = f64>>(x: V) -> V {
    let two = x.splat(2.0);
    if V::FUSED {
        const Q: [f64; 10] = [
            0.6666666666666631,
            0.4000000000015618,
            0.28571428547965105,
            0.2222222396368168,
            0.18181744118471113,
            0.1538655608595849,
            0.13301021255941745,
            0.12105725326568575,
            0.0834162311891233,
            0.17015838563691046,
        ];
        let high = two + x;
        let low = x - (high - two);
        let s = x / high;
        let z = s * s;
        let r = low.mul_add(s, z * horner(z, &Q, 1.0));
        s.neg_mul_add(x - r, x)
    } else {
        let one = x.splat(1.0);
        let upper = x.gt(x.splat(0.5));
        let f = upper.select((x - one) * x.splat(0.5), x);
        ln_of_parts_f64(f, upper.select(-one, x.splat(0.0)))
    }
}
