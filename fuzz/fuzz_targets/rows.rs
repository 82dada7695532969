//! Any loss over rows of classes on any rows, on every level at once, with every option: `cargo +nightly fuzz run rows`.
//!
//! The oracle is that of the tests: each row against its reference, levels of one rounding class and all outputs against
//! each other bit by bit, sums and means against exact ones, errors against the first bad value.
#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use fused_loss::{JensenShannon, NegativeLogLikelihood, Smoothing, SoftmaxCrossEntropy, SoftmaxKl};
use libfuzzer_sys::fuzz_target;

#[path = "../../tests/suite/support/mod.rs"]
mod support;
use support::reference::Tested;
use support::row_call::{RowCall, To};
use support::row_reference::RowCase;
use support::row_samples::KINDS;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    double: bool,
    loss: u8,
    kind: u8,
    ignore_index: Option<i8>,
    smoothing: u8,
    others: bool,
    z_loss: u8,
    soft_cap: Option<u8>,
    temperature: u8,
    beta: u8,
    classes: u8,
    room: u8,
    labelled: bool,
    weighted: bool,
    class_weighted: bool,
    scale: i8,
    /// Whether infinities, NaN and what is refused may be there.
    anything: bool,
    data: &'a [u8],
}

fn case<F: Tested>(input: &Input) -> RowCase<F> {
    let number = |of: f64| F::from_f64(of);
    let part = |of: u8| number(f64::from(of) / 255.0);
    // Often 1, else from 1/16 to 16.
    let temperature = |of: u8| number(if of % 2 == 0 { 1.0 } else { 2_f64.powf(f64::from(of) / 32.0 - 4.0) });
    let ignore_index = input.ignore_index.map(i64::from);
    let targets = KINDS[usize::from(input.kind) % 3];
    match input.loss % 5 {
        0 | 1 => RowCase::CrossEntropy(SoftmaxCrossEntropy {
            ignore_index,
            smoothing: match (input.smoothing, input.others) {
                (0..100, _) => Smoothing::AllClasses(F::ZERO),
                (of, true) => Smoothing::OtherClasses(part(of)),
                (of, false) => Smoothing::AllClasses(part(of)),
            },
            z_loss: number(f64::from(input.z_loss.saturating_sub(128)) / 64.0),
            soft_cap: input.soft_cap.map(|cap| number(f64::from(cap) / 4.0 + 1.0)),
            temperature: temperature(input.temperature),
        }),
        2 => RowCase::Nll(NegativeLogLikelihood { ignore_index }),
        3 => RowCase::Kl(SoftmaxKl { targets, temperature: temperature(input.temperature) }),
        _ => RowCase::Js(JensenShannon {
            targets,
            beta: number((f64::from(input.beta) + 0.5) / 256.0),
            temperature: temperature(input.temperature),
        }),
    }
}

/// A number of moderate size, or a special one.
fn number<F: Tested>(data: &mut Unstructured, anything: bool, of: impl Fn(f64) -> f64) -> F {
    let bits: i16 = data.arbitrary().unwrap_or(0);
    match bits {
        i16::MIN..-32_700 if anything => {
            [-F::INFINITY, F::INFINITY, F::NAN, -F::INFINITY][(bits & 3) as usize]
        }
        bits => F::from_f64(of(f64::from(bits) / 1024.0)),
    }
}

fn run<F: Tested>(input: &Input) {
    let case = case::<F>(input);
    let classes = usize::from(input.classes % 140) + 1;
    let stride = classes + usize::from(input.room % 4);
    let rows = (input.data.len() / (4 * stride) + 1).min(40);
    let mut data = Unstructured::new(input.data);
    let data = &mut data;
    let anything = input.anything;
    let logarithms = input.loss % 5 > 2 && input.kind % 3 != 0;
    let (mut logits, mut targets) = (vec![], vec![]);
    for _ in 0..rows * stride {
        logits.push(number::<F>(data, anything, |x| x));
        // Probabilities from 0 on, and a zero now and then; logarithms that stay moderate.
        let target = |x: f64| if logarithms { x.min(2.0) } else { (x / 16.0).max(0.0) };
        targets.push(number::<F>(data, anything, target));
    }
    let mut labels: Vec<i64> = vec![];
    for _ in 0..rows {
        let label: u8 = data.arbitrary().unwrap_or(0);
        let beyond = anything && label == 255;
        labels.push(if beyond { -5 } else { i64::from(label) % classes as i64 });
    }
    let weight = |data: &mut Unstructured| f64::from(data.arbitrary::<i8>().unwrap_or(16)) / 16.0;
    let weights: Vec<F> = (0..rows).map(|_| F::from_f64(weight(data))).collect();
    let class_weights: Vec<F> = (0..classes).map(|_| F::from_f64(weight(data).abs())).collect();
    let call = RowCall {
        case,
        logits: &logits,
        classes,
        stride,
        to: if input.labelled { To::Labels(&labels) } else { To::Targets(&targets) },
        weights: input.weighted.then_some(&weights),
        class_weights: input.class_weighted.then_some(&class_weights),
        scale: F::from_f64(if input.scale == 0 { 1.0 } else { f64::from(input.scale) / 8.0 }),
    };
    call.check_any(&format!("{} {case:?}, {rows} rows of {classes}", F::NAME));
}

fuzz_target!(|input: Input| {
    if input.double {
        run::<f64>(&input);
    } else {
        run::<f32>(&input);
    }
});
