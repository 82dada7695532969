//! Rows of classes: the elementwise loop row by row, and the exact sum of the rows' losses.
//!
//! A row's loss is one number, rounded once; weights multiply it, and the total is the sum of those. Rows are added up in
//! groups of [`ROWS`], so that a call may be split between groups. Rows of few classes share a call of the
//! loop, since each call has its price; which way a row goes depends on the number of classes alone.

use core::ops::Range;

use crate::dispatch::Level;
use crate::elementwise::sum;
use crate::error::Error;
use crate::float::Float;
use crate::job::{Job, Targets};
use crate::labels::Labels;
use crate::loss::Loss;
use crate::sum::{HighLow, short_sum};
use crate::total::{Exact, ROWS};

/// Rows up to so many classes share a call.
const FEW: usize = 64;
/// Elements of such a call, and of a part of a long row with a label.
const TILE: usize = 256;

/// What rows are compared with.
#[derive(Clone, Copy)]
pub struct RowTargets<'a, F> {
    pub classes: usize,
    pub of: OfRow<'a, F>,
}

#[derive(Clone, Copy)]
pub enum OfRow<'a, F> {
    /// A number for each class.
    Each(&'a [F]),
    /// The class that has 1, where the others have 0.
    Label(Labels<'a>),
}

impl<F: Float, L: Loss<F>> Targets<L, F> for RowTargets<'_, F> {
    const ROWS: bool = true;

    fn count(self, pred: usize) -> usize {
        self.rows(pred)
    }

    fn check_lengths(self, pred: usize) -> Result<(), Error<F>> {
        let classes = self.classes;
        if pred.checked_rem(classes) != Some(0) {
            return Err(Error::Classes { pred, classes });
        }
        let rows = pred / classes;
        match self.of {
            OfRow::Each(target) if target.len() != pred => {
                Err(Error::Length { what: "target", expected: pred, found: target.len() })
            }
            OfRow::Label(labels) if labels.len() != rows => {
                Err(Error::Rows { what: "labels", expected: rows, found: labels.len() })
            }
            _ => Ok(()),
        }
    }

    fn check_labels(self, weights: &[F]) -> Result<(), Error<F>> {
        let OfRow::Label(labels) = self.of else { return Ok(()) };
        for row in 0..labels.len() {
            if weights.get(row) != Some(&F::ZERO) {
                labels.class(row, self.classes)?;
            }
        }
        Ok(())
    }

    fn first_bad(self, loss: L, pred: &[F], weights: &[F]) -> Option<Error<F>> {
        for (row, pred) in pred.chunks(self.classes.max(1)).enumerate() {
            match weights.get(row) {
                Some(&weight) if !weight.finite() => {
                    return Some(Error::Weight { index: row, value: weight });
                }
                Some(&weight) if weight == F::ZERO => continue,
                _ => {}
            }
            for (class, &pred) in pred.iter().enumerate() {
                let bad = self.bad(loss, pred, row, class);
                if bad.is_some() {
                    return bad;
                }
            }
        }
        None
    }

    fn run(
        mut job: Job<'_, F, Self>,
        loss: L,
        level: Level,
        total: Option<&mut Exact<F>>,
    ) -> Result<HighLow<F>, Error<F>> {
        let rows = job.target.rows(job.pred.len().max(job.grad.len()));
        let (mut losses, mut room) = ([F::ZERO; ROWS], Room::new());
        if total.is_none() && rows <= losses.len() {
            let losses = &mut losses[..rows];
            job.group(loss, level, 0, losses, &mut room)?;
            return sum(losses, level, None);
        }
        let mut own = Exact::ZERO;
        let exact = total.unwrap_or(&mut own);
        for first in (0..rows).step_by(losses.len()) {
            let count = losses.len().min(rows - first);
            let losses = &mut losses[..count];
            job.group(loss, level, first, losses, &mut room)?;
            exact.add_pair(sum(losses, level, None)?);
        }
        Ok(exact.high_low())
    }
}

impl<F: Float> RowTargets<'_, F> {
    fn rows(self, pred: usize) -> usize {
        pred.checked_div(self.classes).unwrap_or(0)
    }

    fn target(self, row: usize, class: usize) -> F {
        match self.of {
            OfRow::Each(target) => target.get(row * self.classes + class).copied().unwrap_or(F::ZERO),
            OfRow::Label(labels) if labels.class::<F>(row, self.classes) == Ok(class) => F::ONE,
            OfRow::Label(_) => F::ZERO,
        }
    }

    fn bad<L: Loss<F>>(self, loss: L, pred: F, row: usize, class: usize) -> Option<Error<F>> {
        let (index, target) = (row * self.classes + class, self.target(row, class));
        if !loss.target_domain().holds(target) {
            return Some(Error::Target { index, value: target });
        }
        let fits = pred.nan() || loss.pred_domain().holds(pred);
        (!fits).then_some(Error::Pred { index, value: pred })
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
        let at_once = if self.target.classes > FEW { 1 } else { TILE / self.target.classes.max(1) };
        let mut row = first;
        for losses in losses.chunks_mut(at_once) {
            let rows = row..row + losses.len();
            row = rows.end;
            match losses {
                [value] if self.target.classes > FEW => {
                    *value = self.long_row(loss, level, rows.start, room)?
                }
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
        let RowTargets { classes, of } = self.target;
        let elements = rows.start * classes..rows.end * classes;
        let Room { targets, weights, values } = room;
        let target = match of {
            OfRow::Each(target) => target.get(elements.clone()).unwrap_or_default(),
            OfRow::Label(labels) => {
                for (row, targets) in rows.clone().zip(targets.chunks_mut(classes)) {
                    one_hot(targets, labels.class(row, classes), 0);
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
        let RowTargets { classes, of } = self.target;
        let elements = row * classes..(row + 1) * classes;
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
                let (mut sum, class) = (Exact::ZERO, labels.class(row, classes));
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
fn one_hot<F: Float>(targets: &mut [F], class: Result<usize, Error<F>>, start: usize) {
    targets.fill(F::ZERO);
    let place = class.ok().and_then(|class| class.checked_sub(start));
    if let Some(target) = place.and_then(|place| targets.get_mut(place)) {
        *target = F::ONE;
    }
}
