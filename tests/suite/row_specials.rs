//! Rows with infinities and NaN, rows that are left out, and that their neighbours do not notice.

use fused_loss::{Error, Float, Level, RowLosses, Smoothing, SoftmaxCrossEntropy};

use crate::support::reference::Tested;
use crate::support::row_call::{End, Out, RowCall, To};
use crate::support::row_reference::RowCase;
use crate::support::row_samples::{RowData, Shape, cross_entropy, row_cases};
use crate::support::samples::Random;

const CLASSES: [usize; 7] = [1, 2, 3, 17, 33, 70, 130];

/// What becomes of a row of logits.
fn spoil<F: Float>(row: &mut [F], label: usize, kind: usize, random: &mut Random) {
    let other = if row.len() == 1 { 0 } else { (label + 1 + random.below(row.len() - 1)) % row.len() };
    match kind {
        // Masked classes.
        0 => row.iter_mut().enumerate().filter(|(class, _)| *class != label).for_each(|(class, z)| {
            if class % 2 == 0 {
                *z = -F::INFINITY;
            }
        }),
        // All but the label.
        1 => row
            .iter_mut()
            .enumerate()
            .filter(|(class, _)| *class != label)
            .for_each(|(_, z)| *z = -F::INFINITY),
        2 => row[label] = -F::INFINITY,
        3 => row.fill(-F::INFINITY),
        4 => row[other] = F::INFINITY,
        5 => row[label] = F::INFINITY,
        6 => row.fill(F::INFINITY),
        7 => row[other] = F::NAN,
        8 => row[label] = F::NAN,
        9 => row.fill(F::NAN),
        10 => (row[label], row[other]) = (F::INFINITY, F::NAN),
        11 => (row[label], row[other]) = (-F::INFINITY, F::NAN),
        12 => {
            row.fill(-F::INFINITY);
            row[other] = F::NAN;
        }
        // The ends of the format.
        13 => (row[label], row[other]) = (F::MAX, -F::MAX),
        14 => (row[label], row[other]) = (-F::MAX * F::HALF, F::MAX * F::HALF),
        15 => row.fill(F::MAX),
        16 => row.fill(-F::MAX),
        _ => row.fill(F::from_pattern(1)),
    }
}

const KINDS: usize = 18;

/// One row of some is special. All are held against the reference, those beside it too.
#[test]
fn a_special_row_stays_alone() {
    fn check<F: Tested>() {
        let mut random = Random(3);
        for (number, case) in row_cases::<F>().into_iter().enumerate() {
            for kind in 0..KINDS {
                // What is huge has no room for a square, and its sum none before a weight; tiny exponents have tests of their own.
                let of_ends = (13..17).contains(&kind);
                if of_ends && squares(&case) {
                    continue;
                }
                let classes = CLASSES[(number + kind) % CLASSES.len()];
                let mut data = RowData::new(Shape::Normal(3.0), 4, classes, classes + kind % 2, kind as u64);
                let row = random.below(4);
                let logits = &mut data.logits[row * data.stride..][..classes];
                spoil(logits, data.labels[row] as usize, kind, &mut random);
                for (labelled, weighted) in [(true, false), (true, true), (false, false), (false, true)] {
                    if of_ends && weighted && !labelled {
                        continue;
                    }
                    let mut call = data.call(case, labelled, weighted);
                    if kind > 1 {
                        // Class weights of 0 have a test of their own.
                        call.class_weights = None;
                    }
                    call.check(&format!("{case:?}, kind {kind} in row {row}, rows of {classes}"));
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// Whether the squared log-sum-exp is part of the loss.
fn squares<F: Float>(case: &RowCase<F>) -> bool {
    matches!(case, RowCase::CrossEntropy(loss) if loss.z_loss != F::ZERO)
}

/// Rows of weight 0 and ignored ones hold anything, labels that are no classes among it.
#[test]
fn rows_left_out_are_not_looked_at() {
    fn check<F: Tested>() {
        let mut random = Random(4);
        for (number, case) in row_cases::<F>().into_iter().enumerate() {
            for kind in 3..13 {
                let classes = CLASSES[(number + kind) % CLASSES.len()];
                let mut data =
                    RowData::new(Shape::Normal(3.0), 5, classes, classes + number % 2, kind as u64);
                let weights: Vec<F> = [1.0, -0.5, 0.0, 2.0, 0.0].map(F::from_f64).to_vec();
                let mut ignored = false;
                if let RowCase::CrossEntropy(SoftmaxCrossEntropy { ignore_index: Some(index), .. }) = case {
                    data.labels[1] = index;
                    ignored = true;
                }
                for row in [1, 2, 4].into_iter().skip(usize::from(!ignored)) {
                    let logits = &mut data.logits[row * data.stride..][..classes];
                    spoil(logits, random.below(classes), kind, &mut random);
                }
                for row in [2, 4] {
                    data.labels[row] = [classes as i64, -1, i64::MIN, i64::MAX][(number + kind) % 4];
                    data.targets.iter_mut().for_each(|targets| targets[row * data.stride] = -F::NAN);
                }
                for labelled in [true, false] {
                    let call =
                        RowCall { weights: Some(&weights), ..data.call(case, labelled, kind % 2 == 0) };
                    // Where there are targets, the second row is none that is left out.
                    if labelled || !ignored {
                        call.check(&format!("{case:?}, kind {kind}, rows of {classes}"));
                    }
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// Nothing takes part.
#[test]
fn all_rows_ignored() {
    fn check<F: Tested>() {
        for case in row_cases::<F>() {
            let index = match case {
                RowCase::CrossEntropy(loss) => loss.ignore_index,
                RowCase::Nll(loss) => loss.ignore_index,
                _ => None,
            };
            let Some(index) = index else { continue };
            for rows in [1, 33, 70] {
                let mut data = RowData::new(Shape::Normal(3.0), rows, 6, 6, 1);
                data.labels.fill(index);
                data.logits[0] = F::NAN;
                for weighted in [true, false] {
                    let call = data.call(case, true, weighted);
                    call.check("all rows ignored");
                    for level in Level::available() {
                        let run = |end| call.run(level, end, Out::default());
                        let total = run(End::Total).expect("rows that fit").total();
                        assert_eq!((total.sum(), total.weight(), total.count()), (F::ZERO, F::ZERO, 0));
                        assert_eq!(run(End::Mean), Err(Error::Empty));
                        assert_eq!(run(End::Sum).expect("rows that fit").value(), F::ZERO);
                        assert_eq!(total.mean(), Err(Error::Empty));
                    }
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// No rows at all.
#[test]
fn no_rows() {
    fn check<F: Tested>() {
        for case in row_cases::<F>() {
            for labelled in [true, false] {
                let mut data = RowData::new(Shape::Normal(3.0), 1, 6, 6, 1);
                data.labels.clear();
                let call = data.call(case, labelled, false);
                let to = if labelled { call.to } else { To::Targets(&[]) };
                let call = RowCall { logits: &[], to, ..call };
                for level in Level::available() {
                    let run = |end| call.run(level, end, Out::default());
                    assert_eq!(run(End::Sum).expect("no rows").value(), F::ZERO);
                    assert_eq!(run(End::Mean), Err(Error::Empty));
                    assert_eq!(run(End::Total).expect("no rows").total(), fused_loss::Total::default());
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// The last row may end where its classes do.
#[test]
fn a_last_row_without_room() {
    fn check<F: Tested>() {
        for case in row_cases::<F>() {
            let mut data = RowData::<F>::new(Shape::Normal(3.0), 3, 5, 9, 1);
            data.logits.truncate(2 * 9 + 5);
            data.targets.iter_mut().for_each(|targets| targets.truncate(2 * 9 + 5));
            for labelled in [true, false] {
                data.call(case, labelled, labelled).check("a last row without room");
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// A class whose weight is 0 adds nothing, however improbable its label is; a row that is no number stays none.
#[test]
fn class_weights_of_zero() {
    fn check<F: Tested>() {
        let case = RowCase::CrossEntropy(cross_entropy::<F>());
        let (ninf, nan) = (-F::INFINITY, F::NAN);
        let logits = [F::ONE, ninf, F::ZERO, F::ONE, nan, F::ZERO, F::ONE, F::ZERO, F::ZERO];
        let call = RowCall {
            case,
            logits: &logits,
            classes: 3,
            stride: 3,
            to: To::Labels(&[1, 1, 1]),
            weights: None,
            class_weights: Some(&[F::ONE, F::ZERO, F::ONE]),
            scale: F::ONE,
        };
        call.check("a class of weight 0");
    }
    check::<f32>();
    check::<f64>();
}

/// What becomes of a target, by class weights below 0 or by smoothing, has no domain: only what is given has.
#[test]
fn class_weights_below_zero() {
    fn check<F: Tested>() {
        for case in row_cases::<F>() {
            for classes in [1, 3, 40] {
                let mut data = RowData::new(Shape::Normal(3.0), 5, classes, classes, 6);
                data.class_weights
                    .iter_mut()
                    .step_by(2)
                    .for_each(|weight: &mut F| *weight = -*weight - F::HALF);
                for labelled in [true, false] {
                    let call = data.call(case, labelled, true);
                    if call.weighs_classes() {
                        call.check(&format!("{case:?}, labelled {labelled}, rows of {classes}"));
                    }
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// All of a label goes to the other classes; and targets above 1, of which smoothing takes more than there is.
#[test]
fn all_goes_to_other_classes() {
    fn check<F: Tested>(amount: f64, factor: f64) {
        for classes in 1..140 {
            let smoothing = Smoothing::OtherClasses(F::from_f64(amount));
            let case = RowCase::CrossEntropy(SoftmaxCrossEntropy { smoothing, ..cross_entropy() });
            let mut data = RowData::<F>::new(Shape::Normal(3.0), 3, classes, classes, classes as u64);
            data.targets[0].iter_mut().for_each(|y| *y = *y * F::from_f64(factor));
            data.call(case, true, false).check(&format!("{case:?}, labels, rows of {classes}"));
            data.call(case, false, false).check(&format!("{case:?}, targets, rows of {classes}"));
        }
    }
    for (amount, factor) in [(1.0, 1.0), (0.98, 5.0)] {
        check::<f32>(amount, factor);
        check::<f64>(amount, factor);
    }
}

/// Nothing is left of a label that gives all away: masked, its class has no loss and no slope.
#[test]
fn a_masked_label_may_give_all_away() {
    fn check<F: Float>() {
        for classes in 2..70 {
            let smoothing = Smoothing::OtherClasses(F::ONE);
            let mut logits: Vec<F> = (0..classes).map(|class| F::from_f64(class as f64 * 0.37)).collect();
            logits[classes - 1] = -F::INFINITY;
            let mut grad = vec![F::NAN; classes];
            for level in Level::available() {
                let loss = SoftmaxCrossEntropy { smoothing, ..cross_entropy() };
                let label = [classes as u16 - 1];
                let rows = loss.rows(&logits, classes).labels(&label).level(level);
                let value = rows.gradient(&mut grad).sum().unwrap();
                assert!(value.finite(), "{level}, {classes} classes: {value:?}");
                assert!(grad[classes - 1] == F::ZERO, "{level}, {classes} classes: {:?}", grad[classes - 1]);
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// A difference beyond the largest number is no longer that over a temperature.
#[test]
fn temperatures_bring_differences_back() {
    for classes in [2, 70] {
        let mut logits = vec![0.0; classes];
        (logits[0], logits[1]) = (3e38_f32, -3e38);
        let mut targets = vec![0.0; classes];
        targets[1] = 0.5;
        for level in Level::available() {
            let loss = SoftmaxCrossEntropy { temperature: 4.0, ..cross_entropy() };
            let rows = loss.rows(&logits, classes);
            assert_eq!(rows.labels(&[1_u8]).level(level).sum(), Ok(1.5e38), "{level}");
            assert_eq!(loss.rows(&logits, classes).targets(&targets).level(level).sum(), Ok(0.75e38));
        }
    }
}

/// The exponential of a class far below the others is no normal number, but its slope may be one again.
#[test]
fn a_factor_raises_small_slopes() {
    let mut grad = [0.0_f32; 2];
    for level in Level::available() {
        let rows = SoftmaxCrossEntropy::default().rows(&[0.0_f32, -97.3], 2).labels(&[0_u8]);
        rows.level(level).scale(65_536.0).gradient(&mut grad).sum().unwrap();
        let exact = (-f64::from(97.3_f32)).exp() * 65_536.0;
        let ulps = (f64::from(grad[1]) - exact).abs() * 2_f64.powi(148);
        assert!(ulps < 4.0, "{level}: {:?} for {exact:e} is {ulps:.1} ULP off", grad[1]);
    }
}

/// Slopes are numbers as long as the exact ones are, however close the factor comes to the largest number.
#[test]
fn a_factor_may_be_huge() {
    fn check<F: Tested>() {
        for classes in [3, 70] {
            let data = RowData::<F>::new(Shape::Normal(3.0), 3, classes, classes, 11);
            let labels: Vec<_> = data.labels.iter().map(|&label| label as u64).collect();
            for (level, down) in Level::available().flat_map(|level| [13, 12, 11, 2].map(|n| (level, n))) {
                let down = F::from_count(1 << down);
                let mut slopes = [vec![F::ZERO; data.logits.len()], vec![F::ZERO; data.logits.len()]];
                for (slopes, scale) in slopes.iter_mut().zip([F::ONE, F::MAX / down]) {
                    let rows = SoftmaxCrossEntropy::default().rows(&data.logits, classes).labels(&labels);
                    rows.level(level).scale(scale).gradient(slopes).sum().unwrap();
                }
                let expected = slopes[0].iter().map(|slope| slope.to_f64() * (F::MAX / down).to_f64());
                for (slope, expected) in slopes[1].iter().zip(expected) {
                    // Both have an error of their own.
                    let off = (slope.to_f64() / expected - 1.0).abs() * 2_f64.powi(F::SIGNIFICAND as i32 - 1);
                    assert!(off <= 10.0, "{} {level}: {slope:?} for {expected:e}, {off} ULP", F::NAME);
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// A masked class has no slope, however large the factor of the others is.
#[test]
fn a_factor_leaves_masked_classes_alone() {
    fn check<F: Tested>(scales: [f64; 3]) {
        let loss = SoftmaxCrossEntropy::default();
        for (classes, scale) in [3, 40, 70, 1000].into_iter().flat_map(|n| scales.map(|scale| (n, scale))) {
            let mut logits = RowData::<F>::new(Shape::Normal(3.0), 2, classes, classes, 12).logits;
            let masked = |at: usize| at % classes % 3 == 1;
            for at in (0..logits.len()).filter(|&at| masked(at)) {
                logits[at] = -F::INFINITY;
            }
            for level in Level::available() {
                let slopes = |scale: F| {
                    let (mut apart, mut place) = (vec![F::NAN; logits.len()], logits.clone());
                    let rows = loss.rows(&logits, classes).labels(&[0_u8, 2]).level(level);
                    rows.scale(scale).gradient(&mut apart).sum().unwrap();
                    let rows = loss.rows_in_place(&mut place, classes).labels(&[0_u8, 2]).level(level);
                    rows.scale(scale).sum().unwrap();
                    assert_eq!(apart, place, "{} {level}, {classes} classes", F::NAME);
                    apart
                };
                let scale = F::from_f64(scale);
                for (at, (slope, plain)) in slopes(scale).into_iter().zip(slopes(F::ONE)).enumerate() {
                    let what = format!("{} {level}, class {} of {classes}", F::NAME, at % classes);
                    assert_eq!(slope == F::ZERO, masked(at), "{what}: {slope:?}");
                    let off = (slope.to_f64() / scale.to_f64() - plain.to_f64()).abs();
                    let ulp = plain.to_f64().abs() * 2_f64.powi(1 - F::SIGNIFICAND as i32);
                    assert!(off <= 6.0 * ulp, "{what}: {slope:?} for {plain:?}");
                }
            }
        }
    }
    check::<f32>([1e10, 1e20, 1e36]);
    check::<f64>([1e20, 1e30, 1e300]);
}

/// A row with NaN is right about nothing, though its greatest number may be the label's.
#[test]
fn a_row_with_nan_is_no_hit() {
    for classes in [1, 2, 70] {
        for smoothing in [0.0, 0.1] {
            let loss =
                SoftmaxCrossEntropy { smoothing: Smoothing::AllClasses(smoothing), ..Default::default() };
            let mut logits = vec![f32::NAN; 3 * classes];
            logits[classes] = 3.0;
            logits[2 * classes..].fill(0.0);
            for level in Level::available() {
                let mut hits = [true; 3];
                let rows = loss.rows(&logits, classes).labels(&[0_u8; 3]).hits(&mut hits);
                assert!(rows.level(level).sum().unwrap().is_nan());
                assert_eq!(hits, [false, classes == 1, true], "{level}, {classes} classes, {smoothing}");
            }
        }
    }
}

/// A log-sum-exp beyond the largest number is infinite, and not its greatest logit.
#[test]
fn a_log_sum_exp_may_overflow() {
    for classes in [2, 70] {
        let loss = SoftmaxCrossEntropy { temperature: 0.5, ..Default::default() };
        let mut logits = vec![0.0_f32; 2 * classes];
        logits[0] = 3e38;
        logits[classes..].fill(-3e38);
        for level in Level::available() {
            let mut sums = [0.0; 2];
            let rows = loss.rows(&logits, classes).labels(&[0_u8; 2]).log_sum_exp(&mut sums);
            rows.level(level).sum().unwrap();
            assert_eq!(sums, [f32::INFINITY, -f32::INFINITY], "{level}, {classes} classes");
        }
    }
}

#[test]
fn strides_and_classes_beyond_all_memory_are_refused() {
    let logits = [1.0_f32, 2.0];
    let loss = SoftmaxCrossEntropy::default();
    assert!(loss.rows(&logits, usize::MAX).labels(&[0_u8]).sum().is_err());
    assert!(loss.rows(&logits, 2).stride(usize::MAX).labels(&[0_u8, 1]).sum().is_err());
    let one = loss.rows(&logits, 2).labels(&[0_u8]).sum();
    assert_eq!(loss.rows(&logits, 2).stride(usize::MAX).labels(&[0_u8]).sum(), one);
}
