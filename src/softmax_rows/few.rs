//! Rows of few classes, a row a lane: as many rows at once as a register has lanes, and no fold at the end of each.

use super::OverSoftmax;
use crate::dispatch::Kernel;
use crate::error::Error;
use crate::float::Float;
use crate::job::Job;
use crate::lanes::{Lanes, Mask};
use crate::math::ln_1p;
use crate::row_loss::RowTargets;
use crate::softmax::{Power, Sums};
use crate::sum::LaneSum;

/// Rows of at most so many classes go this way.
pub const FEW: usize = 32;
/// Classes that are loaded, added plainly and stored together.
const GROUP: usize = 4;
/// The most rows of a register.
const ROWS: usize = 32;

/// Whether rows go this way: it depends on the call alone, as the bits of its results do.
pub fn applies<F: Float, L>(job: &Job<'_, F, RowTargets<'_, F>>, of: &OverSoftmax<F, L>) -> bool {
    let alone = of.label_alone && of.smoothing == F::ZERO && job.target.labelled();
    alone && job.target.classes <= FEW && !of.logits.capped()
}

/// The weighted losses of rows from `first` on; their gradients are written.
pub struct Rows<'j, 'a, 't, F: Float> {
    pub job: &'j mut Job<'a, F, RowTargets<'t, F>>,
    pub of: OverSoftmax<F, ()>,
    pub first: usize,
    pub losses: &'j mut [F],
    pub room: &'j mut Room<F>,
}

/// What a call needs beside its slices, written once a call.
pub struct Room<F> {
    /// Copies of rows.
    rows: [F; ROWS * FEW],
    /// The exponentials, class by class.
    exponentials: [F; ROWS * FEW],
}

impl<F: Float> Room<F> {
    pub fn new() -> Self {
        Room { rows: [F::ZERO; ROWS * FEW], exponentials: [F::ZERO; ROWS * FEW] }
    }
}

impl<F: Float> Kernel<F> for Rows<'_, '_, '_, F> {
    type Output = Result<(), Error<F>>;

    #[inline(always)]
    fn run<V: Lanes<Elem = F>, const WIDTH: usize, const PARTS: usize>(self, zero: V) -> Self::Output {
        let Rows { job, of, first, losses, room } = self;
        for (tile, losses) in losses.chunks_mut(V::LANES).enumerate() {
            let first = first + tile * V::LANES;
            let weights = job.weights.get(first..first + losses.len()).unwrap_or_default();
            if let Some(bad) = weights.iter().position(|weight| !weight.finite()) {
                return Err(Error::Weight { index: first + bad, value: weights[bad] });
            }
            tile_at(job, &of, zero, first, losses.len(), room).store_first(losses);
        }
        Ok(())
    }
}

/// The weighted losses of `count` rows.
#[inline(always)]
fn tile_at<F: Float, V: Lanes<Elem = F>>(
    job: &mut Job<'_, F, RowTargets<'_, F>>,
    of: &OverSoftmax<F, ()>,
    zero: V,
    first: usize,
    count: usize,
    room: &mut Room<F>,
) -> V {
    let RowTargets { classes, stride, .. } = job.target;
    let Room { rows: room, exponentials } = room;
    let labels = Labels::new(job, of, zero, first, count);
    let elements = first * stride..(first + count - 1) * stride + classes;
    let logits = if job.pred.is_empty() { &*job.grad } else { job.pred };
    let logits = logits.get(elements.clone()).unwrap_or_default();
    // Four columns are loaded at a time, of as many rows as there are lanes. Where there are less of either, copies of
    // the rows have room for more.
    let staged = count < V::LANES || classes < GROUP;
    let wide = classes.max(GROUP);
    let (from, row) = if staged {
        copy_rows(logits, stride, room, wide, classes);
        (&room[..], wide)
    } else {
        (logits, stride)
    };
    let tile = Tile { of, labels, classes };
    let sums = tile.sums(zero, from, row, exponentials);
    sums.report(job, &tile.labels, first, count, elements.start);
    let grad = job.grad.get_mut(elements).unwrap_or_default();
    if !grad.is_empty() {
        if staged && job.add {
            copy_rows(grad, stride, room, wide, classes);
        }
        let (into, row) = if staged { (&mut room[..], wide) } else { (&mut *grad, stride) };
        tile.write(&sums, zero, exponentials, into, row, job.add);
        if staged {
            copy_rows(room, wide, grad, stride, classes);
        }
    }
    tile.losses(&sums, zero)
}

/// Copies the classes of as many rows as both have.
fn copy_rows<F: Float>(from: &[F], from_stride: usize, into: &mut [F], into_stride: usize, classes: usize) {
    for (from, into) in from.chunks(from_stride).zip(into.chunks_mut(into_stride)) {
        into[..classes].copy_from_slice(&from[..classes]);
    }
}

/// What rows are compared with, a row a lane.
struct Labels<V: Lanes> {
    class: V,
    /// The weight of the row, and of its class.
    weight: V,
    class_weight: V,
    /// What the gradient is multiplied by.
    factor: V,
    /// Rows that are left out.
    masked: V::Mask,
}

impl<F: Float, V: Lanes<Elem = F>> Labels<V> {
    #[inline(always)]
    fn new(
        job: &Job<'_, F, RowTargets<'_, F>>,
        of: &OverSoftmax<F, ()>,
        zero: V,
        first: usize,
        count: usize,
    ) -> Self {
        let mut lanes = [F::ZERO; ROWS];
        job.target.classes_of_labels(first, &mut lanes[..count]);
        let class = zero.load(&lanes);
        let weight = match job.weights.get(first..first + count) {
            Some(weights) => zero.load_first(weights),
            None => zero.splat(F::ONE),
        };
        let class_weight = if job.target.class_weights.is_some() {
            for (lane, weight) in lanes[..count].iter_mut().enumerate() {
                *weight = job.target.class_weight(first + lane);
            }
            zero.load(&lanes)
        } else {
            zero.splat(F::ONE)
        };
        // A label that is no class has been seen to be that of a row that is left out.
        let mut masked = weight.eq(zero) | class.lt(zero);
        if let Some(ignored) = of.ignore_index.and_then(|index| i16::try_from(index).ok()) {
            masked = masked | class.eq(zero.splat(F::from(ignored)));
        }
        let factor = weight * zero.splat(job.lift) * zero.splat(job.factor);
        Labels { class, weight, class_weight, factor, masked }
    }
}

/// As many rows as a register has lanes.
struct Tile<'a, F, V: Lanes> {
    of: &'a OverSoftmax<F, ()>,
    labels: Labels<V>,
    classes: usize,
}

/// What their exponentials come to.
struct Found<V: Lanes> {
    power: Power<V>,
    sums: Sums<V>,
    max: V,
    /// Whether that is a number: elsewhere nothing here counts.
    finite: V::Mask,
    /// The class of the greatest logit.
    at: V,
    /// The label's logit.
    own: V,
    log: V,
    log_sum: V,
}

impl<F: Float, V: Lanes<Elem = F>> Tile<'_, F, V> {
    #[inline(always)]
    fn sums(&self, zero: V, logits: &[F], stride: usize, values: &mut [F]) -> Found<V> {
        let classes = self.classes;
        let (values, _) = values.split_at_mut(classes.max(GROUP) * V::LANES);
        for start in starts(classes) {
            let columns = zero.load_columns(&logits[start..], stride);
            for (column, into) in
                columns.into_iter().zip(values[start * V::LANES..].chunks_exact_mut(V::LANES))
            {
                column.store(into);
            }
        }
        let (values, _) = values.split_at_mut(classes * V::LANES);
        let mut max = zero.splat(-F::INFINITY);
        for z in values.chunks_exact(V::LANES) {
            max = zero.load(z).max(max);
        }
        let (mut at, mut own) = (zero, zero);
        for (class, z) in values.chunks_exact(V::LANES).enumerate().rev() {
            let (z, place) = (zero.load(z), zero.splat(F::from(class as i16)));
            at = z.eq(max).select(place, at);
            own = self.labels.class.eq(place).select(z, own);
        }
        let finite = max.abs().le(zero.splat(F::MAX));
        let safe = finite.select(max, zero);
        let power = self.of.logits.against(safe);
        let mut rest = LaneSum::new(zero);
        for (start, values) in values.chunks_mut(GROUP * V::LANES).enumerate() {
            let mut others = [zero; GROUP];
            for (class, (value, others)) in values.chunks_exact_mut(V::LANES).zip(&mut others).enumerate() {
                let e = power.of_capped(zero.load(value));
                e.store(value);
                *others = at.eq(zero.splat(F::from((start * GROUP + class) as i16))).select(zero, e);
            }
            rest.add((others[0] + others[1]) + (others[2] + others[3]), true);
        }
        let sums = Sums::new(power.of_capped(safe), rest.pair());
        let log = ln_1p(sums.odds());
        let log_sum = self.of.logits.over_temperature(safe) + log;
        Found { power, sums, max, finite, at, own, log, log_sum }
    }

    /// What a change of the log-sum-exp adds to the loss.
    #[inline(always)]
    fn of_log_sum(&self, found: &Found<V>) -> V {
        let factor = self.of.z_loss + self.of.z_loss;
        if factor == F::ZERO { found.max.splat(F::ZERO) } else { found.log_sum * found.max.splat(factor) }
    }

    #[inline(always)]
    fn losses(&self, found: &Found<V>, zero: V) -> V {
        let Labels { weight, class_weight, masked, .. } = self.labels;
        let down = self.of.logits.over_temperature(found.max - found.own);
        // Of nothing at all there is no part, however improbable it is.
        let mut loss = class_weight.eq(zero).select(zero, class_weight * (down + found.log));
        if self.of.z_loss != F::ZERO {
            loss = loss + zero.splat(self.of.z_loss) * found.log_sum * found.log_sum;
        }
        masked.select(zero, found.finite.select(loss, zero.splat(F::NAN)) * weight)
    }

    #[inline(always)]
    fn write(&self, found: &Found<V>, zero: V, values: &[F], grad: &mut [F], stride: usize, add: bool) {
        let Labels { class, class_weight, factor, masked, .. } = self.labels;
        let factor = factor * zero.splat(self.of.logits.inverse());
        let of_log_sum = self.of_log_sum(found);
        let share = found.sums.share(found.power.of_capped(found.own));
        let missed = class.eq(found.at).select(found.sums.missed(), zero.splat(F::ONE) - share);
        let nan = zero.splat(F::NAN);
        let own = found.finite.select((of_log_sum * share - class_weight * missed) * factor, nan);
        let all = found.finite.select((class_weight + of_log_sum) * factor, nan);
        let any_masked = masked.any();
        let mut done = 0;
        for start in starts(self.classes) {
            let mut columns = [zero; GROUP];
            let mut before = columns;
            if add {
                before = zero.load_columns(&grad[start..], stride);
            }
            for (column, (slope, before)) in columns.iter_mut().zip(before).enumerate() {
                let place = zero.splat(F::from((start + column) as i16));
                let spread = found.sums.share(zero.load(&values[(start + column) * V::LANES..])) * all;
                *slope = class.eq(place).select(own, spread);
                if any_masked {
                    *slope = masked.select(zero, *slope);
                }
                if add {
                    // The last columns overlap those before, which have been added already.
                    *slope = if start + column < done { before } else { before + *slope };
                }
            }
            V::store_columns(columns, &mut grad[start..], stride);
            done = start + GROUP;
        }
    }
}

impl<F: Float, V: Lanes<Elem = F>> Found<V> {
    /// Writes the outputs of rows beside the losses.
    #[inline(always)]
    fn report(
        &self,
        job: &mut Job<'_, F, RowTargets<'_, F>>,
        labels: &Labels<V>,
        first: usize,
        count: usize,
        start: usize,
    ) {
        let RowTargets { classes, stride, .. } = job.target;
        let rows = first..first + count;
        if let Some(hits) = &mut job.target.hits {
            let (mut at, mut wanted) = ([F::ZERO; ROWS], [F::ZERO; ROWS]);
            self.at.store(&mut at);
            let none = self.at.splat(-F::ONE);
            labels.masked.select(none, labels.class).store(&mut wanted);
            for (hit, (at, wanted)) in hits[rows.clone()].iter_mut().zip(at.into_iter().zip(wanted)) {
                *hit = at == wanted;
            }
        }
        if let Some(log_sums) = &mut job.target.log_sums {
            let log_sums = &mut log_sums[rows];
            self.finite.select(self.log_sum, self.max).store_first(log_sums);
            let logits = if job.pred.is_empty() { &*job.grad } else { job.pred };
            for (row, log_sum) in log_sums.iter_mut().enumerate().filter(|(_, sum)| !sum.finite()) {
                let row = &logits[start + row * stride..][..classes];
                if row.iter().any(|z| z.nan()) {
                    *log_sum = F::NAN;
                }
            }
        }
    }
}

/// Where groups of columns begin; the last one may overlap the one before.
#[inline(always)]
fn starts(classes: usize) -> impl Iterator<Item = usize> {
    (0..classes).step_by(GROUP).map(move |start| start.min(classes.saturating_sub(GROUP)))
}
