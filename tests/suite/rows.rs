//! Rows of classes: against the elementwise calls that they are made of, and against exact sums.

use fused_loss::{
    AnyLoss, CategoricalCrossEntropy, Elementwise, Error, KlDivergence, Level, Mse, Rounding, Rowwise, Total,
};

use crate::support::reference::{Case, Tested, few_cases};
use crate::support::rows::{Call, To, assert_all, check_rows};
use crate::support::samples::{Random, moderate};

/// Rows with data that fits a loss.
struct Data<F> {
    classes: usize,
    pred: Vec<F>,
    target: Vec<F>,
    weights: Vec<F>,
    labels: Vec<u16>,
}

impl<F: Tested> Data<F> {
    fn new(case: &Case<F>, rows: usize, classes: usize, seed: u64) -> Self {
        let mut random = Random(seed);
        let (pred, target) = (0..rows * classes).map(|_| moderate(case, &mut random)).unzip();
        let weights = (0..rows).map(|_| F::from_f64(random.below(9) as f64 * 0.25 - 1.0)).collect();
        let mut labels: Vec<_> = (0..rows).map(|_| random.below(classes) as u16).collect();
        // Both ends.
        labels[0] = 0;
        labels[rows - 1] = classes as u16 - 1;
        Data { classes, pred, target, weights, labels }
    }

    fn one_hot(&self) -> Vec<F> {
        let mut target = vec![F::ZERO; self.pred.len()];
        for (row, &label) in self.labels.iter().enumerate() {
            target[row * self.classes + usize::from(label)] = F::ONE;
        }
        target
    }
}

/// Every number of classes around the limits of the ways a row can go, and both kinds of targets.
fn check_sizes<F: Tested>(all: impl Iterator<Item = (usize, usize)>) {
    let cases: Vec<_> = few_cases::<F>();
    for (number, (rows, classes)) in all.enumerate() {
        let case = &cases[number % cases.len()];
        let data = Data::new(case, rows, classes, number as u64);
        let one_hot = data.one_hot();
        for weights in [None, Some(&data.weights[..])] {
            let mut of_class: [Option<Vec<F>>; 2] = [None, None];
            for level in Level::available() {
                let call = |to| Call { loss: case.loss, level, pred: &data.pred, classes, to, weights };
                let what = format!("{}, {level}, {rows} rows of {classes}", case.label());
                let soft = check_rows(&call(To::Targets(&data.target)), &data.target, &what);
                let hard = check_rows(&call(To::Targets(&one_hot)), &one_hot, &what);
                let labels = check_rows(&call(To::Labels(&data.labels)), &one_hot, &what);
                assert_all(&labels, &hard, &format!("{what}, labels and rows of 0 and 1"));
                let both = [soft, hard].concat();
                let class = &mut of_class[usize::from(level.rounding() == Rounding::Fused)];
                assert_all(&both, class.as_ref().unwrap_or(&both), &format!("{what}, levels of one class"));
                *class = Some(both);
            }
        }
    }
}

#[test]
fn rows_are_their_elements_f32() {
    check_sizes::<f32>((1..=70).map(|classes| (1 + classes % 37, classes)));
    check_sizes::<f32>([(70, 1), (100, 3), (5, 255), (3, 256), (2, 257), (3, 1000), (1, 20_000)].into_iter());
}

#[test]
fn rows_are_their_elements_f64() {
    check_sizes::<f64>((1..=70).map(|classes| (1 + classes % 23, classes)));
    check_sizes::<f64>([(70, 1), (100, 3), (5, 255), (3, 256), (2, 257), (3, 1000), (1, 20_000)].into_iter());
}

/// Every row is masked in turn, and holds what must not be touched.
#[test]
fn a_row_of_weight_0_is_not_looked_at() {
    for classes in [3, 64, 65, 300] {
        for level in Level::available() {
            for masked in 0..4 {
                let mut pred = vec![0.5_f32; 4 * classes];
                pred[masked * classes..][..classes].fill(-7.0);
                let (mut labels, mut weights) = ([1_i64; 4], [2.0_f32; 4]);
                (labels[masked], weights[masked]) = (-100, 0.0);
                let (mut grad, mut losses) = (vec![9.0_f32; 4 * classes], [9.0; 4]);
                let batch = CategoricalCrossEntropy.rows(&pred, classes).labels(&labels).level(level);
                let batch = batch.weights(&weights).gradient(&mut grad).losses(&mut losses);
                let sum = batch.sum().expect("the rest fits");
                assert!((sum - 6.0 * std::f32::consts::LN_2).abs() < 1e-5);
                for row in 0..4 {
                    let own = &grad[row * classes..][..classes];
                    assert_eq!(own[1], if row == masked { 0.0 } else { -4.0 });
                    assert!(own.iter().enumerate().all(|(class, &slope)| class == 1 || slope == 0.0));
                    assert_eq!(losses[row] == 0.0, row == masked);
                }
                let batch = CategoricalCrossEntropy.rows(&pred, classes).labels(&labels).weights(&weights);
                assert_eq!(batch.check(), Ok(()));
            }
        }
    }
}

/// What is wrong is named by its place, whichever way the row goes, and the check without writing agrees.
#[test]
fn errors_name_the_first_bad_value() {
    for classes in [1, 3, 64, 65, 300] {
        for rows in [1, 2, 40, 100] {
            let good = vec![0.5_f32; rows * classes];
            let labels = vec![0_u32; rows];
            let weights = vec![1.0_f32; rows];
            for bad in [0, rows / 2, rows - 1] {
                let index = bad * classes + classes - 1;
                let mut values = good.clone();
                values[index] = 1.5;
                if index + 1 < values.len() {
                    values[index + 1] = -1.0;
                }
                let mut wrong_weights = weights.clone();
                wrong_weights[bad] = f32::INFINITY;
                let mut wrong_labels = labels.clone();
                wrong_labels[bad] = classes as u32;
                for level in Level::available() {
                    let refused = |pred: &[f32], target: &[f32], weights: &[f32], expected| {
                        let batch = || CategoricalCrossEntropy.rows(pred, classes).targets(target);
                        assert_eq!(batch().weights(weights).level(level).sum(), Err(expected));
                        assert_eq!(batch().weights(weights).check(), Err(expected));
                        let mut place = pred.to_vec();
                        let batch = CategoricalCrossEntropy.rows_in_place(&mut place, classes);
                        let sum = batch.targets(target).weights(weights).level(level).sum();
                        assert_eq!(sum, Err(expected));
                    };
                    refused(&values, &good, &weights, Error::Pred { index, value: 1.5 });
                    refused(&good, &values, &weights, Error::Target { index, value: 1.5 });
                    let value = f32::INFINITY;
                    refused(&good, &good, &wrong_weights, Error::Weight { index: bad, value });
                    let batch = || CategoricalCrossEntropy.rows(&values, classes).labels(&labels);
                    let expected = Error::Pred { index, value: 1.5 };
                    assert_eq!(batch().level(level).sum(), Err(expected));
                    assert_eq!(batch().check(), Err(expected));
                    let batch = || CategoricalCrossEntropy.rows(&good, classes).labels(&wrong_labels);
                    let expected = Error::Label { index: bad, value: classes as i128, classes };
                    let mut grad = vec![7.0; good.len()];
                    assert_eq!(batch().level(level).gradient(&mut grad).sum(), Err(expected));
                    assert!(grad.iter().all(|&slope| slope == 7.0), "nothing is written");
                    assert_eq!(batch().check(), Err(expected));
                }
            }
        }
    }
}

#[test]
fn shapes_that_do_not_fit() {
    let p = [0.5_f32; 6];
    let rows = |classes| CategoricalCrossEntropy.rows(&p, classes);
    assert_eq!(rows(4).labels(&[0_u8]).sum(), Err(Error::Classes { pred: 6, classes: 4 }));
    assert_eq!(rows(0).labels(&[0_u8; 0]).sum(), Err(Error::Classes { pred: 6, classes: 0 }));
    assert_eq!(rows(7).targets(&p).mean(), Err(Error::Classes { pred: 6, classes: 7 }));
    assert_eq!(rows(3).labels(&[0_u8]).sum(), Err(Error::Rows { what: "labels", expected: 2, found: 1 }));
    let target = Error::Length { what: "target", expected: 6, found: 5 };
    assert_eq!(rows(3).targets(&p[..5]).sum(), Err(target));
    let weights = Error::Rows { what: "weights", expected: 2, found: 6 };
    assert_eq!(rows(3).targets(&p).weights(&p).sum(), Err(weights));
    let losses = Error::Rows { what: "losses", expected: 2, found: 6 };
    assert_eq!(rows(3).targets(&p).losses(&mut [0.0; 6]).sum(), Err(losses));
    let grad = Error::Length { what: "gradient", expected: 6, found: 2 };
    assert_eq!(rows(3).targets(&p).gradient(&mut [0.0; 2]).sum(), Err(grad));
    let none: [f32; 0] = [];
    assert_eq!(CategoricalCrossEntropy.rows(&none, 3).targets(&none).sum(), Ok(0.0));
    assert_eq!(CategoricalCrossEntropy.rows(&none, 3).targets(&none).mean(), Err(Error::Empty));
    assert_eq!(
        CategoricalCrossEntropy.rows(&none, 0).targets(&none).sum(),
        Err(Error::Classes { pred: 0, classes: 0 })
    );
}

/// All integer types name the same classes, to their ends.
#[test]
fn labels_of_every_type() {
    let p = [0.5_f64, 0.25, 0.25];
    macro_rules! check {
        ($($integer:ty)*) => {$(
            let sum = |label: $integer| CategoricalCrossEntropy.rows(&p, 3).labels(&[label]).sum();
            assert_eq!(sum(2), Ok(4_f64.ln()));
            let wrong = |label: $integer| Err(Error::Label { index: 0, value: label.into(), classes: 3 });
            for label in [3, <$integer>::MAX] {
                assert_eq!(sum(label), wrong(label));
            }
            if <$integer>::MIN != 0 {
                assert_eq!(sum(<$integer>::MIN), wrong(<$integer>::MIN));
            }
        )*};
    }
    check!(u8 u16 u32 u64 i32 i64);
}

/// Totals of parts that are cut between groups merge to the bits of the whole, in any order.
#[test]
fn parts_merge() {
    fn check<F: Tested>(case: &Case<F>) {
        for (rows, classes) in [(100, 7), (70, 90)] {
            let data = Data::new(case, rows, classes, 3);
            for level in Level::available() {
                let part = |from: usize, to: usize| {
                    let pred = &data.pred[from * classes..to * classes];
                    let batch = case.loss.rows(pred, classes).labels(&data.labels[from..to]).level(level);
                    batch.weights(&data.weights[from..to]).total().expect("rows that fit")
                };
                let group = Total::<F>::ROWS;
                let mut merged = part(2 * group, rows);
                merged.merge(&part(0, group));
                merged.merge(&part(group, 2 * group));
                assert_eq!(merged, part(0, rows), "{}, {level}", case.label());
                assert_eq!(merged.count(), rows as u64);
            }
        }
    }
    few_cases::<f32>().iter().for_each(check);
    few_cases::<f64>().iter().for_each(check);
}

/// Weights so small that 1 over their sum is infinite: each row has its share all the same.
#[test]
fn tiny_weights_of_rows() {
    for (classes, weight) in [3, 64, 65, 1000].into_iter().flat_map(|n| [1e-40_f32, 1e-38].map(|w| (n, w))) {
        let (pred, target, weights) = (vec![1.0; 4 * classes], vec![0.0; 4 * classes], [weight; 4]);
        let mut grad = vec![9.0; 4 * classes];
        let batch = Mse.rows(&pred, classes).targets(&target).weights(&weights).gradient(&mut grad);
        let mean = batch.weighted_mean().expect("rows that fit");
        assert!((mean / classes as f32 - 1.0).abs() < 1e-4, "{classes} classes: {mean}");
        assert!(grad.iter().all(|slope| (slope - 0.5).abs() < 1e-4), "{classes} classes: {}", grad[0]);
    }
}

/// Infinite and NaN probabilities of one row stay there.
#[test]
fn special_rows() {
    for classes in [2, 64, 65, 600] {
        for level in Level::available() {
            let mut p = vec![0.5_f32; 3 * classes];
            (p[0], p[classes + 1]) = (0.0, f32::NAN);
            let (mut losses, mut grad) = ([9.0; 3], vec![9.0; 3 * classes]);
            let batch = CategoricalCrossEntropy.rows(&p, classes).labels(&[0_u8, 0, 0]).level(level);
            let sum = batch.losses(&mut losses).gradient(&mut grad).sum().expect("no error");
            assert!(sum.is_nan() && losses[1].is_nan() && grad[classes + 1].is_nan());
            assert_eq!((losses[0], losses[2]), (f32::INFINITY, std::f32::consts::LN_2));
            assert_eq!(
                (grad[0], grad[1], grad[classes], grad[2 * classes]),
                (f32::NEG_INFINITY, 0.0, -2.0, -2.0)
            );
        }
    }
}

/// Known values: the seed's formula is the plain sum, and PyTorch's mean that over rows.
#[test]
fn known_values() {
    let (p, y) = ([0.25_f64, 0.75, 0.5, 0.5], [0.0, 1.0, 0.5, 0.5]);
    let plain = -(0.75_f64.ln() + 0.5_f64.ln());
    let near = |found: Result<f64, Error<f64>>, value: f64| (found.unwrap() - value).abs() < 1e-15;
    assert!(near(CategoricalCrossEntropy.batch(&p, &y).sum(), plain));
    assert!(near(CategoricalCrossEntropy.rows(&p, 2).targets(&y).sum(), plain));
    assert!(near(CategoricalCrossEntropy.rows(&p, 2).targets(&y).mean(), plain / 2.0));
    // Other losses have rows too: Brier's score, and the batch mean of a divergence.
    assert!(near(Mse.rows(&p, 2).labels(&[1_u8, 0]).mean(), (0.125 + 0.5) / 2.0));
    let kl = KlDivergence { pred_probabilities: true, ..KlDivergence::default() };
    assert_eq!(kl.rows(&p, 2).targets(&y).mean(), kl.batch(&p, &y).mean_over(2));
    assert!(AnyLoss::<f64>::list().any(|loss| loss.name == "categorical-cross-entropy"));
}
