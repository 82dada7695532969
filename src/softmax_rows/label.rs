//! What rows with their labels alone come to, a row a lane.

use super::OverSoftmax;
use crate::float::Float;
use crate::job::Job;
use crate::lanes::{Lanes, Mask};
use crate::math::ln_1p;
use crate::row_loss::RowTargets;
use crate::softmax::{Power, ROWS, Sums};

/// What rows weigh.
#[derive(Clone, Copy)]
pub struct Weights<V: Lanes> {
    /// The weight of the row, and of its class.
    pub row: V,
    pub class: V,
    /// Rows that are left out.
    pub masked: V::Mask,
}

impl<F: Float, V: Lanes<Elem = F>> Weights<V> {
    /// Nothing weighs more or less.
    #[inline(always)]
    pub fn ones(zero: V) -> Self {
        let one = zero.splat(F::ONE);
        Weights { row: one, class: one, masked: one.eq(zero) }
    }

    #[cfg_attr(not(called), inline(always))]
    #[cfg_attr(called, inline(never))]
    pub fn new(job: &Job<'_, F, RowTargets<'_, F>>, zero: V, first: usize, count: usize) -> Self {
        let row = match job.weights.get(first..first + count) {
            Some(weights) => zero.load_first(weights),
            None => zero.splat(F::ONE),
        };
        let mut class = zero.splat(F::ONE);
        if job.target.class_weights.is_some() {
            let mut lanes = [F::ZERO; ROWS];
            for (lane, weight) in lanes.iter_mut().take(count).enumerate() {
                *weight = job.target.class_weight(first + lane);
            }
            class = zero.load(&lanes);
        }
        Weights { row, class, masked: row.eq(zero) }
    }
}

/// What is known of rows once their exponentials have been added up.
pub struct Known<V: Lanes> {
    pub weights: Weights<V>,
    /// The greatest logit.
    pub max: V,
    /// The label's logit.
    pub own: V,
    /// The exponentials of the greatest logit and of the label's, where they have been found already.
    pub exponentials: Option<[V; 2]>,
    /// The sum of all exponentials but the greatest, high and low.
    pub rest: [V; 2],
    /// Where the label is that of the greatest logit.
    pub hit: V::Mask,
}

/// What that comes to.
pub struct Found<V: Lanes> {
    pub sums: Sums<V>,
    /// The weighted loss.
    pub loss: V,
    /// The log-sum-exp; the greatest logit where that is no number.
    pub log_sum: V,
    /// The label's element of the gradient.
    pub slope: V,
    /// What shares are multiplied by for the others, but for the slope of a capped logit.
    pub factor: V,
    /// The greatest logit; 0 where that is no number.
    pub max: V,
}

impl<F: Float, V: Lanes<Elem = F>> Known<V> {
    #[cfg_attr(not(called), inline(always))]
    #[cfg_attr(called, inline(never))]
    pub fn find(&self, lift: F, factor: F, of: &OverSoftmax<F, ()>) -> Found<V> {
        let Known { weights, own, rest, hit, .. } = *self;
        let (zero, one, nan) = (own.splat(F::ZERO), own.splat(F::ONE), own.splat(F::NAN));
        let finite = self.max.abs().le(own.splat(F::MAX));
        let max = finite.select(self.max, zero);
        let power: Power<V> = of.logits.against(max);
        // A closure would not be compiled with the register's instructions.
        let [top, own_exponential] = match self.exponentials {
            Some(exponentials) => exponentials,
            None => [power.of_greatest(), power.of(own)],
        };
        let sums = Sums::new(top, rest);
        let log = ln_1p(sums.odds());
        let log_sum = of.logits.over_temperature(of.logits.cap(max)) + log;

        // Of nothing at all there is no part, however improbable it is; but NaN stays NaN.
        let down = of.logits.down(max, own);
        let nothing = weights.class.eq(zero) & log.eq(log);
        let mut loss = nothing.select(zero, weights.class * (down + log));
        let factor = weights.row * zero.splat(lift) * zero.splat(factor);
        let share = sums.share(own_exponential);
        let missed = hit.select(sums.missed(), one - share);
        let (mut own_slope, mut other_slope) = (zero - weights.class * missed, weights.class);
        if of.z_loss != F::ZERO {
            loss = loss + zero.splat(of.z_loss) * log_sum * log_sum;
            let of_log_sum = zero.splat(of.z_loss + of.z_loss) * log_sum;
            own_slope = own_slope + of_log_sum * share;
            other_slope = other_slope + of_log_sum;
        }
        let slope = own_slope * (factor * of.logits.slope(own));
        let mut factor = finite.select(other_slope * factor, nan);
        if !of.logits.capped() {
            factor = factor * zero.splat(of.logits.inverse());
        }
        let loss = finite.select(loss, nan) * weights.row;
        Found {
            sums,
            loss: weights.masked.select(zero, loss),
            log_sum: finite.select(log_sum, self.max),
            slope: finite.select(slope, nan),
            factor,
            max,
        }
    }
}
