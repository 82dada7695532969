//! Each element's loss and slope, against exact references.
//!
//! `cargo test --release --test suite accuracy -- --nocapture` prints the largest errors found.

use fused_loss::{BinaryCrossEntropy, Elementwise, Float, GeneralizedKl, Level, Loss, Policy, Rounding};

use crate::support::oracle::alone;
use crate::support::reference::{Case, Tested, Truth, Unit, cases, error};
use crate::support::samples::{Random, pairs};
use crate::support::wide::{Real, Wide};
use crate::support::{is_nan, next, same};

/// What came of a case on one level: the largest errors, and the first pair that broke a bound.
struct Report {
    level: Level,
    worst: [f64; 2],
    broken: Option<String>,
}

/// Runs all pairs through every level at once, and judges each element.
fn judge_all<F: Tested>(case: &Case<F>, pairs: &[(F, F)]) -> Vec<Report> {
    let (pred, target): (Vec<F>, Vec<F>) = pairs.iter().copied().unzip();
    let mut results: Vec<_> = Level::available()
        .map(|level| {
            let (mut losses, mut slopes) = (vec![F::NAN; pairs.len()], vec![F::NAN; pairs.len()]);
            let batch = case.loss.batch(&pred, &target).level(level);
            batch.losses(&mut losses).gradient(&mut slopes).sum().expect("pairs that fit");
            (losses, slopes, Report { level, worst: [0.0; 2], broken: None })
        })
        .collect();
    for (i, &(pred, target)) in pairs.iter().enumerate() {
        let judge = case.judge(pred, target);
        for (losses, slopes, report) in &mut results {
            let found = judge(losses[i], slopes[i]);
            report.worst = [0, 1].map(|of| report.worst[of].max(found.errors[of]));
            if !found.passes() && report.broken.is_none() {
                let found = format!("came {:?}, {:?}: {found:?}", losses[i], slopes[i]);
                report.broken = Some(format!("of {pred:?}, {target:?} {found}"));
            }
        }
    }
    results.into_iter().map(|(.., report)| report).collect()
}

/// Prints the figures, and says what broke.
fn report<F: Tested>(case: &Case<F>, pairs: &[(F, F)]) -> Vec<String> {
    let mut broken = Vec::new();
    for Report { level, worst: [loss, slope], broken: first } in judge_all(case, pairs) {
        println!("{} on {level}: loss {loss:.3}, slope {slope:.3}", case.label());
        broken.extend(first.map(|first| format!("{} on {level}: {first}\n", case.label())));
    }
    broken
}

fn check<F: Tested>(random: usize, stride: usize) {
    let mut broken = Vec::new();
    for case in cases::<F>() {
        broken.extend(report(&case, &pairs(&case, random, stride, 1)));
    }
    assert!(broken.is_empty(), "\n{}", broken.concat());
}

/// A loss beyond the largest number is infinite: neither NaN nor of the other sign.
#[test]
fn huge_huber_losses_are_infinite() {
    let single = Case::<f32>::new("huber", &[("delta", 1e10)]).expect("in the list");
    let mut broken = report(&single, &pairs(&single, 20_000, 1, 1));
    let double = Case::<f64>::new("huber", &[("delta", 1e200)]).expect("in the list");
    broken.extend(report(&double, &pairs(&double, 20_000, 5, 1)));
    assert!(broken.is_empty(), "\n{}", broken.concat());
}

/// Where the difference of two numbers is beyond the largest, the loss is not, if delta is small or beta large.
#[test]
fn a_residual_may_be_beyond_the_largest_number() {
    fn check<F: Tested>() {
        let most = F::MAX.to_f64();
        let part = |i: u32| F::from_f64(most * (f64::from(i) * 0.0309 + 0.01));
        let pairs: Vec<(F, F)> = (0..32)
            .flat_map(|i| (0..32).flat_map(move |j| [(part(i), -part(j)), (-part(i), part(j))]))
            .chain([(F::MAX, -F::MAX), (-F::MAX, F::MAX)])
            .collect();
        let mut broken = Vec::new();
        for (name, parameter, values) in [
            ("huber", "delta", [1e-30, 0.125, 0.5, 1.0]),
            ("smooth-l1", "beta", [1.0, most * 0.4, most * 0.9, most]),
        ] {
            for value in values {
                let case = Case::<F>::new(name, &[(parameter, value)]).expect("in the list");
                broken.extend(report(&case, &pairs));
            }
        }
        assert!(broken.is_empty(), "\n{}", broken.concat());
        let beyond = pairs.iter().filter(|(pred, target)| !(*pred - *target).finite()).count();
        assert!(beyond > pairs.len() / 4, "{beyond} of {}", pairs.len());
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn f32_within_bounds() {
    check::<f32>(60_000, 3);
}

#[test]
fn f64_within_bounds() {
    check::<f64>(8_000, 17);
}

/// Hard targets over logits of every size: the bound is 2 ULP for all of them.
#[test]
fn bce_with_logits_over_all_exponents() {
    let mut broken = Vec::new();
    let case = Case::<f32>::new("bce-with-logits", &[]).expect("in the list");
    for target in [0.0, 1.0] {
        // Every exponent, a thousand times; an odd stride, so that low bits vary too.
        let all = (0..=u32::MAX).step_by(8_209).map(f32::from_bits);
        // Most errors live where e^-|x| matters.
        let near = (0..400_000).map(|i| i as f32 * 2.7e-4 - 54.0);
        let pairs: Vec<_> = all.chain(near).map(|logit| (logit, target)).collect();
        broken.extend(report(&case, &pairs));
    }
    let case = Case::<f64>::new("bce-with-logits", &[]).expect("in the list");
    for target in [0.0, 1.0] {
        let near = (0..10_000).map(|i| f64::from(i) * 0.150_017 - 750.0);
        let nearer = (0..10_000).map(|i| f64::from(i) * 0.001_003 - 5.0);
        let pairs: Vec<_> = near.chain(nearer).map(|logit| (logit, target)).collect();
        broken.extend(report(&case, &pairs));
    }
    assert!(broken.is_empty(), "\n{}", broken.concat());
}

/// A target that is given by its logarithm may be beyond the largest number, and its product with a small difference none.
#[test]
fn kl_of_large_logarithms() {
    fn check<F: Tested>(largest: f64) {
        let case = Case::<F>::new("kl-divergence", &[("log_target", 1.0)]).expect("in the list");
        for above in [0.1, 1.0, 5.0, 9.0, 100.0] {
            let target = F::from_f64(largest.ln() + above);
            for steps in [0, 1, -1, 3, -40, 3000] {
                let pred = next(target, -steps);
                // Of the largest number, since f64 has none beyond it.
                let root = ((target.to_f64() - largest.ln()) / 2.0).exp();
                let exact = root * (target.to_f64() - pred.to_f64()) * root;
                for level in Level::available() {
                    let (preds, targets, mut each) = ([pred; 70], [target; 70], [F::ONE; 70]);
                    case.loss.batch(&preds, &targets).level(level).losses(&mut each).sum().unwrap();
                    for loss in each {
                        let right = match exact.abs() <= 1.0 {
                            true => (loss.to_f64() / largest - exact).abs() <= exact.abs() * 1e-4,
                            false => loss.to_f64() == exact * f64::INFINITY,
                        };
                        assert!(right, "{} {level}, {pred:?} {target:?}: {loss:?}, {exact:e}", F::NAME);
                    }
                }
            }
        }
    }
    check::<f32>(f64::from(f32::MAX));
    check::<f64>(f64::MAX);
}

/// Hard targets take a way of their own. Every exponent, and what is rounded to 1 beside 1.
#[test]
fn bce_of_hard_targets() {
    fn check<F: Tested>(pred: impl Iterator<Item = F>) {
        let pred: Vec<F> = pred.filter(|&p| F::ZERO <= p && p <= F::ONE).collect();
        let mut broken = Vec::new();
        for policy in [0.0, 1.0, 2.0] {
            let case = Case::<F>::new("bce", &[("policy", policy)]).expect("in the list");
            for target in [F::ZERO, F::ONE] {
                let pairs: Vec<_> = pred.iter().map(|&p| (p, target)).collect();
                broken.extend(report(&case, &pairs));
            }
        }
        assert!(broken.is_empty(), "\n{}", broken.concat());
    }
    check(
        (0..=1_f32.to_bits())
            .step_by(10_007)
            .chain(1_f32.to_bits() - 70..=1_f32.to_bits())
            .map(f32::from_bits),
    );
    let below_one = 1_f64.to_bits() - 70..=1_f64.to_bits();
    check((0..=1_f64.to_bits()).step_by(0x1f_f00d_5eed_1357 >> 8).chain(below_one).map(f64::from_bits));
}

/// Where a product and a sum round once, slopes of soft targets do not cancel, however close the target is.
#[test]
fn bce_slopes_do_not_cancel() {
    fn check<F: Tested>(count: usize) {
        let mut random = Random(11);
        let (pred, target): (Vec<F>, Vec<F>) = (0..count)
            .map(|i| {
                let small = 2_f64.powi(-(random.below(1 << (i % 7)) as i32));
                let p = F::from_f64(random.unit() * small);
                let p = if i % 2 == 0 { p } else { F::ONE - p };
                let p = if p < F::from_f64(2_f64.powi(-100)) || p >= F::ONE { F::from_f64(0.3) } else { p };
                let y = match i % 3 {
                    0 => next(p, random.below(99) as i64 - 49),
                    1 => F::from_f64(random.unit()),
                    _ => p * F::from_f64(1.0 + (random.unit() - 0.5) * 1e-3),
                };
                (p, if y < F::ONE { y } else { F::ONE })
            })
            .unzip();
        let mut slopes = vec![F::NAN; count];
        for level in Level::available().filter(|level| level.rounding() == Rounding::Fused) {
            let loss = BinaryCrossEntropy { policy: Policy::Exact };
            loss.batch(&pred, &target).level(level).gradient(&mut slopes).sum().expect("numbers that fit");
            let mut worst = 0.0_f64;
            for ((&p, &y), &slope) in pred.iter().zip(&target).zip(&slopes) {
                let (exact_p, exact_y) = (F::Real::of(p.to_f64()), F::Real::of(y.to_f64()));
                let exact = (exact_p - exact_y) / (exact_p * (F::Real::of(1.0) - exact_p));
                let ulps = error(slope, &Truth { value: exact, bound: 2.0, unit: Unit::Ulp });
                assert!(ulps <= 2.0, "{level}, of {p:?} and {y:?} {slope:?}: {ulps:.3} ULP off");
                worst = worst.max(ulps);
            }
            println!("{} bce of soft targets on {level}: slope {worst:.3}", F::NAME);
        }
    }
    check::<f32>(600_000);
    check::<f64>(60_000);
}

/// The textbook definition in f64, which users see, is the same function as the reference.
#[test]
fn definitions_agree_with_the_references() {
    for case in cases::<f64>() {
        for (pred, target) in pairs(&case, 2000, 1, 3) {
            if !pred.finite() || !target.finite() || pred.abs() > 1e100 || target.abs() > 1e100 {
                continue;
            }
            let (value, expected) = (case.loss.definition(pred, target), case.reference(pred, target).0);
            // Terms of a divergence are differences of parts.
            let parts = (1.0 + pred.abs()) * (1.0 + target.abs() + target.exp()) + pred.exp();
            let size = if case.name.contains("kl") { 10.0 * parts } else { expected.abs() };
            let close = (value - expected).abs() <= 1e-14 * size.max(1e-300);
            // Beyond every format, the plain definition may be no number; the reference stops there.
            let same = !value.is_finite() && !expected.is_finite();
            assert!(close || same, "{}: of {pred}, {target} {value} for {expected}", case.label());
        }
    }
}

/// The divergence of numbers next to each other is tiny, and what is rounded on the way does not make it negative.
#[test]
fn generalized_terms_are_not_negative() {
    fn check<F: Tested>() {
        let mut random = Random(9);
        let (pred, target): (Vec<F>, Vec<F>) = (0..20_000)
            .map(|i| {
                let y = F::from_f64(random.below(1 << 20) as f64 * 2_f64.powi(-14));
                (next(y, (i % 9) - i64::from(y != F::ZERO) * 4), y)
            })
            .unzip();
        let loss = GeneralizedKl { log_target: false, pred_probabilities: true };
        for level in Level::available() {
            let mut losses = vec![F::NAN; pred.len()];
            loss.batch(&pred, &target).level(level).losses(&mut losses).sum().expect("numbers that fit");
            let negative = losses.iter().position(|&loss| loss < F::ZERO || is_nan(loss));
            let what = negative.map(|i| format!("{:?} from {:?}: {:?}", pred[i], target[i], losses[i]));
            assert_eq!(what, None, "{level}");
        }
    }
    check::<f32>();
    check::<f64>();
}

/// One number at a time has the bits of the unfused class.
#[test]
fn at_one_is_the_scalar_level() {
    fn check<F: Tested>() {
        let scalar = Level::find("scalar").expect("every CPU has it");
        for case in cases::<F>() {
            for (pred, target) in pairs(&case, 1000, 5, 4) {
                let (loss, slope) = case.loss.at_one(pred, target);
                let (expected_loss, expected_slope) = alone(case.loss, scalar, pred, target);
                assert!(same(loss, expected_loss) && same(slope, expected_slope));
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// The reference's own arithmetic, against numbers known to thirty digits.
#[test]
fn wide_numbers_are_wide() {
    // Each as the f64 nearest and the f64 nearest to the rest.
    let near = |found: Wide, high: f64, low: f64| {
        let error = (found - Wide::of(high)) - Wide::of(low);
        let relative = (error / found).abs().to_f64();
        assert!(relative < 1e-28, "{found:?} is off by {relative:e}");
    };
    near(Wide::of(1.0).exp(), std::f64::consts::E, 1.4456468917292502e-16);
    near(Wide::of(1.0).ln_1p(), std::f64::consts::LN_2, 2.3190468138462996e-17);
    near(Wide::of(2.0).ln_1p(), 1.0986122886681098, -9.07129723500153e-17);
    // Each undoes the other.
    for x in [0.013, 0.3, 0.9, 5.0, 700.0] {
        near((Wide::of(x).exp() - Wide::of(1.0)).ln_1p(), x, 0.0);
    }
    near(Wide::of(-700.0).exp() * Wide::of(700.0).exp(), 1.0, 0.0);
    near(Wide::of(1e-300).ln_1p(), 1e-300, 0.0);
}
