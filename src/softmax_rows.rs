//! The loops of losses over the softmax of logits, a row at a time.
//!
//! Labels have a way of their own, since all but one element of their gradient is a share of the softmax: a few rows are
//! added up, what they come to is worked out a row a lane, and then their gradients are written. Rows of few classes go a
//! row a lane altogether. Target distributions, smoothed labels among them, go through an elementwise loss of the
//! logarithms of the shares.

use crate::dispatch::Level;
use crate::error::Error;
use crate::float::Float;
use crate::job::Job;
use crate::loss::Loss;
use crate::row_loss::{RowTargets, sum_rows};
use crate::softmax::Logits;
use crate::sum::HighLow;
use crate::total::Exact;

mod dense;
mod few;
mod label;
mod many;
pub mod shard;
pub mod shares;

/// How a loss over the softmax of logits is made.
#[derive(Clone, Copy, Debug)]
pub struct OverSoftmax<F, L> {
    /// What a class's share costs: a loss of its logarithm.
    pub of: L,
    pub logits: Logits<F>,
    /// The factor of the squared log-sum-exp.
    pub z_loss: F,
    /// What of a target is spread over all classes alike, or over all others, from 0 to 1.
    pub smoothing: F,
    pub over_others: bool,
    pub ignore_index: Option<i64>,
    /// Whether targets are logits too, and their softmax is meant.
    pub teacher: bool,
    /// Whether the loss of a label is the cross-entropy, and needs no targets for the other classes.
    pub label_alone: bool,
}

impl<F: Float, L: Loss<F>> OverSoftmax<F, L> {
    pub fn run(
        self,
        mut job: Job<'_, F, RowTargets<'_, F>>,
        level: Level,
        total: Option<&mut Exact<F>>,
    ) -> Result<HighLow<F>, Error<F>> {
        if self.label_alone && self.smoothing == F::ZERO && job.target.labelled() {
            return self.run_labels(job, level, total);
        }
        let rows = job.target.rows(job.pred.len().max(job.grad.len()));
        sum_rows(rows, level, total, &mut |first, losses| {
            for (row, loss) in (first..).zip(losses.iter_mut()) {
                *loss = self.row(&mut job, level, row)?;
            }
            job.put_losses(first, losses);
            Ok(())
        })
    }

    /// A loss of target distributions, or of a teacher's logits, without further options.
    pub fn of_distributions(of: L, temperature: F, teacher: bool) -> Self {
        OverSoftmax {
            of,
            logits: Logits::new(temperature, None),
            z_loss: F::ZERO,
            smoothing: F::ZERO,
            over_others: false,
            ignore_index: None,
            teacher,
            label_alone: false,
        }
    }

    /// What a label alone needs to know.
    pub fn without_loss(self) -> OverSoftmax<F, ()> {
        self.map(|_| ())
    }

    /// The same of another loss.
    pub fn map<M>(self, to: impl FnOnce(L) -> M) -> OverSoftmax<F, M> {
        let OverSoftmax { of, logits, z_loss, smoothing, over_others, ignore_index, teacher, label_alone } =
            self;
        OverSoftmax { of: to(of), logits, z_loss, smoothing, over_others, ignore_index, teacher, label_alone }
    }

    /// The same for labels alone.
    #[cfg_attr(called, inline(never))]
    fn run_labels(
        self,
        mut job: Job<'_, F, RowTargets<'_, F>>,
        level: Level,
        total: Option<&mut Exact<F>>,
    ) -> Result<HighLow<F>, Error<F>> {
        let of = self.without_loss();
        job.far = level.streams() && job.rows_far(&of);
        let far = job.far;
        let rows = job.target.rows(job.pred.len().max(job.grad.len()));
        let (mut total, classes) = (total, job.target.classes);
        let mut run = |mut room: Option<few::Room<'_, F>>| {
            sum_rows(rows, level, total.as_deref_mut(), &mut |first, losses| {
                let (job, into) = (&mut job, &mut *losses);
                match &mut room {
                    Some(room) => {
                        level.run(few::Rows { job, of, first, losses: into, room: room.reborrow() })?;
                    }
                    None => level.run(many::Rows { job, of, first, losses: into })?,
                }
                job.put_losses(first, losses);
                Ok(())
            })
        };
        // The way depends on the call alone, as the bits of its results do.
        let result = if classes <= few::FEW && !self.logits.capped() {
            few::Room::with(classes, &mut |room| run(Some(room)))
        } else {
            run(None)
        };
        if far {
            level.settle();
        }
        result
    }
}

impl<F: Float> Job<'_, F, RowTargets<'_, F>> {
    /// Writes the losses of rows from `first` on, where they are asked for.
    fn put_losses(&mut self, first: usize, losses: &[F]) {
        if let Some(each) = self.each.get_mut(first..first + losses.len()) {
            each.copy_from_slice(losses);
        }
    }
}

/// The log-sum-exp of a row whose maximum is no number.
#[cold]
fn no_log_sum<F: Float>(logits: &[F]) -> F {
    // Nothing compares with NaN, which so takes the place of the maximum, and keeps it.
    logits.iter().fold(-F::INFINITY, |max, &z| if max.nan() || max > z { max } else { z })
}

/// The place of the greatest number, the first of equal ones.
fn greatest<F: Float>(numbers: &[F]) -> Option<usize> {
    let mut greatest = None;
    for (place, &x) in numbers.iter().enumerate() {
        if !x.nan() && greatest.is_none_or(|(_, most)| x > most) {
            greatest = Some((place, x));
        }
    }
    greatest.map(|(place, _)| place)
}
