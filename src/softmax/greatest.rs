//! The greatest logit of a row, and its place.

use super::before_line;
use crate::float::Float;
use crate::lanes::{Lanes, Mask};

/// So many elements go by before it is noted which of them raised the greatest number: no more are searched for its place.
pub const STRETCH: usize = 4096;

/// The greatest number of a row, and where to look for it: no element before `from` equals it.
#[derive(Clone, Copy)]
pub struct Greatest<F> {
    pub number: F,
    pub from: usize,
}

impl<F: Float> Greatest<F> {
    /// The greater one of what has been found, if anything, and a number that was found from a place on; the former, where
    /// they are the same.
    #[inline(always)]
    pub fn or(found: Option<Self>, number: F, from: usize) -> Self {
        match found {
            Some(greatest) if number <= greatest.number => greatest,
            _ => Greatest { number, from },
        }
    }
}

/// The greatest number of a row, and the place of the first element that equals it.
#[cfg_attr(not(called), inline(always))]
#[cfg_attr(called, inline(never))]
pub fn maximum<V: Lanes>(zero: V, row: &[V::Elem]) -> (V::Elem, usize) {
    let greatest = greatest(zero, row);
    (greatest.number, place(zero, row, greatest))
}

/// The greatest number of a row. NaN is passed over, and of nothing it is -inf.
#[inline(always)]
pub fn greatest<V: Lanes>(zero: V, row: &[V::Elem]) -> Greatest<V::Elem> {
    if cfg!(small) || row.len() < V::LANES {
        return Greatest { number: greatest_of_few(zero, row), from: 0 };
    }
    greatest_of_many(zero, row)
}

#[cfg_attr(not(called), inline(always))]
#[cfg_attr(called, inline(never))]
fn greatest_of_few<V: Lanes>(zero: V, row: &[V::Elem]) -> V::Elem {
    let mut max = zero.splat(-V::Elem::INFINITY);
    for part in row.chunks(V::LANES) {
        max = greater_of_part(zero, part, max);
    }
    max.greatest()
}

/// Of no fewer numbers than a register has lanes.
#[cfg_attr(not(called), inline(always))]
#[cfg_attr(called, inline(never))]
fn greatest_of_many<V: Lanes>(zero: V, row: &[V::Elem]) -> Greatest<V::Elem> {
    // What is looked at twice counts once, so that the ends need no masks.
    let start = before_line::<V>(row);
    let mut at = row.len().min(start + STRETCH);
    let first = zero.load(row).max(zero.splat(-V::Elem::INFINITY));
    let mut max = greater(zero, &row[start..at], row, first);
    let mut greatest = Greatest { number: max.greatest(), from: 0 };
    while at < row.len() {
        let end = row.len().min(at + STRETCH);
        max = greater(zero, &row[at..end], row, max);
        greatest = Greatest::or(Some(greatest), max.greatest(), at);
        at = end;
    }
    greatest
}

/// The greatest numbers of a slice and of a register's lanes, lane by lane. `all` ends where `slice` does, and has been looked at
/// before that.
#[inline(always)]
pub fn greater<V: Lanes>(zero: V, slice: &[V::Elem], all: &[V::Elem], max: V) -> V {
    let rest = slice.len() % V::LANES;
    let (mut max, mut other) = (max, zero.splat(-V::Elem::INFINITY));
    if rest > 0 {
        other = match all.get(all.len().wrapping_sub(V::LANES)..) {
            // Some of it for the second time, which changes nothing.
            Some(last) => zero.load(last).max(other),
            None => greater_of_part(zero, &slice[slice.len() - rest..], other),
        };
    }
    // Two at a time: one would wait for the one before.
    let mut pairs = slice.chunks_exact(2 * V::LANES);
    for pair in pairs.by_ref() {
        max = zero.load(pair).max(max);
        other = zero.load(&pair[V::LANES..]).max(other);
    }
    if let Some(register) = pairs.remainder().get(..V::LANES) {
        max = zero.load(register).max(max);
    }
    max.max(other)
}

/// The same of no more numbers than a register has lanes.
#[inline(always)]
fn greater_of_part<V: Lanes>(zero: V, part: &[V::Elem], max: V) -> V {
    zero.first(part.len()).select(zero.load_first(part), zero.splat(-V::Elem::INFINITY)).max(max)
}

/// The place of the first element that equals the greatest number; where there is none, where it was looked for.
#[inline(always)]
pub fn place<V: Lanes>(zero: V, row: &[V::Elem], of: Greatest<V::Elem>) -> usize {
    let from = if cfg!(small) { 0 } else { of.from };
    from + place_of(zero, row.get(from..).unwrap_or_default(), of.number)
}

/// The place of the first element that equals a number; 0 where there is none.
#[cfg_attr(not(called), inline(always))]
#[cfg_attr(called, inline(never))]
fn place_of<V: Lanes>(zero: V, row: &[V::Elem], of: V::Elem) -> usize {
    let wanted = zero.splat(of);
    let mut at = 0;
    while let Some(register) = row.get(at..at + V::LANES) {
        let found = zero.load(register).eq(wanted);
        if found.any() {
            return at + found.bits().trailing_zeros() as usize;
        }
        at += V::LANES;
    }
    if V::LANES == 1 {
        return 0;
    }
    // Lanes behind the end are 0, which counts only where it is in the row too, and before them.
    let found = zero.load_first(row.get(at..).unwrap_or_default()).eq(wanted);
    if found.any() { at + found.bits().trailing_zeros() as usize } else { 0 }
}
