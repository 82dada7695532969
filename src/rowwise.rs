//! Rows of classes of an elementwise loss: its loop row by row, and the exact sum of the rows' losses.
//!
//! A row's loss is one number, rounded once; weights multiply it, and the total is the sum of those. Rows are added up in
//! groups of [`ROWS`](crate::total::ROWS), so that a call may be split between groups. Rows of few classes share a call of the
//! loop, since each call has its price; which way a row goes depends on the number of classes alone.

use core::ops::Range;

use crate::dispatch::Level;
use crate::elementwise::bad_element;
use crate::error::Error;
use crate::float::Float;
use crate::job::Job;
use crate::loss::Loss;
use crate::row_loss::{OfRow, RowLoss, RowTargets, sum_rows};
use crate::sum::{HighLow, short_sum};
use crate::total::Exact;

/// Rows up to so many classes share a call.
const FEW: usize = 64;
/// Elements of such a call, and of a part of a long row with a label.
const TILE: usize = 256;

/// An elementwise loss as one of rows: a row's loss is the sum of its elements' losses.
#[derive(Clone, Copy, Debug)]
pub struct Elements<L>(pub(crate) L);

impl<F: Float, L: Loss<F>> RowLoss<F> for Elements<L> {
    fn check(self) -> Result<(), Error<F>> {
        self.0.check()
    }

    fn bad(self, pred: F, target: F, index: usize) -> Option<Error<F>> {
        bad_element(self.0, pred, target, index)
    }

    fn run(
        self,
        mut job: Job<'_, F, RowTargets<'_, F>>,
        level: Level,
        total: Option<&mut Exact<F>>,
    ) -> Result<HighLow<F>, Error<F>> {
        let rows = job.target.rows(job.pred.len().max(job.grad.len()));
        let mut room = Room::new();
        sum_rows(rows, level, total, &mut |first, losses| job.group(self.0, level, first, losses, &mut room))
    }
}

impl<F: Float> Job<'_, F, RowTargets<'_, F>> {
    /// Fills in the weighted losses of the rows from `first` on.
    fn group<L: Loss<F>>(
        &mut self,
        loss: L,
        level: Level,
        first: usize,
        losses: &mut [F],
        room: &mut Room<F>,
    ) -> Result<(), Error<F>> {
        let RowTargets { classes, stride, .. } = self.target;
        let at_once = if classes > FEW || stride > classes { 1 } else { TILE / classes.max(1) };
        let mut row = first;
        for losses in losses.chunks_mut(at_once) {
            let rows = row..row + losses.len();
            row = rows.end;
            match losses {
                [value] if classes > FEW => *value = self.long_row(loss, level, rows.start, room)?,
                _ => self.short_rows(loss, level, rows, losses, room)?,
            }
        }
        if let Some(each) = self.each.get_mut(first..row) {
            each.copy_from_slice(losses);
        }
        Ok(())
    }

    /// Rows that share a call, with targets and weights spread to their elements.
    fn short_rows<L: Loss<F>>(
        &mut self,
        loss: L,
        level: Level,
        rows: Range<usize>,
        losses: &mut [F],
        room: &mut Room<F>,
    ) -> Result<(), Error<F>> {
        let RowTargets { classes, stride, of, .. } = self.target;
        let from = rows.start * stride;
        let elements = from..from + rows.len() * classes;
        let Room { targets, weights, values } = room;
        let target = match of {
            OfRow::Each(target) => target.get(elements.clone()).unwrap_or_default(),
            OfRow::Label(labels) => {
                for (row, targets) in rows.clone().zip(targets.chunks_mut(classes)) {
                    one_hot(targets, labels.class_of(row, classes), 0);
                }
                &targets[..elements.len()]
            }
        };
        let own = self.weights.get(rows.clone()).unwrap_or_default();
        for (&weight, weights) in own.iter().zip(weights.chunks_mut(classes)) {
            weights.fill(weight);
        }
        let mut job = self.part(elements.clone(), target);
        job.weights = if own.is_empty() { &[] } else { &weights[..elements.len()] };
        job.each = &mut values[..elements.len()];
        job.run(loss, level, None).map_err(|error| match error {
            Error::Weight { index, value } => Error::Weight { index: rows.start + index / classes, value },
            of_element => of_element.shifted(elements.start),
        })?;
        for (loss, values) in losses.iter_mut().zip(values.chunks(classes)) {
            *loss = short_sum(values);
        }
        Ok(())
    }

    /// The weighted loss of a row that has calls of its own.
    fn long_row<L: Loss<F>>(
        &mut self,
        loss: L,
        level: Level,
        row: usize,
        room: &mut Room<F>,
    ) -> Result<F, Error<F>> {
        let RowTargets { classes, stride, of, .. } = self.target;
        let elements = row * stride..row * stride + classes;
        let weight = self.weights.get(row).copied().unwrap_or(F::ONE);
        if !weight.finite() {
            return Err(Error::Weight { index: row, value: weight });
        }
        if weight == F::ZERO {
            let grad = self.grad.get_mut(elements).unwrap_or_default();
            if !self.add {
                grad.fill(F::ZERO);
            }
            return Ok(F::ZERO);
        }
        let factor = weight * self.lift * self.factor;
        let mut run = |elements: Range<usize>, target: &[F], total: Option<&mut Exact<F>>| {
            let start = elements.start;
            let mut job = self.part(elements, target);
            job.factor = factor;
            job.run(loss, level, total).map_err(|error| error.shifted(start))
        };
        let sum = match of {
            OfRow::Each(target) => {
                let target = target.get(elements.clone()).unwrap_or_default();
                run(elements, target, None)?
            }
            OfRow::Label(labels) => {
                let (mut sum, class) = (Exact::ZERO, labels.class_of(row, classes));
                for start in (0..classes).step_by(TILE) {
                    let targets = &mut room.targets[..TILE.min(classes - start)];
                    one_hot(targets, class, start);
                    let from = elements.start + start;
                    run(from..from + targets.len(), targets, Some(&mut sum))?;
                }
                sum.high_low()
            }
        };
        Ok(sum.high * weight)
    }

    /// The elementwise job of some of the elements.
    fn part<'t>(&'t mut self, elements: Range<usize>, target: &'t [F]) -> Job<'t, F> {
        let mut job = Job::of(self.pred.get(elements.clone()).unwrap_or_default(), target);
        job.grad = self.grad.get_mut(elements).unwrap_or_default();
        (job.add, job.factor, job.lift) = (self.add, self.factor, self.lift);
        job
    }
}

/// What is spread over a tile before a call, and the losses that it gives.
struct Room<F> {
    targets: [F; TILE],
    weights: [F; TILE],
    values: [F; TILE],
}

impl<F: Float> Room<F> {
    fn new() -> Self {
        Room { targets: [F::ZERO; TILE], weights: [F::ZERO; TILE], values: [F::ZERO; TILE] }
    }
}

/// 1 at a class and 0 elsewhere, in targets that begin at class `start`. A row of weight 0 may have no class.
fn one_hot<F: Float>(targets: &mut [F], class: Option<usize>, start: usize) {
    targets.fill(F::ZERO);
    let place = class.and_then(|class| class.checked_sub(start));
    if let Some(target) = place.and_then(|place| targets.get_mut(place)) {
        *target = F::ONE;
    }
}
