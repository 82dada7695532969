//! The functions under test, with their truth.

use super::exact::{self, Exact};
use crate::float::Float;
use crate::lanes::{Lanes, Mask};
use crate::math::{
    div_one_plus, exp, exp_m1, exp_nonpositive, ln, ln_1p, ln_1p_unit, ln_normal, log_sigmoid, logistic,
    minus_ln, minus_ln_both, softplus,
};

/// A function under test.
pub trait Function: Default + Sync {
    const NAME: &'static str;
    /// The promise, in ULP.
    const BOUND: f64 = 1.0;
    /// Where it is promised; NaN is part of every domain.
    const DOMAIN: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);
    /// Around these the code changes its way.
    const BRANCHES: &'static [f64];
    fn at<V: Lanes>(x: V) -> V;
    /// Good to some 2^-52, which is plenty for f32.
    fn near(x: f64) -> f64;
    /// Good to some 2^-70.
    fn exact(x: f64) -> Exact;

    fn takes(x: f64) -> bool {
        // ln_1p_unit does not promise the sign of zero, and gets none from exp_nonpositive.
        let (low, high) = Self::DOMAIN;
        !(x < low || x > high || low == 0.0 && x.to_bits() == 1 << 63)
    }
}

macro_rules! functions {
    ($($name:ident $at:ident $(bound $bound:literal)? $(domain $low:expr, $high:expr)?;
       branches $($branch:expr),*; $near:expr, $exact:expr;)*) => {
        $(
            #[derive(Default)]
            pub struct $name;
            impl Function for $name {
                const NAME: &'static str = stringify!($at);
                $(const BOUND: f64 = $bound;)?
                $(const DOMAIN: (f64, f64) = ($low, $high);)?
                const BRANCHES: &'static [f64] = &[$($branch),*];
                #[inline(always)]
                fn at<V: Lanes>(x: V) -> V {
                    $at(x)
                }
                fn near(x: f64) -> f64 {
                    ($near)(x)
                }
                fn exact(x: f64) -> Exact {
                    ($exact)(x)
                }
            }
        )*
        /// Calls a generic test with every function.
        pub fn for_each(mut visit: impl Visit) {
            $(visit.visit::<$name>();)*
        }
    };
}

pub trait Visit {
    fn visit<G: Function>(&mut self);
}

pub fn of(x: f64) -> Exact {
    Exact::new(x, 0.0)
}
fn near_softplus(x: f64) -> f64 {
    // The sign of zero comes from the larger side.
    if x > 0.0 { x + libm::log1p(libm::exp(-x)) } else { libm::log1p(libm::exp(x)) }
}
fn near_logistic(x: f64) -> f64 {
    let e = libm::exp(-x.abs());
    if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
}

/// The two quotients of the logistic step.
#[inline(always)]
fn one_over<V: Lanes>(e: V) -> V {
    div_one_plus(e.splat(V::Elem::ONE), e)
}
#[inline(always)]
fn part_of<V: Lanes>(e: V) -> V {
    div_one_plus(e, e)
}
fn exact_one_over(e: f64) -> Exact {
    of(1.0).div(of(1.0).add(of(e)))
}
fn exact_part_of(e: f64) -> Exact {
    // Products of subnormal numbers would not be exact.
    if e < 1e-200 { of(e) } else { of(e).div(of(1.0).add(of(e))) }
}

/// The logarithm of a normal number, by the instructions that a level has for it.
#[inline(always)]
fn ln_of_normal<V: Lanes>(x: V) -> V {
    x.normal().select(ln_normal(x), ln(x))
}

/// What is found of x and 1 - x, negated, where it is promised: on levels that fuse, of numbers.
#[inline(always)]
fn promised<V: Lanes>(x: V, plain: V, find: impl Fn(V, V) -> V) -> V {
    let found = if V::FUSED { -find(x, x.splat(V::Elem::ONE) - x) } else { plain };
    x.eq(x).select(found, x)
}
#[inline(always)]
fn ln_of_part<V: Lanes>(x: V) -> V {
    promised(x, ln(x), |x, rest| minus_ln_both(x, rest).0)
}
#[inline(always)]
fn ln_of_rest<V: Lanes>(x: V) -> V {
    promised(x, ln_1p(-x), |x, rest| minus_ln_both(x, rest).1)
}
#[inline(always)]
fn ln_of_part_alone<V: Lanes>(x: V) -> V {
    promised(x, ln(x), |x, rest| minus_ln(x, rest))
}
#[inline(always)]
fn ln_of_rest_alone<V: Lanes>(x: V) -> V {
    promised(x, ln_1p(-x), |x, rest| minus_ln(rest, x))
}
const UNIT: (f64, f64) = (7.888609052210118e-31, 1.0 - f64::EPSILON / 2.0);

functions! {
    Exp exp; branches -745.2, -708.4, -104.0, -103.3, -87.3, -0.3466, 0.0, 0.3466, 1.0, 88.72, 709.8;
        libm::exp, |x| exact::exp(of(x));
    ExpNonpositive exp_nonpositive domain f64::NEG_INFINITY, 0.0;
        branches -745.2, -708.4, -104.0, -103.3, -87.3, -1.04, -0.3466, 0.0; libm::exp, |x| exact::exp(of(x));
    ExpM1 exp_m1; branches -40.0, -37.5, -20.0, -17.3, -1.04, -0.3466, 0.0, 0.3466, 1.04, 17.0, 37.0, 88.72, 709.8;
        libm::expm1, exact::exp_m1;
    Ln ln; branches 0.0, 1.1754944e-38, 2.2250738585072014e-308, 0.375, 0.5, 0.75, 1.0, 1.5, 2.0, 1.7e38;
        libm::log, exact::ln;
    LnOfNormal ln_of_normal; branches 1.1754944e-38, 2.2250738585072014e-308, 0.375, 0.5, 0.75, 1.0, 1.5, 2.0, 1.7e38; libm::log, exact::ln;
    Ln1p ln_1p; branches -1.0, -0.6666667, -0.33333333, -0.29289, -0.25, 0.0, 0.333333333, 0.4142, 0.5, 1.6666667, 1.8284,
            16777216.0, 9.0e15, 1.0e30, 1.0e300; libm::log1p, |x| exact::ln_1p(Exact { high: x, low: 0.0, power: 0 });
    Ln1pUnit ln_1p_unit domain 0.0, 1.0; branches 0.0, 1.0e-5, 0.25, 0.41421356, 0.5, 0.75, 1.0;
        libm::log1p, |x| exact::ln_1p(Exact { high: x, low: 0.0, power: 0 });
    LnOfPart ln_of_part bound 1.1 domain UNIT.0, UNIT.1; branches 7.888609052210118e-31, 0.25, 0.5, 1.0; libm::log, exact::ln;
    LnOfRest ln_of_rest bound 1.1 domain UNIT.0, UNIT.1; branches 7.888609052210118e-31, 0.25, 0.5, 1.0;
        |x: f64| libm::log1p(-x), |x: f64| exact::ln_1p(Exact { high: -x, low: 0.0, power: 0 });
    LnOfPartAlone ln_of_part_alone bound 1.1 domain UNIT.0, UNIT.1; branches 7.888609052210118e-31, 0.25, 0.5, 1.0;
        libm::log, exact::ln;
    LnOfRestAlone ln_of_rest_alone bound 1.1 domain UNIT.0, UNIT.1;
        branches 7.888609052210118e-31, 1.1102230246251565e-16, 5.9604645e-8, 0.5, 0.75, 1.0;
        |x: f64| libm::log1p(-x), |x: f64| exact::ln_1p(Exact { high: -x, low: 0.0, power: 0 });
    OneOver one_over bound 1.5 domain 0.0, 1.0; branches 0.0, 0.5, 1.0; |e| 1.0 / (1.0 + e), exact_one_over;
    PartOf part_of bound 1.5 domain 0.0, 1.0; branches 0.0, 0.5, 1.0; |e| e / (1.0 + e), exact_part_of;
    Logistic logistic bound 2.0; branches -745.2, -104.0, -87.3, -0.3466, 0.0, 0.3466, 16.6, 36.7;
        near_logistic, exact::logistic;
    Softplus softplus bound 2.0; branches -745.2, -104.0, -87.3, -0.3466, 0.0, 0.3466, 16.6, 36.7;
        near_softplus, exact::softplus;
    LogSigmoid log_sigmoid bound 2.0; branches -36.7, -16.6, -0.3466, 0.0, 0.3466, 87.3, 104.0, 745.2;
        |x: f64| -near_softplus(-x), |x: f64| exact::softplus(-x).neg();
}
