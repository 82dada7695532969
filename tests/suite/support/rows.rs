//! What a call over rows must give: held against the elementwise call that it is made of, and against exact sums.

use fused_loss::{Elementwise, Error, Float, Level, Loss, Rowwise};

use super::exact::ExactSum;
use super::oracle::Shifted;
use super::reference::Tested;
use super::same;

/// What rows are compared with.
#[derive(Clone, Copy)]
pub enum To<'a, F> {
    Targets(&'a [F]),
    Labels(&'a [u16]),
}

/// A call, with what it writes to.
pub struct Call<'a, F, L> {
    pub loss: L,
    pub level: Level,
    pub pred: &'a [F],
    pub classes: usize,
    pub to: To<'a, F>,
    pub weights: Option<&'a [F]>,
}

#[derive(Clone, Copy)]
pub enum End {
    Sum,
    Mean,
    WeightedMean,
}

/// Sets the options, and ends the call.
macro_rules! finish {
    ($call:expr, $batch:expr, $end:expr) => {{
        let mut batch = $batch.level($call.level).scale(F::from_f64(1.5));
        if let Some(weights) = $call.weights {
            batch = batch.weights(weights);
        }
        match $end {
            End::Sum => batch.sum(),
            End::Mean => batch.mean(),
            End::WeightedMean => batch.weighted_mean(),
        }
    }};
}

impl<F: Float, L: Loss<F>> Call<'_, F, L> {
    fn value(&self, end: End) -> Result<F, Error<F>> {
        let rows = self.loss.rows(self.pred, self.classes);
        match self.to {
            To::Targets(targets) => finish!(self, rows.targets(targets), end),
            To::Labels(labels) => finish!(self, rows.labels(labels), end),
        }
    }

    /// The value, the gradient and the losses of the rows.
    fn all(&self, end: End) -> (F, Vec<F>, Vec<F>) {
        let count = self.pred.len();
        // Somewhere behind the start of an allocation.
        let mut grad = Shifted::new(&vec![F::NAN; count], 3);
        let mut losses = vec![F::NAN; count / self.classes];
        let rows = self.loss.rows(self.pred, self.classes);
        let value = match self.to {
            To::Targets(targets) => {
                finish!(self, rows.targets(targets).gradient(grad.get_mut()).losses(&mut losses), end)
            }
            To::Labels(labels) => {
                finish!(self, rows.labels(labels).gradient(grad.get_mut()).losses(&mut losses), end)
            }
        };
        let value = value.expect("rows that fit");
        assert!(same(value, self.value(end).expect("rows that fit")), "outputs do not change the value");
        (value, grad.get().to_vec(), losses)
    }

    fn in_place(&self, end: End) -> Vec<F> {
        let mut pred = self.pred.to_vec();
        let rows = self.loss.rows_in_place(&mut pred, self.classes);
        let value = match self.to {
            To::Targets(targets) => finish!(self, rows.targets(targets), end),
            To::Labels(labels) => finish!(self, rows.labels(labels), end),
        };
        assert!(same(value.expect("rows that fit"), self.value(end).expect("rows that fit")));
        pred
    }

    fn added(&self, end: End, to: F) -> Vec<F> {
        let mut grad = vec![to; self.pred.len()];
        let rows = self.loss.rows(self.pred, self.classes);
        let value = match self.to {
            To::Targets(targets) => finish!(self, rows.targets(targets).add_gradient(&mut grad), end),
            To::Labels(labels) => finish!(self, rows.labels(labels).add_gradient(&mut grad), end),
        };
        value.expect("rows that fit");
        grad
    }
}

/// The sum in twice the precision of f64.
fn sum_of<F: Float>(numbers: &[F]) -> f64 {
    let (mut sum, mut error) = (0.0, 0.0);
    for number in numbers.iter().map(|number| number.to_f64()) {
        let before: f64 = sum;
        sum += number;
        let of_number = sum - before;
        error += (before - (sum - of_number)) + (number - of_number);
    }
    if sum.is_finite() { sum + error } else { numbers.iter().map(|number| number.to_f64()).sum() }
}

/// Within a rounding or so, or not finite alike.
fn near(found: f64, expected: f64, within: f64) -> bool {
    found == expected || found.is_nan() && expected.is_nan() || (found - expected).abs() <= within
}

pub fn assert_all<F: Float>(found: &[F], expected: &[F], what: &str) {
    assert_eq!(found.len(), expected.len());
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        // A zero may have either sign: 0 times a negative factor.
        let right = same(found, expected) || found == expected && found == F::ZERO;
        assert!(right, "{what}: {i} is {found:?}, not {expected:?}");
    }
}

/// Holds a call against its elements. All that it gives, one after the other.
pub fn check_rows<F: Tested, L: Loss<F>>(call: &Call<F, L>, target: &[F], what: &str) -> Vec<F> {
    let &Call { loss, level, pred, classes, weights, .. } = call;
    let rows = pred.len() / classes;
    let (mut values, mut slopes) = (vec![F::NAN; pred.len()], vec![F::NAN; pred.len()]);
    let elements = loss.batch(pred, target).level(level).losses(&mut values).gradient(&mut slopes);
    elements.sum().expect("elements that fit");

    let (sum, grad, losses) = call.all(End::Sum);
    for (row, &found) in losses.iter().enumerate() {
        let weight = weights.map_or(F::ONE, |weights| weights[row]);
        // What a masked row holds does not matter.
        let masked = weights.is_some() && weight == F::ZERO;
        let nothing = vec![F::ZERO; classes];
        let values = if masked { &nothing[..] } else { &values[row * classes..][..classes] };
        let exact = sum_of(values) * weight.to_f64();
        let size: f64 = values.iter().map(|value| (value.to_f64() * weight.to_f64()).abs()).sum();
        // One rounding of the sum and one for the weight, be it that of the row or of its elements.
        let unit = 2_f64.powi(1 - F::SIGNIFICAND as i32);
        // Where a part is beyond the largest number, so may be the loss.
        let close = near(found.to_f64(), exact, 1.6 * unit * size + 1e-44)
            || !F::from_f64(size).finite() && !found.finite();
        assert!(close, "{what}: row {row} is {found:?}, exactly {exact:e}");
        for class in 0..classes {
            let (slope, found) = (slopes[row * classes + class], grad[row * classes + class]);
            let factor = weight * F::from_f64(1.5);
            let expected = if masked { F::ZERO } else { slope * factor };
            assert_all(&[found], &[expected], &format!("{what}: slope of row {row}, class {class}"));
        }
    }
    let error = ExactSum::of(&losses).error(sum);
    assert!(error <= 1.0, "{what}: the sum is {error} ULP off");

    let (mean, of_mean, _) = call.all(End::Mean);
    let near = |a: F, b: f64| near(a.to_f64(), F::from_f64(b).to_f64(), 1e-6 * (1.0 + b.abs()));
    assert!(near(mean, sum.to_f64() / rows as f64), "{what}: mean {mean:?}");
    assert!(near(of_mean[0], grad[0].to_f64() / rows as f64), "{what}: gradient of the mean");
    if let Some(weights) = weights.filter(|weights| sum_of(weights) != 0.0) {
        let expected = sum.to_f64() / sum_of(weights);
        let found = call.value(End::WeightedMean).expect("rows that fit");
        assert!(near(found, expected), "{what}: weighted mean {found:?}, {expected:?}");
    }
    assert_all(&call.in_place(End::Sum), &grad, &format!("{what}: in place"));
    let added: Vec<_> = grad.iter().map(|&slope| F::from_f64(0.75) + slope).collect();
    assert_all(&call.added(End::Sum, F::from_f64(0.75)), &added, &format!("{what}: added"));
    [&[sum, mean][..], &losses, &grad, &of_mean].concat()
}
