//! The exact sum that totals are judged by.

use fused_loss::Float;

/// A sum of numbers as high + low, with an error of about n 2^-106 of their magnitudes' sum: exact as far as an ULP can
/// tell.
#[derive(Clone, Copy, Default)]
pub struct ExactSum {
    high: f64,
    low: f64,
}

impl ExactSum {
    pub fn add(&mut self, x: f64) {
        // Knuth's TwoSum, and what it leaves goes to the low part.
        let high = self.high + x;
        let of_x = high - self.high;
        let rest = (self.high - (high - of_x)) + (x - of_x);
        let low = self.low + rest;
        self.high = high + low;
        self.low = low - (self.high - high);
    }

    /// How far a total is off, in units of its last place; none where that is no number.
    pub fn error_ulp<F: Float>(self, total: F) -> Option<f64> {
        let exact = F::from_f64(self.high).magnitude();
        let ulp = F::from_pattern(exact.to_pattern() + 1).to_f64() - exact.to_f64();
        let error = ((total.to_f64() - self.high) - self.low).abs() / ulp;
        error.is_finite().then_some(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact_and_errors_count_ulps() {
        let mut sum = ExactSum::default();
        for x in [1.0, 1e-20, 1e8, 1e-20, -1e8] {
            sum.add(x);
        }
        assert_eq!((sum.high, sum.low), (1.0, 2e-20));
        assert!((sum.error_ulp(1.0 + 3.0 * f32::EPSILON).unwrap() - 3.0).abs() < 1e-9);
        let of_low = sum.error_ulp(1.0_f64).unwrap();
        assert!(of_low > 0.0 && of_low < 1e-3);
        assert_eq!(sum.error_ulp(f64::INFINITY), None);
        assert_eq!(ExactSum::default().error_ulp(f32::from_bits(7)), Some(7.0));
    }
}
