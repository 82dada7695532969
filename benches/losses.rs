//! Loss, gradient and mean in one pass: every loss of the list, on every level, in both precisions, at three sizes.
//!
//! `cargo bench` runs all of it in about five minutes; `cargo bench -- huber/f32/avx2` a part.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fused_loss::{AnyLoss, Domain, Elementwise, Float, Level, Loss};

/// In the first-level cache, in the second or third, and beyond them.
const SIZES: [usize; 3] = [1_024, 65_536, 4_194_304];

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

fn precision<F: Float>(criterion: &mut Criterion) {
    for entry in AnyLoss::<F>::list() {
        let loss = AnyLoss::<F>::named(entry.name, |_| None).expect("a loss of the list");
        let mut group = criterion.benchmark_group(format!("{}/{}", entry.name, F::NAME));
        group
            .sample_size(10)
            .warm_up_time(Duration::from_millis(100))
            .measurement_time(Duration::from_millis(400));
        for size in SIZES {
            let mut state = 1;
            let pred: Vec<F> = (0..size).map(|_| sample(loss.pred_domain(), &mut state)).collect();
            let target: Vec<F> = (0..size).map(|_| sample(loss.target_domain(), &mut state)).collect();
            let mut grad = vec![F::ZERO; size];
            // Two inputs are read and one output is written, once each.
            let bytes = 3 * size as u64 * u64::from(F::BITS / 8);
            group.throughput(Throughput::ElementsAndBytes { elements: size as u64, bytes });
            for level in Level::available() {
                group.bench_function(BenchmarkId::new(level.name(), size), |bencher| {
                    bencher.iter(|| {
                        let batch = loss.batch(black_box(&pred), black_box(&target)).level(level);
                        batch.gradient(black_box(&mut grad)).mean()
                    });
                });
            }
        }
        group.finish();
    }
}

fn losses(criterion: &mut Criterion) {
    precision::<f32>(criterion);
    precision::<f64>(criterion);
}

criterion_group!(benches, losses);
criterion_main!(benches);
