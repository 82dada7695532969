//! `--level reference` of losses over rows with labels: as one would write them by hand, a row after the other.
//!
//! A new loss is one short function here and one line in [`pass`].

use fused_loss::{AnyLoss, AnyRowLoss, Float};

use super::reference::Libm;
use super::slices::Slices;
use crate::losses::Chosen;
use crate::parallel::{Share, Target};

/// One pass: each row's loss is handed to `add`, and its slopes times `factor` written where there is room. None where
/// the loss has no reference here; options are at their defaults.
pub fn pass<F: Libm>(loss: Chosen<F>, slices: Slices<'_, F>, factor: F, add: impl FnMut(F)) -> Option<()> {
    match loss {
        // A label has no entropy of its own, so that the divergence is the cross-entropy.
        Chosen::Rows(AnyRowLoss::SoftmaxCrossEntropy(_) | AnyRowLoss::SoftmaxKl(_)) => {
            each(slices, factor, add, softmax_cross_entropy);
        }
        Chosen::Rows(AnyRowLoss::NegativeLogLikelihood(_)) => each(slices, factor, add, nll),
        Chosen::Rows(AnyRowLoss::JensenShannon(js)) => {
            each(slices, factor, add, |row, label, factor| jensen_shannon(row, label, factor, js.beta));
        }
        Chosen::Elements(AnyLoss::CategoricalCrossEntropy(_)) => {
            each(slices, factor, add, categorical_cross_entropy);
        }
        _ => return None,
    }
    Some(())
}

/// The loop.
fn each<F: Float>(
    mut slices: Slices<'_, F>,
    factor: F,
    mut add: impl FnMut(F),
    loss: impl Fn(Row<'_, F>, usize, F) -> F,
) {
    while slices.len() > 0 {
        let Slices { pred, target, out } = slices.split_off(1);
        if let Target::Labels(_, &[label]) = target {
            add(loss(Row { pred, out }, label as usize, factor));
        }
    }
}

/// A row of predictions, and room for their slopes.
struct Row<'a, F> {
    /// Empty where the gradient goes in place.
    pred: &'a [F],
    /// Empty where the value alone is asked for.
    out: &'a mut [F],
}

impl<F: Libm> Row<'_, F> {
    fn pred(&self) -> &[F] {
        if self.pred.is_empty() { self.out } else { self.pred }
    }

    /// Writes each slope, from the class and its prediction.
    fn slopes(&mut self, slope: impl Fn(usize, F) -> F) {
        for (class, out) in self.out.iter_mut().enumerate() {
            *out = slope(class, self.pred.get(class).copied().unwrap_or(*out));
        }
    }

    /// The greatest logit, and the sum of the exponentials of how far each is from it.
    fn exponentials(&self) -> (F, F) {
        let max = self.pred().iter().fold(-F::INFINITY, |max, &z| if z > max { z } else { max });
        (max, self.pred().iter().fold(F::ZERO, |sum, &z| sum + (z - max).exp()))
    }
}

fn softmax_cross_entropy<F: Libm>(mut row: Row<'_, F>, label: usize, factor: F) -> F {
    let (max, sum) = row.exponentials();
    let loss = max + sum.ln() - row.pred()[label];
    row.slopes(|class, z| ((z - max).exp() / sum - hot(class, label)) * factor);
    loss
}

fn nll<F: Libm>(mut row: Row<'_, F>, label: usize, factor: F) -> F {
    let loss = -row.pred()[label];
    row.slopes(|class, _| -hot::<F>(class, label) * factor);
    loss
}

fn categorical_cross_entropy<F: Libm>(mut row: Row<'_, F>, label: usize, factor: F) -> F {
    let loss = -row.pred()[label].ln();
    row.slopes(|class, p| if class == label { -factor / p } else { F::ZERO });
    loss
}

fn jensen_shannon<F: Libm>(mut row: Row<'_, F>, label: usize, factor: F, beta: F) -> F {
    let (max, sum) = row.exponentials();
    let log_sum = max + sum.ln();
    // Of a class: its share, its slope by the logarithm of that, and its loss.
    let terms = |class: usize, z: F| {
        let (log_q, y) = (z - log_sum, hot::<F>(class, label));
        let q = log_q.exp();
        let log_m = (beta * y + (F::ONE - beta) * q).ln();
        let part = |of: F, log: F| if of == F::ZERO { F::ZERO } else { of * (log - log_m) };
        let slope = part((F::ONE - beta) * q, log_q);
        (q, slope, slope + part(beta * y, F::ZERO))
    };
    let (mut slopes, mut loss) = (F::ZERO, F::ZERO);
    for (class, &z) in row.pred().iter().enumerate() {
        let (_, slope, term) = terms(class, z);
        (slopes, loss) = (slopes + slope, loss + term);
    }
    row.slopes(|class, z| {
        let (q, slope, _) = terms(class, z);
        (slope - q * slopes) * factor
    });
    loss
}

fn hot<F: Float>(class: usize, label: usize) -> F {
    if class == label { F::ONE } else { F::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses;
    use crate::parallel::{self, Part};
    use fused_loss::Level;

    /// Every loss of rows has a reference, which is near the kernel for ordinary numbers, in place too.
    #[test]
    fn references_agree_with_kernels() {
        let (pred, labels) = ([0.5, 0.125, 0.375, 0.25, 0.5, 0.25], [2, 0]);
        let near = |one: f64, other: f64| (one - other).abs() < 1e-14 * (1.0 + other.abs());
        for entry in losses::list().filter(|entry| entry.rows) {
            let loss = Chosen::named(entry.name, |_| None).unwrap();
            let target = Target::Labels(3, &labels);
            let (mut grad, mut each) = ([0.0; 6], [0.0; 2]);
            let part = Part { grad: Some(&mut grad), each: Some(&mut each), ..Part::of(&pred, target) };
            parallel::total(loss, part, Level::detect(), 1).unwrap();
            for in_place in [false, true] {
                let (mut out, mut found) = (pred, Vec::new());
                let slices = Slices { pred: if in_place { &[] } else { &pred }, target, out: &mut out };
                assert!(pass(loss, slices, 1.0, |value| found.push(value)).is_some(), "{}", entry.name);
                assert!(found.iter().zip(each).all(|(&found, each)| near(found, each)), "{}", entry.name);
                assert!(out.iter().zip(grad).all(|(&found, slope)| near(found, slope)), "{}", entry.name);
            }
        }
    }
}
