//! `--level reference`: every loss as one would write it by hand, in a plain loop with a plain sum.
//!
//! A new loss is one short function here and one line in [`pass`].

use fused_loss::{AnyLoss, BceWithLogits, BinaryCrossEntropy, Float, Huber, Policy, SmoothL1};

use super::slices::Slices;

/// libm in the precision of the data.
pub trait Libm: Float {
    fn exp(self) -> Self;
    fn ln(self) -> Self;
    fn ln_1p(self) -> Self;
}

impl Libm for f32 {
    fn exp(self) -> f32 {
        libm::expf(self)
    }
    fn ln(self) -> f32 {
        libm::logf(self)
    }
    fn ln_1p(self) -> f32 {
        libm::log1pf(self)
    }
}

impl Libm for f64 {
    fn exp(self) -> f64 {
        libm::exp(self)
    }
    fn ln(self) -> f64 {
        libm::log(self)
    }
    fn ln_1p(self) -> f64 {
        libm::log1p(self)
    }
}

/// One pass: each element's loss is handed to `add`, and its slope times `factor` written where there is room.
/// None where the loss, or its options other than the defaults, has no reference here.
pub fn pass<F: Libm>(loss: AnyLoss<F>, slices: Slices<'_, F>, factor: F, add: impl FnMut(F)) -> Option<()> {
    match loss {
        AnyLoss::Mse(_) => each(slices, factor, add, mse),
        AnyLoss::HalfMse(_) => each(slices, factor, add, half_mse),
        AnyLoss::Mae(_) => each(slices, factor, add, mae),
        AnyLoss::Huber(Huber { delta }) => each(slices, factor, add, |p, y| huber(p, y, delta)),
        AnyLoss::SmoothL1(SmoothL1 { beta }) => each(slices, factor, add, |p, y| smooth_l1(p, y, beta)),
        AnyLoss::BceWithLogits(BceWithLogits { pos_weight }) => {
            each(slices, factor, add, |x, y| bce_with_logits(x, y, pos_weight));
        }
        AnyLoss::BinaryCrossEntropy(BinaryCrossEntropy { policy: Policy::Clamp }) => {
            each(slices, factor, add, bce);
        }
        AnyLoss::CategoricalCrossEntropy(_) => each(slices, factor, add, categorical_cross_entropy),
        AnyLoss::KlDivergence(kl) if !kl.log_target && !kl.pred_probabilities => {
            each(slices, factor, add, kl_divergence);
        }
        AnyLoss::GeneralizedKl(kl) if !kl.log_target && !kl.pred_probabilities => {
            each(slices, factor, add, generalized_kl);
        }
        _ => return None,
    }
    Some(())
}

/// The loop. `loss` gives the loss and its slope.
fn each<F: Float>(slices: Slices<'_, F>, factor: F, mut add: impl FnMut(F), loss: impl Fn(F, F) -> (F, F)) {
    let Slices { pred, target, out } = slices;
    let target = target.numbers();
    if out.is_empty() {
        for (&p, &y) in pred.iter().zip(target) {
            add(loss(p, y).0);
        }
    } else if pred.is_empty() {
        for (p, &y) in out.iter_mut().zip(target) {
            let (value, slope) = loss(*p, y);
            add(value);
            *p = slope * factor;
        }
    } else {
        for ((&p, &y), grad) in pred.iter().zip(target).zip(out) {
            let (value, slope) = loss(p, y);
            add(value);
            *grad = slope * factor;
        }
    }
}

fn mse<F: Float>(p: F, y: F) -> (F, F) {
    let r = p - y;
    (r * r, r + r)
}

fn half_mse<F: Float>(p: F, y: F) -> (F, F) {
    let r = p - y;
    (F::HALF * r * r, r)
}

fn mae<F: Float>(p: F, y: F) -> (F, F) {
    let r = p - y;
    (r.magnitude(), sign(r))
}

fn huber<F: Float>(p: F, y: F, delta: F) -> (F, F) {
    let r = p - y;
    if r.magnitude() <= delta {
        (F::HALF * r * r, r)
    } else {
        (delta * (r.magnitude() - F::HALF * delta), delta * sign(r))
    }
}

fn smooth_l1<F: Float>(p: F, y: F, beta: F) -> (F, F) {
    let r = p - y;
    if r.magnitude() < beta {
        (F::HALF * r * r / beta, r / beta)
    } else {
        (r.magnitude() - F::HALF * beta, sign(r))
    }
}

fn bce_with_logits<F: Libm>(x: F, y: F, c: F) -> (F, F) {
    let e = (-x.magnitude()).exp();
    let softplus = if x > F::ZERO { x } else { F::ZERO } + e.ln_1p();
    let sigmoid = if x < F::ZERO { e } else { F::ONE } / (F::ONE + e);
    let (positive, negative) = (c * y, F::ONE - y);
    let loss = positive * (softplus - x) + negative * softplus;
    (loss, negative * sigmoid - positive * (F::ONE - sigmoid))
}

fn bce<F: Libm>(p: F, y: F) -> (F, F) {
    let least = F::from_f64(-100.0);
    let part = |weight: F, p: F, log: F| match weight == F::ZERO {
        true => (F::ZERO, F::ZERO),
        false if log < least => (weight * least, F::ZERO),
        false => (weight * log, weight / p),
    };
    let (hit, falling) = part(y, p, p.ln());
    let (miss, rising) = part(F::ONE - y, F::ONE - p, (-p).ln_1p());
    (-(hit + miss), rising - falling)
}

fn categorical_cross_entropy<F: Libm>(p: F, y: F) -> (F, F) {
    if y == F::ZERO { (F::ZERO, F::ZERO) } else { (-(y * p.ln()), -(y / p)) }
}

fn kl_divergence<F: Libm>(log_p: F, y: F) -> (F, F) {
    let loss = if y == F::ZERO { F::ZERO } else { y * (y.ln() - log_p) };
    (loss, -y)
}

fn generalized_kl<F: Libm>(log_p: F, y: F) -> (F, F) {
    let (loss, slope) = kl_divergence(log_p, y);
    let p = log_p.exp();
    (loss + (p - y), p + slope)
}

/// 0 at 0, NaN at NaN.
fn sign<F: Float>(r: F) -> F {
    if r > F::ZERO {
        F::ONE
    } else if r < F::ZERO {
        -F::ONE
    } else {
        r
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::Target;
    use fused_loss::Elementwise;

    /// Every loss of the list has a reference, which is near the kernel for ordinary numbers.
    #[test]
    fn references_agree_with_kernels() {
        for entry in AnyLoss::<f64>::list() {
            let loss = AnyLoss::<f64>::named(entry.name, |_| None).unwrap();
            for p in [0.125, 0.25, 0.75] {
                for y in [0.0, 0.5, 1.0] {
                    let (mut value, mut grad) = (0.0, [0.0]);
                    let slices = Slices { pred: &[p], target: Target::Elements(&[y]), out: &mut grad };
                    assert!(pass(loss, slices, 1.0, |loss| value = loss).is_some(), "{}", entry.name);
                    let (kernel, slope) = loss.at_one(p, y);
                    let near = |one: f64, other: f64| (one - other).abs() < 1e-14 * (1.0 + other.abs());
                    assert!(near(value, kernel) && near(grad[0], slope), "{} at {p}, {y}", entry.name);
                }
            }
        }
    }
}
