//! The oracle of rows: one call, every level and every option, against the reference and what the promises say.

use fused_loss::{Error, Float, Level, Rounding};

use super::exact::ExactSum;
use super::oracle::Shifted;
use super::reference::Tested;
use super::row_call::{End, Out, RowCall, To};
use super::row_reference::{Expected, Of, RowCase, RowTruth, greatest};
use super::same;

/// The largest errors of a call, each in units of what is promised, then in those of the promise.
#[derive(Clone, Copy, Debug, Default)]
pub struct Worst {
    pub loss: [f64; 2],
    pub slope: [f64; 2],
    pub log_sum: [f64; 2],
}

impl Worst {
    pub fn or(self, other: Worst) -> Worst {
        let max = |a: [f64; 2], b: [f64; 2]| [a[0].max(b[0]), a[1].max(b[1])];
        Worst {
            loss: max(self.loss, other.loss),
            slope: max(self.slope, other.slope),
            log_sum: max(self.log_sum, other.log_sum),
        }
    }
}

/// All that a call gives, to be compared bit by bit.
#[derive(Clone, Debug)]
pub struct Outputs<F> {
    pub sum: F,
    pub losses: Vec<F>,
    pub gradient: Vec<F>,
    pub log_sums: Vec<F>,
    pub hits: Vec<bool>,
}

/// What lies between rows, and must stay.
pub fn untouched<F: Float>() -> F {
    F::from_f64(-77.0)
}

impl<F: Tested> RowCall<'_, F> {
    pub fn ignored(&self, row: usize) -> bool {
        match (self.case, self.to) {
            (RowCase::CrossEntropy(loss), To::Labels(labels)) => Some(labels[row]) == loss.ignore_index,
            (RowCase::Nll(loss), To::Labels(labels)) => Some(labels[row]) == loss.ignore_index,
            _ => false,
        }
    }

    /// Whether a row is left out.
    pub fn masked(&self, row: usize) -> bool {
        self.ignored(row) || self.weights.is_some_and(|weights| weights[row] == F::ZERO)
    }

    fn weight(&self, row: usize) -> F {
        self.weights.map_or(F::ONE, |weights| weights[row])
    }

    fn elements(&self, row: usize) -> std::ops::Range<usize> {
        row * self.stride..row * self.stride + self.classes
    }

    fn of(&self, row: usize) -> Of<'_, F> {
        match self.to {
            To::Targets(targets) => Of::Targets(&targets[self.elements(row)]),
            To::Labels(labels) => Of::Label(usize::try_from(labels[row]).unwrap_or(usize::MAX)),
        }
    }

    /// What each row must give, its weight and the scale included.
    pub fn truth(&self) -> Vec<RowTruth<F::Real>> {
        let row = |row: usize| {
            let logits = &self.logits[self.elements(row)];
            if self.masked(row) {
                // Any label will do for the log-sum-exp.
                let nothing = vec![F::ZERO; self.classes];
                let mut truth = self.case.row(logits, Of::Targets(&nothing), None);
                truth.loss = Expected::Exactly(0.0);
                truth.slopes = (0..self.classes).map(|_| Expected::Exactly(0.0)).collect();
                return truth;
            }
            let mut truth = self.case.row(logits, self.of(row), self.class_weights);
            let (weight, scale) = (self.weight(row).to_f64(), self.scale.to_f64());
            if weight != 1.0 {
                truth.loss = truth.loss.times(weight, 1.0);
            }
            if weight != 1.0 || scale != 1.0 {
                let times = |slope: Expected<F::Real>| slope.times(weight * scale, 2.0);
                truth.slopes = truth.slopes.into_iter().map(times).collect();
            }
            truth
        };
        (0..self.rows()).map(row).collect()
    }

    /// Whether each row is a hit; none where NaN makes that nobody's business.
    fn hit(&self, row: usize) -> Option<bool> {
        let logits = &self.logits[self.elements(row)];
        let nan = |numbers: &[F]| numbers.iter().any(|x| x.to_f64().is_nan());
        let wanted = match self.of(row) {
            _ if self.masked(row) => return Some(false),
            Of::Label(label) => label,
            Of::Targets(targets) if nan(targets) => return None,
            Of::Targets(targets) => greatest(targets),
        };
        (!nan(logits)).then(|| greatest(logits) == wanted)
    }

    /// Every number of the call on a level, and whether all options agree on it.
    pub fn outputs(&self, level: Level, what: &str) -> Outputs<F> {
        let what = |option: &str| format!("{what}, {level}, {option}");
        let (n, rows) = (self.logits.len(), self.rows());
        let mut gradient = Shifted::new(&vec![untouched(); n], 3);
        let mut losses = vec![untouched(); rows];
        let mut log_sums = vec![untouched(); rows];
        let mut hits = vec![false; rows];
        let out = Out {
            gradient: Some(gradient.get_mut()),
            losses: Some(&mut losses),
            log_sums: Some(&mut log_sums),
            hits: Some(&mut hits),
            ..Out::default()
        };
        let fits = |answer: Result<super::row_call::Answer<F>, Error<F>>, option: &str| {
            answer.unwrap_or_else(|error| panic!("{}: {error}", what(option))).value()
        };
        let sum = fits(self.run(level, End::Sum, out), "sum with everything");
        let gradient = gradient.get().to_vec();
        let bits = |found: &[F], expected: &[F], option: &str| {
            for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
                assert!(same(found, expected), "{}: {i} is {found:?}, not {expected:?}", what(option));
            }
        };

        // Every output alone.
        bits(&[fits(self.run(level, End::Sum, Out::default()), "sum")], &[sum], "the value alone");
        let mut other = vec![untouched(); n];
        let out = Out { gradient: Some(&mut other), ..Out::default() };
        bits(&[fits(self.run(level, End::Sum, out), "sum")], &[sum], "the value with a gradient");
        bits(&other, &gradient, "the gradient alone");
        let mut other = vec![untouched(); rows];
        let out = Out { losses: Some(&mut other), ..Out::default() };
        bits(&[fits(self.run(level, End::Sum, out), "sum")], &[sum], "the value with losses");
        bits(&other, &losses, "losses alone");
        if self.takes_logits() {
            let (mut of_sums, mut of_hits) = (vec![untouched(); rows], vec![true; rows]);
            let out = Out { log_sums: Some(&mut of_sums), hits: Some(&mut of_hits), ..Out::default() };
            bits(&[fits(self.run(level, End::Sum, out), "sum")], &[sum], "the value with log-sum-exp");
            bits(&of_sums, &log_sums, "log-sum-exp alone");
            assert_eq!(of_hits, hits, "{}", what("hits alone"));
        }

        // The gradient's two other ways.
        let before: Vec<F> = (0..n).map(|i| F::from_f64((i % 7) as f64 * 0.37 - 1.0)).collect();
        let mut added = Shifted::new(&before, 1);
        let out = Out { gradient: Some(added.get_mut()), add: true, ..Out::default() };
        bits(&[fits(self.run(level, End::Sum, out), "sum")], &[sum], "the value with an added gradient");
        let mut place = Shifted::new(self.logits, 2);
        let out = Out { in_place: Some(place.get_mut()), ..Out::default() };
        bits(&[fits(self.run(level, End::Sum, out), "sum")], &[sum], "the value in place");
        for i in 0..n {
            let inside = i % self.stride < self.classes;
            let slope = if inside { before[i] + gradient[i] } else { before[i] };
            // A zero may have either sign.
            let right = same(added.get()[i], slope) || added.get()[i] == slope;
            assert!(right, "{}: {i} is {:?}, not {slope:?}", what("added"), added.get()[i]);
            let slope = if inside { gradient[i] } else { self.logits[i] };
            bits(&place.get()[i..=i], &[slope], "in place");
            assert!(inside || gradient[i] == untouched(), "{}: {i}", what("written between rows"));
        }
        Outputs { sum, losses, gradient, log_sums, hits }
    }

    /// Runs a call that fits on every level with every option, and holds all that comes against the reference.
    pub fn check(&self, what: &str) -> Worst {
        let truth = self.truth();
        let mut worst = Worst::default();
        let mut of_class: [Option<Outputs<F>>; 2] = [None, None];
        for level in Level::available() {
            let outputs = self.outputs(level, what);
            worst = worst.or(self.judge(&outputs, &truth, &format!("{what}, {level}")));
            self.check_ends(level, &outputs, &format!("{what}, {level}"));
            let class = &mut of_class[usize::from(level.rounding() == Rounding::Fused)];
            if let Some(other) = class {
                assert_bits(&outputs, other, &format!("{what}, {level} and its class"));
            }
            *class = Some(outputs);
        }
        worst
    }

    fn judge(&self, outputs: &Outputs<F>, truth: &[RowTruth<F::Real>], what: &str) -> Worst {
        let mut worst = Worst::default();
        for (row, truth) in truth.iter().enumerate() {
            let judge = |found: F, truth: &Expected<F::Real>, part: &dyn Fn() -> String| {
                let error = truth.error(found);
                let units = truth.units(found);
                assert!(
                    error <= 1.0,
                    "{what}: {} of row {row} is {found:?}, {units} units off {truth:?}",
                    part()
                );
                [error, units]
            };
            let loss = judge(outputs.losses[row], &truth.loss, &|| "the loss".into());
            worst = worst.or(Worst { loss, ..Worst::default() });
            for (class, slope) in truth.slopes.iter().enumerate() {
                let found = outputs.gradient[row * self.stride + class];
                let slope = judge(found, slope, &|| format!("slope {class}"));
                worst = worst.or(Worst { slope, ..Worst::default() });
            }
            if self.takes_logits() {
                let log_sum = judge(outputs.log_sums[row], &truth.log_sum, &|| "the log-sum-exp".into());
                worst = worst.or(Worst { log_sum, ..Worst::default() });
                if let Some(hit) = self.hit(row) {
                    assert_eq!(outputs.hits[row], hit, "{what}: the hit of row {row}");
                }
            }
        }
        worst
    }

    /// Every end, against the losses and the gradient of the sum.
    fn check_ends(&self, level: Level, outputs: &Outputs<F>, what: &str) {
        let run = |end: End| self.run(level, end, Out::default());
        let rows = self.rows();
        let exact = ExactSum::of(&outputs.losses);
        let error = exact.error(outputs.sum);
        assert!(error <= 1.0, "{what}: the sum is {error} ULP off");
        assert!(run(End::Check).is_ok(), "{what}: check");
        let total = run(End::Total).expect("rows that fit").total();
        assert!(same(total.sum(), outputs.sum), "{what}: the total's sum");

        // What rows weigh in a mean, and in a weighted one.
        let class_weight = |row: usize| match (self.class_weights, self.to) {
            (Some(weights), To::Labels(labels)) if self.weighs_classes() => usize::try_from(labels[row])
                .ok()
                .and_then(|label| weights.get(label))
                .copied()
                .unwrap_or(F::ONE),
            _ => F::ONE,
        };
        let part = || (0..rows).filter(|&row| !self.ignored(row));
        let of_mean: Vec<F> = part().map(class_weight).collect();
        let of_weights: Vec<F> = part().map(|row| self.weight(row) * class_weight(row)).collect();
        assert_eq!(total.count(), part().count() as u64, "{what}: the count");
        assert!(ExactSum::of(&of_weights).error(total.weight()) <= 1.0, "{what}: the weight");
        let divisor = run(End::Divisor).expect("rows that fit").total();
        assert!(ExactSum::of(&of_mean).error(divisor.weight()) <= 1.0, "{what}: the divisor");
        assert_eq!((divisor.count(), divisor.sum()), (total.count(), F::ZERO), "{what}: the divisor");

        let mean = run(End::Mean);
        if divisor.weight() == F::ZERO {
            assert_eq!(mean, Err(Error::Empty), "{what}: a mean of nothing");
        } else {
            let mean = mean.expect("rows that fit").value();
            assert!(
                same(total.over_weight_of(&divisor).expect("a divisor"), mean),
                "{what}: the total's mean"
            );
            self.check_mean(level, End::Mean, mean, &exact, &of_mean, what);
        }
        let over = run(End::MeanOver(7)).expect("rows that fit").value();
        self.check_mean(level, End::MeanOver(7), over, &exact, &[F::ONE; 7], what);
        match run(End::WeightedMean) {
            Err(error) if self.weights.is_none() => assert_eq!(error, Error::NoWeights, "{what}"),
            Err(error) => {
                assert_eq!(error, Error::Empty, "{what}: a weighted mean");
                assert_eq!(total.weight(), F::ZERO, "{what}: a weighted mean");
            }
            Ok(mean) => self.check_mean(level, End::WeightedMean, mean.value(), &exact, &of_weights, what),
        }
    }

    /// A mean is the exact quotient, and its gradient that of the sum by another factor.
    fn check_mean(&self, level: Level, end: End, mean: F, exact: &ExactSum, by: &[F], what: &str) {
        let what = format!("{what}, {end:?}");
        if by.iter().all(|&weight| weight >= F::ZERO) {
            let error = exact.quotient_error(mean, &ExactSum::of(by));
            assert!(error <= 1.0, "{what}: {error} ULP off the exact quotient");
        }
        let by = by.iter().map(|weight| weight.to_f64()).sum::<f64>();
        let mut gradients = [vec![untouched::<F>(); self.logits.len()], vec![untouched(); self.logits.len()]];
        let [of_mean, of_sum] = &mut gradients;
        let out = Out { gradient: Some(of_mean), ..Out::default() };
        let with_gradient = self.run(level, end, out).expect("rows that fit").value();
        assert!(same(with_gradient, mean), "{what}: the value with a gradient");
        let scale = self.scale / F::from_f64(by);
        if !scale.finite() {
            return;
        }
        let out = Out { gradient: Some(of_sum), ..Out::default() };
        RowCall { scale, ..*self }.run(level, End::Sum, out).expect("rows that fit");
        for (i, (&found, &expected)) in gradients[0].iter().zip(&gradients[1]).enumerate() {
            // The sum of weights was rounded once here, and may have been rounded otherwise there.
            let near = (found - expected).magnitude().to_f64() <= 3e-7 * expected.magnitude().to_f64();
            assert!(near || same(found, expected), "{what}: slope {i} is {found:?}, not {expected:?}");
        }
    }
}

pub fn assert_bits<F: Float>(found: &Outputs<F>, expected: &Outputs<F>, what: &str) {
    let parts = [
        (std::slice::from_ref(&found.sum), std::slice::from_ref(&expected.sum), "the sum"),
        (&found.losses, &expected.losses, "loss"),
        (&found.gradient, &expected.gradient, "slope"),
        (&found.log_sums, &expected.log_sums, "log-sum-exp"),
    ];
    for (found, expected, part) in parts {
        assert_eq!(found.len(), expected.len());
        for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
            assert!(same(found, expected), "{what}: {part} {i} is {found:?}, not {expected:?}");
        }
    }
    assert_eq!(found.hits, expected.hits, "{what}");
}
