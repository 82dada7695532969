//! Numbers of about 106 bits with an exponent without limits: what f64 results are measured against.
//!
//! A pair of f64 (Dekker 1971) whose high part lies in [1, 2), times a power of two. The power is kept apart so that
//! a result near the ends of the f64 range is as exact as any other.

use std::cmp::Ordering;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// What a reference is written over: f64 where it judges f32, [`Wide`] where it judges f64.
pub trait Real:
    Copy
    + std::fmt::Debug
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    fn of(x: f64) -> Self;
    fn to_f64(self) -> f64;
    /// e with 2^e <= |self| < 2^(e + 1); far below everything for 0.
    fn exponent(self) -> i64;
    /// self 2^e.
    fn times_power(self, e: i64) -> Self;
    fn exp(self) -> Self;
    /// ln(self), for self from 0 on; of 0, beyond every number of a format.
    fn ln(self) -> Self;
    /// ln(1 + self), for self from -1 on.
    fn ln_1p(self) -> Self;

    fn abs(self) -> Self {
        if self < Self::of(0.0) { -self } else { self }
    }
    fn max(self, other: Self) -> Self {
        if self < other { other } else { self }
    }
    fn min(self, other: Self) -> Self {
        if self > other { other } else { self }
    }
}

impl Real for f64 {
    fn of(x: f64) -> f64 {
        x
    }
    fn to_f64(self) -> f64 {
        self
    }
    fn exponent(self) -> i64 {
        if self == 0.0 { LOWEST } else { i64::from(libm::ilogb(self)) }
    }
    fn times_power(self, e: i64) -> f64 {
        libm::scalbn(self, e.clamp(-5000, 5000) as i32)
    }
    fn exp(self) -> f64 {
        libm::exp(self)
    }
    fn ln(self) -> f64 {
        libm::log(self)
    }
    fn ln_1p(self) -> f64 {
        libm::log1p(self)
    }
}

/// (high + low) 2^exponent; finite.
#[derive(Clone, Copy, Debug)]
pub struct Wide {
    high: f64,
    low: f64,
    exponent: i64,
}

const LOWEST: i64 = -(1 << 40);
const LN_2: Wide = Wide { high: 1.3862943611198906, low: 4.638093627692599e-17, exponent: -1 };

impl Wide {
    const ZERO: Wide = Wide { high: 0.0, low: 0.0, exponent: LOWEST };

    fn new(high: f64, low: f64, exponent: i64) -> Wide {
        let (high, low) = two_sum(high, low);
        assert!(high.is_finite(), "a wide number is finite");
        if high == 0.0 {
            return Wide::ZERO;
        }
        let up = libm::ilogb(high);
        Wide {
            high: libm::scalbn(high, -up),
            low: libm::scalbn(low, -up),
            exponent: exponent + i64::from(up),
        }
    }
}

/// a + b and what its rounding leaves out (Knuth).
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let of_b = sum - a;
    (sum, (a - (sum - of_b)) + (b - of_b))
}

impl Add for Wide {
    type Output = Wide;
    fn add(self, other: Wide) -> Wide {
        let (large, small) = if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        let down = large.exponent - small.exponent;
        if small.high == 0.0 || down > 300 {
            return large;
        }
        let shift = |x: f64| libm::scalbn(x, -(down as i32));
        let (high, error) = two_sum(large.high, shift(small.high));
        let (low, rest) = two_sum(large.low, shift(small.low));
        let (high, error) = two_sum(high, error + low);
        Wide::new(high, error + rest, large.exponent)
    }
}

impl Neg for Wide {
    type Output = Wide;
    fn neg(self) -> Wide {
        Wide { high: -self.high, low: -self.low, ..self }
    }
}

impl Sub for Wide {
    type Output = Wide;
    fn sub(self, other: Wide) -> Wide {
        self + -other
    }
}

impl Mul for Wide {
    type Output = Wide;
    fn mul(self, other: Wide) -> Wide {
        let high = self.high * other.high;
        let error = self.high.mul_add(other.high, -high);
        let low = error + (self.high * other.low + self.low * other.high);
        Wide::new(high, low, self.exponent + other.exponent)
    }
}

impl Div for Wide {
    type Output = Wide;
    fn div(self, other: Wide) -> Wide {
        // Three digits in base 2^53, each the quotient of what the ones before leave.
        let exponent = self.exponent - other.exponent;
        let (mut rest, by) = (Wide { exponent: 0, ..self }, Wide { exponent: 0, ..other });
        let mut quotient = Wide::ZERO;
        for _ in 0..3 {
            let digit = Wide::of(rest.to_f64() / by.to_f64());
            quotient = quotient + digit;
            rest = rest - digit * by;
        }
        Wide { exponent: quotient.exponent + exponent, ..quotient }
    }
}

impl PartialEq for Wide {
    fn eq(&self, other: &Wide) -> bool {
        (*self - *other).high == 0.0
    }
}

impl PartialOrd for Wide {
    fn partial_cmp(&self, other: &Wide) -> Option<Ordering> {
        (*self - *other).high.partial_cmp(&0.0)
    }
}

impl Real for Wide {
    fn of(x: f64) -> Wide {
        Wide::new(x, 0.0, 0)
    }
    fn to_f64(self) -> f64 {
        libm::scalbn(self.high + self.low, self.exponent.clamp(-5000, 5000) as i32)
    }
    fn exponent(self) -> i64 {
        self.exponent
    }
    fn times_power(self, e: i64) -> Wide {
        if self.high == 0.0 { self } else { Wide { exponent: self.exponent + e, ..self } }
    }

    fn exp(self) -> Wide {
        if self.to_f64() < -1e7 {
            return Wide::ZERO;
        }
        assert!(self.to_f64() < 1e7, "beyond all that a reference needs");
        // e^x = 2^n (e^(r / 64))^64 with r = x - n ln 2; a Taylor series for the middle.
        let n = (self.to_f64() / std::f64::consts::LN_2).round();
        let r = (self - Wide::of(n) * LN_2).times_power(-6);
        let mut sum = Wide::of(1.0);
        for k in (1..=16).rev() {
            sum = Wide::of(1.0) + r * sum / Wide::of(f64::from(k));
        }
        for _ in 0..6 {
            sum = sum * sum;
        }
        sum.times_power(n as i64)
    }

    fn ln_1p(self) -> Wide {
        if (-0.5..=1.0).contains(&self.to_f64()) {
            return twice_atanh(self / (self + Wide::of(2.0)));
        }
        (self + Wide::of(1.0)).ln()
    }

    fn ln(self) -> Wide {
        let one = Wide::of(1.0);
        if self == Wide::ZERO {
            return -one.times_power(1 << 30);
        }
        if (0.6..=1.6).contains(&self.to_f64()) {
            return twice_atanh((self - one) / (self + one));
        }
        let (fraction, n) = if self.high > std::f64::consts::SQRT_2 { (-1, 1) } else { (0, 0) };
        let (m, n) = (Wide { exponent: fraction, ..self }, self.exponent + n);
        twice_atanh((m - one) / (m + one)) + Wide::of(n as f64) * LN_2
    }
}

/// ln((1 + s) / (1 - s)), for |s| up to 1/3.
fn twice_atanh(s: Wide) -> Wide {
    let square = s * s;
    // Terms shrink by a factor of 9 at least: 36 of them reach 2^-114. Fewer where s is small.
    let terms = if s.exponent < -40 { 3 } else { 36 };
    let mut sum = Wide::ZERO;
    for k in (0..terms).rev() {
        sum = Wide::of(1.0) / Wide::of(f64::from(2 * k + 1)) + square * sum;
    }
    (s * sum).times_power(1)
}
