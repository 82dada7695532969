//! The part of the reference that is the softmax of a row.

use fused_loss::Float;

use crate::support::wide::Real;

/// What the softmax makes of a row with a finite maximum, without NaN.
pub struct Seen<R> {
    /// How far each logit lies below the greatest; none where it is -inf.
    pub down: Vec<Option<R>>,
    pub exponentials: Vec<R>,
    pub at: usize,
    pub max: R,
    /// The sum of all exponentials but the greatest one, which is 1.
    pub rest: R,
    /// ln(1 + rest).
    pub log: R,
    /// How what is seen changes with each logit.
    pub slopes: Vec<R>,
    /// What rounding costs before the exponential, in ULP: for each class, and for the sum.
    pub cost: Vec<f64>,
    pub cost_of_sum: f64,
}

impl<R: Real> Seen<R> {
    pub fn new<F: Float>(logits: &[F], temperature: F, cap: Option<F>) -> Option<Self> {
        let at = greatest(logits);
        if logits.iter().any(|z| z.to_f64().is_nan()) || !logits.get(at)?.finite() {
            return None;
        }
        let inverse = R::of(1.0) / R::of(temperature.to_f64());
        let capped = |z: F| match cap {
            None if !z.finite() => None,
            None => Some(R::of(z.to_f64())),
            Some(cap) if !z.finite() => Some(-R::of(cap.to_f64())),
            Some(cap) => {
                let cap = R::of(cap.to_f64());
                Some(cap * tanh(R::of(z.to_f64()) / cap))
            }
        };
        let max = capped(logits[at])?;
        let down: Vec<_> = logits.iter().map(|&z| capped(z).map(|z| (max - z) * inverse)).collect();
        let exp = |down: &Option<R>| down.map_or(R::of(0.0), |down| (-down).exp());
        let exponentials: Vec<R> = down.iter().map(exp).collect();
        let others = exponentials.iter().enumerate().filter(|(class, _)| *class != at);
        let rest = sum(others.map(|(_, &e)| e));
        let slopes = logits.iter().map(|&z| inverse * cap.map_or(R::of(1.0), |cap| cap_slope(z, cap)));
        let slopes = slopes.collect();
        // A temperature or a cap costs an ULP at most, however large the argument is.
        let plain = temperature == F::ONE && cap.is_none();
        let cost = |down: &Option<R>| if plain { 0.0 } else { down.map_or(0.0, R::to_f64).min(1.0) };
        let cost: Vec<f64> = down.iter().map(cost).collect();
        let shares = exponentials.iter().map(|&e| (e / rest.max(R::of(1e-300))).to_f64());
        let all = shares.zip(&cost).enumerate().filter(|(class, _)| *class != at);
        let cost_of_sum = all.map(|(_, (share, cost))| share * cost).sum();
        Some(Seen {
            down,
            exponentials,
            at,
            max: max * inverse,
            rest,
            log: rest.ln_1p(),
            slopes,
            cost,
            cost_of_sum,
        })
    }

    pub fn log_sum(&self) -> R {
        self.max + self.log
    }

    /// The size of what the log-sum-exp is a sum of.
    pub fn log_sum_size(&self) -> R {
        self.max.abs() + self.log
    }

    pub fn share(&self, class: usize) -> R {
        self.exponentials[class] / (R::of(1.0) + self.rest)
    }

    /// The share of all other classes together.
    pub fn missed(&self, class: usize) -> R {
        let one = R::of(1.0);
        let others = if class == self.at { self.rest } else { one + self.rest - self.exponentials[class] };
        others / (one + self.rest)
    }

    /// -ln of a class's share; none where that is infinite.
    pub fn minus_log(&self, class: usize) -> Option<R> {
        self.down[class].map(|down| down + self.log)
    }
}

pub fn sum<R: Real>(terms: impl Iterator<Item = R>) -> R {
    terms.fold(R::of(0.0), |sum, term| sum + term)
}

/// The place of the greatest number, the first of equal ones.
pub fn greatest<F: Float>(numbers: &[F]) -> usize {
    (1..numbers.len()).fold(0, |best, i| if numbers[i] > numbers[best] { i } else { best })
}

fn tanh<R: Real>(t: R) -> R {
    let size = t.abs();
    let one = R::of(1.0);
    if size < R::of(1e-3) {
        let square = t * t;
        let ratio = |up: f64, down: f64| R::of(up) / R::of(down);
        let terms = [ratio(62.0, 2835.0), -ratio(17.0, 315.0), ratio(2.0, 15.0), -ratio(1.0, 3.0), one];
        return t * terms.into_iter().fold(R::of(0.0), |sum, term| sum * square + term);
    }
    let e = (-(size + size)).exp();
    let tanh = (one - e) / (one + e);
    if t < R::of(0.0) { -tanh } else { tanh }
}

/// The slope of c tanh(z / c), which is 1 / cosh^2(z / c).
fn cap_slope<R: Real, F: Float>(z: F, cap: F) -> R {
    if !z.finite() {
        return R::of(0.0);
    }
    let (one, t) = (R::of(1.0), (R::of(z.to_f64()) / R::of(cap.to_f64())).abs());
    let e = (-(t + t)).exp();
    R::of(4.0) * e / ((one + e) * (one + e))
}
