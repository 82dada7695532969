//! The linear model and its objective: mean loss + [`PENALTY`] / 2 |w|^2.
//!
//! Loss and slope are the crate's, in one fused pass. The rest is the chain rule: the objective's gradient is
//! X^T slope + PENALTY w for the weights, and the sum of the slopes for the bias.

use std::cell::Cell;

use fused_loss::{AnyLoss, Level};

use super::data::Rows;
use crate::losses::{Chosen, explain};
use crate::parallel::{self, Part, Target};

/// The factor of the ridge penalty. Without one, data that a plane divides has no finite optimum.
pub const PENALTY: f64 = 1e-3;

/// Rows to fit, and how the kernels run. Parameters are the weights, then the bias.
pub struct Problem<'a> {
    rows: &'a Rows,
    level: Level,
    threads: usize,
    epochs: Cell<usize>,
}

impl<'a> Problem<'a> {
    pub fn new(rows: &'a Rows, level: Level, threads: usize) -> Self {
        Problem { rows, level, threads, epochs: Cell::new(0) }
    }

    /// The parameters at the start.
    pub fn zero(&self) -> Vec<f64> {
        vec![0.0; self.rows.columns + 1]
    }

    pub fn target(&self) -> &[f64] {
        &self.rows.target
    }

    /// How many passes the kernels have made over the rows.
    pub fn epochs(&self) -> usize {
        self.epochs.get()
    }

    pub fn predict(&self, parameters: &[f64]) -> Vec<f64> {
        let (weight, bias) = parameters.split_at(self.rows.columns);
        let rows = self.rows.features.chunks(self.rows.columns);
        rows.map(|row| bias[0] + row.iter().zip(weight).map(|(x, w)| x * w).sum::<f64>()).collect()
    }

    /// The objective with the loss times `factor`, and its gradient.
    pub fn objective(
        &self,
        loss: AnyLoss<f64>,
        factor: f64,
        parameters: &[f64],
        gradient: &mut [f64],
    ) -> Result<f64, String> {
        let mut slope = vec![0.0; self.rows.target.len()];
        let mean = self.mean_loss(loss, factor, &self.predict(parameters), &mut slope)?;
        let (weight, _) = parameters.split_at(self.rows.columns);
        let (by_weight, by_bias) = gradient.split_at_mut(self.rows.columns);
        by_weight.iter_mut().zip(weight).for_each(|(g, w)| *g = PENALTY * w);
        for (row, slope) in self.rows.features.chunks(self.rows.columns).zip(&slope) {
            by_weight.iter_mut().zip(row).for_each(|(g, x)| *g += slope * x);
        }
        by_bias[0] = slope.iter().sum();
        Ok(factor * mean + PENALTY / 2.0 * dot(weight, weight))
    }

    /// The mean loss, and `slope` = its gradient times `factor`.
    pub fn mean_loss(
        &self,
        loss: AnyLoss<f64>,
        factor: f64,
        pred: &[f64],
        slope: &mut [f64],
    ) -> Result<f64, String> {
        self.epochs.set(self.epochs.get() + 1);
        let (target, factor) = (Target::Elements(self.target()), factor / pred.len() as f64);
        let batch = Part { grad: Some(slope), factor, ..Part::of(pred, target) };
        parallel::total(Chosen::Elements(loss), batch, self.level, self.threads)?.mean().map_err(explain)
    }
}

/// How far the objective at most lies above its optimum, by its gradient.
///
/// A convex loss and the penalty give F(w', b') >= F + g (x' - x) + PENALTY / 2 |w' - w|^2 everywhere. The least value
/// of the right side over w' is F - |g_w|^2 / (2 PENALTY); the bias adds |g_b| times its distance from the best one,
/// which in standardised data is taken as 1.
pub fn excess(gradient: &[f64]) -> f64 {
    match gradient.split_last() {
        Some((by_bias, by_weight)) => dot(by_weight, by_weight) / (2.0 * PENALTY) + by_bias.abs(),
        None => 0.0,
    }
}

pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::super::data::{BREAST_CANCER, DIABETES};
    use super::*;

    #[test]
    fn gradient_agrees_with_differences() -> Result<(), String> {
        for (data, name) in [(&DIABETES, "mse"), (&DIABETES, "huber"), (&BREAST_CANCER, "bce-with-logits")] {
            let (rows, _) = data.load()?;
            let problem = Problem::new(&rows, Level::detect(), 1);
            let loss = AnyLoss::named(name, |_| None).ok_or(name)?;
            let mut at: Vec<f64> = (0..=rows.columns).map(|i| (i as f64).sin() / 4.0).collect();
            let (mut gradient, mut unused) = (problem.zero(), problem.zero());
            problem.objective(loss, 3.0, &at, &mut gradient)?;
            for (i, &expected) in gradient.iter().enumerate() {
                let (middle, step) = (at[i], 1e-5);
                at[i] = middle + step;
                let above = problem.objective(loss, 3.0, &at, &mut unused)?;
                at[i] = middle - step;
                let below = problem.objective(loss, 3.0, &at, &mut unused)?;
                at[i] = middle;
                let found = (above - below) / (2.0 * step);
                assert!((found - expected).abs() < 1e-6, "{name} {i}: {found} and {expected}");
            }
        }
        Ok(())
    }
}
