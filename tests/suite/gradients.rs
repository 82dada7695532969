//! Slopes against numerical derivatives of the textbook definitions, and the stated values at kinks.

use fused_loss::{BceWithLogits, Domain, Elementwise, Huber, Level, Loss, Mae, Mse, SmoothL1};

use crate::support::reference::{Case, Tested, cases};
use crate::support::samples::{Random, moderate};

/// The fourth-order central difference.
fn derivative(f: impl Fn(f64) -> f64, x: f64, h: f64) -> f64 {
    (8.0 * (f(x + h) - f(x - h)) - (f(x + 2.0 * h) - f(x - 2.0 * h))) / (12.0 * h)
}

/// Whether the definition has no kink between `x - reach` and `x + reach`: differences of two steps agree there.
fn smooth(f: impl Fn(f64) -> f64, x: f64, h: f64) -> bool {
    let (near, far) = (derivative(&f, x, h), derivative(&f, x, 2.0 * h));
    (near - far).abs() <= 1e-7 * (1.0 + near.abs())
}

#[test]
fn slopes_are_derivatives_of_the_definitions() {
    for case in cases::<f64>() {
        let mut random = Random(5);
        let (mut judged, mut skipped) = (0, 0);
        for _ in 0..2000 {
            let (pred, target) = inside(&case, &mut random);
            let definition = |pred: f64| case.loss.definition(pred, target);
            let h = 1e-3 * (1.0 + pred.abs()) * narrowest(&case);
            let inside = |x: f64| match case.loss.pred_domain() {
                Domain::All => true,
                domain => domain.holds(x),
            };
            if !inside(pred - 4.0 * h) || !inside(pred + 4.0 * h) || !smooth(definition, pred, h) {
                skipped += 1;
                continue;
            }
            let expected = derivative(definition, pred, h);
            for level in Level::available() {
                let (_, slope) = crate::support::oracle::alone(case.loss, level, pred, target);
                let close = (slope - expected).abs() <= 1e-6 * (1.0 + expected.abs());
                assert!(close, "{}, {level}: {slope} at {pred}, {target}, not {expected}", case.label());
            }
            judged += 1;
        }
        assert!(judged > 4 * skipped, "{}: only {judged} of {} are smooth", case.label(), judged + skipped);
    }
}

/// A moderate pair; a prediction that has a domain lies well inside it, where slopes are moderate too.
fn inside<F: Tested>(case: &Case<F>, random: &mut Random) -> (F, F) {
    let (pred, target) = moderate(case, random);
    match case.loss.pred_domain() {
        Domain::All => (pred, target),
        _ => (F::from_f64(0.05 + 0.9 * random.unit()), target),
    }
}

/// The width of the narrowest part of a loss: steps must be small beside it.
fn narrowest(case: &Case<f64>) -> f64 {
    let positive = case.parameters.iter().map(|&(_, value)| value).filter(|&value| value > 0.0);
    positive.fold(1.0, f64::min).max(1e-4)
}

/// The same in f32, whose slopes are compared with f64's.
#[test]
fn slopes_of_both_precisions_agree() {
    for (case, wide) in cases::<f32>().into_iter().zip(cases::<f64>()) {
        let mut random = Random(6);
        for _ in 0..2000 {
            let (pred, target) = inside(&case, &mut random);
            let (loss, slope) = case.loss.at_one(pred, target);
            let (wide_loss, wide_slope) = wide.loss.at_one(f64::from(pred), f64::from(target));
            // Parameters such as 0.3 are not the same number in both, hence no bound in ULP.
            let close = |a: f32, b: f64| (f64::from(a) - b).abs() <= 1e-5 * (1.0 + b.abs());
            let at_kink = case.name == "smooth-l1" && wide.parameters[0].1 < 1e-2;
            assert!(close(loss, wide_loss) && (at_kink || close(slope, wide_slope)), "{}", case.label());
        }
    }
}

/// Every level's slope of one pair.
fn slopes<L: Loss<f64> + Loss<f32>>(loss32: L, loss64: L, pred: f32, target: f32) -> Vec<f64> {
    let mut slopes = Vec::new();
    for level in Level::available() {
        slopes.push(f64::from(crate::support::oracle::alone::<f32, _>(loss32, level, pred, target).1));
        slopes.push(crate::support::oracle::alone::<f64, _>(loss64, level, pred.into(), target.into()).1);
    }
    slopes
}

#[test]
fn kinks_have_the_stated_slopes() {
    let all = |slopes: Vec<f64>, expected: f64| {
        assert!(slopes.iter().all(|&slope| slope == expected), "{slopes:?} are not all {expected}");
    };
    all(slopes(Mae, Mae, 2.5, 2.5), 0.0);
    all(slopes(Mae, Mae, -0.0, 0.0), 0.0);
    all(slopes(Mae, Mae, 1e-45, 0.0), 1.0);
    all(slopes(Mae, Mae, 0.0, f32::INFINITY), -1.0);
    all(slopes(Mse, Mse, 2.5, 2.5), 0.0);
    for level in Level::available() {
        let slope = |pred: f32, target: f32| {
            let huber = crate::support::oracle::alone(Huber { delta: 0.5 }, level, pred, target).1;
            let smooth = crate::support::oracle::alone(SmoothL1 { beta: 0.5 }, level, pred, target).1;
            let mae = crate::support::oracle::alone(SmoothL1 { beta: 0.0 }, level, pred, target).1;
            (huber, smooth, mae)
        };
        assert_eq!(slope(1.5, 1.0), (0.5, 1.0, 1.0));
        assert_eq!(slope(0.5, 1.0), (-0.5, -1.0, -1.0));
        assert_eq!(slope(1.0, 1.0), (0.0, 0.0, 0.0));
        assert_eq!(slope(f32::INFINITY, 1.0), (0.5, 1.0, 1.0));
        assert_eq!(slope(f32::NEG_INFINITY, 1.0), (-0.5, -1.0, -1.0));
        let just_inside = slope(1.0 + 0.499_999_9, 1.0).0;
        assert!(just_inside < 0.5 && just_inside > 0.499);
    }
}

/// At the ends of the logits, the slope is sigmoid - target, and never NaN.
#[test]
fn logits_without_end_have_limits() {
    let loss = BceWithLogits::<f64>::default();
    for level in Level::available() {
        let at = |pred: f64, target: f64| crate::support::oracle::alone(loss, level, pred, target);
        assert_eq!(at(f64::INFINITY, 1.0), (0.0, 0.0));
        assert_eq!(at(f64::INFINITY, 0.0), (f64::INFINITY, 1.0));
        assert_eq!(at(f64::NEG_INFINITY, 0.0), (0.0, 0.0));
        assert_eq!(at(f64::NEG_INFINITY, 1.0), (f64::INFINITY, -1.0));
        assert_eq!(at(f64::INFINITY, 0.25), (f64::INFINITY, 0.75));
        assert_eq!(at(1e30, 1.0), (0.0, 0.0));
        assert_eq!(at(-1e30, 1.0), (1e30, -1.0));
        assert_eq!(at(0.0, 0.5), (std::f64::consts::LN_2, 0.0));
    }
}
