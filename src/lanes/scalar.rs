//! One number as a register: the reference of the unfused class, and the level of targets without SIMD.

use core::ops::{Add, Div, Mul, Neg, Sub};

use super::{Lanes, Mask, sealed::Register};
use crate::float::Float;

/// A register of one lane. Its `mul_add` rounds twice on every target, so its class depends on nothing.
#[derive(Clone, Copy)]
pub struct Scalar<F>(pub(crate) F);

impl<F: Float> Register for Scalar<F> {
    #[inline(always)]
    #[allow(unsafe_code)]
    unsafe fn zero() -> Self {
        Scalar(F::ZERO)
    }
}

/// Operators of the number.
macro_rules! operators {
    ($($trait:ident $op:ident),*) => {$(
        impl<F: Float> $trait for Scalar<F> {
            type Output = Self;
            #[inline(always)]
            fn $op(self, other: Self) -> Self {
                Scalar(self.0.$op(other.0))
            }
        }
    )*};
}
operators!(Add add, Sub sub, Mul mul, Div div);

impl<F: Float> Neg for Scalar<F> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Scalar(-self.0)
    }
}

impl<F: Float> Scalar<F> {
    #[inline(always)]
    fn bits(self, other: Self, op: fn(u64, u64) -> u64) -> Self {
        Scalar(F::from_pattern(op(self.0.to_pattern(), other.0.to_pattern())))
    }
}

impl<F: Float> Lanes for Scalar<F> {
    type Elem = F;
    type Mask = bool;
    type Single = Self;
    const LANES: usize = 1;
    const FUSED: bool = false;

    #[inline(always)]
    fn single(self) -> Self {
        self
    }
    #[inline(always)]
    fn splat(self, x: F) -> Self {
        Scalar(x)
    }
    #[inline(always)]
    fn load(self, from: &[F]) -> Self {
        self.load_first(from)
    }
    #[inline(always)]
    fn store(self, into: &mut [F]) {
        self.store_first(into);
    }
    #[inline(always)]
    fn first(self, count: usize) -> bool {
        count > 0
    }
    #[inline(always)]
    fn load_first(self, from: &[F]) -> Self {
        Scalar(from.first().copied().unwrap_or(F::ZERO))
    }
    #[inline(always)]
    fn store_first(self, into: &mut [F]) {
        if let Some(into) = into.first_mut() {
            *into = self.0;
        }
    }
    #[inline(always)]
    fn load_columns(self, from: &[F], _: usize) -> [Self; 4] {
        core::array::from_fn(|column| Scalar(from.get(column).copied().unwrap_or(F::ZERO)))
    }
    #[inline(always)]
    fn store_columns(columns: [Self; 4], into: &mut [F], _: usize) {
        for (into, column) in into.iter_mut().zip(columns) {
            *into = column.0;
        }
    }
    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        self * b + c
    }
    #[inline(always)]
    fn neg_mul_add(self, b: Self, c: Self) -> Self {
        c - self * b
    }
    #[inline(always)]
    fn abs(self) -> Self {
        Scalar(self.0.magnitude())
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        if self.0 > other.0 { self } else { other }
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        if self.0 < other.0 { self } else { other }
    }
    #[inline(always)]
    fn greatest(self) -> F {
        self.0
    }
    #[inline(always)]
    fn lt(self, other: Self) -> bool {
        self.0 < other.0
    }
    #[inline(always)]
    fn le(self, other: Self) -> bool {
        self.0 <= other.0
    }
    #[inline(always)]
    fn eq(self, other: Self) -> bool {
        self.0 == other.0
    }
    #[inline(always)]
    fn bits_and(self, other: Self) -> Self {
        self.bits(other, |a, b| a & b)
    }
    #[inline(always)]
    fn bits_or(self, other: Self) -> Self {
        self.bits(other, |a, b| a | b)
    }
    #[inline(always)]
    fn bits_xor(self, other: Self) -> Self {
        self.bits(other, |a, b| a ^ b)
    }
    #[inline(always)]
    fn bits_add(self, other: Self) -> Self {
        self.bits(other, u64::wrapping_add)
    }
    #[inline(always)]
    fn bits_sub(self, other: Self) -> Self {
        self.bits(other, u64::wrapping_sub)
    }
    #[inline(always)]
    fn bits_shl(self, n: u32) -> Self {
        Scalar(F::from_pattern(self.0.to_pattern() << n))
    }
    #[inline(always)]
    fn bits_shr(self, n: u32) -> Self {
        Scalar(F::from_pattern(self.0.to_pattern() >> n))
    }
}

impl<F: Float> Mask<Scalar<F>> for bool {
    #[inline(always)]
    fn select(self, yes: Scalar<F>, no: Scalar<F>) -> Scalar<F> {
        if self { yes } else { no }
    }
    #[inline(always)]
    fn keep(self, x: Scalar<F>) -> Scalar<F> {
        self.select(x, Scalar(F::ZERO))
    }
    #[inline(always)]
    fn bits(self) -> u32 {
        u32::from(self)
    }
    #[inline(always)]
    fn any(self) -> bool {
        self
    }
    #[inline(always)]
    fn all(self) -> bool {
        self
    }
}
