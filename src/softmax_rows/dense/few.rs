//! The same for rows of few classes, a row a lane: as many rows at once as a register has lanes. The bits are those of rows
//! one by one, since what is added up is added in the same order.

use super::super::OverSoftmax;
use super::super::few::{FEW, GROUP, starts};
use super::super::targets::Smoothed;
use crate::dispatch::Kernel;
use crate::float::Float;
use crate::job::Job;
use crate::lanes::{Lanes, Mask};
use crate::loss::Loss;
use crate::math::ln_1p;
use crate::row_loss::{OfRow, RowTargets};
use crate::softmax::{Logits, Sums};
use crate::sum::{Columns, align_frame};

/// The weighted losses of rows from `first` on, as many as fill registers; their gradients are written. It ends before rows of
/// which a weight or a target is bad or a greatest logit no number, and gives how many there were.
pub struct Rows<'b, 'a, 't, F: Float, L> {
    pub job: &'b mut Job<'a, F, RowTargets<'t, F>>,
    pub of: OverSoftmax<F, L>,
    pub first: usize,
    pub losses: &'b mut [F],
}

impl<F: Float, L> Rows<'_, '_, '_, F, L> {
    /// Whether a call's rows go this way.
    pub fn take(job: &Job<'_, F, RowTargets<'_, F>>, of: &OverSoftmax<F, L>) -> bool {
        let few = (GROUP..=FEW).contains(&job.target.classes) && !of.logits.capped();
        few && job.target.log_sums.is_none() && job.target.hits.is_none()
    }
}

impl<F: Float, L: Loss<F>> Kernel<F> for Rows<'_, '_, '_, F, L> {
    type Output = usize;
    type Home = Self;
    const RARE: bool = true;

    #[inline(always)]
    fn run<V: Lanes<Elem = F>, const WIDTH: usize, const PARTS: usize>(self, zero: V) -> usize {
        // Room is not made for nothing: all of it is written first.
        if cfg!(small) || V::LANES == 1 || self.losses.len() < V::Single::LANES {
            return 0;
        }
        align_frame();
        let Rows { job, of, first, losses } = self;
        let of = OverSoftmax { logits: of.logits.uncapped(), ..of };
        let zero = zero.single();
        let mut room = Room::<V::Single, WIDTH>::new(zero);
        let mut done = 0;
        // The classes that labels name wait where the losses will be.
        job.target.classes_of_labels(first, losses);
        for losses in losses.chunks_exact_mut(V::Single::LANES) {
            match room.tile(job, &of, zero, first + done, zero.load(losses)) {
                Some(loss) => loss.store(losses),
                None => break,
            }
            done += V::Single::LANES;
        }
        done
    }
}

/// What a tile of rows needs, class by class.
struct Room<V, const WIDTH: usize> {
    /// Logits, and their slopes by the logarithms of shares then.
    logits: [V; FEW],
    targets: [V; FEW],
    exponentials: [V; FEW],
    sums: [Columns<V, WIDTH>; 2],
    /// The classes as numbers.
    places: [V; FEW],
}

/// What is known of rows once their exponentials have been added up.
struct Known<V: Lanes> {
    max: V,
    /// Where that is a number.
    finite: V::Mask,
    inverse: [V; 2],
    log: V,
    log_sum: V,
}

impl<F: Float, V: Lanes<Elem = F>, const WIDTH: usize> Room<V, WIDTH> {
    #[inline(always)]
    fn new(zero: V) -> Self {
        const { assert!(FEW <= 4 * WIDTH, "more would be added in another order row by row") }
        let (column, sums) = ([zero; FEW], [Columns::new(zero), Columns::new(zero)]);
        let mut places = column;
        for (place, number) in places.iter_mut().zip(0..FEW as i16) {
            *place = zero.splat(F::from(number));
        }
        Room { logits: column, targets: column, exponentials: column, sums, places }
    }

    /// The weighted losses of as many rows as there are lanes, whose labels name these classes.
    #[inline(always)]
    fn tile<L: Loss<F>>(
        &mut self,
        job: &mut Job<'_, F, RowTargets<'_, F>>,
        of: &OverSoftmax<F, L>,
        zero: V,
        first: usize,
        class: V,
    ) -> Option<V> {
        let RowTargets { classes, stride, of: targets, class_weights, .. } = job.target;
        let weight = match job.weights.get(first..first + V::LANES) {
            Some(weights) => zero.load(weights),
            None => zero.splat(F::ONE),
        };
        if !weight.abs().le(zero.splat(F::MAX)).all() {
            return None;
        }
        let mut masked = weight.eq(zero);
        let from = first * stride;
        let numbers = if job.pred.is_empty() { &*job.grad } else { job.pred };
        load(zero, numbers.get(from..).unwrap_or_default(), stride, &mut self.logits, classes);
        match targets {
            OfRow::Each(target) => {
                load(zero, target.get(from..).unwrap_or_default(), stride, &mut self.targets, classes);
                for target in &self.targets[..classes] {
                    let inside = of.of.target_domain().inside(*target);
                    if inside.is_some_and(|right| !(right | masked).all()) {
                        return None;
                    }
                }
            }
            OfRow::Label(_) => {
                // A label that is no class has been seen to be that of a row that is left out.
                masked = masked | class.lt(zero);
                if let Some(ignored) = of.ignore_index.and_then(|index| i16::try_from(index).ok()) {
                    masked = masked | class.eq(zero.splat(F::from(ignored)));
                }
                let one = zero.splat(F::ONE);
                for (target, &place) in self.targets[..classes].iter_mut().zip(&self.places) {
                    *target = class.eq(place).select(one, zero);
                }
            }
        }
        let [losses, slopes] = &mut self.sums;
        // Without a teacher, zeros: the compiler works with it before it looks.
        let mut teacher = Known { max: zero, finite: masked, inverse: [zero; 2], log: zero, log_sum: zero };
        if of.teacher {
            teacher = add_up(zero, of.logits, &self.targets[..classes], &self.places, losses, None);
        }
        let kept = Some(&mut self.exponentials);
        let known = add_up(zero, of.logits, &self.logits[..classes], &self.places, losses, kept);
        if !(known.finite | masked).all() {
            return None;
        }

        let smoothed = Smoothed::new(of, classes);
        for place in 0..classes {
            let target = match of.teacher {
                true => zero - teacher.minus_log_share(of.logits, self.targets[place]),
                false => smoothed.target(self.targets[place]),
            };
            let target = match class_weights.and_then(|weights| weights.get(place)) {
                Some(&weight) => target * zero.splat(weight),
                None => target,
            };
            let (loss, slope) = of.of.at(-known.minus_log_share(of.logits, self.logits[place]), target);
            losses.add(place, loss);
            slopes.add(place, slope);
            self.logits[place] = slope;
        }
        let ([loss, _], [slopes, _]) = (losses.fold(classes), slopes.fold(classes));
        // Where logits lie further apart than the largest number, it may be one that only a closer look finds.
        if !(loss.abs().le(zero.splat(F::MAX)) | masked).all() {
            return None;
        }
        let (mut of_loss, mut of_slope) = (zero, zero);
        if of.z_loss != F::ZERO {
            of_loss = zero.splat(of.z_loss) * known.log_sum * known.log_sum;
            of_slope = zero.splat(of.z_loss + of.z_loss) * known.log_sum;
        }

        let grad = job.grad.get_mut(from..).unwrap_or_default();
        if !grad.is_empty() {
            let all = of_slope - slopes;
            let factor = weight * zero.splat(job.lift) * zero.splat(job.factor);
            let factor = factor * of.logits.slope(zero);
            for (own, &e) in self.logits[..classes].iter_mut().zip(&self.exponentials) {
                let share = e.mul_add(known.inverse[0], e * known.inverse[1]);
                *own = masked.select(zero, share.mul_add(all, *own) * factor);
            }
            store(&self.logits, classes, grad, stride, job.add);
        }
        Some(masked.select(zero, (loss + of_loss) * weight))
    }
}

/// Adds up the exponentials of rows, and keeps them where that is asked for.
#[inline(always)]
fn add_up<F: Float, V: Lanes<Elem = F>, const WIDTH: usize>(
    zero: V,
    logits: Logits<F>,
    numbers: &[V],
    places: &[V; FEW],
    sums: &mut Columns<V, WIDTH>,
    mut kept: Option<&mut [V; FEW]>,
) -> Known<V> {
    let (mut max, mut at) = (zero.splat(-F::INFINITY), zero);
    for (&z, &place) in numbers.iter().zip(places) {
        at = z.gt(max).select(place, at);
        max = z.max(max);
    }
    let finite = max.abs().le(zero.splat(F::MAX));
    max = finite.select(max, zero);
    let power = logits.against(max);
    let top = power.of_greatest();
    for (place, &z) in numbers.iter().enumerate() {
        let e = power.exp::<true>(z);
        if let Some(kept) = &mut kept {
            kept[place] = e;
        }
        sums.add_plain(place, at.ne(places[place]).keep(e));
    }
    let sums = Sums::new(top, sums.fold(numbers.len()));
    let log = finite.select(ln_1p(sums.odds()), zero.splat(F::NAN));
    Known { max, finite, inverse: sums.inverse(), log, log_sum: logits.over_temperature(max) + log }
}

impl<F: Float, V: Lanes<Elem = F>> Known<V> {
    /// Minus the logarithms of logits' shares.
    #[inline(always)]
    fn minus_log_share(&self, logits: Logits<F>, z: V) -> V {
        logits.down(self.max, z) + self.log
    }
}

/// Loads as many columns as there are classes.
#[inline(always)]
fn load<F: Float, V: Lanes<Elem = F>>(
    zero: V,
    from: &[F],
    stride: usize,
    columns: &mut [V; FEW],
    classes: usize,
) {
    for start in starts(classes) {
        let group = zero.load_columns(from.get(start..).unwrap_or_default(), stride);
        columns[start..start + GROUP].copy_from_slice(&group);
    }
}

/// Writes them, or adds them to what is there.
#[inline(always)]
fn store<F: Float, V: Lanes<Elem = F>>(
    columns: &[V; FEW],
    classes: usize,
    into: &mut [F],
    stride: usize,
    add: bool,
) {
    let mut done = 0;
    for start in starts(classes) {
        let into = into.get_mut(start..).unwrap_or_default();
        let mut group = [columns[start], columns[start + 1], columns[start + 2], columns[start + 3]];
        if add {
            let before = group[0].load_columns(into, stride);
            for (place, (column, before)) in (start..).zip(group.iter_mut().zip(before)) {
                // The last columns overlap those before, which have been added already.
                *column = if place < done { before } else { before + *column };
            }
        }
        V::store_columns(group, into, stride);
        done = start + GROUP;
    }
}
