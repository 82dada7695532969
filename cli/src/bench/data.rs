//! The arrays of a benchmark: written before the clock starts, the same on every run.

use std::f64::consts::TAU;

use fused_loss::{Domain, Float, Loss};

use super::slices::Slices;
use super::{Mode, Size};
use crate::losses::Chosen;
use crate::parallel::Target;

/// Predictions, targets and room for a gradient. Each begins a cache line, as the arrays of PyTorch do.
pub struct Arrays<F> {
    mode: Mode,
    size: Size,
    pred: Lines<F>,
    /// Empty for rows, which have labels.
    target: Lines<F>,
    labels: Vec<i64>,
    /// The gradient; in place, the predictions as they were.
    other: Lines<F>,
}

impl<F: Float> Arrays<F> {
    pub fn new(size: Size, mode: Mode) -> Result<Self, String> {
        let count = size.elements();
        let other = if mode == Mode::Value { 0 } else { count };
        let (targets, labels) = match size {
            Size::Elements { len } => (len, 0),
            Size::Rows { rows, .. } => (0, rows),
        };
        let (pred, target, other) = (Lines::new(count)?, Lines::new(targets)?, Lines::new(other)?);
        Ok(Arrays { mode, size, pred, target, labels: vec![0; labels], other })
    }

    /// Writes data that fits a loss.
    pub fn fill(&mut self, name: &str, loss: Chosen<F>) {
        let mut random = Random { state: 1, spare: None };
        let (pred_domain, target_domain) = match loss {
            Chosen::Elements(loss) => (loss.pred_domain(), loss.target_domain()),
            Chosen::Rows(_) => (Domain::All, Domain::All),
        };
        self.pred.get_mut().fill_with(|| F::from_f64(pred(name, pred_domain, &mut random)));
        self.target.get_mut().fill_with(|| F::from_f64(target(name, target_domain, &mut random)));
        if let Size::Rows { classes, .. } = self.size {
            self.labels.fill_with(|| (random.uniform() * classes as f64) as i64);
        }
        if self.mode == Mode::InPlace {
            self.other.get_mut().copy_from_slice(self.pred.get());
        }
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The predictions, once no call has written over them or after [`restore`](Self::restore), and the targets.
    pub fn inputs(&self) -> (&[F], Target<'_, F>) {
        (self.pred.get(), targets(self.size, &self.target, &self.labels))
    }

    /// What a call works on.
    pub fn slices(&mut self) -> Slices<'_, F> {
        let target = targets(self.size, &self.target, &self.labels);
        match self.mode {
            Mode::Value => Slices { pred: self.pred.get(), target, out: &mut [] },
            Mode::Grad => Slices { pred: self.pred.get(), target, out: self.other.get_mut() },
            Mode::InPlace => Slices { pred: &[], target, out: self.pred.get_mut() },
        }
    }

    /// Undoes what a call in place did to the predictions: a gradient need not lie in their domain.
    pub fn restore(&mut self) {
        if self.mode == Mode::InPlace {
            self.pred.get_mut().copy_from_slice(self.other.get());
        }
    }
}

fn targets<'a, F: Float>(size: Size, target: &'a Lines<F>, labels: &'a [i64]) -> Target<'a, F> {
    match size {
        Size::Elements { .. } => Target::Elements(target.get()),
        Size::Rows { classes, .. } => Target::Labels(classes, labels),
    }
}

/// An array that begins a cache line.
struct Lines<F> {
    room: Vec<F>,
    start: usize,
    count: usize,
}

impl<F: Float> Lines<F> {
    fn new(count: usize) -> Result<Self, String> {
        const LINE: usize = 64;
        let (mut room, spare) = (Vec::new(), LINE / size_of::<F>());
        let length = count.saturating_add(spare);
        room.try_reserve_exact(length)
            .map_err(|_| format!("no memory for {count} elements of {}", F::NAME))?;
        // Written, so that every page is there before the clock starts.
        room.resize(length, F::ONE);
        let start = room.as_ptr().align_offset(LINE).min(spare);
        Ok(Lines { room, start, count })
    }

    fn get(&self) -> &[F] {
        &self.room[self.start..][..self.count]
    }

    fn get_mut(&mut self) -> &mut [F] {
        &mut self.room[self.start..][..self.count]
    }
}

/// Logits N(0, 3), or what lies in the domain.
fn pred<F: Float>(name: &str, domain: Domain<F>, random: &mut Random) -> f64 {
    let logit = 3.0 * random.normal();
    match (name, domain) {
        ("kl-divergence" | "generalized-kl" | "nll", Domain::All) => -(-logit).exp().ln_1p(), // the logarithm of a probability
        (_, domain) => inside(domain, 1.0 / (1.0 + (-logit).exp()), logit),
    }
}

/// Hard labels for classes, probabilities for distributions, N(0, 1) for regressions.
fn target<F: Float>(name: &str, domain: Domain<F>, random: &mut Random) -> f64 {
    match name {
        "bce" | "bce-with-logits" => random.uniform().round(),
        "kl-divergence" | "generalized-kl" => random.uniform(),
        _ => {
            let share = random.uniform();
            inside(domain, share, random.normal())
        }
    }
}

/// This share of an interval from its low end; where it has no end, `free` on its right side.
fn inside<F: Float>(domain: Domain<F>, share: f64, free: f64) -> f64 {
    let Domain::Interval { low, high } = domain else { return free };
    let far = f64::from(f32::MAX);
    match (low.to_f64(), high.to_f64()) {
        (low, high) if low > -far && high < far => low + share * (high - low),
        (low, _) if low > -far => low + free.abs(),
        (_, high) if high < far => high - free.abs(),
        _ => free,
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random {
    state: u64,
    spare: Option<f64>,
}

impl Random {
    /// From 0 to 1, both excluded, so that there is a logarithm.
    fn uniform(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        ((z >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    }

    /// N(0, 1): Box and Muller's pairs, one by one.
    fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        let (sine, cosine) = (TAU * self.uniform()).sin_cos();
        self.spare = Some(radius * sine);
        radius * cosine
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fused_loss::AnyLoss;

    #[test]
    fn data_fits_every_loss_and_begins_a_line() {
        for entry in AnyLoss::<f32>::list() {
            for mode in [Mode::Value, Mode::Grad, Mode::InPlace] {
                let loss = AnyLoss::<f32>::named(entry.name, |_| None).unwrap();
                let mut arrays = Arrays::new(Size::Elements { len: 1_000 }, mode).unwrap();
                arrays.fill(entry.name, Chosen::Elements(loss));
                let (pred, Target::Elements(target)) = arrays.inputs() else { unreachable!() };
                assert!(pred.iter().all(|&p| p.is_finite() && loss.pred_domain().holds(p)), "{}", entry.name);
                assert!(target.iter().all(|&y| y.is_finite() && loss.target_domain().holds(y)));
                assert!(target.iter().any(|&y| y != target[0]));
                let Slices { pred, target, out } = arrays.slices();
                for slice in [pred, target.numbers(), out] {
                    assert!(slice.is_empty() || slice.as_ptr().addr() % 64 == 0);
                }
            }
        }
    }

    #[test]
    fn rows_have_labels_of_every_class() {
        let size = Size::Rows { rows: 1_000, classes: 7 };
        let mut arrays = Arrays::<f32>::new(size, Mode::Grad).unwrap();
        arrays.fill("nll", Chosen::named("nll", |_| None).unwrap());
        let (pred, Target::Labels(7, labels)) = arrays.inputs() else { unreachable!() };
        assert!(pred.len() == 7_000 && pred.iter().all(|&p| p.is_finite() && p < 0.0));
        assert!(labels.len() == 1_000 && labels.iter().all(|label| (0..7).contains(label)));
        assert!((0..7).all(|class| labels.contains(&class)));
    }

    #[test]
    fn normals_are_normal() {
        let mut random = Random { state: 1, spare: None };
        let numbers: Vec<_> = (0..100_000).map(|_| random.normal()).collect();
        let mean_of = |power: i32| numbers.iter().map(|x| x.powi(power)).sum::<f64>() / 1e5;
        assert!(mean_of(1).abs() < 0.02 && (mean_of(2) - 1.0).abs() < 0.03 && (mean_of(4) - 3.0).abs() < 0.2);
    }

    #[test]
    fn domains_without_an_end_are_kept() {
        fn interval<F>(low: F, high: F) -> Domain<F> {
            Domain::Interval { low, high }
        }
        assert_eq!(inside(interval(1.0_f32, 3.0), 0.25, 9.0), 1.5);
        assert_eq!(inside(interval(0.0_f32, f32::INFINITY), 0.25, -9.0), 9.0);
        assert_eq!(inside(interval(f64::MIN, 0.0), 0.25, 9.0), -9.0);
    }
}
