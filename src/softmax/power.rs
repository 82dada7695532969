//! The exponentials of a row's logits, as good where they are tiny as where they are large.
//!
//! e^(z - max) from the rounded difference is off by as many ULP as the difference is large. So nothing is subtracted:
//! the reference of a row is a power of two near e^max, and that is a whole number in the argument's own reduction,
//!
//! ```text
//! e^z / 2^reference = 2^(n - reference) e^(z - n ln 2)
//! ```
//!
//! which the magic constant of [`exp`](crate::math::exp) takes in. What comes out is scaled up by 2^`UP`, so that the
//! tiniest are normal numbers; sums and quotients of them do not notice. Where the maximum is so large that n would be
//! too, it is subtracted after all: there the difference is exact.
//!
//! A temperature T is one of the base: e^(z / T) = 2^n e^((z - n T ln 2) / T), and no quotient is rounded before it
//! counts.

use super::cap::Cap;
use super::{ROWS, lane};
use crate::float::Float;
use crate::lanes::{Lanes, Mask};
use crate::math::{Scaling, scaled, scaled_power, scaling_magic};
use crate::sum::two_product;

/// What logits go through before the exponential.
#[derive(Clone, Copy, Debug)]
pub struct Logits<F> {
    temperature: F,
    cap: Cap<F>,
    scaling: Scaling<F>,
}

impl<F: Float> Logits<F> {
    #[cfg_attr(called, inline(never))]
    pub fn new(temperature: F, soft_cap: Option<F>) -> Self {
        let [ln_2, tail] = F::SOFTMAX.ln_2;
        let product = two_product(temperature, ln_2);
        // So few bits that every n times it is exact.
        let high = F::from_pattern(product.high.to_pattern() & !((1 << F::SOFTMAX.cut) - 1));
        let low = ((product.high - high) + product.low) + temperature * tail;
        let scaling = Scaling {
            log2_e: F::EXP.log2_e() / temperature,
            ln_2: [high, low],
            inverse: F::ONE / temperature,
        };
        Logits { temperature, cap: Cap::new(soft_cap), scaling }
    }

    /// Whether there is more to do than the exponential itself, in a row whose greatest logit is `max`.
    pub fn shaped(&self, max: F) -> bool {
        self.capped() || self.temperature != F::ONE || max.magnitude() > F::SOFTMAX.far
    }

    /// The same of rows whose greatest logits are these.
    #[inline(always)]
    pub fn shaped_any<V: Lanes<Elem = F>>(&self, max: V) -> bool {
        // Compiled for size, there is one way for all.
        cfg!(small) || self.shaped(F::ZERO) || max.abs().gt(max.splat(F::SOFTMAX.far)).any()
    }

    pub fn capped(&self) -> bool {
        self.cap.is_some()
    }

    /// The same without a cap: for code that is only for such logits, and need not look.
    #[inline(always)]
    pub fn uncapped(self) -> Self {
        Logits { cap: Cap::new(None), ..self }
    }

    /// One over the temperature.
    pub fn inverse(&self) -> F {
        self.scaling.inverse
    }

    /// The logit under its cap, c tanh(z / c).
    #[cfg_attr(not(called), inline(always))]
    #[cfg_attr(called, inline(never))]
    pub fn cap<V: Lanes<Elem = F>>(&self, z: V) -> V {
        if !self.capped() {
            return z;
        }
        let [high, low] = self.cap.difference(-z.abs(), z.splat(F::ZERO));
        (high + low).copysign(z)
    }

    /// How the capped logit over the temperature changes with the logit.
    #[cfg_attr(not(called), inline(always))]
    #[cfg_attr(called, inline(never))]
    pub fn slope<V: Lanes<Elem = F>>(&self, z: V) -> V {
        let inverse = z.splat(self.scaling.inverse);
        if self.capped() { self.cap.slope(z) * inverse } else { inverse }
    }

    /// A capped logit over the temperature.
    #[inline(always)]
    pub fn over_temperature<V: Lanes<Elem = F>>(&self, z: V) -> V {
        if self.temperature == F::ONE { z } else { z / z.splat(self.temperature) }
    }

    /// How far a logit lies below the greatest one, both under the cap and over the temperature.
    #[cfg_attr(not(called), inline(always))]
    #[cfg_attr(called, inline(never))]
    pub fn down<V: Lanes<Elem = F>>(&self, max: V, z: V) -> V {
        let (max, z) = match self.capped() {
            true => {
                let [high, low] = self.cap.difference(z, max);
                (max.splat(F::ZERO), high + low)
            }
            false => (max, z),
        };
        if self.temperature == F::ONE {
            return max - z;
        }
        // Halves, since a difference may be infinite that is not over the temperature.
        let half = F::ONE / (F::ONE + F::ONE);
        (max * z.splat(half) - z * z.splat(half)) / z.splat(self.temperature * half)
    }

    /// Whether some logit may lie so far below the greatest one that the distance is larger than any number.
    #[inline(always)]
    pub fn steep(&self, max: F) -> bool {
        // Compiled for size, there is one way for all.
        cfg!(small) || !self.capped() && (max > F::SOFTMAX.steep || self.inverse() > F::ONE)
    }

    /// The exponentials of rows whose greatest logits, finite ones, are `max`.
    #[cfg_attr(not(called), inline(always))]
    #[cfg_attr(called, inline(never))]
    pub fn against<V: Lanes<Elem = F>>(self, max: V) -> Power<V> {
        let of = F::SOFTMAX;
        let zero = max.splat(F::ZERO);
        let (greatest, max) = (max, if self.capped() { zero } else { max });
        let far = max.abs().gt(max.splat(of.far * self.temperature));
        let magic = max.splat(F::EXP.magic());
        // Of any two whole numbers near it either does, so the class of rounding makes no promise here.
        let reference = far.select(zero, (max * max.splat(self.scaling.log2_e) + magic) - magic);
        let shift = far.select(max, zero);
        let limit = (max - shift) - max.splat(of.depth * self.temperature);
        let magic = scaling_magic(max.splat(of.up) - reference);
        Power { logits: self, max: greatest, shift, limit, magic }
    }
}

impl<F: Float> Logits<F> {
    /// The exponentials of one row, whose greatest logit is in any lane of `max`.
    #[inline(always)]
    pub fn of_row<V: Lanes<Elem = F>>(self, zero: V, max: V::Single) -> Power<V> {
        // Worked out in one register: of several, the compiler would keep copies of all that is the same in them.
        self.against(max).of_first(zero)
    }
}

/// The exponentials of a few rows, as numbers.
#[derive(Clone, Copy, Default)]
pub struct Powers<F> {
    shift: [F; ROWS],
    limit: [F; ROWS],
    magic: [F; ROWS],
}

impl<F: Float> Powers<F> {
    /// Those of as many rows as a register has lanes.
    #[inline(always)]
    pub fn store<V: Lanes<Elem = F>>(&mut self, power: &Power<V>) {
        power.shift.store(&mut self.shift);
        power.limit.store(&mut self.limit);
        power.magic.store(&mut self.magic);
    }

    /// That of one row, whose greatest logit is `max`, in every lane.
    #[inline(always)]
    pub fn row<V: Lanes<Elem = F>>(&self, zero: V, logits: Logits<F>, lane: usize, max: F) -> Power<V> {
        let all = |of: &[F; ROWS]| zero.splat(of.get(lane).copied().unwrap_or(F::ZERO));
        let (shift, limit, magic) = (all(&self.shift), all(&self.limit), all(&self.magic));
        Power { logits, max: zero.splat(max), shift, limit, magic }
    }
}

/// The exponential against a row's reference: of one row in all lanes, or of as many rows.
#[derive(Clone, Copy)]
pub struct Power<V: Lanes> {
    logits: Logits<V::Elem>,
    /// The greatest logit, before its cap.
    max: V,
    /// Subtracted first: 0, or the maximum where that is far from 0.
    shift: V,
    /// Below it, nothing counts; it keeps the exponents in their range.
    limit: V,
    magic: V,
}

impl<V: Lanes> Power<V> {
    /// That of the first row in every lane.
    #[inline(always)]
    pub fn of_first<W: Lanes<Elem = V::Elem>>(&self, zero: W) -> Power<W> {
        let all = |x: V| zero.splat(lane(x));
        let (shift, limit, magic) = (all(self.shift), all(self.limit), all(self.magic));
        Power { logits: self.logits, max: all(self.max), shift, limit, magic }
    }

    /// e^z for a logit that has no cap, against the reference and scaled up. -inf gives next to nothing, NaN NaN.
    #[inline(always)]
    pub fn exp<const SHAPED: bool>(&self, z: V) -> V {
        match SHAPED {
            true => scaled::<V, true>(self.limit.max(z - self.shift), self.magic, &self.logits.scaling),
            // Nothing is subtracted.
            false => scaled::<V, false>(self.limit.max(z), self.magic, &self.logits.scaling),
        }
    }

    /// The same for any logit, under its cap.
    #[cfg_attr(not(called), inline(always))]
    #[cfg_attr(called, inline(never))]
    pub fn of(&self, z: V) -> V {
        let [high, low] = match self.capped() {
            true => self.logits.cap.difference(z, self.max),
            false => [z, z.splat(V::Elem::ZERO)],
        };
        let e = self.exp::<true>(high);
        if self.capped() { e.mul_add(low * z.splat(self.logits.scaling.inverse), e) } else { e }
    }

    /// The same for the greatest.
    #[inline(always)]
    pub fn of_greatest(&self) -> V {
        if cfg!(small) {
            return self.of(self.max);
        }
        self.exp::<true>(if self.capped() { self.max.splat(V::Elem::ZERO) } else { self.max })
    }

    #[inline(always)]
    pub fn capped(&self) -> bool {
        self.logits.capped()
    }

    /// A power of two: the exponentials of this logit, where there is no cap, and of lesser ones are less than twice as much.
    #[inline(always)]
    pub fn power_of_uncapped(&self, z: V) -> V {
        scaled_power(self.limit.max(z - self.shift), self.magic, &self.logits.scaling)
    }
}

/// What a precision tells the exponentials of softmax.
#[doc(hidden)]
pub struct Constants<F> {
    /// ln 2, to about twice the precision.
    pub ln_2: [F; 2],
    /// So many low bits of a multiple of ln 2 are left out, for n to fit.
    pub cut: u32,
    /// Exponentials are scaled up by 2^`up`.
    pub up: F,
    /// How far below the maximum a logit may lie, in temperatures, before it stops to count.
    pub depth: F,
    /// Factors of exponentials from here on have a low part that is a normal number.
    pub tiny: F,
    /// A maximum further than this from 0, in temperatures, is subtracted. Twice the depth: the difference is exact.
    pub far: F,
    /// Numbers above this one may lie further above another than the largest number.
    pub steep: F,
    /// Times factors from here on, exponentials that have stopped to count would be numbers.
    pub lever: F,
    /// 0, 1, 2 and on: the places of lanes.
    pub counting: [F; ROWS],
}

macro_rules! counting {
    ($float:ident) => {{
        let mut lanes = [0.0; ROWS];
        let mut lane = 0;
        while lane < ROWS {
            lanes[lane] = lane as $float;
            lane += 1;
        }
        lanes
    }};
}

pub const F32: Constants<f32> = Constants {
    ln_2: [core::f32::consts::LN_2, -1.904_654_3e-9],
    cut: 10,
    up: 64.0,
    depth: 130.0,
    tiny: 1e-30,
    far: 260.0,
    steep: 1e30,
    lever: 1e11,
    counting: counting!(f32),
};

pub const F64: Constants<f64> = Constants {
    ln_2: [core::f64::consts::LN_2, 2.319_046_813_846_299_6e-17],
    cut: 12,
    up: 160.0,
    depth: 800.0,
    tiny: 1e-270,
    far: 1600.0,
    steep: 1e290,
    lever: 1e23,
    counting: counting!(f64),
};
