//! Laws that hold for any data, tried with arbitrary data.

use fused_loss::{Domain, Elementwise, Level, Loss, Total};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::support::oracle::{Call, check_call, check_elements};
use crate::support::reference::{Case, Tested, cases};
use crate::support::samples::{Random, moderate};
use crate::support::{is_nan, same};

/// Cases a run: each tries one loss on all levels.
const RUNS: u32 = 200;

fn case<F: Tested>(index: Index) -> Case<F> {
    let all = cases::<F>();
    all[index.index(all.len())].clone()
}

fn level(index: Index) -> Level {
    let all: Vec<_> = Level::available().collect();
    all[index.index(all.len())]
}

fn moderates<F: Tested>(case: &Case<F>, n: usize, seed: u64) -> (Vec<F>, Vec<F>) {
    let mut random = Random(seed);
    (0..n).map(|_| moderate(case, &mut random)).unzip()
}

/// Any bit patterns at all, brought into the domains: never a panic, and the reference's class and size.
fn arbitrary_patterns<F: Tested>(
    case: &Case<F>,
    patterns: &[(u64, u64)],
    weights: Option<&[F]>,
    offsets: [usize; 2],
) {
    let number = |pattern: u64| F::from_pattern(pattern & (u64::MAX >> (64 - F::BITS)));
    let into = |domain: Domain<F>, pattern: u64| match domain {
        Domain::All => number(pattern),
        _ if domain.holds(number(pattern)) => number(pattern),
        // Below 2^20, so that neighbours of both ends come too.
        _ => F::from_f64((pattern % (1 << 20)) as f64 / f64::from((1 << 20) - 1)),
    };
    let (pred, target): (Vec<F>, Vec<F>) = patterns
        .iter()
        .map(|&(pred, target)| (into(case.loss.pred_domain(), pred), into(case.loss.target_domain(), target)))
        .unzip();
    check_elements(case, &pred, &target);
    check_call(
        case.loss,
        &case.label(),
        &Call { pred: &pred, target: &target, weights, scale: F::ONE, offsets },
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(RUNS) })]

    #[test]
    fn arbitrary_f32_patterns(
        of in any::<Index>(), patterns in vec(any::<(u64, u64)>(), 0..70), offsets in [0..6_usize, 0..6_usize],
    ) {
        arbitrary_patterns(&without_overflow(case::<f32>(of)), &patterns, None, offsets);
    }

    #[test]
    fn arbitrary_f64_patterns(
        of in any::<Index>(), patterns in vec(any::<(u64, u64)>(), 0..40), offsets in [0..6_usize, 0..6_usize],
    ) {
        arbitrary_patterns(&without_overflow(case::<f64>(of)), &patterns, None, offsets);
    }

    /// Whatever is wrong with the data, all levels refuse it alike.
    #[test]
    fn arbitrary_targets_and_weights(
        of in any::<Index>(),
        elements in vec((-3.0..3.0_f32, prop_oneof![9 => 0.0..1.0_f32, 1 => any::<f32>()],
            prop_oneof![9 => -2.0..2.0_f32, 2 => Just(0.0), 1 => any::<f32>()]), 0..80),
        scale in -4.0..4.0_f32,
    ) {
        let case = case::<f32>(of);
        let (mut pred, mut target, mut weights) = (vec![], vec![], vec![]);
        for (p, y, w) in elements {
            // Weights that overflow the loss, or a factor, are another matter.
            let w = if w.is_finite() && w.abs() > 1e3 { 1.0 } else { w };
            pred.push(p);
            target.push(if y.abs() > 1e15 && y.is_finite() { 0.5 } else { y });
            weights.push(w);
        }
        let call = Call { pred: &pred, target: &target, weights: Some(&weights), scale, offsets: [1, 2] };
        check_call(case.loss, &case.label(), &call);
    }

    /// Blocks in another order: the same total, to the last bit.
    #[test]
    fn blocks_in_any_order(of in any::<Index>(), on in any::<Index>(), seed in any::<u64>()) {
        let (case, level, block) = (case::<f32>(of), level(on), Total::<f32>::BLOCK);
        let (pred, target) = moderates(&case, 3 * block, seed);
        let mut order = [0, 1, 2];
        Random(seed).shuffle(&mut order);
        let arranged = |from: &[f32]| -> Vec<f32> {
            order.iter().flat_map(|&at| from[at * block..(at + 1) * block].to_vec()).collect()
        };
        let total = case.loss.batch(&pred, &target).level(level).total().unwrap();
        let other = case.loss.batch(&arranged(&pred), &arranged(&target)).level(level).total().unwrap();
        prop_assert_eq!(total, other);
    }

    /// (a + b) + c = a + (b + c) = (c + b) + a, for totals of anything.
    #[test]
    fn merging_is_associative_and_commutative(seed in any::<u64>()) {
        let mut random = Random(seed);
        let mut total = || {
            let terms: Vec<f64> = (0..random.below(5)).map(|_| f64::from_bits(random.bits())).collect();
            fused_loss::Mae.batch(&terms, &vec![0.0; terms.len()]).total().unwrap()
        };
        let (a, b, c) = (total(), total(), total());
        let merge = |mut x: Total<f64>, y: &Total<f64>| { x.merge(y); x };
        prop_assert_eq!(merge(merge(a, &b), &c), merge(a, &merge(b, &c)));
        prop_assert_eq!(merge(a, &b), merge(b, &a));
        prop_assert_eq!(merge(a, &Total::default()), a);
        let sent = Total::from_bytes(merge(a, &b).to_bytes().as_ref()).unwrap();
        prop_assert_eq!(merge(sent, &c), merge(merge(a, &b), &c));
    }

    /// A scale that is a power of two scales the gradient exactly, and never the loss.
    #[test]
    fn scaling_by_powers_of_two(of in any::<Index>(), on in any::<Index>(), seed in any::<u64>(), power in -9..9_i32) {
        let (case, level) = (case::<f32>(of), level(on));
        let (pred, target) = moderates(&case, 70, seed);
        let (mut grad, mut scaled) = (vec![0.0; 70], vec![0.0; 70]);
        let by = 2_f32.powi(power);
        let sum = case.loss.batch(&pred, &target).level(level).gradient(&mut grad).sum().unwrap();
        let same_sum = case.loss.batch(&pred, &target).level(level).gradient(&mut scaled).scale(by).sum().unwrap();
        prop_assert!(same(sum, same_sum));
        for (slope, scaled) in grad.iter().zip(&scaled) {
            // Where a result is subnormal, scaling rounds.
            prop_assert!(slope * by == *scaled || scaled.abs() < 1e-35);
        }
    }

    /// Weighting by a power of two is scaling the loss; by -1, its negative.
    #[test]
    fn weights_multiply(of in any::<Index>(), on in any::<Index>(), seed in any::<u64>()) {
        let (case, level) = (case::<f64>(of), level(on));
        let (pred, target) = moderates(&case, 40, seed);
        let sum = |weight: f64| {
            case.loss.batch(&pred, &target).weights(&[weight; 40]).level(level).sum().unwrap()
        };
        let plain = case.loss.batch(&pred, &target).level(level).sum().unwrap();
        prop_assert_eq!(sum(1.0), plain);
        prop_assert_eq!(sum(-1.0), -plain);
        prop_assert_eq!(sum(4.0), 4.0 * plain);
        prop_assert_eq!(sum(0.0), 0.0);
        let batch = case.loss.batch(&pred, &target).weights(&[0.25; 40]).level(level);
        let mean = case.loss.batch(&pred, &target).level(level).mean().unwrap();
        prop_assert_eq!(batch.weighted_mean().unwrap(), mean);
    }

    /// The sum of two parts is the sum of all, within the rounding of three sums.
    #[test]
    fn parts_add_up(of in any::<Index>(), on in any::<Index>(), seed in any::<u64>(), at in 0..300_usize) {
        let (case, level) = (case::<f64>(of), level(on));
        let (pred, target) = moderates(&case, 300, seed);
        let sum = |from: usize, to: usize| {
            case.loss.batch(&pred[from..to], &target[from..to]).level(level).sum().unwrap()
        };
        let (parts, all) = (sum(0, at) + sum(at, 300), sum(0, 300));
        // Of terms with both signs, the sum may be far smaller than its parts.
        let mixed = case.name == "kl-divergence";
        let close = parts == all || (parts - all).abs() <= 2.0 * f64::EPSILON * all.abs();
        prop_assert!(mixed || close, "{} for {}", parts, all);
    }

    /// No loss of the list is negative but terms of a divergence, and each grows away from its target: the slope has
    /// the sign of the error.
    #[test]
    fn losses_are_never_negative(of in any::<Index>(), on in any::<Index>(), seed in any::<u64>()) {
        let (case, level) = (case::<f32>(of), level(on));
        let (pred, target) = moderates(&case, 100, seed);
        let (mut losses, mut grad) = (vec![0.0; 100], vec![0.0; 100]);
        case.loss.batch(&pred, &target).level(level).losses(&mut losses).gradient(&mut grad).sum().unwrap();
        for i in 0..100 {
            let fits = case.name == "kl-divergence" || losses[i] >= 0.0;
            prop_assert!(fits, "{}: {} at {}, {}", case.label(), losses[i], pred[i], target[i]);
            let (_, slope) = case.reference(pred[i], target[i]);
            let agrees = f64::from(grad[i]) * slope >= 0.0 || slope.abs() < 1e-6;
            prop_assert!(agrees, "{}: slope {} at {}, {}", case.label(), grad[i], pred[i], target[i]);
        }
    }

    /// NaN is NaN wherever the reference has one, and touches no other element.
    #[test]
    fn nan_stays_with_its_element(of in any::<Index>(), on in any::<Index>(), seed in any::<u64>(), at in 0..70_usize) {
        let (case, level) = (case::<f32>(of), level(on));
        let (mut pred, target) = moderates(&case, 70, seed);
        let mut before = vec![0.0; 70];
        case.loss.batch(&pred, &target).level(level).gradient(&mut before).sum().unwrap();
        pred[at] = f32::NAN;
        let mut after = vec![0.0; 70];
        let total = case.loss.batch(&pred, &target).level(level).gradient(&mut after).total().unwrap();
        prop_assert!(is_nan(total.sum()) && is_nan(after[at]));
        for i in (0..70).filter(|&i| i != at) {
            prop_assert!(same(before[i], after[i]));
        }
    }
}

/// The case, if its parameters are of a size that no product of them overflows; else the one with the defaults.
fn without_overflow<F: Tested>(case: Case<F>) -> Case<F> {
    let huge = case.parameters.iter().any(|&(_, value)| value.to_f64() > 1e4);
    if huge { Case::new(case.name, &[]).expect("in the list") } else { case }
}
