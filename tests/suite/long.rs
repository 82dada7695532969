//! Gradients that are longer than the cache: the bits of their parts, whatever their address.

use fused_loss::{AnyLoss, Elementwise, Float, Level, Loss, RowLosses, SoftmaxCrossEntropy, Total};

use crate::support::reference::Tested;
use crate::support::same;

/// More than is written past the cache from, whole blocks, whole rows, and a few.
fn length<F>() -> usize {
    (16 << 20) / size_of::<F>() + 3 * 32 + 5
}

fn numbers<F: Float>(n: usize, step: usize, from: f64, to: f64) -> Vec<F> {
    let share = |i: usize| ((i * step) % 10_007) as f64 / 10_006.0;
    (0..n).map(|i| F::from_f64(from + share(i) * (to - from))).collect()
}

/// Gradients that begin so far from an allocation's start, and whether they are in place.
fn as_its_parts<F: Tested>(name: &str, n: usize, gradients: &[(usize, bool)]) {
    let loss = AnyLoss::<F>::named(name, |_| None).expect("a loss");
    let unit = !loss.pred_domain().holds(F::from_f64(-1.0));
    let (pred, target) = (
        numbers::<F>(n, 7_919, if unit { 0.0 } else { -9.0 }, if unit { 1.0 } else { 9.0 }),
        numbers::<F>(n, 6_173, 0.0, 1.0),
    );
    for level in Level::available().filter(|level| level.name().starts_with("avx")) {
        // Parts of a block each are short.
        let (mut right, mut total) = (vec![F::ZERO; n], Total::default());
        let parts = pred.chunks(Total::<F>::BLOCK).zip(target.chunks(Total::<F>::BLOCK));
        for ((pred, target), grad) in parts.zip(right.chunks_mut(Total::<F>::BLOCK)) {
            total.merge(&loss.batch(pred, target).gradient(grad).level(level).total().unwrap());
        }
        let edge = F::from_f64(7.0);
        let mut room = vec![edge; n + 64];
        for &(offset, in_place) in gradients {
            room.fill(edge);
            let grad = &mut room[offset..offset + n];
            let batch = if in_place {
                grad.copy_from_slice(&pred);
                loss.batch_in_place(grad, &target)
            } else {
                loss.batch(&pred, &target).gradient(grad)
            };
            let sum = batch.level(level).sum().unwrap();
            assert!(same(sum, total.sum()), "{name}, {level}: {sum:?}");
            let wrong = right.iter().zip(&room[offset..]).position(|(&right, &found)| !same(right, found));
            assert_eq!(wrong, None, "{name}, {level}, offset {offset}: a slope differs");
            let around = room[..offset].iter().chain(&room[offset + n..]);
            assert!(
                around.clone().all(|&x| same(x, edge)),
                "{name}, {level}, offset {offset}: written around"
            );
        }
    }
}

const ANYWHERE: [(usize, bool); 6] =
    [(0, false), (1, false), (5, false), (12, false), (31, false), (3, true)];

#[test]
fn single_precision() {
    for name in ["mse", "bce-with-logits", "bce"] {
        as_its_parts::<f32>(name, length::<f32>(), &ANYWHERE);
    }
}

#[test]
fn double_precision() {
    for name in ["huber", "kl-divergence"] {
        as_its_parts::<f64>(name, length::<f64>(), &ANYWHERE);
    }
}

/// The end of the last block is written too, where no block comes after it.
#[test]
fn whole_blocks() {
    as_its_parts::<f32>("mae", length::<f32>().next_multiple_of(Total::<f32>::BLOCK), &ANYWHERE[2..]);
    as_its_parts::<f64>("mse", length::<f64>().next_multiple_of(Total::<f64>::BLOCK), &ANYWHERE[2..]);
}

/// A bad value far behind: named as anywhere, and the gradient's room is nothing but numbers.
#[test]
fn a_bad_value_is_named() {
    let n = length::<f32>();
    let (pred, mut target) = (numbers::<f32>(n, 7, -9.0, 9.0), numbers::<f32>(n, 11, 0.0, 1.0));
    target[n - 40] = 2.0;
    target[n - 3] = 3.0;
    for level in Level::available() {
        let mut grad = vec![5.0; n];
        let error =
            fused_loss::BceWithLogits::default().batch(&pred, &target).gradient(&mut grad).level(level).sum();
        assert_eq!(error, Err(fused_loss::Error::Target { index: n - 40, value: 2.0 }), "{level}");
        assert!(grad.iter().all(|slope| slope.is_finite()));
    }
}

/// Rows by themselves and in a call whose gradient is longer than the cache: the same bits, and nothing between them is
/// written. Among them are rows that are left out, that have no sum, and whose logits lie far from 0.
fn rows_as_their_parts<F: Tested>(classes: usize) {
    let stride = classes + 3;
    let rows = ((16 << 20) / size_of::<F>()).div_ceil(stride) + 1;
    let mut logits = numbers::<F>(rows * stride, 7_919, -9.0, 9.0);
    let mut labels: Vec<i64> = (0..rows).map(|row| (row * 6_173 % classes) as i64).collect();
    labels[..3].copy_from_slice(&[0, classes as i64 - 1, 1]);
    labels[5] = -100;
    let mut weights = numbers::<F>(rows, 31, 0.5, 2.0);
    weights[6] = F::ZERO;
    weights[7] = F::from_f64(1e-36);
    logits[8 * stride + 1] = F::NAN;
    logits[9 * stride + classes - 1] = F::INFINITY;
    logits[10 * stride..][..classes].fill(F::from_f64(f64::NEG_INFINITY));
    logits[11 * stride + 3] = F::from_f64(500.0);
    logits[12 * stride..][..classes].iter_mut().for_each(|z| *z = *z + F::from_f64(3_000.0));
    let loss = SoftmaxCrossEntropy::<F>::default();
    let edge = F::from_f64(7.0);
    for level in Level::available() {
        let mut right = vec![edge; rows * stride];
        let mut total = Total::default();
        for first in (0..rows).step_by(Total::<F>::ROWS) {
            let count = Total::<F>::ROWS.min(rows - first);
            let part = first * stride..(first + count - 1) * stride + classes;
            let batch = loss.rows(&logits[part.clone()], classes).stride(stride);
            let batch = batch.labels(&labels[first..first + count]).weights(&weights[first..first + count]);
            total.merge(&batch.gradient(&mut right[part]).level(level).total().unwrap());
        }
        for offset in [0, 1, 21] {
            let mut room = vec![edge; rows * stride + 64];
            let grad = &mut room[offset..][..rows * stride];
            let batch = loss.rows(&logits, classes).stride(stride).labels(&labels).weights(&weights);
            let found = batch.gradient(grad).level(level).total().unwrap();
            assert_eq!(found, total, "{level}, rows of {classes}, offset {offset}");
            let wrong = right.iter().zip(&room[offset..]).position(|(&right, &found)| !same(right, found));
            assert_eq!(wrong, None, "{level}, rows of {classes}, offset {offset}: a slope differs");
            let around = room[..offset].iter().chain(&room[offset + rows * stride..]);
            assert!(around.clone().all(|&x| same(x, edge)), "{level}, offset {offset}: written around");
        }
    }
}

#[test]
fn rows() {
    rows_as_their_parts::<f32>(9_001);
    rows_as_their_parts::<f64>(4_999);
    // Longer than half of a second cache.
    rows_as_their_parts::<f32>(140_003);
}
