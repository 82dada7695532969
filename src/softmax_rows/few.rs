//! Rows of few classes, a row a lane: as many rows at once as a register has lanes, and no fold at the end of each.

use core::mem::swap;

use super::label::Found;
use super::{OverSoftmax, logits_from};
use crate::dispatch::Kernel;
use crate::error::Error;
use crate::float::Float;
use crate::job::Job;
use crate::lanes::Lanes;
use crate::row_loss::RowTargets;
use crate::softmax::{ROWS, store_from};
use crate::sum::Aligned;

mod tile;

use tile::Tile;
pub use tile::{FEW, GROUP, starts};

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
    /// Copies of rows, or the exponentials of other ones.
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
        let (mut rows, mut exponentials) = (Aligned([F::ZERO; N]), Aligned([F::ZERO; N]));
        run(Room { rows: &mut rows.0, exponentials: &mut exponentials.0 })
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
        let Rows { job, of, first, losses, room } = self;
        let of = OverSoftmax { logits: of.logits.uncapped(), ..of };
        // Aligned, so that the compiler aligns this function's stack, and with it the registers that it has to put there.
        let Aligned(places) = &mut Aligned([F::ZERO; FEW]);
        // All of them, since a column that is no class is worked on too, and no label may name it.
        for (place, class) in places.iter_mut().zip(0..) {
            *place = F::from(class);
        }
        let weights = job.weights.get(first..first + losses.len()).unwrap_or_default();
        if let Some(bad) = weights.iter().position(|weight| !weight.finite()) {
            return Err(Error::Weight { index: first + bad, value: weights[bad] });
        }
        // The classes that labels name wait where the losses will be.
        job.target.classes_of_labels(first, losses);
        let mut rows = Few { job, of: &of, places, room };
        let mut done = 0;
        if !cfg!(small) && V::LANES > 1 && rows.job.target.classes >= GROUP {
            done = losses.len() / V::LANES * V::LANES;
            rows.whole_tiles(zero, first, &mut losses[..done]);
            if done < losses.len() {
                // Exponentials of what is left there would be no normal numbers, and take long.
                rows.room.rows.fill(F::ZERO);
            }
        }
        for losses in losses[done..].chunks_mut(V::Single::LANES) {
            rows.tile(zero.single(), first + done, losses);
            done += losses.len();
        }
        Ok(())
    }
}

/// What the tiles of a call share.
struct Few<'s, 'j, 'a, 't, F: Float> {
    job: &'j mut Job<'a, F, RowTargets<'t, F>>,
    of: &'s OverSoftmax<F, ()>,
    /// The classes as numbers.
    places: &'s [F; FEW],
    room: Room<'s, F>,
}

impl<F: Float> Few<'_, '_, '_, '_, F> {
    /// Rows of which there are whole tiles. In each, a number waits for the last one at three places: where the greatest
    /// logit is known, where the sum is, and where its inverse is. So two tiles are under way at a time: the next one's
    /// logits are looked at before the gradients of one are written, and its exponentials are made after that.
    #[inline(always)]
    fn whole_tiles<V: Lanes<Elem = F>>(&mut self, zero: V, first: usize, losses: &mut [F]) {
        let Few { job, of, places, room } = self;
        let stride = job.target.stride;
        let (mut values, mut before) = (&mut *room.exponentials, &mut *room.rows);
        let mut waiting = None;
        for start in (0..=losses.len()).step_by(V::LANES) {
            let row = first + start;
            let own = losses.get_mut(start..start + V::LANES);
            let next = match &own {
                Some(own) => {
                    let tile = Tile::new(job, of, zero, row, own, places);
                    tile.load(logits_from(job, row), stride, values);
                    let looked = tile.look(values, job.target.hits.is_some());
                    Some((tile, looked))
                }
                None => None,
            };
            if let Some((tile, found)) = waiting {
                let (tile, found): (Tile<'_, F, V>, Found<V>) = (tile, found);
                let grad = job.grad.get_mut((row - V::LANES) * stride..).unwrap_or_default();
                if !grad.is_empty() {
                    tile.write(&found, before, grad, stride, job.add);
                }
            }
            waiting = match (next, own) {
                (Some((tile, looked)), Some(own)) => {
                    let known = tile.add_up(&looked, values);
                    let found = tile.find(job, known);
                    tile.report(job, &found, looked.at, row..row + V::LANES);
                    found.loss.store(own);
                    Some((tile, found))
                }
                _ => None,
            };
            swap(&mut values, &mut before);
        }
    }

    /// A tile that may have less rows than a register has lanes.
    #[inline(always)]
    fn tile<V: Lanes<Elem = F>>(&mut self, zero: V, first: usize, losses: &mut [F]) {
        let Few { job, of, places, room } = self;
        let RowTargets { classes, stride, .. } = job.target;
        let count = losses.len();
        let tile = Tile::new(job, of, zero, first, losses, places);
        // Four columns are loaded and stored at a time, of as many rows as there are lanes. Where there are less of either,
        // copies of the rows have room for more; to look at, there may be more behind the rows anyway.
        let staged = V::LANES > 1 && (count < V::LANES || classes < GROUP);
        let wide = classes.max(GROUP);
        let elements = first * stride..(first + count - 1) * stride + classes;
        let values = &mut *room.exponentials;
        let logits = logits_from(job, first);
        if staged && (count < V::LANES || logits.len() < (V::LANES - 1) * stride + GROUP) {
            let logits = logits.get(..elements.len()).unwrap_or_default();
            copy_rows(logits, stride, room.rows, wide, classes);
            tile.load(room.rows, wide, values);
        } else {
            tile.load(logits, stride, values);
        }
        let looked = tile.look(values, job.target.hits.is_some());
        let known = tile.add_up(&looked, values);
        let found = tile.find(job, known);
        tile.report(job, &found, looked.at, first..first + count);
        let grad = job.grad.get_mut(elements).unwrap_or_default();
        if !grad.is_empty() {
            if staged && job.add {
                copy_rows(grad, stride, room.rows, wide, classes);
            }
            let (into, row) = if staged { (&mut *room.rows, wide) } else { (&mut *grad, stride) };
            tile.write(&found, values, into, row, job.add);
            if staged {
                copy_rows(room.rows, wide, grad, stride, classes);
            }
        }
        store_from(found.loss, losses, 0);
    }
}

/// Copies the classes of as many rows as both have.
fn copy_rows<F: Float>(from: &[F], from_stride: usize, into: &mut [F], into_stride: usize, classes: usize) {
    for (from, into) in from.chunks(from_stride.max(1)).zip(into.chunks_mut(into_stride.max(1))) {
        if let (Some(from), Some(into)) = (from.get(..classes), into.get_mut(..classes)) {
            into.copy_from_slice(from);
        }
    }
}
