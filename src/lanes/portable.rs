//! 128-bit registers over `wide`: SSE2, NEON, simd128, or plain code, whichever the target was compiled for.
//!
//! Only wide's arithmetic, comparisons and bit moves are used. Its `max` and `min` treat NaN differently from target
//! to target, so they are compare and select here; its `mul_add` fuses wherever the compiler was told of FMA, so it
//! serves only where the rounding class says so.

use core::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use wide::{f32x4, f64x2, u32x4, u64x2};

use super::{Lanes, Mask, sealed::Register};

/// `[x; LANES]`, written out. That would be a loop to the compiler, at each constant of each kernel, until it has
/// unrolled them all.
macro_rules! all {
    ($x:expr; 4) => {
        [$x, $x, $x, $x]
    };
    ($x:expr; 2) => {
        [$x, $x]
    };
}

macro_rules! register {
    ($register:ident, $mask:ident, $elem:ty, $bits:ty, $wide:ty, $wide_bits:ty, $lanes:tt $(, lookup $lookup:path)?) => {
        #[derive(Clone, Copy)]
        pub struct $register($wide);

        /// All bits of a lane, or none.
        #[derive(Clone, Copy)]
        pub struct $mask($wide);

        impl Register for $register {
            #[inline(always)]
            #[allow(unsafe_code)]
            unsafe fn zero() -> Self {
                Self(<$wide>::from([0.0; $lanes]))
            }
        }

        register!(operators $register: Add add, Sub sub, Mul mul, Div div);
        register!(operators $mask: BitAnd bitand, BitOr bitor);

        impl Neg for $register {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                self.bits_xor(self.splat(-0.0))
            }
        }

        impl Not for $mask {
            type Output = Self;
            #[inline(always)]
            fn not(self) -> Self {
                Self(!self.0)
            }
        }

        impl $register {
            #[inline(always)]
            fn bits(self) -> $wide_bits {
                self.0.to_bits()
            }
            #[inline(always)]
            fn of_bits(bits: $wide_bits) -> Self {
                Self(<$wide>::from_bits(bits))
            }
        }

        impl Lanes for $register {
            type Elem = $elem;
            type Mask = $mask;
            type Single = Self;
            const LANES: usize = $lanes;
            const FUSED: bool = cfg!(portable_fused);

            #[inline(always)]
            fn single(self) -> Self {
                self
            }
            #[inline(always)]
            fn splat(self, x: $elem) -> Self {
                Self(<$wide>::from(all!(x; $lanes)))
            }
            #[inline(always)]
            fn load(self, from: &[$elem]) -> Self {
                let lanes: [$elem; $lanes] = core::array::from_fn(|lane| from[..$lanes][lane]);
                Self(<$wide>::from(lanes))
            }
            #[inline(always)]
            fn store(self, into: &mut [$elem]) {
                into[..$lanes].copy_from_slice(&<[$elem; $lanes]>::from(self.0));
            }
            #[inline(always)]
            fn first(self, count: usize) -> $mask {
                let lanes = core::array::from_fn(|lane| if lane < count { 1.0 } else { 0.0 });
                self.splat(0.0).lt(Self(<$wide>::from(lanes)))
            }
            #[inline(always)]
            fn load_first(self, from: &[$elem]) -> Self {
                // Lane by lane: a loop over the slice would become a call of memcpy.
                let lanes = core::array::from_fn(|lane| from.get(lane).copied().unwrap_or(0.0));
                Self(<$wide>::from(lanes))
            }
            #[inline(always)]
            fn store_first(self, into: &mut [$elem]) {
                let lanes = <[$elem; $lanes]>::from(self.0);
                for (lane, from) in lanes.into_iter().enumerate() {
                    if let Some(into) = into.get_mut(lane) {
                        *into = from;
                    }
                }
            }
            #[inline(always)]
            fn load_columns(self, from: &[$elem], stride: usize) -> [Self; 4] {
                let from = &from[..($lanes - 1) * stride + 4];
                core::array::from_fn(|column| {
                    let lanes: [$elem; $lanes] = core::array::from_fn(|lane| from[lane * stride + column]);
                    Self(<$wide>::from(lanes))
                })
            }
            #[inline(always)]
            fn store_columns(columns: [Self; 4], into: &mut [$elem], stride: usize) {
                let columns = columns.map(|column| <[$elem; $lanes]>::from(column.0));
                for lane in 0..$lanes {
                    let row: [$elem; 4] = core::array::from_fn(|column| columns[column][lane]);
                    into[lane * stride..][..4].copy_from_slice(&row);
                }
            }
            #[inline(always)]
            fn mul_add(self, b: Self, c: Self) -> Self {
                if cfg!(portable_fused) { Self(self.0.mul_add(b.0, c.0)) } else { self * b + c }
            }
            #[inline(always)]
            fn neg_mul_add(self, b: Self, c: Self) -> Self {
                if cfg!(portable_fused) { Self(self.0.mul_neg_add(b.0, c.0)) } else { c - self * b }
            }
            #[inline(always)]
            fn abs(self) -> Self {
                self.bits_and(self.splat_bits(!(1 << (<$bits>::BITS - 1))))
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                other.lt(self).select(self, other)
            }
            #[inline(always)]
            fn min(self, other: Self) -> Self {
                self.lt(other).select(self, other)
            }
            #[inline(always)]
            fn greatest(self) -> $elem {
                let mut lanes = [0.0; $lanes];
                self.store(&mut lanes);
                let mut count = $lanes;
                while count > 1 {
                    count /= 2;
                    for lane in 0..count {
                        let other = lanes[lane + count];
                        if other > lanes[lane] {
                            lanes[lane] = other;
                        }
                    }
                }
                lanes[0]
            }
            #[inline(always)]
            fn lt(self, other: Self) -> $mask {
                $mask(self.0.simd_lt(other.0))
            }
            #[inline(always)]
            fn le(self, other: Self) -> $mask {
                $mask(self.0.simd_le(other.0))
            }
            #[inline(always)]
            fn eq(self, other: Self) -> $mask {
                $mask(self.0.simd_eq(other.0))
            }
            #[inline(always)]
            fn bits_and(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }
            #[inline(always)]
            fn bits_or(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
            #[inline(always)]
            fn bits_xor(self, other: Self) -> Self {
                Self(self.0 ^ other.0)
            }
            #[inline(always)]
            fn bits_add(self, other: Self) -> Self {
                Self::of_bits(self.bits() + other.bits())
            }
            #[inline(always)]
            fn bits_sub(self, other: Self) -> Self {
                Self::of_bits(self.bits() - other.bits())
            }
            #[inline(always)]
            fn bits_shl(self, n: u32) -> Self {
                Self::of_bits(self.bits() << <$bits>::from(n))
            }
            #[inline(always)]
            fn bits_shr(self, n: u32) -> Self {
                Self::of_bits(self.bits() >> <$bits>::from(n))
            }
            // SAFETY: NEON is of the target's own instructions.
            $(#[cfg(portable_fused)]
            #[allow(unsafe_code)]
            #[inline(always)]
            fn lookup(self, table: &[$elem; 8]) -> Self {
                Self(<$wide>::from(unsafe { $lookup(self.0.into(), table) }))
            })?
        }

        impl Mask<$register> for $mask {
            #[inline(always)]
            fn select(self, yes: $register, no: $register) -> $register {
                $register(self.0.select(yes.0, no.0))
            }
            #[inline(always)]
            fn keep(self, x: $register) -> $register {
                $register(self.0 & x.0)
            }
            #[inline(always)]
            fn bits(self) -> u32 {
                self.0.to_bitmask()
            }
            #[inline(always)]
            fn any(self) -> bool {
                self.0.any()
            }
            #[inline(always)]
            fn all(self) -> bool {
                self.0.all()
            }
        }
    };
    (operators $type:ident: $($trait:ident $op:ident),*) => {$(
        impl $trait for $type {
            type Output = Self;
            #[inline(always)]
            fn $op(self, other: Self) -> Self {
                Self(self.0.$op(other.0))
            }
        }
    )*};
}

register!(PortableF32, MaskF32, f32, u32, f32x4, u32x4, 4, lookup neon::lookup);
register!(PortableF64, MaskF64, f64, u64, f64x2, u64x2, 2);

/// What `wide` has no name for.
#[cfg(portable_fused)]
mod neon {
    use core::arch::aarch64::*;

    /// By bytes: byte j of a lane is byte 4 i + j of the table, where i is what its low three bits say.
    #[target_feature(enable = "neon")]
    #[inline]
    #[allow(unsafe_code)]
    pub fn lookup(lanes: [f32; 4], table: &[f32; 8]) -> [f32; 4] {
        // SAFETY: both arrays have as many bytes as are read or written.
        let (lanes, table) = unsafe { (vld1q_f32(lanes.as_ptr()), vld1q_u8_x2(table.as_ptr().cast())) };
        let place = vandq_u32(vreinterpretq_u32_f32(lanes), vdupq_n_u32(7));
        let bytes = vmlaq_u32(vdupq_n_u32(0x0302_0100), place, vdupq_n_u32(0x0404_0404));
        let found = vreinterpretq_f32_u8(vqtbl2q_u8(table, vreinterpretq_u8_u32(bytes)));
        let mut into = [0.0; 4];
        // SAFETY: so have these.
        unsafe { vst1q_f32(into.as_mut_ptr(), found) };
        into
    }
}
