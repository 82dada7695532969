//! Totals and means against exact arithmetic.

use std::sync::OnceLock;

use fused_loss::{Elementwise, Error, Float, Lanes, Level, Loss, Mae, Mse, Total};

use crate::support::exact::ExactSum;
use crate::support::reference::Tested;
use crate::support::same;
use crate::support::samples::{Random, not_finite};

/// A loss that is its prediction: sums of anything at all.
#[derive(Clone, Copy)]
struct Itself;

impl<F: Float> Loss<F> for Itself {
    #[inline(always)]
    fn at<V: Lanes<Elem = F>>(self, pred: V, target: V) -> (V, V) {
        (pred, target)
    }
    fn definition(self, pred: f64, _: f64) -> f64 {
        pred
    }
}

/// Sums the terms on every level, and holds sum and mean against the exact ones.
fn check_sum<F: Float>(what: &str, terms: &[F]) {
    let exact = ExactSum::of(terms);
    let mut of_class: [Option<(F, F)>; 2] = [None; 2];
    for level in Level::available() {
        let batch = || Itself.batch(terms, terms).level(level);
        let (sum, total) = (batch().sum().unwrap(), batch().total().unwrap());
        let error = exact.error(sum);
        assert!(
            error <= 1.0,
            "{} {what}, {level}, {} terms: {sum:?} is {error} ULP off",
            F::NAME,
            terms.len()
        );
        assert!(same(total.sum(), sum), "{what}, {level}: the total has {:?}, the sum {sum:?}", total.sum());
        if terms.is_empty() {
            continue;
        }
        let mean = batch().mean().unwrap();
        let error = exact.mean_error(mean, terms.len() as u64);
        assert!(error <= 1.0, "{} {what}, {level}, mean of {}: {mean:?}: {error}", F::NAME, terms.len());
        // No arithmetic differs between classes here, so all levels agree.
        for class in &mut of_class {
            let (other_sum, other_mean) = class.get_or_insert((sum, mean));
            assert!(same(sum, *other_sum) && same(mean, *other_mean), "{what}, {level}: other bits");
        }
    }
}

/// Both precisions, at lengths around those of rows and blocks.
fn check_all(what: &str, term: impl Fn(usize, &mut Random) -> f64) {
    fn check<F: Float>(what: &str, term: &impl Fn(usize, &mut Random) -> f64) {
        for n in [1, 2, 5, 31, 32, 33, 64, 100, 1000, 4096, 16_383, 16_384, 16_385, 50_000] {
            let mut random = Random(n as u64);
            let terms: Vec<F> = (0..n).map(|i| F::from_f64(term(i, &mut random))).collect();
            check_sum(what, &terms);
        }
    }
    check::<f32>(what, &term);
    check::<f64>(what, &term);
}

#[test]
fn of_one_sign() {
    check_all("uniform", |_, random| random.unit());
    check_all("negative", |_, random| -random.unit());
    check_all("squares", |_, random| random.normal().powi(2));
    check_all("of every size", |_, random| 2_f64.powf(random.unit() * 100.0 - 50.0));
    check_all("zeros", |_, _| 0.0);
    check_all("negative zeros", |_, _| -0.0);
    check_all("one tenth", |_, _| 0.1);
}

/// What plain and Kahan sums lose: terms just below half a unit of a sum that stands in the same lane.
#[test]
fn one_and_almost_half_a_unit_alternate() {
    fn check<F: Float>() {
        let below = F::from_f64(0.997 * 2_f64.powi(-(F::SIGNIFICAND as i32)));
        for n in [64, 320, 3_200, 16_384, 40_000] {
            let lanes = F::WIDTH;
            let alternate = |i: usize| if (i / lanes).is_multiple_of(2) { F::ONE } else { below };
            check_sum("1 and 0.997 u", &(0..n).map(alternate).collect::<Vec<_>>());
            let first = |i: usize| if i < lanes { F::ONE } else { below };
            check_sum("1, then 0.997 u", &(0..n).map(first).collect::<Vec<_>>());
            let last = |i: usize| if i + lanes >= n { F::ONE } else { below };
            check_sum("0.997 u, then 1", &(0..n).map(last).collect::<Vec<_>>());
            let lone = |i: usize| if i == n / 2 { F::ONE } else { below };
            check_sum("one 1 among 0.997 u", &(0..n).map(lone).collect::<Vec<_>>());
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn of_mixed_signs() {
    check_all("normal", |_, random| random.normal());
    check_all("cancelling", |i, random| if i % 2 == 0 { 1e6 + random.unit() } else { -1e6 });
    check_all("of every size", |_, random| random.normal() * 2_f64.powf(random.unit() * 60.0 - 30.0));
    // Exact: x and -x many places apart.
    check_all("nothing left", |i, _| {
        let x = f64::from((i / 2 % 97) as u8) * 0.37 + 0.01;
        if i % 2 == 0 { x } else { -x }
    });
}

#[test]
fn of_subnormal_and_huge_numbers() {
    fn check<F: Float>() {
        let tiny = |steps: usize| F::from_pattern(steps as u64);
        let halved = |times: i32| F::MAX * F::from_f64(2_f64.powi(-times));
        for n in [1, 3, 40, 1000, 17_000] {
            check_sum("subnormal", &(0..n).map(|i| tiny(i % 1000)).collect::<Vec<_>>());
            check_sum("around the smallest normal", &vec![tiny(1 << (F::SIGNIFICAND - 2)); n]);
            check_sum("huge", &vec![halved(15); n]);
            check_sum("over the largest number", &vec![halved(5); n]);
            check_sum("below the least number", &vec![-halved(5); n]);
            check_sum(
                "subnormal beside huge",
                &(0..n).map(|i| if i % 3 == 0 { halved(16) } else { tiny(7) }).collect::<Vec<_>>(),
            );
        }
        check_sum("the largest number", &[F::MAX]);
        check_sum("the largest number, and nothing", &[F::MAX, F::ZERO, F::ZERO]);
        check_sum("twice the largest number", &[F::MAX, F::MAX]);
        check_sum("half of it, twice", &[halved(1), halved(1)]);
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn of_infinities_and_nan() {
    fn check<F: Float>() {
        let mut random = Random(1);
        for n in [1, 2, 30, 70, 20_000, 40_000] {
            for _ in 0..30 {
                let mut terms: Vec<F> = (0..n).map(|_| F::from_f64(random.normal())).collect();
                for _ in 0..1 + random.below(3) {
                    terms[random.below(n)] = not_finite()[random.below(4)];
                }
                check_sum("not finite", &terms);
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// No addition on the way leaves the range, but the rounding errors do, once they are added.
#[test]
fn errors_carry_a_sum_beyond_the_largest_number() {
    fn check<F: Float>() {
        let unit = F::MAX - F::from_pattern(F::MAX.to_pattern() - 1);
        let part = unit * F::from_f64(0.375);
        for n in [3, 64, 200, 20_000] {
            let mut terms = vec![F::ZERO; n];
            terms[..3].copy_from_slice(&[F::MAX, part, part]);
            let zeros = vec![F::ZERO; n];
            for level in Level::available() {
                let batch = || Mae.batch(&terms, &zeros).level(level);
                assert_eq!(batch().sum(), Ok(F::INFINITY), "{level}, {n} terms");
                assert_eq!(batch().mean(), Ok(F::INFINITY), "{level}, mean of {n} terms");
                assert_eq!(batch().total().unwrap().sum(), F::INFINITY, "{level}, total of {n} terms");
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// Totals of parts, in any order and grouping, with any parts: exact sums of the parts' sums.
#[test]
fn merge_in_any_order_and_grouping() {
    fn check<F: Float>() {
        let mut random = Random(2);
        for round in 0..40 {
            let mut exact = ExactSum::default();
            let parts: Vec<Total<F>> = (0..30)
                .map(|_| {
                    let mut terms = vec![random.pattern::<F>(); 1 + random.below(3)];
                    if round % 8 == 7 && random.below(10) == 0 {
                        terms[0] = not_finite()[random.below(4)];
                    }
                    // Small enough that no part overflows by itself.
                    terms.iter_mut().for_each(|term| *term = *term * F::from_f64(1e-3));
                    terms.iter().for_each(|&term| exact.add(term));
                    Itself.batch(&terms, &terms).total().unwrap()
                })
                .collect();
            let mut line = Total::default();
            parts.iter().for_each(|part| line.merge(part));
            for _ in 0..5 {
                let mut left = parts.clone();
                while left.len() > 1 {
                    let (a, b) = (random.below(left.len()), random.below(left.len() - 1));
                    let part = left.swap_remove(a);
                    let b = b.min(left.len() - 1);
                    left[b].merge(&part);
                }
                assert_eq!(left[0], line, "{}: another total in another order", F::NAME);
            }
            let error = exact.error(line.sum());
            assert!(error <= 1.0, "{}: {error} ULP", F::NAME);
        }
    }
    check::<f32>();
    check::<f64>();
}

/// One term a part: the merged total is the exact sum, rounded once, to the last bit.
#[test]
fn merged_single_terms_round_once() {
    fn check<F: Tested>() {
        let mut random = Random(3);
        for round in 0..300 {
            let reach = [2, 30, 80, 120][round % 4] + F::BITS as usize % 3;
            let middle = random.pattern::<F>();
            let mut total = Total::<F>::default();
            let mut exact = ExactSum::default();
            for _ in 0..=random.below(12) {
                // Near each other, so that ties and carries happen.
                let power = random.below(reach) as i32 - reach as i32 / 2;
                let term =
                    middle * F::from_f64(2_f64.powi(power)) * F::from_f64([1.0, -1.0, 1.5][random.below(3)]);
                let term = if term.finite() { term } else { middle };
                total.merge(&Itself.batch(&[term], &[term]).total().unwrap());
                exact.add(term);
            }
            assert!(exact.error(total.sum()) <= 0.5, "{}: {:?}", F::NAME, total.sum());
        }
        // Ties go to the even neighbour, on both sides.
        let u = F::from_f64(2_f64.powi(-(F::SIGNIFICAND as i32)));
        let sum = |terms: &[F]| {
            let mut total = Total::default();
            terms.iter().for_each(|term| total.merge(&Itself.batch(&[*term], &[*term]).total().unwrap()));
            total.sum()
        };
        let after = |steps: i64| crate::support::next(F::ONE, steps);
        assert_eq!(sum(&[F::ONE, u]), F::ONE);
        assert_eq!(sum(&[after(1), u]), after(2));
        assert_eq!(sum(&[-after(1), -u]), -after(2));
        assert_eq!(sum(&[F::ONE, u, F::from_pattern(1)]), after(1));
        assert_eq!(sum(&[after(1), u, -F::from_pattern(1)]), after(1));
        assert_eq!(sum(&[F::MAX, F::MAX, -F::MAX]), F::MAX);
        assert_eq!(sum(&[F::MAX, F::MAX]), F::INFINITY);
        assert_eq!(sum(&[-F::MAX, -F::MAX]), -F::INFINITY);
        assert_eq!(sum(&[F::from_pattern(1), F::from_pattern(2)]), F::from_pattern(3));
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn bytes_there_and_back() {
    fn check<F: Float>(length: usize) {
        let mut random = Random(4);
        let mut totals = vec![Total::<F>::default()];
        for _ in 0..50 {
            let n = random.below(40);
            let terms: Vec<F> = (0..n).map(|_| random.pattern()).collect();
            let weights: Vec<F> = (0..n).map(|_| F::from_f64(random.normal())).collect();
            totals.push(Itself.batch(&terms, &terms).weights(&weights).total().unwrap());
        }
        totals.push(Itself.batch(&not_finite(), &not_finite::<F>()).total().unwrap());
        for total in totals {
            let bytes = total.to_bytes();
            let bytes = bytes.as_ref();
            assert_eq!(bytes.len(), length);
            assert_eq!(Total::from_bytes(bytes), Ok(total));
            let refused = |bytes: &[u8]| matches!(Total::<F>::from_bytes(bytes), Err(Error::Bytes { .. }));
            assert!(refused(&bytes[1..]) && refused(&bytes[..length - 1]) && refused(&[]));
            assert!(refused(&[bytes, &[0]].concat()));
            // Magic, version, format, flags, the empty byte.
            for (at, wrong) in
                [(0, b'f'), (1, 0), (2, 255), (3, 0), (3, 2), (4, 0), (4, 16), (5, 8), (6, 255), (7, 1)]
            {
                let mut broken = bytes.to_vec();
                broken[at] = wrong;
                assert!(refused(&broken), "byte {at} may not be {wrong}");
            }
            let mut other = bytes.to_vec();
            other[4] = 96 - other[4];
            assert!(refused(&other), "the other precision");
        }
    }
    check::<f32>(112);
    check::<f64>(560);
}

/// Whatever the body holds, reading and using a total never panics.
#[test]
fn arbitrary_bytes_make_a_total() {
    fn check<F: Float>() {
        let mut random = Random(5);
        for _ in 0..500 {
            let mut bytes = Total::<F>::default().to_bytes();
            let body = &mut bytes.as_mut()[8..];
            let ones = random.below(3) == 0;
            body.iter_mut().for_each(|byte| *byte = if ones { 255 } else { random.bits() as u8 });
            let total = Total::<F>::from_bytes(bytes.as_ref()).unwrap();
            let _ =
                (total.sum(), total.weight(), total.mean(), total.weighted_mean(), total.mean_over(u64::MAX));
            assert_eq!(total.to_bytes().as_ref(), bytes.as_ref());
            let mut twice = total;
            twice.merge(&total);
            assert_eq!(twice.count(), total.count().saturating_mul(2));
        }
    }
    check::<f32>();
    check::<f64>();
}

/// The layout that the doc states, byte for byte: a cluster may hold totals of another build.
#[test]
fn bytes_as_documented() {
    let mut total = Itself.batch(&[1.5_f32, -0.25], &[0.0; 2]).weights(&[1.0, 2.0]).total().unwrap();
    total.merge(&Itself.batch(&[f32::INFINITY], &[0.0]).total().unwrap());
    let bytes = total.to_bytes();
    let bytes: &[u8] = bytes.as_ref();
    assert_eq!(&bytes[..8], b"FLT\x01\x20\x01\x00\x00");
    assert_eq!(bytes[8..16], 3_u64.to_le_bytes());
    // 1.0 is 2^149 units, so the sum is 2^149, and the weight 4 of them.
    let limbs = |from: usize| -> Vec<u64> {
        bytes[from..from + 48].chunks(8).map(|limb| u64::from_le_bytes(limb.try_into().unwrap())).collect()
    };
    assert_eq!(limbs(16), [0, 0, 1 << 21, 0, 0, 0]);
    assert_eq!(limbs(64), [0, 0, 1 << 23, 0, 0, 0]);
}

/// Counts above 2^24 are no f32: the mean must divide by the count itself.
#[test]
fn means_over_large_counts() {
    fn check<F: Float>() {
        let mut random = Random(6);
        let counts =
            [1, 2, 3, 10, 16_777_215, 16_777_217, 16_777_219, 33_554_435, 4_294_967_295, 4_294_967_297];
        for count in counts.into_iter().chain([(1 << 53) + 1, u64::from(u32::MAX) * 3 + 1]) {
            for _ in 0..50 {
                let terms: Vec<F> = (0..1 + random.below(60)).map(|_| F::from_f64(random.unit())).collect();
                let exact = ExactSum::of(&terms);
                let total = Itself.batch(&terms, &terms).total().unwrap();
                let (mean, over) = (total.mean_over(count).unwrap(), usize::try_from(count).unwrap());
                assert!(same(Itself.batch(&terms, &terms).mean_over(over).unwrap(), mean));
                // The sum's own 0.5 ULP are in it, since the divided pair is exact to far more.
                let error = exact.mean_error(mean, count);
                assert!(error <= 1.0, "{} over {count}: {error} ULP", F::NAME);
            }
        }
        assert_eq!(Itself.batch(&[F::ONE], &[F::ONE]).mean_over(0), Err(Error::Empty));
        // At the ends of the range, where dividing must neither over- nor underflow on its way.
        for x in [
            F::MAX,
            -F::MAX,
            F::from_pattern(1),
            F::from_pattern(1 << (F::SIGNIFICAND - 1)),
            F::from_pattern(12_345),
        ] {
            for count in [1, 2, 3, 7, 1000, 16_777_217] {
                let mean = Itself.batch(&[x], &[x]).mean_over(count).unwrap();
                let error = ExactSum::of(&[x]).mean_error(mean, count as u64);
                assert!(error <= 1.0, "{} {x:?} over {count}: {mean:?}, {error} ULP", F::NAME);
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// 2^24 squared errors around 0.49: a naive f32 sum is percents off, the mean here is not.
#[test]
fn sixteen_million_terms() {
    static DATA: OnceLock<(Vec<f32>, Vec<f32>)> = OnceLock::new();
    let (pred, target) = DATA.get_or_init(|| {
        let mut random = Random(7);
        (0..1 << 24).map(|_| (0.7 + 1e-3 * random.unit() as f32, 0.0)).unzip()
    });
    let naive = pred.iter().map(|p| p * p).sum::<f32>() / pred.len() as f32;
    // Integers in units of 2^-60: exact for terms of at least 2^-36, and far quicker than a big sum.
    let sum: i128 = pred.iter().map(|p| (f64::from(p * p) * 2_f64.powi(60)) as i128).sum();
    let exact = (sum >> 24) as f64 / 2_f64.powi(60);
    assert!((f64::from(naive) / exact - 1.0).abs() > 0.01, "the naive mean {naive} should be bad");
    let unit = f64::from(crate::support::next(exact as f32, 1) - exact as f32);
    for level in Level::available().skip(1) {
        let mean = Mse.batch(pred, target).level(level).mean().unwrap();
        assert!((f64::from(mean) - exact).abs() <= unit, "{level}: {mean} for {exact}");
    }
    // One element more, and the count is no f32.
    let mut total = Mse.batch(pred, target).total().unwrap();
    total.merge(&Mse.batch(&[0.7], &[0.0]).total().unwrap());
    let exact = (exact * 16_777_216.0 + 0.49) / 16_777_217.0;
    assert!((f64::from(total.mean().unwrap()) - exact).abs() <= unit);
    assert_eq!(total.count(), 16_777_217);
}

#[test]
fn an_empty_total() {
    let total = Mae.batch(&[0.0_f32; 0], &[]).total().unwrap();
    assert_eq!(total, Total::default());
    assert_eq!((total.sum(), total.weight(), total.count()), (0.0, 0.0, 0));
    assert_eq!(total.mean(), Err(Error::Empty));
    assert_eq!(total.weighted_mean(), Err(Error::Empty));
    let masked = Mae.batch(&[f32::NAN; 3], &[1.0; 3]).weights(&[0.0; 3]).total().unwrap();
    assert_eq!((masked.sum(), masked.weight(), masked.mean()), (0.0, 0.0, Ok(0.0)));
    assert_eq!(masked.weighted_mean(), Err(Error::Empty));
}
