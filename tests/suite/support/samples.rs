//! Numbers worth trying: the special ones, those at branches and kinks, and seeded random ones of every size.

use std::f64::consts::LN_2;

use fused_loss::{Domain, Float, Loss};

use super::next;
use super::reference::{Case, Tested};

/// SplitMix64 (Steele, Lea, Flood 2014).
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }
    /// Nearly normal: Irwin and Hall's twelve.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
    /// Any finite number of the format, every exponent alike.
    pub fn pattern<F: Float>(&mut self) -> F {
        loop {
            let x = F::from_pattern(self.bits() >> (64 - F::BITS));
            if x.finite() {
                return x;
            }
        }
    }
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// Finite numbers at which something happens: ends of the format, branches of exp and ln, and their neighbours.
pub fn special<F: Float>() -> Vec<F> {
    let mut numbers = vec![F::ZERO, F::from_pattern(1), F::from_pattern(3)];
    let smallest_normal = F::from_pattern(1 << (F::SIGNIFICAND - 1));
    let at = [
        0.5,
        1.0,
        2.0,
        0.25,
        1.0 / 3.0,
        0.125,
        1.5,
        10.0,
        16.6,
        17.4,
        36.8,
        64.0,
        86.6,
        87.3365,
        88.0,
        88.7228,
        103.28,
        103.972,
        104.0,
        708.396,
        709.7827,
        745.133,
        746.0,
        1000.0,
        1e10,
        1e19,
        1e20,
        1e30,
        3e38,
        1e-3,
        1e-7,
        6e-8,
        1.2e-7,
        1e-10,
        1e-16,
        1e-19,
        1e-20,
        1e-30,
        1e-38,
        1e-45,
        LN_2 / 2.0,
        LN_2,
        2.0 * LN_2,
    ];
    let at = at.into_iter().map(F::from_f64).filter(|x| x.finite());
    for x in at.chain([smallest_normal, F::MAX, F::MAX * F::HALF]) {
        numbers.extend([next(x, -1), x, next(x, 1)]);
    }
    numbers.retain(|x| x.finite());
    let negative: Vec<F> = numbers.iter().map(|&x| -x).collect();
    numbers.extend(negative);
    numbers
}

pub fn not_finite<F: Float>() -> [F; 4] {
    [F::INFINITY, -F::INFINITY, F::NAN, -F::NAN]
}

/// The number in the domain that lies where `unit`, from 0 to 1, says; any number where the domain is everything.
fn within<F: Float>(domain: Domain<F>, random: &mut Random) -> F {
    match domain {
        Domain::Interval { low, high } => {
            let unit = match random.below(4) {
                0 => 0.0,
                1 => 1.0,
                2 => random.unit(),
                _ => random.unit() * 2_f64.powi(-(random.below(60) as i32)),
            };
            let (low, high) = (low.to_f64().max(-1e30), high.to_f64().min(1e30));
            let x = F::from_f64(low + unit * (high - low));
            if domain.holds(x) { x } else { F::from_f64(low) }
        }
        _ => match random.below(3) {
            0 => random.pattern(),
            _ => F::from_f64(random.normal() * 3.0),
        },
    }
}

/// A pair that fits the loss: of moderate size, so that sums mean something.
pub fn moderate<F: Tested>(case: &Case<F>, random: &mut Random) -> (F, F) {
    let target = match case.loss.target_domain() {
        Domain::All => F::from_f64(random.normal() * 3.0),
        domain => within(domain, random),
    };
    let pred = match case.loss.pred_domain() {
        Domain::All => F::from_f64(random.normal() * 3.0),
        domain => within(domain, random),
    };
    (pred, target)
}

/// A pair that fits the loss: anything finite, often close together, often at a kink.
pub fn any_finite<F: Tested>(case: &Case<F>, random: &mut Random) -> (F, F) {
    let (pred_domain, target_domain) = (case.loss.pred_domain(), case.loss.target_domain());
    let target = within(target_domain, random);
    let pred = match random.below(4) {
        // Near the target, and at its kinks.
        0 => next(target, random.below(9) as i64 - 4),
        1 if !case.parameters.is_empty() => {
            let (_, at) = case.parameters[random.below(case.parameters.len())];
            let at = if random.below(2) == 0 { at } else { -at };
            next(target + at, random.below(9) as i64 - 4)
        }
        2 => F::from_f64(random.normal() * 3.0 + target.to_f64()),
        _ => random.pattern(),
    };
    let fits = pred.finite() && pred_domain.holds(pred);
    (if fits { pred } else { within(pred_domain, random) }, target)
}

/// Pairs for judging single elements: special with special, or each `stride`th of those, then `random` random ones.
pub fn pairs<F: Tested>(case: &Case<F>, random: usize, stride: usize, seed: u64) -> Vec<(F, F)> {
    let (pred_domain, target_domain) = (case.loss.pred_domain(), case.loss.target_domain());
    let mut numbers = special::<F>();
    numbers.extend(not_finite::<F>());
    let targets: Vec<F> = numbers.iter().copied().filter(|&x| target_domain.holds(x)).collect();
    let mut pairs = Vec::new();
    for &pred in numbers.iter().filter(|&&x| pred_domain.holds(x)) {
        // A parameter times a subnormal target may be 0, and 0 times an infinite prediction is 0, not infinite.
        let fits = |target: F| pred.finite() || !(F::ZERO < target && target < F::from_f64(1e-30));
        pairs.extend(targets.iter().filter(|&&target| fits(target)).map(|&target| (pred, target)));
    }
    let mut pairs: Vec<_> = pairs.into_iter().step_by(stride).collect();
    let mut source = Random(seed);
    for i in 0..random {
        pairs.push(if i % 2 == 0 { any_finite(case, &mut source) } else { moderate(case, &mut source) });
    }
    pairs
}
