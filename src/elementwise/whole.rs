//! Whole rows without the rarer options: all that counts for the speed of long batches.

use super::far::{Stage, fetch_ahead};
use super::right;
use crate::float::Float;
use crate::job::Job;
use crate::lanes::{Lanes, Mask, Pair};
use crate::loss::Loss;
use crate::sum::LaneSum;

/// Registers of a row that are too few to hide the latency of a long chain.
const FEW: usize = 4;

impl<F: Float> Job<'_, F> {
    /// Adds up all whole rows, and writes their gradient. On a bad value, the index that its register begins at.
    #[inline(always)]
    pub fn plain_rows<L, V, const WIDTH: usize, const PARTS: usize, const GRAD: bool>(
        &mut self,
        loss: L,
        zero: V,
        sums: &mut [LaneSum<V>; PARTS],
    ) -> Result<(), usize>
    where
        L: Loss<F>,
        V: Lanes<Elem = F>,
    {
        let (targets, _) = self.target.as_chunks::<WIDTH>();
        let in_place = GRAD && self.pred.is_empty();
        let (preds, _) = if in_place { self.target } else { self.pred }.as_chunks::<WIDTH>();
        let (grads, _) = self.grad.as_chunks_mut::<WIDTH>();
        let rows = PlainRows { preds, targets, grads, in_place, factor: self.factor, done: 0 };
        rows.passes::<L, V, PARTS, GRAD, false, false>(loss, zero, sums, &mut Stage::none(zero))
    }
}

/// Whole rows of one call, of which the first few are done.
pub struct PlainRows<'a, F, const WIDTH: usize> {
    pub preds: &'a [[F; WIDTH]],
    pub targets: &'a [[F; WIDTH]],
    /// None where they are on a stage.
    pub grads: &'a mut [[F; WIDTH]],
    pub in_place: bool,
    pub factor: F,
    pub done: usize,
}

impl<F: Float, const WIDTH: usize> PlainRows<'_, F, WIDTH> {
    /// Works on all rows. On a bad value, the index that its register begins at. `FAR` is whether to fetch ahead, and
    /// `STAGED` whether slopes go to the stage; what is far and not staged is in place.
    #[cfg_attr(not(called), inline(always))]
    pub fn passes<L, V, const PARTS: usize, const GRAD: bool, const FAR: bool, const STAGED: bool>(
        mut self,
        loss: L,
        zero: V,
        sums: &mut [LaneSum<V>; PARTS],
        stage: &mut Stage<'_, V, WIDTH>,
    ) -> Result<(), usize>
    where
        L: Loss<F>,
        V: Lanes<Elem = F>,
    {
        // Of few registers a row, one row at a time leaves the CPU waiting for a long chain.
        let (two, few) = (V::Single::LANES * 2 >= WIDTH, V::Single::LANES * FEW >= WIDTH);
        match L::SHORTER {
            0 => {}
            4 if two => {
                self.pass::<L, V, Pair<Pair<V>>, PARTS, 4, GRAD, FAR, STAGED, true>(loss, zero, sums, stage)?
            }
            _ if few => {
                self.pass::<L, V, Pair<V>, PARTS, 2, GRAD, FAR, STAGED, true>(loss, zero, sums, stage)?
            }
            _ => self.pass::<L, V, V, PARTS, 1, GRAD, FAR, STAGED, true>(loss, zero, sums, stage)?,
        }
        if few && loss.long() {
            self.pass::<L, V, Pair<V>, PARTS, 2, GRAD, FAR, STAGED, false>(loss, zero, sums, stage)?;
        }
        self.pass::<L, V, V, PARTS, 1, GRAD, FAR, STAGED, false>(loss, zero, sums, stage)
    }

    /// Works on `ROWS` rows at a time, as long as there are so many: on `W`, which is `V` or `ROWS` of it. `SHORTER` is
    /// whether to take the loss's shorter form, as long as it fits.
    #[cfg_attr(not(called), inline(always))]
    fn pass<
        L,
        V,
        W,
        const PARTS: usize,
        const ROWS: usize,
        const GRAD: bool,
        const FAR: bool,
        const STAGED: bool,
        const SHORTER: bool,
    >(
        &mut self,
        loss: L,
        zero: V,
        sums: &mut [LaneSum<V>; PARTS],
        stage: &mut Stage<'_, V, WIDTH>,
    ) -> Result<(), usize>
    where
        L: Loss<F>,
        V: Lanes<Elem = F>,
        W: Rows<V>,
    {
        let (wide, done) = (W::of(zero), self.done);
        let in_place = if FAR { !STAGED } else { self.in_place };
        let factor = wide.splat(self.factor);
        let (targets, _) = self.targets[done..].as_chunks::<ROWS>();
        let (preds, _) = self.preds[done..].as_chunks::<ROWS>();
        let (grads, _) = self.grads.get_mut(done..).unwrap_or_default().as_chunks_mut::<ROWS>();
        // Slices of one length, as the compiler can see, need no branch a row, which would keep the loss and the slope
        // of a row from being worked on side by side.
        let preds = preds.get(..targets.len()).unwrap_or(targets);
        let grads = grads.get_mut(..if GRAD { targets.len() } else { 0 }).unwrap_or_default();
        for (group, target) in targets.iter().enumerate() {
            if SHORTER {
                let pred = if in_place { &grads[group] } else { &preds[group] };
                for part in 0..PARTS {
                    let lanes = part * W::LANES..(part + 1) * W::LANES;
                    let pred = wide.load(&pred.as_flattened()[lanes.clone()]);
                    if !loss.fits(pred, wide.load(&target.as_flattened()[lanes])) {
                        self.done += group * ROWS;
                        return Ok(());
                    }
                }
            }
            for (part, sum) in sums.iter_mut().enumerate() {
                let lanes = part * W::LANES..(part + 1) * W::LANES;
                let pred = if in_place { &grads[group] } else { &preds[group] };
                let (pred, target) =
                    (&pred.as_flattened()[lanes.clone()], &target.as_flattened()[lanes.clone()]);
                let (preds, targets) = (wide.load(pred), wide.load(target));
                let (value, slope) =
                    if SHORTER { loss.shorter(preds, targets) } else { loss.at(preds, targets) };
                if !SHORTER && right(loss, preds, targets).is_some_and(|right| !right.all()) {
                    return Err((done + group * ROWS) * WIDTH + lanes.start);
                }
                if FAR {
                    for row in 0..ROWS {
                        let at = row * WIDTH;
                        fetch_ahead::<V, WIDTH>(zero, done + group * ROWS + row, pred[at..].as_ptr());
                        fetch_ahead::<V, WIDTH>(zero, done + group * ROWS + row, target[at..].as_ptr());
                    }
                }
                if STAGED {
                    for row in 0..ROWS {
                        stage.put(done + group * ROWS + row, (slope * factor).row(row));
                    }
                } else if GRAD {
                    (slope * factor).store(&mut grads[group].as_flattened_mut()[lanes]);
                }
                for row in 0..ROWS {
                    sum.add_one_of(L::TERMS, value.row(row));
                }
            }
        }
        self.done += targets.len() * ROWS;
        Ok(())
    }
}

/// The registers of a row, or of a few.
trait Rows<V: Lanes>: Lanes<Elem = V::Elem> {
    fn of(one: V) -> Self;
    fn row(self, row: usize) -> V;
}

impl<V: Lanes> Rows<V> for V {
    #[inline(always)]
    fn of(one: V) -> V {
        one
    }
    #[inline(always)]
    fn row(self, _: usize) -> V {
        self
    }
}

impl<V: Lanes> Rows<V> for Pair<V> {
    #[inline(always)]
    fn of(one: V) -> Self {
        Pair::both(one)
    }
    #[inline(always)]
    fn row(self, row: usize) -> V {
        let (first, second) = self.halves();
        if row == 0 { first } else { second }
    }
}

impl<V: Lanes> Rows<V> for Pair<Pair<V>> {
    #[inline(always)]
    fn of(one: V) -> Self {
        Pair::both(Pair::of(one))
    }
    #[inline(always)]
    fn row(self, row: usize) -> V {
        let (first, second) = self.halves();
        if row < 2 { first.row(row) } else { second.row(row - 2) }
    }
}
