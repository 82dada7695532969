//! Rows that are compared with a number for each class: target distributions, smoothed labels among them.
//!
//! With h the slope of the loss by the logarithms of the shares, the slope by a logit is h - share (sum of all h).

use core::ops::Range;

use super::facts::{Fact, Facts, Few};
use super::targets::Distribution;
use super::{AT_ONCE, OverSoftmax, at_once, elements, elements_mut, greatest, logits, no_log_sum};
use crate::dispatch::{Kernel, Level};
use crate::error::Error;
use crate::float::Float;
use crate::job::Job;
use crate::lanes::{Lanes, Mask};
use crate::loss::Loss;
use crate::row_loss::{OfRow, RowTargets};
use crate::softmax::{Power, Row, load_from, store_from};
use crate::sum::{Aligned, LaneSum, align_frame, fold, store_rows};

mod few;

impl<F: Float, L: Loss<F>> OverSoftmax<F, L> {
    /// The weighted losses of rows from `first` on; their gradients are written. What a row waits for is found for a few of
    /// them at once.
    pub(super) fn distributions(
        &self,
        job: &mut Job<'_, F, RowTargets<'_, F>>,
        level: Level,
        first: usize,
        losses: &mut [F],
    ) -> Result<(), Error<F>> {
        let at_once = at_once::<F>(job.target.classes);
        let few = !cfg!(small) && few::Rows::take(job, self);
        let mut batch = Batch::new();
        let mut done = 0;
        while done < losses.len() {
            if few {
                let (first, losses) = (first + done, losses.get_mut(done..).unwrap_or_default());
                done += level.run(few::Rows { job: &mut *job, of: *self, first, losses });
            }
            let end = losses.len().min(done + at_once);
            if done == end {
                break;
            }
            if cfg!(small) {
                // By the code that names what is wrong, which is needed in any case.
                self.check(job, first + done..first + end)?;
            }
            let these = losses.get_mut(done..end).unwrap_or_default();
            let right = self.batch(job, level, first + done, these, &mut batch);
            if !cfg!(small) && !right {
                self.check(job, first + done..first + end)?;
            }
            done = end;
        }
        Ok(())
    }

    /// Whether nothing is wrong, or may be, with the weights and targets of a few rows; else they are to be looked at.
    fn batch(
        &self,
        job: &mut Job<'_, F, RowTargets<'_, F>>,
        level: Level,
        first: usize,
        losses: &mut [F],
        batch: &mut Batch<F>,
    ) -> bool {
        let RowTargets { classes, stride, of, .. } = job.target;
        // Which the compiler can't know.
        let count = if AT_ONCE == 1 { 1 } else { losses.len().min(AT_ONCE) };
        let losses = losses.get_mut(..count).unwrap_or_default();
        let outputs = job.target.log_sums.is_some() || job.target.hits.is_some();
        let mut right = true;
        for lane in 0..count {
            let row = first + lane;
            let weight = job.weights.get(row).copied().unwrap_or(F::ONE);
            let masked = weight == F::ZERO || job.target.ignored(row, self.ignore_index);
            right = right && weight.finite();
            (batch.live[lane], batch.labels[lane]) = (!masked, job.target.label(row));
        }

        let from = first * stride;
        // What lies in the gradient's room is written where that is to hold exponentials, and only read in place.
        let keep = self.keeps(job) == Kept::Exponentials;
        let numbers = job.pred.get(from..).unwrap_or_default();
        let kept = job.grad.get_mut(from..).unwrap_or_default();
        // Rows that are left out have no loss, but may be asked for their log-sum-exp.
        let live = if outputs { None } else { Some(&batch.live) };
        batch.facts.find(level, Few { numbers, kept, classes, stride, count, live }, &self.logits, keep);
        if self.teacher
            && let OfRow::Each(target) = of
        {
            let (numbers, live) = (target.get(from..).unwrap_or_default(), Some(&batch.live));
            let rows = Few { numbers, kept: &mut [], classes, stride, count, live };
            batch.teacher.find(level, rows, &self.logits, false);
        }
        if outputs {
            self.report(job, first..first + count, batch);
        }

        let dense = Dense { job: &mut *job, of: self, first, batch, losses: &mut *losses };
        right = level.run(dense) && right;
        for (lane, (loss, &live)) in losses.iter_mut().zip(&batch.live).enumerate() {
            if live && batch.facts.at(lane).is_some() {
                continue;
            }
            right = right && !live;
            let slope = if live { F::NAN } else { F::ZERO };
            *loss = slope;
            for grad in elements_mut(job.grad, first + lane, stride, classes) {
                *grad = if job.add { *grad + slope } else { slope };
            }
        }
        right
    }

    /// Writes what rows are asked for beside losses and gradient.
    fn report(&self, job: &mut Job<'_, F, RowTargets<'_, F>>, rows: Range<usize>, batch: &Batch<F>) {
        let RowTargets { classes, stride, of, .. } = job.target;
        for (lane, row) in rows.enumerate().take(AT_ONCE) {
            let (at, log_sum) = match batch.facts.at(lane) {
                Some(at) => (Some(at), batch.facts.of(lane).log_sum),
                None => (greatest(logits(job, row)), no_log_sum(logits(job, row))),
            };
            if let Some(into) = job.target.log_sums.as_mut().and_then(|log_sums| log_sums.get_mut(row)) {
                *into = log_sum;
            }
            if let Some(hit) = job.target.hits.as_mut().and_then(|hits| hits.get_mut(row)) {
                let wanted = match of {
                    OfRow::Each(target) => greatest(elements(target, row, stride, classes)),
                    OfRow::Label(_) => batch.labels[lane],
                };
                *hit = batch.live[lane] && wanted.is_some() && at == wanted && !log_sum.nan();
            }
        }
    }

    /// An error for the first weight of rows that is no number, or target that is out of its domain.
    #[cold]
    fn check(&self, job: &Job<'_, F, RowTargets<'_, F>>, rows: Range<usize>) -> Result<(), Error<F>> {
        let RowTargets { classes, stride, of, .. } = job.target;
        for row in rows {
            let weight = job.weights.get(row).copied().unwrap_or(F::ONE);
            if !weight.finite() {
                return Err(Error::Weight { index: row, value: weight });
            }
            // A label makes targets of its own.
            if let OfRow::Each(target) = of
                && weight != F::ZERO
            {
                let targets = elements(target, row, stride, classes);
                let domain = self.of.target_domain();
                let bad = targets.iter().enumerate().find(|&(_, &target)| !domain.holds(target));
                if let Some((class, &value)) = bad {
                    return Err(Error::Target { index: row * stride + class, value });
                }
            }
        }
        Ok(())
    }

    /// What the gradient's room holds until the sum of a row's slopes is known.
    #[inline(always)]
    fn keeps(&self, job: &Job<'_, F, RowTargets<'_, F>>) -> Kept {
        if cfg!(small) || job.add || job.pred.is_empty() || job.grad.is_empty() {
            Kept::Nothing
        } else if L::COSTLY || self.logits.capped() {
            Kept::Slopes
        } else {
            Kept::Exponentials
        }
    }
}

/// What is kept, since it would take longer to work out again.
#[derive(Clone, Copy, PartialEq)]
enum Kept {
    Nothing,
    Exponentials,
    /// Slopes by the logarithms of shares.
    Slopes,
}

/// What is known of a few rows.
struct Batch<F> {
    /// Which take part.
    live: [bool; AT_ONCE],
    labels: [Option<usize>; AT_ONCE],
    facts: Facts<F>,
    /// The same of target rows that are logits too.
    teacher: Facts<F>,
}

impl<F: Float> Batch<F> {
    fn new() -> Self {
        let (live, labels) = ([false; AT_ONCE], [None; AT_ONCE]);
        Batch { live, labels, facts: Facts::new(), teacher: Facts::new() }
    }
}

/// Losses and gradients of a few rows, as far as their greatest logits are numbers. False where a target is bad.
struct Dense<'b, 'a, 't, F: Float, L> {
    job: &'b mut Job<'a, F, RowTargets<'t, F>>,
    of: &'b OverSoftmax<F, L>,
    first: usize,
    batch: &'b Batch<F>,
    losses: &'b mut [F],
}

impl<F: Float, L: Loss<F>> Kernel<F> for Dense<'_, '_, '_, F, L> {
    type Output = bool;
    type Home = Self;
    const RARE: bool = true;

    #[inline(always)]
    fn run<V: Lanes<Elem = F>, const WIDTH: usize, const PARTS: usize>(self, zero: V) -> bool {
        align_frame();
        if cfg!(small) || self.of.logits.capped() {
            return self.rows::<V, WIDTH, PARTS, false>(zero);
        }
        // The compiler leaves out all that a cap takes, which it would work out for each row, capped or not.
        let of = OverSoftmax { logits: self.of.logits.uncapped(), ..*self.of };
        Dense { of: &of, ..self }.rows::<V, WIDTH, PARTS, true>(zero)
    }
}

impl<F: Float, L: Loss<F>> Dense<'_, '_, '_, F, L> {
    /// Row by row, with all registers at once or one of them.
    #[inline(always)]
    fn rows<V, const WIDTH: usize, const PARTS: usize, const ALL: bool>(self, zero: V) -> bool
    where
        V: Lanes<Elem = F>,
    {
        let Dense { job, of, first, batch, losses } = self;
        for (lane, loss) in losses.iter_mut().enumerate().take(AT_ONCE) {
            if !batch.live[lane] || batch.facts.at(lane).is_none() {
                continue;
            }
            let mut row = Compared::new(job, of, batch, first, lane);
            match row.sums::<V, WIDTH, PARTS, ALL>(zero) {
                Some((own, slopes)) => {
                    *loss = own;
                    row.write::<V, ALL>(zero, slopes);
                }
                None => return false,
            }
        }
        true
    }
}

/// A row beside its targets.
struct Compared<'a, F, L> {
    of: &'a OverSoftmax<F, L>,
    room: Row<'a, F>,
    fact: Fact<F>,
    targets: Distribution<'a, F>,
    kept: Kept,
    add: bool,
    weight: F,
    /// What the gradient is multiplied by, the weight in it.
    factor: F,
    /// What the squared log-sum-exp adds to the loss, and to its slope by that sum.
    z_loss: [F; 2],
    /// Whether logarithms may be infinite that are numbers in a wider format.
    steep: bool,
}

impl<'a, F: Float, L: Loss<F>> Compared<'a, F, L> {
    #[inline(always)]
    fn new(
        job: &'a mut Job<'_, F, RowTargets<'_, F>>,
        of: &'a OverSoftmax<F, L>,
        batch: &Batch<F>,
        first: usize,
        lane: usize,
    ) -> Self {
        let kept = of.keeps(job);
        let RowTargets { classes, stride, .. } = job.target;
        let row = first + lane;
        let targets = Distribution::new(&job.target, of, row, batch.labels[lane], batch.teacher.of(lane));
        let weight = job.weights.get(row).copied().unwrap_or(F::ONE);
        let room =
            Row::new(elements(job.pred, row, stride, classes), elements_mut(job.grad, row, stride, classes));
        let fact = batch.facts.of(lane);
        let z_loss = match of.z_loss {
            zero if zero == F::ZERO => [F::ZERO; 2],
            factor => [factor * fact.log_sum * fact.log_sum, (factor + factor) * fact.log_sum],
        };
        let (add, factor) = (job.add, weight * job.lift * job.factor);
        let steep = of.logits.steep(fact.max);
        Compared { of, room, fact, targets, kept, add, weight, factor, z_loss, steep }
    }

    /// The weighted loss of the row, and the sum of the slopes of all classes.
    #[inline(always)]
    fn sums<V, const WIDTH: usize, const PARTS: usize, const ALL: bool>(&mut self, zero: V) -> Option<(F, F)>
    where
        V: Lanes<Elem = F>,
    {
        let classes = self.room.logits().len();
        let Aligned([losses, slopes]) = &mut Aligned([[[F::ZERO; WIDTH]; 2]; 2]);
        let mut at = 0;
        // Whole rows of lanes with sums in registers, and what is left one register at a time with sums in memory.
        if ALL && V::LANES > 1 && classes >= WIDTH {
            let (mut of_losses, mut of_slopes) = ([LaneSum::new(zero); PARTS], [LaneSum::new(zero); PARTS]);
            while at + WIDTH <= classes {
                for (of_losses, of_slopes) in of_losses.iter_mut().zip(&mut of_slopes) {
                    let (loss, slope) = self.step(zero, at)?;
                    of_losses.add(loss);
                    of_slopes.add(slope);
                    at += V::LANES;
                }
            }
            for (lanes, [sums, errors]) in [(of_losses, &mut *losses), (of_slopes, &mut *slopes)] {
                store_rows(lanes, sums, errors);
            }
        }
        let zero = zero.single();
        while at < classes {
            let (loss, slope) = self.step(zero, at)?;
            add_at(loss, losses, at);
            add_at(slope, slopes, at);
            at += V::Single::LANES;
        }
        let loss = fold(&losses[0], Some(&losses[1]), classes).high + self.z_loss[0];
        Some((loss * self.weight, fold(&slopes[0], Some(&slopes[1]), classes).high))
    }

    /// Losses and slopes of the register that begins at `at`; none where a target is bad.
    #[inline(always)]
    fn step<V: Lanes<Elem = F>>(&mut self, zero: V, at: usize) -> Option<(V, V)> {
        let (z, count) = load_from(zero, self.room.logits(), at);
        let (mut loss, slope) =
            self.of.of.at(-self.fact.minus_log_share(&self.of.logits, z), self.targets.at(zero, at));
        if self.steep {
            loss = self.fact.loss_beyond(&self.of.logits, z, loss, slope);
        }
        let inside = self.targets.inside(zero, at, self.of.of.target_domain());
        if count == V::LANES {
            if inside.is_some_and(|right| !right.all()) {
                return None;
            }
            if self.kept == Kept::Slopes {
                store_from(slope, self.room.grad, at);
            }
            return Some((loss, slope));
        }
        let live = zero.first(count);
        if inside.is_some_and(|right| !(right | !live).all()) {
            return None;
        }
        let slope = live.select(slope, zero);
        if self.kept == Kept::Slopes {
            store_from(slope, self.room.grad, at);
        }
        Some((live.select(loss, zero), slope))
    }

    #[inline(always)]
    fn write<V: Lanes<Elem = F>, const ALL: bool>(&mut self, zero: V, slopes: F) {
        let all = self.z_loss[1] - slopes;
        if ALL && self.kept == Kept::Exponentials {
            self.write_registers::<V, ALL, true>(zero, all);
        } else {
            self.write_registers::<V, ALL, false>(zero, all);
        }
    }

    #[inline(always)]
    fn write_registers<V: Lanes<Elem = F>, const ALL: bool, const KEPT: bool>(&mut self, zero: V, all: F) {
        let mut at = 0;
        if ALL {
            let power = self.fact.power(self.of.logits, zero);
            while at + V::LANES <= self.room.grad.len() {
                self.write_register::<V, KEPT>(zero, &power, all, at);
                at += V::LANES;
            }
        }
        let zero = zero.single();
        let power = self.fact.power(self.of.logits, zero);
        while at < self.room.grad.len() {
            self.write_register::<V::Single, KEPT>(zero, &power, all, at);
            at += V::Single::LANES;
        }
    }

    #[inline(always)]
    fn write_register<V: Lanes<Elem = F>, const KEPT: bool>(
        &mut self,
        zero: V,
        power: &Power<V>,
        all: F,
        at: usize,
    ) {
        let (z, _) = load_from(zero, self.room.logits(), at);
        let (before, _) = load_from(zero, self.room.grad, at);
        let own = match self.kept {
            Kept::Slopes if !KEPT => before,
            _ => self.of.of.at(-self.fact.minus_log_share(&self.of.logits, z), self.targets.at(zero, at)).1,
        };
        let exponential = if KEPT { before } else { power.of(z) };
        let slope = self.fact.sums(zero).share(exponential).mul_add(zero.splat(all), own);
        let slope = slope * (zero.splat(self.factor) * self.of.logits.slope(z));
        store_from(if self.add { before + slope } else { slope }, self.room.grad, at);
    }
}

/// Adds a register's terms, from place `at` on, to sums that lie in memory.
#[cfg_attr(not(called), inline(always))]
#[cfg_attr(called, inline(never))]
fn add_at<V: Lanes, const WIDTH: usize>(term: V, [sums, errors]: &mut [[V::Elem; WIDTH]; 2], at: usize) {
    let slots = at % WIDTH..at % WIDTH + V::LANES;
    if let (Some(sums), Some(errors)) = (sums.get_mut(slots.clone()), errors.get_mut(slots)) {
        let mut sum = LaneSum::load(term, sums, errors);
        sum.add(term);
        sum.store(sums, errors);
    }
}
