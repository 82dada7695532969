//! Rows of many classes: the lanes lie along a row. A few rows are added up before their gradients are written, so that
//! what lies between is done for all of them at once; they stay in the first cache. The greatest logits of the next few are
//! found meanwhile, in the time that exponentials leave for memory.

use core::mem::swap;
use core::ops::Range;

use super::label::{Found, Known, Weights};
use super::{AT_ONCE, NEAR, NOWHERE, OverSoftmax, logits, no_log_sum};
use crate::dispatch::Kernel;
use crate::error::Error;
use crate::float::Float;
use crate::job::Job;
use crate::lanes::Lanes;
use crate::row_loss::RowTargets;
use crate::softmax::{Ahead, Greatest, Powers, ROWS, Row, before_line, greatest, looks_ahead, place, wide};
use crate::sum::{Aligned, finite_or_zero, fold};

mod slopes;

/// Rows of so many bytes are written while the next one is added up.
const LONG: usize = 32 << 10;

/// But where the logits lie apart, rows of so many bytes leave too little room for one more in the second cache.
const TOO_LONG: usize = 448 << 10;

/// The weighted losses of rows from `first` on; their gradients are written.
pub struct Rows<'j, 'a, 't, F> {
    pub job: &'j mut Job<'a, F, RowTargets<'t, F>>,
    pub of: OverSoftmax<F, ()>,
    pub first: usize,
    pub losses: &'j mut [F],
}

impl<F: Float> Kernel<F> for Rows<'_, '_, '_, F> {
    type Output = Result<(), Error<F>>;
    type Home = Self;

    #[inline(always)]
    fn run<V: Lanes<Elem = F>, const WIDTH: usize, const PARTS: usize>(self, zero: V) -> Self::Output {
        let Rows { job, of, first, losses } = self;
        let near = NEAR / size_of::<F>();
        let looks_ahead = looks_ahead::<V>();
        // Of rows that are looked at ahead, a third of that lies in the first cache too.
        let (room, classes) = (if looks_ahead { near / 4 * 3 } else { near }, job.target.classes.max(1));
        let rounding = if looks_ahead { classes / 2 } else { 0 };
        let at_once = ((room + rounding) / classes).clamp(1, V::Single::LANES);
        // Of rows that have been looked at already.
        let mut known = [None; ROWS];
        let Aligned(sums) = &mut Aligned([[[F::ZERO; WIDTH]; 2]; AT_ONCE]);
        let end = first + losses.len();
        let next = at_once * job.target.stride;
        let ahead = Ahead {
            logits: match next > near {
                // What is looked at in passing need not be fetched.
                long if looks_ahead && !(long && (job.far || job.long())) => 0,
                true => next + near / 4,
                false => next,
            },
            // Of a long row only the logits: two of each would fill a second cache.
            grad: next.min(near),
        };
        let (mut rows, mut later) = (&mut Batch::default(), &mut Batch::default());
        let waits = waits::<F, V>(job, &of);
        let mut before = &mut Batch::default();
        for (batch, losses) in losses.chunks_mut(at_once).enumerate() {
            let first = first + batch * at_once;
            let count = losses.len().min(ROWS);
            if batch == 0 || !looks_ahead {
                rows.prepare(job, &of, zero, first..first + count, &mut known)?;
            }
            for (lane, sums) in sums.iter_mut().enumerate().take(count) {
                let following = if looks_ahead && first + lane + at_once < end { at_once } else { 0 };
                let before = if waits && batch > 0 { Some(&*before) } else { None };
                let meanwhile = before.filter(|before| rows.adds_up(lane) && before.multiplies(0));
                if let (Some(before), None) = (before, meanwhile) {
                    before.write_row(job, &of, zero, first - 1, 0);
                }
                known[lane] = rows.add_up::<V, WIDTH, PARTS>(
                    job,
                    &of,
                    zero,
                    (first + lane, lane),
                    ahead,
                    following,
                    meanwhile,
                    sums,
                );
            }
            for (lane, sums) in sums.iter().enumerate().take(count) {
                rows.fold(sums, lane);
            }
            rows.find(job, &of, zero.single(), first, losses);
            // Gradients wait for what rows come to. Where the greatest logits are known already, other rows fill that time.
            if looks_ahead {
                let after = first + count;
                later.prepare(job, &of, zero, after..end.min(after + at_once), &mut known)?;
            }
            if waits {
                swap(&mut before, &mut rows);
            } else if !job.grad.is_empty() {
                for lane in 0..count {
                    rows.write_row(job, &of, zero, first + lane, lane);
                }
            }
            if looks_ahead {
                swap(&mut rows, &mut later);
            }
        }
        if waits && first < end {
            before.write_row(job, &of, zero, end - 1, 0);
        }
        Ok(())
    }
}

/// A few rows, a lane each.
#[derive(Default)]
#[repr(align(64))]
pub(super) struct Batch<F> {
    pub max: [F; ROWS],
    pub own: [F; ROWS],
    pub rest: [[F; ROWS]; 2],
    pub hit: [F; ROWS],
    /// Where the greatest logit is, or where to look for it.
    at: [usize; ROWS],
    powers: Powers<F>,
    masked: [F; ROWS],
    slope: [F; ROWS],
    factor: [F; ROWS],
    inverse: [[F; ROWS]; 2],
    /// The factor of exponentials, where it has two good parts.
    multiple: [[F; ROWS]; 2],
}

/// Whether the exponentials of a call stay in the gradient's room.
#[inline(always)]
fn keeps<F: Float, V: Lanes>(job: &Job<'_, F, RowTargets<'_, F>>, of: &OverSoftmax<F, ()>) -> bool {
    !job.grad.is_empty() && !job.add && !of.logits.capped() && !streams::<F, V>(job)
}

/// Whether gradients are written past the cache. To work out exponentials twice takes narrower registers longer than memory.
#[inline(always)]
fn streams<F: Float, V: Lanes>(job: &Job<'_, F, RowTargets<'_, F>>) -> bool {
    cfg!(not(small)) && looks_ahead::<V>() && V::STREAMS && job.far
}

impl<F: Float> Job<'_, F, RowTargets<'_, F>> {
    /// Whether the gradients of a call may be written past the cache: they are longer than it, and so are the rows than the
    /// first one, so that little of them shares a line with others.
    pub fn rows_far(&self, of: &OverSoftmax<F, ()>) -> bool {
        let row = self.target.classes * size_of::<F>();
        let plain = !self.pred.is_empty() && !self.add && !of.logits.shaped(F::ZERO);
        (self.far || self.long()) && row >= LONG && plain
    }
}

/// Whether rows, one at a time, are not written before the next one has been added up: memory has more to do then while
/// exponentials are worked out.
#[inline(always)]
fn waits<F: Float, V: Lanes>(job: &Job<'_, F, RowTargets<'_, F>>, of: &OverSoftmax<F, ()>) -> bool {
    let row = job.target.classes * size_of::<F>();
    let fits = row >= LONG && (row < TOO_LONG || job.pred.is_empty());
    cfg!(not(small)) && wide::<V>() && fits && keeps::<F, V>(job, of)
}

impl<F: Float> Batch<F> {
    /// Looks at rows before their exponentials are added up: step by step, so that no row waits for another one's numbers.
    #[inline(always)]
    fn prepare<V: Lanes<Elem = F>>(
        &mut self,
        job: &Job<'_, F, RowTargets<'_, F>>,
        of: &OverSoftmax<F, ()>,
        zero: V,
        rows: Range<usize>,
        known: &mut [Option<Greatest<F>>; ROWS],
    ) -> Result<(), Error<F>> {
        for ((lane, known), row) in known.iter_mut().enumerate().zip(rows.clone()) {
            self.look(job, of, zero, row, lane, known.take())?;
        }
        for (lane, row) in (0..ROWS).zip(rows) {
            self.find_places(job, zero, row, lane);
        }
        self.find_powers(of, zero.single());
        Ok(())
    }

    /// The greatest logit of a row that takes part.
    #[inline(always)]
    fn look<V: Lanes<Elem = F>>(
        &mut self,
        job: &Job<'_, F, RowTargets<'_, F>>,
        of: &OverSoftmax<F, ()>,
        zero: V,
        row: usize,
        lane: usize,
        known: Option<Greatest<F>>,
    ) -> Result<(), Error<F>> {
        let weight = job.weights.get(row).copied().unwrap_or(F::ONE);
        if !weight.finite() {
            return Err(Error::Weight { index: row, value: weight });
        }
        let masked = weight == F::ZERO || job.target.ignored(row, of.ignore_index);
        let outputs = job.target.log_sums.is_some() || job.target.hits.is_some();
        self.masked[lane] = if masked { F::ONE } else { F::ZERO };
        self.at[lane] = NOWHERE;
        if masked && !outputs {
            return Ok(());
        }
        let Greatest { number, from } = match known {
            Some(greatest) => greatest,
            None => greatest(zero, logits(job, row)),
        };
        self.at[lane] = from;
        // Looked at now, before the gradient takes their place.
        self.max[lane] = if number.finite() { number } else { no_log_sum(logits(job, row)) };
        Ok(())
    }

    /// Where the greatest logit of a row is, and what its label's is.
    #[inline(always)]
    fn find_places<V: Lanes<Elem = F>>(
        &mut self,
        job: &Job<'_, F, RowTargets<'_, F>>,
        zero: V,
        row: usize,
        lane: usize,
    ) {
        if self.at[lane] == NOWHERE {
            return;
        }
        let (logits, label) = (logits(job, row), job.target.label(row));
        let at = place(zero, logits, Greatest { number: self.max[lane], from: self.at[lane] });
        self.at[lane] = at;
        self.own[lane] = label.map_or(F::ZERO, |label| logits.get(label).copied().unwrap_or(F::ZERO));
        self.hit[lane] = if label == Some(at) { F::ONE } else { F::ZERO };
    }

    /// What makes the rows' exponentials.
    #[inline(always)]
    fn find_powers<V: Lanes<Elem = F>>(&mut self, of: &OverSoftmax<F, ()>, zero: V) {
        let max = finite_or_zero(zero.load(&self.max));
        self.powers.store(&of.logits.against(max));
    }

    /// Whether there is something to add up in a row.
    #[inline(always)]
    fn adds_up(&self, lane: usize) -> bool {
        self.at[lane] != NOWHERE && self.max[lane].finite()
    }

    /// Whether the gradient of a row is a multiple of its exponentials.
    #[inline(always)]
    fn multiplies(&self, lane: usize) -> bool {
        self.masked[lane] == F::ZERO && self.multiple[1][lane].finite()
    }

    /// Adds up the exponentials of a row, but for the greatest. Meanwhile, the gradient of the row before is written, where
    /// there is one, which is the first row of another batch.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    fn add_up<V: Lanes<Elem = F>, const WIDTH: usize, const PARTS: usize>(
        &self,
        job: &mut Job<'_, F, RowTargets<'_, F>>,
        of: &OverSoftmax<F, ()>,
        zero: V,
        (row, lane): (usize, usize),
        ahead: Ahead,
        following: usize,
        before: Option<&Self>,
        sums: &mut [[F; WIDTH]; 2],
    ) -> Option<Greatest<F>> {
        if !self.adds_up(lane) {
            *sums = [[F::ZERO; WIDTH]; 2];
            return None;
        }
        let keep = self.masked[lane] == F::ZERO && keeps::<F, V>(job, of);
        let RowTargets { classes, stride, .. } = job.target;
        let elements = row * stride..row * stride + classes;
        let next = (row + following) * stride..(row + following) * stride + classes;
        let (grad, later) = job.grad.split_at_mut(elements.end.min(job.grad.len()));
        let (earlier, grad) = grad.split_at_mut(elements.start.min(grad.len()));
        let next = match job.pred {
            _ if following == 0 => &[],
            [] => later.get(next.start - elements.end..next.end - elements.end).unwrap_or_default(),
            pred => pred.get(next).unwrap_or_default(),
        };
        let mut room = Row::new(job.pred.get(elements).unwrap_or_default(), grad).followed(ahead, next);
        let mut head = Default::default();
        if let Some(before) = before {
            let start = earlier.len() - stride;
            let waiting = earlier.get_mut(start..start + classes).unwrap_or_default();
            let (first, waiting) = waiting.split_at_mut(before_line::<V>(waiting));
            head = first;
            room = room.preceded(waiting, [before.multiple[0][0], before.multiple[1][0]]);
        }
        let power = self.powers.row(zero, of.logits, lane, self.max[lane]);
        let shaped = of.logits.shaped(self.max[lane]);
        room.lane_sums::<V, WIDTH, PARTS>(zero, power, shaped, self.at[lane], keep, sums);
        let max = room.next_max();
        if let Some(before) = before {
            for waiting in [head, room.before()] {
                before.write_kept(zero, waiting, 0);
            }
            let slope =
                job.target.label(row - 1).and_then(|label| job.grad.get_mut((row - 1) * stride + label));
            if let Some(slope) = slope {
                *slope = before.slope[0];
            }
        }
        max
    }

    #[inline(always)]
    fn fold<const WIDTH: usize>(&mut self, sums: &[[F; WIDTH]; 2], lane: usize) {
        let rest = fold(&sums[0], Some(&sums[1]), WIDTH);
        (self.rest[0][lane], self.rest[1][lane]) = (rest.high, rest.low);
    }

    #[inline(always)]
    fn find<V: Lanes<Elem = F>>(
        &mut self,
        job: &mut Job<'_, F, RowTargets<'_, F>>,
        of: &OverSoftmax<F, ()>,
        zero: V,
        first: usize,
        losses: &mut [F],
    ) {
        let weights = Weights::new(job, zero, first, losses.len());
        let found = self.work_out(weights, job.lift, job.factor, of, zero);
        found.loss.store_first(losses);
        let rows = first..first + losses.len();
        if let Some(log_sums) = &mut job.target.log_sums {
            found.log_sum.store_first(log_sums.get_mut(rows.clone()).unwrap_or_default());
        }
        if let Some(hits) = &mut job.target.hits {
            let mut log_sums = [F::ZERO; ROWS];
            found.log_sum.store(&mut log_sums);
            for (lane, hit) in (0..ROWS).zip(hits.get_mut(rows).unwrap_or_default()) {
                *hit = self.hit[lane] == F::ONE && self.masked[lane] == F::ZERO && !log_sums[lane].nan();
            }
        }
    }

    /// What the rows come to, and what their gradients will take of it.
    #[inline(always)]
    pub(super) fn work_out<V: Lanes<Elem = F>>(
        &mut self,
        mut weights: Weights<V>,
        lift: F,
        factor: F,
        of: &OverSoftmax<F, ()>,
        zero: V,
    ) -> Found<V> {
        weights.masked = zero.lt(zero.load(&self.masked));
        let hit = zero.lt(zero.load(&self.hit));
        let rest = [zero.load(&self.rest[0]), zero.load(&self.rest[1])];
        let (max, own) = (zero.load(&self.max), zero.load(&self.own));
        let known = Known { weights, max, own, exponentials: None, rest, hit };
        let found = known.find(lift, factor, of);
        found.slope.store(&mut self.slope);
        found.factor.store(&mut self.factor);
        found.max.store(&mut self.max);
        let [high, low] = found.sums.inverse();
        high.store(&mut self.inverse[0]);
        low.store(&mut self.inverse[1]);
        let [high, low] = found.sums.multiple(found.factor);
        high.store(&mut self.multiple[0]);
        low.store(&mut self.multiple[1]);
        found
    }

    /// Writes the gradient of a row.
    #[inline(always)]
    fn write_row<V: Lanes<Elem = F>>(
        &self,
        job: &mut Job<'_, F, RowTargets<'_, F>>,
        of: &OverSoftmax<F, ()>,
        zero: V,
        row: usize,
        lane: usize,
    ) {
        let RowTargets { classes, stride, .. } = job.target;
        let elements = row * stride..row * stride + classes;
        let (keep, add, streams) = (keeps::<F, V>(job, of), job.add, streams::<F, V>(job));
        let logits = job.pred.get(elements.clone()).unwrap_or_default();
        let grad = job.grad.get_mut(elements).unwrap_or_default();
        if streams && self.multiplies(lane) && !of.logits.shaped(self.max[lane]) {
            self.write_past(of, zero, logits, grad, lane);
            if let Some(slope) = job.target.label(row).and_then(|label| grad.get_mut(label)) {
                *slope = self.slope[lane];
            }
        } else if self.masked[lane] == F::ZERO {
            let room = Row::new(logits, grad);
            self.write(of, zero, room, job.target.label(row), keep, add, lane);
        } else if !add {
            grad.fill(F::ZERO);
        }
    }
}
