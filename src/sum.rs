//! Compensated sums: in lanes while a block runs, folded to a (high, low) pair at its end.
//!
//! TwoSum (Møller 1965; Knuth, The Art of Computer Programming 2, 4.2.2) gives the rounding error of an addition
//! exactly, whichever operand is larger. Adding those errors up beside the sum, and to it at the end, gives the result
//! as if computed in twice the precision (Ogita, Rump, Oishi 2005, Sum2). Kahan's cheaper form is off by up to
//! 1.4 ULP for terms of one sign and fails for mixed signs.

use crate::float::Float;
use crate::lanes::{Lanes, Mask, Scalar};

mod columns;

pub use columns::Columns;

/// What is added up, as far as a kernel knows. The sums of the first two have the same bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Terms {
    /// Numbers of either sign.
    AnySign,
    /// Numbers of which none is below 0. Which one of sum and term is greater, a register may find in less time than TwoSum
    /// takes to do without (Dekker 1971).
    NotNegative,
    /// Numbers whose rounding errors are left out.
    Plain,
}

impl Terms {
    /// The same times weights, which may be negative.
    pub const fn weighted(self) -> Self {
        match self {
            Terms::NotNegative => Terms::AnySign,
            terms => terms,
        }
    }
}

/// A running sum and the sum of its rounding errors, lane by lane.
#[derive(Clone, Copy)]
pub struct LaneSum<V> {
    sum: V,
    error: V,
}

impl<V: Lanes> LaneSum<V> {
    #[inline(always)]
    pub fn new(zero: V) -> Self {
        LaneSum { sum: zero, error: zero }
    }

    /// What [`store`](LaneSum::store) left.
    #[inline(always)]
    pub fn load(zero: V, sums: &[V::Elem], errors: &[V::Elem]) -> Self {
        LaneSum { sum: zero.load(sums), error: zero.load(errors) }
    }

    #[inline(always)]
    pub fn add(&mut self, term: V) {
        let (sum, error) = two_sum_of(self.sum, term);
        *self = LaneSum { sum, error: self.error + error };
    }

    /// `terms` is a constant of the kernel.
    #[inline(always)]
    pub fn add_one_of(&mut self, terms: Terms, term: V) {
        match terms {
            Terms::NotNegative if V::CHOOSES => {
                let (sum, greater, less) = (self.sum + term, self.sum.max(term), self.sum.min(term));
                *self = LaneSum { sum, error: self.error + (less - (sum - greater)) };
            }
            Terms::Plain => self.sum = self.sum + term,
            _ => self.add(term),
        }
    }

    /// Two sums as one.
    #[inline(always)]
    fn with(self, other: Self) -> Self {
        let mut both = LaneSum { sum: self.sum, error: self.error + other.error };
        both.add(other.sum);
        both
    }

    /// Sum and errors as numbers, for [`fold`].
    #[inline(always)]
    pub fn store(self, sums: &mut [V::Elem], errors: &mut [V::Elem]) {
        self.sum.store(sums);
        self.error.store(errors);
    }
}

/// Numbers that begin a cache line. Registers that cross one take twice the time, and are not handed on from store to load.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub struct Aligned<T>(pub T);

/// For a kernel that needs more registers than there are: those that it keeps in memory cross no line, nor the end of a
/// page, which takes many times as long. The compiler finds out that it has to keep some when it is too late to align
/// them, unless something else is aligned.
#[inline(always)]
pub fn align_frame() {
    if cfg!(x86_dispatch) {
        let aligned = Aligned([0_u8]);
        core::hint::black_box(&aligned);
    }
}

/// The sums of all registers and their errors as numbers, for [`fold`].
#[inline(always)]
pub fn store_rows<V: Lanes, const WIDTH: usize, const PARTS: usize>(
    sums: [LaneSum<V>; PARTS],
    sum_row: &mut [V::Elem; WIDTH],
    error_row: &mut [V::Elem; WIDTH],
) {
    for (part, sum) in sums.into_iter().enumerate() {
        let lanes = part * V::LANES..(part + 1) * V::LANES;
        if let (Some(sums), Some(errors)) = (sum_row.get_mut(lanes.clone()), error_row.get_mut(lanes)) {
            sum.store(sums, errors);
        }
    }
}

/// `a - b` and what its rounding leaves out, exactly; NaN where that is no number.
#[inline(always)]
pub fn difference<V: Lanes>(a: V, b: V) -> (V, V) {
    let high = a - b;
    (high, rest_of_difference(a, b, high))
}

/// The same with a difference that is no larger than the largest number: the rest has what is more, rounded. It is NaN or
/// infinite where `a` or `b` is.
#[inline(always)]
pub fn bounded_difference<V: Lanes>(a: V, b: V) -> (V, V) {
    let most = a.splat(V::Elem::MAX);
    let high = (a - b).clamp(-most, most);
    (high, rest_of_difference(a, b, high))
}

#[inline(always)]
fn rest_of_difference<V: Lanes>(a: V, b: V, high: V) -> V {
    let of_b = a - high;
    (a - (high + of_b)) + (of_b - b)
}

/// `a + b` and what its rounding leaves out, exactly.
#[inline(always)]
pub fn two_sum_of<V: Lanes>(a: V, b: V) -> (V, V) {
    let high = a + b;
    let of_b = high - a;
    (high, (a - (high - of_b)) + (b - of_b))
}

/// The same where the exponent of `a` is no less than that of `b`, or `b` is 0 (Dekker 1971).
#[inline(always)]
pub fn quick_two_sum_of<V: Lanes>(a: V, b: V) -> (V, V) {
    let high = a + b;
    (high, b - (high - a))
}

/// `a * b` and what its rounding leaves out, exactly, for numbers that are neither huge nor tiny. Either way to it gives
/// the same bits.
#[cfg_attr(not(called), inline(always))]
#[cfg_attr(called, inline(never))]
pub fn two_product_of<V: Lanes>(a: V, b: V) -> (V, V) {
    let high = a * b;
    if V::FUSED {
        return (high, a.mul_add(b, -high));
    }
    let factor = a.splat(V::Elem::from_count((1 << V::Elem::SIGNIFICAND.div_ceil(2)) + 1));
    let far = [a * factor, b * factor];
    let head = [far[0] - (far[0] - a), far[1] - (far[1] - b)];
    let tail = [a - head[0], b - head[1]];
    let low = ((head[0] * head[1] - high) + head[0] * tail[1] + tail[0] * head[1]) + tail[0] * tail[1];
    (high, low)
}

/// `x`, but 0 in lanes that are infinite or NaN.
#[inline(always)]
pub fn finite_or_zero<V: Lanes>(x: V) -> V {
    x.abs().le(x.splat(V::Elem::MAX)).keep(x)
}

/// A number to about twice the precision: `high` is `high + low` rounded.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct HighLow<F> {
    pub high: F,
    pub low: F,
}

/// Folds the lanes in halves: lane i takes lane i + n/2, the same order on every level. Lanes from `used` on are 0, and
/// without `errors`, those are.
///
/// It runs on the portable registers, once for all levels. TwoSum makes NaN of infinite sums, so where the plain fold
/// is not finite, it alone is the result, as plain summation would have it.
///
/// Where size is what counts, it is one copy for all losses.
#[cfg_attr(not(any(called, not(portable_simd))), inline(always))]
#[cfg_attr(any(called, not(portable_simd)), inline(never))]
pub fn fold<F: Float, const WIDTH: usize>(
    sums: &[F; WIDTH],
    errors: Option<&[F; WIDTH]>,
    used: usize,
) -> HighLow<F> {
    if cfg!(small) {
        return fold_rolled(&mut sums.clone(), &mut errors.copied().unwrap_or([F::ZERO; WIDTH]));
    }
    let [mut a, mut b, mut c, mut d] = eighths(sums, errors, 0);
    // Adding the zeros of a short batch changes nothing, but takes time that shows there.
    if used > WIDTH / 2 {
        let [e, f, g, h] = eighths(sums, errors, 4);
        (a, b, c, d) = (a.with(e), b.with(f), c.with(g), d.with(h));
    }
    fold_last(a.with(c).with(b.with(d)))
}

/// The same in a loop, a number at a time.
fn fold_rolled<F: Float>(sums: &mut [F], errors: &mut [F]) -> HighLow<F> {
    let mut count = sums.len() / 2;
    while let (Some((lanes, others)), Some((lane_errors, other_errors))) =
        (sums.split_at_mut_checked(count), errors.split_at_mut_checked(count))
        && count > 0
    {
        let others = others.iter().zip(other_errors);
        for ((lane, error), (&other, other_error)) in lanes.iter_mut().zip(lane_errors).zip(others) {
            let both = two_sum(*lane, other);
            (*lane, *error) = (both.high, (*error + *other_error) + both.low);
        }
        count /= 2;
    }
    let first = |lanes: &[F]| lanes.first().copied().unwrap_or(F::ZERO);
    rounded(first(sums), first(errors))
}

/// The sum of numbers of which so many lanes take turns, a number at a time.
pub fn sum_in_turns<F: Float>(numbers: &[F], lanes: usize) -> HighLow<F> {
    let (mut sums, mut errors) = ([F::ZERO; 32], [F::ZERO; 32]);
    let sums = sums.get_mut(..lanes).unwrap_or_default();
    let errors = errors.get_mut(..lanes).unwrap_or_default();
    for turn in numbers.chunks(lanes.max(1)) {
        for ((sum, error), &number) in sums.iter_mut().zip(&mut *errors).zip(turn) {
            let both = two_sum(*sum, number);
            (*sum, *error) = (both.high, *error + both.low);
        }
    }
    fold_rolled(sums, errors)
}

/// Four registers of an eighth of the lanes each.
#[inline(always)]
fn eighths<F: Float, const WIDTH: usize>(
    sums: &[F; WIDTH],
    errors: Option<&[F; WIDTH]>,
    from: usize,
) -> [LaneSum<F::Portable>; 4] {
    let zero = F::portable();
    let mut registers = [LaneSum::new(zero); 4];
    for (register, sum) in registers.iter_mut().enumerate() {
        let at = (from + register) * (WIDTH / 8);
        sum.sum = zero.load(&sums[at..]);
        if let Some(errors) = errors {
            sum.error = zero.load(&errors[at..]);
        }
    }
    registers
}

/// Folds the last register: four lanes in f32, two in f64.
#[inline(always)]
fn fold_last<F: Float>(one: LaneSum<F::Portable>) -> HighLow<F> {
    let (mut sums, mut errors) = ([F::ZERO; 4], [F::ZERO; 4]);
    one.store(&mut sums, &mut errors);
    let join = |one: (F, F), other: (F, F)| {
        let both = two_sum(one.0, other.0);
        (both.high, (one.1 + other.1) + both.low)
    };
    let lane = |lane: usize| (sums[lane], errors[lane]);
    let (sum, error) = match F::WIDTH / 8 {
        4 => join(join(lane(0), lane(2)), join(lane(1), lane(3))),
        _ => join(lane(0), lane(1)),
    };
    rounded(sum, error)
}

/// The sum with its error, where they are numbers.
#[inline(always)]
fn rounded<F: Float>(sum: F, error: F) -> HighLow<F> {
    if !sum.finite() || !error.finite() {
        return HighLow { high: sum, low: F::ZERO };
    }
    let both = two_sum(sum, error);
    // The errors may carry a sum beyond the largest number, of which TwoSum makes NaN.
    if both.high.finite() { both } else { HighLow { high: both.high, low: F::ZERO } }
}

#[inline(always)]
pub fn two_sum<F: Float>(a: F, b: F) -> HighLow<F> {
    let high = a + b;
    let of_b = high - a;
    HighLow { high, low: (a - (high - of_b)) + (b - of_b) }
}

/// The sum of a few numbers, rounded once: on the portable registers, as [`fold`].
pub fn short_sum<F: Float>(numbers: &[F]) -> F {
    if cfg!(small) {
        return sum_in_turns(numbers, F::WIDTH / 8).high;
    }
    let zero = F::portable();
    let mut sum = LaneSum::new(zero);
    for numbers in numbers.chunks(F::WIDTH / 8) {
        sum.add(zero.load_first(numbers));
    }
    fold_last(sum).high
}

impl<F: Float> HighLow<F> {
    /// The sum with another number.
    #[inline]
    pub fn plus(self, x: F) -> Self {
        let sum = two_sum(self.high, x);
        if !sum.high.finite() {
            return HighLow { high: self.high + x, low: F::ZERO };
        }
        two_sum(sum.high, sum.low + self.low)
    }

    /// A count, exactly: no count of elements needs more than two significands.
    #[inline]
    pub fn of_count(count: u64) -> Self {
        if count >> F::SIGNIFICAND == 0 {
            return HighLow { high: F::from_count(count), low: F::ZERO };
        }
        // A significand's worth of low bits is cut off, so that both parts are exact.
        let low = count & ((1 << (F::SIGNIFICAND - 1)) - 1);
        two_sum(F::from_count(count - low), F::from_count(low))
    }

    /// `self / by`, within 1 ULP; `by` is finite and not 0.
    ///
    /// The quotient of the high parts is mended by its exact remainder. Pairs far from 1 are brought to exponent 0 first.
    #[cfg_attr(not(called), inline)]
    #[cfg_attr(called, inline(never))]
    pub fn divide(self, by: Self) -> F {
        let quotient = self.high / by.high;
        if self.high == F::ZERO || !self.high.finite() {
            return quotient;
        }
        // By a power of two the quotient is right as it is, and batches are often of such a size.
        let fraction = |x: F| x.to_pattern() & ((1 << (F::SIGNIFICAND - 1)) - 1);
        if by.low == F::ZERO && fraction(by.high) == 0 {
            return quotient;
        }
        let (up, down) = (exponent(self.high), exponent(by.high));
        let safe = (1 << (F::BITS - F::SIGNIFICAND - 1)) / 3;
        if up.abs() < safe && down.abs() < safe {
            return self.divide_near_one(by);
        }
        let near = |pair: Self, e: i32| HighLow { high: scale(pair.high, -e), low: scale(pair.low, -e) };
        scale(near(self, up).divide_near_one(near(by, down)), up - down)
    }

    /// The division, where no product over- or underflows on the way.
    fn divide_near_one(self, by: Self) -> F {
        let quotient = self.high / by.high;
        // What is left is a number of this precision, so both ways to it are exact. The shorter one needs a CPU with f64.
        let left = if cfg!(portable_simd) && 2 * F::SIGNIFICAND < f64::MANTISSA_DIGITS {
            F::from_f64(self.high.to_f64() - quotient.to_f64() * by.high.to_f64())
        } else {
            let product = two_product(quotient, by.high);
            (self.high - product.high) - product.low
        };
        quotient + (left + (self.low - quotient * by.low)) / by.high
    }
}

/// Dekker's exact product (1971) of two numbers near 1, without fused multiply-add: the same bits on every CPU.
#[inline]
pub fn two_product<F: Float>(a: F, b: F) -> HighLow<F> {
    let (Scalar(high), Scalar(low)) = two_product_of(Scalar(a), Scalar(b));
    HighLow { high, low }
}

const fn bias(bits: u32, significand: u32) -> i32 {
    (1 << (bits - significand - 1)) - 1
}

/// e with 2^e <= |x| < 2^(e + 1), for a finite x other than 0.
fn exponent<F: Float>(x: F) -> i32 {
    let field = |x: F| (x.magnitude().to_pattern() >> (F::SIGNIFICAND - 1)) as i32;
    let bias = bias(F::BITS, F::SIGNIFICAND);
    match field(x) {
        0 => field(scale(x, F::SIGNIFICAND as i32)) - bias - F::SIGNIFICAND as i32,
        field => field - bias,
    }
}

/// x 2^e, in three steps of which none leaves the range before the result does.
#[cfg_attr(called, inline(never))]
fn scale<F: Float>(x: F, e: i32) -> F {
    let bias = bias(F::BITS, F::SIGNIFICAND);
    let power = |e: i32| F::from_pattern(((e + bias) as u64) << (F::SIGNIFICAND - 1));
    let third = e / 3;
    x * power(third) * power(third) * power(e - 2 * third)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::{Kernel, Level};

    /// Adds up numbers in both ways, which must agree after each.
    struct BothWays<'a, F>(&'a [F]);

    impl<F: Float> Kernel<F> for BothWays<'_, F> {
        type Output = ();
        type Home = Self;

        #[inline(always)]
        fn run<V: Lanes<Elem = F>, const WIDTH: usize, const PARTS: usize>(self, zero: V) {
            let mut sums = [LaneSum::new(zero); 2];
            for terms in self.0.chunks_exact(WIDTH) {
                sums[0].add_one_of(Terms::AnySign, zero.load(terms));
                sums[1].add_one_of(Terms::NotNegative, zero.load(terms));
                let [any, positive] = sums.map(|sum| {
                    let (mut sums, mut errors) = ([F::ZERO; WIDTH], [F::ZERO; WIDTH]);
                    sum.store(&mut sums, &mut errors);
                    // What an infinite sum or NaN rounds off is not looked at.
                    let errors = core::array::from_fn::<_, WIDTH, _>(|lane| {
                        if sums[lane].finite() { errors[lane].to_pattern() } else { 0 }
                    });
                    (sums.map(F::to_pattern), errors)
                });
                assert_eq!(any, positive);
            }
        }
    }

    fn agree<F: Float>() {
        let specials = [0.0, -0.0, 1.0, 1e-300, 5e-324, 1e-40, 1e38, 1e308, 3e7, f64::INFINITY, f64::NAN];
        let mut state = 1_u64;
        let mut numbers = [F::ZERO; 1 << 14];
        for (at, number) in numbers.iter_mut().enumerate() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let exponent = (state >> 58) as i32 - 32;
            let any = ((state >> 8) as u32 as f64) * libm::exp2(f64::from(exponent));
            // The later numbers have specials among them, which infect the lanes one by one.
            let special = at > 1 << 13 && state >> 32 & 31 == 0;
            *number =
                F::from_f64(if special { specials[(state >> 40) as usize % specials.len()] } else { any });
        }
        for level in Level::available() {
            level.run(BothWays(&numbers));
        }
    }

    #[test]
    fn numbers_from_0_on_have_the_bits_of_any() {
        agree::<f32>();
        agree::<f64>();
    }
}
