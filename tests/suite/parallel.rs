//! Calls on several threads: the bits of one thread, the first of several errors, and more than one thread at work.

use std::collections::HashSet;
use std::sync::{Mutex, OnceLock};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use fused_loss::{
    AnyLoss, AnyRowLoss, Batch, Cut, Elementwise, Error, Float, Lanes, Level, Loss, Mae, Mse,
    NegativeLogLikelihood, RowLosses, Rowwise, SoftmaxCrossEntropy, Total,
};
use rayon::ThreadPoolBuilder;

use crate::support::same;
use crate::support::samples::Random;

const THREADS: [usize; 4] = [1, 2, 3, 7];

/// More than is shared out from, whole blocks and a few.
const COUNT: usize = (1 << 18) + 3 * 16_384 + 77;

fn in_pool<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

fn numbers<F: Float>(count: usize, seed: u64, from: f64, to: f64) -> Vec<F> {
    let mut random = Random(seed);
    (0..count).map(|_| F::from_f64(from + random.unit() * (to - from))).collect()
}

/// Of so many sizes that not even a block's sum in two parts is exact: where it is cut shows.
fn of_all_sizes<F: Float>(count: usize, seed: u64) -> Vec<F> {
    let mut random = Random(seed);
    let power = |random: &mut Random| 2_f64.powi(random.below(80) as i32 - 40);
    (0..count).map(|_| F::from_f64((1.0 + random.unit()) * power(&mut random))).collect()
}

/// All that a call gives, as patterns; every NaN is one and the same.
#[derive(PartialEq, Debug)]
struct Found {
    value: Result<u64, String>,
    outputs: Vec<u64>,
}

fn patterns<F: Float>(numbers: &[F]) -> impl Iterator<Item = u64> {
    numbers.iter().map(|&x| if same(x, F::NAN) { u64::MAX } else { x.to_pattern() })
}

fn value<F: Float>(value: Result<F, Error<F>>) -> Result<u64, String> {
    value.map(|x| patterns(&[x]).sum()).map_err(|error| error.to_string())
}

/// The ends of a call by number.
fn end<L: Copy + Send, F: Float, T: Cut<L, F> + Send>(
    batch: Batch<'_, L, F, T>,
    parallel: bool,
    number: usize,
) -> Result<u64, String> {
    match (number, parallel) {
        (0, false) => value(batch.mean()),
        (1, false) => value(batch.sum()),
        (2, false) => value(batch.mean_over(1_000)),
        (3, false) => value(batch.weighted_mean()),
        (_, false) => value(batch.total().map(|total| total.sum())),
        (0, true) => value(batch.parallel().mean()),
        (1, true) => value(batch.parallel().sum()),
        (2, true) => value(batch.parallel().mean_over(1_000)),
        (3, true) => value(batch.parallel().weighted_mean()),
        (_, true) => value(batch.parallel().total().map(|total| total.sum())),
    }
}

struct Elements<F: Float> {
    loss: AnyLoss<F>,
    pred: Vec<F>,
    target: Vec<F>,
    weights: Vec<F>,
}

impl<F: Float> Elements<F> {
    fn run(&self, parallel: bool, number: usize) -> Found {
        let Elements { loss, pred, target, weights } = self;
        let (mut grad, mut each) = (pred.clone(), target.clone());
        let plain = loss.batch(pred, target);
        let batch = match number {
            0 => plain.gradient(&mut grad),
            1 => plain,
            2 => loss.batch_in_place(&mut grad, target),
            _ => plain.weights(weights).add_gradient(&mut grad).losses(&mut each).scale(F::from_f64(0.7)),
        };
        let value = end(batch, parallel, number);
        Found { value, outputs: patterns(&grad).chain(patterns(&each)).collect() }
    }
}

#[test]
fn elements_have_the_bits_of_one_thread() {
    fn check<F: Float>() {
        for name in ["mse", "huber", "bce-with-logits", "kl-divergence"] {
            let elements = Elements::<F> {
                loss: AnyLoss::named(name, |_| None).unwrap(),
                pred: numbers(COUNT, 1, -9.0, 9.0),
                target: numbers(COUNT, 2, 0.0, 1.0),
                weights: numbers(COUNT, 3, 0.0, 2.0),
            };
            for number in 0..5 {
                let right = elements.run(false, number);
                assert!(right.value.is_ok(), "{name}: {:?}", right.value);
                for threads in THREADS {
                    let found = in_pool(threads, || elements.run(true, number));
                    assert!(found == right, "{name} of {}, {threads} threads, call {number}", F::NAME);
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// Long enough for stores past the cache, which no part of it is.
#[test]
fn long_gradients_have_the_bits_of_one_thread() {
    let count = (16 << 20) / 4 + 5;
    let (pred, target) = (numbers::<f32>(count, 1, -9.0, 9.0), numbers::<f32>(count, 2, -9.0, 9.0));
    let (mut right, mut found) = (vec![7.0; count + 1], vec![7.0; count + 1]);
    let one = Mse.batch(&pred, &target).gradient(&mut right[1..]).mean();
    let room = &mut found[1..];
    let two = in_pool(2, || Mse.batch(&pred, &target).gradient(room).parallel().mean());
    assert!(one == two && right == found);
}

struct Rows<F> {
    classes: usize,
    stride: usize,
    logits: Vec<F>,
    targets: Vec<F>,
    labels: Vec<i16>,
    wide_labels: Vec<i64>,
    weights: Vec<F>,
    class_weights: Vec<F>,
}

impl<F: Float> Rows<F> {
    fn new(classes: usize, stride: usize) -> Self {
        let rows = (1 << 16) / stride + 3 * 32 + 5;
        // The last row ends with its classes.
        let count = rows * stride - (stride - classes);
        let mut random = Random(5);
        // One label in twenty leaves its row out.
        let mut label = || if random.below(20) == 0 { -100 } else { random.below(classes) as i16 };
        let labels: Vec<_> = (0..rows).map(|_| label()).collect();
        Rows {
            classes,
            stride,
            logits: numbers(count, 1, -9.0, 9.0),
            targets: numbers(count, 2, 0.0, 1.0),
            wide_labels: labels.iter().map(|&label| label.into()).collect(),
            labels,
            weights: of_all_sizes(rows, 3),
            class_weights: numbers(classes, 4, 0.5, 2.0),
        }
    }

    /// Each kind of call by number.
    fn run(&self, parallel: bool, number: usize) -> Found {
        let rows = self.labels.len();
        let (mut grad, mut each, mut log_sums) =
            (self.logits.clone(), vec![F::ZERO; rows], vec![F::ZERO; rows]);
        let mut hits = vec![false; rows];
        let cross_entropy = SoftmaxCrossEntropy::default();
        let (logits, classes, stride) = (&self.logits, self.classes, self.stride);
        let labels: Vec<_> = self.labels.iter().map(|&label| i32::from(label)).collect();
        let value = match number {
            0 => {
                let rows = cross_entropy.rows(logits, classes).stride(stride).labels(&self.wide_labels);
                let rows = rows.gradient(&mut grad).losses(&mut each).log_sum_exp(&mut log_sums);
                end(rows.hits(&mut hits).class_weights(&self.class_weights), parallel, 0)
            }
            1 => {
                let rows = cross_entropy.rows_in_place(&mut grad, classes).stride(stride).labels(&labels);
                end(rows.weights(&self.weights), parallel, 3)
            }
            2 => {
                let rows = cross_entropy.rows(logits, classes).stride(stride).targets(&self.targets);
                end(rows.add_gradient(&mut grad), parallel, 1)
            }
            3 => {
                let rows = NegativeLogLikelihood::default().rows(logits, classes).stride(stride);
                end(rows.labels(&labels).gradient(&mut grad), parallel, 4)
            }
            _ => {
                let loss = AnyRowLoss::from(AnyLoss::Mse(Mse));
                let rows = loss.rows(logits, classes).stride(stride).targets(&self.targets);
                end(rows.gradient(&mut grad).losses(&mut each).any(), parallel, 0)
            }
        };
        let outputs = patterns(&grad).chain(patterns(&each)).chain(patterns(&log_sums));
        Found { value, outputs: outputs.chain(hits.iter().map(|&hit| hit.into())).collect() }
    }
}

#[test]
fn rows_have_the_bits_of_one_thread() {
    fn check<F: Float>() {
        for (classes, stride) in [(10, 10), (10, 13), (150, 150), (1_000, 1_003)] {
            let rows = Rows::<F>::new(classes, stride);
            for number in 0..5 {
                let right = rows.run(false, number);
                assert!(right.value.is_ok(), "rows of {classes}, call {number}: {:?}", right.value);
                for threads in THREADS {
                    let found = in_pool(threads, || rows.run(true, number));
                    assert!(
                        found == right,
                        "rows of {classes} in {}, {threads} threads, call {number}",
                        F::NAME
                    );
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// Whichever thread meets its bad value first.
#[test]
fn the_first_error_in_order_is_the_one() {
    let loss = fused_loss::BceWithLogits::default();
    let pred = vec![0.5_f32; COUNT];
    for (first, second) in [(COUNT - 1, COUNT - 1), (3, COUNT - 5), (16_384, 16_385), (70_000, 150_000)] {
        let mut target = vec![1.0; COUNT];
        (target[first], target[second]) = (2.0, 2.0);
        for threads in THREADS {
            let mut grad = vec![0.0; COUNT];
            let run = || loss.batch(&pred, &target).gradient(&mut grad).parallel().mean();
            assert_eq!(in_pool(threads, run), Err(Error::Target { index: first, value: 2.0 }));
        }
    }
    let (classes, stride, rows) = (10, 12, 10_000);
    let mut probabilities = vec![0.5_f32; rows * stride];
    let mut weights = vec![1.0; rows];
    weights[7_777] = f32::INFINITY;
    let labels = vec![0_u8; rows];
    let run = |logits: &[f32], weights: &[f32]| {
        let rows = SoftmaxCrossEntropy::default().rows(logits, classes).stride(stride).labels(&labels);
        in_pool(3, || rows.weights(weights).parallel().sum())
    };
    let expected = Err(Error::Weight { index: 7_777, value: f32::INFINITY });
    assert_eq!(run(&probabilities, &weights), expected);
    // Elements are counted with the gaps between rows.
    probabilities[5_000 * stride + 3] = 2.0;
    let rows = AnyLoss::<f32>::named("categorical-cross-entropy", |_| None).unwrap();
    let run = || rows.rows(&probabilities, classes).stride(stride).labels(&labels).parallel().sum();
    let bad = in_pool(3, run);
    let alone = rows.rows(&probabilities, classes).stride(stride).labels(&labels).sum();
    assert!(bad.is_err() && bad == alone, "{bad:?} {alone:?}");
}

/// Squares the residual, and waits until it has been seen on two threads; not for ever.
#[derive(Clone, Copy)]
struct Meeting;

static START: OnceLock<Instant> = OnceLock::new();
static SEEN: Mutex<Option<HashSet<ThreadId>>> = Mutex::new(None);

/// How many threads have been seen, this one included where it says so.
fn seen(this: Option<ThreadId>) -> usize {
    let mut seen = SEEN.lock().unwrap();
    let seen = seen.get_or_insert_default();
    seen.extend(this);
    seen.len()
}

impl<F: Float> Loss<F> for Meeting {
    #[inline(always)]
    fn at<V: Lanes<Elem = F>>(self, pred: V, target: V) -> (V, V) {
        let start = START.get_or_init(Instant::now);
        while seen(Some(thread::current().id())) < 2 && start.elapsed() < Duration::from_secs(20) {
            thread::yield_now();
        }
        Mse.at(pred, target)
    }
    fn definition(self, pred: f64, target: f64) -> f64 {
        Loss::<F>::definition(Mse, pred, target)
    }
}

#[test]
fn two_threads_share_the_work() {
    let (pred, target) = (vec![3.0_f32; COUNT], vec![1.0; COUNT]);
    let level = Level::find("scalar").unwrap();
    let run = || Meeting.batch(&pred, &target).level(level).parallel().mean();
    assert_eq!((in_pool(2, run), seen(None)), (Ok(4.0), 2));
}

#[test]
fn a_total_is_the_same() {
    fn check<F: Float>() {
        let (pred, target) = (of_all_sizes::<F>(COUNT, 1), vec![F::ZERO; COUNT]);
        let whole: Total<F> = Mae.batch(&pred, &target).total().unwrap();
        for threads in THREADS {
            assert_eq!(in_pool(threads, || Mae.batch(&pred, &target).parallel().total()), Ok(whole));
        }
    }
    check::<f32>();
    check::<f64>();
}
