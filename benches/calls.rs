//! What a call costs: loss, gradient and mean of a few numbers, as a program calls them that knows its loss.
//!
//! `cargo bench --bench calls -- mse` runs a part.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use fused_loss::{BceWithLogits, BinaryCrossEntropy, Elementwise, Huber, KlDivergence, Loss, Mse, Policy};

const LENGTHS: [usize; 4] = [1, 4, 16, 64];

fn calls_of<L: Loss<f32>>(criterion: &mut Criterion, name: &str, loss: L) {
    let mut group = criterion.benchmark_group(name);
    group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(500));
    for n in LENGTHS {
        // Probabilities, which any of these losses takes.
        let share = |step: usize| (0..n).map(|i| (1 + i * step % 97) as f32 / 98.0).collect();
        let (pred, target): (Vec<f32>, Vec<f32>) = (share(37), share(61));
        let mut grad = vec![0.0; n];
        group.bench_function(n.to_string(), |bencher| {
            bencher.iter(|| {
                let batch = black_box(loss).batch(black_box(&pred), black_box(&target));
                batch.gradient(black_box(&mut grad)).mean()
            });
        });
    }
    group.finish();
}

fn calls(criterion: &mut Criterion) {
    calls_of(criterion, "mse", Mse);
    calls_of(criterion, "huber", Huber::default());
    calls_of(criterion, "bce-with-logits", BceWithLogits::default());
    calls_of(criterion, "bce", BinaryCrossEntropy { policy: Policy::Clamp });
    calls_of(criterion, "kl-divergence", KlDivergence::default());
}

criterion_group!(benches, calls);
criterion_main!(benches);
