//! Sums without any rounding, over big integers.

use fused_loss::Float;
use num_bigint::BigInt;

/// A sum of numbers, in units of the smallest subnormal.
#[derive(Clone, Default)]
pub struct ExactSum {
    sum: BigInt,
    magnitudes: BigInt,
    positive: bool,
    negative: bool,
    count: u64,
    infinities: [bool; 2],
    nan: bool,
}

/// The finite number in units of the smallest subnormal.
pub fn integer<F: Float>(x: F) -> BigInt {
    let fraction_bits = F::SIGNIFICAND - 1;
    let pattern = x.magnitude().to_pattern();
    let fraction = pattern & ((1 << fraction_bits) - 1);
    let magnitude = match pattern >> fraction_bits {
        0 => BigInt::from(fraction),
        exponent => BigInt::from(fraction | 1 << fraction_bits) << (exponent - 1),
    };
    if x < F::ZERO { -magnitude } else { magnitude }
}

/// One unit in the last place of a finite x, in units of the smallest subnormal.
fn unit_in_last_place<F: Float>(x: F) -> BigInt {
    let exponent = x.magnitude().to_pattern() >> (F::SIGNIFICAND - 1);
    BigInt::from(1) << exponent.saturating_sub(1)
}

/// Of a ratio of integers, as near as it matters here.
fn ratio(numerator: &BigInt, denominator: &BigInt) -> f64 {
    let scaled: BigInt = (numerator << 32_u32) / denominator;
    i128::try_from(scaled).map_or(f64::INFINITY, |scaled| scaled as f64 / 2_f64.powi(32))
}

fn magnitude(x: &BigInt) -> BigInt {
    BigInt::from(x.magnitude().clone())
}

impl ExactSum {
    pub fn of<F: Float>(terms: &[F]) -> Self {
        let mut sum = ExactSum::default();
        for &term in terms {
            sum.add(term);
        }
        sum
    }

    pub fn add<F: Float>(&mut self, term: F) {
        self.count += 1;
        if term.finite() {
            let term = integer(term);
            self.positive |= term > BigInt::ZERO;
            self.negative |= term < BigInt::ZERO;
            self.magnitudes += magnitude(&term);
            self.sum += term;
        } else {
            self.nan |= term.to_f64().is_nan();
            self.infinities[0] |= term == F::INFINITY;
            self.infinities[1] |= term == -F::INFINITY;
        }
    }

    pub fn merge(&mut self, other: &Self) {
        self.sum += &other.sum;
        self.magnitudes += &other.magnitudes;
        self.positive |= other.positive;
        self.negative |= other.negative;
        self.count += other.count;
        self.nan |= other.nan;
        self.infinities[0] |= other.infinities[0];
        self.infinities[1] |= other.infinities[1];
    }

    /// How far `found` lies from the sum, beyond what the promise allows for mixed signs, in ULP of `found`.
    pub fn error<F: Float>(&self, found: F) -> f64 {
        self.error_over(found, &BigInt::from(1))
    }

    /// The same for the sum divided by a count.
    pub fn mean_error<F: Float>(&self, found: F, count: u64) -> f64 {
        self.error_over(found, &BigInt::from(count))
    }

    /// The same for the sum divided by another sum.
    pub fn quotient_error<F: Float>(&self, found: F, by: &ExactSum) -> f64 {
        // The divisor is an integer in units of the smallest subnormal; so it takes the sum in those units squared.
        let one = integer(F::ONE);
        let scaled = ExactSum { sum: &self.sum * &one, magnitudes: &self.magnitudes * &one, ..self.clone() };
        scaled.error_over(found, &by.sum)
    }

    fn error_over<F: Float>(&self, found: F, by: &BigInt) -> f64 {
        let right = |right: bool| if right { 0.0 } else { f64::INFINITY };
        let is_nan = found.to_f64().is_nan();
        match (self.nan, self.infinities) {
            (true, _) | (_, [true, true]) => return right(is_nan),
            (_, [true, _]) => return right(found == F::INFINITY),
            (_, [_, true]) => return right(found == -F::INFINITY),
            _ => {}
        }
        let mixed = self.positive && self.negative;
        let top = integer(F::MAX) + unit_in_last_place(F::MAX);
        if mixed && self.magnitudes >= top {
            // Plain summation may run over the largest number on its way, and that is all that is promised.
            return right(true);
        }
        if is_nan {
            return f64::INFINITY;
        }
        if !found.finite() && self.magnitudes >= integer(F::MAX) {
            // A sum beyond the largest number is infinite, and so is what it is divided to.
            return right((found > F::ZERO) == ((self.sum > BigInt::ZERO) == (*by > BigInt::ZERO)));
        }
        // Infinity stands for the first number beyond the largest, and so does all that lies further out.
        let bounded = |x: BigInt| x.clamp(-&top, top.clone());
        let (found_integer, ulp) = if found.finite() {
            (integer(found), unit_in_last_place(found))
        } else {
            (if found > F::ZERO { top.clone() } else { -&top }, unit_in_last_place(F::MAX))
        };
        let by_magnitude = magnitude(by);
        let exact = if *by < BigInt::ZERO { -&self.sum } else { self.sum.clone() };
        let exact =
            if magnitude(&exact) > &top * &by_magnitude { bounded(exact) * &by_magnitude } else { exact };
        let mut difference = magnitude(&(found_integer * &by_magnitude - exact));
        if mixed {
            // n u^2 sum|terms|, with u = 2^-SIGNIFICAND.
            difference -= (&self.magnitudes * self.count) >> (2 * F::SIGNIFICAND);
        }
        ratio(&difference.max(BigInt::ZERO), &(ulp * by_magnitude))
    }
}
