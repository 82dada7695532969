//! The loops of losses over the softmax of logits, a row at a time.
//!
//! Labels have a way of their own, since all but one element of their gradient is a share of the softmax: a few rows are
//! added up, what they come to is worked out a row a lane, and then their gradients are written. Rows of few classes go a
//! row a lane altogether. Target distributions, smoothed labels among them, go through an elementwise loss of the
//! logarithms of the shares, a few rows at once too.

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
mod facts;
mod few;
mod label;
mod many;
pub mod shard;
pub mod shares;
mod targets;

/// So many bytes of logits stay in the first cache until they are looked at again.
const NEAR: usize = 16_384;

/// So many rows are added up at once, before their gradients are written: as many as the widest register has lanes.
const AT_ONCE: usize = match (cfg!(portable_simd), cfg!(small)) {
    (false, _) => 1,
    (true, true) => 4,
    (true, false) => 16,
};

/// So many rows of what is added up at once stay in the first cache.
fn at_once<F>(classes: usize) -> usize {
    if AT_ONCE == 1 { 1 } else { (NEAR / size_of::<F>() / classes.max(1)).clamp(1, AT_ONCE) }
}

/// No place at all: of rows of which nothing is asked.
const NOWHERE: usize = usize::MAX;

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
            self.distributions(&mut job, level, first, losses)?;
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

/// The logits of a row.
#[cfg_attr(not(called), inline(always))]
#[cfg_attr(called, inline(never))]
fn logits<'j, F: Float>(job: &'j Job<'_, F, RowTargets<'_, F>>, row: usize) -> &'j [F] {
    let RowTargets { classes, stride, .. } = job.target;
    elements(if job.pred.is_empty() { job.grad } else { job.pred }, row, stride, classes)
}

/// The logits of rows from one on.
#[inline(always)]
fn logits_from<'j, F: Float>(job: &'j Job<'_, F, RowTargets<'_, F>>, row: usize) -> &'j [F] {
    let logits = if job.pred.is_empty() { &*job.grad } else { job.pred };
    logits.get(row * job.target.stride..).unwrap_or_default()
}

/// The elements of a row, of which there are none where there are not enough.
#[inline(always)]
fn elements<F>(all: &[F], row: usize, stride: usize, classes: usize) -> &[F] {
    all.get(row * stride..row * stride + classes).unwrap_or_default()
}

/// The same, to be written.
#[inline(always)]
fn elements_mut<F>(all: &mut [F], row: usize, stride: usize, classes: usize) -> &mut [F] {
    all.get_mut(row * stride..row * stride + classes).unwrap_or_default()
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
