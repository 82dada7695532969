use super::*;
use crate::math::{ln, ln_normal};

/// Categorical cross-entropy of probabilities p and targets y, one-hot or soft: a term for each class, with 0 ln 0 = 0,
/// also against p = 0:
///
/// ```text
/// loss = -y ln p        slope = -y / p
/// ```
///
/// [`batch`](crate::Elementwise::batch) adds up all terms, which is the plain formula -sum y ln p. [`rows`](crate::Rowwise)
/// knows rows of classes: it takes labels too, and a row's loss is the sum of its terms: PyTorch's `nll_loss` of ln p.
/// Pred and target: 0 to 1, else `Err`; rows need not sum to 1. A NaN pred gives NaN; p = 0 under y > 0 an infinite loss
/// and slope. Within 2 ULP. Where there are logits, p itself has been rounded.
///
/// ```
/// use fused_loss::{CategoricalCrossEntropy, Rowwise};
/// let (mut grad, p) = ([0.0_f32; 4], [0.5, 0.5, 1.0, 0.0]);
/// let mean = CategoricalCrossEntropy.rows(&p, 2).labels(&[1_u8, 0]).gradient(&mut grad).mean();
/// assert_eq!((mean, grad), (Ok(0.34657359), [0.0, -1.0, -0.5, 0.0]));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct CategoricalCrossEntropy;

impl<F: Float> Loss<F> for CategoricalCrossEntropy {
    const COSTLY: bool = true;

    #[inline(always)]
    fn at<V: Lanes<Elem = F>>(self, pred: V, target: V) -> (V, V) {
        let zero = pred.splat(F::ZERO);
        if V::LANES > 1 && !cfg!(small) && pred.normal().all() {
            // 0 times a finite number is 0 by itself.
            return (target.neg_mul_add(ln_normal(pred), zero), zero - target / pred);
        }
        // 0 ln 0 is 0; but NaN stays NaN. (p may be -0.)
        let something = !(target.eq(zero) & pred.eq(pred));
        let (value, slope) = (target * ln(pred), target / pred.abs());
        (something.keep(zero - value), something.keep(zero - slope))
    }

    #[inline]
    fn long(self) -> bool {
        true
    }

    fn definition(self, pred: f64, target: f64) -> f64 {
        if target == 0.0 { 0.0 } else { -target * libm::log(pred) }
    }

    fn pred_domain(self) -> Domain<F> {
        Domain::UNIT
    }

    fn target_domain(self) -> Domain<F> {
        Domain::UNIT
    }
}

named!(CategoricalCrossEntropy = "categorical-cross-entropy" of rows: "-y ln p");
