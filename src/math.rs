//! exp, ln and their kin, once, over lanes.

mod exp;
mod ln;
mod logistic;

use crate::lanes::Lanes;

/// What a precision knows of the functions: the steps that differ between `f32` and `f64`.
#[doc(hidden)]
pub trait Functions: Sized + 'static {
    /// See [`exp`].
    fn exp<V: Lanes<Elem = Self>>(x: V) -> V;
    /// See [`exp_nonpositive`].
    fn exp_nonpositive<V: Lanes<Elem = Self>>(x: V) -> V;
    /// See [`ln`].
    fn ln<V: Lanes<Elem = Self>>(x: V) -> V;
    /// See [`ln_1p_unit`].
    fn ln_1p_unit<V: Lanes<Elem = Self>>(x: V) -> V;
}

impl Functions for f32 {
    #[inline(always)]
    fn exp<V: Lanes<Elem = f32>>(x: V) -> V {
        exp::exp(x, &exp::F32)
    }
    #[inline(always)]
    fn exp_nonpositive<V: Lanes<Elem = f32>>(x: V) -> V {
        exp::exp_nonpositive(x, &exp::F32)
    }
    #[inline(always)]
    fn ln<V: Lanes<Elem = f32>>(x: V) -> V {
        ln::ln_f32(x)
    }
    #[inline(always)]
    fn ln_1p_unit<V: Lanes<Elem = f32>>(x: V) -> V {
        ln::ln_1p_unit_f32(x)
    }
}

impl Functions for f64 {
    #[inline(always)]
    fn exp<V: Lanes<Elem = f64>>(x: V) -> V {
        exp::exp(x, &exp::F64)
    }
    #[inline(always)]
    fn exp_nonpositive<V: Lanes<Elem = f64>>(x: V) -> V {
        exp::exp_nonpositive(x, &exp::F64)
    }
    #[inline(always)]
    fn ln<V: Lanes<Elem = f64>>(x: V) -> V {
        ln::ln_f64(x)
    }
    #[inline(always)]
    fn ln_1p_unit<V: Lanes<Elem = f64>>(x: V) -> V {
        ln::ln_1p_unit_f64(x)
    }
}

/// e^x.
#[inline(always)]
pub fn exp<V: Lanes>(x: V) -> V {
    V::Elem::exp(x)
}

/// e^x for x <= 0.
#[inline(always)]
pub fn exp_nonpositive<V: Lanes>(x: V) -> V {
    V::Elem::exp_nonpositive(x)
}

/// The natural logarithm.
#[inline(always)]
pub fn ln<V: Lanes>(x: V) -> V {
    V::Elem::ln(x)
}

/// ln(1 + x) for x from 0 to 1.
#[inline(always)]
pub fn ln_1p_unit<V: Lanes>(x: V) -> V {
    V::Elem::ln_1p_unit(x)
}

pub use logistic::div_one_plus;

/// q0 + q1 x + q2 x^2 and so on, every coefficient times `scale`, by Horner's rule: its order is part of the bits.
#[inline(always)]
fn horner<V: Lanes>(x: V, q: &[V::Elem], scale: V::Elem) -> V {
    let Some((&top, rest)) = q.split_last() else { return x };
    let mut sum = x.splat(top * scale);
    for &coefficient in rest.iter().rev() {
        sum = sum.mul_add(x, x.splat(coefficient * scale));
    }
    sum
}
