//! The part of the reference that has targets with logarithms, and the one that has no softmax.

use super::*;

/// What is known of a class's target: itself and its logarithm, none of which 0 has.
pub struct Target<R> {
    y: R,
    log: Option<R>,
    /// What its rounding costs, in ULP.
    cost: f64,
}

/// The targets of a row; none where they are no numbers.
pub fn targets<F: Tested>(
    of: Of<F>,
    classes: usize,
    kind: TargetKind,
    temperature: F,
) -> Option<Vec<Target<F::Real>>> {
    let (zero, one) = (F::Real::of(0.0), F::Real::of(1.0));
    let known = |y: F::Real| Target { y, log: (y > zero).then(|| y.ln()), cost: 0.0 };
    let given = match of {
        Of::Label(label) => {
            return Some((0..classes).map(|class| known(if class == label { one } else { zero })).collect());
        }
        Of::Targets(given) => given,
    };
    match kind {
        TargetKind::Probabilities => Some(given.iter().map(|y| known(F::Real::of(y.to_f64()))).collect()),
        TargetKind::LogProbabilities => {
            let of_log = |log: F| match log.finite() {
                true => {
                    let log = F::Real::of(log.to_f64());
                    Target { y: log.exp(), log: Some(log), cost: 0.0 }
                }
                false => Target { y: zero, log: None, cost: 0.0 },
            };
            let numbers = given.iter().all(|log| *log < F::INFINITY);
            numbers.then(|| given.iter().map(|&log| of_log(log)).collect())
        }
        TargetKind::Logits => {
            let seen = Seen::<F::Real>::new(given, temperature, None)?;
            let of_class = |class: usize| {
                let log = seen.minus_log(class).map(|log| -log);
                // Its logarithm is rounded before the exponential.
                let cost = 1.5 * log.map_or(0.0, |log| log.abs().to_f64().min(1e4)) + seen.cost[class];
                Target { y: seen.share(class), log, cost }
            };
            Some((0..classes).map(of_class).collect())
        }
    }
}

pub fn kl_divergence<R: Real>(seen: &Seen<R>, targets: &[Target<R>]) -> LossAndSlopes<R> {
    let zero = R::of(0.0);
    let (mut value, mut size, mut infinite) = (zero, zero, false);
    for (class, target) in targets.iter().enumerate() {
        match (target.log, seen.minus_log(class)) {
            (None, _) => {}
            (Some(_), None) => infinite |= target.y > zero,
            (Some(log), Some(minus_log)) => {
                value = value + target.y * (log + minus_log);
                size = size + target.y * (log.abs() + minus_log) * R::of(1.0 + target.cost / 4.0);
            }
        }
    }
    let value = if infinite { Expected::Exactly(f64::INFINITY) } else { Expected::of(value, size, 4.0) };
    let all = sum(targets.iter().map(|target| target.y));
    let slope = |class: usize| {
        let (share, slope, target) = (seen.share(class), seen.slopes[class], &targets[class]);
        let size = (share * all + target.y) * slope;
        let near = Expected::of((share * all - target.y) * slope, size, 4.0 + target.cost + seen.cost[class]);
        slack(near, slope * (R::of(1.0) + all))
    };
    (value, (0..targets.len()).map(slope).collect())
}

pub fn jensen_shannon<R: Real>(seen: &Seen<R>, targets: &[Target<R>], beta: R) -> LossAndSlopes<R> {
    let (zero, one) = (R::of(0.0), R::of(1.0));
    let (mut value, mut size) = (zero, zero);
    let mut own = Vec::new();
    for (class, target) in targets.iter().enumerate() {
        let (ours, theirs) = ((one - beta) * seen.share(class), beta * target.y);
        if ours + theirs == zero {
            own.push((zero, zero));
            continue;
        }
        let log_m = (ours + theirs).ln();
        if let Some(log) = target.log.filter(|_| theirs > zero) {
            value = value + theirs * (log - log_m);
            size = size + theirs * (log.abs() + log_m.abs()) * R::of(1.0 + target.cost / 8.0);
        }
        // The mixture is rounded before its logarithm.
        size = size + ours + theirs;
        let minus_log = seen.minus_log(class).unwrap_or(zero);
        // The share comes from its rounded logarithm.
        let cost = minus_log.to_f64().min(1e4) / 8.0;
        let slope = ours * (-minus_log - log_m);
        let slope_size = ours * (minus_log + log_m.abs() + one) * R::of(1.0 + cost);
        value = value + slope;
        size = size + slope_size;
        own.push((slope, slope_size));
    }
    let all = sum(own.iter().map(|(slope, _)| *slope));
    let all_size = sum(own.iter().map(|(_, size)| *size));
    let slope = |class: usize| {
        let (share, slope, (own, size)) = (seen.share(class), seen.slopes[class], own[class]);
        let size = (size + share * all_size) * slope;
        slack(Expected::of((own - share * all) * slope, size, 8.0 + seen.cost[class]), slope)
    };
    (Expected::of(value, size, 2.0), (0..targets.len()).map(slope).collect())
}

pub fn negative_log_likelihood<F: Tested>(
    logits: &[F],
    of: Of<F>,
    class_weights: Option<&[F]>,
) -> RowTruth<F::Real> {
    let (zero, real) = (F::Real::of(0.0), |x: F| F::Real::of(x.to_f64()));
    let weight = |class: usize| class_weights.map_or(F::ONE, |weights| weights[class]);
    let target = |class: usize| match of {
        Of::Label(label) => {
            if class == label {
                F::ONE
            } else {
                F::ZERO
            }
        }
        Of::Targets(targets) => targets[class],
    };
    let (mut value, mut size, mut special) = (zero, zero, 0.0);
    let mut slopes = Vec::new();
    for (class, &log) in logits.iter().enumerate() {
        let (y, w) = (target(class), weight(class));
        if y == F::ZERO || w == F::ZERO {
            slopes.push(Expected::Exactly(0.0));
            continue;
        }
        let own = real(y) * real(w);
        slopes.push(Expected::ulps(-own, 1.0));
        if log.finite() {
            (value, size) = (value - own * real(log), size + (own * real(log)).abs());
        } else {
            special -= own.to_f64() * log.to_f64();
        }
    }
    let loss = if special == 0.0 { Expected::of(value, size, 3.0) } else { Expected::Exactly(special) };
    // It has no log-sum-exp.
    RowTruth { loss, slopes, log_sum: Expected::Exactly(0.0) }
}
