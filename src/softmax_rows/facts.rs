//! What rows come to before they are compared with their targets.

use super::{AT_ONCE, NOWHERE, elements, elements_mut};
use crate::dispatch::{Kernel, Level};
use crate::float::Float;
use crate::lanes::{Lanes, Mask};
use crate::math::ln_1p;
use crate::softmax::{Logits, Power, Powers, Row, Sums, maximum};
use crate::sum::{finite_or_zero, fold};

/// Divided by it, twice the largest number is one even over the least temperature.
const SCALE: f64 = (1_u128 << 64) as f64;

/// What is known of a few rows once their exponentials have been added up. It begins a cache line, so that no register crosses
/// two.
#[cfg_attr(not(small), repr(align(64)))]
pub struct Facts<F> {
    /// The place of the greatest logit; nowhere, of a row that has not been looked at, or where that is no number.
    at: [usize; AT_ONCE],
    max: [F; AT_ONCE],
    /// The sum of all exponentials but the greatest, high and low. What lanes of no row hold is worked on as well, and what
    /// is no sum may become numbers so small that they take a CPU many times the time.
    rest: [[F; AT_ONCE]; 2],
    /// One over the sum of all, high and low.
    inverse: [[F; AT_ONCE]; 2],
    log: [F; AT_ONCE],
    log_sum: [F; AT_ONCE],
}

/// What is known of one row.
#[derive(Clone, Copy)]
pub struct Fact<F> {
    /// The greatest logit.
    pub max: F,
    /// One over the sum of all exponentials, high and low.
    inverse: [F; 2],
    /// ln(1 + S): what the log-sum-exp has beside the greatest logit.
    log: F,
    pub log_sum: F,
}

impl<F: Float> Facts<F> {
    pub fn new() -> Self {
        let none = [F::ZERO; AT_ONCE];
        Facts {
            at: [NOWHERE; AT_ONCE],
            max: none,
            rest: [none; 2],
            inverse: [none; 2],
            log: none,
            log_sum: none,
        }
    }

    /// The place of a row's greatest logit, where that is a number.
    #[inline(always)]
    pub fn at(&self, lane: usize) -> Option<usize> {
        self.at.get(lane).copied().filter(|&at| at != NOWHERE)
    }

    /// What is known of a row: NaN, where its greatest logit is no number.
    #[inline(always)]
    pub fn of(&self, lane: usize) -> Fact<F> {
        let inverse = [self.inverse[0][lane], self.inverse[1][lane]];
        Fact { max: self.max[lane], inverse, log: self.log[lane], log_sum: self.log_sum[lane] }
    }
}

/// A few rows.
pub struct Few<'a, F> {
    /// From the first row on; empty where they lie in `kept`.
    pub numbers: &'a [F],
    pub kept: &'a mut [F],
    pub classes: usize,
    pub stride: usize,
    pub count: usize,
    /// Those that are looked at; all where there is none.
    pub live: Option<&'a [bool; AT_ONCE]>,
}

/// Finds the facts of rows.
struct AddUp<'a, F> {
    rows: Few<'a, F>,
    logits: &'a Logits<F>,
    keep: bool,
    facts: &'a mut Facts<F>,
}

impl<F: Float> Facts<F> {
    /// Finds them. Exponentials are kept where that is asked for, in the place of the numbers where these lie there.
    #[inline]
    pub fn find(&mut self, level: Level, rows: Few<'_, F>, logits: &Logits<F>, keep: bool) {
        level.run(AddUp { rows, logits, keep, facts: self });
    }
}

impl<F: Float> Kernel<F> for AddUp<'_, F> {
    type Output = ();
    type Home = Self;
    const RARE: bool = true;

    #[inline(always)]
    fn run<V: Lanes<Elem = F>, const WIDTH: usize, const PARTS: usize>(self, zero: V) {
        let AddUp { rows: Few { numbers, kept, classes, stride, count, live }, logits, keep, facts } = self;
        let single = zero.single();
        let mut powers = Powers::default();
        let count = if AT_ONCE == 1 { 1 } else { count.min(AT_ONCE) };
        let mut first = 0;
        while first < count {
            let lanes = first..count.min(first + V::Single::LANES);
            for lane in lanes.clone() {
                let row = elements(if numbers.is_empty() { kept } else { numbers }, lane, stride, classes);
                let wanted = live.is_none_or(|live| live[lane]);
                let (max, at) = if wanted { maximum(zero, row) } else { (F::NAN, NOWHERE) };
                (facts.max[lane], facts.at[lane]) = (max, if max.finite() { at } else { NOWHERE });
            }
            let power = logits.against(finite_or_zero(single.load(&facts.max[first..])));
            if AT_ONCE > 1 {
                powers.store(&power);
            }
            for lane in lanes {
                let (max, at) = (facts.max[lane], facts.at[lane]);
                if at == NOWHERE {
                    continue;
                }
                let row = elements(numbers, lane, stride, classes);
                let kept = elements_mut(kept, lane, stride, classes);
                let mut sums = [[F::ZERO; WIDTH]; 2];
                let of_row = match AT_ONCE {
                    1 => power.of_first(zero),
                    _ => powers.row(zero, *logits, lane - first, max),
                };
                let shaped = logits.shaped(max);
                Row::new(row, kept).lane_sums::<V, WIDTH, PARTS>(zero, of_row, shaped, at, keep, &mut sums);
                let rest = fold(&sums[0], Some(&sums[1]), classes);
                (facts.rest[0][lane], facts.rest[1][lane]) = (rest.high, rest.low);
            }
            if cfg!(small) || logits.capped() {
                facts.work_out(logits, &power, first);
            } else {
                // What a cap takes, the compiler would work out in any case.
                facts.work_out(&logits.uncapped(), &power, first);
            }
            first += V::Single::LANES;
        }
    }
}

impl<F: Float> Facts<F> {
    /// What the sums of as many rows as a register has lanes come to.
    #[inline(always)]
    fn work_out<V: Lanes<Elem = F>>(&mut self, logits: &Logits<F>, power: &Power<V>, first: usize) {
        let top = power.of_greatest();
        let max = top.load(&self.max[first..]);
        let rest = [top.load(&self.rest[0][first..]), top.load(&self.rest[1][first..])];
        let sums = Sums::new(top, rest);
        let [high, low] = sums.inverse();
        high.store(&mut self.inverse[0][first..]);
        low.store(&mut self.inverse[1][first..]);
        // Where the greatest is no number, neither are these.
        let log = max.abs().le(max.splat(F::MAX)).select(ln_1p(sums.odds()), max.splat(F::NAN));
        log.store(&mut self.log[first..]);
        (logits.over_temperature(logits.cap(max)) + log).store(&mut self.log_sum[first..]);
    }
}

impl<F: Float> Fact<F> {
    /// What makes a logit's exponential in the units of the sums.
    #[inline(always)]
    pub fn power<V: Lanes<Elem = F>>(&self, logits: Logits<F>, zero: V) -> Power<V> {
        logits.of_row(zero, zero.single().splat(self.max))
    }

    /// The sums of the row in every lane.
    #[inline(always)]
    pub fn sums<V: Lanes<Elem = F>>(&self, zero: V) -> Sums<V> {
        Sums::of_inverse(zero, self.inverse)
    }

    /// Minus the logarithm of a logit's share.
    #[inline(always)]
    pub fn minus_log_share<V: Lanes<Elem = F>>(&self, logits: &Logits<F>, z: V) -> V {
        logits.down(z.splat(self.max), z) + z.splat(self.log)
    }

    /// The loss of a class whose share's logarithm is a number only in a wider format: there it is the logarithm times the slope
    /// by it, and may be a number again. The loss as it is, of the others.
    #[cfg_attr(not(called), inline(always))]
    #[cfg_attr(called, inline(never))]
    pub fn loss_beyond<V: Lanes<Elem = F>>(&self, logits: &Logits<F>, z: V, loss: V, slope: V) -> V {
        let (down, up) = (z.splat(F::from_f64(1.0 / SCALE)), z.splat(F::from_f64(SCALE)));
        // Without a cap, which never lets them be so far apart, it is as many times less.
        let distance = logits.down(z.splat(self.max) * down, z * down);
        loss.abs().gt(z.splat(F::MAX)).select(-slope * distance * up, loss)
    }
}
