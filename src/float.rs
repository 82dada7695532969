//! What `f32` and `f64` are, as constants.

use core::fmt::{Debug, Display};
use core::ops::{Add, Div, Mul, Neg, Sub};

/// The precision of a loss: `f32` or `f64`.
///
/// The trait is sealed: kernels are proved for these two formats only.
///
/// ```
/// use fused_loss::Float;
/// fn half<F: Float>(x: F) -> F {
///     x * F::from_f64(0.5)
/// }
/// assert_eq!(half(3.0_f32), 1.5);
/// ```
pub trait Float:
    crate::dispatch::Enter
    + crate::math::Functions
    + crate::total::Limbs
    + Copy
    + Default
    + PartialEq
    + PartialOrd
    + Debug
    + Display
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + From<i16>
    + 'static
{
    /// Its name in headers and reports: `"f32"` or `"f64"`.
    const NAME: &'static str;
    /// Virtual lanes: element i of a block always belongs to lane i mod `WIDTH`, on every level.
    const WIDTH: usize;
    /// Bits of the significand, the hidden one included.
    const SIGNIFICAND: u32;
    /// Bits of the whole format.
    const BITS: u32;
    /// Positive zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// One half.
    const HALF: Self;
    /// The largest finite number.
    const MAX: Self;
    /// Positive infinity.
    const INFINITY: Self;
    /// A quiet NaN.
    const NAN: Self;

    /// The nearest number of this format.
    fn from_f64(x: f64) -> Self;
    /// The same number in `f64`, exactly.
    fn to_f64(self) -> f64;
    /// The nearest number of this format to a count.
    fn from_count(count: u64) -> Self;
    /// The bit pattern, in the low bits.
    fn to_pattern(self) -> u64;
    /// The number of a bit pattern held in the low bits.
    fn from_pattern(bits: u64) -> Self;

    /// Without the sign; NaN stays NaN.
    #[inline]
    fn magnitude(self) -> Self {
        Self::from_pattern(self.to_pattern() & !(1 << (Self::BITS - 1)))
    }
    /// Whether it is NaN.
    #[inline]
    fn nan(self) -> bool {
        self.partial_cmp(&self).is_none()
    }
    /// Neither infinite nor NaN.
    #[inline]
    fn finite(self) -> bool {
        self.magnitude() <= Self::MAX
    }
}

impl Float for f32 {
    const NAME: &'static str = "f32";
    const WIDTH: usize = 32;
    const SIGNIFICAND: u32 = f32::MANTISSA_DIGITS;
    const BITS: u32 = 32;
    const ZERO: f32 = 0.0;
    const ONE: f32 = 1.0;
    const HALF: f32 = 0.5;
    const MAX: f32 = f32::MAX;
    const INFINITY: f32 = f32::INFINITY;
    const NAN: f32 = f32::NAN;

    #[inline(always)]
    fn from_f64(x: f64) -> f32 {
        x as f32
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn from_count(count: u64) -> f32 {
        count as f32
    }
    #[inline(always)]
    fn to_pattern(self) -> u64 {
        u64::from(self.to_bits())
    }
    #[inline(always)]
    fn from_pattern(bits: u64) -> f32 {
        f32::from_bits(bits as u32)
    }
}

impl Float for f64 {
    const NAME: &'static str = "f64";
    const WIDTH: usize = 16;
    const SIGNIFICAND: u32 = f64::MANTISSA_DIGITS;
    const BITS: u32 = 64;
    const ZERO: f64 = 0.0;
    const ONE: f64 = 1.0;
    const HALF: f64 = 0.5;
    const MAX: f64 = f64::MAX;
    const INFINITY: f64 = f64::INFINITY;
    const NAN: f64 = f64::NAN;

    #[inline(always)]
    fn from_f64(x: f64) -> f64 {
        x
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }
    #[inline(always)]
    fn from_count(count: u64) -> f64 {
        count as f64
    }
    #[inline(always)]
    fn to_pattern(self) -> u64 {
        self.to_bits()
    }
    #[inline(always)]
    fn from_pattern(bits: u64) -> f64 {
        f64::from_bits(bits)
    }
}
