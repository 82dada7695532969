//! Logits under a soft cap, c tanh(z / c), of which none is rounded.
//!
//! A capped logit is off by an ULP of itself, and the exponential of a difference of two by as many ULP as they are large. What
//! counts is how far one lies from the greatest; of that difference next to nothing may be left, but it is a product:
//!
//! ```text
//! tanh a - tanh b = sinh(a - b) / (cosh a cosh b) = 2 (e^2(a - b) - 1) s / ((1 + e^-2|a|) (1 + e^-2|b|)),
//! s = the greater of e^-2|a| and e^-2|b|, or 1 where a and b are on the two sides of 0
//! ```
//!
//! All of it is in pairs of numbers, high and low, for it is an exponential's argument: each rounding would cost as many ULP as
//! that is large.

use super::ROWS;
use crate::float::Float;
use crate::lanes::{Lanes, Mask};
use crate::math::{Functions, exp_parts};
use crate::sum::{difference, finite_or_zero, quick_two_sum_of, two_product_of};

/// A soft cap, or none.
#[derive(Clone, Copy, Debug)]
pub struct Cap<F>(
    /// Infinite where there is none: a number to divide by in any case, since the compiler may do that before it looks.
    F,
);

impl<F: Float> Cap<F> {
    pub fn new(cap: Option<F>) -> Self {
        Cap(cap.unwrap_or(F::INFINITY))
    }

    #[inline(always)]
    pub fn is_some(self) -> bool {
        self.0 != F::INFINITY
    }

    /// Capped z - capped max, high and low.
    #[inline(always)]
    pub fn difference<V: Lanes<Elem = F>>(self, z: V, max: V) -> [V; 2] {
        let single = z.single();
        if const { single_lanes::<V>() == V::LANES } {
            return self.difference_of(z, max);
        }
        // One register after the other: this code is long, and where it is copied, not to be copied for each.
        let mut rooms = [[F::ZERO; ROWS]; 2];
        z.store(&mut rooms[0]);
        max.store(&mut rooms[1]);
        let [highs, lows] = &mut rooms;
        let registers =
            highs.chunks_exact_mut(single_lanes::<V>()).zip(lows.chunks_exact_mut(single_lanes::<V>()));
        for (high, low) in registers.take(V::LANES / single_lanes::<V>()) {
            let parts = self.difference_of(single.load(high), single.load(low));
            parts[0].store(high);
            parts[1].store(low);
        }
        [z.load(highs), z.load(lows)]
    }

    #[cfg_attr(not(called), inline(always))]
    #[cfg_attr(called, inline(never))]
    fn difference_of<V: Lanes<Elem = F>>(self, z: V, max: V) -> [V; 2] {
        let (zero, one, cap) = (z.splat(F::ZERO), z.splat(F::ONE), z.splat(self.0));
        let (fading, fading_max) = (self.fading(z).value(), self.fading(max).value());
        let less = max.abs().lt(z.abs());
        let scale = [less.select(fading_max[0], fading[0]), less.select(fading_max[1], fading[1])];
        let apart = (z * max).lt(zero);
        let scale = [apart.select(one, scale[0]), (!apart).keep(scale[1])];
        let (distance, rest) = difference(z, max);
        let sine = self.grown([distance, finite_or_zero(rest)]).minus_one();
        product(over_cosines(product(sine, scale), fading, fading_max), [cap + cap, zero])
    }

    /// How a capped logit changes with the logit: 1 / cosh^2(z / c).
    #[inline(always)]
    pub fn slope<V: Lanes<Elem = F>>(self, z: V) -> V {
        let single = z.single();
        if const { single_lanes::<V>() == V::LANES } {
            return self.slope_of(z);
        }
        let mut room = [F::ZERO; ROWS];
        z.store(&mut room);
        for z in room.chunks_exact_mut(single_lanes::<V>()).take(V::LANES / single_lanes::<V>()) {
            self.slope_of(single.load(z)).store(z);
        }
        z.load(&room)
    }

    /// 4 e^-2|z / c| / (1 + e^-2|z / c|)^2.
    #[inline(always)]
    fn slope_of<V: Lanes<Elem = F>>(self, z: V) -> V {
        let fading = self.fading(z);
        let (value, four) = (fading.value(), z.splat(F::from_count(4) * F::EXP.down()));
        let [high, low] = over_cosines(fading.scaled(four), value, value);
        high + low
    }

    /// e^-2|z / c|.
    #[inline(always)]
    fn fading<V: Lanes<Elem = F>>(self, z: V) -> Grown<V> {
        self.grown([-z.abs(), z.splat(F::ZERO)])
    }

    /// e^(2 x / c) for an x <= 0, high and low.
    #[cfg_attr(not(called), inline(always))]
    #[cfg_attr(called, inline(never))]
    fn grown<V: Lanes<Elem = F>>(self, [high, low]: [V; 2]) -> Grown<V> {
        let cap = high.splat(self.0);
        let quotient = high / cap;
        let (product, error) = two_product_of(quotient, cap);
        let rest = finite_or_zero((((high - product) - error) + low) / cap);
        let (power, growth) = exp_parts([quotient + quotient, rest + rest]);
        Grown { power, growth }
    }
}

/// A power of e: a power of two, scaled up by what keeps it a normal number, times 1 + `growth`, high and low.
#[derive(Clone, Copy)]
struct Grown<V> {
    power: V,
    growth: [V; 2],
}

impl<V: Lanes> Grown<V> {
    /// It times a power of two, which is scaled up too.
    #[inline(always)]
    fn scaled(self, by: V) -> [V; 2] {
        let ([high, low], power) = (plus_one(self.growth), self.power * by);
        [high * power, low * power]
    }

    #[cfg_attr(not(called), inline(always))]
    #[cfg_attr(called, inline(never))]
    fn value(self) -> [V; 2] {
        self.scaled(self.power.splat(V::Elem::EXP.down()))
    }

    /// It - 1.
    #[inline(always)]
    fn minus_one(self) -> [V; 2] {
        let power = self.power * self.power.splat(V::Elem::EXP.down());
        let [high, low] = self.growth;
        let (less, lost) = quick_two_sum_of(power.splat(-V::Elem::ONE), power);
        let (sum, error) = quick_two_sum_of(less, high * power);
        [sum, error + (lost + low * power)]
    }
}

/// Pairs are high and low: their sum is meant.
#[inline(always)]
fn plus_one<V: Lanes>([high, low]: [V; 2]) -> [V; 2] {
    let (sum, error) = quick_two_sum_of(high.splat(V::Elem::ONE), high);
    [sum, error + low]
}

#[cfg_attr(not(called), inline(always))]
#[cfg_attr(called, inline(never))]
fn product<V: Lanes>(a: [V; 2], b: [V; 2]) -> [V; 2] {
    let (high, low) = two_product_of(a[0], b[0]);
    [high, low + (a[0] * b[1] + a[1] * b[0])]
}

/// `above` / ((1 + `a`) (1 + `b`)).
#[cfg_attr(not(called), inline(always))]
#[cfg_attr(called, inline(never))]
fn over_cosines<V: Lanes>(above: [V; 2], a: [V; 2], b: [V; 2]) -> [V; 2] {
    let below = product(plus_one(a), plus_one(b));
    let high = above[0] / below[0];
    let (product, low) = two_product_of(high, below[0]);
    [high, (((above[0] - product) - low) + (above[1] - high * below[1])) / below[0]]
}

/// Lanes of one register.
#[inline(always)]
const fn single_lanes<V: Lanes>() -> usize {
    <V::Single as Lanes>::LANES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::Scalar;

    /// Far below a cap nothing is capped, and both exponentials' high parts are 1.
    fn far_below<F: Float>(cap: f64) {
        let cap = Cap::new(Some(F::from_f64(cap)));
        for step in 1..=1000 {
            let z = F::from_f64(-0.03 * f64::from(step));
            let [Scalar(high), Scalar(low)] = cap.difference(Scalar(z), Scalar(F::ZERO));
            let off = ((high.to_f64() - z.to_f64()) + low.to_f64()) / z.to_f64();
            // An eighth of a rounding unit.
            let bound = 0.5_f64.powi(F::SIGNIFICAND as i32 + 3);
            assert!(off.abs() < bound, "{z:?} under {cap:?}: {high:?} and {low:?}");
        }
    }

    #[test]
    fn differences_far_below_the_cap() {
        far_below::<f32>(1e9);
        far_below::<f64>(1e18);
    }
}
