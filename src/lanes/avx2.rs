//! 256-bit registers with FMA, chosen at run time.
//!
//! SAFETY: see `x86.rs`; the instructions are AVX2 and FMA.
#![allow(unsafe_code)]

use core::arch::asm;
#[cfg(target_arch = "x86")]
use core::arch::x86::*;
#[cfg(target_arch = "x86_64")]
use core::arch::x86_64::*;
use core::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use super::{Lanes, Mask, sealed::Register, x86::x86_register};

x86_register!(Avx2F32, MaskF32, f32, __m256, 8;
    splat _mm256_set1_ps, load _mm256_loadu_ps, store _mm256_storeu_ps, stream _mm256_stream_ps, turned turned_ps, columns load_f32 store_f32, greatest greatest_f32;
    _mm256_add_ps, _mm256_sub_ps, _mm256_mul_ps, _mm256_div_ps, _mm256_fmadd_ps, _mm256_fnmadd_ps, _mm256_max_ps, _mm256_min_ps;
    _mm256_cmp_ps, _mm256_and_ps, _mm256_andnot_ps, _mm256_or_ps, _mm256_xor_ps;
    abreast abreast_ps, lookup lookup_ps, to_int _mm256_castps_si256, of_int _mm256_castsi256_ps, _mm256_add_epi32, _mm256_sub_epi32, _mm256_sll_epi32, _mm256_srl_epi32);

x86_register!(Avx2F64, MaskF64, f64, __m256d, 4;
    splat _mm256_set1_pd, load _mm256_loadu_pd, store _mm256_storeu_pd, stream _mm256_stream_pd, turned turned_pd, columns load_f64 store_f64, greatest greatest_f64;
    _mm256_add_pd, _mm256_sub_pd, _mm256_mul_pd, _mm256_div_pd, _mm256_fmadd_pd, _mm256_fnmadd_pd, _mm256_max_pd, _mm256_min_pd;
    _mm256_cmp_pd, _mm256_and_pd, _mm256_andnot_pd, _mm256_or_pd, _mm256_xor_pd;
    abreast abreast_pd, to_int _mm256_castpd_si256, of_int _mm256_castsi256_pd, _mm256_add_epi64, _mm256_sub_epi64, _mm256_sll_epi64, _mm256_srl_epi64);

/// No instruction, but the compiler keeps those that are none in their order.
#[target_feature(enable = "avx2")]
#[inline]
fn abreast_ps(mut x: __m256) -> __m256 {
    unsafe { asm!("/* {} */", inout(ymm_reg) x, options(nomem, nostack, preserves_flags)) };
    x
}

#[target_feature(enable = "avx2")]
#[inline]
fn abreast_pd(x: __m256d) -> __m256d {
    _mm256_castps_pd(abreast_ps(_mm256_castpd_ps(x)))
}

/// The permutation takes no more of an index than its low three bits.
#[target_feature(enable = "avx2")]
#[inline]
fn lookup_ps(x: __m256, table: &[f32; 8]) -> __m256 {
    _mm256_permutevar8x32_ps(unsafe { _mm256_loadu_ps(table.as_ptr()) }, _mm256_castps_si256(x))
}

/// Its lanes moved down by `by`, those below behind the others.
#[target_feature(enable = "avx2")]
#[inline]
fn turned_ps(x: __m256, by: usize) -> __m256 {
    const TWICE: [i32; 16] = {
        let mut lanes = [0; 16];
        let mut lane = 0;
        while lane < 16 {
            lanes[lane] = lane as i32 % 8;
            lane += 1;
        }
        lanes
    };
    let lanes = unsafe { _mm256_loadu_si256(TWICE[by..][..8].as_ptr().cast()) };
    _mm256_permutevar8x32_ps(x, lanes)
}

/// The same of lanes that are twice as wide.
#[target_feature(enable = "avx2")]
#[inline]
fn turned_pd(x: __m256d, by: usize) -> __m256d {
    _mm256_castps_pd(turned_ps(_mm256_castpd_ps(x), 2 * by))
}

/// The greatest lane, in halves. Written as numbers, the compiler makes a chain of blends of it.
#[inline(always)]
pub(super) unsafe fn greatest_f32(x: __m256) -> f32 {
    unsafe {
        let x = _mm_max_ps(_mm256_extractf128_ps::<1>(x), _mm256_castps256_ps128(x));
        let x = _mm_max_ps(_mm_movehl_ps(x, x), x);
        _mm_cvtss_f32(_mm_max_ss(_mm_movehdup_ps(x), x))
    }
}

#[inline(always)]
pub(super) unsafe fn greatest_f64(x: __m256d) -> f64 {
    unsafe {
        let x = _mm_max_pd(_mm256_extractf128_pd::<1>(x), _mm256_castpd256_pd128(x));
        _mm_cvtsd_f64(_mm_max_sd(_mm_unpackhi_pd(x, x), x))
    }
}

/// The first `count` lanes, not all. A masked store would do, but takes some CPUs as long as ten others.
#[inline(always)]
unsafe fn store_part_f32(count: usize, into: *mut f32, x: __m256) {
    unsafe {
        let (mut rest, mut into) = (_mm256_castps256_ps128(x), into);
        if count & 4 != 0 {
            _mm_storeu_ps(into, rest);
            (rest, into) = (_mm256_extractf128_ps::<1>(x), into.add(4));
        }
        if count & 2 != 0 {
            _mm_storel_epi64(into.cast(), _mm_castps_si128(rest));
            (rest, into) = (_mm_movehl_ps(rest, rest), into.add(2));
        }
        if count & 1 != 0 {
            _mm_store_ss(into, rest);
        }
    }
}

/// The same of lanes that are twice as wide.
#[inline(always)]
unsafe fn store_part_f64(count: usize, into: *mut f64, x: __m256d) {
    unsafe {
        let (mut rest, mut into) = (_mm256_castpd256_pd128(x), into);
        if count & 2 != 0 {
            _mm_storeu_pd(into, rest);
            (rest, into) = (_mm256_extractf128_pd::<1>(x), into.add(2));
        }
        if count & 1 != 0 {
            _mm_store_sd(into, rest);
        }
    }
}

/// A mask: all bits of a lane, or none; and the loads that obey it.
macro_rules! mask {
    ($mask:ident of $register:ident: $elem:ty, $raw:ty, $and:ident, $or:ident, $xor:ident, ones $ones:expr, $blend:ident, $movemask:ident;
     $load:ident, $maskload:ident, $storeu:ident, $store_part:ident, $to_int:ident, $int:ty, $lanes:literal) => {
        #[derive(Clone, Copy)]
        pub struct $mask($raw);

        x86_register!(operators $mask: BitAnd bitand $and, BitOr bitor $or);

        impl $mask {
            #[inline(always)]
            unsafe fn first(count: usize) -> Self {
                const ALL_THEN_NONE: [$int; 2 * $lanes] = {
                    let mut lanes = [0; 2 * $lanes];
                    let mut lane = 0;
                    while lane < $lanes {
                        lanes[lane] = -1;
                        lane += 1;
                    }
                    lanes
                };
                let window = &ALL_THEN_NONE[$lanes - count.min($lanes)..];
                Self(unsafe { $load(window[..$lanes].as_ptr().cast()) })
            }
            #[inline(always)]
            unsafe fn load(self, from: *const $elem) -> $raw {
                unsafe { $maskload(from, $to_int(self.0)) }
            }
            #[inline(always)]
            unsafe fn store_first(count: usize, into: *mut $elem, lanes: $raw) {
                if count < $lanes {
                    unsafe { $store_part(count, into, lanes) }
                } else {
                    unsafe { $storeu(into, lanes) }
                }
            }
        }

        impl Not for $mask {
            type Output = Self;
            #[inline(always)]
            fn not(self) -> Self {
                Self(unsafe { $xor(self.0, $ones) })
            }
        }

        impl Mask<$register> for $mask {
            #[inline(always)]
            fn select(self, yes: $register, no: $register) -> $register {
                $register(unsafe { $blend(no.0, yes.0, self.0) })
            }
            #[inline(always)]
            fn keep(self, x: $register) -> $register {
                $register(unsafe { $and(self.0, x.0) })
            }
            #[inline(always)]
            fn bits(self) -> u32 {
                unsafe { $movemask(self.0) as u32 }
            }
            #[inline(always)]
            fn any(self) -> bool {
                unsafe { $movemask(self.0) != 0 }
            }
            #[inline(always)]
            fn all(self) -> bool {
                unsafe { $movemask(self.0) == (1 << $lanes) - 1 }
            }
        }
    };
}

mask!(MaskF32 of Avx2F32: f32, __m256, _mm256_and_ps, _mm256_or_ps, _mm256_xor_ps, ones _mm256_set1_ps(f32::from_bits(!0)), _mm256_blendv_ps, _mm256_movemask_ps;
    _mm256_loadu_ps, _mm256_maskload_ps, _mm256_storeu_ps, store_part_f32, _mm256_castps_si256, i32, 8);
mask!(MaskF64 of Avx2F64: f64, __m256d, _mm256_and_pd, _mm256_or_pd, _mm256_xor_pd, ones _mm256_set1_pd(f64::from_bits(!0)), _mm256_blendv_pd, _mm256_movemask_pd;
    _mm256_loadu_pd, _mm256_maskload_pd, _mm256_storeu_pd, store_part_f64, _mm256_castpd_si256, i64, 4);

/// Transposing in quarters of 128 bits: a register holds a row in each quarter, and four rows of a quarter become its
/// columns.
mod columns {
    use super::*;

    #[inline(always)]
    unsafe fn transposed(rows: [__m256; 4]) -> [__m256; 4] {
        unsafe {
            let [a, b, c, d] = rows;
            let (ab, cd) = (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
            let (ab_high, cd_high) = (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
            [
                _mm256_shuffle_ps::<0x44>(ab, cd),
                _mm256_shuffle_ps::<0xee>(ab, cd),
                _mm256_shuffle_ps::<0x44>(ab_high, cd_high),
                _mm256_shuffle_ps::<0xee>(ab_high, cd_high),
            ]
        }
    }

    #[inline(always)]
    pub unsafe fn load_f32(from: *const f32, stride: usize) -> [__m256; 4] {
        unsafe {
            transposed([
                rows_f32(from, stride, 0),
                rows_f32(from, stride, 1),
                rows_f32(from, stride, 2),
                rows_f32(from, stride, 3),
            ])
        }
    }

    /// Rows `first`, and 4 after it.
    #[inline(always)]
    unsafe fn rows_f32(from: *const f32, stride: usize, first: usize) -> __m256 {
        unsafe {
            let row = _mm256_castps128_ps256(_mm_loadu_ps(from.add(first * stride)));
            _mm256_insertf128_ps::<1>(row, _mm_loadu_ps(from.add((first + 4) * stride)))
        }
    }

    #[inline(always)]
    pub unsafe fn store_f32(columns: [__m256; 4], into: *mut f32, stride: usize) {
        unsafe {
            let rows = transposed(columns);
            _mm_storeu_ps(into, _mm256_castps256_ps128(rows[0]));
            _mm_storeu_ps(into.add(stride), _mm256_castps256_ps128(rows[1]));
            _mm_storeu_ps(into.add(2 * stride), _mm256_castps256_ps128(rows[2]));
            _mm_storeu_ps(into.add(3 * stride), _mm256_castps256_ps128(rows[3]));
            _mm_storeu_ps(into.add(4 * stride), _mm256_extractf128_ps::<1>(rows[0]));
            _mm_storeu_ps(into.add(5 * stride), _mm256_extractf128_ps::<1>(rows[1]));
            _mm_storeu_ps(into.add(6 * stride), _mm256_extractf128_ps::<1>(rows[2]));
            _mm_storeu_ps(into.add(7 * stride), _mm256_extractf128_ps::<1>(rows[3]));
        }
    }

    #[inline(always)]
    unsafe fn transposed_f64(rows: [__m256d; 4]) -> [__m256d; 4] {
        unsafe {
            let [a, b, c, d] = rows;
            let (even, odd) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
            let (even_high, odd_high) = (_mm256_unpacklo_pd(c, d), _mm256_unpackhi_pd(c, d));
            [
                _mm256_permute2f128_pd::<0x20>(even, even_high),
                _mm256_permute2f128_pd::<0x20>(odd, odd_high),
                _mm256_permute2f128_pd::<0x31>(even, even_high),
                _mm256_permute2f128_pd::<0x31>(odd, odd_high),
            ]
        }
    }

    #[inline(always)]
    pub unsafe fn load_f64(from: *const f64, stride: usize) -> [__m256d; 4] {
        unsafe {
            transposed_f64([
                _mm256_loadu_pd(from),
                _mm256_loadu_pd(from.add(stride)),
                _mm256_loadu_pd(from.add(2 * stride)),
                _mm256_loadu_pd(from.add(3 * stride)),
            ])
        }
    }

    #[inline(always)]
    pub unsafe fn store_f64(columns: [__m256d; 4], into: *mut f64, stride: usize) {
        unsafe {
            let rows = transposed_f64(columns);
            _mm256_storeu_pd(into, rows[0]);
            _mm256_storeu_pd(into.add(stride), rows[1]);
            _mm256_storeu_pd(into.add(2 * stride), rows[2]);
            _mm256_storeu_pd(into.add(3 * stride), rows[3]);
        }
    }
}
