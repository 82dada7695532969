//! The calls of a case, and the hash of what they give.

use fused_loss::{AnyLoss, AnyRowLoss, Elementwise, Error, Float, Level, RowLosses, Softmax, Total};

use crate::inputs::{Kind, Random, fill};

/// A precision.
pub trait Number: Float {}
impl Number for f32 {}
impl Number for f64 {}

/// More than a block.
const LONGEST: usize = 16_384 + 77;
const LENGTHS: [usize; 12] = [1, 2, 3, 7, 16, 31, 32, 33, 64, 95, 200, 1_000];
/// Rows and their classes.
const SHAPES: [(usize, usize); 9] =
    [(1, 1), (40, 2), (7, 3), (9, 4), (35, 10), (3, 32), (3, 33), (2, 70), (3, 1_000)];

/// What calls read and write.
pub struct Room<F> {
    pred: [F; LONGEST],
    target: [F; LONGEST],
    weights: [F; LONGEST],
    grad: [F; LONGEST],
    each: [F; LONGEST],
}

impl<F: Float> Room<F> {
    pub fn new() -> Self {
        let zeros = [F::from_f64(0.0); LONGEST];
        Room { pred: zeros, target: zeros, weights: zeros, grad: zeros, each: zeros }
    }
}

pub struct Call<'r, F> {
    level: Level,
    room: &'r mut Room<F>,
    /// Whether more than a block is worth its time.
    long: bool,
    hash: u64,
}

impl<'r, F: Number> Call<'r, F> {
    pub fn new(level: Level, room: &'r mut Room<F>, long: bool) -> Self {
        Call { level, room, long, hash: 0xcbf2_9ce4_8422_2325 }
    }

    pub fn hash(&self) -> u64 {
        self.hash
    }

    pub fn elementwise(&mut self, loss: AnyLoss<F>) {
        let longest = self.long.then_some(LONGEST);
        for count in LENGTHS.into_iter().chain(longest) {
            for (pred, target) in [
                (Kind::Usual, Kind::Usual),
                (Kind::Usual, Kind::Unit),
                (Kind::Unit, Kind::Unit),
                (Kind::Usual, Kind::Hard),
                (Kind::Unit, Kind::Hard),
                (Kind::Any, Kind::Unit),
                (Kind::Any, Kind::Any),
            ] {
                self.fill(pred, target, count);
                let Room { pred, target, weights, grad, each } = &mut *self.room;
                let (pred, target, weights) = (&pred[..count], &target[..count], &weights[..count]);
                let (grad, each) = (&mut grad[..count], &mut each[..count]);
                let weighted = loss.batch(pred, target).level(self.level).weights(weights).weighted_mean();
                let total = loss.batch(pred, target).level(self.level).total();
                let mean = loss.batch(pred, target).level(self.level).gradient(grad).losses(each).mean();
                self.result(weighted, 0, 0);
                self.total(total);
                self.result(mean, count, count);
                // Without options, long batches take a loop of their own.
                let Room { pred, target, grad, .. } = &mut *self.room;
                let batch = loss.batch(&pred[..count], &target[..count]).level(self.level);
                let sum = batch.gradient(&mut grad[..count]).sum();
                self.result(sum, count, 0);
            }
        }
    }

    pub fn over_rows(&mut self, loss: AnyRowLoss<F>) {
        let longest = self.long.then_some((1, LONGEST));
        for (rows, classes) in SHAPES.into_iter().chain(longest) {
            let count = rows * classes;
            for (pred, target) in
                [(Kind::Usual, Kind::Unit), (Kind::Unit, Kind::Unit), (Kind::Any, Kind::Unit)]
            {
                self.fill(pred, target, count);
                let mut labels = [0_i32; 40];
                let mut random = Random(count as u64);
                for label in &mut labels {
                    let bits = random.bits();
                    *label = if bits.is_multiple_of(7) { -100 } else { (bits >> 8) as i32 & 0xffff }
                        % classes as i32;
                }
                let Room { pred, target, weights, grad, each } = &mut *self.room;
                let (pred, target, weights) = (&pred[..count], &target[..count], &weights[..rows]);
                let (grad, each) = (&mut grad[..count], &mut each[..rows]);
                let batch = loss.rows(pred, classes).targets(target).level(self.level);
                let mean = batch.weights(weights).gradient(grad).losses(each).mean();
                self.result(mean, count, rows);
                let Room { pred, grad, each, .. } = &mut *self.room;
                let batch = loss.rows(&pred[..count], classes).labels(&labels[..rows]).level(self.level);
                let mean = batch.gradient(&mut grad[..count]).losses(&mut each[..rows]).mean();
                self.result(mean, count, rows);
            }
        }
    }

    pub fn softmax(&mut self) {
        let softmax = Softmax { temperature: F::from_f64(1.0), level: Some(self.level) };
        for (rows, classes) in SHAPES.into_iter().chain([(1, LONGEST)]) {
            for kind in [Kind::Usual, Kind::Any] {
                let count = rows * classes;
                self.fill(kind, kind, count);
                let Room { pred, grad, each, target, .. } = &mut *self.room;
                let shares = softmax.softmax(&pred[..count], classes, &mut grad[..count]);
                let logs = softmax.log_softmax(&pred[..count], classes, &mut target[..count]);
                let sums = softmax.log_sum_exp(&pred[..count], classes, &mut each[..rows]);
                let done = shares.and(logs).and(sums).map(|()| F::from_f64(1.0));
                self.result(done, count, rows);
                for place in 0..count {
                    self.add(self.room.target[place]);
                }
            }
        }
    }

    fn fill(&mut self, pred: Kind, target: Kind, count: usize) {
        let seed = count as u64 * 8 + pred as u64 * 3 + target as u64;
        fill(&mut self.room.pred[..count], pred, seed);
        fill(&mut self.room.target[..count], target, !seed);
        fill(&mut self.room.weights[..count], Kind::Unit, seed << 32);
    }

    /// Takes in a result, and so much of the gradient and the losses; of an error, where it is.
    fn result(&mut self, result: Result<F, Error<F>>, grad: usize, each: usize) {
        match result {
            Ok(value) => {
                self.add(value);
                for place in 0..grad {
                    self.add(self.room.grad[place]);
                }
                for place in 0..each {
                    self.add(self.room.each[place]);
                }
            }
            Err(error) => self.error(error),
        }
    }

    fn total(&mut self, total: Result<Total<F>, Error<F>>) {
        match total {
            Ok(total) => total.to_bytes().as_ref().iter().for_each(|&byte| self.word(byte.into())),
            Err(error) => self.error(error),
        }
    }

    fn error(&mut self, error: Error<F>) {
        match error {
            Error::Pred { index, .. } | Error::Target { index, .. } => self.word(index as u64),
            Error::Label { index, .. } => self.word(!(index as u64)),
            _ => self.word(u64::MAX),
        }
    }

    fn add(&mut self, x: F) {
        self.word(if x.to_f64().is_nan() { u64::MAX - 1 } else { x.to_pattern() });
    }

    /// FNV-1a (Fowler, Noll, Vo), a word at a time.
    fn word(&mut self, word: u64) {
        self.hash = (self.hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    }
}
