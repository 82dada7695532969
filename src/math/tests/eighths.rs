//! The table of powers of two by eighths, and what is made of it.

use super::*;
use crate::math::{Functions, Scaling, scaled, scaling_magic};

/// Looks up lanes in a table.
struct LookUp<'a, F>(&'a [F], &'a mut [F], &'a [F; 8]);

impl<F: Float> Kernel<F> for LookUp<'_, F> {
    type Output = ();
    type Home = Self;
    #[inline(always)]
    fn run<V: Lanes<Elem = F>, const WIDTH: usize, const PARTS: usize>(self, zero: V) {
        for (from, into) in self.0.chunks_exact(V::LANES).zip(self.1.chunks_exact_mut(V::LANES)) {
            zero.load(from).lookup(self.2).store(into);
        }
    }
}

fn looks_up<F: Measured>() {
    // Whatever the other bits are: infinities and NaN are among them.
    let patterns = (0..64 * F::WIDTH as u64).map(|i| splitmix(i) >> (64 - F::BITS));
    let patterns: Vec<u64> = patterns.chain((0..8).map(|i| F::INFINITY.to_pattern() | i)).collect();
    let whole = patterns.len() - patterns.len() % F::WIDTH;
    let from: Vec<F> = patterns[patterns.len() - whole..].iter().map(|&bits| F::from_pattern(bits)).collect();
    let table = core::array::from_fn(|i| F::from_f64(1.5 + i as f64));
    for level in Level::available() {
        let mut into = vec![F::ZERO; whole];
        level.run(LookUp(&from, &mut into, &table));
        for (from, into) in from.iter().zip(into) {
            assert_eq!(into, table[from.to_pattern() as usize % 8], "{level}: {:#x}", from.to_pattern());
        }
    }
}

#[test]
fn lanes_are_looked_up_by_their_low_bits() {
    looks_up::<f32>();
    looks_up::<f64>();
}

/// Exponentials of rows whose reference is 2^0.
struct Exponentials<'a>(&'a [f32], &'a mut [f32]);

#[inline(always)]
fn exponential<V: Lanes<Elem = f32>>(z: V) -> V {
    let of =
        Scaling { log2_e: core::f32::consts::LOG2_E, ln_2: [0.693_115_23, 3.194_618_3e-5], inverse: 1.0 };
    scaled::<V, false>(z, scaling_magic(z.splat(0.0)), &of)
}

impl Kernel<f32> for Exponentials<'_> {
    type Output = ();
    type Home = Self;
    #[inline(always)]
    fn run<V: Lanes<Elem = f32>, const WIDTH: usize, const PARTS: usize>(self, zero: V) {
        for (from, into) in self.0.chunks_exact(V::LANES).zip(self.1.chunks_exact_mut(V::LANES)) {
            exponential(zero.load(from)).store(into);
        }
    }
}

#[test]
fn exponentials_by_eighths() {
    let part = |i: u64| (splitmix(i) >> 11) as f64 / exact::two_to(53);
    let mut from: Vec<f32> = (0..1 << 16).map(|i| (part(i) * 160.0 - 80.0) as f32).collect();
    from.extend([0.0, -0.0, f32::NAN, f32::from_bits(0x7f80_0123), f32::from_bits(!0)]);
    from.resize(from.len().next_multiple_of(f32::WIDTH), 0.0);
    let [unit, _] = f32::EXP.fused_unit().map(|[high, low]| f64::from(high) + f64::from(low));
    for level in Level::available() {
        let mut into = vec![0.0; from.len()];
        level.run(Exponentials(&from, &mut into));
        let mut worst: f64 = 0.0;
        for (&z, &found) in from.iter().zip(&into) {
            let (unit, expected) = match level.rounding() {
                Rounding::Fused => (unit, exponential(Fused(Scalar(z))).0.0),
                Rounding::Unfused => (1.0, exponential(Scalar(z)).0),
            };
            let same = found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan();
            assert!(same, "{level}: e^{z:?} is {found:?}, not {expected:?}");
            assert_eq!(found.is_nan(), z.is_nan(), "{level}: e^{z:?}");
            if !z.is_nan() {
                worst = worst.max(found.ulps(&(unit * f64::from(z).exp())));
            }
        }
        println!("{level}: {worst:.3} ULP");
        assert!(worst < 0.9, "{level}: {worst} ULP");
    }
}

#[test]
fn units_are_one_over_another() {
    let [[high, low], [inverse, more]] = f32::EXP.fused_unit().map(|parts| parts.map(f64::from));
    assert!(((high + low) * (inverse + more) - 1.0).abs() < exact::two_to(-46));
    assert_eq!(f64::EXP.fused_unit(), [[1.0, 0.0]; 2]);
}
