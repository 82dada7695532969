//! One number as a register, with an exact `mul_add`: the reference of the fused class.

use core::ops::{Add, Div, Mul, Neg, Sub};

use crate::float::Float;
use crate::lanes::{Lanes, Mask, Scalar, sealed::Register};

/// Multiplies and adds with one rounding, by the standard library.
pub trait MulAdd: Float {
    fn fuse(self, b: Self, c: Self) -> Self;
}
impl MulAdd for f32 {
    fn fuse(self, b: f32, c: f32) -> f32 {
        self.mul_add(b, c)
    }
}
impl MulAdd for f64 {
    fn fuse(self, b: f64, c: f64) -> f64 {
        self.mul_add(b, c)
    }
}

/// All but `mul_add` is that of the scalar register.
#[derive(Clone, Copy)]
pub struct Fused<F>(pub Scalar<F>);

impl<F: MulAdd> Register for Fused<F> {
    #[allow(unsafe_code)]
    unsafe fn zero() -> Self {
        Fused(Scalar(F::ZERO))
    }
}

macro_rules! operators {
    ($($trait:ident $op:ident),*) => {$(
        impl<F: MulAdd> $trait for Fused<F> {
            type Output = Self;
            #[inline(always)]
            fn $op(self, other: Self) -> Self {
                Fused(self.0.$op(other.0))
            }
        }
    )*};
}
operators!(Add add, Sub sub, Mul mul, Div div);

impl<F: MulAdd> Neg for Fused<F> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Fused(-self.0)
    }
}

macro_rules! same {
    ($($op:ident($($other:ident)?) -> $result:ty),* $(,)?) => {$(
        #[inline(always)]
        fn $op(self $(, $other: Self)?) -> $result {
            Fused(self.0.$op($($other.0)?))
        }
    )*};
}

impl<F: MulAdd> Lanes for Fused<F> {
    type Elem = F;
    type Mask = bool;
    type Single = Self;
    const LANES: usize = 1;
    const FUSED: bool = true;

    #[inline(always)]
    fn single(self) -> Self {
        self
    }
    fn splat(self, x: F) -> Self {
        Fused(Scalar(x))
    }
    fn load(self, from: &[F]) -> Self {
        Fused(self.0.load(from))
    }
    fn store(self, into: &mut [F]) {
        self.0.store(into)
    }
    fn first(self, count: usize) -> bool {
        self.0.first(count)
    }
    fn load_first(self, from: &[F]) -> Self {
        Fused(self.0.load_first(from))
    }
    fn store_first(self, into: &mut [F]) {
        self.0.store_first(into)
    }
    fn load_columns(self, from: &[F], stride: usize) -> [Self; 4] {
        self.0.load_columns(from, stride).map(Fused)
    }
    fn store_columns(columns: [Self; 4], into: &mut [F], stride: usize) {
        Scalar::store_columns(columns.map(|column| column.0), into, stride)
    }
    fn greatest(self) -> F {
        self.0.greatest()
    }
    fn mul_add(self, b: Self, c: Self) -> Self {
        self.splat(self.0.0.fuse(b.0.0, c.0.0))
    }
    fn neg_mul_add(self, b: Self, c: Self) -> Self {
        self.splat((-self.0.0).fuse(b.0.0, c.0.0))
    }
    same!(
        abs() -> Self, max(other) -> Self, min(other) -> Self, bits_and(other) -> Self, bits_or(other) -> Self,
        bits_xor(other) -> Self, bits_add(other) -> Self, bits_sub(other) -> Self,
    );
    fn lt(self, other: Self) -> bool {
        self.0.lt(other.0)
    }
    fn le(self, other: Self) -> bool {
        self.0.le(other.0)
    }
    fn eq(self, other: Self) -> bool {
        self.0.eq(other.0)
    }
    fn bits_shl(self, n: u32) -> Self {
        Fused(self.0.bits_shl(n))
    }
    fn bits_shr(self, n: u32) -> Self {
        Fused(self.0.bits_shr(n))
    }
}

impl<F: MulAdd> Mask<Fused<F>> for bool {
    fn select(self, yes: Fused<F>, no: Fused<F>) -> Fused<F> {
        if self { yes } else { no }
    }
    fn keep(self, x: Fused<F>) -> Fused<F> {
        self.select(x, Fused(Scalar(F::ZERO)))
    }
    fn bits(self) -> u32 {
        u32::from(self)
    }
    fn any(self) -> bool {
        self
    }
    fn all(self) -> bool {
        self
    }
}
