//! The softmax of a row: its maximum, the sum of the exponentials of all others against it, and the way back.
//!
//! The greatest logit is left out of the sum S of the others, so that where one class dominates, S keeps its relative
//! accuracy, and ln(1 + S) and S / (1 + S) do: what frameworks round to 0.
//!
//! Long sums are cut into blocks of [`Total::BLOCK`] classes, which are added exactly, as everywhere. Inside a block,
//! four registers' worth of lanes are added plainly and their sum with its rounding error: terms of one sign, so that
//! costs an ULP and a half at most, and takes a third of the additions.

use core::mem::take;

use crate::float::Float;
use crate::lanes::{Lanes, MOST_LANES, Mask};
use crate::math::Functions;
use crate::sum::{Aligned, HighLow, LaneSum, fold, quick_two_sum_of, store_rows, two_product_of, two_sum_of};
use crate::total::{Exact, Total};

mod cap;
mod greatest;
mod power;
mod tile;

pub use greatest::{Greatest, greatest, maximum, place};
use greatest::{STRETCH, greater};
pub use power::{Constants, F32, F64, Logits, Power, Powers};
use tile::Tile;
pub use tile::{Ahead, slope_of};

/// The most rows of a register.
pub const ROWS: usize = MOST_LANES;

/// What rows' exponentials come to, in units of each row's own: a row a lane.
#[derive(Clone, Copy)]
pub struct Sums<V> {
    /// The greatest logit's exponential.
    top: V,
    /// One over it, rounded: what that is off by, [`Sums::odds`] finds.
    of_top: V,
    /// The sum of all others, high and low: what is to be added to the high part, which may be more than its rounding.
    rest: [V; 2],
    /// One over the sum of all, high and low.
    inverse: [V; 2],
}

impl<V: Lanes> Sums<V> {
    #[cfg_attr(not(called), inline(always))]
    #[cfg_attr(called, inline(never))]
    pub fn new(top: V, rest: [V; 2]) -> Self {
        let one = top.splat(V::Elem::ONE);
        let (sum, error) = two_sum_of(top, rest[0]);
        let (sum, low) = quick_two_sum_of(sum, error + rest[1]);
        let (high, of_top) = (one / sum, one / top);
        let (product, error) = two_product_of(high, sum);
        let remainder = ((one - product) - error) - high * low;
        Sums { top, of_top, rest, inverse: [high, remainder * high] }
    }

    /// S, the sum of the others over the greatest: the row's log-sum-exp is its maximum and ln(1 + S).
    #[cfg_attr(not(called), inline(always))]
    #[cfg_attr(called, inline(never))]
    pub fn odds(&self) -> V {
        let [high, low] = self.rest;
        let odds = high * self.of_top;
        let (product, error) = two_product_of(odds, self.top);
        odds + (((high - product) - error) + low) * self.of_top
    }

    /// The share of all others together, S / (1 + S).
    #[inline(always)]
    pub fn missed(&self) -> V {
        let ([high, low], [inverse, more]) = (self.rest, self.inverse);
        high.mul_add(inverse, high.mul_add(more, low * inverse))
    }

    /// One over the sum of all, high and low.
    #[inline(always)]
    pub fn inverse(&self) -> [V; 2] {
        self.inverse
    }

    /// The factor that makes exponentials a multiple of their shares, high and low. The low part is NaN where it is too small
    /// for one that is a normal number, or, unfused, too large to find it; or `by` is so large that shares are to be rounded
    /// first, for those of classes that do not count, -inf among them, to be 0.
    #[inline(always)]
    pub fn multiple(&self, by: V) -> [V; 2] {
        let (high, low) = two_product_of(self.inverse[0], by);
        let tiny = high.abs().lt(high.splat(V::Elem::SOFTMAX.tiny));
        let large = by.abs().ge(by.splat(V::Elem::SOFTMAX.lever));
        [high, (tiny | large).select(high.splat(V::Elem::NAN), low + self.inverse[1] * by)]
    }

    /// The share of an exponential.
    #[cfg_attr(not(called), inline(always))]
    #[cfg_attr(called, inline(never))]
    pub fn share(&self, exponential: V) -> V {
        exponential.mul_add(self.inverse[0], exponential * self.inverse[1])
    }
}

impl<F: Float, V: Lanes<Elem = F>> Sums<V> {
    /// Sums of which nothing but the shares will be asked.
    #[inline(always)]
    pub fn of_inverse(zero: V, inverse: [F; 2]) -> Self {
        Sums { top: zero, of_top: zero, rest: [zero; 2], inverse: splat_both(zero, inverse) }
    }
}

/// A number's high and low part in every lane. (`map` may stay a call, from which no register comes back.)
#[inline(always)]
fn splat_both<V: Lanes>(zero: V, [high, low]: [V::Elem; 2]) -> [V; 2] {
    [zero.splat(high), zero.splat(low)]
}

/// The first lane.
#[inline(always)]
pub fn lane<V: Lanes>(lanes: V) -> V::Elem {
    let mut room = [V::Elem::ZERO];
    lanes.store_first(&mut room);
    room[0]
}

/// Lanes of a slice from `at` on, and how many there are of them, up to a register's; the other lanes are 0.
#[inline(always)]
pub fn load_from<V: Lanes>(zero: V, from: &[V::Elem], at: usize) -> (V, usize) {
    match from.get(at..at + V::LANES) {
        Some(lanes) => (zero.load(lanes), V::LANES),
        None => {
            let lanes = from.get(at..).unwrap_or_default();
            (zero.load_first(lanes), lanes.len())
        }
    }
}

/// Writes as many lanes as there is room for.
#[inline(always)]
pub fn store_from<V: Lanes>(lanes: V, into: &mut [V::Elem], at: usize) {
    let end = into.len().min(at + V::LANES);
    if let Some(into) = into.get_mut(at..end) {
        if into.len() == V::LANES { lanes.store(into) } else { lanes.store_first(into) }
    }
}

/// The lane of a register that begins at `at`, where it is the one of place `place`.
#[inline(always)]
pub fn is_place<V: Lanes>(zero: V, at: usize, place: usize) -> V::Mask {
    match place.checked_sub(at) {
        Some(lane) => zero.first(lane.saturating_add(1)) & !zero.first(lane),
        None => zero.first(0),
    }
}

/// Whether another row's greatest logit is looked for while exponentials are worked out. Registers narrower than a cache line
/// gain nothing by it.
#[inline(always)]
pub fn looks_ahead<V: Lanes>() -> bool {
    size_of::<V::Single>() >= size_of::<Aligned<V::Elem>>()
}

/// Whether a register is no less than half a cache line.
#[inline(always)]
pub fn wide<V: Lanes>() -> bool {
    size_of::<V::Single>() * 2 >= size_of::<Aligned<V::Elem>>()
}

/// So many elements lie before a cache line begins, up to a register's; none where registers are much narrower, or a row is
/// too short for it to matter. Registers across two lines take twice the time: where no element asks for its lane, they
/// begin with a line.
#[inline(always)]
pub fn before_line<V: Lanes>(slice: &[V::Elem]) -> usize {
    if wide::<V>() && slice.len() >= 16 * V::LANES {
        slice.as_ptr().align_offset(size_of::<Aligned<V::Elem>>()).min(slice.len()).min(V::LANES)
    } else {
        0
    }
}

/// Where the logits of a row lie, and whether their exponentials are kept.
pub struct Row<'a, F> {
    /// Empty where the logits lie in `grad`.
    pub logits: &'a [F],
    pub grad: &'a mut [F],
    ahead: Ahead,
    /// The logits of a later row, and the greatest of them once this row's exponentials have been added up.
    next: &'a [F],
    next_max: Option<Greatest<F>>,
    /// Exponentials of an earlier row of which slopes are made in passing, and what makes them: a factor, high and low.
    before: &'a mut [F],
    multiple: [F; 2],
}

impl<'a, F: Float> Row<'a, F> {
    #[inline(always)]
    pub fn new(logits: &'a [F], grad: &'a mut [F]) -> Self {
        let (ahead, before, multiple) = (Ahead::default(), &mut [] as _, [F::ZERO; 2]);
        Row { logits, grad, ahead, next: &[], next_max: None, before, multiple }
    }

    /// Where others lie that come after this one; one of them is looked at in passing.
    #[inline(always)]
    pub fn followed(self, ahead: Ahead, next: &'a [F]) -> Self {
        Row { ahead, next, ..self }
    }

    /// Exponentials of an earlier row that are to be made slopes, and the factor that does it, high and low.
    #[inline(always)]
    pub fn preceded(self, before: &'a mut [F], multiple: [F; 2]) -> Self {
        Row { before, multiple, ..self }
    }

    /// Those at the end of the earlier row that have not been made slopes.
    #[inline(always)]
    pub fn before(self) -> &'a mut [F] {
        self.before
    }

    /// The greatest logit of the row that follows. NaN is passed over; none where that row has not been looked at.
    #[inline(always)]
    pub fn next_max(&self) -> Option<Greatest<F>> {
        self.next_max
    }

    #[inline(always)]
    pub fn logits(&self) -> &[F] {
        if self.logits.is_empty() { self.grad } else { self.logits }
    }

    /// The sum of all exponentials but that of the place `except`. Where they are kept, the gradient's room holds them.
    /// `shaped` is what [`Logits::shaped`] says.
    #[cfg_attr(not(called), inline(always))]
    #[cfg_attr(called, inline(never))]
    pub fn exponentials<V, const WIDTH: usize, const PARTS: usize>(
        &mut self,
        zero: V,
        power: Power<V>,
        shaped: bool,
        except: usize,
        keep: bool,
    ) -> HighLow<F>
    where
        V: Lanes<Elem = F>,
    {
        let mut sums = [[F::ZERO; WIDTH]; 2];
        self.lane_sums::<V, WIDTH, PARTS>(zero, power, shaped, except, keep, &mut sums);
        fold(&sums[0], Some(&sums[1]), WIDTH)
    }

    /// The same sum before its fold: lanes and their errors.
    #[cfg_attr(not(called), inline(always))]
    #[cfg_attr(called, inline(never))]
    pub fn lane_sums<V, const WIDTH: usize, const PARTS: usize>(
        &mut self,
        zero: V,
        power: Power<V>,
        shaped: bool,
        except: usize,
        keep: bool,
        into: &mut [[F; WIDTH]; 2],
    ) where
        V: Lanes<Elem = F>,
    {
        let next = !self.next.is_empty();
        // What one of these loops leaves of an earlier row is written behind it.
        let before = keep && !self.before.is_empty();
        if cfg!(small) || shaped {
            self.blocks::<V, WIDTH, PARTS, true, false, false>(zero, power, except, keep, into);
        } else if looks_ahead::<V>() && next && before {
            self.blocks::<V, WIDTH, PARTS, false, true, true>(zero, power, except, keep, into);
        } else if looks_ahead::<V>() && next {
            self.blocks::<V, WIDTH, PARTS, false, true, false>(zero, power, except, keep, into);
        } else if wide::<V>() && !looks_ahead::<V>() && before {
            self.blocks::<V, WIDTH, PARTS, false, false, true>(zero, power, except, keep, into);
        } else {
            self.blocks::<V, WIDTH, PARTS, false, false, false>(zero, power, except, keep, into);
        }
    }

    #[inline(always)]
    fn blocks<
        V,
        const WIDTH: usize,
        const PARTS: usize,
        const SHAPED: bool,
        const NEXT: bool,
        const BEFORE: bool,
    >(
        &mut self,
        zero: V,
        power: Power<V>,
        except: usize,
        keep: bool,
        into: &mut [[F; WIDTH]; 2],
    ) where
        V: Lanes<Elem = F>,
    {
        let classes = self.logits().len();
        let mut exact = Exact::ZERO;
        let mut from = 0;
        loop {
            let to = classes.min(from + Total::<F>::BLOCK);
            let sums =
                self.block::<V, WIDTH, PARTS, SHAPED, NEXT, BEFORE>(zero, power, except, keep, from, to);
            let [sum_row, error_row] = &mut *into;
            store_rows(sums, sum_row, error_row);
            if classes <= Total::<F>::BLOCK {
                return;
            }
            exact.add_pair(fold(&into[0], Some(&into[1]), WIDTH));
            if to == classes {
                break;
            }
            from = to;
        }
        // One lane has it all.
        let sum = exact.high_low();
        *into = [[F::ZERO; WIDTH]; 2];
        (into[0][0], into[1][0]) = (sum.high, sum.low);
    }

    #[cfg_attr(not(called), inline(always))]
    fn block<
        V,
        const WIDTH: usize,
        const PARTS: usize,
        const SHAPED: bool,
        const NEXT: bool,
        const BEFORE: bool,
    >(
        &mut self,
        zero: V,
        power: Power<V>,
        except: usize,
        keep: bool,
        from: usize,
        to: usize,
    ) -> [LaneSum<V>; PARTS]
    where
        V: Lanes<Elem = F>,
    {
        let mut sums = [LaneSum::new(zero); PARTS];
        let mut next_max = zero.splat(-F::INFINITY);
        let size = Tile::<V, WIDTH, SHAPED>::SIZE;
        let none_whole = cfg!(small) || SHAPED && power.capped();
        let mut whole = if none_whole { from } else { to - (to - from) % size };
        if BEFORE {
            whole = whole.min(from + self.before.len() / size * size);
        }
        let multiple = splat_both(zero, self.multiple);
        let tile = Tile::<V, WIDTH, SHAPED> { zero, power, ahead: self.ahead, multiple };
        // Whole tiles, then the one that has the place that is left out, or ends too early; and what is behind that the same way.
        let apart = if (from..whole).contains(&except) { except - (except - from) % size } else { whole };
        let (mut first, mut odd) = (from, apart);
        // Of long rows, no run goes on for more than a stretch of the next one.
        let (cuts, mut stretch) = (NEXT && BEFORE, from);
        loop {
            if cuts {
                odd = odd.min(first + STRETCH);
            }
            let end = to.min(odd + size);
            let logits = self.logits.get(first..end).unwrap_or_default();
            let room = self.grad.get_mut(first..end).unwrap_or_default();
            let next = self.next.get(first..end).unwrap_or_default();
            let whole_tiles = if cfg!(small) { 0 } else { odd - first };
            let (logits, odd_logits) = logits.split_at(logits.len().min(whole_tiles));
            let (room, odd_room) = room.split_at_mut(room.len().min(whole_tiles));
            let (next, odd_next) = next.split_at(next.len().min(whole_tiles));
            let before = take(&mut self.before);
            let (before, later) = before.split_at_mut(if BEFORE { before.len().min(whole_tiles) } else { 0 });
            self.before = later;
            let (sums, next_max) = (&mut sums, &mut next_max);
            match (keep, logits) {
                _ if cfg!(small) => {}
                (true, []) => tile.add_whole::<PARTS, false, true, NEXT, BEFORE>(
                    &[],
                    room,
                    next,
                    before,
                    sums,
                    next_max,
                ),
                (true, _) => tile
                    .add_whole::<PARTS, true, true, NEXT, BEFORE>(logits, room, next, before, sums, next_max),
                // Nothing is written then.
                (false, _) if BEFORE => {}
                (false, _) => {
                    let logits = if logits.is_empty() { room } else { logits };
                    tile.add_whole::<PARTS, true, false, NEXT, false>(
                        logits,
                        &mut [],
                        next,
                        &mut [],
                        sums,
                        next_max,
                    );
                }
            }
            tile.add_odd(odd_logits, odd_room, keep, except.wrapping_sub(odd), sums);
            if NEXT {
                *next_max = greater(zero, odd_next, self.next.get(..end).unwrap_or_default(), *next_max);
                if end == to || cuts && end - stretch >= STRETCH {
                    self.next_max = Some(Greatest::or(self.next_max, next_max.greatest(), stretch));
                    stretch = end;
                }
            }
            if end == to {
                break;
            }
            first = end;
            odd = if cuts && end <= apart { apart } else { whole.max(end) };
        }
        sums
    }
}
