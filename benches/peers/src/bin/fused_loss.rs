//! This crate, as its documentation says to call it.

use std::hint::black_box;
use std::thread;

use fused_loss::{
    BceWithLogits, BinaryCrossEntropy, Elementwise, Float, Huber, KlDivergence, Level, Loss, Mae, Mse,
    Policy, RowLosses, SoftmaxCrossEntropy, Total,
};
use peers::{About, Call, Cell, Data, serve, threads};

fn main() {
    let version = format!("of this checkout, level {}", Level::detect().name());
    serve(About { version, allocates: "nothing" }, |cell| match cell.dtype.as_str() {
        "f32" => prepare::<f32>(cell),
        _ => prepare::<f64>(cell),
    });
}

fn prepare<F: Float>(cell: &Cell) -> Result<Call, String> {
    let data = Data::<F>::read(cell)?;
    match cell.case.as_str() {
        "mse" => Ok(elements(Mse, data)),
        "mae" => Ok(elements(Mae, data)),
        "huber" => Ok(elements(Huber { delta: F::ONE }, data)),
        "bce-with-logits" => Ok(elements(BceWithLogits::default(), data)),
        "bce" => Ok(elements(BinaryCrossEntropy { policy: Policy::Clamp }, data)),
        "kl-divergence" => Ok(elements(KlDivergence::default(), data)),
        "softmax-cross-entropy" => Ok(rows(cell.classes, data)),
        other => Err(format!("no loss {other}")),
    }
}

fn elements<F: Float, L: Loss<F> + Send + Sync + 'static>(loss: L, mut data: Data<F>) -> Call {
    let (threads, count) = (threads(), data.pred.len());
    let share = count.div_ceil(Total::<F>::BLOCK).div_ceil(threads) * Total::<F>::BLOCK;
    if threads == 1 || share >= count {
        return Box::new(move || {
            let batch = loss.batch(black_box(&data.pred), black_box(&data.target));
            batch.gradient(black_box(&mut data.grad)).mean().expect("good data").to_f64()
        });
    }
    let scale = F::from_f64(1.0 / count as f64);
    Box::new(move || {
        let parts = data.pred.chunks(share).zip(data.target.chunks(share)).zip(data.grad.chunks_mut(share));
        let total = merged(parts.map(|((pred, target), grad)| {
            move || {
                loss.batch(black_box(pred), target).scale(scale).gradient(grad).total().expect("good data")
            }
        }));
        total.mean().expect("a mean").to_f64()
    })
}

fn rows<F: Float>(classes: usize, mut data: Data<F>) -> Call {
    let (threads, count) = (threads(), data.labels.len());
    let share = count.div_ceil(Total::<F>::ROWS).div_ceil(threads) * Total::<F>::ROWS;
    let loss = SoftmaxCrossEntropy::<F>::default();
    // Rows could be split finer than elements, but starting a thread takes longer than so little work.
    if threads == 1 || share >= count || data.pred.len() <= Total::<F>::BLOCK {
        return Box::new(move || {
            let batch = loss.rows(black_box(&data.pred), classes).labels(black_box(&data.labels));
            batch.gradient(black_box(&mut data.grad)).mean().expect("good data").to_f64()
        });
    }
    let scale = F::from_f64(1.0 / count as f64);
    Box::new(move || {
        let (preds, grads) = (data.pred.chunks(share * classes), data.grad.chunks_mut(share * classes));
        let parts = preds.zip(data.labels.chunks(share)).zip(grads);
        let total = merged(parts.map(|((pred, labels), grad)| {
            move || {
                let batch = loss.rows(black_box(pred), classes).labels(labels);
                batch.scale(scale).gradient(grad).total().expect("good data")
            }
        }));
        total.mean().expect("a mean").to_f64()
    })
}

/// The total of all parts: the first on this thread, each other on one of its own.
fn merged<F: Float>(mut parts: impl Iterator<Item = impl FnOnce() -> Total<F> + Send>) -> Total<F> {
    thread::scope(|scope| {
        let first = parts.next();
        let others: Vec<_> = parts.map(|part| scope.spawn(part)).collect();
        let mut total = first.map(|part| part()).unwrap_or_default();
        for other in others {
            total.merge(&other.join().expect("a part"));
        }
        total
    })
}
