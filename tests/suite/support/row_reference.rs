//! The losses over rows once more, plainly: a row's loss, slopes and log-sum-exp, and how far off results may be.

use fused_loss::{
    Float, JensenShannon, NegativeLogLikelihood, Smoothing, SoftmaxCrossEntropy, SoftmaxKl, TargetKind,
};

use super::reference::{Tested, Truth, Unit, error};
use super::wide::Real;

/// A loss over rows, with its parameters.
#[derive(Clone, Copy, Debug)]
pub enum RowCase<F> {
    CrossEntropy(SoftmaxCrossEntropy<F>),
    Nll(NegativeLogLikelihood),
    Kl(SoftmaxKl<F>),
    Js(JensenShannon<F>),
}

/// What a row is compared with.
#[derive(Clone, Copy, Debug)]
pub enum Of<'a, F> {
    Targets(&'a [F]),
    Label(usize),
}

/// What a value must be.
#[derive(Clone, Copy, Debug)]
pub enum Expected<R> {
    /// The first, as near as it says. What is rounded below the normal numbers may count so many times.
    Near(Truth<R>, R),
    /// Zero, infinity or NaN.
    Exactly(f64),
}

/// What a row without weights must give.
#[derive(Clone, Debug)]
pub struct RowTruth<R> {
    pub loss: Expected<R>,
    pub slopes: Vec<Expected<R>>,
    pub log_sum: Expected<R>,
}

impl<R: Real> Expected<R> {
    fn ulps(value: R, bound: f64) -> Self {
        Expected::Near(Truth { value, bound, unit: Unit::Ulp }, R::of(1.0))
    }

    fn of(value: R, size: R, bound: f64) -> Self {
        Expected::Near(Truth { value, bound, unit: Unit::Of(size) }, R::of(1.0))
    }

    /// Times a factor, which costs so many ULP.
    pub fn times(self, factor: f64, cost: f64) -> Self {
        match self {
            Expected::Exactly(0.0) => self,
            Expected::Exactly(value) => Expected::Exactly(value * factor),
            Expected::Near(truth, slack) => {
                let exact = R::of(factor);
                let unit = match truth.unit {
                    Unit::Ulp => Unit::Ulp,
                    Unit::Of(size) => Unit::Of(size * exact.abs()),
                };
                let (value, bound) = (truth.value * exact, truth.bound + cost);
                Expected::Near(Truth { value, bound, unit }, slack * exact.abs().max(R::of(1.0)))
            }
        }
    }

    /// How far off a result is: at most 1 where it is as near as promised.
    pub fn error<F: Float>(&self, found: F) -> f64 {
        self.units(found) / self.bound().max(1e-9)
    }

    pub fn bound(&self) -> f64 {
        if let Expected::Near(truth, _) = self { truth.bound } else { 1.0 }
    }

    /// The same in the unit of the bound.
    pub fn units<F: Float>(&self, found: F) -> f64 {
        match self {
            Expected::Near(truth, slack) => {
                // 2 to the power of the smallest subnormal, counted as a rounding unit.
                let bias = (1_i64 << (F::BITS - F::SIGNIFICAND - 1)) - 1;
                let unit = Unit::Of(slack.times_power(2 - bias));
                error(found, truth).min(error(found, &Truth { unit, ..*truth }))
            }
            Expected::Exactly(value) => {
                let found = found.to_f64();
                let right = found == *value || found.is_nan() && value.is_nan();
                if right { 0.0 } else { f64::INFINITY }
            }
        }
    }
}

impl<F: Tested> RowCase<F> {
    /// What a row without a weight must give.
    pub fn row(&self, logits: &[F], of: Of<F>, class_weights: Option<&[F]>) -> RowTruth<F::Real> {
        match *self {
            RowCase::CrossEntropy(loss) => {
                let seen = Seen::new(logits, loss.temperature, loss.soft_cap);
                let make = |seen: &Seen<F::Real>| match (of, loss.smoothing) {
                    (Of::Label(label), Smoothing::AllClasses(a) | Smoothing::OtherClasses(a))
                        if a == F::ZERO =>
                    {
                        label_alone(loss, seen, label, class_weights)
                    }
                    _ => spread(loss, seen, of, class_weights),
                };
                over(logits, seen, make)
            }
            RowCase::Nll(_) => negative_log_likelihood(logits, of, class_weights),
            RowCase::Kl(loss) => {
                let targets = targets::<F>(of, logits.len(), loss.targets, loss.temperature);
                over(logits, Seen::new(logits, loss.temperature, None), |seen| match &targets {
                    Some(targets) => kl_divergence(seen, targets),
                    None => nan(logits.len()),
                })
            }
            RowCase::Js(loss) => {
                let targets = targets::<F>(of, logits.len(), loss.targets, loss.temperature);
                over(logits, Seen::new(logits, loss.temperature, None), |seen| match &targets {
                    Some(targets) => jensen_shannon(seen, targets, F::Real::of(loss.beta.to_f64())),
                    None => nan(logits.len()),
                })
            }
        }
    }
}

type LossAndSlopes<R> = (Expected<R>, Vec<Expected<R>>);

fn nan<R>(classes: usize) -> LossAndSlopes<R> {
    (Expected::Exactly(f64::NAN), (0..classes).map(|_| Expected::Exactly(f64::NAN)).collect())
}

fn over<F: Tested>(
    logits: &[F],
    seen: Option<Seen<F::Real>>,
    make: impl FnOnce(&Seen<F::Real>) -> LossAndSlopes<F::Real>,
) -> RowTruth<F::Real> {
    let ((loss, slopes), log_sum) = match &seen {
        Some(seen) => {
            let part = (seen.log / seen.log_sum_size().max(F::Real::of(1e-300))).to_f64();
            let cost = seen.cost[seen.at] + seen.cost_of_sum * part;
            (make(seen), Expected::of(seen.log_sum(), seen.log_sum_size(), 3.0 + cost))
        }
        None => {
            let has_nan = logits.iter().any(|z| z.to_f64().is_nan());
            let max = logits.get(greatest(logits)).map_or(f64::NAN, |z| z.to_f64());
            (nan(logits.len()), Expected::Exactly(if has_nan { f64::NAN } else { max }))
        }
    };
    RowTruth { loss, slopes, log_sum }
}

fn label_alone<F: Tested>(
    loss: SoftmaxCrossEntropy<F>,
    seen: &Seen<F::Real>,
    label: usize,
    class_weights: Option<&[F]>,
) -> LossAndSlopes<F::Real> {
    type E<F> = Expected<<F as Tested>::Real>;
    let (zero, real) = (F::Real::of(0.0), |x: F| F::Real::of(x.to_f64()));
    let given = class_weights.map_or(F::ONE, |weights| weights[label]);
    let (weight, z_loss) = (real(given), real(loss.z_loss));
    let weighed = if given == F::ONE { 0.0 } else { 1.0 };
    let (of_square, of_square_size) = (seen.log_sum(), seen.log_sum_size());
    let more = z_loss * of_square * of_square;
    let own = match seen.minus_log(label) {
        _ if given == F::ZERO => Some(zero),
        own => own.map(|own| weight * own),
    };
    let value = match own {
        None => E::<F>::Exactly(weight.to_f64() * f64::INFINITY),
        Some(own) if z_loss == zero => {
            E::<F>::ulps(own, 3.0 + weighed + (seen.cost[label] + seen.cost_of_sum).min(1.0))
        }
        Some(own) => {
            let size = own.abs() + z_loss * of_square_size * of_square_size;
            E::<F>::of(own + more, size, 6.0 + weighed + 2.0 * (seen.cost[label] + seen.cost_of_sum))
        }
    };
    let of_log_sum = (z_loss + z_loss) * of_square;
    let of_log_sum_size = (z_loss + z_loss) * of_square_size;
    let slope = |class: usize| {
        let share = seen.share(class);
        let own = if class == label { -weight * seen.missed(class) } else { weight * share };
        let of_sum = if class == label { seen.cost_of_sum } else { 0.0 };
        let cost = (of_sum + seen.cost[class]).min(1.0);
        let slope = seen.slopes[class];
        let value = (own + of_log_sum * share) * slope;
        let near = if z_loss == zero {
            E::<F>::ulps(value, 4.0 + weighed + cost)
        } else {
            let size = (own.abs() + of_log_sum_size * share) * slope;
            E::<F>::of(value, size, 7.0 + weighed + 2.0 * (cost + seen.cost[seen.at] + seen.cost_of_sum))
        };
        slack(near, slope * (weight.abs() + of_log_sum_size))
    };
    (value, (0..seen.down.len()).map(slope).collect())
}

/// What is rounded below the normal numbers is multiplied by this.
fn slack<R: Real>(expected: Expected<R>, by: R) -> Expected<R> {
    match expected {
        Expected::Near(truth, slack) => Expected::Near(truth, slack.max(by)),
        exactly => exactly,
    }
}

fn spread<F: Tested>(
    loss: SoftmaxCrossEntropy<F>,
    seen: &Seen<F::Real>,
    of: Of<F>,
    class_weights: Option<&[F]>,
) -> LossAndSlopes<F::Real> {
    let (zero, one, real) = (F::Real::of(0.0), F::Real::of(1.0), |x: F| F::Real::of(x.to_f64()));
    let classes = seen.down.len();
    let count = F::Real::of(classes as f64);
    // The smoothed targets, and the sizes of what they are sums of.
    let target = |class: usize| {
        let y = match of {
            Of::Targets(targets) => real(targets[class]),
            Of::Label(label) => {
                if class == label {
                    one
                } else {
                    zero
                }
            }
        };
        let (target, size) = match loss.smoothing {
            Smoothing::AllClasses(a) => ((one - real(a)) * y + real(a) / count, y + real(a) / count),
            Smoothing::OtherClasses(a) if classes > 1 => {
                let part = real(a) / (count - one);
                let target = (one - real(a)) * y + part * (one - y);
                // Of a label, the 1 that it has is exact, and so is what that lacks.
                (target, if matches!(of, Of::Label(_)) { target } else { y + part * (one + y) })
            }
            Smoothing::OtherClasses(_) => (y, y),
        };
        let weight = class_weights.map_or(one, |weights| real(weights[class]));
        (target * weight, size * weight.abs())
    };
    let targets: Vec<_> = (0..classes).map(target).collect();
    let z_loss = real(loss.z_loss);
    let (log_sum, log_sum_size) = (seen.log_sum(), seen.log_sum_size());
    let mut value = z_loss * log_sum * log_sum;
    let mut size = z_loss * log_sum_size * log_sum_size;
    let mut infinite = 0.0;
    for (class, &(target, target_size)) in targets.iter().enumerate() {
        match seen.minus_log(class) {
            Some(minus_log) => {
                value = value + target * minus_log;
                size = size + target_size * minus_log;
            }
            None if target == zero => {}
            None => infinite += target.to_f64() * f64::INFINITY,
        }
    }
    let worst = seen.cost.iter().copied().fold(0.0, f64::max);
    let value = if infinite == 0.0 {
        Expected::of(value, size, 4.0 + 2.0 * worst)
    } else {
        Expected::Exactly(infinite)
    };
    let all = sum(targets.iter().map(|(target, _)| *target)) + (z_loss + z_loss) * log_sum;
    let all_size = sum(targets.iter().map(|(_, size)| *size)) + (z_loss + z_loss) * log_sum_size;
    let slope = |class: usize| {
        let (share, slope, (target, size)) = (seen.share(class), seen.slopes[class], targets[class]);
        let (value, size) = ((share * all - target) * slope, (share * all_size + size) * slope);
        let of_square =
            if z_loss == zero { 0.0 } else { 2.0 * (1.0 + seen.cost[seen.at] + seen.cost_of_sum) };
        let cost = of_square + 2.0 * seen.cost[class];
        slack(Expected::of(value, size, 4.0 + cost), slope * all_size)
    };
    (value, (0..classes).map(slope).collect())
}

#[path = "row_softmax.rs"]
mod softmax;
pub use softmax::greatest;
use softmax::{Seen, sum};

#[path = "row_divergences.rs"]
mod divergences;
use divergences::{jensen_shannon, kl_divergence, negative_log_likelihood, targets};
