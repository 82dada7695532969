//! Rows of few classes, as many as a register has lanes.

use core::ops::Range;

use crate::float::Float;
use crate::job::Job;
use crate::lanes::{Lanes, Mask};
use crate::row_loss::RowTargets;
use crate::softmax::{Power, ROWS, lane, load_from, slope_of};
use crate::softmax_rows::label::{Found, Known, Weights};
use crate::softmax_rows::{OverSoftmax, logits_from, no_log_sum};
use crate::sum::{quick_two_sum_of, two_sum_of};

/// Rows of at most so many classes go this way.
pub const FEW: usize = 64;
/// Classes that are loaded and stored together.
pub const GROUP: usize = 4;

/// As many rows as a register has lanes.
pub struct Tile<'a, F, V: Lanes> {
    zero: V,
    of: &'a OverSoftmax<F, ()>,
    /// The classes as numbers.
    places: &'a [F],
    weights: Weights<V>,
    /// The label's class.
    class: V,
    classes: usize,
}

/// What a look at the logits of a tile tells.
pub struct Looked<V: Lanes> {
    max: V,
    /// The second greatest is the greatest once more where there are several.
    second: V,
    /// Where the greatest logit is one of several equal ones, and how many more of them there are.
    tied: V::Mask,
    more: V,
    /// The class of the greatest logit, where that is wanted.
    pub at: V,
    power: Power<V>,
    /// The greatest exponential.
    top: V,
    /// Whether something is subtracted from logits before their exponentials are made.
    shaped: bool,
}

impl<'a, F: Float, V: Lanes<Elem = F>> Tile<'a, F, V> {
    /// Rows of which the label's classes are known.
    #[inline(always)]
    pub fn new(
        job: &Job<'_, F, RowTargets<'_, F>>,
        of: &'a OverSoftmax<F, ()>,
        zero: V,
        first: usize,
        own: &[F],
        places: &'a [F; FEW],
    ) -> Self {
        let (class, count) = load_from(zero, own, 0);
        let mut weights = Weights::new(job, zero, first, count);
        // A label that is no class has been seen to be that of a row that is left out.
        weights.masked = weights.masked | class.lt(zero);
        if let Some(ignored) = of.ignore_index.and_then(|index| i16::try_from(index).ok()) {
            weights.masked = weights.masked | class.eq(zero.splat(F::from(ignored)));
        }
        Tile { zero, of, places, weights, class, classes: job.target.classes }
    }

    /// The logits, class by class.
    #[inline(always)]
    pub fn load(&self, logits: &[F], stride: usize, values: &mut [F]) {
        let Tile { zero, classes, .. } = *self;
        if V::LANES == 1 {
            // One row is its columns.
            let values = values.get_mut(..classes).unwrap_or_default();
            values.iter_mut().zip(logits).for_each(|(value, &logit)| *value = logit);
            return;
        }
        for start in starts(classes) {
            let columns = zero.load_columns(logits.get(start..).unwrap_or_default(), stride);
            if let Some(values) = values.get_mut(start * V::LANES..(start + GROUP) * V::LANES) {
                for (column, into) in columns.into_iter().zip(values.chunks_exact_mut(V::LANES)) {
                    column.store(into);
                }
            }
        }
    }

    /// Finds the greatest logits, and what makes their rows' exponentials.
    #[inline(always)]
    pub fn look(&self, values: &[F], wanted: bool) -> Looked<V> {
        let Tile { zero, of, places, classes, .. } = *self;
        let values = values.get(..classes * V::LANES).unwrap_or_default();
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
        let power = of.logits.against(finite_max);
        let shaped = of.logits.shaped_any(finite_max);
        // Long before it is needed, since the CPU cannot look that far ahead.
        let top = power.of_greatest().abreast();
        Looked { max, second, tied, more, at, power, top, shaped }
    }

    /// Makes exponentials of logits, and finds what is known of the rows then.
    #[inline(always)]
    pub fn add_up(&self, looked: &Looked<V>, values: &mut [F]) -> Known<V> {
        let Looked { max, second, tied, more, power, top, .. } = *looked;
        let values = values.get_mut(..self.classes * V::LANES).unwrap_or_default();
        let (mut rest, [own, own_exponential]) = match looked.shaped {
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
        Known { weights: self.weights, max, own, exponentials, rest, hit }
    }

    /// What the rows come to.
    #[inline(always)]
    pub fn find(&self, job: &Job<'_, F, RowTargets<'_, F>>, known: Known<V>) -> Found<V> {
        let Tile { zero, of, weights, .. } = *self;
        let weighed = !job.weights.is_empty() || job.target.class_weights.is_some() || of.z_loss != F::ZERO;
        if !cfg!(small) && !weighed {
            // The compiler leaves out what changes nothing.
            let weights = Weights { masked: weights.masked, ..Weights::ones(zero) };
            let of = OverSoftmax { z_loss: F::ZERO, ..*of };
            Known { weights, ..known }.find(job.lift, job.factor, &of)
        } else {
            known.find(job.lift, job.factor, of)
        }
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

    /// Writes the gradient of the rows, from their exponentials.
    #[inline(always)]
    pub fn write(&self, found: &Found<V>, values: &mut [F], grad: &mut [F], stride: usize, add: bool) {
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
        if V::LANES == 1 {
            let numbers = grad.iter_mut().zip(values.iter()).zip(places).take(classes);
            for ((grad, &value), &place) in numbers {
                let slope = lane(self.slope(zero.splat(value), place, parts, factor, slope));
                *grad = if add { *grad + slope } else { slope };
            }
            return;
        }
        let mut done = 0;
        for start in starts(classes) {
            let grad = grad.get_mut(start..).unwrap_or_default();
            let values = values.get(start * V::LANES..(start + GROUP) * V::LANES).unwrap_or_default();
            let places = places.get(start..start + GROUP).unwrap_or_default();
            let mut columns = [zero; GROUP];
            for ((column, value), &place) in columns.iter_mut().zip(values.chunks_exact(V::LANES)).zip(places)
            {
                *column = self.slope(zero.load(value), place, parts, factor, slope);
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

    /// The slope of a class's logits, from their exponentials; `own` is that of the label's.
    #[inline(always)]
    fn slope(&self, exponential: V, place: F, parts: [V; 2], factor: V, own: V) -> V {
        let other = slope_of(exponential, parts) * factor;
        self.class.ne(own.splat(place)).select(other, own)
    }

    /// Writes the outputs of rows beside losses and gradient.
    #[inline(always)]
    pub fn report(
        &self,
        job: &mut Job<'_, F, RowTargets<'_, F>>,
        found: &Found<V>,
        at: V,
        rows: Range<usize>,
    ) {
        if job.target.hits.is_none() && job.target.log_sums.is_none() {
            return;
        }
        let RowTargets { classes, stride, .. } = job.target;
        let mut log_sums = [F::ZERO; ROWS];
        found.log_sum.store(&mut log_sums);
        if log_sums.iter().take(rows.len()).any(|sum| !sum.finite()) {
            let logits = logits_from(job, rows.start).chunks(stride.max(1));
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
