//! The logistic function and its integral: what binary cross-entropy is made of.
//!
//! All of them take e = e^-|x|, from 0 to 1, so that nothing overflows and no small result is a difference.

use crate::float::Float;
use crate::lanes::{Lanes, Mask};

use super::{exp_nonpositive, ln_1p_unit};

/// `num` / (1 + `e`), for e from 0 to 1, nearly as good as with the exact sum.
///
/// - Valid range: e from 0 to 1, num finite.
/// - Max error in ULP: f32 1.250, f64 1.250, both classes, for num 1 and e against the exact quotient of the given
///   numbers.
/// - NaN gives NaN.
///
/// The rounding error of 1 + e is known exactly, and moves the quotient q: by q low, where q low / (1 + e) would be
/// right to the first order. That is up to a quarter ULP at e = 1 and nothing for small e; a plain division is off
/// by up to 1.5 ULP.
///
/// ```
/// use fused_loss::{Lanes, math};
/// /// The probability of class 1 by its odds against class 0, at most 1.
/// #[inline(always)]
/// fn probability<V: Lanes>(odds: V) -> V {
///     math::div_one_plus(odds, odds)
/// }
/// ```
#[cfg_attr(not(called), inline(always))]
#[cfg_attr(called, inline(never))]
pub fn div_one_plus<V: Lanes>(num: V, e: V) -> V {
    let one = e.splat(V::Elem::ONE);
    let high = one + e;
    let low = e - (high - one);
    let quotient = num / high;
    quotient.neg_mul_add(low, quotient)
}

/// The logistic function 1 / (1 + e^-x), also named sigmoid.
///
/// - Valid range: all.
/// - Max error in ULP: f32 1.967 fused and unfused over all inputs; f64 1.895 fused, 1.945 unfused over 10^8.
/// - Subnormal results are as good as the others; -inf gives 0, inf 1, NaN NaN.
///
/// ```
/// use fused_loss::{Lanes, math};
/// /// x sigmoid(x), the activation SiLU.
/// #[inline(always)]
/// fn silu<V: Lanes>(x: V) -> V {
///     x * math::logistic(x)
/// }
/// ```
#[cfg_attr(not(called), inline(always))]
#[cfg_attr(called, inline(never))]
pub fn logistic<V: Lanes>(x: V) -> V {
    let e = exp_nonpositive(-x.abs());
    let negative = x.lt(x.splat(V::Elem::ZERO));
    div_one_plus(negative.select(e, x.splat(V::Elem::ONE)), e)
}

/// ln(1 + e^x).
///
/// - Valid range: all.
/// - Max error in ULP: f32 1.667 fused, 1.745 unfused over all inputs; f64 1.674 fused, 1.559 unfused over 10^8.
/// - Subnormal results are as good as the others; -inf gives 0, inf inf, NaN NaN.
///
/// ```
/// use fused_loss::{Lanes, math};
/// /// The loss of logistic regression, from label times logit.
/// #[inline(always)]
/// fn loss<V: Lanes>(margin: V) -> V {
///     math::softplus(-margin)
/// }
/// ```
#[cfg_attr(not(called), inline(always))]
#[cfg_attr(called, inline(never))]
pub fn softplus<V: Lanes>(x: V) -> V {
    x.splat(V::Elem::ZERO).max(x) + ln_1p_unit(exp_nonpositive(-x.abs()))
}

/// ln(1 / (1 + e^-x)), which is -softplus(-x).
///
/// - Valid range: all.
/// - Max error in ULP: f32 1.667 fused, 1.745 unfused over all inputs; f64 1.720 fused, 1.630 unfused over 10^8.
/// - Subnormal results are as good as the others; -inf gives -inf, inf -0, NaN NaN.
///
/// ```
/// use fused_loss::{Lanes, math};
/// /// The loss of a positive pair in word embeddings.
/// #[inline(always)]
/// fn loss<V: Lanes>(similarity: V) -> V {
///     -math::log_sigmoid(similarity)
/// }
/// ```
#[inline(always)]
pub fn log_sigmoid<V: Lanes>(x: V) -> V {
    // -0 and not 0, for the sign of what rounds to zero.
    (-x.splat(V::Elem::ZERO)).min(x) - ln_1p_unit(exp_nonpositive(-x.abs()))
}
