//! Every loss on every level: the same elements wherever they stand, and the same bits within a rounding class.

use fused_loss::{AnyLoss, Elementwise, Float, Level, Loss, Rounding, Total};

use crate::support::oracle::{Call, check_call};
use crate::support::reference::{Case, Tested, cases, few_cases};
use crate::support::samples::{Random, any_finite, moderate, not_finite, special};
use crate::support::{next, same};

/// Pairs that fit a loss, of moderate size.
fn moderates<F: Tested>(case: &Case<F>, n: usize, seed: u64) -> (Vec<F>, Vec<F>) {
    let mut random = Random(seed);
    (0..n).map(|_| moderate(case, &mut random)).unzip()
}

/// Weights of both signs and zeros, and predictions and targets that only a mask makes right.
fn mask<F: Tested>(pred: &mut [F], target: &mut [F], seed: u64) -> Vec<F> {
    let mut random = Random(seed);
    let mut weights = Vec::new();
    for (pred, target) in pred.iter_mut().zip(target) {
        weights.push(match random.below(5) {
            0 => {
                *pred = not_finite()[random.below(4)];
                *target = [F::NAN, F::INFINITY, F::from_f64(-7.0), *target][random.below(4)];
                if random.below(2) == 0 { F::ZERO } else { -F::ZERO }
            }
            1 => F::from_f64(-random.unit()),
            _ => F::from_f64(3.0 * random.unit()),
        });
    }
    weights
}

fn every_length<F: Tested>() {
    for case in cases::<F>() {
        let (pred, target) = moderates(&case, 206, 1);
        let (mut masked_pred, mut masked_target) = (pred.clone(), target.clone());
        let weights = mask(&mut masked_pred, &mut masked_target, 2);
        for n in 0..=200 {
            // All pairs of offsets come around within 36 lengths, those of the inputs at every length of a register.
            let offsets = [n % 6, (n / 6 + 2 * n) % 6];
            let scale = F::from_f64([1.0, 0.37, -2.0, 1.0 / 3.0][n % 4]);
            let from = n % 5;
            let range = from..from + n;
            let call = Call {
                pred: &pred[range.clone()],
                target: &target[range.clone()],
                weights: None,
                scale,
                offsets,
            };
            check_call(case.loss, &case.label(), &call);
            let weighted = Call {
                pred: &masked_pred[range.clone()],
                target: &masked_target[range.clone()],
                weights: Some(&weights[range]),
                ..call
            };
            check_call(case.loss, &case.label(), &weighted);
        }
    }
}

#[test]
fn every_length_f32() {
    every_length::<f32>();
}

#[test]
fn every_length_f64() {
    every_length::<f64>();
}

/// Long batches take a loss's shorter way, up to the first pair that it does not fit.
#[test]
fn shorter_ways() {
    fn check<F: Tested>() {
        let mut random = Random(4);
        let (pred, target): (Vec<F>, Vec<F>) = (0..300)
            .map(|_| {
                let small = 2_f64.powi(-(random.below(90) as i32));
                let p = F::from_f64(random.unit() * small);
                (if random.below(2) == 0 { p } else { F::ONE - p }, F::from_count(random.below(2) as u64))
            })
            .unzip();
        let soft = (F::from_f64(0.3), F::from_f64(0.7));
        let certain = (F::ONE, F::ONE);
        let rare = (F::from_f64(2_f64.powi(-101)), F::ZERO);
        let impossible = (-F::INFINITY, F::ZERO);
        let subnormal = (F::from_f64(-0.5), F::from_pattern(3));
        let bad = (F::from_f64(0.3), F::from_f64(-1.0));
        let (infinite, huge) = ((F::from_f64(0.5), F::INFINITY), (F::from_f64(0.5), F::MAX));
        let (confident, unknown) = ((F::INFINITY, F::from_f64(0.3)), (F::NAN, F::ONE));
        // Logits of all sizes, those whose exponential is 0 too.
        let logits: Vec<F> = pred.iter().map(|&p| F::from_f64((p.to_f64() - 0.5) * 600.0)).collect();
        let of = |name, parameters: &[_]| Case::<F>::new(name, parameters).expect("in the list");
        let any: Vec<F> = pred.iter().map(|_| F::from_f64(random.unit())).collect();
        for (case, pred, target) in [
            (of("bce", &[("policy", 0.0)]), &pred, &target),
            (of("bce", &[("policy", 1.0)]), &pred, &target),
            (of("bce", &[("policy", 2.0)]), &pred, &target),
            (of("bce-with-logits", &[]), &logits, &target),
            (of("bce-with-logits", &[]), &logits, &any),
            (of("bce-with-logits", &[("pos_weight", 3.0)]), &logits, &target),
            (of("kl-divergence", &[]), &logits, &target),
            (of("kl-divergence", &[]), &logits, &any),
        ] {
            for n in (0..=200).step_by(3) {
                let others =
                    [soft, certain, rare, impossible, confident, unknown, subnormal, bad, infinite, huge];
                for other in others.map(Some).into_iter().chain([None]) {
                    let (mut pred, mut target) =
                        (pred[n / 2..n / 2 + n].to_vec(), target[n / 2..n / 2 + n].to_vec());
                    if let (Some(other), true) = (other, n > 0) {
                        let at = random.below(n);
                        (pred[at], target[at]) = other;
                    }
                    let offsets = [n % 6, n / 6 % 6];
                    let call = Call { pred: &pred, target: &target, weights: None, scale: F::ONE, offsets };
                    check_call(case.loss, &case.label(), &call);
                    // The signs of zeros too, where nothing is masked.
                    let mut of_class = [const { None }; 2];
                    for level in Level::available() {
                        let mut grad = vec![F::ZERO; n];
                        let done =
                            case.loss.batch(&pred, &target).level(level).gradient(&mut grad).sum().is_ok();
                        let bits: Vec<u64> = grad.iter().map(|x| x.to_pattern()).collect();
                        let class = &mut of_class[usize::from(level.rounding() == Rounding::Fused)];
                        let finite = done && grad.iter().all(|x| x.finite());
                        assert!(
                            !finite || *class.get_or_insert(bits.clone()) == bits,
                            "{}, {level}",
                            case.label()
                        );
                    }
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// Every pair of offsets of inputs and outputs, around a register's and a row's length.
#[test]
fn every_offset() {
    fn check<F: Tested>() {
        for case in few_cases::<F>() {
            let (pred, target) = moderates(&case, 80, 3);
            for n in [1, 7, 33, 64, 77] {
                for at in 0..36 {
                    let (pred, target) = (&pred[..n], &target[..n]);
                    let call = Call { pred, target, weights: None, scale: F::ONE, offsets: [at / 6, at % 6] };
                    check_call(case.loss, &case.label(), &call);
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// NaN and infinities, huge and tiny numbers: they touch no other element, and sums become what plain sums would.
#[test]
fn special_values_stay_where_they_are() {
    fn check<F: Tested>() {
        for case in few_cases::<F>() {
            let mut random = Random(7);
            let numbers: Vec<F> = special::<F>().into_iter().chain(not_finite()).collect();
            for round in 0..150 {
                let n = 1 + random.below(100);
                let (mut pred, mut target): (Vec<F>, Vec<F>) =
                    (0..n).map(|_| any_finite(&case, &mut random)).unzip();
                for _ in 0..round % 4 {
                    let (at, value) = (random.below(n), numbers[random.below(numbers.len())]);
                    if case.loss.pred_domain().holds(value) || crate::support::is_nan(value) {
                        pred[at] = value;
                    }
                    let (at, value) = (random.below(n), numbers[random.below(numbers.len())]);
                    if case.loss.target_domain().holds(value) {
                        target[at] = value;
                    }
                }
                let offsets = [round % 6, round % 5];
                let call = Call { pred: &pred, target: &target, weights: None, scale: F::ONE, offsets };
                check_call(case.loss, &case.label(), &call);
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// Classes that are masked, some on both sides: targets of 0 at predictions of 0, of -inf, and of what is next to no number.
#[test]
fn masked_elements() {
    fn check<F: Tested>() {
        for case in cases::<F>() {
            let masked = [F::ZERO, -F::INFINITY, F::INFINITY, F::from_pattern(1), F::NAN];
            for (round, &last) in (0..60).zip(masked.iter().cycle()) {
                let mut random = Random(round + 11);
                let (mut pred, mut target) = moderates(&case, 100 + random.below(80), round);
                for (pred, target) in pred.iter_mut().zip(&mut target) {
                    if random.below(8) == 0 && case.loss.target_domain().holds(F::ZERO) {
                        *target = F::ZERO;
                        let value = if random.below(3) == 0 { last } else { masked[random.below(2)] };
                        let fits = case.loss.pred_domain().holds(value) || crate::support::is_nan(value);
                        *pred = if fits { value } else { *pred };
                    }
                }
                let call =
                    Call { pred: &pred, target: &target, weights: None, scale: F::ONE, offsets: [0, 1] };
                check_call(case.loss, &case.label(), &call);
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// Calls around the limits of a block, whole and in shards merged in any order and grouping.
fn blocks<F: Tested>() {
    let block = Total::<F>::BLOCK;
    for case in few_cases::<F>() {
        let n = 3 * block + 7;
        let (mut pred, target) = moderates(&case, n, 8);
        // A last element so large that a forgotten block or tail shows.
        if case.loss.pred_domain().holds(F::from_f64(1e4)) {
            pred[n - 1] = F::from_f64(1e4);
        }
        let weights: Vec<F> = (0..n).map(|i| F::from_f64((i % 11) as f64 * 0.25)).collect();
        let mut of_class: [Vec<F>; 2] = Default::default();
        for level in Level::available() {
            let mut bits = Vec::new();
            for n in [block - 1, block, block + 1, n] {
                for weights in [None, Some(&weights[..n])] {
                    bits.extend(sharded(case.loss, level, &pred[..n], &target[..n], weights));
                }
            }
            let class = &mut of_class[level.rounding() as usize];
            if !class.is_empty() {
                let equal = bits.iter().zip(&*class).all(|(&a, &b)| same(a, b));
                assert!(equal, "{}, {level}: other bits than its class", case.label());
            }
            *class = bits;
        }
    }
}

/// Sum and gradient of the whole call, after shards have been found to give the same.
fn sharded<F: Float>(
    loss: AnyLoss<F>,
    level: Level,
    pred: &[F],
    target: &[F],
    weights: Option<&[F]>,
) -> Vec<F> {
    let (n, block) = (pred.len(), Total::<F>::BLOCK);
    let mut whole = vec![F::NAN; n];
    let mut batch = loss.batch(pred, target).level(level).gradient(&mut whole);
    if let Some(weights) = weights {
        batch = batch.weights(weights);
    }
    let mean = batch.mean().expect("pairs that fit");

    let mut gradient = vec![F::NAN; n];
    let mut totals = Vec::new();
    for (index, part) in gradient.chunks_mut(block).enumerate() {
        let range = index * block..index * block + part.len();
        let shard = loss.batch(&pred[range.clone()], &target[range.clone()]).level(level);
        let shard = match weights {
            Some(weights) => shard.weights(&weights[range]),
            None => shard,
        };
        totals.push(
            shard.gradient(part).scale(F::ONE / F::from_count(n as u64)).total().expect("pairs that fit"),
        );
    }
    assert!(gradient.iter().zip(&whole).all(|(&a, &b)| same(a, b)), "{level}: another gradient in shards");

    let mut random = Random(n as u64);
    for _ in 0..4 {
        // Two at random become one, until one is left.
        let mut left = totals.clone();
        while left.len() > 1 {
            random.shuffle(&mut left);
            let other = left.pop().expect("two or more");
            left[0].merge(&other);
        }
        assert_eq!(left[0].count(), n as u64);
        let found = left[0].mean().expect("not empty");
        assert!(same(found, mean), "{level}: the mean of shards is {found:?}, of all {mean:?}");
    }
    whole.push(mean);
    whole
}

#[test]
fn blocks_and_shards_f32() {
    blocks::<f32>();
}

#[test]
fn blocks_and_shards_f64() {
    blocks::<f64>();
}

/// The level that calls take by themselves is the best one, and gives its bits.
#[test]
fn detected_level_is_the_best() {
    let best = Level::available().last().expect("there are always two");
    assert_eq!(Level::detect(), best);
    assert_eq!(Level::detect(), best, "the second time, too");
    let (pred, target) = ([0.3_f32, 7.0, -2.0], [0.1, 0.2, 0.9]);
    for case in cases::<f32>() {
        let [mut by_itself, mut forced] = [[0.0; 3]; 2];
        let sum = case.loss.batch(&pred, &target).gradient(&mut by_itself).sum();
        assert_eq!(case.loss.batch(&pred, &target).gradient(&mut forced).level(best).sum(), sum);
        assert_eq!(by_itself, forced);
    }
    for name in Level::names() {
        let level = Level::find(name);
        assert_eq!(level.is_some(), Level::available().any(|level| level.name() == name));
        assert!(level.is_none_or(|level| level.to_string() == name && !level.instructions().is_empty()));
    }
    assert_eq!(next(1.0_f32, 1), 1.000_000_1, "what other tests build on");
}

/// Weights whose sum has no reciprocal: each weight's share of it is a number all the same.
#[test]
fn tiny_weights_have_gradients() {
    for level in Level::available() {
        for weight in [1e-39_f32, 1e-42, 1e-45, 1e-38, 1e-30] {
            let (pred, target, weights) = ([1.0, 2.0, 3.0, 4.0], [0.0; 4], [weight; 4]);
            let mut gradient = [0.0; 4];
            let batch = fused_loss::Mse.batch(&pred, &target).weights(&weights).level(level);
            let mean = batch.gradient(&mut gradient).weighted_mean().unwrap();
            assert!((mean - 7.5).abs() < 1e-6, "{level}: {mean} for weights of {weight}");
            for (slope, pred) in gradient.iter().zip(pred) {
                let close = (slope - pred / 2.0).abs() < 4.0 * f32::EPSILON * pred;
                assert!(close, "{level}: slope {slope} of {pred} for weights of {weight}");
            }
        }
    }
}
