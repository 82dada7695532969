//! Loss, gradient and mean in one pass: every loss of the lists, on every level, in both precisions, at four sizes.
//!
//! `cargo bench` runs all of it, which takes some minutes; `cargo bench -- huber/f32/avx2` a part.

use std::hint::black_box;
use std::time::Duration;

use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
    measurement::WallTime,
};
use fused_loss::{AnyLoss, AnyRowLoss, Domain, Elementwise, Float, Level, Loss, RowLosses};

/// What a call reads and writes, in KiB: in the first cache, in the second, in the last, and beyond.
const WORKING_SETS: [usize; 4] = [4, 256, 8 << 10, 128 << 10];

/// Of losses over rows.
const CLASSES: usize = 100;

/// Uniform from 0 to 1, the same on every run (SplitMix64).
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Nearly N(0, 3), or uniform over a domain.
fn sample<F: Float>(domain: Domain<F>, state: &mut u64) -> F {
    F::from_f64(match domain {
        Domain::Interval { low, high } => low.to_f64() + uniform(state) * (high.to_f64() - low.to_f64()),
        _ => 3.0 * ((0..12).map(|_| uniform(state)).sum::<f64>() - 6.0),
    })
}

fn samples<F: Float>(count: usize, domain: Domain<F>, state: &mut u64) -> Vec<F> {
    (0..count).map(|_| sample(domain, state)).collect()
}

/// So many numbers of a precision, where `arrays` of them fill the working set.
fn count<F: Float>(kib: usize, arrays: usize) -> usize {
    (kib << 10) / (arrays * size_of::<F>())
}

/// Times of one call on every level.
fn on_every_level(
    group: &mut BenchmarkGroup<'_, WallTime>,
    kib: usize,
    elements: usize,
    bytes: usize,
    mut call: impl FnMut(Level),
) {
    group.throughput(Throughput::ElementsAndBytes { elements: elements as u64, bytes: bytes as u64 });
    for level in Level::available() {
        let id = BenchmarkId::new(level.name(), format!("{kib} KiB"));
        group.bench_function(id, |bencher| bencher.iter(|| call(level)));
    }
}

fn group<'c>(criterion: &'c mut Criterion, name: String) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .sample_size(10)
        .sampling_mode(SamplingMode::Flat)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400));
    group
}

fn elements<F: Float>(criterion: &mut Criterion) {
    for entry in AnyLoss::<F>::list() {
        let loss = AnyLoss::<F>::named(entry.name, |_| None).expect("a loss of the list");
        let mut group = group(criterion, format!("{}/{}", entry.name, F::NAME));
        for kib in WORKING_SETS {
            // Two inputs are read and one output is written, once each.
            let (n, mut state) = (count::<F>(kib, 3), 1);
            let pred = samples(n, loss.pred_domain(), &mut state);
            let target = samples(n, loss.target_domain(), &mut state);
            let mut grad = vec![F::ZERO; n];
            on_every_level(&mut group, kib, n, 3 * n * size_of::<F>(), |level| {
                let batch = loss.batch(black_box(&pred), black_box(&target)).level(level);
                let mean = batch.gradient(black_box(&mut grad)).mean();
                black_box(mean).expect("a mean");
            });
        }
        group.finish();
    }
}

fn rows<F: Float>(criterion: &mut Criterion) {
    for entry in AnyRowLoss::<F>::list() {
        let loss = AnyRowLoss::<F>::named(entry.name, |_| None).expect("a loss of the list");
        // Divergences need a distribution for each row.
        let labelled = !["softmax-kl", "jensen-shannon"].contains(&entry.name);
        let arrays = if labelled { 2 } else { 3 };
        let mut group = group(criterion, format!("{}/{}", entry.name, F::NAME));
        for kib in WORKING_SETS {
            let rows = count::<F>(kib, arrays) / CLASSES;
            let (n, mut state) = (rows * CLASSES, 1);
            // Of log-probabilities, all are negative.
            let logits: Vec<F> =
                samples(n, Domain::All, &mut state).iter().map(|&z: &F| -z.magnitude()).collect();
            let labels: Vec<i64> = (0..rows).map(|_| (uniform(&mut state) * CLASSES as f64) as i64).collect();
            let target = if labelled { Vec::new() } else { distributions(n, &mut state) };
            let mut grad = vec![F::ZERO; n];
            on_every_level(&mut group, kib, n, arrays * n * size_of::<F>(), |level| {
                let rows = loss.rows(black_box(&logits), CLASSES);
                let batch = if labelled { rows.labels(&labels) } else { rows.targets(black_box(&target)) };
                let mean = batch.gradient(black_box(&mut grad)).level(level).mean();
                black_box(mean).expect("a mean");
            });
        }
        group.finish();
    }
}

/// Rows that sum to 1.
fn distributions<F: Float>(count: usize, state: &mut u64) -> Vec<F> {
    let mut shares: Vec<f64> = (0..count).map(|_| uniform(state)).collect();
    for row in shares.chunks_mut(CLASSES) {
        let sum = row.iter().sum::<f64>();
        row.iter_mut().for_each(|share| *share /= sum);
    }
    shares.into_iter().map(F::from_f64).collect()
}

fn losses(criterion: &mut Criterion) {
    elements::<f32>(criterion);
    elements::<f64>(criterion);
    rows::<f32>(criterion);
    rows::<f64>(criterion);
}

criterion_group!(benches, losses);
criterion_main!(benches);
