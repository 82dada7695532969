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
use crate::softmax::{Power, ROWS, load_from, slope_of, store_from};
use crate::sum::{Aligned, quick_two_sum_of, two_sum_of};

/// Rows of at most so many classes go this way.
pub const FEW: usize = 64;
/// Classes that are loaded and stored together.
pub const GROUP: usize = 4;

/// The weighted losses of rows from `first` on; their gradients are written.
pub struct Rows<'j, 'a, 't, F: Float> {
    pub job: &'j mut Job<'a, F, RowTargets<'t, F>>,
    pub of: OverSoftmax<F, ()>,
    pub first: usize,
    pub losses: &'j mut [F],
    pub room: Room<'j, F>,
}

/// What a call needs beside its slices, written once a call: the logits of a register's rows, twice.
pub struct Room<'a, F> {
    /// Copies of rows.
    rows: &'a mut [F],
    /// The exponentials, class by class.
    exponentials: &'a mut [F],
}

impl<F: Float> Room<'_, F> {
    /// Calls back with room for rows of so many classes.
    pub fn with<R>(classes: usize, run: &mut dyn FnMut(Room<'_, F>) -> R) -> R {
        // Where these kernels run a number at a time only, that is one row.
        const LANES: usize =
            if cfg!(all(not(x86_dispatch), any(small, not(portable_simd)))) { 1 } else { ROWS };
        // What is little used costs more than it looks: all of it is written first.
        if cfg!(small) || classes > FEW / 4 {
            Self::sized::<{ LANES * FEW }, R>(run)
        } else {
            Self::sized::<{ LANES * FEW / 4 }, R>(run)
        }
    }

    #[inline(never)]
    fn sized<const N: usize, R>(run: &mut dyn FnMut(Room<'_, F>) -> R) -> R {
        let (mut rows, mut exponentials) = ([F::ZERO; N], Aligned([F::ZERO; N]));
        run(Room { rows: &mut rows, exponentials: &mut exponentials.0 })
    }

    /// The same for a while.
    pub fn reborrow(&mut self) -> Room<'_, F> {
        Room { rows: self.rows, exponentials: self.exponentials }
    }
}

impl<F: Float> Kernel<F> for Rows<'_, '_, '_, F> {
    type Output = Result<(), Error<F>>;
    type Home = Self;
    const RARE: bool = true;

    #[inline(always)]
    fn run<V: Lanes<Elem = F>, const WIDTH: usize, const PARTS: usize>(self, zero: V) -> Self::Output {
        let Rows { job, of, first, losses, mut room } = self;
        let of = OverSoftmax { logits: of.logits.uncapped(), ..of };
        // Aligned, so that the compiler aligns this function's stack, and with it the registers that it has to put there.
        let Aligned(places) = &mut Aligned([F::ZERO; FEW]);
        for (place, class) in places.iter_mut().zip(0..job.target.classes as i16) {
            *place = F::from(class);
        }
        // The classes that labels name wait where the losses will be.
        job.target.classes_of_labels(first, losses);
        for (tile, losses) in losses.chunks_mut(V::LANES).enumerate() {
            let first = first + tile * V::LANES;
            let weights = job.weights.get(first..first + losses.len()).unwrap_or_default();
            if let Some(bad) = weights.iter().position(|weight| !weight.finite()) {
                return Err(Error::Weight { index: first + bad, value: weights[bad] });
            }
            let room = room.reborrow();
            if V::LANES == V::Single::LANES || losses.len() > V::Single::LANES {
                store_from(tile_at(job, &of, zero, first, losses, room, places), losses, 0);
            } else {
                // Rows that one register holds.
                store_from(tile_at(job, &of, zero.single(), first, losses, room, places), losses, 0);
            }
        }
        Ok(())
    }
}

/// The weighted losses of rows, of which the label's `places` are known.
#[inline(always)]
fn tile_at<F: Float, V: Lanes<Elem = F>>(
    job: &mut Job<'_, F, RowTargets<'_, F>>,
    of: &OverSoftmax<F, ()>,
    zero: V,
    first: usize,
    own: &[F],
    room: Room<'_, F>,
    places: &[F; FEW],
) -> V {
    let RowTargets { classes, stride, .. } = job.target;
    let Room { rows: room, exponentials } = room;
    let (class, count) = load_from(zero, own, 0);
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
    let staged = V::LANES > 1 && (count < V::LANES || classes < GROUP);
    let wide = classes.max(GROUP);
    let (from, row) = if staged {
        copy_rows(logits, stride, room, wide, classes);
        (&room[..], wide)
    } else {
        (logits, stride)
    };
    let tile = Tile { zero, of, places, weights, class, classes };
    let (known, at) = tile.add_up(from, row, exponentials, job.target.hits.is_some());
    let weighed = !job.weights.is_empty() || job.target.class_weights.is_some() || of.z_loss != F::ZERO;
    let found = if !cfg!(small) && !weighed {
        // The compiler leaves out what changes nothing.
        let weights = Weights { masked: weights.masked, ..Weights::ones(zero) };
        let of = OverSoftmax { z_loss: F::ZERO, ..*of };
        Known { weights, ..known }.find(job.lift, job.factor, &of)
    } else {
        known.find(job.lift, job.factor, of)
    };
    if job.target.hits.is_some() || job.target.log_sums.is_some() {
        tile.report(job, &found, at, first..first + count, elements.start);
    }
    let grad = job.grad.get_mut(elements).unwrap_or_default();
    if !grad.is_empty() {
        if staged && job.add {
            copy_rows(grad, stride, room, wide, classes);
        }
        let (into, row) = if staged { (&mut room[..], wide) } else { (&mut *grad, stride) };
        tile.write(&found, exponentials, into, row, job.add);
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
    zero: V,
    of: &'a OverSoftmax<F, ()>,
    /// The classes as numbers.
    places: &'a [F],
    weights: Weights<V>,
    /// The label's class.
    class: V,
    classes: usize,
}

impl<F: Float, V: Lanes<Elem = F>> Tile<'_, F, V> {
    /// Finds the exponentials, class by class, and what is known of the rows then; with the class of the greatest logit,
    /// where that is `wanted`.
    #[inline(always)]
    fn add_up(&self, logits: &[F], stride: usize, values: &mut [F], wanted: bool) -> (Known<V>, V) {
        let Tile { zero, places, classes, .. } = *self;
        if V::LANES == 1 {
            // One row is its columns.
            let values = values.get_mut(..classes).unwrap_or_default();
            values.iter_mut().zip(logits).for_each(|(value, &logit)| *value = logit);
        } else {
            for start in starts(classes) {
                let columns = zero.load_columns(logits.get(start..).unwrap_or_default(), stride);
                let values = values.get_mut(start * V::LANES..).unwrap_or_default();
                for (column, into) in columns.into_iter().zip(values.chunks_exact_mut(V::LANES)) {
                    column.store(into);
                }
            }
        }
        let values = values.get_mut(..classes * V::LANES).unwrap_or_default();
        // The second greatest is the greatest once more where there are several.
        let mut max = zero.splat(-F::INFINITY);
        let mut second = max;
        for z in values.chunks_exact(V::LANES) {
            let z = zero.load(z);
            second = max.min(z).max(second);
            max = z.max(max);
        }
        let finite = max.abs().le(zero.splat(F::MAX));
        let finite_max = finite.select(max, zero);
        let (mut at, mut more) = (zero, zero);
        if wanted {
            for (z, &place) in values.chunks_exact(V::LANES).zip(places).rev() {
                at = zero.load(z).eq(max).select(zero.splat(place), at);
            }
        }
        let tied = second.eq(max) & finite;
        if tied.any() {
            let one = zero.splat(F::ONE);
            for z in values.chunks_exact(V::LANES) {
                more = more + zero.load(z).eq(max).keep(one);
            }
            more = tied.keep(more - one);
        }
        let power = self.of.logits.against(finite_max);
        // Long before it is needed, since the CPU cannot look that far ahead.
        let top = power.of_greatest().abreast();
        let (mut rest, [own, own_exponential]) = match self.of.logits.shaped_any(finite_max) {
            false => self.exponentials::<false>(values, power, [max, second]),
            true => self.exponentials::<true>(values, power, [max, second]),
        };
        if tied.any() {
            // Nothing changes in the other lanes.
            let (sum, error) = two_sum_of(rest[0], more * top);
            rest = [sum, error + rest[1]];
        }
        let hit = own.eq(max);
        let exponentials = Some([top, own_exponential]);
        (Known { weights: self.weights, max, own, exponentials, rest, hit }, at)
    }

    /// Makes exponentials of logits. Their sum, but for the greatest ones, high and low; the label's logit and
    /// exponential.
    #[inline(always)]
    fn exponentials<const SHAPED: bool>(
        &self,
        values: &mut [F],
        power: Power<V>,
        [max, second]: [V; 2],
    ) -> ([V; 2], [V; 2]) {
        let Tile { zero, places, .. } = *self;
        // A sum that begins with the power of two in its greatest term never has a lesser exponent than a term: what each
        // addition loses takes two subtractions then (Dekker 1971). Plainly, the loss would be more than its 3 ULP off.
        let start = power.power_of_uncapped(second);
        let (mut sum, mut lost) = (start, zero);
        let (mut own, mut own_exponential) = (zero, zero);
        for (value, &place) in values.chunks_exact_mut(V::LANES).zip(places) {
            let z = zero.load(value);
            // Compiled for size, there is one function for all.
            let e = if cfg!(small) { power.of(z) } else { power.exp::<SHAPED>(z) };
            e.store(value);
            let labelled = self.class.eq(zero.splat(place));
            own = labelled.select(z, own);
            own_exponential = labelled.select(e, own_exponential);
            let term = z.ne(max).keep(e);
            let (next, error) = quick_two_sum_of(sum, term);
            (sum, lost) = (next, lost + error);
        }
        let (sum, error) = quick_two_sum_of(sum, -start);
        ([sum, error + lost], [own, own_exponential])
    }

    #[inline(always)]
    fn write(&self, found: &Found<V>, values: &mut [F], grad: &mut [F], stride: usize, add: bool) {
        let Tile { zero, places, classes, .. } = *self;
        let masked = self.weights.masked;
        let Found { sums, mut slope, mut factor, .. } = *found;
        // One factor for all, so that no small share is rounded before it; two where it is no good, too small or NaN.
        let multiple = sums.multiple(factor);
        let good = multiple[1].eq(multiple[1]);
        let [high, low] = sums.inverse();
        let mut parts = [good.select(multiple[0], high), good.select(multiple[1], low)];
        factor = good.select(zero.splat(F::ONE), factor);
        if masked.any() {
            // Nothing of rows that are left out is multiplied by anything but 0.
            let kept = !masked;
            parts = [kept.keep(parts[0]), kept.keep(parts[1])];
            (slope, factor) = (kept.keep(slope), kept.keep(factor));
            for value in values.chunks_exact_mut(V::LANES).take(classes) {
                kept.keep(zero.load(value)).store(value);
            }
        }
        for (value, &place) in values.chunks_exact_mut(V::LANES).zip(places).take(classes) {
            let other = slope_of(zero.load(value), parts) * factor;
            self.class.ne(zero.splat(place)).select(other, slope).store(value);
        }
        if V::LANES == 1 {
            let values = values.iter().take(classes);
            grad.iter_mut()
                .zip(values)
                .for_each(|(grad, &slope)| *grad = if add { *grad + slope } else { slope });
            return;
        }
        let mut done = 0;
        for start in starts(classes) {
            let values = values.get(start * V::LANES..).unwrap_or_default();
            let grad = grad.get_mut(start..).unwrap_or_default();
            let mut columns = [zero; GROUP];
            for (column, value) in columns.iter_mut().zip(values.chunks_exact(V::LANES)) {
                *column = zero.load(value);
            }
            if add {
                let before = zero.load_columns(grad, stride);
                for (place, (column, before)) in (start..).zip(columns.iter_mut().zip(before)) {
                    // The last columns overlap those before, which have been added already.
                    *column = if place < done { before } else { before + *column };
                }
            }
            V::store_columns(columns, grad, stride);
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
pub fn starts(classes: usize) -> impl Iterator<Item = usize> {
    (0..classes).step_by(GROUP).map(move |start| start.min(classes.saturating_sub(GROUP)))
}
