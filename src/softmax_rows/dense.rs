//! Rows that are compared with a number for each class: target distributions, smoothed labels among them.
//!
//! With h the slope of the loss by the logarithms of the shares, the slope by a logit is h - share (sum of all h).

use super::{OverSoftmax, greatest, no_log_sum};
use crate::dispatch::{Kernel, Level};
use crate::error::Error;
use crate::float::Float;
use crate::job::Job;
use crate::lanes::{Lanes, Mask, Scalar};
use crate::loss::{Domain, Loss};
use crate::math::ln_1p;
use crate::row_loss::{OfRow, RowTargets};
use crate::softmax::{Logits, Power, Row, Sums, is_place, lane, load_from, maximum, store_from};
use crate::sum::{Aligned, LaneSum, align_frame, fold, store_rows};

impl<F: Float, L: Loss<F>> OverSoftmax<F, L> {
    /// The weighted loss of a row; its gradient is written.
    pub(super) fn row(
        &self,
        job: &mut Job<'_, F, RowTargets<'_, F>>,
        level: Level,
        row: usize,
    ) -> Result<F, Error<F>> {
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
        let room = Row::new(
            job.pred.get(elements.clone()).unwrap_or_default(),
            job.grad.get_mut(elements).unwrap_or_default(),
        );

        // Rows that are left out have no loss, but may be asked for their log-sum-exp.
        let outputs = job.target.log_sums.is_some() || job.target.hits.is_some();
        let known = !masked || outputs;
        let facts = known.then(|| self.softmax(level, room.logits())).flatten();
        let log_sum = facts.map_or_else(|| no_log_sum(room.logits()), |facts| facts.log_sum);
        if let Some(into) = job.target.log_sums.as_mut().and_then(|log_sums| log_sums.get_mut(row)) {
            *into = log_sum;
        }
        if let Some(hit) = job.target.hits.as_mut().and_then(|hits| hits.get_mut(row)) {
            let wanted = label.or_else(|| greatest(target));
            let at = facts.map_or_else(|| greatest(room.logits()), |facts| Some(facts.at));
            *hit = !masked && wanted.is_some() && at == wanted && !log_sum.nan();
        }
        if facts.is_none() && !masked {
            self.check_targets(&job.target, row)?;
        }
        let Some(facts) = facts.filter(|_| !masked) else {
            let (loss, slope) = if masked { (F::ZERO, F::ZERO) } else { (F::NAN, F::NAN) };
            for grad in room.grad {
                *grad = if job.add { *grad + slope } else { slope };
            }
            return Ok(loss);
        };

        let mut targets = Distribution {
            of: target,
            label: label.unwrap_or(usize::MAX),
            class_weights: job.target.class_weights.unwrap_or_default(),
            kept: F::ONE - self.smoothing,
            added: self.smoothing / F::from_count((classes - usize::from(self.over_others)) as u64),
            over_others: self.over_others,
            teacher: None,
        };
        if self.teacher {
            let teacher = self.softmax(level, target);
            let (max, log) = teacher.map_or((F::NAN, F::NAN), |facts| (facts.max, facts.log));
            targets.teacher = Some((self.logits, max, log));
        }
        let z_loss = match self.z_loss {
            zero if zero == F::ZERO => [F::ZERO; 2],
            factor => [factor * facts.log_sum * facts.log_sum, (factor + factor) * facts.log_sum],
        };
        let factor = weight * job.lift * job.factor;
        let dense = Dense { room, facts, of: self.of, targets, z_loss, factor, add: job.add };
        match level.run(dense) {
            Some(loss) => Ok(loss * weight),
            None => self.check_targets(&job.target, row).map(|()| F::NAN),
        }
    }

    fn softmax(&self, level: Level, row: &[F]) -> Option<Facts<F>> {
        level.run(Softmax { row, logits: self.logits })
    }

    /// An error for the first target of a row that is out of its domain.
    #[cold]
    fn check_targets(&self, target: &RowTargets<'_, F>, row: usize) -> Result<(), Error<F>> {
        let values =
            (0..target.classes).map(|class| (row * target.stride + class, target.target(row, class)));
        let bad = values.into_iter().find(|&(_, value)| !self.of.target_domain().holds(value));
        bad.map_or(Ok(()), |(index, value)| Err(Error::Target { index, value }))
    }
}

/// What is known of a row once its exponentials have been added up.
#[derive(Clone, Copy)]
struct Facts<F> {
    logits: Logits<F>,
    /// The place of the greatest logit, and that itself.
    at: usize,
    max: F,
    sums: Sums<Scalar<F>>,
    /// ln(1 + S): what the log-sum-exp has beside the greatest logit.
    log: F,
    log_sum: F,
}

/// Adds up the exponentials of a row; none where the maximum is no number.
struct Softmax<'a, F> {
    row: &'a [F],
    logits: Logits<F>,
}

impl<F: Float> Kernel<F> for Softmax<'_, F> {
    type Output = Option<Facts<F>>;
    type Home = Self;
    const RARE: bool = true;

    #[inline(always)]
    fn run<V: Lanes<Elem = F>, const WIDTH: usize, const PARTS: usize>(self, zero: V) -> Self::Output {
        align_frame();
        let Softmax { row, logits } = self;
        let mut room = Row::new(row, &mut []);
        let (max, at) = maximum(zero, row);
        if !max.finite() {
            return None;
        }
        let single = zero.single().splat(max);
        let top = lane(logits.against(single).of_greatest());
        let power = logits.of_row(zero, single);
        let rest = room.exponentials::<V, WIDTH, PARTS>(zero, power, logits.shaped(max), at, false);
        let sums = Sums::new(Scalar(top), [Scalar(rest.high), Scalar(rest.low)]);
        let log = lane(ln_1p(zero.single().splat(sums.odds().0)));
        let log_sum = lane(logits.over_temperature(logits.cap(single))) + log;
        Some(Facts { logits, at, max, sums, log, log_sum })
    }
}

impl<F: Float> Facts<F> {
    /// What makes a logit's exponential in the units of the sums.
    #[inline(always)]
    fn power<V: Lanes<Elem = F>>(&self, zero: V) -> Power<V> {
        self.logits.of_row(zero, zero.single().splat(self.max))
    }

    /// The share of a logit.
    #[inline(always)]
    fn share<V: Lanes<Elem = F>>(&self, power: &Power<V>, z: V) -> V {
        self.sums.splat(z).share(power.of(z))
    }

    /// How far a logit lies below the greatest one, as the softmax sees them.
    #[inline(always)]
    fn down<V: Lanes<Elem = F>>(&self, z: V) -> V {
        self.logits.down(z.splat(self.max), z)
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
    /// What smoothing leaves of a target, and what it adds to each, or to what each lacks of 1.
    kept: F,
    added: F,
    over_others: bool,
    /// Of the teacher's logits, where targets are such: what makes them, the greatest of them, and ln(1 + S).
    teacher: Option<(Logits<F>, F, F)>,
}

impl<F: Float> Distribution<'_, F> {
    /// Lanes whose targets, as they are given, lie in the domain; none where it is everything, or there is a label.
    #[inline(always)]
    fn inside<V: Lanes<Elem = F>>(&self, zero: V, at: usize, domain: Domain<F>) -> Option<V::Mask> {
        if self.of.is_empty() { None } else { domain.inside(load_from(zero, self.of, at).0) }
    }

    #[cfg_attr(not(called), inline(always))]
    #[cfg_attr(called, inline(never))]
    fn at<V: Lanes<Elem = F>>(&self, zero: V, at: usize) -> V {
        let mut target = match self.of.is_empty() {
            true => is_place(zero, at, self.label).select(zero.splat(F::ONE), zero),
            false => load_from(zero, self.of, at).0,
        };
        if let Some((logits, max, log)) = self.teacher {
            let down = logits.down(zero.splat(max), target);
            return zero - (down + zero.splat(log));
        }
        if self.added != F::ZERO {
            let one = zero.splat(F::ONE);
            // Where all of a label goes to the others, exactly nothing is left of it.
            let lacking = if self.over_others { one - target } else { one };
            target = target * zero.splat(self.kept) + lacking * zero.splat(self.added);
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
    type Home = Self;
    const RARE: bool = true;

    #[inline(always)]
    fn run<V: Lanes<Elem = F>, const WIDTH: usize, const PARTS: usize>(mut self, zero: V) -> Option<F> {
        align_frame();
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
    fn sums<V, const WIDTH: usize, const PARTS: usize>(&mut self, zero: V) -> Option<(F, F)>
    where
        V: Lanes<Elem = F>,
    {
        let classes = self.room.logits().len();
        let Aligned([losses, slopes]) = &mut Aligned([[[F::ZERO; WIDTH]; 2]; 2]);
        let mut at = 0;
        // Whole rows of lanes with sums in registers, and what is left one register at a time with sums in memory.
        if cfg!(not(small)) && V::LANES > 1 && classes >= WIDTH {
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
            for (term, [sums, errors]) in [(loss, &mut *losses), (slope, &mut *slopes)] {
                let slots = at % WIDTH..at % WIDTH + V::Single::LANES;
                if let (Some(sums), Some(errors)) = (sums.get_mut(slots.clone()), errors.get_mut(slots)) {
                    let mut sum = LaneSum::load(zero, sums, errors);
                    sum.add(term);
                    sum.store(sums, errors);
                }
            }
            at += V::Single::LANES;
        }
        let loss = fold(&losses[0], Some(&losses[1]), classes).high;
        Some((loss, fold(&slopes[0], Some(&slopes[1]), classes).high))
    }

    /// Whether slopes by the logarithms of shares wait in the gradient's room until their sum is known.
    #[inline(always)]
    fn keeps(&self) -> bool {
        cfg!(not(small)) && !self.add && !self.room.logits.is_empty() && !self.room.grad.is_empty()
    }

    /// Losses and slopes of the register that begins at `at`.
    #[inline(always)]
    fn step<V: Lanes<Elem = F>>(&mut self, zero: V, at: usize) -> Option<(V, V)> {
        let (z, count) = load_from(zero, self.room.logits(), at);
        let (loss, slope) = self.of.at(self.log_share(z), self.targets.at(zero, at));
        let live = zero.first(count);
        let inside = self.targets.inside(zero, at, self.of.target_domain());
        if inside.is_some_and(|right| !(right | !live).all()) {
            return None;
        }
        let slope = live.select(slope, zero);
        if self.keeps() {
            store_from(slope, self.room.grad, at);
        }
        Some((live.select(loss, zero), slope))
    }

    #[inline(always)]
    fn log_share<V: Lanes<Elem = F>>(&self, z: V) -> V {
        -(self.facts.down(z) + z.splat(self.facts.log))
    }

    #[inline(always)]
    fn write<V: Lanes<Elem = F>>(&mut self, zero: V, slopes: F) {
        let (classes, all) = (self.room.grad.len(), self.z_loss[1] - slopes);
        let power = self.facts.power(zero);
        let mut at = 0;
        while at + V::LANES <= classes {
            self.write_register(zero, &power, all, at);
            at += V::LANES;
        }
        let zero = zero.single();
        let power = self.facts.power(zero);
        while at < classes {
            self.write_register(zero, &power, all, at);
            at += V::Single::LANES;
        }
    }

    #[inline(always)]
    fn write_register<V: Lanes<Elem = F>>(&mut self, zero: V, power: &Power<V>, all: F, at: usize) {
        let (z, _) = load_from(zero, self.room.logits(), at);
        let own = match self.keeps() {
            true => load_from(zero, self.room.grad, at).0,
            false => self.of.at(self.log_share(z), self.targets.at(zero, at)).1,
        };
        let slope = self.facts.share(power, z).mul_add(zero.splat(all), own);
        let slope = slope * (zero.splat(self.factor) * self.facts.logits.slope(z));
        let new = if self.add { load_from(zero, self.room.grad, at).0 + slope } else { slope };
        store_from(new, self.room.grad, at);
    }
}
