//! This crate, as its documentation says to call it. `fused_loss off-line` has arrays that begin 16 bytes after a cache
//! line does, as those of a plain `Vec` often do.

use std::hint::black_box;

use fused_loss::{
    Batch, BceWithLogits, BinaryCrossEntropy, Cut, Elementwise, Float, Huber, KlDivergence, Level, Loss, Mae,
    Mse, Policy, RowLosses, SoftmaxCrossEntropy,
};
use peers::{About, Call, Cell, Data, serve, threads};

fn main() {
    let off_line = match std::env::args().nth(1).as_deref() {
        None => 0,
        Some("off-line") => 16,
        _ => panic!("fused_loss, or fused_loss off-line"),
    };
    let version = format!("of this checkout, level {}", Level::detect().name());
    serve(About { version, allocates: "nothing" }, |cell| match cell.dtype.as_str() {
        "f32" => prepare::<f32>(cell, off_line),
        _ => prepare::<f64>(cell, off_line),
    });
}

fn prepare<F: Float>(cell: &Cell, off_line: usize) -> Result<Call, String> {
    let data = Data::<F>::read_off_line(cell, off_line)?;
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

fn elements<F: Float, L: Loss<F> + Send + 'static>(loss: L, mut data: Data<F>) -> Call {
    let threads = threads();
    Box::new(move || {
        let batch = loss.batch(black_box(&data.pred), black_box(&data.target));
        mean(batch.gradient(black_box(&mut data.grad)), threads)
    })
}

fn rows<F: Float>(classes: usize, mut data: Data<F>) -> Call {
    let (threads, loss) = (threads(), SoftmaxCrossEntropy::<F>::default());
    Box::new(move || {
        let batch = loss.rows(black_box(&data.pred), classes).labels(black_box(&data.labels));
        mean(batch.gradient(black_box(&mut data.grad)), threads)
    })
}

fn mean<L: Copy + Send, F: Float, T: Cut<L, F> + Send>(batch: Batch<'_, L, F, T>, threads: usize) -> f64 {
    let mean = if threads > 1 { batch.parallel().mean() } else { batch.mean() };
    mean.expect("good data").to_f64()
}
