//! 512-bit registers, chosen at run time.
//!
//! SAFETY: see `x86.rs`; the instructions are AVX-512 F, BW, DQ and VL.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86")]
use core::arch::x86::*;
#[cfg(target_arch = "x86_64")]
use core::arch::x86_64::*;
use core::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use super::{Lanes, Mask, sealed::Register, x86::x86_register};

x86_register!(Avx512F32, MaskF32, f32, __m512, 16;
    splat _mm512_set1_ps, load _mm512_loadu_ps, store _mm512_storeu_ps;
    _mm512_add_ps, _mm512_sub_ps, _mm512_mul_ps, _mm512_div_ps, _mm512_fmadd_ps, _mm512_fnmadd_ps, _mm512_max_ps, _mm512_min_ps;
    _mm512_cmp_ps_mask, _mm512_and_ps, _mm512_andnot_ps, _mm512_or_ps, _mm512_xor_ps;
    to_int _mm512_castps_si512, of_int _mm512_castsi512_ps, _mm512_add_epi32, _mm512_sub_epi32, _mm512_sll_epi32, _mm512_srl_epi32);

x86_register!(Avx512F64, MaskF64, f64, __m512d, 8;
    splat _mm512_set1_pd, load _mm512_loadu_pd, store _mm512_storeu_pd;
    _mm512_add_pd, _mm512_sub_pd, _mm512_mul_pd, _mm512_div_pd, _mm512_fmadd_pd, _mm512_fnmadd_pd, _mm512_max_pd, _mm512_min_pd;
    _mm512_cmp_pd_mask, _mm512_and_pd, _mm512_andnot_pd, _mm512_or_pd, _mm512_xor_pd;
    to_int _mm512_castpd_si512, of_int _mm512_castsi512_pd, _mm512_add_epi64, _mm512_sub_epi64, _mm512_sll_epi64, _mm512_srl_epi64);

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
            unsafe fn store(self, into: *mut $elem, lanes: $raw) {
                unsafe { $store(into, self.0, lanes) }
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
