//! Calls to be counted by valgrind: `instructions` lists the cases, `instructions CASE LEVEL CALLS` makes that many.

use std::hint::black_box;
use std::process::exit;

use fused_loss::{AnyLoss, AnyRowLoss, Elementwise, Float, Level, RowLosses};

/// A loss, its precision, and how many rows of how many classes; a loss of elements has one.
struct Case {
    loss: &'static str,
    double: bool,
    rows: usize,
    classes: usize,
}

const fn case(loss: &'static str, double: bool, rows: usize, classes: usize) -> Case {
    Case { loss, double, rows, classes }
}

const CASES: [Case; 12] = [
    case("mse", false, 16, 1),
    case("mse", false, 4096, 1),
    case("mse", true, 4096, 1),
    case("huber", false, 4096, 1),
    case("bce", false, 4096, 1),
    case("bce-with-logits", false, 4096, 1),
    case("bce-with-logits", true, 4096, 1),
    case("kl-divergence", false, 4096, 1),
    case("softmax-cross-entropy", false, 256, 10),
    case("softmax-cross-entropy", false, 8192, 10),
    case("softmax-cross-entropy", false, 32, 1000),
    case("softmax-cross-entropy", false, 2, 50_257),
];

impl Case {
    fn name(&self) -> String {
        let precision = if self.double { "f64" } else { "f32" };
        format!("{}-{precision}-{}x{}", self.loss, self.rows, self.classes)
    }

    fn run<F: Float>(&self, level: Level, calls: usize) {
        let count = self.rows * self.classes;
        let mut state = 1_u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let labels: Vec<i64> = (0..self.rows).map(|row| (row * 7 % self.classes) as i64).collect();
        // Probabilities, which are logits as well.
        let pred: Vec<F> = (0..count).map(|_| F::from_f64(uniform())).collect();
        let target: Vec<F> = (0..count).map(|_| F::from_f64(uniform())).collect();
        let mut grad = vec![F::ZERO; count];
        let of_elements = AnyLoss::<F>::named(self.loss, |_| None);
        let of_rows = AnyRowLoss::<F>::named(self.loss, |_| None);
        for _ in 0..calls {
            let (pred, grad) = (black_box(&pred[..]), black_box(&mut grad[..]));
            let mean = match (of_elements, of_rows) {
                (Some(loss), _) => loss.batch(pred, &target).gradient(grad).level(level).mean(),
                (_, Some(loss)) => {
                    loss.rows(pred, self.classes).labels(&labels).gradient(grad).level(level).mean()
                }
                _ => unreachable!("a loss of this name"),
            };
            black_box(mean.expect("values in the domain"));
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, level, calls] = &arguments[..] else {
        CASES.iter().for_each(|case| println!("{}", case.name()));
        return;
    };
    let case = CASES.iter().find(|case| case.name() == *name);
    let (Some(case), Some(level), Ok(calls)) = (case, Level::find(level), calls.parse()) else {
        eprintln!("no case {name}, level {level} or count {calls}");
        exit(2);
    };
    if case.double { case.run::<f64>(level, calls) } else { case.run::<f32>(level, calls) }
}
