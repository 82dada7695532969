//! Calls to be counted by valgrind: `instructions` lists the cases, `instructions CASE LEVEL CALLS` makes that many.
//!
//! And to be timed, for the bounds of loops: `instructions time LEVEL LOSS ROWS CLASSES` prints the nanoseconds of a call in
//! f32, `instructions levels` what the CPU has, and `instructions clock` its frequency in GHz.

use std::hint::black_box;
use std::process::exit;
use std::time::{Duration, Instant};

use fused_loss::{AnyLoss, AnyRowLoss, Elementwise, Float, Level, RowLosses};

/// A loss, its precision, and how many rows of how many classes; a loss of elements has one.
struct Case<'a> {
    loss: &'a str,
    double: bool,
    rows: usize,
    classes: usize,
}

const fn case(loss: &str, double: bool, rows: usize, classes: usize) -> Case<'_> {
    Case { loss, double, rows, classes }
}

const CASES: [Case<'_>; 12] = [
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

impl Case<'_> {
    fn name(&self) -> String {
        let precision = if self.double { "f64" } else { "f32" };
        format!("{}-{precision}-{}x{}", self.loss, self.rows, self.classes)
    }

    /// Hands the call to `repeat`.
    fn run<F: Float>(&self, level: Level, repeat: impl FnOnce(&mut dyn FnMut())) {
        let count = self.rows * self.classes;
        let mut state = 1_u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let labels: Vec<i64> = (0..self.rows).map(|row| (row * 7 % self.classes) as i64).collect();
        // Probabilities, which are logits as well.
        let pred: Vec<F> = (0..count).map(|_| F::from_f64(uniform())).collect();
        // Hard targets for what is binary, as most are, and probabilities.
        let hard = self.loss.starts_with("bce");
        let target = (0..count).map(|_| if hard { uniform().round() } else { uniform() });
        let target: Vec<F> = target.map(F::from_f64).collect();
        let mut grad = vec![F::ZERO; count];
        let of_elements = AnyLoss::<F>::named(self.loss, |_| None);
        let of_rows = AnyRowLoss::<F>::named(self.loss, |_| None);
        repeat(&mut || {
            let (pred, grad) = (black_box(&pred[..]), black_box(&mut grad[..]));
            let mean = match (of_elements, of_rows) {
                (Some(loss), _) => loss.batch(pred, &target).gradient(grad).level(level).mean(),
                (_, Some(loss)) => {
                    loss.rows(pred, self.classes).labels(&labels).gradient(grad).level(level).mean()
                }
                _ => unreachable!("a loss of this name"),
            };
            black_box(mean.expect("values in the domain"));
        });
    }
}

/// Nanoseconds of one call: the best of many repetitions.
fn best(call: &mut dyn FnMut()) -> f64 {
    const CALLS: u32 = 200;
    let start = Instant::now();
    let mut best = f64::INFINITY;
    while start.elapsed() < Duration::from_millis(300) {
        let turn = Instant::now();
        (0..CALLS).for_each(|_| call());
        best = best.min(turn.elapsed().as_nanos() as f64 / f64::from(CALLS));
    }
    best
}

/// Cycles a nanosecond, by a chain of multiplications that take three each on every x86-64 CPU of these levels.
fn gigahertz() -> f64 {
    const LINKS: u32 = 10_000;
    let chain = || (0..LINKS).fold(black_box(3_u64), |x, _| x.wrapping_mul(x));
    3.0 * f64::from(LINKS) / best(&mut || _ = black_box(chain()))
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => CASES.iter().for_each(|case| println!("{}", case.name())),
        ["levels"] => Level::available().for_each(|level| println!("{level}")),
        ["clock"] => println!("{}", gigahertz()),
        ["time", level, loss, rows, classes] => {
            let (Some(level), Ok(rows), Ok(classes)) = (Level::find(level), rows.parse(), classes.parse())
            else {
                fail(&format!("no level {level}, or no numbers {rows} and {classes}"))
            };
            case(loss, false, rows, classes).run::<f32>(level, |call| println!("{}", best(call)));
        }
        [name, level, calls] => {
            let case = CASES.iter().find(|case| case.name() == name);
            let (Some(case), Some(level), Ok(calls)) = (case, Level::find(level), calls.parse()) else {
                fail(&format!("no case {name}, level {level} or count {calls}"))
            };
            let repeat = |call: &mut dyn FnMut()| (0..calls).for_each(|_| call());
            if case.double { case.run::<f64>(level, repeat) } else { case.run::<f32>(level, repeat) }
        }
        _ => fail("see the head of src/main.rs"),
    }
}

fn fail(message: &str) -> ! {
    eprintln!("{message}");
    exit(2)
}
