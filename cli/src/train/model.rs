//! What is minimised: mean loss + [`PENALTY`] / 2 |w|^2, w the weights of a network of one layer or more.
//!
//! Loss and slope are the crate's, in one fused pass. The rest is the chain rule.

use std::cell::Cell;

use fused_loss::{AnyLoss, AnyRowLoss, Level, RowLosses, SoftmaxCrossEntropy};

use super::data::Rows;
use super::network::{Network, dot};
use crate::losses::{Chosen, explain};
use crate::parallel::{self, Part, Target};

/// The factor of the ridge penalty. Without one, data that a plane divides has no finite optimum.
pub const PENALTY: f64 = 1e-3;

/// What compares predictions with targets.
#[derive(Clone, Copy)]
pub enum Loss {
    /// One prediction a row, with a number.
    Elements(AnyLoss<f64>),
    /// A logit for each class, with a label.
    Classes(SoftmaxCrossEntropy<f64>),
}

impl Loss {
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "softmax-cross-entropy" => Some(Loss::Classes(SoftmaxCrossEntropy::default())),
            _ => AnyLoss::named(name, |_| None).map(Loss::Elements),
        }
    }
}

/// Rows to fit, the network to fit to them, and how the kernels run.
pub struct Problem<'a> {
    rows: &'a Rows,
    network: &'a Network,
    level: Level,
    threads: usize,
    epochs: Cell<usize>,
}

impl<'a> Problem<'a> {
    pub fn new(rows: &'a Rows, network: &'a Network, level: Level, threads: usize) -> Self {
        Problem { rows, network, level, threads, epochs: Cell::new(0) }
    }

    /// The parameters at the start.
    pub fn start(&self) -> Vec<f64> {
        self.network.start()
    }

    pub fn target(&self) -> &[f64] {
        &self.rows.target
    }

    /// How many passes the kernels have made over the rows.
    pub fn epochs(&self) -> usize {
        self.epochs.get()
    }

    pub fn predict(&self, parameters: &[f64]) -> Vec<f64> {
        self.network.forward(&self.rows.features, parameters).pop().unwrap_or_default()
    }

    /// The objective with the loss times `factor`, and its gradient.
    pub fn objective(
        &self,
        loss: Loss,
        factor: f64,
        parameters: &[f64],
        gradient: &mut [f64],
    ) -> Result<f64, String> {
        let outputs = self.network.forward(&self.rows.features, parameters);
        let pred = outputs.last().map_or(&[][..], Vec::as_slice);
        let mut slope = vec![0.0; pred.len()];
        let mean = self.mean_loss(loss, factor, pred, &mut slope)?;
        gradient.fill(0.0);
        let mut penalty = 0.0;
        for (weight, _) in self.network.ranges() {
            let (weight, by_weight) = (&parameters[weight.clone()], &mut gradient[weight]);
            penalty += PENALTY / 2.0 * dot(weight, weight);
            by_weight.iter_mut().zip(weight).for_each(|(g, w)| *g = PENALTY * w);
        }
        self.network.backward(&self.rows.features, &outputs, parameters, slope, gradient);
        Ok(factor * mean + penalty)
    }

    /// The mean loss, and `slope` = its gradient times `factor`.
    pub fn mean_loss(&self, loss: Loss, factor: f64, pred: &[f64], slope: &mut [f64]) -> Result<f64, String> {
        self.epochs.set(self.epochs.get() + 1);
        let factor = factor / self.target().len() as f64;
        let labels;
        let (loss, target) = match loss {
            Loss::Elements(loss) => (Chosen::Elements(loss), Target::Elements(self.target())),
            Loss::Classes(loss) => {
                labels = self.rows.labels();
                let loss = AnyRowLoss::SoftmaxCrossEntropy(loss);
                (Chosen::Rows(loss), Target::Labels(self.network.outputs(), &labels))
            }
        };
        let batch = Part { grad: Some(slope), factor, ..Part::of(pred, target) };
        parallel::total(loss, batch, self.level, self.threads)?.mean().map_err(explain)
    }

    /// The part of the rows whose greatest logit is that of their label.
    pub fn hits(&self, parameters: &[f64]) -> Result<f64, String> {
        let (pred, labels) = (self.predict(parameters), self.rows.labels());
        let mut hits = vec![false; labels.len()];
        let rows = SoftmaxCrossEntropy::default().rows(&pred, self.network.outputs());
        rows.labels(&labels).hits(&mut hits).level(self.level).sum().map_err(explain)?;
        Ok(hits.iter().filter(|&&hit| hit).count() as f64 / hits.len() as f64)
    }

    /// How far the objective of a linear model at most lies above its optimum, by its gradient.
    ///
    /// A convex loss and the penalty give F(w', b') >= F + g (x' - x) + PENALTY / 2 |w' - w|^2 everywhere. The least
    /// value of the right side over w' is F - |g_w|^2 / (2 PENALTY); each bias adds |g_b| times its distance from the
    /// best one, which in standardised data is taken as 1.
    pub fn excess(&self, gradient: &[f64]) -> f64 {
        let layers = self.network.ranges().map(|(weight, bias)| {
            let (by_weight, by_bias) = (&gradient[weight], &gradient[bias]);
            dot(by_weight, by_weight) / (2.0 * PENALTY) + by_bias.iter().map(|g| g.abs()).sum::<f64>()
        });
        layers.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::data::{BREAST_CANCER, DIABETES, DIGITS};
    use super::*;

    #[test]
    fn gradient_agrees_with_differences() -> Result<(), String> {
        for (data, name, widths) in [
            (&DIABETES, "mse", &[10, 1][..]),
            (&DIABETES, "huber", &[10, 1]),
            (&BREAST_CANCER, "bce-with-logits", &[30, 1]),
            (&DIGITS, "softmax-cross-entropy", &[64, 10]),
            (&DIGITS, "softmax-cross-entropy", &[64, 5, 10]),
        ] {
            let (rows, _) = data.load()?;
            let network = Network::new(widths);
            let problem = Problem::new(&rows, &network, Level::detect(), 1);
            let loss = Loss::named(name).ok_or(name)?;
            let mut at: Vec<f64> = (0..network.parameters()).map(|i| (i as f64).sin() / 4.0).collect();
            let (mut gradient, mut unused) = (vec![0.0; at.len()], vec![0.0; at.len()]);
            problem.objective(loss, 3.0, &at, &mut gradient)?;
            for (i, &expected) in gradient.iter().enumerate().step_by(at.len() / 11) {
                let (middle, step) = (at[i], 1e-5);
                at[i] = middle + step;
                let above = problem.objective(loss, 3.0, &at, &mut unused)?;
                at[i] = middle - step;
                let below = problem.objective(loss, 3.0, &at, &mut unused)?;
                at[i] = middle;
                let found = (above - below) / (2.0 * step);
                assert!((found - expected).abs() < 1e-6, "{name} {widths:?} {i}: {found} and {expected}");
            }
        }
        Ok(())
    }
}
