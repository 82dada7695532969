//! What bad rows get: an `Err` that says what and where, the same on every level, and nothing written before shapes,
//! labels and parameters are right.

use fused_loss::{
    Error, JensenShannon, Level, NegativeLogLikelihood, Smoothing, SoftmaxCrossEntropy, SoftmaxKl,
};

use crate::support::reference::Tested;
use crate::support::row_call::{End, Out, RowCall, To};
use crate::support::row_oracle::untouched;
use crate::support::row_reference::RowCase;
use crate::support::row_samples::{KINDS, RowData, Shape, cross_entropy, row_cases};
use crate::support::samples::Random;

const ENDS: [End; 7] =
    [End::Sum, End::Mean, End::MeanOver(3), End::Total, End::WeightedMean, End::Check, End::Divisor];

/// Outputs of other lengths than they should have.
#[derive(Clone, Copy, Default)]
struct Lengths {
    gradient: usize,
    losses: usize,
    log_sums: usize,
    hits: usize,
}

/// Every end refuses a call with this text; `clean` where nothing may have been written.
fn refused<F: Tested>(call: &RowCall<F>, lengths: Option<Lengths>, ends: &[End], clean: bool, text: &str) {
    let rows = if call.stride == 0 { 0 } else { call.rows() };
    let fits = Lengths { gradient: call.logits.len(), losses: rows, log_sums: rows, hits: rows };
    let lengths = lengths.unwrap_or(fits);
    for level in Level::available() {
        for &end in ends {
            let mut gradient = vec![untouched::<F>(); lengths.gradient];
            let mut losses = vec![untouched::<F>(); lengths.losses];
            let mut log_sums = vec![untouched::<F>(); lengths.log_sums];
            let mut hits = vec![true; lengths.hits];
            let out = Out {
                gradient: Some(&mut gradient),
                losses: Some(&mut losses),
                log_sums: Some(&mut log_sums),
                hits: Some(&mut hits),
                ..Out::default()
            };
            let error = call.run(level, end, out).expect_err(text);
            assert_eq!(error.to_string(), text, "{:?}, {level}, {end:?}", call.case);
            let all = gradient.iter().chain(&losses).chain(&log_sums);
            let written = all.clone().any(|&x| x != untouched()) || hits.contains(&false);
            assert!(!clean || !written, "{:?}, {level}, {end:?}: something is written", call.case);
            if lengths.gradient == call.logits.len() && lengths.losses == rows {
                let mut place = call.logits.to_vec();
                let out = Out { in_place: Some(&mut place), ..Out::default() };
                let error = call.run(level, end, out);
                // Without outputs, those of a wrong length are none.
                if let Err(error) = error {
                    assert_eq!(error.to_string(), text, "{:?}, {level}, {end:?}, in place", call.case);
                }
                let equal = place.iter().zip(call.logits).all(|(a, b)| a.to_pattern() == b.to_pattern());
                assert!(!clean || equal || lengths.log_sums != rows || lengths.hits != rows, "in place");
            }
        }
    }
}

#[test]
fn labels_that_are_no_class() {
    fn check<F: Tested>() {
        for case in row_cases::<F>() {
            for (classes, value) in [(3, 3), (40, 40), (70, -1), (1, i64::MAX), (2, i64::MIN), (5, -99)] {
                for rows in [1, 4, 50] {
                    let row = [0, rows / 2, rows - 1][(classes + rows) % 3];
                    let mut data = RowData::new(Shape::Normal(1.0), rows, classes, classes, 1);
                    data.labels[row] = value;
                    if row + 1 < rows {
                        data.labels[row + 1] = 1000;
                    }
                    let weights = vec![F::ONE; rows];
                    let call = RowCall { weights: Some(&weights), ..data.call(case, true, true) };
                    let text = format!(
                        "labels[{row}] is {value}, which is none of the {classes} classes, counted from 0"
                    );
                    refused(&call, None, &ENDS, true, &text);
                }
            }
        }
        // The index that is ignored is one of those that may be given, and no other.
        let case = RowCase::CrossEntropy(SoftmaxCrossEntropy { ignore_index: None, ..cross_entropy::<F>() });
        let mut data = RowData::new(Shape::Normal(1.0), 3, 4, 4, 1);
        data.labels[1] = -100;
        let text = "labels[1] is -100, which is none of the 4 classes, counted from 0";
        refused(&data.call(case, true, false), None, &ENDS[..4], true, text);
        let case = RowCase::Nll(NegativeLogLikelihood { ignore_index: None });
        refused(&data.call(case, true, false), None, &ENDS[..4], true, text);
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn shapes_that_do_not_fit() {
    fn check<F: Tested>() {
        for case in row_cases::<F>() {
            let data = RowData::new(Shape::Normal(1.0), 4, 6, 8, 1);
            let weights = [F::ONE; 5];
            let refuse = |call: RowCall<F>, text: &str| refused(&call, None, &ENDS, true, text);
            for labelled in [true, false] {
                let mut call = data.call(case, labelled, true);
                call.weights = Some(&weights[..4]);
                refuse(RowCall { stride: 5, ..call }, "stride is 5, less than the 6 classes of a row");
                let text = "pred has 31 elements, which are no rows of 6 classes";
                refuse(RowCall { logits: &data.logits[..31], ..call }, text);
                let text = "pred has 24 elements, which are no rows of 7 classes";
                refuse(RowCall { classes: 7, stride: 7, logits: &data.logits[..24], ..call }, text);
                let text = "pred has 32 elements, which are no rows of 0 classes";
                refuse(RowCall { classes: 0, stride: 0, ..call }, text);
                let text = "weights has 5 elements where pred has 4 rows";
                refuse(RowCall { weights: Some(&weights), ..call }, text);
                if call.weighs_classes() {
                    let text = "class_weights has 5 elements where there are 6 classes";
                    refuse(RowCall { class_weights: Some(&weights), ..call }, text);
                    let text = "class_weights has 0 elements where there are 6 classes";
                    refuse(RowCall { class_weights: Some(&[]), ..call }, text);
                    for bad in [F::NAN, F::INFINITY, -F::INFINITY] {
                        let weights = [F::ONE, F::ZERO, F::ONE, bad, F::NAN, F::ONE];
                        let text = format!("class_weights[3] is {bad}, but must be finite");
                        refuse(RowCall { class_weights: Some(&weights), ..call }, &text);
                    }
                }
                let fits = Lengths { gradient: 32, losses: 4, log_sums: 4, hits: 4 };
                let outputs = |lengths, text: &str| refused(&call, Some(lengths), &ENDS, true, text);
                outputs(Lengths { gradient: 31, ..fits }, "gradient has 31 elements where pred has 32");
                outputs(Lengths { losses: 3, ..fits }, "losses has 3 elements where pred has 4 rows");
                if call.takes_logits() {
                    outputs(
                        Lengths { log_sums: 5, ..fits },
                        "log_sum_exp has 5 elements where pred has 4 rows",
                    );
                    outputs(Lengths { hits: 0, ..fits }, "hits has 0 elements where pred has 4 rows");
                }
                for scale in [F::NAN, F::INFINITY] {
                    refuse(RowCall { scale, ..call }, &format!("scale is {scale}, but must be finite"));
                }
            }
            let call = RowCall { weights: Some(&weights[..4]), ..data.call(case, true, false) };
            let labels = [0; 3];
            let text = "labels has 3 elements where pred has 4 rows";
            let fits = Lengths { gradient: 32, losses: 4, log_sums: 4, hits: 4 };
            refused(&RowCall { to: To::Labels(&labels), ..call }, Some(fits), &ENDS, true, text);
            let text = "target has 31 elements where pred has 32";
            refuse(RowCall { to: To::Targets(&data.targets[0][..31]), ..call }, text);
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn parameters_outside_their_domains() {
    fn check<F: Tested>() {
        let data = RowData::new(Shape::Normal(1.0), 2, 3, 3, 1);
        let weights = [F::ONE; 2];
        let number = F::from_f64;
        let refuse = |case: RowCase<F>, value: F, text: &str| {
            let call = RowCall { weights: Some(&weights), ..data.call(case, true, false) };
            refused(&call, None, &ENDS, true, &text.replace("{}", &value.to_string()));
        };
        let plain = cross_entropy::<F>();
        let bad = [F::NAN, F::INFINITY, -F::INFINITY, number(-0.25)];
        for value in bad.into_iter().chain([number(1.5)]) {
            for smoothing in [Smoothing::AllClasses(value), Smoothing::OtherClasses(value)] {
                let case = RowCase::CrossEntropy(SoftmaxCrossEntropy { smoothing, ..plain });
                refuse(case, value, "label_smoothing is {}, but must be from 0 to 1");
            }
        }
        for value in bad {
            let case = RowCase::CrossEntropy(SoftmaxCrossEntropy { z_loss: value, ..plain });
            refuse(case, value, "z_loss is {}, but must be finite and not negative");
        }
        for value in bad.into_iter().chain([F::ZERO, number(1e-19), number(2e18)]) {
            let case = RowCase::CrossEntropy(SoftmaxCrossEntropy { soft_cap: Some(value), ..plain });
            refuse(case, value, "soft_cap is {}, but must be from 2^-60 to 2^60");
            let text = "temperature is {}, but must be from 2^-60 to 2^60";
            refuse(RowCase::CrossEntropy(SoftmaxCrossEntropy { temperature: value, ..plain }), value, text);
            refuse(RowCase::Kl(SoftmaxKl { temperature: value, ..SoftmaxKl::default() }), value, text);
            refuse(
                RowCase::Js(JensenShannon { temperature: value, ..JensenShannon::default() }),
                value,
                text,
            );
        }
        for value in bad.into_iter().chain([F::ZERO, F::ONE]) {
            let case = RowCase::Js(JensenShannon { beta: value, ..JensenShannon::default() });
            refuse(case, value, "beta is {}, but must be above 0 and below 1");
        }
        // The ends belong to the domains.
        for value in [F::from_f64(2_f64.powi(60)), F::from_f64(2_f64.powi(-60))] {
            let case = RowCase::CrossEntropy(SoftmaxCrossEntropy { temperature: value, ..plain });
            assert!(data.call(case, true, false).run(Level::detect(), End::Check, Out::default()).is_ok());
        }
    }
    check::<f32>();
    check::<f64>();
}

/// Values: the first bad one of the rows that take part is named, whatever else the row holds.
#[test]
fn bad_values_are_named() {
    fn check<F: Tested>() {
        let mut random = Random(8);
        let ends = [End::Sum, End::Mean, End::MeanOver(3), End::Total, End::Check];
        // A mean of rows that are all ignored is refused before values are looked at.
        let ignores_0 =
            |case: &RowCase<F>| matches!(case, RowCase::CrossEntropy(loss) if loss.ignore_index == Some(0));
        for case in row_cases::<F>().into_iter().filter(|case| !ignores_0(case)) {
            for round in 0..12 {
                let (rows, classes) = ([1, 3, 40][round % 3], [1, 5, 34, 80][round % 4]);
                let stride = classes + round % 2;
                let mut data = RowData::new(Shape::Normal(1.0), rows, classes, stride, round as u64);
                data.weights.fill(F::ONE);
                let row = random.below(rows);
                let value = [F::NAN, F::INFINITY][random.below(2)];
                data.weights[row] = value;
                let text = format!("weights[{row}] is {value}, but must be finite");
                for labelled in [true, false] {
                    refused(&data.call(case, labelled, true), None, &ends, false, &text);
                }
                data.weights.fill(F::ONE);
                if matches!(case, RowCase::Kl(SoftmaxKl { targets, .. }) | RowCase::Js(JensenShannon { targets, .. })
                    if targets != KINDS[0])
                {
                    continue;
                }
                let index = row * stride + random.below(classes);
                let value = [F::NAN, -F::from_pattern(1), F::INFINITY, -F::INFINITY][random.below(4)];
                data.targets[0][index] = value;
                if row + 1 < rows {
                    data.targets[0][(row + 1) * stride] = -F::ONE;
                    data.weights[row + 1] = F::NAN;
                }
                // Rows whose logits are no numbers have targets all the same.
                let logits = &mut data.logits[row * stride..][..classes];
                match round % 5 {
                    1 => logits.fill(-F::INFINITY),
                    2 => logits[0] = F::INFINITY,
                    3 => logits[classes - 1] = F::NAN,
                    _ => {}
                }
                let text = format!("target[{index}] is {value}, outside the domain of the loss");
                refused(&data.call(case, false, true), None, &ends, false, &text);
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// Nothing but a weighted mean needs weights.
#[test]
fn means_of_nothing() {
    let case = RowCase::CrossEntropy(cross_entropy::<f32>());
    let data = RowData::new(Shape::Normal(1.0), 2, 3, 3, 1);
    for level in Level::available() {
        let run = |call: RowCall<f32>, end| call.run(level, end, Out::default());
        let call = data.call(case, true, false);
        assert_eq!(run(call, End::WeightedMean), Err(Error::NoWeights));
        assert_eq!(run(call, End::MeanOver(0)), Err(Error::Empty));
        assert_eq!(
            run(RowCall { weights: Some(&[1.0, -1.0]), ..call }, End::WeightedMean),
            Err(Error::Empty)
        );
        assert_eq!(run(RowCall { class_weights: Some(&[0.0; 3]), ..call }, End::Mean), Err(Error::Empty));
        let huge = [f32::MAX; 3];
        let error = run(RowCall { class_weights: Some(&huge), ..call }, End::Mean).unwrap_err();
        assert_eq!(error.to_string(), "sum of weights is inf, but must be finite");
    }
}
