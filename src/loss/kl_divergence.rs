use super::*;
use crate::math::{exp, ln, ln_normal};

/// Kullback-Leibler divergence of predicted probabilities p from target probabilities y, term by term, with 0 ln 0 = 0:
///
/// ```text
/// loss = y (ln y - ln p)        slope = -y by ln p, -y / p by p
/// ```
///
/// PyTorch's `kl_div`; its `'batchmean'` is [`mean_over`](crate::Batch::mean_over). Pred is ln p, any number, or p, 0 to 1.
/// Target is y, from 0 on, or ln y, any number. Others are an `Err`; NaN gives NaN. Within 2.5 ULP of the parts'
/// magnitudes; where y or its product with a logarithm is subnormal, it has no more digits than that.
///
/// ```
/// use fused_loss::{Elementwise, KlDivergence};
/// assert_eq!(KlDivergence::default().batch(&[-0.5_f32, -1.0], &[1.0, 0.0]).sum(), Ok(0.5));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct KlDivergence {
    /// Whether targets are logarithms.
    pub log_target: bool,
    /// Whether predictions are probabilities.
    pub pred_probabilities: bool,
}

impl<F: Float> Loss<F> for KlDivergence {
    const COSTLY: bool = true;
    const SHORTER: usize = 2;

    #[inline(always)]
    fn at<V: Lanes<Elem = F>>(self, pred: V, target: V) -> (V, V) {
        // Where no number is rare, little is to be chosen, and it takes less time.
        if V::LANES > 1 && !cfg!(small) && !self.log_target {
            if self.pred_probabilities {
                if let Some(found) = usual::<V, true>(pred, target) {
                    return found;
                }
            } else if let Some(found) = usual::<V, false>(pred, target) {
                return found;
            }
        }
        let (zero, number) = (pred.splat(F::ZERO), pred.eq(pred));
        let (y, log_y) = if self.log_target { (exp(target), target) } else { (target, ln(target)) };
        // Nothing is 0, also where it is multiplied by an infinite logarithm or divided by 0.
        let something = !(y.eq(zero) & number);
        let (log_p, slope) = match self.pred_probabilities {
            true => (ln(pred), something.keep(y / pred.abs())),
            false => (pred, y),
        };
        let loss = weigh(y, target, log_y - log_p);
        (something.keep(loss), number.select(zero - slope, pred))
    }

    /// Of logarithms that are numbers, and targets that are 0 or normal.
    #[inline(always)]
    fn fits<V: Lanes<Elem = F>>(self, pred: V, target: V) -> bool {
        let zero = pred.splat(F::ZERO);
        // The target, or NaN where the logarithm is no number.
        let both = pred.mul_add(zero, target);
        !self.log_target && !self.pred_probabilities && both.normal_or_zero().all()
    }

    #[inline(always)]
    fn shorter<V: Lanes<Elem = F>>(self, pred: V, target: V) -> (V, V) {
        of_usual(pred, target, target)
    }

    // Two logarithms keep each other company.
    #[inline]
    fn long(self) -> bool {
        !self.pred_probabilities
    }

    fn definition(self, pred: f64, target: f64) -> f64 {
        let (y, log_y) =
            if self.log_target { (libm::exp(target), target) } else { (target, libm::log(target)) };
        let log_p = if self.pred_probabilities { libm::log(pred) } else { pred };
        if y == 0.0 { 0.0 } else { y * (log_y - log_p) }
    }

    fn pred_domain(self) -> Domain<F> {
        if self.pred_probabilities { Domain::UNIT } else { Domain::All }
    }

    fn target_domain(self) -> Domain<F> {
        if self.log_target { Domain::All } else { Domain::NOT_NEGATIVE }
    }
}

/// What [`Loss::at`] finds, bit for bit, if all targets are 0 or normal, and every p is normal, a logarithm, or that of a 0.
#[cfg_attr(not(called), inline(always))]
fn usual<V: Lanes, const PROBABILITIES: bool>(pred: V, target: V) -> Option<(V, V)> {
    let zero = pred.splat(V::Elem::ZERO);
    let (log_p, slope) = if PROBABILITIES { (ln_normal(pred), target / pred) } else { (pred, target) };
    let (loss, slope) = of_usual(log_p, target, slope);
    let targets = target.normal_or_zero();
    let numbers = if PROBABILITIES { pred.normal() } else { loss.eq(loss) };
    if (targets & numbers).all() {
        return Some((loss, slope));
    }
    let number = pred.eq(pred);
    let something = !(target.eq(zero) & number);
    let right = if PROBABILITIES { targets & (pred.normal() | !something) } else { targets };
    if !right.all() {
        return None;
    }
    Some((something.keep(loss), number.select(something.keep(slope), pred)))
}

/// A target times a difference. Where e^t is beyond the largest number, that may be one again: by e^(t / 2) twice.
#[cfg_attr(not(called), inline(always))]
#[cfg_attr(called, inline(never))]
fn weigh<V: Lanes>(y: V, target: V, difference: V) -> V {
    let most = y.splat(V::Elem::MAX);
    let beyond = y.gt(most);
    let product = y.mul_add(difference, y.splat(V::Elem::ZERO));
    if !beyond.any() {
        return product;
    }
    let root = most.min(exp(target * y.splat(V::Elem::HALF)));
    beyond.select(root * difference * root, product)
}

/// Loss and slope of a target that is 0 or normal and a logarithm that is a number; minus the slope is known.
#[inline(always)]
fn of_usual<V: Lanes>(log_p: V, target: V, minus_slope: V) -> (V, V) {
    let zero = target.splat(V::Elem::ZERO);
    // 0 times a finite number; and -0 plus 0 is 0.
    (target.mul_add(ln_normal(target) - log_p, zero), zero - minus_slope)
}

pub const LOG_TARGET: Parameter = Parameter::flag("log_target", "targets are logarithms");
pub const PROBABILITIES: Parameter = Parameter::flag("pred_probabilities", "predictions are probabilities");

named!(KlDivergence = "kl-divergence": "y (ln y - ln p)", log_target: LOG_TARGET, pred_probabilities: PROBABILITIES);
