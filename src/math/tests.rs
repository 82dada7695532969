//! Every function on every level against the truth: some inputs always, all of f32 and 10^8 of f64 when asked
//! (`cargo test --release --lib exhaustive -- --ignored --nocapture`).

extern crate std;

use core::sync::atomic::{AtomicU64, Ordering};
use std::string::String;
use std::vec::Vec;
use std::{format, println, vec};

use crate::dispatch::{Kernel, Level, Rounding};
use crate::float::Float;
use crate::lanes::{Lanes, Scalar};

mod eighths;
mod exact;
mod functions;
mod fused;

use exact::Exact;
use functions::{Function, Visit, for_each, of};
use fused::{Fused, MulAdd};

/// Maps a function over a slice.
struct Map<'a, F, G>(&'a [F], &'a mut [F], G);

impl<F: Float, G: Function> Kernel<F> for Map<'_, F, G> {
    type Output = ();
    type Home = Self;
    #[inline(always)]
    fn run<V: Lanes<Elem = F>, const WIDTH: usize, const PARTS: usize>(self, zero: V) {
        for (from, into) in self.0.chunks_exact(V::LANES).zip(self.1.chunks_exact_mut(V::LANES)) {
            G::at(zero.load(from)).store(into);
        }
    }
}

/// How a precision is measured.
trait Measured: MulAdd {
    type Truth;
    fn truth<G: Function>(x: Self) -> Self::Truth;
    fn ulps(self, truth: &Self::Truth) -> f64;
    /// A quick yes where it is the nearest number of this format.
    fn nearest_to(self, truth: &Self::Truth) -> bool;
}

impl Measured for f32 {
    type Truth = f64;
    fn truth<G: Function>(x: f32) -> f64 {
        G::near(f64::from(x))
    }
    fn ulps(self, &truth: &f64) -> f64 {
        let got = f64::from(self);
        if truth.is_nan() || truth == 0.0 {
            let same = truth.is_nan() && got.is_nan() || truth.to_bits() == got.to_bits();
            return if same { 0.0 } else { f64::INFINITY };
        }
        if got.is_nan() || (got.is_sign_negative() != truth.is_sign_negative()) {
            return f64::INFINITY;
        }
        // Infinity counts as the number that would follow the largest.
        let top = exact::two_to(128);
        let (got, truth) = (got.abs().min(top), truth.abs().min(top));
        let exponent = ((truth.to_bits() >> 52) as i32 - 1023).clamp(-126, 127);
        (got - truth).abs() * exact::two_to(23 - exponent)
    }
    fn nearest_to(self, truth: &f64) -> bool {
        self.to_bits() == (*truth as f32).to_bits()
    }
}

impl Measured for f64 {
    type Truth = Exact;
    fn truth<G: Function>(x: f64) -> Exact {
        G::exact(x)
    }
    fn ulps(self, truth: &Exact) -> f64 {
        truth.ulps(self)
    }
    fn nearest_to(self, truth: &Exact) -> bool {
        truth.power == 0 && self.to_bits() == truth.high.to_bits()
    }
}

/// The worst inputs of each level.
struct Worst<F>(Vec<(Level, f64, F)>);

impl<F: Measured> Worst<F> {
    fn new() -> Self {
        // Half an ULP tells nothing: the nearest number, which most results are, needs no closer look.
        Worst(Level::available().map(|level| (level, 0.5, F::ZERO)).collect())
    }
    /// Measures these inputs (a multiple of `F::WIDTH`), and holds the bits of the levels of a class together.
    fn take<G: Function>(&mut self, inputs: &[F], results: &mut Vec<F>, reference: bool) {
        assert_eq!(inputs.len() % F::WIDTH, 0);
        let truth: Vec<_> = inputs.iter().map(|&x| F::truth::<G>(x)).collect();
        let measure = |results: &[F], mut worst: f64| {
            let mut at = F::ZERO;
            for ((&x, truth), &got) in inputs.iter().zip(&truth).zip(results) {
                if !got.nearest_to(truth) {
                    let ulps = got.ulps(truth);
                    if ulps > worst {
                        (worst, at) = (ulps, x);
                    }
                }
            }
            (worst, at)
        };
        let mut classes = vec![];
        if reference {
            let bits: Vec<F> = inputs.iter().map(|&x| G::at(Fused(Scalar(x))).0.0).collect();
            classes.push((Rounding::Fused, measure(&bits, 0.5), bits));
        }
        results.resize(inputs.len(), F::ZERO);
        for (level, worst, at) in &mut self.0 {
            level.run(Map(inputs, results, G::default()));
            let class = classes.iter().find(|(rounding, ..)| *rounding == level.rounding());
            let (ulps, x) = match class {
                Some((_, measured, bits)) => {
                    for ((&x, a), b) in inputs.iter().zip(bits).zip(&*results) {
                        let same = a.to_pattern() == b.to_pattern() || a.nan() && b.nan();
                        assert!(same, "{} {level} at {x:?}: {a:?} and {b:?}", G::NAME);
                    }
                    *measured
                }
                None => {
                    let measured = measure(results, *worst);
                    classes.push((level.rounding(), measured, results.clone()));
                    measured
                }
            };
            if ulps > *worst {
                (*worst, *at) = (ulps, x);
            }
        }
    }
    fn join(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            if theirs.1 > mine.1 {
                *mine = *theirs;
            }
        }
    }
    fn check<G: Function>(&self) -> String {
        let mut table = String::new();
        for (level, ulps, at) in &self.0 {
            let line = format!("{:16} {} {:9} {ulps:.4} at {at:?}", G::NAME, F::NAME, level.name());
            assert!(*ulps <= G::BOUND, "{line}");
            table = table + &line + "\n";
        }
        table
    }
}

/// Repeats the first input until the registers are full.
fn fill<F: Float>(mut inputs: Vec<F>) -> Vec<F> {
    while !inputs.is_empty() && !inputs.len().is_multiple_of(F::WIDTH) {
        inputs.push(inputs[0]);
    }
    inputs
}

const SPECIALS: &[f64] = &[
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    2.0,
    -2.0,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    -f64::NAN,
    1e-45,
    -1e-45,
    1.1754942e-38,
    1.17549435e-38,
    3.4028235e38,
    -3.4028235e38,
    5e-324,
    -5e-324,
    2.225_073_858_507_201e-308,
    2.2250738585072014e-308,
    f64::MAX,
    f64::MIN,
];

/// The numbers around the branches, and the special ones.
fn edges<F: Measured, G: Function>() -> Vec<F> {
    let mut inputs = vec![];
    for &branch in G::BRANCHES {
        let middle = F::from_f64(branch).to_pattern();
        inputs.extend((0..4000).map(|i| F::from_pattern(middle.wrapping_add(i).wrapping_sub(2000))));
        let zero = 1 << (F::BITS - 1);
        inputs.extend((0..2000).flat_map(|i| [F::from_pattern(i), F::from_pattern(zero + i)]));
    }
    inputs.extend(SPECIALS.iter().map(|&x| F::from_f64(x)));
    inputs
        .extend([0x7f80_0001, 0xffff_ffff, 0x7fff_ffff].map(|bits| F::from_pattern(bits << (F::BITS - 32))));
    inputs.retain(|x| G::takes(x.to_f64()));
    fill(inputs)
}

struct Edges;
impl Visit for Edges {
    fn visit<G: Function>(&mut self) {
        let mut single = Worst::<f32>::new();
        single.take::<G>(&edges::<f32, G>(), &mut vec![], true);
        single.check::<G>();
        let mut double = Worst::<f64>::new();
        double.take::<G>(&edges::<f64, G>(), &mut vec![], true);
        double.check::<G>();
    }
}

#[test]
fn specials_and_branches() {
    for_each(Edges);
}

/// f32 patterns `stride` apart, on two threads.
struct Patterns(usize);
impl Visit for Patterns {
    fn visit<G: Function>(&mut self) {
        let (next, stride) = (AtomicU64::new(0), self.0);
        let block = (stride as u64) << 12;
        let work = || {
            let (mut worst, mut results) = (Worst::<f32>::new(), vec![]);
            loop {
                let start = next.fetch_add(block, Ordering::Relaxed);
                if start >> 32 != 0 {
                    return worst;
                }
                let patterns = (start..(start + block).min(1 << 32)).step_by(stride);
                let mut inputs: Vec<f32> = patterns.map(f32::from_pattern).collect();
                inputs.retain(|&x| G::takes(f64::from(x)));
                worst.take::<G>(&fill(inputs), &mut results, stride > 1);
            }
        };
        let worst = on_two_threads(work);
        println!("{}", worst.check::<G>().trim_end());
    }
}

fn on_two_threads<F: Measured>(work: impl Fn() -> Worst<F> + Sync) -> Worst<F> {
    std::thread::scope(|scope| {
        let other = scope.spawn(&work);
        let mut worst = work();
        worst.join(&other.join().expect("the other thread passed"));
        worst
    })
}

#[test]
fn every_4099th_f32() {
    for_each(Patterns(4099));
}

#[test]
#[ignore = "minutes"]
fn exhaustive_f32() {
    for_each(Patterns(1));
}

/// So many f64, on two threads.
struct Random(u64);
impl Visit for Random {
    fn visit<G: Function>(&mut self) {
        const BLOCK: u64 = 1 << 13;
        let (next, end) = (AtomicU64::new(0), self.0);
        let work = || {
            let (mut worst, mut results) = (Worst::<f64>::new(), vec![]);
            loop {
                let start = next.fetch_add(BLOCK, Ordering::Relaxed);
                if start >= end {
                    return worst;
                }
                let mut inputs: Vec<f64> = (start..start + BLOCK).map(random).collect();
                inputs.retain(|&x| G::takes(x));
                worst.take::<G>(&fill(inputs), &mut results, end < 1 << 20);
            }
        };
        println!("{}", on_two_threads(work).check::<G>().trim_end());
    }
}

/// The i-th input: a third any pattern, the others where the functions are busy.
fn random(i: u64) -> f64 {
    let bits = splitmix(i);
    let unit = (bits >> 11) as f64 * exact::two_to(-53);
    let sign = if bits & 1 == 0 { 1.0 } else { -1.0 };
    match i % 12 {
        0..3 => f64::from_bits(bits),
        3 | 4 => unit,
        5 => sign * unit,
        6 | 7 => -unit * if i.is_multiple_of(5) { 746.0 } else { 40.0 },
        8 => unit * if i.is_multiple_of(5) { 710.0 } else { 40.0 },
        9 => 0.5 + 1.5 * unit,
        10 => 1.0 + sign * exact::two_to(-(bits as i32 >> 1 & 31)) * unit,
        _ => sign * unit * exact::two_to(-(bits as i32 >> 1 & 63)),
    }
}

fn splitmix(i: u64) -> u64 {
    let mut z = i.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

#[test]
fn random_f64() {
    for_each(Random(100_000));
}

#[test]
#[ignore = "minutes"]
fn exhaustive_f64() {
    for_each(Random(100_000_000));
}

/// What is lost of e^x in parts, relative to it, and of e^r - 1 where that is e^x - 1; both classes.
fn lost_of_parts<F: MulAdd>(
    x: [F; 2],
    of_power: impl Fn([F; 2]) -> f64,
    of_growth: impl Fn([F; 2]) -> f64,
) -> f64 {
    let [a, b] = x.map(Scalar);
    let (Scalar(power), [Scalar(high), Scalar(low)]) = super::exp::exp_parts([a, b]);
    let (Fused(Scalar(other)), [Fused(fused_high), Fused(fused_low)]) =
        super::exp::exp_parts([Fused(a), Fused(b)]);
    assert_eq!(power.to_pattern(), other.to_pattern(), "{x:?}");
    let lost = |growth| if x[0].to_f64() > -0.3 { of_growth(growth) } else { of_power(growth) };
    lost([high, low]).max(lost([fused_high.0, fused_low.0]))
}

#[test]
fn parts_of_e() {
    let mut worst = [0.0_f64; 2];
    for i in 0..200_000 {
        let part = |i: u64| (splitmix(i) >> 11) as f64 / exact::two_to(53);
        // From 2^-30 to 2^9, evenly by exponent.
        let x = -(part(2 * i) * 39.0 - 30.0).exp2();
        let low = x * (part(2 * i + 1) - 0.5) * exact::two_to(-52);
        let truth = exact::exp(Exact::new(x, low));
        let n = (x * core::f64::consts::LOG2_E).round_ties_even() as i32;
        let value = |[high, low]: [f64; 2]| Exact::new(1.0, 0.0).add(Exact::new(high, low));
        let of_power = |growth| {
            let reduced = Exact { power: truth.power - n, ..truth }.plain();
            let lost = value(growth).add(reduced.neg());
            (lost.high / reduced.high).abs()
        };
        let of_growth = |[high, more]: [f64; 2]| {
            // The low part moves e^x - 1 by itself, as far as that counts here.
            let truth = exact::exp_m1(x).plain().add(Exact::new(low, low * x));
            let lost = Exact::new(high, more).add(truth.neg());
            (lost.high / truth.high).abs()
        };
        worst[1] = worst[1].max(lost_of_parts([x, low], of_power, of_growth));

        let x = [(x.max(-100.0)) as f32, low as f32 * exact::two_to(29) as f32];
        let exact = f64::from(x[0]) + f64::from(x[1]);
        let n = (f64::from(x[0]) * core::f64::consts::LOG2_E).round_ties_even();
        let sum = |[high, low]: [f32; 2]| f64::from(high) + f64::from(low);
        let of_power = |growth| ((1.0 + sum(growth)) * n.exp2() / exact.exp() - 1.0).abs();
        let of_growth = |growth| (sum(growth) / exact.exp_m1() - 1.0).abs();
        worst[0] = worst[0].max(lost_of_parts(x, of_power, of_growth));
    }
    println!("e^x in parts: f32 2^{:.1}, f64 2^{:.1}", worst[0].log2(), worst[1].log2());
    assert!(worst[0] < exact::two_to(-27) && worst[1] < exact::two_to(-56), "{worst:?}");
}

/// Made with mpmath 1.3 at 400 bits: function, x, the truth in two parts.
const MPMATH: &[(&str, f64, f64, f64)] = &include!("tests/mpmath.in");

#[test]
fn the_truth_is_true() {
    for &(name, x, high, low) in MPMATH {
        let truth = match name {
            "exp" => exact::exp(of(x)),
            "exp_m1" => exact::exp_m1(x),
            "ln" => exact::ln(x),
            "ln_1p" => exact::ln_1p(of(x)),
            "logistic" => exact::logistic(x),
            _ => exact::softplus(x),
        };
        let scale = exact::two_to(-truth.power);
        let error = ((high * scale - truth.high) + (low * scale - truth.low)) / truth.high;
        assert!(error.abs() < exact::two_to(-70), "{name} of {x:?}: {truth:?}, relative error {error:e}");
    }
}
