//! Losses over rows: the same bits wherever a row lies and however rows are split, and what does not change a loss.

use fused_loss::{Float, Level, RowLosses, SoftmaxCrossEntropy, Total};

use crate::support::oracle::Shifted;
use crate::support::reference::Tested;
use crate::support::row_call::{End, Out, RowCall, To};
use crate::support::row_oracle::{Outputs, assert_bits, untouched};
use crate::support::row_reference::RowCase;
use crate::support::row_samples::{RowData, Shape, cross_entropies, cross_entropy, row_cases};
use crate::support::same;
use crate::support::samples::Random;

/// A call's rows from one to another.
fn part<'a, F: Float>(call: &RowCall<'a, F>, from: usize, to: usize) -> RowCall<'a, F> {
    let end = |all: &[F]| if to == call.rows() { all.len() } else { to * call.stride };
    RowCall {
        logits: &call.logits[from * call.stride..end(call.logits)],
        to: match call.to {
            To::Targets(all) => To::Targets(&all[from * call.stride..end(all)]),
            To::Labels(labels) => To::Labels(&labels[from..to]),
        },
        weights: call.weights.map(|weights| &weights[from..to]),
        ..*call
    }
}

fn kinds_of_calls() -> impl Iterator<Item = (bool, bool)> {
    [(true, false), (true, true), (false, false), (false, true)].into_iter()
}

/// Of several greatest logits it is the first one that counts, wherever they lie: in the same register, or far apart.
#[test]
fn the_first_of_the_greatest() {
    fn check<F: Tested>() {
        for classes in [40, 130, 1_031, 5_003, 33_001, 66_000] {
            let mut places = [0, 1, 17, 120, classes / 3, classes / 2 + 1, classes - 18, classes - 1];
            places.iter_mut().for_each(|place| *place = (*place).min(classes - 1));
            places.sort();
            for (number, &first) in places.iter().enumerate() {
                let after = &places[number..];
                // A row for each place behind it that has the same logit, and is its label.
                let data = RowData::<F>::new(Shape::Normal(3.0), after.len(), classes, classes, 5);
                let mut logits = data.logits.clone();
                for (row, &place) in after.iter().enumerate() {
                    for at in [first, place] {
                        logits[row * classes + at] = F::from_f64(50.0);
                    }
                }
                let labels: Vec<i64> = after.iter().map(|&place| place as i64).collect();
                let right: Vec<bool> = labels.iter().map(|&label| label == first as i64).collect();
                for level in Level::available() {
                    let mut hits = vec![false; after.len()];
                    let rows = SoftmaxCrossEntropy::default().rows(&logits, classes).labels(&labels);
                    rows.hits(&mut hits).level(level).sum().unwrap();
                    assert_eq!(hits, right, "{level}, rows of {classes}, the first at {first}");
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// A row alone has the bits that it has among others.
#[test]
fn a_row_does_not_know_its_place() {
    fn check<F: Tested>() {
        for (number, case) in row_cases::<F>().into_iter().enumerate() {
            for classes in [3, 34, 130] {
                let data = RowData::new(Shape::Normal(3.0), 37, classes, classes + number % 3, number as u64);
                for (labelled, weighted) in kinds_of_calls() {
                    let call = data.call(case, labelled, weighted);
                    for level in Level::available() {
                        let what = format!("{case:?}, {level}, rows of {classes}");
                        let all = call.outputs(level, &what);
                        for row in [0, 1, 15, 31, 32, 36] {
                            assert_alone(&call, &all, row, level, &what);
                        }
                    }
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// The same of rows of few classes, of which as many lie side by side as a register has lanes, with rows among them that have
/// no greatest logit.
#[test]
fn a_row_of_few_classes_does_not_know_its_place() {
    fn check<F: Tested>() {
        for (number, case) in row_cases::<F>().into_iter().enumerate() {
            for classes in [4, 7 + number % 3, 16, 33, 63, 64, 65] {
                let stride = classes + number % 2;
                let mut data = RowData::new(Shape::Normal(3.0), 67, classes, stride, number as u64);
                data.logits[35 * stride + 2] = F::NAN;
                data.logits[36 * stride + classes - 1] = F::INFINITY;
                data.logits[66 * stride..].fill(-F::INFINITY);
                let greatest = F::from_f64(20.0);
                (data.logits[3 * stride + 1], data.logits[3 * stride + 3]) = (greatest, greatest);
                let (labelled, weighted) = kinds_of_calls().nth(number % 4).unwrap_or_default();
                for (labelled, weighted) in [(labelled, weighted), (!labelled, !weighted)] {
                    let call = data.call(case, labelled, weighted);
                    for level in Level::available() {
                        let what = format!("{case:?}, {level}, rows of {classes}");
                        let all = call.outputs(level, &what);
                        for row in [0, 3, 20, 31, 32, 34, 35, 36, 37, 63, 65, 66] {
                            assert_alone(&call, &all, row, level, &what);
                        }
                    }
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// The same of rows so long that others are looked at meanwhile, with rows among them that have no greatest logit.
#[test]
fn a_long_row_does_not_know_its_place() {
    fn check<F: Tested>() {
        for (number, case) in cross_entropies::<F>().into_iter().enumerate() {
            // The first case has no options, and so the next rows are looked at meanwhile: it has every length.
            let shapes = [(23, 517), (9, 1_031), (8, 5_003), (8, 33_001), (9, 8_961)];
            let shapes = if number == 0 { &shapes[..] } else { &shapes[number % 4..][..1] };
            for &(rows, classes) in shapes {
                let mut data =
                    RowData::new(Shape::Normal(3.0), rows, classes, classes + number % 2, number as u64);
                data.logits[data.stride + 7] = F::NAN;
                data.logits[2 * data.stride + classes - 1] = F::INFINITY;
                data.logits[(rows - 2) * data.stride..][..classes].fill(-F::INFINITY);
                // Greatest logits behind all that goes in large steps.
                for row in 3..rows - 2 {
                    data.logits[row * data.stride + classes - 1] = F::from_f64(20.0);
                }
                for weighted in [false, true] {
                    let call = data.call(case, true, weighted);
                    for level in Level::available() {
                        let what = format!("{case:?}, {level}, rows of {classes}");
                        let all = call.outputs(level, &what);
                        for row in 0..rows {
                            assert_alone(&call, &all, row, level, &what);
                        }
                    }
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// A row has the outputs that it has among others.
fn assert_alone<F: Tested>(call: &RowCall<F>, all: &Outputs<F>, row: usize, level: Level, what: &str) {
    let alone = part(call, row, row + 1).outputs(level, what);
    assert!(same(alone.losses[0], all.losses[row]), "{what}: loss {row}");
    assert!(same(alone.log_sums[0], all.log_sums[row]), "{what}: log-sum-exp {row}");
    assert_eq!(alone.hits[0], all.hits[row], "{what}: hit {row}");
    let there = &all.gradient[row * call.stride..][..call.classes];
    let equal = alone.gradient.iter().zip(there).all(|(&a, &b)| same(a, b));
    assert!(equal, "{what}: gradient of row {row}");
}

/// Inputs that lie anywhere in memory.
#[test]
fn offsets_do_not_matter() {
    fn check<F: Tested>() {
        for (number, case) in row_cases::<F>().into_iter().enumerate() {
            let classes = 5 + 9 * (number % 8);
            let data = RowData::new(Shape::Normal(3.0), 4, classes, classes + 1, number as u64);
            for (labelled, weighted) in kinds_of_calls() {
                let call = data.call(case, labelled, weighted);
                for level in Level::available() {
                    let what = format!("{case:?}, {level}, rows of {classes}");
                    let here = call.outputs(level, &what);
                    for offset in 1..9 {
                        let shifted = |numbers: &[F], more: usize| Shifted::new(numbers, offset + more);
                        let logits = shifted(call.logits, 0);
                        let targets =
                            if let To::Targets(all) = call.to { shifted(all, 1) } else { shifted(&[], 0) };
                        let weights = call.weights.map(|weights| shifted(weights, 2));
                        let class_weights = call.class_weights.map(|weights| shifted(weights, 3));
                        let to = match call.to {
                            To::Targets(_) => To::Targets(targets.get()),
                            labels => labels,
                        };
                        let moved = RowCall {
                            logits: logits.get(),
                            to,
                            weights: weights.as_ref().map(Shifted::get),
                            class_weights: class_weights.as_ref().map(Shifted::get),
                            ..call
                        };
                        assert_bits(&moved.outputs(level, &what), &here, &format!("{what}, offset {offset}"));
                    }
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// Totals of parts that are cut between groups of rows merge to the bits of the whole, in any order.
#[test]
fn parts_merge() {
    fn check<F: Tested>() {
        let group = Total::<F>::ROWS;
        for (number, case) in row_cases::<F>().into_iter().enumerate() {
            let (rows, classes) = [(3 * group, 5), (2 * group + 7, 33), (4 * group + 1, 2)][number % 3];
            let data = RowData::new(Shape::Normal(3.0), rows, classes, classes, number as u64);
            for (labelled, weighted) in kinds_of_calls() {
                let call = data.call(case, labelled, weighted);
                for level in Level::available() {
                    let what = format!("{case:?}, {level}, {rows} rows of {classes}");
                    let total =
                        |part: &RowCall<F>, end| part.run(level, end, Out::default()).expect("rows").total();
                    let (whole, divisor) = (total(&call, End::Total), total(&call, End::Divisor));
                    let mut cuts: Vec<_> = (0..rows).step_by(group).collect();
                    Random(number as u64).shuffle(&mut cuts);
                    let (mut merged, mut merged_divisor) = (Total::default(), Total::default());
                    for from in cuts {
                        let part = part(&call, from, rows.min(from + group));
                        merged.merge(&total(&part, End::Total));
                        merged_divisor.merge(&total(&part, End::Divisor));
                    }
                    assert_eq!(merged, whole, "{what}");
                    assert_eq!(merged_divisor, divisor, "{what}");
                    if let Ok(mean) = merged.over_weight_of(&merged_divisor) {
                        let direct = call.run(level, End::Mean, Out::default()).expect("rows").value();
                        assert!(same(mean, direct), "{what}: the mean of parts is {mean:?}, not {direct:?}");
                    }
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// The slopes of a row without a z-loss and a cap sum to nothing, as far as they are rounded.
#[test]
fn slopes_sum_to_nothing() {
    fn check<F: Tested>() {
        let unit = 2_f64.powi(-(F::SIGNIFICAND as i32));
        for case in row_cases::<F>() {
            let shaped = match case {
                RowCase::CrossEntropy(loss) => loss.soft_cap.is_some() || loss.z_loss != F::ZERO,
                case => matches!(case, RowCase::Nll(_)),
            };
            for classes in [1, 2, 31, 32, 200].into_iter().filter(|_| !shaped) {
                let data = RowData::new(Shape::Normal(3.0), 5, classes, classes, 7);
                for (labelled, weighted) in kinds_of_calls() {
                    for level in Level::available() {
                        let gradient =
                            data.call(case, labelled, weighted).outputs(level, "sum of slopes").gradient;
                        for row in gradient.chunks(classes) {
                            let sum: f64 = row.iter().map(|slope| slope.to_f64()).sum();
                            let size: f64 = row.iter().map(|slope| slope.to_f64().abs()).sum();
                            // Each is as far off as the largest of what it is a difference of.
                            let bound = 16.0 * unit * (size + 4.0);
                            assert!(
                                sum.abs() <= bound,
                                "{case:?}, {level}: {sum} of {size}, rows of {classes}"
                            );
                        }
                    }
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// Multiples of 1/4 and a constant that leaves them exact: the row's loss and slopes are as near as without it.
#[test]
fn a_constant_does_not_matter() {
    fn check<F: Tested>() {
        let mut random = Random(11);
        for classes in [2, 5, 33, 100] {
            let logits: Vec<F> =
                (0..classes).map(|_| F::from_f64(random.below(80) as f64 * 0.25 - 10.0)).collect();
            let labels = [random.below(classes) as i64];
            for constant in [0.0, 1.0, -16.0, 1024.0, -4096.0, 65536.0, 1048576.0] {
                let logits: Vec<F> = logits.iter().map(|&z| z + F::from_f64(constant)).collect();
                let call = |logits| RowCall {
                    case: RowCase::CrossEntropy(cross_entropy::<F>()),
                    logits,
                    classes,
                    stride: classes,
                    to: To::Labels(&labels),
                    weights: None,
                    class_weights: None,
                    scale: F::ONE,
                };
                let near: Vec<F> = logits.iter().map(|&z| z - F::from_f64(constant)).collect();
                // The truth of the row without the constant holds for the row with it.
                let truth = call(&near).truth();
                for level in Level::available() {
                    let found = call(&logits).outputs(level, "a constant");
                    let what = format!("{level}, rows of {classes} with {constant}");
                    assert!(truth[0].loss.error(found.losses[0]) <= 1.0, "{what}: {:?}", found.losses);
                    for (slope, &found) in truth[0].slopes.iter().zip(&found.gradient) {
                        assert!(slope.error(found) <= 1.0, "{what}: {found:?}, {slope:?}");
                    }
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// Classes in another order have the same slopes, but for the rounding of the sum.
#[test]
fn the_order_of_classes_does_not_matter() {
    fn check<F: Tested>() {
        let unit = 2_f64.powi(-(F::SIGNIFICAND as i32));
        for (number, case) in row_cases::<F>().into_iter().enumerate() {
            let classes = [2, 7, 40, 131][number % 4];
            let data = RowData::new(Shape::Normal(3.0), 1, classes, classes, number as u64);
            let mut order: Vec<usize> = (0..classes).collect();
            Random(number as u64).shuffle(&mut order);
            let moved = |numbers: &[F]| order.iter().map(|&class| numbers[class]).collect::<Vec<F>>();
            let (logits, class_weights) = (moved(&data.logits), moved(&data.class_weights));
            for (labelled, weighted) in kinds_of_calls() {
                let call = data.call(case, labelled, weighted);
                let targets = if let To::Targets(targets) = call.to { moved(targets) } else { vec![] };
                let label = [order.iter().position(|&class| class as i64 == data.labels[0]).unwrap() as i64];
                let to = if labelled { To::Labels(&label) } else { To::Targets(&targets) };
                if call.ignored(0) != (RowCall { to, ..call }).ignored(0) {
                    continue;
                }
                let class_weights = call.class_weights.map(|_| &class_weights[..]);
                let other = RowCall { logits: &logits, to, class_weights, ..call };
                for level in Level::available() {
                    let (here, there) =
                        (call.outputs(level, "in order"), other.outputs(level, "in another order"));
                    let near = |a: F, b: F, size: f64| {
                        let bound = 40.0 * unit * (a.to_f64().abs() + size);
                        assert!(
                            same(a, b) || (a.to_f64() - b.to_f64()).abs() <= bound,
                            "{case:?}: {a:?}, {b:?}"
                        );
                    };
                    near(here.losses[0], there.losses[0], 4.0);
                    let slopes = moved(&here.gradient);
                    slopes.iter().zip(&there.gradient).for_each(|(&a, &b)| near(a, b, 2.0));
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// Slopes are derivatives of the losses.
#[test]
fn slopes_are_differences() {
    let h = 1e-4;
    for case in row_cases::<f64>() {
        for classes in [1, 2, 6] {
            let data = RowData::<f64>::new(Shape::Normal(2.0), 3, classes, classes, 5);
            for (labelled, weighted) in kinds_of_calls() {
                let call = data.call(case, labelled, weighted);
                for level in Level::available() {
                    let gradient = call.outputs(level, "slopes").gradient;
                    for (i, &slope) in gradient.iter().enumerate() {
                        let at = |x: f64| {
                            let mut logits = data.logits.clone();
                            logits[i] += x;
                            let moved = RowCall { logits: &logits, ..call };
                            moved.run(level, End::Sum, Out::default()).expect("rows").value()
                        };
                        let difference =
                            (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h) * call.scale;
                        // A log-probability of 0 is -inf: the loss is infinite on both sides.
                        let near = (slope - difference).abs() <= 1e-9 * (1.0 + slope.abs());
                        assert!(
                            near || difference.is_nan(),
                            "{case:?}, {level}, {i}: {slope} for {difference}"
                        );
                    }
                }
            }
        }
    }
}

/// Labels of every type name the same classes.
#[test]
fn labels_of_every_type() {
    use fused_loss::RowLosses;
    let data = RowData::<f32>::new(Shape::Normal(3.0), 40, 100, 100, 1);
    macro_rules! check {
        ($loss:expr, $($integer:ty)*) => {
            let mut expected = vec![untouched::<f32>(); data.logits.len()];
            let rows = $loss.rows(&data.logits, 100).labels(&data.labels);
            let sum = rows.gradient(&mut expected).sum().expect("rows that fit");
            $(
                let labels: Vec<$integer> = data.labels.iter().map(|&label| label as $integer).collect();
                let mut gradient = vec![untouched::<f32>(); data.logits.len()];
                let rows = $loss.rows(&data.logits, 100).labels(&labels);
                assert_eq!(rows.gradient(&mut gradient).sum(), Ok(sum));
                assert_eq!(gradient, expected);
            )*
        };
    }
    check!(cross_entropy::<f32>(), u8 u16 u32 u64 i32 i64);
    check!(fused_loss::NegativeLogLikelihood::default(), u8 u16 u32 u64 i32 i64);
    check!(fused_loss::SoftmaxKl::<f32>::default(), u8 u16 u32 u64 i32 i64);
    check!(fused_loss::JensenShannon::<f32>::default(), u8 u16 u32 u64 i32 i64);
}

/// Few classes are added up so well that the order of them shows in the last place of one loss in two hundred, if at all.
#[test]
fn the_order_of_few_classes_hardly_matters() {
    fn check<F: Tested>() {
        let mut random = Random(17);
        for classes in [3, 10, 33, 64] {
            let mut others = 0;
            for _ in 0..1000 {
                let mut row: Vec<F> = (0..classes).map(|_| F::from_f64(8.0 * random.unit())).collect();
                row.sort_by(|a, b| a.partial_cmp(b).unwrap());
                let last = row[classes - 1];
                let loss = |row: &[F], label: usize| {
                    SoftmaxCrossEntropy::default().rows(row, classes).labels(&[label as u32]).sum().unwrap()
                };
                let upwards = loss(&row, classes - 1);
                row.reverse();
                assert_eq!(row[0], last);
                others += usize::from(loss(&row, 0) != upwards);
            }
            assert!(others <= 5, "{} of 1000 rows of {classes} classes", others);
        }
    }
    check::<f32>();
    check::<f64>();
}
