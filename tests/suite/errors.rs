//! What bad input gets: an `Err` that names the first bad value, the same on every level, and nothing written before
//! lengths and parameters are right.

use fused_loss::{
    AnyLoss, Batch, BceWithLogits, Domain, Elementwise, Error, Float, Huber, Lanes, Level, Loss, Mae, Mse,
    SmoothL1, Total,
};

use crate::support::oracle::{Call, check_call, first_bad};
use crate::support::samples::Random;

/// A loss with a domain on both sides, as no loss of the list may have yet.
#[derive(Clone, Copy)]
struct Fenced;

impl<F: Float> Loss<F> for Fenced {
    #[inline(always)]
    fn at<V: Lanes<Elem = F>>(self, pred: V, target: V) -> (V, V) {
        (pred * target, target)
    }
    fn definition(self, pred: f64, target: f64) -> f64 {
        pred * target
    }
    fn pred_domain(self) -> Domain<F> {
        Domain::Interval { low: F::ZERO, high: F::from_f64(2.0) }
    }
    fn target_domain(self) -> Domain<F> {
        Domain::Interval { low: -F::ONE, high: F::ONE }
    }
}

/// The first bad value, in any register of any row of any block, with others after it.
#[test]
fn the_first_bad_value_is_named() {
    fn check<F: Float>() {
        let block = Total::<F>::BLOCK;
        let mut random = Random(1);
        let lengths = [1, 2, 9, 33, 64, 100, 200].into_iter().chain([block + 40, 2 * block + 3]);
        for n in lengths {
            let (good_pred, good_target, good_weights) = (vec![F::ONE; n], vec![F::HALF; n], vec![F::ONE; n]);
            let rounds = if n > block { 6 } else { 60 };
            for round in 0..rounds {
                let (mut pred, mut target, mut weights) =
                    (good_pred.clone(), good_target.clone(), good_weights.clone());
                for _ in 0..1 + round % 4 {
                    let at =
                        if n > block && round % 2 == 0 { n - 1 - random.below(50) } else { random.below(n) };
                    match random.below(6) {
                        0 => pred[at] = F::from_f64(2.5),
                        1 => pred[at] = [F::INFINITY, -F::from_pattern(1)][random.below(2)],
                        2 => target[at] = [F::NAN, -F::INFINITY][random.below(2)],
                        3 => target[at] = F::from_f64(1.0 + 2_f64.powi(-20)),
                        4 => weights[at] = [F::NAN, F::INFINITY, -F::INFINITY][random.below(3)],
                        _ => (pred[at], target[at], weights[at]) = (F::NAN, F::NAN, F::ZERO),
                    }
                }
                let offsets = [random.below(6), random.below(6)];
                let call = Call { pred: &pred, target: &target, weights: None, scale: F::ONE, offsets };
                check_call(Fenced, "a fenced loss", &call);
                check_call(Fenced, "a fenced loss", &Call { weights: Some(&weights), ..call });
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// A loss whose domains do not hold 0, as the lanes behind the last element might.
#[derive(Clone, Copy)]
struct Above;

impl<F: Float> Loss<F> for Above {
    #[inline(always)]
    fn at<V: Lanes<Elem = F>>(self, pred: V, target: V) -> (V, V) {
        (pred / target, pred.splat(F::ONE) / target)
    }
    fn definition(self, pred: f64, target: f64) -> f64 {
        pred / target
    }
    fn pred_domain(self) -> Domain<F> {
        Domain::Interval { low: F::ONE, high: F::from_f64(2.0) }
    }
    fn target_domain(self) -> Domain<F> {
        Domain::Interval { low: F::ONE, high: F::from_f64(2.0) }
    }
}

/// What lies behind the last element is neither checked, nor summed, nor divided by.
#[test]
fn nothing_lies_behind_the_last_element() {
    fn check<F: Float>() {
        for n in 1..70 {
            let numbers: Vec<F> = (0..n).map(|i| F::from_f64(1.0 + i as f64 / 128.0)).collect();
            let (pred, target) = (&numbers[..], &numbers[..]);
            let call = Call { pred, target, weights: None, scale: F::ONE, offsets: [n % 6, n % 5] };
            check_call(Above, "a loss without 0", &call);
            let weights = vec![F::HALF; n];
            check_call(Above, "a loss without 0", &Call { weights: Some(&weights), ..call });
        }
    }
    check::<f32>();
    check::<f64>();
}

/// Of one element, the weight is named before the target, and the target before the prediction.
#[test]
fn the_order_within_an_element() {
    for level in Level::available() {
        let check = |pred: f32, target: f32, weight: f32| {
            let (pred, target, weight) = ([0.5, pred, 9.0], [0.5, target, 9.0], [1.0, weight, f32::NAN]);
            Fenced.batch(&pred, &target).weights(&weight).level(level).sum().unwrap_err()
        };
        assert_eq!(check(9.0, 9.0, f32::INFINITY), Error::Weight { index: 1, value: f32::INFINITY });
        assert_eq!(check(9.0, 8.0, 2.0), Error::Target { index: 1, value: 8.0 });
        assert_eq!(check(9.0, 1.0, 2.0), Error::Pred { index: 1, value: 9.0 });
        // NaN as prediction is right; masked, anything is.
        assert!(matches!(check(f32::NAN, 1.0, 2.0), Error::Weight { index: 2, .. }));
        assert!(matches!(check(9.0, 8.0, -0.0), Error::Weight { index: 2, .. }));
    }
}

#[test]
fn the_ends_of_a_domain_belong_to_it() {
    let bce = BceWithLogits::<f64>::default();
    for level in Level::available() {
        let check = |target: f64| bce.batch(&[0.0; 3], &[0.5, target, 0.5]).level(level).check().is_ok();
        assert!(check(0.0) && check(-0.0) && check(1.0) && check(f64::from_bits(1)));
        for target in
            [-f64::from_bits(1), crate::support::next(1.0, 1), f64::NAN, f64::INFINITY, f64::NEG_INFINITY]
        {
            assert!(!check(target), "{target} is no probability");
            let run = bce.batch(&[0.0; 3], &[0.5, target, 0.5]).level(level).mean();
            assert!(
                matches!(run, Err(Error::Target { index: 1, value }) if crate::support::same(value, target))
            );
        }
    }
}

/// Losses without a target domain let NaN pass, and it stays with its element.
#[test]
fn nan_targets_propagate_without_a_domain() {
    for entry in AnyLoss::<f32>::list() {
        let loss = AnyLoss::<f32>::named(entry.name, |_| None).unwrap();
        let domain = loss.target_domain();
        for level in Level::available() {
            let (mut losses, mut grad) = ([9.0; 3], [9.0; 3]);
            let batch = loss.batch(&[0.5; 3], &[0.5, f32::NAN, 0.5]).level(level);
            let sum = batch.losses(&mut losses).gradient(&mut grad).sum();
            if domain == Domain::All {
                assert!(sum.unwrap().is_nan() && losses[1].is_nan() && grad[1].is_nan());
                assert!(losses[0].is_finite() && losses[2].is_finite() && grad[0].is_finite());
            } else {
                assert!(matches!(sum, Err(Error::Target { index: 1, value }) if value.is_nan()));
            }
        }
    }
}

/// A call into a gradient and losses that is refused.
type Refused<'a> = dyn Fn(&mut [f32], &mut [f32]) -> Error<f32> + 'a;

/// Lengths and parameters are checked before anything is written.
#[test]
fn nothing_is_written_on_errors_of_shape() {
    let pred = vec![0.5_f32; 100];
    let refused = |call: &Refused, expected: Error<f32>| {
        let (mut grad, mut losses) = (vec![7.0; 100], vec![8.0; 100]);
        assert_eq!(call(&mut grad, &mut losses), expected);
        assert!(grad.iter().all(|&slope| slope == 7.0) && losses.iter().all(|&loss| loss == 8.0));
    };
    let length = |what, found| Error::Length { what, expected: 100, found };
    for end in 0..5 {
        let run = |batch: Batch<'_, Mse, f32>| match end {
            0 => batch.sum().unwrap_err(),
            1 => batch.mean().unwrap_err(),
            2 => batch.mean_over(7).unwrap_err(),
            3 => batch.total().unwrap_err(),
            _ => batch.check().unwrap_err(),
        };
        let target = &pred[..99];
        refused(&|g, l| run(Mse.batch(&pred, target).gradient(g).losses(l)), length("target", 99));
        refused(&|g, l| run(Mse.batch(&pred, &[]).gradient(g).losses(l)), length("target", 0));
        let batch = || Mse.batch(&pred, &pred);
        refused(&|g, l| run(batch().weights(&[]).gradient(g).losses(l)), length("weights", 0));
        refused(&|g, l| run(batch().weights(&[1.0; 101]).gradient(g).losses(l)), length("weights", 101));
        refused(&|g, l| run(batch().gradient(&mut g[..98]).losses(l)), length("gradient", 98));
        refused(&|g, l| run(batch().add_gradient(&mut g[..0]).losses(l)), length("gradient", 0));
        refused(&|g, l| run(batch().gradient(g).losses(&mut l[..97])), length("losses", 97));
        for scale in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let found = std::cell::Cell::new(None);
            let (mut grad, mut losses) = (vec![7.0; 100], vec![8.0; 100]);
            found.set(Some(run(batch().scale(scale).gradient(&mut grad).losses(&mut losses))));
            assert!(matches!(found.take(), Some(Error::Parameter { name: "scale", .. })));
            assert!(grad.iter().all(|&slope| slope == 7.0) && losses.iter().all(|&loss| loss == 8.0));
        }
    }
    // The lengths come in the order target, weights, gradient, losses.
    let mut one = [0.0];
    let all = Mse.batch(&pred, &pred).losses(&mut one).weights(&[]).sum();
    assert_eq!(all, Err(length("weights", 0)));
    let mut place = vec![3.0_f32; 4];
    let in_place = Mse.batch_in_place(&mut place, &[0.0; 3]).sum();
    assert_eq!(in_place, Err(Error::Length { what: "target", expected: 4, found: 3 }));
    assert_eq!(place, [3.0; 4]);
}

#[test]
fn parameters_outside_their_domain() {
    fn refused<L: Loss<f64>>(loss: L, name: &str, value: f64) {
        let mut grad = [7.0; 2];
        for error in [
            loss.batch(&[1.0, f64::NAN], &[1.0, 5.0]).gradient(&mut grad).mean().unwrap_err(),
            loss.batch(&[], &[]).check().unwrap_err(),
            loss.check().unwrap_err(),
        ] {
            let Error::Parameter { name: found, value: of, .. } = error else { panic!("{error:?}") };
            assert!(found == name && crate::support::same(of, value), "{found} {of}");
        }
        assert_eq!(grad, [7.0; 2]);
    }
    for value in [0.0, -0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        refused(Huber { delta: value }, "delta", value);
    }
    for value in [-f64::from_bits(1), -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        refused(SmoothL1 { beta: value }, "beta", value);
        refused(BceWithLogits { pos_weight: value }, "pos_weight", value);
    }
    for value in [f64::from_bits(1), f64::MAX] {
        assert_eq!(Loss::<f64>::check(Huber { delta: value }), Ok(()));
    }
    assert_eq!(Loss::<f64>::check(SmoothL1 { beta: -0.0 }), Ok(()));
    assert_eq!(Loss::<f64>::check(BceWithLogits { pos_weight: 0.0 }), Ok(()));
}

/// Every parameter of the list has a domain that holds its default, and refuses what no loss can use.
#[test]
fn parameters_of_the_list() {
    for entry in AnyLoss::<f32>::list() {
        assert_eq!(AnyLoss::<f32>::named(entry.name, |_| None).unwrap().check(), Ok(()), "{}", entry.name);
        for parameter in entry.parameters {
            let with = |value: f32| {
                let own = |p: &fused_loss::Parameter| (p.name == parameter.name).then_some(value);
                AnyLoss::<f32>::named(entry.name, own).unwrap().check()
            };
            for value in [f32::NAN, f32::INFINITY] {
                let name = parameter.name;
                assert!(parameter.check(value).is_err(), "{name}");
                // Choices and flags become enums and bools, and eps counts under its policy alone.
                if !matches!(parameter.values, fused_loss::Values::Positive | fused_loss::Values::NotNegative)
                {
                    continue;
                }
                assert!(matches!(with(value), Err(Error::Parameter { name: n, .. }) if n == name), "{name}");
            }
        }
    }
    assert!(AnyLoss::<f32>::named("no such loss", |_| None).is_none());
}

/// The error of an in-place call names the value that was there, though the gradient may have come over others.
#[test]
fn in_place_errors_name_the_original_value() {
    let block = Total::<f32>::BLOCK;
    for level in Level::available() {
        for (n, bad) in [(1, 0), (40, 39), (40, 3), (100, 64), (block + 9, block + 5), (2 * block, block)] {
            let mut place: Vec<f32> = (0..n).map(|i| 1.0 + (i % 64) as f32 / 64.0).collect();
            place[bad] = 2.5 + bad as f32;
            let error = Fenced.batch_in_place(&mut place, &vec![1.0; n]).level(level).sum();
            assert_eq!(error, Err(Error::Pred { index: bad, value: 2.5 + bad as f32 }), "{level}");
        }
    }
}

#[test]
fn masked_elements_are_not_checked() {
    fn check<F: Float>() {
        let bad = [F::NAN, F::INFINITY, -F::INFINITY, F::from_f64(-3.0), F::MAX];
        for n in [5, 40, 77] {
            let (mut pred, mut target, mut weights) = (vec![F::ONE; n], vec![F::HALF; n], vec![F::ONE; n]);
            for at in (0..n).step_by(3) {
                (pred[at], target[at]) = (bad[at % 5], bad[at % 4]);
                weights[at] = if at % 2 == 0 { F::ZERO } else { -F::ZERO };
            }
            let call = Call {
                pred: &pred,
                target: &target,
                weights: Some(&weights),
                scale: F::ONE,
                offsets: [0; 2],
            };
            assert!(first_bad(Fenced, &call).is_none());
            check_call(Fenced, "masked", &call);
            check_call(BceWithLogits::<F>::default(), "masked", &call);
            for level in Level::available() {
                let mut grad = vec![F::NAN; n];
                Fenced
                    .batch(&pred, &target)
                    .weights(&weights)
                    .gradient(&mut grad)
                    .level(level)
                    .mean()
                    .unwrap();
                for at in (0..n).step_by(3) {
                    assert!(grad[at] == F::ZERO, "{level}: masked, but has gradient {:?}", grad[at]);
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn means_of_nothing() {
    for level in Level::available() {
        let mut none = [0.0_f32; 0];
        let empty = || Mae.batch(&[], &[]).level(level);
        assert_eq!(empty().mean(), Err(Error::Empty));
        assert_eq!(empty().gradient(&mut none).mean(), Err(Error::Empty));
        assert_eq!(empty().mean_over(0), Err(Error::Empty));
        assert_eq!(empty().mean_over(3), Ok(0.0_f32));
        assert_eq!(empty().weighted_mean(), Err(Error::NoWeights));
        assert_eq!(empty().weights(&[]).weighted_mean(), Err(Error::Empty));
        assert_eq!(empty().sum(), Ok(0.0));
        assert_eq!(empty().check(), Ok(()));
        let zeros = || Mae.batch(&[1.0_f32, f32::NAN], &[0.0; 2]).weights(&[0.0, 0.0]).level(level);
        assert_eq!(zeros().weighted_mean(), Err(Error::Empty));
        assert_eq!(zeros().mean(), Ok(0.0));
        let cancel = Mae.batch(&[1.0_f32, 2.0], &[0.0; 2]).weights(&[1.0, -1.0]).level(level).weighted_mean();
        assert_eq!(cancel, Err(Error::Empty));
        // Finite weights whose sum is beyond the largest number have no weighted mean, and nothing is written.
        let mut grad = [7.0_f32; 2];
        let heavy = || Mae.batch(&[1.0_f32; 2], &[0.0; 2]).weights(&[3e38, 3e38]).level(level);
        let error = heavy().gradient(&mut grad).weighted_mean().unwrap_err();
        assert_eq!(error.to_string(), "sum of weights is inf, but must be finite");
        assert_eq!(heavy().total().unwrap().weighted_mean(), Err(error));
        assert_eq!(grad, [7.0; 2]);
        // A bad weight is named, also where the sum of weights is no number.
        let bad = Mae.batch(&[1.0_f32; 2], &[0.0; 2]).weights(&[1.0, f32::NAN]).level(level).weighted_mean();
        assert!(matches!(bad, Err(Error::Weight { index: 1, value }) if value.is_nan()));
    }
}

/// Every error says what it is about, in one line.
#[test]
fn errors_in_words() {
    let said = |error: Error<f32>| error.to_string();
    assert_eq!(
        said(Error::Length { what: "target", expected: 2, found: 1 }),
        "target has 1 elements where pred has 2"
    );
    for (error, words) in [
        (Error::Pred { index: 7, value: 2.5 }, ["pred[7]", "2.5"]),
        (Error::Target { index: 8, value: -1.0 }, ["target[8]", "-1"]),
        (Error::Weight { index: 9, value: f32::INFINITY }, ["weights[9]", "inf"]),
        (Error::Parameter { name: "delta", value: 0.0, domain: "positive" }, ["delta is 0", "positive"]),
        (Error::Bytes { reason: "too short" }, ["too short", "bytes"]),
    ] {
        let text = said(error);
        assert!(words.iter().all(|word| text.contains(word)) && !text.contains('\n'), "{text}");
    }
    assert!(!said(Error::Empty).is_empty() && !said(Error::NoWeights).is_empty());
    let error = Error::Target { index: 1, value: 2.0_f32 };
    assert_eq!(error.shifted(10), Error::Target { index: 11, value: 2.0 });
    assert_eq!(Error::<f32>::Empty.shifted(10), Error::Empty);
    let _: &dyn std::error::Error = &error;
}
