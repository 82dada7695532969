//! A large vocabulary split over workers: `cargo run --release --example sharded_classes`.
//!
//! Threads stand for machines, and byte arrays for what travels between them. Loss and gradient have the bits of a call
//! that sees the whole vocabulary.

use std::sync::mpsc;
use std::thread;

use fused_loss::{Error, RowLosses, RowMax, RowShard, RowSum, SoftmaxCrossEntropy, Total};

const CLASSES: usize = 100_000;
const LABEL: usize = 77_777;

/// What each worker hands to the others: all of them get the parts of all, in whatever order they come.
fn all_reduce<T: Clone + Send>(parts: Vec<T>) -> Vec<Vec<T>> {
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for part in parts {
            let sender = sender.clone();
            scope.spawn(move || sender.send(part).expect("somebody listens"));
        }
    });
    drop(sender);
    let gathered: Vec<T> = receiver.iter().collect();
    vec![gathered.clone(); gathered.len()]
}

/// Runs one step of all workers at once.
fn workers<'a, T: Send>(
    shards: &[RowShard<'a, f32>],
    step: impl Fn(RowShard<'a, f32>) -> T + Sync,
) -> Vec<T> {
    let step = &step;
    thread::scope(|scope| {
        let threads: Vec<_> = shards.iter().map(|&shard| scope.spawn(move || step(shard))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a worker that ends")).collect()
    })
}

fn main() -> Result<(), Error<f32>> {
    let logits: Vec<f32> = (0..CLASSES).map(|class| ((class * 7_919) % 1_013) as f32 / 50.0 - 10.0).collect();
    let loss = SoftmaxCrossEntropy::default();
    // Each worker has whole blocks of classes.
    let share = 2 * Total::<f32>::BLOCK;
    let shards: Vec<_> =
        logits.chunks(share).enumerate().map(|(worker, part)| loss.shard(part, worker * share)).collect();

    // First the greatest logit: 32 bytes a row.
    let maxima = all_reduce(workers(&shards, |shard| shard.max().to_bytes()));
    let mut max = RowMax::from_bytes(&maxima[0][0])?;
    for part in &maxima[0][1..] {
        max.merge(&RowMax::from_bytes(part)?);
    }
    // Then the exponentials of all others against it: 96 bytes a row.
    let sums = all_reduce(workers(&shards, |shard| shard.sum(&max, LABEL).to_bytes()));
    let mut sum = RowSum::from_bytes(&sums[0][0])?;
    for part in &sums[0][1..] {
        sum.merge(&RowSum::from_bytes(part)?);
    }
    // Loss and gradient are each worker's own.
    let finished = workers(&shards, |shard| {
        let mut grad = vec![0.0; shard.classes().len()];
        shard.finish(&sum, 1.0, &mut grad).map(|value| (value, grad))
    });

    let mut whole = vec![0.0; CLASSES];
    let expected = loss.rows(&logits, CLASSES).labels(&[LABEL as u32]).gradient(&mut whole).sum()?;
    let mut grad = Vec::new();
    for part in finished {
        let (value, part) = part?;
        assert_eq!(value.to_bits(), expected.to_bits());
        grad.extend(part);
    }
    assert!(grad.iter().zip(&whole).all(|(one, other)| one.to_bits() == other.to_bits()));
    println!(
        "{} workers, {CLASSES} classes: loss {expected}, the same bits in loss and gradient",
        shards.len()
    );
    Ok(())
}
