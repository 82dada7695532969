//! Any loss on any data, on every level at once, with every option: `cargo +nightly fuzz run elementwise`.
//!
//! The oracle is that of the tests: each element against its reference, levels of one rounding class against each
//! other, sums against exact ones, errors against the first bad value, and rows of classes against their elements.
#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use fused_loss::{AnyLoss, Level, Loss, Values};
use libfuzzer_sys::fuzz_target;

#[path = "../../tests/suite/support/mod.rs"]
mod support;
use support::oracle::{Call, check_call, check_elements, first_bad};
use support::reference::{Case, Tested};
use support::rows::{To, assert_all, check_rows};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    double: bool,
    loss: u8,
    /// One for each parameter of the loss, as far as they reach.
    parameters: [Option<f32>; 3],
    weighted: bool,
    scale: f32,
    offsets: [u8; 2],
    classes: u8,
    shape: Shape,
    data: &'a [u8],
}

/// What the bytes of the data become.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Shape {
    /// Numbers of moderate size that fit the loss.
    Moderate,
    /// Any bit patterns that fit it.
    Fitting,
    /// Any bit patterns.
    Anything,
}

/// The next number of the data, or none at its end.
fn number<F: Tested>(data: &mut Unstructured, shape: Shape, domain: fused_loss::Domain<F>) -> Option<F> {
    if data.is_empty() {
        return None;
    }
    let small =
        |data: &mut Unstructured| Some(F::from_f64(f64::from(data.arbitrary::<i16>().ok()?) / 2048.0));
    let pattern = |data: &mut Unstructured| {
        let bits = data.arbitrary::<u64>().ok()?;
        Some(F::from_pattern(bits & (u64::MAX >> (64 - F::BITS))))
    };
    let x = match shape {
        Shape::Moderate => small(data)?,
        Shape::Fitting | Shape::Anything => pattern(data)?,
    };
    if domain.holds(x) || matches!(shape, Shape::Anything) {
        return Some(x);
    }
    // Brought between 0 and 1, which all domains of today hold.
    let unit = f64::from(data.arbitrary::<u16>().ok()?) / 65_535.0;
    Some(F::from_f64(unit))
}

fn run<F: Tested>(input: &Input) {
    let entries: Vec<_> = AnyLoss::<F>::list().collect();
    let entry = entries[usize::from(input.loss) % entries.len()];
    let mut given = vec![];
    for (parameter, value) in entry.parameters.iter().zip(input.parameters) {
        let Some(value) = value else { continue };
        let index = f64::from(value.to_bits() % 64);
        let value = match parameter.values {
            Values::Choice(choices) => index % choices.len() as f64,
            Values::Flag => index % 2.0,
            // A parameter that is huge or tiny overflows inside; the tests of accuracy have those.
            _ if (1e-6..=1e4).contains(&value) => f64::from(value),
            _ => continue,
        };
        given.push((parameter.name, value));
    }
    let Some(case) = Case::<F>::new(entry.name, &given) else { return };
    let mut data = Unstructured::new(input.data);
    let (mut pred, mut target, mut weights) = (vec![], vec![], vec![]);
    while pred.len() < 300 {
        let Some(x) = number(&mut data, input.shape, case.loss.pred_domain()) else { break };
        let Some(y) = number(&mut data, input.shape, case.loss.target_domain()) else { break };
        let weight = if input.weighted { data.arbitrary::<i8>().unwrap_or(1) } else { 1 };
        pred.push(x);
        target.push(y);
        weights.push(match weight {
            i8::MAX if matches!(input.shape, Shape::Anything) => F::NAN,
            weight => F::from_f64(f64::from(weight) / 16.0),
        });
    }
    check_elements(&case, &pred, &target);
    let scale = if input.scale.abs() < 1e6 && input.scale.abs() > 1e-6 { input.scale } else { 1.0 };
    let call = Call {
        pred: &pred,
        target: &target,
        weights: input.weighted.then_some(&weights[..]),
        scale: F::from_f64(scale.into()),
        offsets: input.offsets.map(|offset| usize::from(offset % 16)),
    };
    check_call(case.loss, &case.label(), &call);
    rows(&case, &call, input);
}

/// The same elements as rows, as many as fit; the labels are what comes.
fn rows<F: Tested>(case: &Case<F>, call: &Call<F>, input: &Input) {
    let classes = usize::from(input.classes % 90) + 1;
    let rows = call.pred.len() / classes;
    let (pred, target) = (&call.pred[..rows * classes], &call.target[..rows * classes]);
    // What is refused, the check of the elements has seen.
    if rows == 0 || first_bad(case.loss, &support::oracle::Call { weights: None, ..call.clone() }).is_some() {
        return;
    }
    let labels: Vec<_> =
        (0..rows).map(|row| u16::from(input.offsets[row % 2]) * 7 % classes as u16).collect();
    let mut one_hot = vec![F::ZERO; pred.len()];
    labels.iter().enumerate().for_each(|(row, &label)| one_hot[row * classes + usize::from(label)] = F::ONE);
    let weights = call.weights.map(|weights| &weights[..rows]);
    let finite = |weight: &F| weight.to_f64().is_finite();
    if weights.is_some_and(|weights| !weights.iter().all(finite)) {
        return;
    }
    for level in Level::available() {
        let call = |to| support::rows::Call { loss: case.loss, level, pred, classes, to, weights };
        let what = format!("{}, {level}, {rows} rows of {classes}", case.label());
        check_rows(&call(To::Targets(target)), target, &what);
        let hard = check_rows(&call(To::Targets(&one_hot)), &one_hot, &what);
        assert_all(&check_rows(&call(To::Labels(&labels)), &one_hot, &what), &hard, &what);
    }
}

fuzz_target!(|input: Input| {
    if input.double {
        run::<f64>(&input);
    } else {
        run::<f32>(&input);
    }
});
