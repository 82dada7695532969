//! Sums of which each register's lane has one: the lanes that a sum has of its own are a column of registers.

use super::{LaneSum, two_sum_of};
use crate::float::Float;
use crate::lanes::{Lanes, Mask};

/// A column of so many lanes of sums, all of which are 0 at first.
pub struct Columns<V, const WIDTH: usize>([LaneSum<V>; WIDTH]);

impl<F: Float, V: Lanes<Elem = F>, const WIDTH: usize> Columns<V, WIDTH> {
    #[inline(always)]
    pub fn new(zero: V) -> Self {
        Columns([LaneSum::new(zero); WIDTH])
    }

    /// Adds the term of a place, the first of which begin new sums.
    #[inline(always)]
    pub fn add(&mut self, place: usize, term: V) {
        let lane = &mut self.0[place % WIDTH];
        if place < WIDTH {
            *lane = LaneSum { sum: term, error: term.splat(F::ZERO) };
        } else {
            lane.add(term);
        }
    }

    /// The same without the error.
    #[inline(always)]
    pub fn add_plain(&mut self, place: usize, term: V) {
        let lane = &mut self.0[place % WIDTH];
        let sum = if place < WIDTH { term } else { lane.sum + term };
        *lane = LaneSum { sum, error: term.splat(F::ZERO) };
    }

    /// Folds the sums of so many terms, high and low: what [`fold`](super::fold) makes of each, bit for bit.
    #[inline(always)]
    pub fn fold(&mut self, terms: usize) -> [V; 2] {
        let Columns(lanes) = self;
        let mut half = WIDTH / 2;
        while half > 0 {
            // To add a lane that has nothing changes nothing.
            for lane in 0..half.min(terms.saturating_sub(half)) {
                lanes[lane] = lanes[lane].with(lanes[lane + half]);
            }
            half /= 2;
        }
        let LaneSum { sum, error } = lanes[0];
        let most = sum.splat(F::MAX);
        let numbers = sum.abs().le(most) & error.abs().le(most);
        let (high, low) = two_sum_of(sum, error);
        [numbers.select(high, sum), (numbers & high.abs().le(most)).keep(low)]
    }
}
