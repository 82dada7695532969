//! Inputs, made of integers alone.

use fused_loss::Float;

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
}

/// What inputs are like.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    /// From -16 to 16.
    Usual,
    /// From 0 to 1, both included.
    Unit,
    /// Any pattern, and every fifth one of the special values.
    Any,
    /// 0 or 1.
    Hard,
}

pub fn fill<F: Float>(into: &mut [F], kind: Kind, seed: u64) {
    let mut random = Random(seed);
    for x in into {
        let bits = random.bits();
        let count = |count: u64| F::from_f64(count as f64);
        *x = match kind {
            Kind::Usual => (count(bits & 0xf_ffff) - count(1 << 19)) / count(1 << 15),
            Kind::Unit => count((bits & 0xffff) % 0x1_0001) / count(0xffff),
            Kind::Hard => count(bits >> 63),
            Kind::Any if bits.is_multiple_of(5) => special(bits >> 32),
            Kind::Any => F::from_pattern(bits >> (64 - F::BITS)),
        };
    }
}

fn special<F: Float>(which: u64) -> F {
    let one = F::from_f64(1.0);
    let smallest_normal = F::from_pattern(1 << (F::SIGNIFICAND - 1));
    let values = [
        F::from_f64(0.0),
        -F::from_f64(0.0),
        one,
        -one,
        F::INFINITY,
        -F::INFINITY,
        F::NAN,
        F::MAX,
        -F::MAX,
        F::from_pattern(1),
        -F::from_pattern(1),
        smallest_normal,
        F::from_pattern(one.to_pattern() - 1),
        F::from_pattern(one.to_pattern() + 1),
        F::from_f64(88.5),
        F::from_f64(-103.75),
        F::from_f64(709.75),
        F::from_f64(-745.0),
    ];
    values[(which % values.len() as u64) as usize]
}
