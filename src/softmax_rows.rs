//! The loop of losses over the softmax of logits, a row at a time.
//!
//! Labels have a way of their own, since all but one element of their gradient is a share of the softmax. Target
//! distributions, smoothed labels among them, go through an elementwise loss of the logarithms of the shares: with h its
//! slope by them, the slope by a logit is h - share (sum of all h).

use crate::dispatch::{Kernel, Level};
use crate::error::Error;
use crate::float::Float;
use crate::job::Job;
use crate::lanes::{Lanes, Mask, Scalar};
use crate::loss::Loss;
use crate::math::ln_1p;
use crate::row_loss::{OfRow, RowTargets, sum_rows};
use crate::softmax::{Logits, Power, Row, Sums, is_place, load_from, maximum, place, store_from};
use crate::sum::{HighLow, LaneSum, fold};
use crate::total::Exact;

mod few;

/// How a loss over the softmax of logits is made.
#[derive(Clone, Copy, Debug)]
pub struct OverSoftmax<F, L> {
    /// What a class's share costs: a loss of its logarithm.
    pub of: L,
    pub logits: Logits<F>,
    /// The factor of the squared log-sum-exp.
    pub z_loss: F,
    /// What of a target is spread over all classes alike, from 0 to 1.
    pub smoothing: F,
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
        let rows = job.target.rows(job.pred.len().max(job.grad.len()));
        if few::applies(&job, &self) {
            return self.run_few(job, rows, level, total);
        }
        sum_rows(rows, level, total, |first, losses| {
            for (row, loss) in (first..).zip(losses.iter_mut()) {
                *loss = self.row(&mut job, level, row)?;
            }
            if let Some(each) = job.each.get_mut(first..first + losses.len()) {
                each.copy_from_slice(losses);
            }
            Ok(())
        })
    }

    /// The same for rows of few classes.
    #[inline(never)]
    fn run_few(
        self,
        mut job: Job<'_, F, RowTargets<'_, F>>,
        rows: usize,
        level: Level,
        total: Option<&mut Exact<F>>,
    ) -> Result<HighLow<F>, Error<F>> {
        let mut room = few::Room::new();
        let of = self.without_loss();
        sum_rows(rows, level, total, |first, losses| {
            level.run(few::Rows { job: &mut job, of, first, losses: &mut *losses, room: &mut room })?;
            if let Some(each) = job.each.get_mut(first..first + losses.len()) {
                each.copy_from_slice(losses);
            }
            Ok(())
        })
    }

    /// The weighted loss of a row; its gradient is written.
    fn row(&self, job: &mut Job<'_, F, RowTargets<'_, F>>, level: Level, row: usize) -> Result<F, Error<F>> {
        let RowTargets { classes, stride, of, .. } = job.target;
        let elements = row * stride..row * stride + classes;
        let weight = job.weights.get(row).copied().unwrap_or(F::ONE);
        if !weight.finite() {
            return Err(Error::Weight { index: row, value: weight });
        }
        let masked = weight == F::ZERO || job.target.ignored(row, self.ignore_index);
        let label = job.target.label(row);
        let target = match of {
            OfRow::Each(target) => target.get(elements.clone()).unwrap_or_default(),
            OfRow::Label(_) => &[],
        };
        let class_weight = job.target.class_weight(row);
        let room = Row {
            logits: job.pred.get(elements.clone()).unwrap_or_default(),
            grad: job.grad.get_mut(elements.clone()).unwrap_or_default(),
        };
        let plain = self.label_alone && self.smoothing == F::ZERO;
        let own = label.filter(|_| plain).map(|label| room.logits()[label]);

        // Rows that are left out have no loss, but may be asked for their log-sum-exp.
        let outputs = job.target.log_sums.is_some() || job.target.hits.is_some();
        let keep = !masked && !room.grad.is_empty() && !job.add && own.is_some() && !self.logits.capped();
        let facts = if masked && !outputs {
            None
        } else {
            let room = Row { logits: room.logits, grad: &mut *room.grad };
            level.run(Softmax { room, logits: self.logits, keep })
        };
        if let Some(log_sums) = &mut job.target.log_sums {
            log_sums[row] = facts.map_or_else(|| no_log_sum(room.logits()), |facts| facts.log_sum);
        }
        if let Some(hits) = &mut job.target.hits {
            let wanted = label.or_else(|| greatest(target));
            hits[row] = !masked && wanted.is_some() && greatest_of(facts, room.logits()) == wanted;
        }
        let Some(facts) = facts.filter(|_| !masked) else {
            let (loss, slope) = if masked { (F::ZERO, F::ZERO) } else { (F::NAN, F::NAN) };
            for grad in room.grad {
                *grad = if job.add { *grad + slope } else { slope };
            }
            return Ok(loss);
        };

        let factor = weight * job.lift * job.factor;
        let z_loss = self.z_loss(&facts);
        if let (Some(label), Some(own)) = (label, own) {
            let add = job.add;
            let of_label = OfLabel { room, facts, z_loss, label, own, class_weight, factor, add, keep };
            return Ok(level.run(of_label) * weight);
        }
        let class_weights = job.target.class_weights.unwrap_or_default();
        let mut targets = Distribution {
            of: target,
            label: label.unwrap_or(usize::MAX),
            class_weights,
            kept: F::ONE - self.smoothing,
            everywhere: self.smoothing / F::from_count(classes as u64),
            teacher: None,
        };
        if self.teacher {
            let room = Row { logits: target, grad: &mut [] };
            let facts = level.run(Softmax { room, logits: self.logits, keep: false });
            let (max, log) = facts.map_or((F::NAN, F::NAN), |facts| (facts.max, facts.log));
            targets.teacher = Some((self.logits, max, log));
        }
        let dense = Dense { room, facts, of: self.of, targets, z_loss, factor, add: job.add };
        level.run(dense).map(|loss| loss * weight).ok_or_else(|| self.bad_target(&job.target, row))
    }

    /// What the square of the log-sum-exp adds to a loss, and a change of the log-sum-exp to it.
    fn z_loss(&self, facts: &Facts<F>) -> [F; 2] {
        match self.z_loss {
            zero if zero == F::ZERO => [F::ZERO; 2],
            factor => [factor * facts.log_sum * facts.log_sum, (factor + factor) * facts.log_sum],
        }
    }

    /// What rows of few classes need to know.
    fn without_loss(&self) -> OverSoftmax<F, ()> {
        let OverSoftmax { logits, z_loss, smoothing, ignore_index, teacher, label_alone, .. } = *self;
        OverSoftmax { of: (), logits, z_loss, smoothing, ignore_index, teacher, label_alone }
    }

    #[cold]
    fn bad_target(&self, target: &RowTargets<'_, F>, row: usize) -> Error<F> {
        let bad = |class: &usize| !self.of.target_domain().holds(target.target(row, *class));
        match (0..target.classes).find(bad) {
            Some(class) => {
                Error::Target { index: row * target.stride + class, value: target.target(row, class) }
            }
            None => Error::Empty,
        }
    }
}

/// The log-sum-exp of a row whose maximum is no number.
#[cold]
fn no_log_sum<F: Float>(logits: &[F]) -> F {
    logits.iter().fold(-F::INFINITY, |max, &z| if z.nan() || max > z || max.nan() { max } else { z })
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

fn greatest_of<F: Float>(facts: Option<Facts<F>>, logits: &[F]) -> Option<usize> {
    match facts {
        Some(facts) => Some(facts.at),
        None => greatest(logits),
    }
}

/// The first lane.
#[inline(always)]
fn lane<V: Lanes>(lanes: V) -> V::Elem {
    let mut room = [V::Elem::ZERO];
    lanes.store_first(&mut room);
    room[0]
}

/// What is known of a row once its exponentials have been added up.
#[derive(Clone, Copy)]
struct Facts<F> {
    logits: Logits<F>,
    /// The place of the greatest logit, and that under its cap.
    at: usize,
    max: F,
    sums: Sums<Scalar<F>>,
    /// ln(1 + S): what the log-sum-exp has beside the greatest logit.
    log: F,
    log_sum: F,
}

/// Adds up the exponentials of a row, and keeps them in the gradient's room where it is told to. None where the maximum
/// is no number.
struct Softmax<'a, F> {
    room: Row<'a, F>,
    logits: Logits<F>,
    keep: bool,
}

impl<F: Float> Kernel<F> for Softmax<'_, F> {
    type Output = Option<Facts<F>>;

    #[inline(always)]
    fn run<V: Lanes<Elem = F>, const WIDTH: usize, const PARTS: usize>(self, zero: V) -> Self::Output {
        let Softmax { mut room, logits, keep } = self;
        let max = maximum(zero, room.logits());
        if !max.finite() {
            return None;
        }
        let at = place(zero, room.logits(), max);
        let max = logits.cap(zero.single().splat(max));
        let top = lane(logits.against(max).of_capped(max));
        let max = lane(max);
        let power = logits.against(zero.splat(max));
        let rest = match logits.shaped() {
            true => room.exponentials::<V, WIDTH, PARTS, true>(zero, power, at, keep),
            false => room.exponentials::<V, WIDTH, PARTS, false>(zero, power, at, keep),
        };
        let sums = Sums::new(Scalar(top), [Scalar(rest.high), Scalar(rest.low)]);
        let log = lane(ln_1p(zero.single().splat(sums.odds().0)));
        let log_sum = logits.over_temperature(Scalar(max)).0 + log;
        Some(Facts { logits, at, max, sums, log, log_sum })
    }
}

impl<F: Float> Facts<F> {
    /// What makes a logit's exponential in the units of the sums.
    #[inline(always)]
    fn power<V: Lanes<Elem = F>>(&self, zero: V) -> Power<V> {
        self.logits.against(zero.splat(self.max))
    }

    /// The share of a logit.
    #[inline(always)]
    fn share<V: Lanes<Elem = F>>(&self, power: &Power<V>, z: V) -> V {
        self.sums.splat(z).share(power.of_capped(self.logits.cap(z)))
    }

    /// How far a logit lies below the greatest one, as the softmax sees them.
    #[inline(always)]
    fn down<V: Lanes<Elem = F>>(&self, z: V) -> V {
        self.logits.over_temperature(z.splat(self.max) - self.logits.cap(z))
    }
}

/// The cross-entropy of a row with its label alone, without the row's weight.
struct OfLabel<'a, F> {
    room: Row<'a, F>,
    facts: Facts<F>,
    z_loss: [F; 2],
    label: usize,
    /// The label's logit.
    own: F,
    class_weight: F,
    factor: F,
    add: bool,
    /// Whether the gradient's room holds the exponentials.
    keep: bool,
}

impl<F: Float> Kernel<F> for OfLabel<'_, F> {
    type Output = F;

    #[inline(always)]
    fn run<V: Lanes<Elem = F>, const WIDTH: usize, const PARTS: usize>(mut self, zero: V) -> F {
        let OfLabel { ref facts, z_loss: [z_loss, of_log_sum], label, class_weight, factor, add, .. } = self;
        let own = zero.single().splat(self.own);
        // Of nothing at all there is no part, however improbable it is.
        let value = if class_weight == F::ZERO {
            F::ZERO
        } else {
            class_weight * (lane(facts.down(own)) + facts.log)
        };
        if !self.room.grad.is_empty() {
            let share = lane(facts.share(&facts.power(own), own));
            let missed = if label == facts.at { facts.sums.missed().0 } else { F::ONE - share };
            let slope = of_log_sum * share - class_weight * missed;
            let slope = slope * (factor * lane(facts.logits.slope(own)));
            let before = self.room.grad[label];
            self.spread(zero, (class_weight + of_log_sum) * factor);
            self.room.grad[label] = if add { before + slope } else { slope };
        }
        value + z_loss
    }
}

impl<F: Float> OfLabel<'_, F> {
    /// Writes a multiple of the shares.
    #[inline(always)]
    fn spread<V: Lanes<Elem = F>>(&mut self, zero: V, factor: F) {
        let OfLabel { room, facts, add, keep, .. } = self;
        let classes = room.grad.len();
        let sums = facts.sums.splat(zero);
        if *keep {
            let factor = zero.splat(factor * facts.logits.inverse());
            let (registers, last) = room.grad.split_at_mut(classes - classes % V::LANES);
            for register in registers.chunks_exact_mut(V::LANES) {
                (sums.share(zero.load(register)) * factor).store(register);
            }
            if !last.is_empty() {
                (sums.share(zero.load_first(last)) * factor).store_first(last);
            }
            return;
        }
        let (power, factor) = (facts.power(zero), zero.splat(factor));
        for at in (0..classes).step_by(V::LANES) {
            let (z, _) = load_from(zero, room.logits(), at);
            let slope = facts.share(&power, z) * (factor * facts.logits.slope(z));
            let new = if *add { load_from(zero, room.grad, at).0 + slope } else { slope };
            store_from(new, room.grad, at);
        }
    }
}

/// The targets of a row, one for each class.
#[derive(Clone, Copy)]
struct Distribution<'a, F> {
    /// Empty where there is a label.
    of: &'a [F],
    label: usize,
    /// Empty where there are none.
    class_weights: &'a [F],
    /// What smoothing leaves of a target, and what it adds to each.
    kept: F,
    everywhere: F,
    /// Of the teacher's logits, where targets are such: what makes them, the greatest of them, and ln(1 + S).
    teacher: Option<(Logits<F>, F, F)>,
}

impl<F: Float> Distribution<'_, F> {
    #[inline(always)]
    fn at<V: Lanes<Elem = F>>(&self, zero: V, at: usize) -> V {
        let mut target = match self.of.is_empty() {
            true => is_place(zero, at, self.label).select(zero.splat(F::ONE), zero),
            false => load_from(zero, self.of, at).0,
        };
        if let Some((logits, max, log)) = self.teacher {
            let down = logits.over_temperature(zero.splat(max) - logits.cap(target));
            return zero - (down + zero.splat(log));
        }
        if self.everywhere != F::ZERO {
            target = target * zero.splat(self.kept) + zero.splat(self.everywhere);
        }
        if self.class_weights.is_empty() {
            return target;
        }
        target * load_from(zero, self.class_weights, at).0
    }
}

/// A loss of the logarithms of a row's shares, without the row's weight; none where a target is bad.
struct Dense<'a, F, L> {
    room: Row<'a, F>,
    facts: Facts<F>,
    of: L,
    targets: Distribution<'a, F>,
    z_loss: [F; 2],
    factor: F,
    add: bool,
}

impl<F: Float, L: Loss<F>> Kernel<F> for Dense<'_, F, L> {
    type Output = Option<F>;

    #[inline(always)]
    fn run<V: Lanes<Elem = F>, const WIDTH: usize, const PARTS: usize>(mut self, zero: V) -> Option<F> {
        let (loss, slopes) = self.sums::<V, WIDTH, PARTS>(zero)?;
        if !self.room.grad.is_empty() {
            self.write(zero, slopes);
        }
        Some(loss + self.z_loss[0])
    }
}

impl<F: Float, L: Loss<F>> Dense<'_, F, L> {
    /// The sums of the losses of all classes and of their slopes.
    #[inline(always)]
    fn sums<V, const WIDTH: usize, const PARTS: usize>(&self, zero: V) -> Option<(F, F)>
    where
        V: Lanes<Elem = F>,
    {
        let logits = self.room.logits();
        let (mut losses, mut slopes) = ([LaneSum::new(zero); PARTS], [LaneSum::new(zero); PARTS]);
        let domain = self.of.target_domain();
        for row in (0..logits.len()).step_by(WIDTH) {
            for (part, (losses, slopes)) in losses.iter_mut().zip(&mut slopes).enumerate() {
                let at = row + part * V::LANES;
                if at >= logits.len() {
                    continue;
                }
                let (z, count) = load_from(zero, logits, at);
                let target = self.targets.at(zero, at);
                let (loss, slope) = self.of.at(self.log_share(z), target);
                let live = zero.first(count);
                if domain.outside(target).is_some_and(|wrong| (wrong & live).any()) {
                    return None;
                }
                losses.add(live.select(loss, zero), true);
                slopes.add(live.select(slope, zero), true);
            }
        }
        Some((folded::<V, WIDTH, PARTS>(losses), folded::<V, WIDTH, PARTS>(slopes)))
    }

    #[inline(always)]
    fn log_share<V: Lanes<Elem = F>>(&self, z: V) -> V {
        -(self.facts.down(z) + z.splat(self.facts.log))
    }

    #[inline(always)]
    fn write<V: Lanes<Elem = F>>(&mut self, zero: V, slopes: F) {
        let (power, all) = (self.facts.power(zero), zero.splat(self.z_loss[1] - slopes));
        for at in (0..self.room.grad.len()).step_by(V::LANES) {
            let (z, _) = load_from(zero, self.room.logits(), at);
            let (_, own) = self.of.at(self.log_share(z), self.targets.at(zero, at));
            let slope = self.facts.share(&power, z).mul_add(all, own);
            let slope = slope * (zero.splat(self.factor) * self.facts.logits.slope(z));
            let new = if self.add { load_from(zero, self.room.grad, at).0 + slope } else { slope };
            store_from(new, self.room.grad, at);
        }
    }
}

/// The sum of all lanes, rounded once.
#[inline(always)]
fn folded<V: Lanes, const WIDTH: usize, const PARTS: usize>(lanes: [LaneSum<V>; PARTS]) -> V::Elem {
    let (mut sum_row, mut error_row) = ([V::Elem::ZERO; WIDTH], [V::Elem::ZERO; WIDTH]);
    let rows = sum_row.chunks_mut(V::LANES).zip(error_row.chunks_mut(V::LANES));
    for (sum, (sums, errors)) in lanes.into_iter().zip(rows) {
        sum.store(sums, errors);
    }
    fold(&sum_row, &error_row, WIDTH).high
}
