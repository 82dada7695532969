//! Rows whose classes are split over workers, and the softmax alone.

use std::ops::Range;

use fused_loss::{
    Error, Float, Level, RowLosses, RowMax, RowShard, RowSum, Smoothing, Softmax, SoftmaxCrossEntropy, Total,
};

use crate::support::samples::Random;
use crate::support::{is_nan, same};

fn number<F: Float>(x: f64) -> F {
    F::from_f64(x)
}

fn numbers<F: Float>(count: usize, seed: u64) -> Vec<F> {
    let mut random = Random(seed);
    (0..count).map(|_| number(3.0 * random.normal())).collect()
}

fn equal<F: Float>(some: &[F], other: &[F]) -> bool {
    some.len() == other.len() && some.iter().zip(other).all(|(&a, &b)| same(a, b))
}

/// The options that shards take.
fn losses<F: Float>() -> [SoftmaxCrossEntropy<F>; 3] {
    let plain = SoftmaxCrossEntropy::default();
    [
        plain,
        SoftmaxCrossEntropy { temperature: number(1.75), z_loss: number(0.01), ..plain },
        SoftmaxCrossEntropy { soft_cap: Some(number(2.5)), ..plain },
    ]
}

/// What all shards come to, merged in the order of `order`.
fn merged<F: Float>(shards: &[RowShard<'_, F>], order: &[usize], label: usize) -> (RowMax<F>, RowSum<F>) {
    let mut max = shards[order[0]].max();
    for &shard in &order[1..] {
        max.merge(&shards[shard].max());
    }
    let mut sum = shards[order[0]].sum(&max, label);
    for &shard in &order[1..] {
        sum.merge(&shards[shard].sum(&max, label));
    }
    (max, sum)
}

#[test]
fn shards_have_the_bits_of_the_whole_in_any_order() {
    fn check<F: Float>() {
        let block = Total::<F>::BLOCK;
        let (classes, mut random) = (3 * block + 1_001, Random(7));
        let logits = numbers::<F>(classes, 1);
        let greatest =
            (0..classes).fold(0, |most, class| if logits[class] > logits[most] { class } else { most });
        for (number_of, loss) in losses::<F>().into_iter().enumerate() {
            for label in [0, block, greatest, classes - 1] {
                for level in Level::available() {
                    let mut whole = vec![F::ZERO; classes];
                    let (label_of_row, mut log_sum) = ([label as u32], [F::ZERO]);
                    let call = loss.rows(&logits, classes).labels(&label_of_row).level(level);
                    let expected = call.gradient(&mut whole).log_sum_exp(&mut log_sum).sum().unwrap();
                    for cuts in [vec![0, block], vec![0, 2 * block], vec![0, block, 2 * block, 3 * block]] {
                        let ends = cuts.iter().skip(1).copied().chain([classes]);
                        let shards: Vec<_> = cuts
                            .iter()
                            .zip(ends)
                            .map(|(&from, to)| loss.shard(&logits[from..to], from).level(level))
                            .collect();
                        let mut order: Vec<_> = (0..shards.len()).collect();
                        random.shuffle(&mut order);
                        let (max, sum) = merged(&shards, &order, label);
                        let what = format!("options {number_of}, label {label}, {level}, order {order:?}");
                        assert_eq!(max.class(), Some(greatest), "{what}");
                        for shard in &shards {
                            let mut grad = vec![F::ZERO; shard.classes().len()];
                            let value = shard.finish(&sum, F::ONE, &mut grad).unwrap();
                            assert!(same(value, expected), "{what}: {value} for {expected}");
                            assert!(equal(&grad, &whole[shard.classes()]), "{what}: gradient");
                            assert!(
                                same(shard.log_sum_exp(&sum).unwrap(), log_sum[0]),
                                "{what}: log-sum-exp"
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

#[test]
fn parts_of_both_classes_of_rounding_merge() {
    fn check<F: Float>() {
        let (loss, logits) = (SoftmaxCrossEntropy::default(), numbers::<F>(1_000, 3));
        let mut whole = vec![F::ZERO; 1_000];
        let expected = loss.rows(&logits, 1_000).labels(&[700_u32]).gradient(&mut whole).sum().unwrap();
        for (level, other) in
            Level::available().flat_map(|one| Level::available().map(move |other| (one, other)))
        {
            let part = |range: Range<usize>| loss.shard(&logits[range.clone()], range.start);
            let shards = [part(0..300).level(level), part(300..1_000).level(other)];
            for order in [[0, 1], [1, 0]] {
                let (_, sum) = merged(&shards, &order, 700);
                let sum = RowSum::from_bytes(sum.to_bytes().as_ref()).unwrap();
                for shard in &shards {
                    let mut grad = vec![F::ZERO; shard.classes().len()];
                    let value = shard.finish(&sum, F::ONE, &mut grad).unwrap();
                    let off = ulp(value, expected.to_f64());
                    assert!(off <= 4.0, "{level} and {other}: the loss is {off} ULP off");
                    for (slope, expected) in grad.iter().zip(&whole[shard.classes()]) {
                        let off = ulp(*slope, expected.to_f64());
                        assert!(off <= 4.0, "{level} and {other}: a slope is {off} ULP off");
                    }
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn of_equal_logits_the_lowest_class_is_the_greatest() {
    let loss = SoftmaxCrossEntropy::<f32>::default();
    let logits = [2.0, 5.0, 5.0, 1.0, 5.0];
    let shards = [loss.shard(&logits[..2], 0), loss.shard(&logits[2..3], 2), loss.shard(&logits[3..], 3)];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let (max, sum) = merged(&shards, &order, 4);
        assert_eq!((max.value(), max.class()), (5.0, Some(1)));
        assert_eq!(sum.label(), 4);
    }
    assert_eq!(loss.shard(&[], 3).max().class(), None);
}

#[test]
fn parts_of_masked_classes_and_of_nan() {
    let loss = SoftmaxCrossEntropy::<f64>::default();
    let (masked, usual) = ([f64::NEG_INFINITY; 3], [1.0, 2.0]);
    let shards = [loss.shard(&masked, 0), loss.shard(&usual, 3)];
    let (_, sum) = merged(&shards, &[0, 1], 4);
    let mut grad = [f64::NAN; 3];
    let value = shards[0].finish(&sum, 1.0, &mut grad).unwrap();
    assert!((value - (-1.0_f64).exp().ln_1p()).abs() < 1e-15, "{value}");
    assert_eq!(grad, [0.0; 3]);

    let broken = [loss.shard(&[0.5, f64::NAN], 0), loss.shard(&usual, 2)];
    let (max, sum) = merged(&broken, &[1, 0], 2);
    assert_eq!(max.value(), 2.0);
    let mut grad = [0.0; 2];
    assert!(is_nan(broken[1].finish(&sum, 1.0, &mut grad).unwrap()));
    assert!(grad.iter().all(|&slope| is_nan(slope)));
}

#[test]
fn shards_refuse_what_is_wrong() {
    let loss = SoftmaxCrossEntropy::<f32>::default();
    let part = loss.shard(&[1.0, 2.0], 10);
    let sum = part.sum(&part.max(), 11);
    let length = Error::Length { what: "gradient", expected: 2, found: 3 };
    assert_eq!(part.finish(&sum, 1.0, &mut [0.0; 3]), Err(length));
    let nobody = part.sum(&part.max(), 12);
    assert!(matches!(part.finish(&nobody, 1.0, &mut []), Err(Error::Label { .. })));
    let smoothed = SoftmaxCrossEntropy { smoothing: Smoothing::AllClasses(0.1), ..loss };
    assert!(matches!(
        smoothed.shard(&[1.0, 2.0], 10).finish(&sum, 1.0, &mut []),
        Err(Error::Parameter { .. })
    ));
    let cold = SoftmaxCrossEntropy { temperature: -1.0, ..loss };
    assert!(matches!(cold.shard(&[1.0, 2.0], 10).finish(&sum, 1.0, &mut []), Err(Error::Parameter { .. })));
}

#[test]
fn bytes_of_parts_come_back_or_are_refused() {
    fn check<F: Float>() {
        let logits = numbers::<F>(1_000, 3);
        let part = SoftmaxCrossEntropy::<F>::default().shard(&logits, 5);
        let (max, sum) = (part.max(), part.sum(&part.max(), 17));
        assert_eq!(RowMax::from_bytes(&max.to_bytes()), Ok(max));
        assert_eq!(RowSum::from_bytes(sum.to_bytes().as_ref()), Ok(sum));
        let (max, sum) = (max.to_bytes(), sum.to_bytes());
        // Name, version and precision.
        for place in 0..5 {
            let (mut max, mut sum) = (max, sum);
            max[place] ^= 0x40;
            sum.as_mut()[place] ^= 0x40;
            assert!(
                matches!(RowMax::<F>::from_bytes(&max), Err(Error::Bytes { .. })),
                "byte {place} of a maximum"
            );
            let of_sum = RowSum::<F>::from_bytes(sum.as_ref());
            assert!(matches!(of_sum, Err(Error::Bytes { .. })), "byte {place} of a sum");
        }
        for place in 5..8 {
            let mut max = max;
            max[place] = 1;
            assert!(RowMax::<F>::from_bytes(&max).is_err(), "byte {place} of a maximum is a flag");
        }
        for length in 0..max.len() {
            assert!(RowMax::<F>::from_bytes(&max[..length]).is_err(), "{length} bytes of a maximum");
        }
        for length in 0..sum.as_ref().len() {
            assert!(RowSum::<F>::from_bytes(&sum.as_ref()[..length]).is_err(), "{length} bytes of a sum");
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn parameters_of_parts_are_checked() {
    let (logits, mut grad) = ([0.0_f32, 1.0], [7.0; 2]);
    let loss = SoftmaxCrossEntropy::default();
    let part = loss.shard(&logits, 0);
    let sum = part.sum(&part.max(), 0);
    for factor in [f32::NAN, f32::INFINITY] {
        let found = part.finish(&sum, factor, &mut grad);
        assert!(matches!(found, Err(Error::Parameter { name: "factor", .. })), "{factor}: {found:?}");
    }
    assert_eq!(grad, [7.0; 2]);
    let cold = SoftmaxCrossEntropy { temperature: 0.0, ..loss };
    let found = cold.shard(&logits, 0).log_sum_exp(&sum);
    assert!(matches!(found, Err(Error::Parameter { name: "temperature", .. })), "{found:?}");
}

/// How far off `found` is, in units of `F`'s last place of `expected`.
fn ulp<F: Float>(found: F, expected: f64) -> f64 {
    let unit = F::from_f64(expected).to_f64();
    let next = F::from_pattern(F::from_f64(expected.abs()).to_pattern() + 1).to_f64();
    (found.to_f64() - expected).abs() / (next - unit.abs()).abs()
}

#[test]
fn softmax_and_its_logarithm() {
    for classes in (1..=70).chain([257, 1_003, 20_001]) {
        for temperature in [1.0_f32, 0.375] {
            let logits = numbers::<f32>(3 * classes, classes as u64);
            for level in Level::available() {
                let softmax = Softmax { temperature, level: Some(level) };
                let (mut shares, mut logs, mut sums) = (logits.clone(), logits.clone(), [0.0; 3]);
                softmax.softmax(&logits, classes, &mut shares).unwrap();
                softmax.log_softmax(&logits, classes, &mut logs).unwrap();
                softmax.log_sum_exp(&logits, classes, &mut sums).unwrap();
                let (mut shares_there, mut logs_there) = (logits.clone(), logits.clone());
                softmax.softmax_in_place(&mut shares_there, classes).unwrap();
                softmax.log_softmax_in_place(&mut logs_there, classes).unwrap();
                assert!(
                    equal(&shares, &shares_there) && equal(&logs, &logs_there),
                    "{level}, {classes}: in place"
                );
                for (row, logits) in logits.chunks(classes).enumerate() {
                    let scaled: Vec<_> =
                        logits.iter().map(|&z| f64::from(z) / f64::from(temperature)).collect();
                    let max = scaled.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let sum: f64 = scaled.iter().map(|z| (z - max).exp()).sum();
                    let log_sum = max + sum.ln();
                    let at = row * classes..(row + 1) * classes;
                    let magnitude = max.abs().max(log_sum.abs()).max(1.0);
                    let off = (f64::from(sums[row]) - log_sum).abs() / magnitude / f64::from(f32::EPSILON);
                    assert!(off <= 3.0, "{level}, {classes} classes: log-sum-exp is {off} off");
                    for ((&share, &log), z) in shares[at.clone()].iter().zip(&logs[at]).zip(&scaled) {
                        let off = ulp(share, (z - max).exp() / sum);
                        let bound = if temperature == 1.0 { 4.0 } else { 4.0 + (z - max).abs() };
                        assert!(off <= bound, "{level}, {classes} classes: a share is {off} ULP off");
                        let magnitude = z.abs().max(log_sum.abs()).max(1.0);
                        let off =
                            (f64::from(log) - (z - log_sum)).abs() / magnitude / f64::from(f32::EPSILON);
                        assert!(off <= 3.0, "{level}, {classes} classes: a logarithm is {off} off");
                    }
                }
            }
        }
    }
}

#[test]
fn softmax_has_the_bits_of_its_class() {
    fn check<F: Float>() {
        for classes in [1, 2, 7, 33, 130, 1_000, Total::<F>::BLOCK + 77] {
            let logits = numbers::<F>(2 * classes, classes as u64);
            let of_level = |level| {
                let softmax = Softmax { temperature: F::ONE, level: Some(level) };
                let (mut shares, mut logs, mut sums) = (logits.clone(), logits.clone(), vec![F::ZERO; 2]);
                softmax.softmax(&logits, classes, &mut shares).unwrap();
                softmax.log_softmax(&logits, classes, &mut logs).unwrap();
                softmax.log_sum_exp(&logits, classes, &mut sums).unwrap();
                [shares, logs, sums].concat()
            };
            for level in Level::available() {
                let first = Level::available().find(|other| other.rounding() == level.rounding()).unwrap();
                assert!(
                    equal(&of_level(level), &of_level(first)),
                    "{classes} classes: {level} is not {first}"
                );
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn softmax_of_special_rows_and_wrong_calls() {
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    let softmax = Softmax::default();
    let mut shares = [0.5; 8];
    softmax.softmax(&[-inf, 3.0, -inf, -inf, 1.0, inf, nan, 2.0], 2, &mut shares).unwrap();
    assert_eq!(shares[..2], [0.0, 1.0]);
    assert!(shares[2..].iter().all(|share| share.is_nan()), "{shares:?}");
    let mut sums = [0.0; 4];
    softmax.log_sum_exp(&[-inf, 3.0, -inf, -inf, 1.0, inf, nan, 2.0], 2, &mut sums).unwrap();
    assert_eq!(sums[..3], [3.0, -inf, inf]);
    assert!(sums[3].is_nan());
    // A class that has all is certain: 0, and not below it.
    let mut logs = [1.0_f32; 2];
    softmax.log_softmax(&[3.0, -inf], 2, &mut logs).unwrap();
    assert_eq!(logs.map(f32::to_bits), [0.0, -inf].map(f32::to_bits));

    let mut room = [0.0_f32; 4];
    assert!(matches!(softmax.softmax(&[0.0; 5], 2, &mut room), Err(Error::Classes { .. })));
    assert!(matches!(softmax.softmax(&[0.0; 6], 2, &mut room), Err(Error::Length { .. })));
    assert!(matches!(softmax.log_sum_exp(&[0.0; 6], 2, &mut room), Err(Error::Rows { .. })));
    let cold = Softmax { temperature: 0.0, level: None };
    assert!(matches!(cold.softmax(&[0.0; 4], 2, &mut room), Err(Error::Parameter { .. })));
}
