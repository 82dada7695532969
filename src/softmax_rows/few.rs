//! Rows of few classes, a row a lane: as many rows at once as a register has lanes, and no fold at the end of each.

use core::ops::Range;

use super::label::{Found, Known, Weights};
use super::{OverSoftmax, no_log_sum};
use crate::dispatch::Kernel;
use crate::error::Error;
use crate::float::Float;
use crate::job::Job;
use crate::lanes::{Lanes, Mask};
use crate::row_loss::RowTargets;
use crate::softmax::{Power, ROWS};
use crate::sum::{Aligned, LaneSum};

/// Rows of at most so many classes go this way.
pub const FEW: usize = 64;
/// Classes that are loaded and stored together.
const GROUP: usize = 4;

/// The weighted losses of rows from `first` on; their gradients are written.
pub struct Rows<'j, 'a, 't, F: Float> {
    pub job: &'j mut Job<'a, F, RowTargets<'t, F>>,
    pub of: OverSoftmax<F, ()>,
    pub first: usize,
    pub losses: &'j mut [F],
    pub room: &'j mut Room<F>,
}

/// The logits of a register's rows. Where these kernels run a number at a time only, that is one row.
const ROOM: usize =
    if cfg!(all(not(x86_dispatch), any(small, not(portable_simd)))) { FEW } else { ROWS * FEW };

/// What a call needs beside its slices, written once a call.
pub struct Room<F> {
    /// Copies of rows.
    rows: [F; ROOM],
    /// The exponentials, class by class.
    exponentials: Aligned<[F; ROOM]>,
}

impl<F: Float> Room<F> {
    pub fn new() -> Self {
        Room { rows: [F::ZERO; ROOM], exponentials: Aligned([F::ZERO; ROOM]) }
    }
}

impl<F: Float> Kernel<F> for Rows<'_, '_, '_, F> {
    type Output = Result<(), Error<F>>;
    const RARE: bool = true;

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
    let Room { rows: room, exponentials: Aligned(exponentials) } = room;
    let mut lanes = [F::ZERO; ROWS];
    job.target.classes_of_labels(first, lanes.get_mut(..count).unwrap_or_default());
    let class = zero.load(&lanes);
    let mut weights = Weights::new(job, zero, first, count);
    // A label that is no class has been seen to be that of a row that is left out.
    weights.masked = weights.masked | class.lt(zero);
    if let Some(ignored) = of.ignore_index.and_then(|index| i16::try_from(index).ok()) {
        weights.masked = weights.masked | class.eq(zero.splat(F::from(ignored)));
    }
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
    let tile = Tile { of, weights, class, classes };
    let (known, at) = tile.add_up(zero, from, row, exponentials);
    let found = known.find(job.lift, job.factor, of);
    if job.target.hits.is_some() || job.target.log_sums.is_some() {
        tile.report(job, &found, at, first..first + count, elements.start);
    }
    let grad = job.grad.get_mut(elements).unwrap_or_default();
    if !grad.is_empty() {
        if staged && job.add {
            copy_rows(grad, stride, room, wide, classes);
        }
        let (into, row) = if staged { (&mut room[..], wide) } else { (&mut *grad, stride) };
        tile.write(&found, zero, exponentials, into, row, job.add);
        if staged {
            copy_rows(room, wide, grad, stride, classes);
        }
    }
    found.loss
}

/// Copies the classes of as many rows as both have.
fn copy_rows<F: Float>(from: &[F], from_stride: usize, into: &mut [F], into_stride: usize, classes: usize) {
    for (from, into) in from.chunks(from_stride.max(1)).zip(into.chunks_mut(into_stride.max(1))) {
        if let (Some(from), Some(into)) = (from.get(..classes), into.get_mut(..classes)) {
            into.copy_from_slice(from);
        }
    }
}

/// As many rows as a register has lanes.
struct Tile<'a, F, V: Lanes> {
    of: &'a OverSoftmax<F, ()>,
    weights: Weights<V>,
    /// The label's class.
    class: V,
    classes: usize,
}

impl<F: Float, V: Lanes<Elem = F>> Tile<'_, F, V> {
    /// Finds the exponentials, class by class, and what is known of the rows then; with the class of the greatest logit.
    #[inline(always)]
    fn add_up(&self, zero: V, logits: &[F], stride: usize, values: &mut [F]) -> (Known<V>, V) {
        let classes = self.classes;
        let values = values.get_mut(..classes.max(GROUP) * V::LANES).unwrap_or_default();
        for start in starts(classes) {
            let columns = zero.load_columns(logits.get(start..).unwrap_or_default(), stride);
            let values = values.get_mut(start * V::LANES..).unwrap_or_default();
            for (column, into) in columns.into_iter().zip(values.chunks_exact_mut(V::LANES)) {
                column.store(into);
            }
        }
        let values = values.get_mut(..classes * V::LANES).unwrap_or_default();
        let (mut max, mut at, mut place) = (zero.splat(-F::INFINITY), zero, zero);
        for z in values.chunks_exact(V::LANES) {
            let z = zero.load(z);
            at = z.gt(max).select(place, at);
            max = z.max(max);
            place = place + zero.splat(F::ONE);
        }
        let finite = max.abs().le(zero.splat(F::MAX));
        let finite_max = finite.select(max, zero);
        let power = self.of.logits.against(finite_max);
        let (rest, own) = match self.of.logits.shaped_any(finite_max) {
            false => self.exponentials::<false>(zero, values, power, at),
            true => self.exponentials::<true>(zero, values, power, at),
        };
        let known = Known {
            weights: self.weights,
            max,
            own: own[0],
            own_exponential: Some(own[1]),
            rest: rest.pair(),
            hit: self.class.eq(at),
        };
        (known, at)
    }

    /// Makes exponentials of logits. Their sum, but for those of the classes `at`; the label's logit and exponential.
    #[inline(always)]
    fn exponentials<const SHAPED: bool>(
        &self,
        zero: V,
        values: &mut [F],
        power: Power<V>,
        at: V,
    ) -> (LaneSum<V>, [V; 2]) {
        let mut rest = LaneSum::new(zero);
        let (mut own, mut own_exponential, mut place) = (zero, zero, zero);
        for value in values.chunks_exact_mut(V::LANES) {
            let z = zero.load(value);
            let e = power.exp::<SHAPED>(z);
            e.store(value);
            let labelled = self.class.eq(place);
            own = labelled.select(z, own);
            own_exponential = labelled.select(e, own_exponential);
            // Plainly, two at a time, the loss would be more than its 3 ULP off.
            rest.add(at.eq(place).select(zero, e), true);
            place = place + zero.splat(F::ONE);
        }
        (rest, [own, own_exponential])
    }

    #[inline(always)]
    fn write(&self, found: &Found<V>, zero: V, values: &[F], grad: &mut [F], stride: usize, add: bool) {
        let masked = self.weights.masked;
        let any_masked = masked.any();
        let (mut done, mut place, one) = (0, zero, zero.splat(F::ONE));
        for start in starts(self.classes) {
            if start < done {
                place = zero.splat(F::from(start as i16));
            }
            let mut columns = [zero; GROUP];
            let mut before = columns;
            if add {
                before = zero.load_columns(grad.get(start..).unwrap_or_default(), stride);
            }
            for (column, (slope, before)) in columns.iter_mut().zip(before).enumerate() {
                let e = zero.load(values.get((start + column) * V::LANES..).unwrap_or_default());
                *slope = self.class.eq(place).select(found.slope, found.sums.share(e) * found.factor);
                if any_masked {
                    *slope = masked.select(zero, *slope);
                }
                if add {
                    // The last columns overlap those before, which have been added already.
                    *slope = if start + column < done { before } else { before + *slope };
                }
                place = place + one;
            }
            V::store_columns(columns, grad.get_mut(start..).unwrap_or_default(), stride);
            done = start + GROUP;
        }
    }

    /// Writes the outputs of rows beside losses and gradient.
    #[inline(always)]
    fn report(
        &self,
        job: &mut Job<'_, F, RowTargets<'_, F>>,
        found: &Found<V>,
        at: V,
        rows: Range<usize>,
        start: usize,
    ) {
        let RowTargets { classes, stride, .. } = job.target;
        let mut log_sums = [F::ZERO; ROWS];
        found.log_sum.store(&mut log_sums);
        if log_sums.iter().take(rows.len()).any(|sum| !sum.finite()) {
            let logits = if job.pred.is_empty() { &*job.grad } else { job.pred };
            let logits = logits.get(start..).unwrap_or_default().chunks(stride.max(1));
            for (log_sum, row) in log_sums.iter_mut().zip(logits).take(rows.len()) {
                // Only where the greatest logit is no number, there is no sum.
                let greatest = no_log_sum(row.get(..classes).unwrap_or(row));
                *log_sum = if greatest.finite() { *log_sum } else { greatest };
            }
        }
        if let Some(hits) = &mut job.target.hits {
            let (mut places, mut wanted) = ([F::ZERO; ROWS], [F::ZERO; ROWS]);
            at.store(&mut places);
            self.weights.masked.select(at.splat(-F::ONE), self.class).store(&mut wanted);
            for (lane, hit) in (0..ROWS).zip(hits.get_mut(rows.clone()).unwrap_or_default()) {
                *hit = places[lane] == wanted[lane] && !log_sums[lane].nan();
            }
        }
        if let Some(into) = job.target.log_sums.as_mut().and_then(|sums| sums.get_mut(rows)) {
            into.iter_mut().zip(log_sums).for_each(|(into, log_sum)| *into = log_sum);
        }
    }
}

/// Where groups of columns begin; the last one may overlap the one before.
#[inline(always)]
fn starts(classes: usize) -> impl Iterator<Item = usize> {
    (0..classes).step_by(GROUP).map(move |start| start.min(classes.saturating_sub(GROUP)))
}
