//! Loops as one writes them without this crate, built for the CPU at hand (`target-cpu=native`): `loops plain` is an
//! iterator with one sum, `loops lanes` has 32 sums side by side, which is what lets a compiler use registers of many
//! numbers.

use std::array::from_fn;
use std::hint::black_box;

use fused_loss::Float;
use peers::{About, Call, Cell, Data, serve, threads};
use rayon::prelude::*;

const LANES: usize = 32;

fn main() {
    let lanes = match std::env::args().nth(1).as_deref() {
        Some("plain") => false,
        Some("lanes") => true,
        _ => panic!("loops plain, or loops lanes"),
    };
    let version = if lanes { "32 sums" } else { "one sum" };
    serve(About { version: version.into(), allocates: "nothing" }, |cell| match cell.dtype.as_str() {
        "f32" => prepare::<f32>(cell, lanes),
        _ => prepare::<f64>(cell, lanes),
    });
}

/// What the standard library has for both precisions, under one name.
trait Real: Float {
    fn exp(self) -> Self;
    fn ln(self) -> Self;
    fn ln_1p(self) -> Self;
    fn least(self, other: Self) -> Self;
    fn most(self, other: Self) -> Self;
}

macro_rules! real {
    ($float:ty) => {
        impl Real for $float {
            fn exp(self) -> Self {
                self.exp()
            }
            fn ln(self) -> Self {
                self.ln()
            }
            fn ln_1p(self) -> Self {
                self.ln_1p()
            }
            fn least(self, other: Self) -> Self {
                self.min(other)
            }
            fn most(self, other: Self) -> Self {
                self.max(other)
            }
        }
    };
}
real!(f32);
real!(f64);

fn prepare<F: Real>(cell: &Cell, lanes: bool) -> Result<Call, String> {
    let data = Data::<F>::read(cell)?;
    let (zero, one) = (F::ZERO, F::ONE);
    match cell.case.as_str() {
        "mse" => Ok(elements(data, lanes, move |p: F, y: F| ((p - y) * (p - y), (p - y) + (p - y)))),
        "mae" => Ok(elements(data, lanes, move |p: F, y: F| {
            let r = p - y;
            (
                r.magnitude(),
                if r > zero {
                    one
                } else if r < zero {
                    -one
                } else {
                    zero
                },
            )
        })),
        "huber" => Ok(elements(data, lanes, move |p: F, y: F| {
            let r = p - y;
            let slope = r.most(-one).least(one);
            (slope * (r - slope * F::HALF), slope)
        })),
        "bce-with-logits" => Ok(elements(data, lanes, move |x: F, y: F| {
            let e = (-x.magnitude()).exp();
            let logistic = if x < zero { e / (one + e) } else { one / (one + e) };
            (x.most(zero) - x * y + e.ln_1p(), logistic - y)
        })),
        "bce" => Ok(elements(data, lanes, move |p: F, y: F| {
            let floor = F::from_f64(-100.0);
            let loss = y * p.ln().most(floor) + (one - y) * (-p).ln_1p().most(floor);
            (-loss, (p - y) / (p * (one - p)))
        })),
        "kl-divergence" => {
            Ok(elements(data, lanes, move |p: F, y: F| (if y > zero { y * (y.ln() - p) } else { zero }, -y)))
        }
        "softmax-cross-entropy" => Ok(rows(cell.classes, data)),
        other => Err(format!("no loss {other}")),
    }
}

fn elements<F: Real>(
    mut data: Data<F>,
    lanes: bool,
    at: impl Fn(F, F) -> (F, F) + Copy + Send + Sync + 'static,
) -> Call {
    let count = data.pred.len();
    let scale = F::from_f64(1.0 / count as f64);
    let share = if count <= 1 << 16 { count } else { count.div_ceil(threads()) };
    Box::new(move || {
        let (pred, target, grad) =
            (black_box(&data.pred), black_box(&data.target), black_box(&mut data.grad));
        let parts = pred.chunks(share).zip(target.chunks(share)).zip(grad.chunks_mut(share));
        let total = shared(parts.map(|((pred, target), grad)| {
            move || {
                if lanes {
                    many_sums(pred, target, grad, scale, at)
                } else {
                    one_sum(pred, target, grad, scale, at)
                }
            }
        }));
        (total * scale).to_f64()
    })
}

fn one_sum<F: Real>(pred: &[F], target: &[F], grad: &mut [F], scale: F, at: impl Fn(F, F) -> (F, F)) -> F {
    pred.iter().zip(target).zip(grad).fold(F::ZERO, |sum, ((&p, &y), grad)| {
        let (loss, slope) = at(p, y);
        *grad = slope * scale;
        sum + loss
    })
}

fn many_sums<F: Real>(pred: &[F], target: &[F], grad: &mut [F], scale: F, at: impl Fn(F, F) -> (F, F)) -> F {
    let mut sums = [F::ZERO; LANES];
    let (preds, rest) = pred.as_chunks::<LANES>();
    let (targets, target_rest) = target.as_chunks::<LANES>();
    let (grads, grad_rest) = grad.as_chunks_mut::<LANES>();
    for ((pred, target), grad) in preds.iter().zip(targets).zip(grads) {
        let pairs: [(F, F); LANES] = from_fn(|lane| at(pred[lane], target[lane]));
        for lane in 0..LANES {
            sums[lane] = sums[lane] + pairs[lane].0;
            grad[lane] = pairs[lane].1 * scale;
        }
    }
    let sum = sums.into_iter().fold(F::ZERO, |sum, part| sum + part);
    sum + one_sum(rest, target_rest, grad_rest, scale, at)
}

fn rows<F: Real>(classes: usize, mut data: Data<F>) -> Call {
    let count = data.labels.len();
    let scale = F::from_f64(1.0 / count as f64);
    let share = if data.pred.len() <= 1 << 16 { count } else { count.div_ceil(threads()) };
    Box::new(move || {
        let (pred, labels, grad) =
            (black_box(&data.pred), black_box(&data.labels), black_box(&mut data.grad));
        let parts =
            pred.chunks(share * classes).zip(labels.chunks(share)).zip(grad.chunks_mut(share * classes));
        let total = shared(parts.map(|((pred, labels), grad)| {
            move || {
                let rows = pred.chunks_exact(classes).zip(labels).zip(grad.chunks_exact_mut(classes));
                rows.fold(F::ZERO, |sum, ((pred, &label), grad)| sum + row(pred, label as usize, grad, scale))
            }
        }));
        (total * scale).to_f64()
    })
}

fn row<F: Real>(pred: &[F], label: usize, grad: &mut [F], scale: F) -> F {
    let most = pred.iter().fold(-F::INFINITY, |most, &x| most.most(x));
    let sum = pred.iter().zip(&mut *grad).fold(F::ZERO, |sum, (&x, grad)| {
        *grad = (x - most).exp();
        sum + *grad
    });
    let factor = scale / sum;
    grad.iter_mut().for_each(|grad| *grad = *grad * factor);
    grad[label] = grad[label] - scale;
    sum.ln() + most - pred[label]
}

/// The sum of all parts, on the threads of the pool.
fn shared<F: Real>(mut parts: impl Iterator<Item = impl FnOnce() -> F + Send>) -> F {
    let first = parts.next();
    // A pool costs, and most calls have one part.
    let Some(second) = parts.next() else { return first.map_or(F::ZERO, |part| part()) };
    let parts: Vec<_> = first.into_iter().chain([second]).chain(parts).collect();
    let sums: Vec<F> = parts.into_par_iter().map(|part| part()).collect();
    sums.into_iter().fold(F::ZERO, |sum, part| sum + part)
}
