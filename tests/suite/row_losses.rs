//! Losses over rows of classes against their plain reference: every level, option, size and shape of a row.
//!
//! `cargo test --release --test suite row_losses -- --nocapture` prints the largest errors found, as parts of what is
//! promised, and in ULP or in rounding units of the magnitudes that a value is a sum of.

use fused_loss::{Float, SoftmaxCrossEntropy};

use crate::support::reference::Tested;
use crate::support::row_oracle::Worst;
use crate::support::row_reference::RowCase;
use crate::support::row_samples::{RowData, Shape, cross_entropies, cross_entropy, row_cases};

/// What a case is called.
fn name<F: Float>(case: &RowCase<F>) -> String {
    format!("{} {case:?}", F::NAME)
}

/// Checks a case with labels and targets, without and with weights; what is worst of each.
fn check<F: Tested>(data: &RowData<F>, case: RowCase<F>, what: &str) -> [Worst; 2] {
    let check = |labelled: bool, weighted: bool| {
        let what = format!("{}, {what}, labelled {labelled}, weighted {weighted}", name(&case));
        data.call(case, labelled, weighted).check(&what)
    };
    [true, false].map(|labelled| check(labelled, false).or(check(labelled, true)))
}

/// What is worst of each case, to be printed.
#[derive(Default)]
struct Report(Vec<(String, Worst)>);

impl Report {
    fn add(&mut self, name: String, worst: Worst) {
        match self.0.iter_mut().find(|(other, _)| *other == name) {
            Some((_, all)) => *all = all.or(worst),
            None => self.0.push((name, worst)),
        }
    }

    fn print(&self) {
        for (name, Worst { loss, slope, log_sum }) in &self.0 {
            println!(
                "{name}: loss {:.2} ({:.2}), slope {:.2} ({:.2}), log-sum-exp {:.2} ({:.2})",
                loss[0], loss[1], slope[0], slope[1], log_sum[0], log_sum[1]
            );
        }
    }
}

fn every_number_of_classes<F: Tested>() {
    let cases = row_cases::<F>();
    let mut report = Report::default();
    for classes in 1..=70 {
        for (number, &case) in cases.iter().enumerate().filter(|(number, _)| (number + classes) % 3 == 0) {
            let shape = [Shape::Normal(3.0), Shape::Lead(8.0), Shape::Astray(6.0), Shape::Ties][classes % 4];
            let rows = 1 + (classes + number) % 5;
            let data = RowData::new(shape, rows, classes, classes + (classes + number) % 4, classes as u64);
            let [labels, targets] = check(&data, case, &format!("{shape:?}, {rows} rows of {classes}"));
            report.add(format!("{}, labels", name(&case)), labels);
            report.add(format!("{}, targets", name(&case)), targets);
        }
    }
    report.print();
}

#[test]
fn every_number_of_classes_f32() {
    every_number_of_classes::<f32>();
}

#[test]
fn every_number_of_classes_f64() {
    every_number_of_classes::<f64>();
}

fn long_rows<F: Tested>() {
    let mut report = Report::default();
    let cases = row_cases::<F>();
    for (number, classes) in [127, 128, 129, 257, 1000, 4099].into_iter().enumerate() {
        for &case in cases.iter().skip(number % 3).step_by(if classes > 500 { 6 } else { 3 }) {
            let data = RowData::new(Shape::Normal(2.0), 2, classes, classes + number, classes as u64);
            let [labels, targets] = check(&data, case, &format!("rows of {classes}"));
            report.add(format!("{} rows of {classes}", F::NAME), labels.or(targets));
        }
    }
    for (classes, number) in [(16_384, 0), (16_385, 8), (50_257, 3), (50_257, 0)] {
        let data = RowData::<F>::new(Shape::Normal(2.0), 1, classes, classes, 1);
        let call = data.call(cases[number], true, false);
        report.add(format!("{} rows of {classes}", F::NAME), call.check(&format!("rows of {classes}")));
    }
    report.print();
}

#[test]
fn long_rows_f32() {
    long_rows::<f32>();
}

#[test]
fn long_rows_f64() {
    long_rows::<f64>();
}

#[test]
fn every_number_of_rows() {
    fn check_all<F: Tested>() {
        let cases = row_cases::<F>();
        for rows in 1..=70 {
            let case = cases[rows % cases.len()];
            let classes = [3, 10, 33][rows % 3];
            let data = RowData::new(Shape::Normal(3.0), rows, classes, classes + rows % 2, rows as u64);
            check(&data, case, &format!("{rows} rows of {classes}"));
        }
    }
    check_all::<f32>();
    check_all::<f64>();
}

/// A confident row keeps its relative accuracy, whichever class leads, by however much, and wherever its logits lie.
#[test]
fn leads_and_ties() {
    fn check_all<F: Tested>() {
        let mut report = Report::default();
        let mut shapes = vec![Shape::Ties, Shape::Around(40.0), Shape::Around(-90.0), Shape::Around(3000.0)];
        let leads = if F::BITS == 32 { 10..=100 } else { 10..=700 };
        for lead in leads.step_by(if F::BITS == 32 { 5 } else { 45 }).map(f64::from) {
            shapes.extend([Shape::Lead(lead), Shape::Astray(lead), Shape::Normal(lead / 3.0)]);
        }
        for (number, shape) in shapes.into_iter().enumerate() {
            for classes in [2, 3, 40, 71] {
                for case in cross_entropies::<F>().into_iter().take(if number % 4 == 0 { 99 } else { 1 }) {
                    let data = RowData::new(shape, 6, classes, classes, number as u64);
                    let what = format!("{}, {shape:?}, rows of {classes}", name(&case));
                    let worst = data.call(case, true, false).check(&what);
                    report.add(format!("{}, leads", name(&case)), worst);
                }
            }
        }
        report.print();
    }
    check_all::<f32>();
    check_all::<f64>();
}

/// The sum of few exponentials beside a great one is where each rounding shows in loss and slope.
#[test]
fn confident_rows_of_few_classes() {
    fn check_all<F: Tested>() {
        let mut report = Report::default();
        let plain = RowCase::CrossEntropy(cross_entropy::<F>());
        for classes in 4..=16 {
            for lead in 4..=20 {
                let (shape, seed) = (Shape::Lead(f64::from(lead)), classes as u64 * 97 + lead as u64);
                let data = RowData::new(shape, 200, classes, classes, seed);
                let worst = data.call(plain, true, false).check(&format!("{shape:?}, rows of {classes}"));
                report.add(format!("{} confident rows of few classes", F::NAME), worst);
            }
        }
        report.print();
    }
    check_all::<f32>();
    check_all::<f64>();
}

/// Temperatures from one end to the other: the bound of a slope grows with the argument of its exponential alone.
#[test]
fn temperatures() {
    fn check_all<F: Tested>() {
        let mut report = Report::default();
        for power in (-60..=60).step_by(4) {
            for (number, mantissa) in [1.0, 1.3].into_iter().enumerate() {
                let temperature = F::from_f64(mantissa * 2_f64.powi(power)).to_f64().min(2_f64.powi(60));
                let case = RowCase::CrossEntropy(SoftmaxCrossEntropy {
                    temperature: F::from_f64(temperature),
                    ..cross_entropy()
                });
                for scale in [1.0, 8.0, 30.0] {
                    let shape = Shape::Normal(temperature * scale);
                    let data =
                        RowData::new(shape, 5, [2, 7, 50][(number + (power + 60) as usize / 4) % 3], 50, 9);
                    let worst = data.call(case, true, false).check(&format!("{}, {shape:?}", name(&case)));
                    report.add(format!("{} temperatures, exponents of {scale}", F::NAME), worst);
                }
            }
        }
        report.print();
    }
    check_all::<f32>();
    check_all::<f64>();
}
