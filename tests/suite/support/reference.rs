//! The losses once more, plainly: what kernels are judged by. One short function each.

use fused_loss::{AnyLoss, Float, Loss};

use super::is_nan;
use super::wide::{Real, Wide};

/// The numbers that a precision is judged with.
pub trait Tested: Float {
    type Real: Real;
}
impl Tested for f32 {
    type Real = f64;
}
impl Tested for f64 {
    type Real = Wide;
}

/// What is promised of a value: its exact size, and how far off a result may be.
#[derive(Clone, Copy, Debug)]
pub struct Truth<R> {
    pub value: R,
    pub bound: f64,
    pub unit: Unit<R>,
}

/// What a bound counts.
#[derive(Clone, Copy, Debug)]
pub enum Unit<R> {
    /// Units in the last place of the value.
    Ulp,
    /// The rounding unit u = 2^-24 or 2^-53 times this magnitude, for differences that may cancel.
    Of(R),
}

fn ulps<R>(value: R, bound: f64) -> Truth<R> {
    Truth { value, bound, unit: Unit::Ulp }
}

/// Loss and slope of a loss, or `None` where there is no reference of that name. `tiny` is the smallest normal number
/// of the format under test.
pub fn truth<R: Real>(
    name: &str,
    parameter: impl Fn(&str) -> R,
    tiny: R,
    p: R,
    y: R,
) -> Option<[Truth<R>; 2]> {
    let r = p - y;
    let two = R::of(2.0);
    Some(match name {
        "mse" => [ulps(r * r, 2.0), ulps(two * r, 2.0)],
        "half-mse" => [ulps(r * r / two, 2.0), ulps(r, 2.0)],
        "mae" => mae(r),
        "huber" => huber(r, parameter("delta")),
        "smooth-l1" => smooth_l1(r, parameter("beta")),
        "bce-with-logits" => bce_with_logits(p, y, parameter("pos_weight"), tiny),
        "bce" => bce(p, y, parameter("policy"), [parameter("eps"), parameter("1 - eps")]),
        "categorical-cross-entropy" => categorical_cross_entropy(p, y),
        "kl-divergence" | "generalized-kl" => {
            let flag = |name: &str| parameter(name) != R::of(0.0);
            let flags = [flag("log_target"), flag("pred_probabilities"), name == "generalized-kl"];
            kl_divergence(p, y, flags, tiny)
        }
        _ => return None,
    })
}

fn mae<R: Real>(r: R) -> [Truth<R>; 2] {
    [ulps(r.abs(), 1.0), ulps(sign(r), 0.0)]
}

fn huber<R: Real>(r: R, delta: R) -> [Truth<R>; 2] {
    let two = R::of(2.0);
    let loss = if r.abs() > delta { delta * (r.abs() - delta / two) } else { r * r / two };
    [ulps(loss, 2.0), ulps(r.max(-delta).min(delta), 2.0)]
}

fn smooth_l1<R: Real>(r: R, beta: R) -> [Truth<R>; 2] {
    let two = R::of(2.0);
    if beta == R::of(0.0) {
        mae(r)
    } else if r.abs() < beta {
        [ulps(r * r / (two * beta), 2.0), ulps(r / beta, 2.0)]
    } else {
        [ulps(r.abs() - beta / two, 2.0), ulps(sign(r), 2.0)]
    }
}

fn bce_with_logits<R: Real>(x: R, y: R, c: R, tiny: R) -> [Truth<R>; 2] {
    let (zero, one) = (R::of(0.0), R::of(1.0));
    let e = (-x.abs()).exp();
    let softplus = |x: R| x.max(zero) + e.ln_1p();
    let sigmoid = |x: R| if x < zero { e / (one + e) } else { one / (one + e) };
    // A part of weight 0 is 0, against an infinite logit too.
    let part = |weight: R, value: R| if weight == zero { zero } else { weight * value };
    let (positive, negative) = (c * y, one - y);
    let loss = part(positive, softplus(-x)) + part(negative, softplus(x));
    let slope = negative * sigmoid(x) - positive * sigmoid(-x);
    if c != one {
        // Measured. The weights are rounded before they meet the parts, in the slope the parts may cancel, and what is
        // rounded below the normal numbers is multiplied up again by c and by the logit.
        let under = tiny * (one + c);
        let size = negative * sigmoid(x) + positive * sigmoid(-x);
        [
            Truth { value: loss, bound: 5.0, unit: Unit::Of(loss + under * (one + x.abs())) },
            Truth { value: slope, bound: 6.0, unit: Unit::Of(size + under) },
        ]
    } else if y == zero || y == one {
        [ulps(loss, 2.0), ulps(slope, 2.0)]
    } else {
        [ulps(loss, 2.5), Truth { value: slope, bound: 5.0, unit: Unit::Of(sigmoid(x).max(y)) }]
    }
}

/// `ends` are eps and 1 - eps, as the format rounds it.
fn bce<R: Real>(p: R, y: R, policy: R, [low, high]: [R; 2]) -> [Truth<R>; 2] {
    let (zero, one, least) = (R::of(0.0), R::of(1.0), R::of(-100.0));
    let (clamp, clip) = (policy == one, policy == R::of(2.0));
    let clipped = clip && (p < low || p > high);
    let p = if clip { p.max(low).min(high) } else { p };
    let part = |weight: R, log: R| match weight {
        weight if weight == zero => zero,
        weight if clamp => weight * log.max(least),
        weight => weight * log,
    };
    let slope_of = |weight: R, p: R, log: R| {
        if clipped || weight == zero || clamp && log < least {
            zero
        } else if p == zero {
            one.times_power(5000)
        } else {
            weight / p
        }
    };
    let (hit, miss) = (p.ln(), (-p).ln_1p());
    let loss = -(part(y, hit) + part(one - y, miss));
    let (falling, rising) = (slope_of(y, p, hit), slope_of(one - y, one - p, miss));
    let slope = rising - falling;
    if y == zero || y == one {
        [ulps(loss, 2.0), ulps(slope, 2.0)]
    } else {
        let size = rising + falling;
        [ulps(loss, 4.0), Truth { value: slope, bound: 3.0, unit: Unit::Of(size) }]
    }
}

fn categorical_cross_entropy<R: Real>(p: R, y: R) -> [Truth<R>; 2] {
    let (zero, one) = (R::of(0.0), R::of(1.0));
    match y {
        y if y == zero => [ulps(zero, 0.0), ulps(zero, 0.0)],
        y if p == zero => [ulps(-(y * p.ln()), 0.0), ulps(-one.times_power(5000), 0.0)],
        y => [ulps(-(y * p.ln()), 2.0), ulps(-(y / p), 1.0)],
    }
}

fn kl_divergence<R: Real>(x: R, t: R, flags: [bool; 3], tiny: R) -> [Truth<R>; 2] {
    let [log_target, probabilities, generalized] = flags;
    let (zero, one) = (R::of(0.0), R::of(1.0));
    // What is far beyond every format stays a number here.
    let t = if log_target { t.min(R::of(1e5)) } else { t };
    let (y, log_y) = if log_target { (t.exp(), t) } else { (t, t.ln()) };
    let log_p = if probabilities { x.ln() } else { x };
    let part = |log: R| if y == zero { zero } else { y * log };
    let (loss, logs) = (part(log_y - log_p), log_y.abs() + log_p.abs());
    // A probability from a logarithm may be below the normal numbers, and round there.
    let size = part(logs) + if log_target { tiny * logs } else { zero };
    // Parts that overflow may meet in anything.
    let bound = |value: R, size: R| {
        let fits = size * tiny < one;
        Truth { value, bound: if fits { 4.0 } else { f64::INFINITY }, unit: Unit::Of(size) }
    };
    let slope = match y {
        y if y == zero => zero,
        y if probabilities && x == zero => -y.times_power(5000),
        y if probabilities => -(y / x),
        y => -y,
    };
    if !generalized {
        let roundings = if log_target && probabilities { 2.0 } else { 1.0 };
        return [bound(loss, size), ulps(slope, roundings)];
    }
    let p = if probabilities { x } else { x.min(R::of(1e5)).exp() };
    let unit = if probabilities { one } else { p };
    let (loss, size) = (loss + (p - y), size + p + y);
    [bound(loss, size), bound(slope + unit, unit - slope)]
}

/// 0 at 0, NaN at NaN.
fn sign<R: Real>(r: R) -> R {
    let (zero, one) = (R::of(0.0), R::of(1.0));
    if r > zero {
        one
    } else if r < zero {
        -one
    } else {
        r
    }
}

/// A loss with its parameters.
#[derive(Clone, Debug)]
pub struct Case<F: Float> {
    pub name: &'static str,
    pub parameters: Vec<(&'static str, F)>,
    pub loss: AnyLoss<F>,
}

/// How far off a loss and a slope are, and how far they may be.
#[derive(Clone, Copy, Debug)]
pub struct Judgement {
    pub errors: [f64; 2],
    pub bounds: [f64; 2],
}

impl Judgement {
    pub fn passes(&self) -> bool {
        let within = |i: usize| self.bounds[i] == f64::INFINITY || self.errors[i] <= self.bounds[i];
        within(0) && within(1)
    }
}

impl<F: Tested> Case<F> {
    /// The loss of this name; parameters that are not given have their defaults. `None` where it refuses them.
    pub fn new(name: &'static str, given: &[(&str, f64)]) -> Option<Self> {
        let entry = AnyLoss::<F>::list().find(|entry| entry.name == name)?;
        let value = |name: &str, default: f64| {
            F::from_f64(given.iter().find(|(given, _)| *given == name).map_or(default, |&(_, value)| value))
        };
        let parameters: Vec<_> =
            entry.parameters.iter().map(|p| (p.name, value(p.name, p.default))).collect();
        let fits = |p: &fused_loss::Parameter| p.check(value(p.name, p.default)).is_ok();
        if !entry.parameters.iter().all(fits) {
            return None;
        }
        let loss = AnyLoss::named(name, |p| Some(value(p.name, p.default)))?;
        loss.check().ok()?;
        Some(Case { name: entry.name, parameters, loss })
    }

    pub fn label(&self) -> String {
        let parameters: Vec<_> =
            self.parameters.iter().map(|(name, value)| format!(" {name}={value:?}")).collect();
        format!("{} {}{}", F::NAME, self.name, parameters.concat())
    }

    fn truth<R: Real>(&self, pred: F, target: F) -> [Truth<R>; 2] {
        let of = |name: &str| {
            if name == "1 - eps" {
                let eps =
                    self.parameters.iter().find(|(given, _)| *given == "eps").map_or(F::ZERO, |eps| eps.1);
                return R::of((F::ONE - eps).to_f64());
            }
            let found = self.parameters.iter().find(|(given, _)| *given == name);
            R::of(found.unwrap_or_else(|| panic!("{} has no parameter {name}", self.name)).1.to_f64())
        };
        let tiny = R::of(F::from_pattern(1 << (F::SIGNIFICAND - 1)).to_f64());
        truth(self.name, of, tiny, R::of(pred.to_f64()), R::of(target.to_f64()))
            .unwrap_or_else(|| panic!("{} has no reference in tests/support/reference.rs", self.name))
    }

    /// The reference's loss and slope of this pair, rounded.
    pub fn reference(&self, pred: F, target: F) -> (f64, f64) {
        let [loss, slope] = self.truth::<f64>(pred, target);
        (loss.value, slope.value)
    }

    /// A function that judges results for this pair, so that the reference works once for all levels.
    pub fn judge(&self, pred: F, target: F) -> impl Fn(F, F) -> Judgement {
        let nan = is_nan(pred) || is_nan(target);
        let finite = pred.finite() && target.finite();
        let exact = finite.then(|| self.truth::<F::Real>(pred, target));
        let limit = self.truth::<f64>(pred, target);
        move |loss, slope| {
            let found = [loss, slope];
            if let Some([loss, slope]) = &exact {
                let errors = [error(found[0], loss), error(found[1], slope)];
                return Judgement { errors, bounds: [loss.bound, slope.bound] };
            }
            // NaN in, NaN out. Infinities give their limit.
            let errors = [0, 1].map(|i| {
                let right = match limit[i].value {
                    value if nan || value.is_nan() => is_nan(found[i]),
                    value if value.is_infinite() => found[i].to_f64() == value,
                    _ => return error(found[i], &limit[i]),
                };
                if right { 0.0 } else { f64::INFINITY }
            });
            Judgement { errors, bounds: [limit[0].bound, limit[1].bound] }
        }
    }
}

/// How far `found` is off a finite truth, in the truth's unit.
pub fn error<F: Float, R: Real>(found: F, truth: &Truth<R>) -> f64 {
    if is_nan(found) {
        return f64::INFINITY;
    }
    let bias = (1_i64 << (F::BITS - F::SIGNIFICAND - 1)) - 1;
    // Infinity stands for the first number beyond the largest, and so does all that lies further out.
    let limit = R::of(1.0).times_power(bias + 1);
    let exact = truth.value.max(-limit).min(limit);
    let found = if found.finite() {
        R::of(found.to_f64())
    } else if found > F::ZERO {
        limit
    } else {
        -limit
    };
    let digits = i64::from(F::SIGNIFICAND);
    let lowest = 1 - bias;
    let unit = match truth.unit {
        Unit::Ulp => R::of(1.0).times_power(exact.exponent().clamp(lowest, bias) - (digits - 1)),
        // Never less than half a unit in the last place of the subnormals.
        Unit::Of(size) => size.times_power(-digits).max(R::of(1.0).times_power(lowest - digits)),
    };
    // Equal is equal, even where the unit is too small for the numbers of the reference.
    if found == exact { 0.0 } else { ((found - exact).abs() / unit).to_f64() }
}

/// Values worth trying for a parameter of this name, beside its default.
fn values(parameter: &str) -> &'static [f64] {
    match parameter {
        "delta" => &[1.99, 1.41, 0.3, 1e-3, 1e10],
        "beta" => &[0.0, 1.99, 1.41, 0.3, 1e-3, 1e10],
        "pos_weight" => &[0.0, 0.3, 3.0, 1e3],
        "policy" => &[2.0, 0.0],
        "eps" => &[1e-3],
        "log_target" | "pred_probabilities" => &[1.0],
        _ => &[0.3, 1.99],
    }
}

/// Every loss of the list with its defaults, and with other values of one parameter at a time.
pub fn cases<F: Tested>() -> Vec<Case<F>> {
    let mut cases = Vec::new();
    for entry in AnyLoss::<F>::list() {
        cases.extend(Case::new(entry.name, &[]));
        for parameter in entry.parameters {
            for &value in values(parameter.name) {
                cases.extend(Case::new(entry.name, &[(parameter.name, value)]));
            }
        }
    }
    cases
}

/// Every loss of the list once, with the parameters that exercise it most.
pub fn few_cases<F: Tested>() -> Vec<Case<F>> {
    let mut cases = Vec::new();
    for entry in AnyLoss::<F>::list() {
        cases.extend(Case::new(entry.name, &[]));
        for parameter in entry.parameters {
            cases.extend(
                values(parameter.name)
                    .first()
                    .and_then(|&value| Case::new(entry.name, &[(parameter.name, value)])),
            );
        }
    }
    cases
}
