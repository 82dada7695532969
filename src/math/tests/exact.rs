//! The truth in f64: numbers of some 70 bits, as an unevaluated sum of two f64 times a power of two.

/// (`high` + `low`) 2^`power`.
#[derive(Clone, Copy, Debug)]
pub struct Exact {
    pub high: f64,
    pub low: f64,
    pub power: i32,
}

/// 2^`n`, also where it is subnormal.
pub fn two_to(n: i32) -> f64 {
    if n >= -1022 {
        f64::from_bits(((n + 1023) as u64) << 52)
    } else {
        f64::from_bits(1 << (n + 1074).max(0))
    }
}

/// (high + low) exactly a + b.
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let high = a + b;
    let part = high - a;
    (high, (a - (high - part)) + (b - part))
}

/// (high + low) exactly a b.
fn two_product(a: f64, b: f64) -> (f64, f64) {
    let high = a * b;
    (high, a.mul_add(b, -high))
}

/// ln 2 in three parts; the first has 42 bits, so that its product with an exponent is exact.
const LN_2: [f64; 3] = [0.6931471805598903, 5.497923018708371e-14, 1.94704509238075e-31];

impl Exact {
    pub fn new(high: f64, low: f64) -> Exact {
        let (high, low) = two_sum(high, low);
        Exact { high, low, power: 0 }
    }
    /// With the power multiplied in; for powers that leave the low part normal.
    pub fn plain(self) -> Exact {
        let scale = two_to(self.power);
        Exact { high: self.high * scale, low: self.low * scale, power: 0 }
    }
    pub fn neg(self) -> Exact {
        Exact { high: -self.high, low: -self.low, ..self }
    }
    /// Of two with power 0.
    pub fn add(self, other: Exact) -> Exact {
        let (high, error) = two_sum(self.high, other.high);
        let (low, last) = two_sum(self.low, other.low);
        let (high, middle) = two_sum(high, error + low);
        Exact::new(high, middle + last)
    }
    pub fn mul(self, other: Exact) -> Exact {
        let (high, low) = two_product(self.high, other.high);
        let power = self.power + other.power;
        Exact { power, ..Exact::new(high, low + (self.high * other.low + self.low * other.high)) }
    }
    /// Of two with power 0.
    pub fn div(self, other: Exact) -> Exact {
        let mut rest = self;
        let mut parts = [0.0; 3];
        for part in &mut parts {
            *part = rest.high / other.high;
            rest = rest.add(other.mul(Exact::new(-*part, 0.0)));
        }
        Exact::new(parts[0], 0.0).add(Exact::new(parts[1], parts[2]))
    }

    /// The distance of `got` in units of the last place of the nearest f64.
    pub fn ulps(self, got: f64) -> f64 {
        if got.is_nan() || self.high.is_nan() || self.high == 0.0 || self.high.is_infinite() {
            // NaN for NaN, zeros and infinities of the right sign.
            let same = got.to_bits() == self.high.to_bits() || got.is_nan() && self.high.is_nan();
            return if same { 0.0 } else { f64::INFINITY };
        }
        let exponent = |x: f64| (x.abs().to_bits() >> 52) as i32 - 1023;
        let below = f64::from(u8::from(self.high.abs().to_bits() << 12 == 0 && self.low * self.high < 0.0));
        let place = (exponent(self.high) + self.power - below as i32).max(-1022) - 52;
        if got.is_infinite() {
            // Infinity counts as the number that would follow the largest.
            let over = exponent(self.high) + self.power > 1023;
            let top = two_to(1023 - self.power) * 2.0;
            let miss = (top - self.high.abs() - self.low * self.high.signum()) / two_to(place - self.power);
            return if (got < 0.0) != (self.high < 0.0) {
                f64::INFINITY
            } else if over {
                0.0
            } else {
                miss
            };
        }
        let (half, rest) = (-self.power / 2, -self.power - -self.power / 2);
        let got = got * two_to(half) * two_to(rest);
        ((got - self.high) - self.low).abs() / two_to(place - self.power)
    }
}

/// e^x - 1 for |x| < 0.4: from a sixteenth of x, where plain numbers do for the later terms of the series.
fn exp_m1_small(x: Exact) -> Exact {
    let part = Exact { high: x.high / 16.0, low: x.low / 16.0, power: 0 };
    let mut tail = 1.0;
    for i in (5..13).rev() {
        tail = 1.0 + tail * part.high / f64::from(i);
    }
    let mut sum = Exact::new(tail, 0.0);
    for reciprocal in [Exact::new(0.25, 0.0), THIRD, Exact::new(0.5, 0.0)] {
        sum = Exact::new(1.0, 0.0).add(part.mul(sum).mul(reciprocal));
    }
    let mut sum = part.mul(sum);
    for _ in 0..4 {
        sum = sum.add(sum).add(sum.mul(sum));
    }
    sum
}

const THIRD: Exact = Exact { high: 1.0 / 3.0, low: 1.850371707708594e-17, power: 0 };

/// n and x - n ln 2.
fn reduce(x: Exact) -> (i32, Exact) {
    let n = (x.high / LN_2[0]).round();
    let (middle, low) = two_product(n, LN_2[1]);
    let rest = Exact::new(x.high - n * LN_2[0], x.low);
    (n as i32, rest.add(Exact::new(-middle, -low)).add(Exact::new(-n * LN_2[2], 0.0)))
}

pub fn exp(x: Exact) -> Exact {
    if x.high.is_nan() {
        return x;
    }
    if x.high.abs() > 800.0 {
        return Exact::new(if x.high < 0.0 { 0.0 } else { f64::INFINITY }, 0.0);
    }
    let (power, r) = reduce(x);
    Exact { power, ..exp_m1_small(r).add(Exact::new(1.0, 0.0)) }
}

pub fn exp_m1(x: f64) -> Exact {
    if x.is_nan() || x == 0.0 {
        return Exact { high: x, low: 0.0, power: 0 };
    }
    if x.abs() < 1e-100 {
        return Exact { high: x, low: 0.0, power: 0 };
    }
    if x.abs() < 0.3 {
        return exp_m1_small(Exact::new(x, 0.0));
    }
    if x > 100.0 {
        return exp(Exact::new(x, 0.0));
    }
    exp(Exact::new(x.max(-100.0), 0.0)).plain().add(Exact::new(-1.0, 0.0))
}

/// ln(1 + f) for |f| < 2^-9.
fn ln_1p_small(f: Exact) -> Exact {
    if f.high.abs() < 1e-14 {
        return f.add(Exact::new(-0.5 * f.high * f.high, 0.0));
    }
    let s = f.div(f.add(Exact::new(2.0, 0.0)));
    let z = s.mul(s);
    let mut tail = 0.0;
    for odd in [13.0, 11.0, 9.0, 7.0, 5.0] {
        tail = tail * z.high + 1.0 / odd;
    }
    let sum = Exact::new(1.0, 0.0).add(z.mul(THIRD.add(z.mul(Exact::new(tail, 0.0)))));
    let half = sum.mul(s);
    half.add(half)
}

/// ln of a number with power 0, at least 2^-1000.
fn ln_wide(x: Exact) -> Exact {
    let k = (libm::log(x.high) / LN_2[0]).round();
    let (half, rest) = (-k as i32 / 2, -k as i32 - -k as i32 / 2);
    let scaled = |x: f64| x * two_to(half) * two_to(rest);
    let m = Exact::new(scaled(x.high), scaled(x.low));
    let near = libm::log(m.high);
    let rest = m.mul(exp(Exact::new(-near, 0.0)).plain()).add(Exact::new(-1.0, 0.0));
    let (middle, low) = two_product(k, LN_2[1]);
    let power = Exact::new(k * LN_2[0], 0.0).add(Exact::new(middle, low)).add(Exact::new(k * LN_2[2], 0.0));
    power.add(Exact::new(near, 0.0)).add(ln_1p_small(rest))
}

/// Where a logarithm has no finite value.
fn ln_edge(x: f64, of: f64) -> Option<Exact> {
    let value = match of {
        0.0 => -f64::INFINITY,
        of if of > 0.0 && of < f64::INFINITY => return None,
        of if of > 0.0 => x,
        _ => f64::NAN,
    };
    Some(Exact { high: value, low: 0.0, power: 0 })
}

pub fn ln(x: f64) -> Exact {
    if let Some(edge) = ln_edge(x, x) {
        return edge;
    }
    let f = x - 1.0;
    if f == 0.0 {
        return Exact::new(0.0, 0.0);
    }
    if f.abs() < 1.0 / 512.0 {
        return ln_1p_small(Exact::new(f, 0.0));
    }
    if x > 1e-200 {
        return ln_wide(Exact::new(x, 0.0));
    }
    let power = Exact::new(512.0 * LN_2[0], 0.0);
    let (middle, low) = two_product(512.0, LN_2[1]);
    let power = power.add(Exact::new(middle, low)).add(Exact::new(512.0 * LN_2[2], 0.0));
    ln_wide(Exact::new(x * two_to(512), 0.0)).add(power.neg())
}

/// ln(1 + x) of a number with power 0.
pub fn ln_1p(x: Exact) -> Exact {
    if x.high == 0.0 || x.high.abs() < 1e-100 {
        return x;
    }
    if let Some(edge) = ln_edge(x.high, 1.0 + x.high) {
        return edge;
    }
    if x.high.abs() < 1.0 / 512.0 { ln_1p_small(x) } else { ln_wide(Exact::new(1.0, 0.0).add(x)) }
}

/// e^-|x|.
fn decay(x: f64) -> Exact {
    exp(Exact::new(-x.abs(), 0.0))
}

pub fn logistic(x: f64) -> Exact {
    if x.is_nan() {
        return Exact { high: x, low: 0.0, power: 0 };
    }
    let e = decay(x);
    let small = if e.power < -200 { Exact::new(0.0, 0.0) } else { e.plain() };
    let one = Exact::new(1.0, 0.0);
    let numerator = if x < 0.0 { Exact { power: 0, ..e } } else { one };
    Exact { power: if x < 0.0 { e.power } else { 0 }, ..numerator.div(one.add(small)) }
}

pub fn softplus(x: f64) -> Exact {
    if x.is_nan() || x == f64::INFINITY {
        return Exact { high: x, low: 0.0, power: 0 };
    }
    let e = decay(x);
    if e.power < -200 {
        return if x < 0.0 { e } else { Exact::new(x, 0.0) };
    }
    ln_1p(e.plain()).add(Exact::new(x.max(0.0), 0.0))
}
