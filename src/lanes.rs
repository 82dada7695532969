//! The contract of a register: a few numbers side by side, worked on at once.
//!
//! A register value is the proof that its instructions may run. Only the dispatch room makes a first one, after it
//! has looked at the CPU; everything else comes from that value (`pred.splat(0.5)`, `zero.load(slice)`). That is why
//! kernels read like their formula and hold no `unsafe`.
//!
//! Every operation here is IEEE 754 arithmetic, rounded to nearest, or moves bits: a kernel written over it has the
//! same bits on every backend. One thing differs, and has a name: [`Lanes::FUSED`].
//!
//! Every function over lanes bears `#[inline(always)]`. A call that stays a call is compiled without the
//! instructions of its register, and costs up to 36 times the time, in silence.

use core::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use crate::float::Float;

#[cfg(x86_dispatch)]
mod avx2;
#[cfg(x86_dispatch)]
mod avx512;
mod pair;
mod portable;
mod scalar;
#[cfg(x86_dispatch)]
mod x86;

#[cfg(x86_dispatch)]
pub(crate) use avx2::{Avx2F32, Avx2F64};
#[cfg(x86_dispatch)]
pub(crate) use avx512::{Avx512F32, Avx512F64};
pub(crate) use pair::Pair;
pub(crate) use portable::{PortableF32, PortableF64};
pub(crate) use scalar::Scalar;

pub(crate) mod sealed {
    /// Keeps [`super::Lanes`] ours, and makes the first register of a kernel.
    pub trait Register: Sized {
        /// All lanes +0.
        ///
        /// # Safety
        /// The CPU must have the instructions of this register.
        #[allow(unsafe_code)]
        unsafe fn zero() -> Self;
    }
}

/// The most lanes that any registers have, side by side.
pub(crate) const MOST_LANES: usize = 32;

/// A register of numbers: what a loss is written over.
///
/// `+ - * /` and unary `-` work lane by lane. The trait is sealed; levels of the CPU implement it.
///
/// ```
/// use fused_loss::{Lanes, Mask};
/// /// |x|, but 0 above a limit.
/// #[inline(always)]
/// fn cut<V: Lanes>(x: V, limit: V) -> V {
///     x.abs().gt(limit).select(x.splat(Default::default()), x.abs())
/// }
/// ```
pub trait Lanes:
    sealed::Register
    + Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// The number in a lane.
    type Elem: Float;
    /// One truth value a lane.
    type Mask: Mask<Self>;
    /// One register: itself, unless it is several that work side by side.
    type Single: Lanes<Elem = Self::Elem, Single = Self::Single>;
    /// How many lanes.
    const LANES: usize;
    /// The rounding class: whether [`mul_add`](Lanes::mul_add) rounds once (true) or twice.
    const FUSED: bool;

    /// The first of its registers.
    fn single(self) -> Self::Single;
    /// `x` in every lane.
    fn splat(self, x: Self::Elem) -> Self;
    /// The first `LANES` elements. Panics where there are fewer.
    fn load(self, from: &[Self::Elem]) -> Self;
    /// Writes the first `LANES` elements. Panics where there are fewer.
    fn store(self, into: &mut [Self::Elem]);
    /// True in the first `count` lanes.
    fn first(self, count: usize) -> Self::Mask;
    /// As many elements as there are, up to `LANES`; 0 in the other lanes.
    fn load_first(self, from: &[Self::Elem]) -> Self;
    /// Writes as many elements as there is room for, up to `LANES`.
    fn store_first(self, into: &mut [Self::Elem]);

    /// Four columns of a row a lane: lane i of column j is element i `stride` + j. Panics where the last row has fewer
    /// than four elements.
    fn load_columns(self, from: &[Self::Elem], stride: usize) -> [Self; 4];
    /// Writes four columns, row by row, in the order of the lanes.
    fn store_columns(columns: [Self; 4], into: &mut [Self::Elem], stride: usize);

    /// Whether [`max`](Lanes::max) and [`min`](Lanes::min) take as long as an addition.
    #[doc(hidden)]
    const CHOOSES: bool = false;

    /// Whether [`stream`](Lanes::stream) differs from a store.
    #[doc(hidden)]
    const STREAMS: bool = false;
    /// Writes the first `LANES` elements past the cache. Panics where there are fewer, or the first one does not lie where a
    /// register is aligned. Other threads may see them late, until the level has settled.
    #[doc(hidden)]
    #[inline(always)]
    fn stream(self, into: &mut [Self::Elem]) {
        self.store(into);
    }

    /// For registers that stream: the last `LANES` of the lanes of `last`, which is one register, and of its own, without
    /// the `by` last of all, fewer than a register has; and what `last` is to the next. `last` and that are one register
    /// with its lanes moved down by `by`, those below behind the others.
    #[doc(hidden)]
    #[inline(always)]
    fn behind(self, last: Self::Single, _by: usize) -> (Self, Self::Single) {
        (self, last)
    }

    /// Whether there is [`times_power`](Lanes::times_power).
    #[doc(hidden)]
    const SCALES: bool = false;
    /// `self` 2^n, rounded once, for a whole number n: only where that is one instruction.
    #[doc(hidden)]
    #[inline(always)]
    fn times_power(self, _n: Self) -> Self {
        self
    }

    /// m and -k of a lane m 2^k, where that takes few instructions: m from 3/4 to 3/2, or, of `HALVES`, from 1/2 to 1. For
    /// normal numbers above 0; of 0, m is 1 and k any number, but of `HALVES` an infinite one.
    #[doc(hidden)]
    #[inline(always)]
    fn split<const HALVES: bool>(self) -> Option<(Self, Self)> {
        None
    }

    /// -min(|self|, `most`). Of NaN it is that or -`most`.
    #[doc(hidden)]
    #[inline(always)]
    fn minus_magnitude(self, most: Self) -> Self {
        (-most).max(self.bits_or(-self.splat(Self::Elem::ZERO)))
    }

    /// True in lanes of normal numbers above 0, but for those of the largest exponent.
    ///
    /// One exponent up, one comparison finds them: those that are no numbers wrap around, to zeros and subnormals of either
    /// sign.
    #[doc(hidden)]
    #[inline(always)]
    fn normal(self) -> Self::Mask {
        let shift = Self::Elem::SIGNIFICAND - 1;
        self.bits_add(self.splat_bits(1 << shift)).ge(self.splat_bits(2 << shift))
    }

    /// The same and zeros of either sign. Those of the largest exponent may be in it.
    #[doc(hidden)]
    #[inline(always)]
    fn normal_or_zero(self) -> Self::Mask {
        self.normal() | self.eq(self.splat(Self::Elem::ZERO))
    }

    /// A hint to the CPU that what is there will be needed soon, in its second cache. Any address will do.
    #[doc(hidden)]
    #[inline(always)]
    fn prefetch(self, _: *const Self::Elem) {}

    /// Itself, and a hint to the compiler: where there are several registers, none runs ahead of the others.
    ///
    /// It belongs between the steps of a long chain. Left alone, the compiler finishes one register after the other,
    /// which takes fewer registers at a time, but a CPU that looks ahead by a hundred operations then waits for each.
    #[inline(always)]
    fn abreast(self) -> Self {
        self
    }

    /// `self * b + c`, rounded once where `FUSED`, else twice.
    fn mul_add(self, b: Self, c: Self) -> Self;
    /// `c - self * b`, rounded once where `FUSED`, else twice.
    fn neg_mul_add(self, b: Self, c: Self) -> Self;
    /// Without the sign.
    fn abs(self) -> Self;
    /// `self > other ? self : other`: where one is NaN, `other`.
    fn max(self, other: Self) -> Self;
    /// `self < other ? self : other`: where one is NaN, `other`.
    fn min(self, other: Self) -> Self;
    /// The greatest of all lanes, none of which is NaN.
    fn greatest(self) -> Self::Elem;
    /// Between `low` and `high`; NaN in `self` stays NaN.
    #[cfg_attr(not(called), inline(always))]
    #[cfg_attr(called, inline(never))]
    fn clamp(self, low: Self, high: Self) -> Self {
        high.min(low.max(self))
    }

    /// `self < other`; false where one is NaN, as all comparisons.
    fn lt(self, other: Self) -> Self::Mask;
    /// `self <= other`.
    fn le(self, other: Self) -> Self::Mask;
    /// `self > other`.
    #[inline(always)]
    fn gt(self, other: Self) -> Self::Mask {
        other.lt(self)
    }
    /// `self >= other`.
    #[inline(always)]
    fn ge(self, other: Self) -> Self::Mask {
        other.le(self)
    }
    /// `self == other`.
    fn eq(self, other: Self) -> Self::Mask;

    /// `self != other`; true where one is NaN.
    #[inline(always)]
    fn ne(self, other: Self) -> Self::Mask {
        !self.eq(other)
    }

    /// The number of a bit pattern in every lane.
    #[inline(always)]
    fn splat_bits(self, bits: u64) -> Self {
        self.splat(Self::Elem::from_pattern(bits))
    }
    /// Bitwise and of the patterns.
    fn bits_and(self, other: Self) -> Self;
    /// Bitwise or of the patterns.
    fn bits_or(self, other: Self) -> Self;
    /// Bitwise exclusive or of the patterns.
    fn bits_xor(self, other: Self) -> Self;
    /// The patterns added as integers, wrapping.
    fn bits_add(self, other: Self) -> Self;
    /// The patterns subtracted as integers, wrapping.
    fn bits_sub(self, other: Self) -> Self;
    /// The patterns shifted up by `n` bits, zeros shifted in.
    fn bits_shl(self, n: u32) -> Self;
    /// The patterns shifted down by `n` bits, zeros shifted in.
    fn bits_shr(self, n: u32) -> Self;
    /// The element of the table that the low three bits of a lane's pattern name.
    #[doc(hidden)]
    #[inline(always)]
    fn lookup(self, table: &[Self::Elem; 8]) -> Self {
        let mut lanes = [Self::Elem::ZERO; MOST_LANES];
        self.store(&mut lanes);
        for lane in lanes.iter_mut().take(Self::LANES) {
            *lane = table[lane.to_pattern() as usize % 8];
        }
        self.load(&lanes)
    }
    /// The magnitude of `self` with the sign of `sign`.
    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        let mask = self.splat(-Self::Elem::ZERO);
        self.abs().bits_or(sign.bits_and(mask))
    }
}

/// One truth value a lane, from a comparison of [`Lanes`].
///
/// ```
/// use fused_loss::{Lanes, Mask};
/// #[inline(always)]
/// fn sign<V: Lanes>(x: V, zero: V, one: V) -> V {
///     x.gt(zero).select(one, x.lt(zero).select(-one, x))
/// }
/// ```
pub trait Mask<V>: Copy + BitAnd<Output = Self> + BitOr<Output = Self> + Not<Output = Self> {
    /// `yes` where true, `no` elsewhere.
    fn select(self, yes: V, no: V) -> V;
    /// `x` where true, 0 elsewhere.
    fn keep(self, x: V) -> V;
    /// One bit a lane, the first lane's the lowest.
    fn bits(self) -> u32;
    /// Whether any lane is true.
    fn any(self) -> bool;
    /// Whether all lanes are true.
    fn all(self) -> bool;
}
