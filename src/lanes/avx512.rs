//! 512-bit registers, chosen at run time.
//!
//! SAFETY: see `x86.rs`; the instructions are AVX-512 F, BW, DQ and VL.
#![allow(unsafe_code)]

use core::arch::asm;
#[cfg(target_arch = "x86")]
use core::arch::x86::*;
#[cfg(target_arch = "x86_64")]
use core::arch::x86_64::*;
use core::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use super::{Lanes, Mask, avx2, sealed::Register, x86::x86_register};

x86_register!(Avx512F32, MaskF32, f32, __m512, 16;
    splat _mm512_set1_ps, load _mm512_loadu_ps, store _mm512_storeu_ps, stream _mm512_stream_ps, turned turned_ps, columns load_f32 store_f32, greatest greatest_f32;
    _mm512_add_ps, _mm512_sub_ps, _mm512_mul_ps, _mm512_div_ps, _mm512_fmadd_ps, _mm512_fnmadd_ps, _mm512_max_ps, _mm512_min_ps;
    _mm512_cmp_ps_mask, _mm512_and_ps, _mm512_andnot_ps, _mm512_or_ps, _mm512_xor_ps;
    abreast abreast_ps, lookup lookup_ps, parts _mm512_getexp_ps _mm512_getmant_ps _mm512_scalef_ps _mm512_range_ps _mm512_fpclass_ps_mask, to_int _mm512_castps_si512, of_int _mm512_castsi512_ps, _mm512_add_epi32, _mm512_sub_epi32, _mm512_sll_epi32, _mm512_srl_epi32);

x86_register!(Avx512F64, MaskF64, f64, __m512d, 8;
    splat _mm512_set1_pd, load _mm512_loadu_pd, store _mm512_storeu_pd, stream _mm512_stream_pd, turned turned_pd, columns load_f64 store_f64, greatest greatest_f64;
    _mm512_add_pd, _mm512_sub_pd, _mm512_mul_pd, _mm512_div_pd, _mm512_fmadd_pd, _mm512_fnmadd_pd, _mm512_max_pd, _mm512_min_pd;
    _mm512_cmp_pd_mask, _mm512_and_pd, _mm512_andnot_pd, _mm512_or_pd, _mm512_xor_pd;
    abreast abreast_pd, parts _mm512_getexp_pd _mm512_getmant_pd _mm512_scalef_pd _mm512_range_pd _mm512_fpclass_pd_mask, to_int _mm512_castpd_si512, of_int _mm512_castsi512_pd, _mm512_add_epi64, _mm512_sub_epi64, _mm512_sll_epi64, _mm512_srl_epi64);

/// No instruction, but the compiler keeps those that are none in their order.
#[target_feature(enable = "avx512f")]
#[inline]
fn abreast_ps(mut x: __m512) -> __m512 {
    unsafe { asm!("/* {} */", inout(zmm_reg) x, options(nomem, nostack, preserves_flags)) };
    x
}

#[target_feature(enable = "avx512f")]
#[inline]
fn abreast_pd(x: __m512d) -> __m512d {
    _mm512_castps_pd(abreast_ps(_mm512_castpd_ps(x)))
}

/// The permutation takes four bits of an index: the table is there twice.
#[target_feature(enable = "avx512f,avx512dq")]
#[inline]
fn lookup_ps(x: __m512, table: &[f32; 8]) -> __m512 {
    let table = _mm512_broadcast_f32x8(unsafe { _mm256_loadu_ps(table.as_ptr()) });
    _mm512_permutexvar_ps(_mm512_castps_si512(x), table)
}

/// Its lanes moved down by `by`, those below behind the others.
#[target_feature(enable = "avx512f")]
#[inline]
fn turned_ps(x: __m512, by: usize) -> __m512 {
    const TWICE: [i32; 32] = {
        let mut lanes = [0; 32];
        let mut lane = 0;
        while lane < 32 {
            lanes[lane] = lane as i32 % 16;
            lane += 1;
        }
        lanes
    };
    let lanes = unsafe { _mm512_loadu_si512(TWICE[by..][..16].as_ptr().cast()) };
    _mm512_permutexvar_ps(lanes, x)
}

/// The same of lanes that are twice as wide.
#[target_feature(enable = "avx512f")]
#[inline]
fn turned_pd(x: __m512d, by: usize) -> __m512d {
    _mm512_castps_pd(turned_ps(_mm512_castpd_ps(x), 2 * by))
}

/// The greatest lane: of the halves, then as AVX2 does.
#[inline(always)]
unsafe fn greatest_f32(x: __m512) -> f32 {
    unsafe { avx2::greatest_f32(_mm256_max_ps(_mm512_extractf32x8_ps::<1>(x), _mm512_castps512_ps256(x))) }
}

#[inline(always)]
unsafe fn greatest_f64(x: __m512d) -> f64 {
    unsafe { avx2::greatest_f64(_mm256_max_pd(_mm512_extractf64x4_pd::<1>(x), _mm512_castpd512_pd256(x))) }
}

/// A mask: one bit a lane; and the loads and stores that obey it.
macro_rules! mask {
    ($mask:ident of $register:ident: $elem:ty, $raw:ty, $bits:ty, $lanes:literal, $blend:ident, $load:ident, $store:ident) => {
        #[derive(Clone, Copy)]
        pub struct $mask($bits);

        impl $mask {
            #[inline(always)]
            unsafe fn first(count: usize) -> Self {
                Self(if count < $lanes { (1 << count) - 1 } else { !0 })
            }
            #[inline(always)]
            unsafe fn load(self, from: *const $elem) -> $raw {
                unsafe { $load(self.0, from) }
            }
            #[inline(always)]
            unsafe fn store_first(count: usize, into: *mut $elem, lanes: $raw) {
                unsafe { $store(into, Self::first(count).0, lanes) }
            }
        }

        impl BitAnd for $mask {
            type Output = Self;
            #[inline(always)]
            fn bitand(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }
        }
        impl BitOr for $mask {
            type Output = Self;
            #[inline(always)]
            fn bitor(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }
        impl Not for $mask {
            type Output = Self;
            #[inline(always)]
            fn not(self) -> Self {
                Self(!self.0)
            }
        }

        impl Mask<$register> for $mask {
            #[inline(always)]
            fn select(self, yes: $register, no: $register) -> $register {
                $register(unsafe { $blend(self.0, no.0, yes.0) })
            }
            #[inline(always)]
            fn keep(self, x: $register) -> $register {
                self.select(x, x.splat(0.0))
            }
            #[inline(always)]
            fn bits(self) -> u32 {
                u32::from(self.0)
            }
            #[inline(always)]
            fn any(self) -> bool {
                self.0 != 0
            }
            #[inline(always)]
            fn all(self) -> bool {
                self.0 == !0
            }
        }
    };
}

mask!(MaskF32 of Avx512F32: f32, __m512, __mmask16, 16, _mm512_mask_blend_ps, _mm512_maskz_loadu_ps, _mm512_mask_storeu_ps);
mask!(MaskF64 of Avx512F64: f64, __m512d, __mmask8, 8, _mm512_mask_blend_pd, _mm512_maskz_loadu_pd, _mm512_mask_storeu_pd);

/// Transposing in quarters of 128 bits: a register holds a row in each quarter, and four rows of a quarter become its
/// columns.
mod columns {
    use super::*;

    #[inline(always)]
    unsafe fn transposed(rows: [__m512; 4]) -> [__m512; 4] {
        unsafe {
            let [a, b, c, d] = rows;
            let (ab, cd) = (_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d));
            let (ab_high, cd_high) = (_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d));
            [
                _mm512_shuffle_ps::<0x44>(ab, cd),
                _mm512_shuffle_ps::<0xee>(ab, cd),
                _mm512_shuffle_ps::<0x44>(ab_high, cd_high),
                _mm512_shuffle_ps::<0xee>(ab_high, cd_high),
            ]
        }
    }

    /// A row, and those 4, 8 and 12 after it, which lie `far` elements apart.
    #[inline(always)]
    unsafe fn rows_f32(from: *const f32, far: usize) -> __m512 {
        unsafe {
            let (second, third) = (from.add(far), from.add(2 * far));
            let fourth = third.add(far);
            // Left alone, the compiler makes halves first, whose last step takes a shuffle.
            let rows = _mm512_castps128_ps512(_mm_loadu_ps(from));
            let rows = abreast_ps(_mm512_insertf32x4::<1>(rows, _mm_loadu_ps(second)));
            let rows = abreast_ps(_mm512_insertf32x4::<2>(rows, _mm_loadu_ps(third)));
            _mm512_insertf32x4::<3>(rows, _mm_loadu_ps(fourth))
        }
    }

    #[inline(always)]
    pub unsafe fn load_f32(from: *const f32, stride: usize) -> [__m512; 4] {
        unsafe {
            let far = 4 * stride;
            transposed([
                rows_f32(from, far),
                rows_f32(from.add(stride), far),
                rows_f32(from.add(2 * stride), far),
                rows_f32(from.add(3 * stride), far),
            ])
        }
    }

    #[inline(always)]
    pub unsafe fn store_f32(columns: [__m512; 4], into: *mut f32, stride: usize) {
        unsafe {
            // As whole registers: left alone, the compiler cuts them up before the last step, 16 shuffles in place of four.
            let [a, b, c, d] = transposed(columns);
            let [a, b, c, d] = [abreast_ps(a), abreast_ps(b), abreast_ps(c), abreast_ps(d)];
            // In the order of the rows.
            put_f32::<0>([a, b, c, d], into, stride);
            put_f32::<1>([a, b, c, d], into.add(4 * stride), stride);
            put_f32::<2>([a, b, c, d], into.add(8 * stride), stride);
            put_f32::<3>([a, b, c, d], into.add(12 * stride), stride);
        }
    }

    #[inline(always)]
    unsafe fn put_f32<const QUARTER: i32>(rows: [__m512; 4], into: *mut f32, stride: usize) {
        unsafe {
            _mm_storeu_ps(into, _mm512_extractf32x4_ps::<QUARTER>(rows[0]));
            _mm_storeu_ps(into.add(stride), _mm512_extractf32x4_ps::<QUARTER>(rows[1]));
            _mm_storeu_ps(into.add(2 * stride), _mm512_extractf32x4_ps::<QUARTER>(rows[2]));
            _mm_storeu_ps(into.add(3 * stride), _mm512_extractf32x4_ps::<QUARTER>(rows[3]));
        }
    }

    /// Two columns of rows `first`, and 2, 4 and 6 after it.
    #[inline(always)]
    unsafe fn rows_f64(from: *const f64, stride: usize, first: usize) -> __m512d {
        unsafe {
            let row = _mm512_castpd128_pd512(_mm_loadu_pd(from.add(first * stride)));
            let row = _mm512_insertf64x2::<1>(row, _mm_loadu_pd(from.add((first + 2) * stride)));
            let row = _mm512_insertf64x2::<2>(row, _mm_loadu_pd(from.add((first + 4) * stride)));
            _mm512_insertf64x2::<3>(row, _mm_loadu_pd(from.add((first + 6) * stride)))
        }
    }

    #[inline(always)]
    pub unsafe fn load_f64(from: *const f64, stride: usize) -> [__m512d; 4] {
        unsafe {
            let (even, odd) = (rows_f64(from, stride, 0), rows_f64(from, stride, 1));
            let (even_high, odd_high) = (rows_f64(from.add(2), stride, 0), rows_f64(from.add(2), stride, 1));
            [
                _mm512_unpacklo_pd(even, odd),
                _mm512_unpackhi_pd(even, odd),
                _mm512_unpacklo_pd(even_high, odd_high),
                _mm512_unpackhi_pd(even_high, odd_high),
            ]
        }
    }

    #[inline(always)]
    pub unsafe fn store_f64(columns: [__m512d; 4], into: *mut f64, stride: usize) {
        unsafe {
            let [a, b, c, d] = columns;
            let (even, odd) = (_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b));
            let (even_high, odd_high) = (_mm512_unpacklo_pd(c, d), _mm512_unpackhi_pd(c, d));
            let rows = [even, even_high, odd, odd_high];
            put_f64::<0>(rows, into, stride);
            put_f64::<1>(rows, into.add(2 * stride), stride);
            put_f64::<2>(rows, into.add(4 * stride), stride);
            put_f64::<3>(rows, into.add(6 * stride), stride);
        }
    }

    /// Two rows, in halves.
    #[inline(always)]
    unsafe fn put_f64<const QUARTER: i32>(rows: [__m512d; 4], into: *mut f64, stride: usize) {
        unsafe {
            _mm_storeu_pd(into, _mm512_extractf64x2_pd::<QUARTER>(rows[0]));
            _mm_storeu_pd(into.add(2), _mm512_extractf64x2_pd::<QUARTER>(rows[1]));
            _mm_storeu_pd(into.add(stride), _mm512_extractf64x2_pd::<QUARTER>(rows[2]));
            _mm_storeu_pd(into.add(stride + 2), _mm512_extractf64x2_pd::<QUARTER>(rows[3]));
        }
    }
}
