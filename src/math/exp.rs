//! The exponentials.
//!
//! ```text
//! x = n ln 2 + r,  |r| <= ln 2 / 2        e^x = 2^n e^r,  e^r = 1 + r + r^2 Q(r)
//! ```
//!
//! - n is rounded by a magic constant: in x log2 e + 1.5 2^(SIGNIFICAND - 1) the last place is 1, so the low bits of
//!   the pattern hold n. The bias of the exponent is part of the constant too: the pattern shifted up by the width
//!   of the fraction *is* the number 2^n, since the magic bits leave at the top. No conversion, no integer addition;
//!   and as the scale is multiplied in, NaN passes (bits added to a NaN could make a number of it).
//! - ln 2 is a high part, whose product with n is exact, and a low part.
//! - Everything is scaled up by 2^30 (f32) or 2^60 (f64) in the constant, and down in the coefficients. So 2^n is a
//!   normal number where the result is subnormal, and the last multiplication is the only one to round there. Where an
//!   instruction multiplies by powers of two, it is that one, of the same bits.
//! - Rows of f32, fused, go by eighths: n is a multiple of one, its low three bits name one of eight powers of two in a
//!   table, and r is an eighth as large. They share a factor that makes all eight nearly numbers of the format.
//! - Fused, Horner's rule runs to the end. Unfused, the roundings of r and of r + r^2 Q would show, so 1 is added
//!   last, to (high r + (r^2 Q - low r)).
//!
//! Q was fitted by Lawson-weighted least squares of the relative error of e^r at 60 to 100 Chebyshev nodes in 240
//! bits, the low coefficients rounded one at a time and the rest fitted again: 2^-28.2 for f32, 2^-57.9 for f64.
//! With one coefficient less, f32 misses the bound. The Q of `exp_m1` is fitted to the relative error of e^r - 1:
//! 2^-31.1, 2^-61.6.

use crate::float::Float;
use crate::lanes::{Lanes, Mask};
use crate::sum::{quick_two_sum_of, two_product_of};

use super::{Functions, horner};

/// What a precision tells the exponentials.
pub struct Constants<F: 'static> {
    /// Below it, e^x rounds to 0.
    lowest: F,
    /// Above it, e^x is beyond the largest number.
    highest: F,
    /// Below it, e^x - 1 rounds to -1.
    minus_one: F,
    /// Below it, e^x - 1 rounds to x.
    tiny: F,
    log2_e: F,
    /// ln 2, high and low.
    ln_2: [F; 2],
    /// 1.5 2^(SIGNIFICAND - 1).
    magic: F,
    /// Of the exponent.
    bias: F,
    /// n is scaled up by 2^`up`...
    up: F,
    /// ...and the coefficients down by this.
    down: F,
    q: &'static [F],
    q_m1: &'static [F],
    /// Where a table costs less than the terms that it saves.
    eighths: Option<&'static Eighths<F>>,
}

/// Powers of two by eighths, and what is left of e^r for an eighth of the range.
struct Eighths<F> {
    /// 2^(i / 8) times the unit, for i from 0 to 7; less the i that will be added to the pattern together with the exponent.
    powers: [F; 8],
    q: [F; 2],
    /// The unit, high and low, and one over it.
    unit: [F; 2],
    inverse: [F; 2],
}

pub const F32: Constants<f32> = Constants {
    lowest: -104.0,
    highest: 89.0,
    minus_one: -20.0,
    tiny: 1.0 / (1 << 26) as f32,
    log2_e: core::f32::consts::LOG2_E,
    ln_2: [0.693_145_75, 1.428_606_8e-6],
    magic: 12_582_912.0,
    bias: 127.0,
    up: 30.0,
    down: 1.0 / (1 << 30) as f32,
    q: &[0.499_999_94, 0.166_665_21, 0.041_668_27, 0.008_368_685, 0.001_382_042_1],
    q_m1: &[0.5, 0.166_666_66, 0.041_666_493, 0.008_333_545, 0.001_393_234_1, 0.000_197_625_65],
    eighths: Some(&EIGHTHS_F32),
};

/// The unit is such that all eight are within 2^-27 of their formula, relatively. 1 + r + r^2 q fits e^r to 2^-25.7, but for a
/// factor that is in the unit too.
const EIGHTHS_F32: Eighths<f32> = Eighths {
    powers: [
        f32::from_bits(0x3f83_1319),
        f32::from_bits(0x3f8e_f018 - (1 << 20)),
        f32::from_bits(0x3f9b_dff6 - (2 << 20)),
        f32::from_bits(0x3fa9_fb94 - (3 << 20)),
        f32::from_bits(0x3fb9_5e13 - (4 << 20)),
        f32::from_bits(0x3fca_2509 - (5 << 20)),
        f32::from_bits(0x3fdc_70b9 - (6 << 20)),
        f32::from_bits(0x3ff0_6452 - (7 << 20)),
    ],
    q: [0.500_078_2, 0.166_682_33],
    unit: [1.024_020_3, 2.215_264_4e-8],
    inverse: [0.976_543_1, -2.237_834_1e-8],
};

pub const F64: Constants<f64> = Constants {
    lowest: -746.0,
    highest: 710.0,
    minus_one: -40.0,
    tiny: 1.0 / (1_u64 << 55) as f64,
    log2_e: core::f64::consts::LOG2_E,
    ln_2: [0.693_147_180_559_890_3, 5.497_923_018_708_371e-14],
    magic: 6_755_399_441_055_744.0,
    bias: 1023.0,
    up: 60.0,
    down: 1.0 / (1_u64 << 60) as f64,
    q: &[
        0.500_000_000_000_001_1,
        0.166_666_666_666_664_38,
        0.041_666_666_666_526_72,
        0.008_333_333_333_478_911,
        0.001_388_888_894_445_8,
        0.000_198_412_695_390_769_54,
        2.480_149_228_570_189_7e-5,
        2.755_755_800_220_602_2e-6,
        2.763_052_896_202_054e-7,
        2.500_891_916_354_364_2e-8,
    ],
    q_m1: &[
        0.5,
        0.166_666_666_666_666_77,
        0.041_666_666_666_666_68,
        0.008_333_333_333_321_763,
        0.001_388_888_888_889_661,
        0.000_198_412_698_854_688_17,
        2.480_158_727_465_984e-5,
        2.755_724_499_783_369_7e-6,
        2.755_733_217_661_595e-7,
        2.510_874_758_577_751_5e-8,
        2.089_336_173_533_859_8e-9,
    ],
    eighths: None,
};

impl<F: Float> Constants<F> {
    pub(crate) const fn log2_e(&self) -> F {
        self.log2_e
    }
    pub(crate) const fn magic(&self) -> F {
        self.magic
    }
    /// By what [`scaled`] is greater in the fused class than in the other, high and low, and one over that.
    pub(crate) fn fused_unit(&self) -> [[F; 2]; 2] {
        self.eighths.map_or([[F::ONE, F::ZERO]; 2], |eighths| [eighths.unit, eighths.inverse])
    }
    /// What takes away the power of two of [`exp_parts`].
    pub(crate) const fn down(&self) -> F {
        self.down
    }
}

/// The base e^(1/T) of exponentials, for a temperature T.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scaling<F> {
    /// log2 e / T.
    pub log2_e: F,
    /// T ln 2, high and low: n times the high part is exact.
    pub ln_2: [F; 2],
    /// 1 / T.
    pub inverse: F,
}

/// The eighths of lanes, where a table is looked up at once.
#[inline(always)]
fn eighths<V: Lanes>() -> Option<&'static Eighths<V::Elem>> {
    if V::FUSED { V::Elem::EXP.eighths } else { None }
}

/// The magic constant by which [`scaled`] scales up by 2^`up`, a whole number.
#[inline(always)]
pub(crate) fn scaling_magic<V: Lanes>(up: V) -> V {
    let of = V::Elem::EXP;
    match eighths::<V>() {
        // In its sums the last place is an eighth. The bias is in the table.
        Some(_) => up.splat(of.magic / V::Elem::from_count(8)) + up,
        None => up.splat(of.magic) + (up.splat(of.bias) + up),
    }
}

/// e^(z / T) in units of the class, scaled up by what `magic` says, see [`scaling_magic`]. Without `TEMPERED`, T is 1.
#[cfg_attr(not(called), inline(always))]
#[cfg_attr(called, inline(never))]
pub(crate) fn scaled<V: Lanes, const TEMPERED: bool>(z: V, magic: V, of: &Scaling<V::Elem>) -> V {
    let (q, one) = (V::Elem::EXP.q, z.splat(V::Elem::ONE));
    let biased = z.mul_add(z.splat(of.log2_e), magic);
    let n = biased - magic;
    let high = n.neg_mul_add(z.splat(of.ln_2[0]), z);
    let ln_2_low = z.splat(of.ln_2[1]);
    let over = |r: V| if TEMPERED { r * z.splat(of.inverse) } else { r };
    if let Some(eighths) = eighths::<V>() {
        let r = over(n.neg_mul_add(ln_2_low, high)).abreast();
        let growth = (horner(r, &eighths.q, V::Elem::ONE).mul_add(r, one).abreast() * r).abreast();
        let power = biased.lookup(&eighths.powers).bits_add(biased.bits_shl(V::Elem::SIGNIFICAND - 4));
        return growth.mul_add(power, power).abreast();
    }
    let power = biased.bits_shl(V::Elem::SIGNIFICAND - 1);
    if V::FUSED {
        let r = over(n.neg_mul_add(ln_2_low, high));
        (horner(r, q, V::Elem::ONE).mul_add(r, one).abreast().mul_add(r, one).abreast() * power).abreast()
    } else {
        let low = n * ln_2_low;
        let r = over(high - low);
        (one + (over(high) + (r * r * horner(r, q, V::Elem::ONE) - over(low)))) * power
    }
}

/// The power of two in what [`scaled`] gives, which is less than twice that.
#[inline(always)]
pub(crate) fn scaled_power<V: Lanes>(z: V, magic: V, of: &Scaling<V::Elem>) -> V {
    let biased = z.mul_add(z.splat(of.log2_e), magic);
    let to_exponent = V::Elem::SIGNIFICAND - 1;
    match eighths::<V>() {
        Some(_) => biased.bits_shr(3).bits_shl(to_exponent).bits_add(z.splat(V::Elem::ONE)),
        None => biased.bits_shl(to_exponent),
    }
}

/// e^x, for x <= 0: cheaper than [`exp`].
///
/// - Valid range: -inf to 0.
/// - Max error in ULP: f32 0.892 fused, 0.889 unfused over all inputs; f64 0.872 fused, 0.878 unfused over 10^8.
/// - Subnormal results are as good as the others; -inf gives 0, NaN gives NaN.
///
/// ```
/// use fused_loss::{Lanes, math};
/// /// The weight of something a distance away.
/// #[inline(always)]
/// fn nearness<V: Lanes>(distance: V) -> V {
///     math::exp_nonpositive(-distance.abs())
/// }
/// ```
#[cfg_attr(not(called), inline(always))]
#[cfg_attr(called, inline(never))]
pub fn exp_nonpositive<V: Lanes>(x: V) -> V {
    of_bounded(x.splat(V::Elem::EXP.lowest).max(x))
}

/// e^-|x|, but for NaN, of which it is that or 0.
#[inline(always)]
pub(crate) fn exp_minus<V: Lanes>(x: V) -> V {
    of_bounded(x.minus_magnitude(x.splat(-V::Elem::EXP.lowest)))
}

/// e^x, for x from `lowest` to 0.
#[cfg_attr(not(called), inline(always))]
#[cfg_attr(called, inline(never))]
fn of_bounded<V: Lanes>(x: V) -> V {
    let of = V::Elem::EXP;
    let magic = x.splat(of.magic + of.bias + of.up);
    let biased = x.mul_add(x.splat(of.log2_e), magic).abreast();
    let n = biased - magic;
    if V::SCALES {
        return growth(x, n, V::Elem::ONE).times_power(n).abreast();
    }
    (growth(x, n, of.down) * biased.bits_shl(V::Elem::SIGNIFICAND - 1)).abreast()
}

/// e^x.
///
/// - Valid range: all.
/// - Max error in ULP: f32 0.892 fused, 0.891 unfused over all inputs; f64 0.872 fused, 0.887 unfused over 10^8.
/// - Subnormal results are as good as the others; -inf gives 0, inf and what is beyond the largest number inf, NaN
///   NaN.
///
/// ```
/// use fused_loss::{Lanes, math};
/// /// The Poisson rate of a logit.
/// #[inline(always)]
/// fn rate<V: Lanes>(logit: V) -> V {
///     math::exp(logit)
/// }
/// ```
#[cfg_attr(not(called), inline(always))]
#[cfg_attr(called, inline(never))]
pub fn exp<V: Lanes>(x: V) -> V {
    let of = V::Elem::EXP;
    let x = x.clamp(x.splat(of.lowest), x.splat(of.highest));
    // No one power of two reaches from the subnormal to the largest numbers: there are two, of n / 2 rounded down
    // and up.
    let magic = x.splat(of.magic + of.bias + of.bias + of.up);
    let biased = x.mul_add(x.splat(of.log2_e), magic);
    let n = biased - magic;
    if V::SCALES {
        return growth(x, n, V::Elem::ONE).times_power(n);
    }
    let down = biased.bits_shr(1);
    let up = biased.bits_sub(down);
    let shift = V::Elem::SIGNIFICAND - 1;
    growth(x, n, of.down) * down.bits_shl(shift) * up.bits_shl(shift)
}

/// e^(x - n ln 2) times a power of two.
#[inline(always)]
fn growth<V: Lanes>(x: V, n: V, unit: V::Elem) -> V {
    let of = V::Elem::EXP;
    let (ln_2_high, ln_2_low) = (x.splat(of.ln_2[0]), x.splat(of.ln_2[1]));
    let r_high = n.neg_mul_add(ln_2_high, x);
    let scale = x.splat(unit);
    if V::FUSED {
        let r = n.neg_mul_add(ln_2_low, r_high).abreast();
        horner(r, of.q, unit).mul_add(r, scale).mul_add(r, scale)
    } else {
        let r_low = n * ln_2_low;
        let r = r_high - r_low;
        let q = horner(r, of.q, V::Elem::ONE);
        (x.splat(V::Elem::ONE) + (r_high + (r * r * q - r_low))) * scale
    }
}

/// e^x in parts, for an x <= 0 of two numbers, high and low: 2^(n + `up`), and e^r - 1, high and low, within an eighth of a
/// rounding unit of it: 2^-27 in f32 and 2^-56 in f64.
///
/// 2^n goes to where four times as much still rounds to 0, and x further down is taken for that.
#[inline(always)]
pub(crate) fn exp_parts<V: Lanes>(x: [V; 2]) -> (V, [V; 2]) {
    let of = V::Elem::EXP;
    let lowest = x[0].splat(of.lowest - (V::Elem::ONE + V::Elem::ONE));
    // No low part counts there, and it may be large.
    let (high, low) = (lowest.max(x[0]), lowest.le(x[0]).keep(x[1]));
    let magic = high.splat(of.magic + of.bias + of.up);
    let biased = high.mul_add(high.splat(of.log2_e), magic);
    let n = biased - magic;
    // n times the high part of ln 2 is exact, and so is what it leaves.
    let left = n.neg_mul_add(high.splat(of.ln_2[0]), high);
    let (r, rest) = quick_two_sum_of(left, n.neg_mul_add(high.splat(of.ln_2[1]), low));
    // r + r^2 / 2 in two parts, and r^3 Q beside them.
    let (square, lost) = two_product_of(r, r);
    let half = high.splat(V::Elem::HALF);
    let (sum, error) = quick_two_sum_of(r, square * half);
    let cube = square * r * horner(r, of.q_m1.get(1..).unwrap_or_default(), V::Elem::ONE);
    let (sum, low) = quick_two_sum_of(sum, error + (cube + lost.mul_add(half, rest.mul_add(r, rest))));
    (biased.bits_shl(V::Elem::SIGNIFICAND - 1), [sum, low])
}

/// e^x - 1, without the loss where e^x is near 1.
///
/// - Valid range: all.
/// - Max error in ULP: f32 0.866 fused, 0.974 unfused over all inputs; f64 0.890 fused, 0.968 unfused over 10^8.
/// - -0 gives -0, -inf gives -1, inf and what is beyond the largest number inf, NaN NaN.
///
/// ```
/// use fused_loss::{Lanes, math};
/// /// By how much a logarithmic change changes, as a fraction.
/// #[inline(always)]
/// fn growth<V: Lanes>(change: V) -> V {
///     math::exp_m1(change)
/// }
/// ```
#[cfg_attr(not(called), inline(always))]
#[cfg_attr(called, inline(never))]
pub fn exp_m1<V: Lanes>(x: V) -> V {
    // Half the result is (s - 1/2) + s (r + r^2 Q), s = 2^(n-1), which is a number for n = 128 (f32) and 1024 (f64)
    // too. What s - 1/2 and its sum with s r_high lose is added to the small part, and so is what the rounding of r
    // takes from r^2 / 2.
    let of = V::Elem::EXP;
    let half = x.splat(V::Elem::HALF);
    let inside = x.clamp(x.splat(of.minus_one), x.splat(of.highest));
    let magic = x.splat(of.magic + of.bias - V::Elem::ONE);
    let biased = inside.mul_add(x.splat(of.log2_e), magic);
    let n = biased - magic;
    let scale = biased.bits_shl(V::Elem::SIGNIFICAND - 1);
    let r_high = n.neg_mul_add(x.splat(of.ln_2[0]), inside);
    let r_low = n * x.splat(-of.ln_2[1]);
    let r = r_high + r_low;
    let r_lost = r_low - (r - r_high);
    let small = (r * r).mul_add(horner(r, of.q_m1, V::Elem::ONE), r_lost.mul_add(r, r_low));
    let whole = scale - half;
    let whole_lost = (scale - whole) - half;
    let linear = scale * r_high;
    let sum = whole + linear;
    let lost = linear - (sum - whole);
    let halved = sum + scale.mul_add(small, lost + whole_lost);
    x.abs().lt(x.splat(of.tiny)).select(x, halved + halved)
}
