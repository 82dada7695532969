//! The gradient of a row, once it is known what its exponentials are multiplied by.

use super::super::OverSoftmax;
use super::Batch;
use crate::float::Float;
use crate::lanes::Lanes;
use crate::softmax::{Row, Sums, before_line, load_from, slope_of, store_from};

impl<F: Float> Batch<F> {
    /// Writes the gradient of classes that hold the label, or do not.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    pub fn write<V: Lanes<Elem = F>>(
        &self,
        of: &OverSoftmax<F, ()>,
        zero: V,
        mut room: Row<'_, F>,
        label: Option<usize>,
        keep: bool,
        add: bool,
        lane: usize,
    ) {
        let factor = self.factor[lane];
        let before = label.and_then(|label| room.grad.get(label).copied());
        if factor.nan() {
            // So is every slope, and no exponential has been kept.
            for grad in room.grad.iter_mut() {
                *grad = *grad + factor;
            }
        } else if keep {
            self.write_kept(zero, room.grad, lane);
        } else {
            self.write_again(of, zero, &mut room, lane, add);
        }
        if let (Some(label), Some(before)) = (label, before) {
            let own = if factor.nan() { factor } else { self.slope[lane] };
            if let Some(grad) = room.grad.get_mut(label) {
                *grad = if add { before + own } else { own };
            }
        }
    }

    /// Makes the gradient of the exponentials that are in its room.
    #[inline(always)]
    pub fn write_kept<V: Lanes<Elem = F>>(&self, zero: V, grad: &mut [F], lane: usize) {
        let (slopes, ends) = (Slopes::new(self, zero, lane), Slopes::new(self, zero.single(), lane));
        // No slope asks for its lane.
        let (first, grad) = grad.split_at_mut(before_line::<V>(grad));
        ends.write(first);
        let whole = grad.len() - grad.len() % V::LANES;
        let (registers, last) = grad.split_at_mut(whole);
        if slopes.whole {
            for register in registers.chunks_exact_mut(V::LANES) {
                slopes.multiple(zero.load(register)).store(register);
            }
        } else {
            for register in registers.chunks_exact_mut(V::LANES) {
                slopes.product(zero.load(register)).store(register);
            }
        }
        ends.write(last);
    }

    /// Writes the gradient of a row past the cache. Its exponentials are worked out again: to keep them in the gradient's room
    /// would bring that into the cache.
    #[inline(always)]
    pub fn write_past<V: Lanes<Elem = F>>(
        &self,
        of: &OverSoftmax<F, ()>,
        zero: V,
        logits: &[F],
        grad: &mut [F],
        lane: usize,
    ) {
        let slopes = Slopes::new(self, zero, lane);
        let power = self.powers.row(zero, of.logits, lane, self.max[lane]);
        let start = before_line::<V>(grad);
        let end = start + (grad.len() - start) / V::LANES * V::LANES;
        for range in [0..start, end..grad.len()] {
            let into = grad.get_mut(range.clone()).unwrap_or_default();
            let logits = logits.get(range).unwrap_or_default();
            slopes.multiple(power.exp::<false>(zero.load_first(logits))).store_first(into);
        }
        let logits = logits.get(start..end).unwrap_or_default().chunks_exact(V::LANES);
        let grad = grad.get_mut(start..end).unwrap_or_default().chunks_exact_mut(V::LANES);
        for (logits, into) in logits.zip(grad) {
            slopes.multiple(power.exp::<false>(zero.load(logits))).stream(into);
        }
    }

    /// Writes the gradient of a row whose exponentials are to be found again.
    #[inline(always)]
    fn write_again<V: Lanes<Elem = F>>(
        &self,
        of: &OverSoftmax<F, ()>,
        zero: V,
        room: &mut Row<'_, F>,
        lane: usize,
        add: bool,
    ) {
        let slopes = Slopes::new(self, zero, lane);
        let power = of.logits.of_row(zero, zero.single().splat(self.max[lane]));
        for at in (0..room.grad.len()).step_by(V::LANES) {
            let (z, _) = load_from(zero, room.logits(), at);
            let mut slope = slopes.of(power.of(z));
            if of.logits.capped() {
                slope = slope * of.logits.slope(z);
            }
            let new = if add { load_from(zero, room.grad, at).0 + slope } else { slope };
            store_from(new, room.grad, at);
        }
    }
}

/// What makes slopes of the exponentials of a row.
struct Slopes<V: Lanes> {
    /// The factor of exponentials in two parts, and whether both are good.
    multiple: [V; 2],
    whole: bool,
    sums: Sums<V>,
    factor: V,
}

impl<F: Float, V: Lanes<Elem = F>> Slopes<V> {
    #[inline(always)]
    fn new(batch: &Batch<F>, zero: V, lane: usize) -> Self {
        Slopes {
            multiple: [zero.splat(batch.multiple[0][lane]), zero.splat(batch.multiple[1][lane])],
            whole: batch.multiple[1][lane].finite(),
            sums: Sums::of_inverse(zero, [batch.inverse[0][lane], batch.inverse[1][lane]]),
            factor: zero.splat(batch.factor[lane]),
        }
    }

    #[inline(always)]
    fn multiple(&self, exponential: V) -> V {
        slope_of(exponential, self.multiple)
    }

    #[inline(always)]
    fn product(&self, exponential: V) -> V {
        self.sums.share(exponential) * self.factor
    }

    /// Makes slopes of a few exponentials.
    #[inline(always)]
    fn write(&self, exponentials: &mut [F]) {
        let mut registers = exponentials.chunks_exact_mut(V::LANES);
        for register in registers.by_ref() {
            self.of(self.factor.load(register)).store(register);
        }
        let last = registers.into_remainder();
        self.of(self.factor.load_first(last)).store_first(last);
    }

    /// The slope, whichever way it is found.
    #[inline(always)]
    fn of(&self, exponential: V) -> V {
        if self.whole { self.multiple(exponential) } else { self.product(exponential) }
    }
}
