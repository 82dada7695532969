//! exp, ln and their kin, once, over lanes.
//!
//! At most 1 ULP from the exact value, 2 for the logistic family: in f32 over every input, in f64 on 10^8 of them.
//! Zeros, subnormal numbers, infinities and NaN are those of C99. Each function is one sequence of IEEE operations,
//! so its bits are the same on every level of one [`Rounding`](crate::Rounding) class.

mod exp;
mod ln;
mod logistic;
#[cfg(test)]
mod tests;

pub(crate) use exp::{Scaling, exp_minus, exp_parts, scaled, scaled_power, scaling_magic};
pub use exp::{exp, exp_m1, exp_nonpositive};
pub use ln::{ln, ln_1p, ln_1p_unit};
pub(crate) use ln::{ln_normal, minus_ln, minus_ln_both};
pub use logistic::{div_one_plus, log_sigmoid, logistic, softplus};

use crate::float::Float;
use crate::lanes::Lanes;

/// Where the functions of one precision differ from those of the other.
#[doc(hidden)]
pub trait Functions: Sized + 'static {
    const EXP: exp::Constants<Self>;
    const LN: ln::Constants<Self>;
    const SOFTMAX: crate::softmax::Constants<Self>;
    /// ln(1 + f) - `minus_k` ln 2, for the f of `ln`.
    fn ln_of_parts<V: Lanes<Elem = Self>>(f: V, minus_k: V) -> V;
    /// The same for the f of `ln_1p`, which is of a sum.
    fn ln_1p_of_parts<V: Lanes<Elem = Self>>(f: V, minus_k: V) -> V;
    fn ln_1p_unit<V: Lanes<Elem = Self>>(x: V) -> V;
}

impl Functions for f32 {
    const EXP: exp::Constants<f32> = exp::F32;
    const LN: ln::Constants<f32> = ln::F32;
    const SOFTMAX: crate::softmax::Constants<f32> = crate::softmax::F32;
    #[inline(always)]
    fn ln_of_parts<V: Lanes<Elem = f32>>(f: V, minus_k: V) -> V {
        ln::ln_of_parts_f32(f, minus_k)
    }
    #[inline(always)]
    fn ln_1p_of_parts<V: Lanes<Elem = f32>>(f: V, minus_k: V) -> V {
        ln::ln_1p_of_parts_f32(f, minus_k)
    }
    #[inline(always)]
    fn ln_1p_unit<V: Lanes<Elem = f32>>(x: V) -> V {
        ln::ln_1p_unit_f32(x)
    }
}

impl Functions for f64 {
    const EXP: exp::Constants<f64> = exp::F64;
    const LN: ln::Constants<f64> = ln::F64;
    const SOFTMAX: crate::softmax::Constants<f64> = crate::softmax::F64;
    #[inline(always)]
    fn ln_of_parts<V: Lanes<Elem = f64>>(f: V, minus_k: V) -> V {
        ln::ln_of_parts_f64(f, minus_k)
    }
    #[inline(always)]
    fn ln_1p_of_parts<V: Lanes<Elem = f64>>(f: V, minus_k: V) -> V {
        ln::ln_of_parts_f64(f, minus_k)
    }
    #[inline(always)]
    fn ln_1p_unit<V: Lanes<Elem = f64>>(x: V) -> V {
        ln::ln_1p_unit_f64(x)
    }
}

/// (q\[0\] + q\[1\] x + q\[2\] x^2 ...) `scale`, by Horner's rule: its order is part of the bits, and the forms of
/// Estrin that were tried lost up to an ULP.
#[inline(always)]
fn horner<V: Lanes>(x: V, q: &[V::Elem], scale: V::Elem) -> V {
    let Some((&top, rest)) = q.split_last() else { return x.splat(V::Elem::ZERO) };
    let mut sum = x.splat(top * scale);
    for &coefficient in rest.iter().rev() {
        sum = sum.mul_add(x, x.splat(coefficient * scale)).abreast();
    }
    sum
}
