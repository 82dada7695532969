//! A thread's stack has room for any call several times over, also where nothing is optimized:
//! `CARGO_PROFILE_DEV_OPT_LEVEL=0 cargo test --test stack`.
//!
//! A call that takes more kills the process, this test's with it.

use std::thread;

use fused_loss::{AnyLoss, AnyRowLoss, Elementwise, Float, Level, RowLosses, Softmax};

/// Half of what a thread gets from Rust.
const STACK: usize = 1 << 20;

fn on_little_stack(run: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(STACK).spawn(run).expect("a thread");
    thread.join().expect("no panic");
}

/// Numbers between 0 and 1, which every loss takes.
fn numbers<F: Float>(count: usize) -> Vec<F> {
    (0..count).map(|i| F::from_f64(((i * 7919) % 97) as f64 / 97.0)).collect()
}

/// Losses of elements; the gradient of a `long` batch is written past the caches.
fn elements<F: Float + Send + 'static>(long: usize) {
    on_little_stack(move || {
        let (pred, mut grad) = (numbers::<F>(long), numbers::<F>(long));
        for entry in AnyLoss::<F>::list() {
            let loss = AnyLoss::<F>::named(entry.name, |_| None).expect("of the list");
            for level in Level::available() {
                for count in [7, 200] {
                    let (pred, grad) = (&pred[..count], &mut grad[..count]);
                    loss.batch(pred, pred).gradient(grad).level(level).mean().expect("right inputs");
                    loss.batch(pred, pred).weights(pred).level(level).total().expect("right inputs");
                }
            }
            // On the best level alone: without optimization, each takes seconds.
            loss.batch(&pred, &pred).gradient(&mut grad).mean().expect("right inputs");
        }
    });
}

fn rows<F: Float + Send + 'static>() {
    on_little_stack(|| {
        for (classes, rows) in [(10, 40), (100, 4), (20_000, 2)] {
            let (pred, labels) = (numbers::<F>(classes * rows), vec![1_i64; rows]);
            let mut grad = pred.clone();
            for level in Level::available() {
                for entry in AnyLoss::<F>::list().chain(AnyRowLoss::<F>::list()) {
                    let loss = AnyLoss::<F>::named(entry.name, |_| None).map(AnyRowLoss::from);
                    let loss = loss.or_else(|| AnyRowLoss::named(entry.name, |_| None)).expect("of the list");
                    let labelled = loss.rows(&pred, classes).labels(&labels).level(level);
                    labelled.gradient(&mut grad).mean().expect("right inputs");
                    let distributed = loss.rows(&pred, classes).targets(&pred).level(level);
                    distributed.gradient(&mut grad).mean().expect("right inputs");
                }
                let softmax = Softmax { temperature: F::from_f64(1.0), level: Some(level) };
                softmax.log_softmax(&pred, classes, &mut grad).expect("right inputs");
                softmax.log_sum_exp(&pred, classes, &mut grad[..rows]).expect("right inputs");
            }
        }
    });
}

#[test]
fn elements_take_little() {
    // 16 MiB and some.
    elements::<f32>((4 << 20) + 77);
    elements::<f64>((2 << 20) + 77);
}

#[test]
fn rows_take_little() {
    rows::<f32>();
    rows::<f64>();
}
