//! Rows worth trying, for every loss over rows and every option of it.

use fused_loss::{
    Float, JensenShannon, NegativeLogLikelihood, Smoothing, SoftmaxCrossEntropy, SoftmaxKl, TargetKind,
};

use super::row_call::{RowCall, To};
use super::row_reference::RowCase;
use super::samples::Random;

/// Rows with everything that a call may have.
pub struct RowData<F> {
    pub classes: usize,
    pub stride: usize,
    pub logits: Vec<F>,
    /// Of each kind.
    pub targets: [Vec<F>; 3],
    pub labels: Vec<i64>,
    pub weights: Vec<F>,
    pub class_weights: Vec<F>,
}

/// What rows of logits look like.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Nearly normal, of this deviation.
    Normal(f64),
    /// Small numbers of which the label's is greater by so much.
    Lead(f64),
    /// The same, but another class leads.
    Astray(f64),
    /// Of three numbers alone.
    Ties,
    /// Nearly normal around a number that is far from 0.
    Around(f64),
}

impl<F: Float> RowData<F> {
    pub fn new(shape: Shape, rows: usize, classes: usize, stride: usize, seed: u64) -> Self {
        let mut random = Random(seed);
        let number = F::from_f64;
        let mut labels: Vec<i64> = (0..rows).map(|_| random.below(classes) as i64).collect();
        // Both ends.
        labels[0] = 0;
        labels[rows - 1] = classes as i64 - 1;
        let count = rows * stride;
        let mut logits: Vec<F> = (0..count)
            .map(|_| match shape {
                Shape::Normal(deviation) => number(random.normal() * deviation),
                Shape::Lead(_) | Shape::Astray(_) => number(random.normal()),
                Shape::Ties => number([-1.5, 0.25, 2.0][random.below(3)]),
                Shape::Around(middle) => number(middle + random.normal() * 2.0),
            })
            .collect();
        for (row, &label) in labels.iter().enumerate() {
            let label = label as usize;
            match shape {
                Shape::Lead(lead) => logits[row * stride + label] = number(2.0 + lead + random.unit()),
                Shape::Astray(lead) => {
                    logits[row * stride + (label + 1) % classes] = number(2.0 + lead + random.unit());
                }
                _ => {}
            }
        }
        let mut probabilities = vec![F::ZERO; count];
        for row in probabilities.chunks_mut(stride) {
            let unit = |random: &mut Random| if random.below(4) == 0 { 0.0 } else { random.unit() };
            let parts: Vec<f64> = (0..classes).map(|_| unit(&mut random)).collect();
            let sum = parts.iter().sum::<f64>().max(1e-3);
            row.iter_mut().zip(&parts).for_each(|(y, part)| *y = number(part / sum));
        }
        let logarithms = probabilities.iter().map(|y| number(libm::log(y.to_f64()))).collect();
        let teacher = (0..count).map(|_| number(random.normal() * 3.0)).collect();
        let mut targets = [probabilities, logarithms, teacher];
        let weights = (0..rows).map(|_| number(random.below(9) as f64 * 0.25 - 1.0)).collect();
        let class_weights = (0..classes).map(|_| number(random.below(8) as f64 * 0.375)).collect();
        // What lies between rows is never a number.
        for numbers in targets.iter_mut().chain([&mut logits]) {
            let between = (0..count).filter(|i| i % stride >= classes);
            between.for_each(|i| numbers[i] = [F::NAN, F::INFINITY, -F::ONE][i % 3]);
        }
        RowData { classes, stride, logits, targets, labels, weights, class_weights }
    }

    /// A call with labels, or with targets of the kind that the loss takes.
    pub fn call(&self, case: RowCase<F>, labelled: bool, weighted: bool) -> RowCall<'_, F> {
        let kind = match case {
            RowCase::Kl(SoftmaxKl { targets, .. }) | RowCase::Js(JensenShannon { targets, .. }) => targets,
            _ => TargetKind::Probabilities,
        };
        let to = if labelled { To::Labels(&self.labels) } else { To::Targets(&self.targets[kind as usize]) };
        RowCall {
            case,
            logits: &self.logits,
            classes: self.classes,
            stride: self.stride,
            to,
            weights: weighted.then_some(&self.weights),
            class_weights: weighted.then_some(&self.class_weights),
            scale: if weighted { F::from_f64(1.5) } else { F::ONE },
        }
    }
}

pub fn cross_entropy<F: Float>() -> SoftmaxCrossEntropy<F> {
    SoftmaxCrossEntropy::default()
}

pub const KINDS: [TargetKind; 3] =
    [TargetKind::Probabilities, TargetKind::LogProbabilities, TargetKind::Logits];

/// Cross-entropies with each option, and with several at once.
pub fn cross_entropies<F: Float>() -> Vec<RowCase<F>> {
    let (plain, number) = (cross_entropy::<F>(), F::from_f64);
    let smoothing = |smoothing| SoftmaxCrossEntropy { smoothing, ..plain };
    let temperature = |temperature| SoftmaxCrossEntropy { temperature: number(temperature), ..plain };
    let all = [
        plain,
        SoftmaxCrossEntropy { ignore_index: None, ..plain },
        SoftmaxCrossEntropy { ignore_index: Some(0), ..plain },
        smoothing(Smoothing::AllClasses(number(0.1))),
        smoothing(Smoothing::AllClasses(F::ONE)),
        smoothing(Smoothing::OtherClasses(number(0.2))),
        SoftmaxCrossEntropy { z_loss: number(0.01), ..plain },
        temperature(2.0),
        temperature(0.7),
        SoftmaxCrossEntropy { soft_cap: Some(number(5.0)), ..plain },
        SoftmaxCrossEntropy { soft_cap: Some(number(1e8)), ..plain },
        SoftmaxCrossEntropy { soft_cap: Some(number(30.0)), ..temperature(0.7) },
        SoftmaxCrossEntropy {
            soft_cap: Some(number(20.0)),
            z_loss: number(0.25),
            smoothing: Smoothing::OtherClasses(number(0.1)),
            ..temperature(1.5)
        },
        SoftmaxCrossEntropy { z_loss: number(1e-3), soft_cap: Some(number(8.0)), ..plain },
    ];
    all.into_iter().map(RowCase::CrossEntropy).collect()
}

/// Every loss with every option.
pub fn row_cases<F: Float>() -> Vec<RowCase<F>> {
    let mut cases = cross_entropies();
    cases.push(RowCase::Nll(NegativeLogLikelihood::default()));
    cases.push(RowCase::Nll(NegativeLogLikelihood { ignore_index: None }));
    for targets in KINDS {
        for temperature in [1.0, 2.0].map(F::from_f64) {
            cases.push(RowCase::Kl(SoftmaxKl { targets, temperature }));
            let beta = if temperature == F::ONE { 0.5 } else { 0.1 };
            cases.push(RowCase::Js(JensenShannon { targets, beta: F::from_f64(beta), temperature }));
        }
    }
    cases
}
