//! The loop of losses over the softmax of logits, a row at a time.
//!
//! Labels have a way of their own, since all but one element of their gradient is a share of the softmax. Target
//! distributions, smoothed labels among them, go through an elementwise loss of the logarithms of the shares: with h its
//! slope by them, the slope by a logit is h - share (sum of all h).

use crate::dispatch::{Kernel, Level};
use crate::error::Error;
use crate::float::Float;
use crate::job::Job;
use crate::lanes::{Lanes, Mask};
use crate::loss::Loss;
use crate::math::ln_1p;
use crate::row_loss::{OfRow, RowTargets, sum_rows};
use crate::softmax::{Logits, Power, Row, Sums, is_place, load_from, maximum, place, store_from};
use crate::sum::{HighLow, LaneSum, fold};
use crate::total::Exact;

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
        sum_rows(rows, level, total, |first, losses| {
            let job = &mut job;
            let done = if job.grad.is_empty() {
                level.run(Group::<F, L, false> { job: &mut *job, of: self, first, losses })
            } else {
                level.run(Group::<F, L, true> { job: &mut *job, of: self, first, losses })
            };
            done.map_err(|row| self.bad_row(job, row))
        })
    }

    #[cold]
    fn bad_row(&self, job: &Job<'_, F, RowTargets<'_, F>>, row: usize) -> Error<F> {
        let target = &job.target;
        if let Some(&value) = job.weights.get(row).filter(|weight| !weight.finite()) {
            return Error::Weight { index: row, value };
        }
        let bad = |class: &usize| !self.of.target_domain().holds(target.target(row, *class));
        match (0..target.classes).find(bad) {
            Some(class) => {
                Error::Target { index: row * target.stride + class, value: target.target(row, class) }
            }
            None => Error::Empty,
        }
    }
}

/// The rows whose losses are added up together. On a bad value, the index of its row.
struct Group<'j, 'a, 't, F, L, const GRAD: bool> {
    job: &'j mut Job<'a, F, RowTargets<'t, F>>,
    of: OverSoftmax<F, L>,
    first: usize,
    losses: &'j mut [F],
}

impl<F: Float, L: Loss<F>, const GRAD: bool> Kernel<F> for Group<'_, '_, '_, F, L, GRAD> {
    type Output = Result<(), usize>;

    #[inline(always)]
    fn run<V: Lanes<Elem = F>, const WIDTH: usize, const PARTS: usize>(self, zero: V) -> Self::Output {
        let Group { job, of, first, losses } = self;
        for (row, loss) in (first..).zip(losses.iter_mut()) {
            let weight = job.weights.get(row).copied().unwrap_or(F::ONE);
            if !weight.finite() {
                return Err(row);
            }
            let unweighted = one_row::<F, L, V, WIDTH, PARTS, GRAD>(job, of, zero, row, weight).ok_or(row)?;
            *loss = if weight == F::ZERO { F::ZERO } else { unweighted * weight };
        }
        if let Some(each) = job.each.get_mut(first..first + losses.len()) {
            each.copy_from_slice(losses);
        }
        Ok(())
    }
}

/// The loss of a row, without its weight; none where a target is bad.
#[inline(always)]
fn one_row<F, L, V, const WIDTH: usize, const PARTS: usize, const GRAD: bool>(
    job: &mut Job<'_, F, RowTargets<'_, F>>,
    of: OverSoftmax<F, L>,
    zero: V,
    row: usize,
    weight: F,
) -> Option<F>
where
    F: Float,
    L: Loss<F>,
    V: Lanes<Elem = F>,
{
    let RowTargets { classes, stride, .. } = job.target;
    let elements = row * stride..row * stride + classes;
    let masked = weight == F::ZERO || job.target.ignored(row, of.ignore_index);
    let label = job.target.label(row);
    let class_weight = job.target.class_weight(row);
    let mut room = Row {
        logits: job.pred.get(elements.clone()).unwrap_or_default(),
        grad: job.grad.get_mut(elements.clone()).unwrap_or_default(),
    };

    let max = maximum(zero, room.logits());
    let at = place(zero, room.logits(), max);
    if let Some(hits) = &mut job.target.hits {
        let wanted = match (label, job.target.of) {
            (None, OfRow::Each(target)) => {
                let target = target.get(elements.clone()).unwrap_or_default();
                Some(place(zero, target, maximum(zero, target)))
            }
            (label, _) => label,
        };
        hits[row] = !masked && wanted == Some(at);
    }
    if !max.finite() || masked {
        let number = |room: &Row<'_, F>| room.logits().iter().all(|z| !z.nan());
        if let Some(log_sums) = &mut job.target.log_sums {
            log_sums[row] = if !number(&room) {
                F::NAN
            } else if max.finite() {
                Facts::new::<V, WIDTH, PARTS, false>(zero, of.logits, &mut room, max, at).log_sum
            } else {
                max
            };
        }
        let (loss, slope) = if masked { (F::ZERO, F::ZERO) } else { (F::NAN, F::NAN) };
        for grad in room.grad {
            *grad = if job.add { *grad + slope } else { slope };
        }
        return Some(loss);
    }

    let plain = of.label_alone && of.smoothing == F::ZERO;
    let kept = GRAD && !job.add && !of.logits.capped() && label.is_some() && plain;
    let before = label.map(|label| room.logits()[label]);
    let facts = match kept {
        true => Facts::new::<V, WIDTH, PARTS, true>(zero, of.logits, &mut room, max, at),
        false => Facts::new::<V, WIDTH, PARTS, false>(zero, of.logits, &mut room, max, at),
    };
    if let Some(log_sums) = &mut job.target.log_sums {
        log_sums[row] = facts.log_sum;
    }
    let factor = weight * job.lift * job.factor;
    let of_log_sum = if of.z_loss == F::ZERO { F::ZERO } else { (of.z_loss + of.z_loss) * facts.log_sum };
    let z_loss = if of.z_loss == F::ZERO { F::ZERO } else { of.z_loss * facts.log_sum * facts.log_sum };

    if let (Some(label), Some(z), true) = (label, before, plain) {
        let single = zero.single();
        let down = facts.down(single.splat(z));
        // Of nothing at all there is no part, however improbable it is.
        let own = if class_weight == F::ZERO { F::ZERO } else { class_weight * (lane(down) + facts.log) };
        if GRAD {
            let share = facts.sums.share(facts.exp(single.splat(z)));
            let missed = if label == at { facts.sums.missed() } else { F::ONE - lane(share) };
            let slope = of_log_sum * lane(share) - class_weight * missed;
            let old = room.grad[label];
            let all = Spread { facts: &facts, factor, share: class_weight + of_log_sum, add: job.add };
            all.write::<V>(zero, &mut room, kept);
            let slope = slope * (factor * lane(of.logits.slope(single.splat(z))));
            room.grad[label] = if job.add { old + slope } else { slope };
        }
        return Some(own + z_loss);
    }

    let class_weights = job.target.class_weights.unwrap_or_default();
    let targets = Distribution {
        of: match job.target.of {
            OfRow::Each(target) => target.get(elements).unwrap_or_default(),
            OfRow::Label(_) => &[],
        },
        label: label.unwrap_or(usize::MAX),
        class_weights,
        kept: F::ONE - of.smoothing,
        everywhere: of.smoothing / F::from_count(classes as u64),
        teacher: None,
    };
    let targets = if of.teacher { targets.softmax::<V, WIDTH, PARTS>(zero, of.logits)? } else { targets };
    let dense = Dense { facts: &facts, of: of.of, targets, of_log_sum };
    let (loss, slopes) = dense.sums::<V, WIDTH, PARTS>(zero, room.logits())?;
    if GRAD {
        dense.write::<V>(zero, &mut room, slopes, factor, job.add);
    }
    Some(loss + z_loss)
}

/// The first lane.
#[inline(always)]
fn lane<V: Lanes>(lanes: V) -> V::Elem {
    let mut room = [V::Elem::ZERO];
    lanes.store_first(&mut room);
    room[0]
}

/// What is known of a row once its exponentials have been added up.
struct Facts<F> {
    logits: Logits<F>,
    power: Power<F>,
    /// The greatest logit under its cap.
    max: F,
    sums: Sums<F>,
    /// ln(1 + S): what the log-sum-exp has beside the greatest logit.
    log: F,
    log_sum: F,
}

impl<F: Float> Facts<F> {
    #[inline(always)]
    fn new<V, const WIDTH: usize, const PARTS: usize, const KEEP: bool>(
        zero: V,
        logits: Logits<F>,
        room: &mut Row<'_, F>,
        max: F,
        at: usize,
    ) -> Self
    where
        V: Lanes<Elem = F>,
    {
        let single = zero.single();
        let max = lane(logits.cap(single.splat(max)));
        let power = logits.against(max);
        let rest = match logits.shaped() {
            true => room.exponentials::<V, WIDTH, PARTS, true, KEEP>(zero, power, at),
            false => room.exponentials::<V, WIDTH, PARTS, false, KEEP>(zero, power, at),
        };
        let sums = Sums::new(power.one(single, max), rest);
        let log = lane(ln_1p(single.splat(sums.odds())));
        let log_sum = lane(logits.over_temperature(single.splat(max))) + log;
        Facts { logits, power, max, sums, log, log_sum }
    }

    #[inline(always)]
    fn exp<V: Lanes<Elem = F>>(&self, z: V) -> V {
        match self.logits.shaped() {
            true => self.power.exp::<V, true>(z),
            false => self.power.exp::<V, false>(z),
        }
    }

    /// How far a logit lies below the greatest one, as the softmax sees them.
    #[inline(always)]
    fn down<V: Lanes<Elem = F>>(&self, z: V) -> V {
        self.logits.over_temperature(z.splat(self.max) - self.logits.cap(z))
    }
}

/// A gradient that is a multiple of the shares.
struct Spread<'f, F> {
    facts: &'f Facts<F>,
    factor: F,
    share: F,
    add: bool,
}

impl<F: Float> Spread<'_, F> {
    #[inline(always)]
    fn write<V: Lanes<Elem = F>>(&self, zero: V, room: &mut Row<'_, F>, kept: bool) {
        let Spread { facts, factor, share, add } = *self;
        let classes = room.grad.len();
        if kept {
            let factor = zero.splat(share * factor * facts.logits.inverse());
            let (registers, last) = room.grad.split_at_mut(classes - classes % V::LANES);
            for register in registers.chunks_exact_mut(V::LANES) {
                (facts.sums.share(zero.load(register)) * factor).store(register);
            }
            if !last.is_empty() {
                (facts.sums.share(zero.load_first(last)) * factor).store_first(last);
            }
            return;
        }
        let factor = zero.splat(share * factor);
        for at in (0..classes).step_by(V::LANES) {
            let (z, _) = load_from(zero, room.logits(), at);
            let slope = facts.sums.share(facts.exp(z)) * (factor * facts.logits.slope(z));
            let old = if add { load_from(zero, room.grad, at).0 + slope } else { slope };
            store_from(old, room.grad, at);
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
    /// The same targets as the logits of a softmax; none where they have none.
    #[inline(always)]
    fn softmax<V, const WIDTH: usize, const PARTS: usize>(
        mut self,
        zero: V,
        logits: Logits<F>,
    ) -> Option<Self>
    where
        V: Lanes<Elem = F>,
    {
        let max = maximum(zero, self.of);
        let mut room = Row { logits: self.of, grad: &mut [] };
        if max.finite() {
            let at = place(zero, self.of, max);
            let facts = Facts::new::<V, WIDTH, PARTS, false>(zero, logits, &mut room, max, at);
            self.teacher = Some((logits, facts.max, facts.log));
        } else {
            self.teacher = Some((logits, F::NAN, F::NAN));
        }
        Some(self)
    }

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

/// A loss of the logarithms of a row's shares.
struct Dense<'a, F, L> {
    facts: &'a Facts<F>,
    of: L,
    targets: Distribution<'a, F>,
    /// How the loss changes with the log-sum-exp itself.
    of_log_sum: F,
}

impl<F: Float, L: Loss<F>> Dense<'_, F, L> {
    /// The sums of the losses of all classes and of their slopes; none where a target is bad.
    #[inline(always)]
    fn sums<V, const WIDTH: usize, const PARTS: usize>(&self, zero: V, logits: &[F]) -> Option<(F, F)>
    where
        V: Lanes<Elem = F>,
    {
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
    fn write<V: Lanes<Elem = F>>(&self, zero: V, room: &mut Row<'_, F>, slopes: F, factor: F, add: bool) {
        let all = zero.splat(self.of_log_sum - slopes);
        for at in (0..room.grad.len()).step_by(V::LANES) {
            let (z, _) = load_from(zero, room.logits(), at);
            let (_, own) = self.of.at(self.log_share(z), self.targets.at(zero, at));
            let slope = self.facts.sums.share(self.facts.exp(z)).mul_add(all, own);
            let slope = slope * (zero.splat(factor) * self.facts.logits.slope(z));
            let new = if add { load_from(zero, room.grad, at).0 + slope } else { slope };
            store_from(new, room.grad, at);
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
