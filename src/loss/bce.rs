use super::*;
use crate::lanes::MOST_LANES;
use crate::math::{ln, ln_1p, minus_ln, minus_ln_both};

/// Binary cross-entropy of a probability p and a target y, hard or soft, with 0 ln 0 = 0:
///
/// ```text
/// loss = -(y ln p + (1 - y) ln(1 - p))        slope = (1 - y) / (1 - p) - y / p
/// ```
///
/// [`Policy`] says what happens at the ends. Pred and target: 0 to 1, else `Err`; a NaN pred gives NaN. 2 ULP for y = 0
/// or 1; for y between, 2.5 ULP, against the sum of both parts in the slope, and 2 of itself where levels are
/// [fused](crate::Rounding::Fused). Where there is a logit, take [`BceWithLogits`]: p itself is rounded.
///
/// ```
/// use fused_loss::{BinaryCrossEntropy, Elementwise, Policy};
/// let loss = BinaryCrossEntropy { policy: Policy::Clamp };
/// assert_eq!(loss.batch(&[0.0_f32, 1.0], &[1.0, 1.0]).mean(), Ok(50.0));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct BinaryCrossEntropy<F> {
    /// What becomes of the logarithm of 0.
    pub policy: Policy<F>,
}

impl<F: Float> Loss<F> for BinaryCrossEntropy<F> {
    const TERMS: Terms = Terms::NotNegative;
    const COSTLY: bool = true;
    const SHORTER: usize = 2;

    #[inline(always)]
    fn at<V: Lanes<Elem = F>>(self, pred: V, target: V) -> (V, V) {
        let p = self.policy.clip(pred);
        let (loss, slope) = if V::FUSED { self.quick(p, target) } else { self.by_parts(p, target) };
        let slope = match self.policy {
            Policy::Eps(_) => (!(p.lt(pred) | p.gt(pred))).keep(slope),
            _ => slope,
        };
        (loss, slope)
    }

    #[inline(always)]
    fn fits<V: Lanes<Elem = F>>(self, pred: V, target: V) -> bool {
        let (zero, one) = (pred.splat(F::ZERO), pred.splat(F::ONE));
        let hard = target.eq(one) | target.eq(zero);
        V::FUSED && !matches!(self.policy, Policy::Eps(_)) && (hard & usual(pred)).all()
    }

    #[inline(always)]
    fn shorter<V: Lanes<Elem = F>>(self, pred: V, target: V) -> (V, V) {
        let one = pred.splat(F::ONE);
        let (rest, hit) = (one - pred, target.eq(one));
        (minus_ln(hit.select(pred, rest), hit.select(rest, pred)), slope_of_hard(pred, rest, hit))
    }

    fn definition(self, pred: f64, target: f64) -> f64 {
        let p = self.policy.clipped(pred);
        let part =
            |weight: f64, log: f64| if weight == 0.0 { 0.0 } else { weight * self.policy.clamped(log) };
        -(part(target, libm::log(p)) + part(1.0 - target, libm::log1p(-p)))
    }

    fn pred_domain(self) -> Domain<F> {
        Domain::UNIT
    }

    fn target_domain(self) -> Domain<F> {
        Domain::UNIT
    }

    fn check(self) -> Result<(), Error<F>> {
        self.policy.check()
    }
}

/// Probabilities below it are rare. Its logarithm is above what any policy lets count.
const LEAST: f64 = 1.0 / (1_u128 << 100) as f64;

impl<F: Float> BinaryCrossEntropy<F> {
    /// Loss and slope of a probability that counts, as the formula has them.
    #[inline(always)]
    fn by_parts<V: Lanes<Elem = F>>(self, p: V, target: V) -> (V, V) {
        let (zero, one) = (p.splat(F::ZERO), p.splat(F::ONE));
        let (hit, falling) = self.policy.part(target, p, ln(p));
        let (miss, rising) = self.policy.part(one - target, one - p, ln_1p(-p));
        (zero - (hit + miss), rising - falling)
    }

    /// The same with one division, slope = (p - y) / (p (1 - p)), where no policy has a say.
    #[inline(always)]
    fn quick<V: Lanes<Elem = F>>(self, p: V, target: V) -> (V, V) {
        let (zero, one) = (p.splat(F::ZERO), p.splat(F::ONE));
        let rest = one - p;
        let (of_p, of_rest) = minus_ln_both(p, rest);
        let loss = target.mul_add(of_p, (one - target) * of_rest);
        // What 1 - p and the product are off by is known, and so is what it leaves of p - y.
        let product = p * rest;
        let low = p.mul_add((one - rest) - p, p.mul_add(rest, -product));
        let (difference, inverse) = (p - target, one / product);
        let slope = difference * inverse;
        let left = slope.neg_mul_add(low, slope.neg_mul_add(product, difference));
        let mut slope = left.mul_add(inverse, slope);
        let hit = target.eq(one);
        let hard = hit | target.eq(zero);
        if hard.any() {
            slope = hard.select(slope_of_hard(p, rest, hit), slope);
        }
        if usual(p).all() { (loss, slope) } else { self.with_rare([p, target, loss, slope]) }
    }

    /// Loss and slope where some probabilities are rare, from those of the others: one register after the other, for this is
    /// long, and a part of every loop.
    #[inline(always)]
    fn with_rare<V: Lanes<Elem = F>>(self, known: [V; 4]) -> (V, V) {
        let (zero, single, lanes) = (known[0], known[0].single(), <V::Single as Lanes>::LANES);
        let mut rooms = [[F::ZERO; MOST_LANES]; 4];
        for (lanes, room) in known.into_iter().zip(&mut rooms) {
            lanes.store(room);
        }
        let [p, target, loss, slope] = &mut rooms;
        let known = p.chunks_exact(lanes).zip(target.chunks_exact(lanes));
        let found = loss.chunks_exact_mut(lanes).zip(slope.chunks_exact_mut(lanes));
        for ((p, target), (loss, slope)) in known.zip(found).take(V::LANES / lanes) {
            let p = single.load(p);
            let parts = self.by_parts(p, single.load(target));
            let usual = usual(p);
            usual.select(single.load(loss), parts.0).store(loss);
            usual.select(single.load(slope), parts.1).store(slope);
        }
        (zero.load(loss), zero.load(slope))
    }
}

/// The slope of a target of 1, where it is `hit`, and 0 elsewhere.
#[inline(always)]
fn slope_of_hard<V: Lanes>(p: V, rest: V, hit: V::Mask) -> V {
    let one = p.splat(V::Elem::ONE);
    hit.select(-one, one) / hit.select(p, rest)
}

/// Where no policy has a say: from [`LEAST`] to what is below 1.
///
/// Moved up so far that 1 would be the first NaN, one comparison finds them: what is above 1 is NaN then too, and what wraps
/// around is below.
#[inline(always)]
fn usual<V: Lanes>(p: V) -> V::Mask {
    let up = V::Elem::INFINITY.to_pattern() + 1 - V::Elem::ONE.to_pattern();
    p.bits_add(p.splat_bits(up)).ge(p.splat_bits(V::Elem::from_f64(LEAST).to_pattern() + up))
}

named!(BinaryCrossEntropy<F> = "bce": "-(y ln p + (1 - y) ln(1 - p))",
    policy by policy::named: policy::POLICY, policy::EPS);
