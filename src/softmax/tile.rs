//! Tiles of a row: as many classes as are added plainly before their sum is added with its rounding error.

use super::{Power, is_place, store_from};
use crate::float::Float;
use crate::lanes::{Lanes, Mask};
use crate::sum::{LaneSum, Terms};

/// How many times [`Float::WIDTH`] classes are added plainly.
const GROUPS: usize = 4;

/// So many elements further there are other logits, and other room for a gradient, that will be looked at soon.
#[derive(Clone, Copy, Default)]
pub struct Ahead {
    pub logits: usize,
    pub grad: usize,
}

/// Tiles of exponentials: some registers for each of the sums.
pub struct Tile<V: Lanes, const WIDTH: usize, const SHAPED: bool> {
    pub zero: V,
    pub power: Power<V>,
    pub ahead: Ahead,
    /// What makes slopes of an earlier row's exponentials: a factor, high and low.
    pub multiple: [V; 2],
}

impl<F: Float, V: Lanes<Elem = F>, const WIDTH: usize, const SHAPED: bool> Tile<V, WIDTH, SHAPED> {
    /// Classes of a tile.
    pub const SIZE: usize = GROUPS * WIDTH;

    /// Adds up whole tiles: exponentials of `logits` or, unless they are `APART`, of what lies where exponentials are kept.
    /// As many tiles of `before` become slopes.
    #[inline(always)]
    pub fn add_whole<
        const PARTS: usize,
        const APART: bool,
        const KEEP: bool,
        const NEXT: bool,
        const BEFORE: bool,
    >(
        &self,
        logits: &[F],
        kept: &mut [F],
        next: &[F],
        before: &mut [F],
        sums: &mut [LaneSum<V>; PARTS],
        next_max: &mut V,
    ) {
        let size = Self::SIZE;
        let count = if APART { logits.len() } else { kept.len() } / size;
        let (mut logits, mut next) = (logits.chunks_exact(size), next.chunks_exact(size));
        let (mut kept, mut before) = (kept.chunks_exact_mut(size), before.chunks_exact_mut(size));
        for _ in 0..count {
            let (logits, kept, next) = match (logits.next(), kept.next(), next.next()) {
                (None, ..) if APART => break,
                (_, None, _) if KEEP => break,
                (.., None) if NEXT => break,
                (logits, kept, next) => {
                    (logits.unwrap_or_default(), kept.unwrap_or_default(), next.unwrap_or_default())
                }
            };
            let before = match before.next() {
                None if BEFORE => break,
                before => before.unwrap_or_default(),
            };
            for (part, sum) in sums.iter_mut().enumerate() {
                let few = self.part::<APART, KEEP, NEXT, BEFORE>(logits, kept, next, before, part, next_max);
                sum.add_one_of(Terms::NotNegative, few);
            }
        }
    }

    /// The plain sum of one part of a whole tile.
    #[inline(always)]
    fn part<const APART: bool, const KEEP: bool, const NEXT: bool, const BEFORE: bool>(
        &self,
        logits: &[F],
        kept: &mut [F],
        next: &[F],
        before: &mut [F],
        part: usize,
        next_max: &mut V,
    ) -> V {
        let mut few = self.zero;
        for group in 0..GROUPS {
            let lanes = group * WIDTH + part * V::LANES..group * WIDTH + (part + 1) * V::LANES;
            let logits = if APART { &logits[lanes.clone()] } else { &kept[lanes.clone()] };
            let e = self.power.exp::<SHAPED>(self.zero.load(logits));
            self.zero.prefetch(logits.as_ptr().wrapping_add(self.ahead.logits));
            if NEXT {
                // While exponentials are worked out, there is time to wait for memory.
                *next_max = self.zero.load(&next[lanes.clone()]).max(*next_max);
            }
            if BEFORE {
                let before = &mut before[lanes.clone()];
                slope_of(self.zero.load(before), self.multiple).store(before);
            }
            if KEEP {
                let kept = &mut kept[lanes];
                if APART {
                    self.zero.prefetch(kept.as_ptr().wrapping_add(self.ahead.grad));
                }
                e.store(kept);
            }
            few = if group == 0 { e } else { few + e };
        }
        few
    }

    /// An exponential of a tile that is not whole. Only here, logits may have a cap: its code is long.
    #[inline(always)]
    fn exp(&self, z: V) -> V {
        if SHAPED { self.power.of(z) } else { self.power.exp::<false>(z) }
    }

    /// Adds up a tile that is not whole, or has a place that is left out. Without `logits`, they lie where exponentials are
    /// kept.
    #[inline(always)]
    pub fn add_odd<const PARTS: usize>(
        &self,
        logits: &[F],
        kept: &mut [F],
        keep: bool,
        except: usize,
        sums: &mut [LaneSum<V>; PARTS],
    ) {
        let zero = self.zero;
        let apart = !logits.is_empty();
        for (part, sum) in sums.iter_mut().enumerate() {
            let (mut few, mut at) = (zero, part * V::LANES);
            while let Some(lanes) = if apart { logits } else { &*kept }.get(at..at + V::LANES) {
                let e = self.exp(zero.load(lanes));
                match kept.get_mut(at..at + V::LANES) {
                    Some(kept) if keep => e.store(kept),
                    _ => {}
                }
                few = few + without(zero, e, at, except);
                at += WIDTH;
            }
            let last = if apart { logits } else { &*kept }.get(at..).unwrap_or_default();
            if V::LANES > 1 && !last.is_empty() {
                let e = self.exp(zero.load_first(last));
                let counted = without(zero, zero.first(last.len()).keep(e), at, except);
                if keep {
                    store_from(e, kept, at);
                }
                few = few + counted;
            }
            sum.add_one_of(Terms::NotNegative, few);
        }
    }
}

/// The slope that an exponential becomes: its product with a factor, high and low.
#[inline(always)]
pub fn slope_of<V: Lanes>(exponential: V, multiple: [V; 2]) -> V {
    exponential.mul_add(multiple[0], exponential * multiple[1])
}

/// A register that begins at `at`, but for the lane of place `except`.
#[inline(always)]
fn without<F: Float, V: Lanes<Elem = F>>(zero: V, lanes: V, at: usize, except: usize) -> V {
    let lane = except.wrapping_sub(at);
    if cfg!(small) {
        return if lane < V::LANES { (!is_place(zero, at, except)).keep(lanes) } else { lanes };
    }
    // A number that none has, in place of a branch that the CPU would often guess wrong.
    let lane = F::from(if lane < V::LANES { lane as i16 } else { -1 });
    zero.load(&F::SOFTMAX.counting).ne(zero.splat(lane)).keep(lanes)
}
