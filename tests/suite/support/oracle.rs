//! The oracle: one call, every level and every option, against what the promises say.
//!
//! Tests feed it chosen data, proptest and the fuzz target arbitrary data. It panics where a promise is broken.

use fused_loss::{Batch, Elementwise, Error, Float, Level, Loss, Rounding, Total};

use super::exact::ExactSum;
use super::reference::{Case, Tested};
use super::{is_nan, same};

/// The data of a call.
#[derive(Clone, Debug)]
pub struct Call<'a, F> {
    pub pred: &'a [F],
    pub target: &'a [F],
    pub weights: Option<&'a [F]>,
    pub scale: F,
    /// How far inputs and outputs lie behind the start of their allocations.
    pub offsets: [usize; 2],
}

/// A copy of a slice that starts `offset` elements into its allocation.
pub struct Shifted<F>(Vec<F>, usize);

impl<F: Float> Shifted<F> {
    pub fn new(from: &[F], offset: usize) -> Self {
        let mut all = vec![F::MAX; offset];
        all.extend_from_slice(from);
        Shifted(all, offset)
    }
    pub fn get(&self) -> &[F] {
        &self.0[self.1..]
    }
    pub fn get_mut(&mut self) -> &mut [F] {
        &mut self.0[self.1..]
    }
}

/// The first bad value in index order; of one element, the weight before the target before the prediction.
pub fn first_bad<F: Float, L: Loss<F>>(loss: L, call: &Call<F>) -> Option<Error<F>> {
    (0..call.pred.len()).find_map(|index| {
        let (pred, target) = (call.pred[index], call.target[index]);
        let weight = call.weights.map_or(F::ONE, |weights| weights[index]);
        if !weight.finite() {
            Some(Error::Weight { index, value: weight })
        } else if weight == F::ZERO {
            None
        } else if !loss.target_domain().holds(target) {
            Some(Error::Target { index, value: target })
        } else if !is_nan(pred) && !loss.pred_domain().holds(pred) {
            Some(Error::Pred { index, value: pred })
        } else {
            None
        }
    })
}

/// Loss and slope of a pair in a call of its own, on this level.
pub fn alone<F: Float, L: Loss<F>>(loss: L, level: Level, pred: F, target: F) -> (F, F) {
    let (mut value, mut slope) = ([F::NAN], [F::NAN]);
    let batch = loss.batch(std::slice::from_ref(&pred), std::slice::from_ref(&target)).level(level);
    let sum = batch.losses(&mut value).gradient(&mut slope).sum().expect("a pair that fits the loss");
    // A sum of zeros is +0, whatever their signs.
    assert!(
        same(sum, value[0]) || value[0] == F::ZERO && sum == F::ZERO,
        "the sum of one loss is that loss: {sum:?} for {value:?}"
    );
    (value[0], slope[0])
}

/// What a call must give, from calls of length 1.
struct Expected<F> {
    losses: Vec<F>,
    slopes: Vec<F>,
}

impl<F: Float> Expected<F> {
    fn new<L: Loss<F>>(loss: L, level: Level, call: &Call<F>) -> Self {
        let mut expected = Expected { losses: vec![], slopes: vec![] };
        for (i, (&pred, &target)) in call.pred.iter().zip(call.target).enumerate() {
            let weight = call.weights.map_or(F::ONE, |weights| weights[i]);
            // What a masked element holds must not matter, so it is not even looked at.
            let masked = call.weights.is_some() && weight == F::ZERO;
            let (value, slope) = if masked { (F::ZERO, F::ZERO) } else { alone(loss, level, pred, target) };
            expected.losses.push(if call.weights.is_some() { value * weight } else { value });
            expected.slopes.push(slope);
        }
        expected
    }

    fn gradient(&self, call: &Call<F>, factor: F) -> Vec<F> {
        let factor = |i: usize| call.weights.map_or(factor, |weights| weights[i] * factor);
        self.slopes.iter().enumerate().map(|(i, &slope)| slope * factor(i)).collect()
    }
}

fn assert_each<F: Float>(found: &[F], expected: &[F], what: impl Fn() -> String) {
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        // A masked element's zero may have either sign.
        let right = same(found, expected) || (found == F::ZERO && expected == F::ZERO);
        assert!(right, "{}: element {i} is {found:?}, alone it is {expected:?}", what());
    }
    assert_eq!(found.len(), expected.len());
}

fn assert_bits<F: Float>(found: F, expected: F, what: impl Fn() -> String) {
    assert!(same(found, expected), "{}: {found:?} instead of {expected:?}", what());
}

/// Runs a call on every level with every option, and holds the results against each other, against its elements
/// alone, and against exact sums.
pub fn check_call<F: Float, L: Loss<F>>(loss: L, label: &str, call: &Call<F>) {
    let bad = first_bad(loss, call);
    let mut of_class: [Option<Outputs<F>>; 2] = [None, None];
    for level in Level::available() {
        let what = |option: &str| {
            let Call { offsets, scale, .. } = call;
            format!(
                "{label}, {level}, {} elements, offsets {offsets:?}, scale {scale:?}, {option}",
                call.pred.len()
            )
        };
        if let Some(bad) = bad {
            check_refusal(loss, level, call, bad, &what);
            continue;
        }
        let expected = Expected::new(loss, level, call);
        let outputs = check_level(loss, level, call, &expected, &what);
        let class = &mut of_class[usize::from(level.rounding() == Rounding::Fused)];
        if let Some(other) = class {
            assert_bits(outputs.sum, other.sum, || what("sum of one rounding class"));
            assert_bits(outputs.mean, other.mean, || what("mean of one rounding class"));
            for (found, other) in [(&outputs.losses, &other.losses), (&outputs.gradient, &other.gradient)] {
                for (i, (&found, &other)) in found.iter().zip(other).enumerate() {
                    assert_bits(found, other, || what(&format!("element {i} of one rounding class")));
                }
            }
        }
        *class = Some(outputs);
    }
}

/// What levels of one class must agree on.
struct Outputs<F> {
    sum: F,
    mean: F,
    losses: Vec<F>,
    gradient: Vec<F>,
}

fn check_level<F: Float, L: Loss<F>>(
    loss: L,
    level: Level,
    call: &Call<F>,
    expected: &Expected<F>,
    what: &dyn Fn(&str) -> String,
) -> Outputs<F> {
    let n = call.pred.len();
    let [inputs, outputs] = call.offsets;
    let (pred, target) = (Shifted::new(call.pred, inputs), Shifted::new(call.target, inputs + 1));
    let weights = call.weights.map(|weights| Shifted::new(weights, inputs + 2));
    let untouched = || Shifted::new(&vec![F::NAN; n], outputs);
    let batch = || {
        let batch = loss.batch(pred.get(), target.get()).level(level).scale(call.scale);
        match &weights {
            Some(weights) => batch.weights(weights.get()),
            None => batch,
        }
    };

    let exact = ExactSum::of(&expected.losses);
    let sum = batch().sum().expect("a call that fits");
    let error = exact.error(sum);
    assert!(error <= 1.0, "{}: {error} ULP off the exact sum", what("sum"));
    assert_eq!(batch().check(), Ok(()), "{}", what("check"));

    let (mut gradient, mut losses) = (untouched(), untouched());
    let with_all = batch().gradient(gradient.get_mut()).losses(losses.get_mut()).sum();
    assert_bits(with_all.unwrap(), sum, || what("sum with gradient and losses"));
    assert_each(losses.get(), &expected.losses, || what("losses"));
    assert_each(gradient.get(), &expected.gradient(call, call.scale), || what("gradient of the sum"));

    let mut only_losses = untouched();
    assert_bits(batch().losses(only_losses.get_mut()).sum().unwrap(), sum, || what("sum with losses"));
    assert_each(only_losses.get(), &expected.losses, || what("losses without gradient"));

    let mut plain = untouched();
    assert_bits(batch().gradient(plain.get_mut()).sum().unwrap(), sum, || what("sum with gradient"));
    assert_each(plain.get(), gradient.get(), || what("gradient without losses"));

    // What was there before is arbitrary, but not so large that nothing of the gradient is left.
    let before: Vec<F> = (0..n).map(|i| F::from_f64((i % 7) as f64 * 0.37 - 1.0)).collect();
    let mut added = Shifted::new(&before, outputs);
    assert_bits(batch().add_gradient(added.get_mut()).sum().unwrap(), sum, || what("sum with add_gradient"));
    let sums: Vec<F> = gradient.get().iter().zip(&before).map(|(&slope, &before)| before + slope).collect();
    assert_each(added.get(), &sums, || what("add_gradient"));

    let mut place = Shifted::new(call.pred, outputs);
    let mut in_place = loss.batch_in_place(place.get_mut(), target.get()).level(level).scale(call.scale);
    if let Some(weights) = &weights {
        in_place = in_place.weights(weights.get());
    }
    assert_bits(in_place.sum().unwrap(), sum, || what("sum in place"));
    assert_each(place.get(), gradient.get(), || what("gradient in place"));

    let mut of_total = untouched();
    let total = batch().gradient(of_total.get_mut()).total().unwrap();
    assert_bits(total.sum(), sum, || what("sum of the total"));
    assert_eq!(total.count(), n as u64, "{}", what("count of the total"));
    assert_each(of_total.get(), gradient.get(), || what("gradient of the total"));
    assert_eq!(Total::from_bytes(total.to_bytes().as_ref()), Ok(total), "{}", what("bytes of the total"));
    let ones = vec![F::ONE; n];
    let weight = ExactSum::of(call.weights.unwrap_or(&ones));
    assert!(weight.error(total.weight()) <= 1.0, "{}", what("weight of the total"));
    check_weighted_mean(call, &total, expected, &weight, batch, what);

    if n == 0 {
        assert_eq!(batch().mean(), Err(Error::Empty));
        assert_eq!(total.mean(), Err(Error::Empty));
        return Outputs { sum, mean: F::ZERO, losses: vec![], gradient: vec![] };
    }
    let mut of_mean = untouched();
    let mean = batch().gradient(of_mean.get_mut()).mean().unwrap();
    let error = exact.mean_error(mean, n as u64);
    assert!(error <= 1.0, "{}: {error} ULP off the exact mean", what("mean"));
    assert_bits(total.mean().unwrap(), mean, || what("mean of the total"));
    assert_bits(batch().mean().unwrap(), mean, || what("mean without gradient"));
    let factor = call.scale / F::from_count(n as u64);
    assert_each(of_mean.get(), &expected.gradient(call, factor), || what("gradient of the mean"));
    Outputs { sum, mean, losses: losses.get().to_vec(), gradient: gradient.get().to_vec() }
}

fn check_weighted_mean<'a, F: Float, L: Loss<F>>(
    call: &Call<F>,
    total: &Total<F>,
    expected: &Expected<F>,
    weight: &ExactSum,
    batch: impl Fn() -> Batch<'a, L, F>,
    what: &dyn Fn(&str) -> String,
) {
    let Some(weights) = call.weights else {
        assert_eq!(batch().weighted_mean(), Err(Error::NoWeights), "{}", what("weighted mean"));
        return;
    };
    if total.weight() == F::ZERO {
        assert_eq!(batch().weighted_mean(), Err(Error::Empty), "{}", what("weighted mean of nothing"));
        return;
    }
    if !total.weight().finite() {
        let refused = |found| matches!(found, Err(Error::Parameter { name: "sum of weights", .. }));
        assert!(refused(batch().weighted_mean()), "{}", what("weighted mean of too much"));
        assert!(refused(total.weighted_mean()), "{}", what("weighted mean of too large a total"));
        return;
    }
    let mean = batch().weighted_mean().unwrap();
    assert_bits(total.weighted_mean().unwrap(), mean, || what("weighted mean of the total"));
    let factor = call.scale / total.weight();
    // Where the weights' sum is so small that this overflows, a lift comes between; a test of its own has that.
    if factor.finite() {
        let mut gradient = Shifted::new(call.pred, call.offsets[1]);
        let again = batch().gradient(gradient.get_mut()).weighted_mean().unwrap();
        assert_bits(again, mean, || what("weighted mean with gradient"));
        assert_each(gradient.get(), &expected.gradient(call, factor), || {
            what("gradient of the weighted mean")
        });
    }
    // Weights of both signs may cancel; that has no exact quotient to hold.
    if weights.iter().all(|&weight| weight >= F::ZERO) {
        let error = ExactSum::of(&expected.losses).quotient_error(mean, weight);
        assert!(error <= 1.0, "{}: {error} ULP off the exact quotient", what("weighted mean"));
    }
}

/// Every end of a call refuses it with the same error.
fn check_refusal<F: Float, L: Loss<F>>(
    loss: L,
    level: Level,
    call: &Call<F>,
    bad: Error<F>,
    what: &dyn Fn(&str) -> String,
) {
    let n = call.pred.len();
    let [inputs, outputs] = call.offsets;
    let (pred, target) = (Shifted::new(call.pred, inputs), Shifted::new(call.target, inputs + 1));
    let batch = || {
        let batch = loss.batch(pred.get(), target.get()).level(level).scale(call.scale);
        match call.weights {
            Some(weights) => batch.weights(weights),
            None => batch,
        }
    };
    // By their text, since a NaN is not equal to itself.
    let assert_refused = |found: Option<Error<F>>, end: &str| {
        assert_eq!(format!("{found:?}"), format!("{:?}", Some(bad)), "{}", what(end));
    };
    assert_refused(batch().check().err(), "check");
    assert_refused(batch().sum().err(), "sum");
    assert_refused(batch().mean().err(), "mean");
    assert_refused(batch().total().err(), "total");
    let (mut gradient, mut losses) = (vec![F::ZERO; n], vec![F::ZERO; n]);
    assert_refused(batch().gradient(&mut gradient).losses(&mut losses).sum().err(), "sum with outputs");
    assert_refused(batch().add_gradient(&mut gradient).mean().err(), "mean with add_gradient");
    if call.weights.is_some_and(|weights| ExactSum::of(weights).error(F::ZERO) > 1.0) {
        assert_refused(batch().weighted_mean().err(), "weighted mean");
    }
    let mut place = Shifted::new(call.pred, outputs);
    let mut in_place = loss.batch_in_place(place.get_mut(), target.get()).level(level);
    if let Some(weights) = call.weights {
        in_place = in_place.weights(weights);
    }
    assert_refused(in_place.sum().err(), "sum in place");
}

/// Judges every element of a call, that fits its loss, by the reference.
pub fn check_elements<F: Tested>(case: &Case<F>, pred: &[F], target: &[F]) {
    for (&pred, &target) in pred.iter().zip(target) {
        if !case.loss.target_domain().holds(target) || !(is_nan(pred) || case.loss.pred_domain().holds(pred))
        {
            continue;
        }
        let judge = case.judge(pred, target);
        for level in Level::available() {
            let (value, slope) = alone(case.loss, level, pred, target);
            let found = judge(value, slope);
            let label = case.label();
            assert!(
                found.passes(),
                "{label}, {level}: of {pred:?}, {target:?} came {value:?}, {slope:?}: {found:?}"
            );
        }
    }
}
