//! Rows whose classes are split over workers: two small all-reduces, and the bits of the whole row.

use core::ops::Range;

use crate::dispatch::{Level, Rounding};
use crate::error::Error;
use crate::float::Float;
use crate::row_loss::{RowLoss, Smoothing, SoftmaxCrossEntropy};
use crate::softmax::Row;
use crate::softmax_rows::shard::{Finish, Greatest, Whole, add_up, in_units_of};
use crate::sum::HighLow;
use crate::total::{Exact, Reader, RowBytes};

/// A worker's part of a row of logits, from [`SoftmaxCrossEntropy::shard`].
///
/// Each worker finds the [`max`](RowShard::max) of its part, and all merge these; then the [`sum`](RowShard::sum) against
/// the merged maximum, and all merge those; then [`finish`](RowShard::finish) gives every worker the loss, and its part of
/// the gradient. Merging is exact: where parts are cut at multiples of [`Total::BLOCK`](crate::Total::BLOCK) classes, loss and
/// gradient have the bits of a call over the whole row, of more than 64 classes, in whatever order parts merge.
///
/// ```
/// use fused_loss::{RowLosses, SoftmaxCrossEntropy};
/// let (loss, logits) = (SoftmaxCrossEntropy::default(), [1.0_f64, 5.0, 2.0, 4.0]);
/// let parts = [loss.shard(&logits[..2], 0), loss.shard(&logits[2..], 2)];
/// let mut max = parts[0].max();
/// max.merge(&parts[1].max());
/// let mut sum = parts[0].sum(&max, 3);
/// sum.merge(&parts[1].sum(&max, 3));
/// let mut grad = [0.0; 2];
/// let value = parts[1].finish(&sum, 1.0, &mut grad)?;
/// let mut whole = [0.0; 4];
/// let expected = loss.rows(&logits, 4).labels(&[3_u8]).gradient(&mut whole).sum()?;
/// assert!((value - expected).abs() < 1e-15 && (grad[1] - whole[3]).abs() < 1e-15);
/// # Ok::<(), fused_loss::Error<f64>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RowShard<'a, F> {
    loss: SoftmaxCrossEntropy<F>,
    logits: &'a [F],
    first: usize,
    level: Option<Level>,
}

impl<F: Float> SoftmaxCrossEntropy<F> {
    /// A part of a row: the logits of classes from `first_class` on. All options but smoothing apply.
    ///
    /// ```
    /// use fused_loss::SoftmaxCrossEntropy;
    /// let part = SoftmaxCrossEntropy::default().shard(&[1.0_f32, 3.0], 100);
    /// assert_eq!(part.max().class(), Some(101));
    /// ```
    pub fn shard(self, logits: &[F], first_class: usize) -> RowShard<'_, F> {
        RowShard { loss: self, logits, first: first_class, level: None }
    }
}

/// The greatest logit of the parts seen so far, and the first class that has it.
///
/// ```
/// use fused_loss::{RowMax, SoftmaxCrossEntropy};
/// let max = SoftmaxCrossEntropy::default().shard(&[1.0_f32, 3.0], 100).max();
/// assert_eq!(RowMax::from_bytes(&max.to_bytes()), Ok(max));
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RowMax<F> {
    max: F,
    class: u64,
    classes: u64,
}

/// What the parts seen so far add to a row: the exact sum of their exponentials against the row's maximum, and the label's
/// logit, if one of them has it.
///
/// ```
/// use fused_loss::{RowSum, SoftmaxCrossEntropy};
/// let part = SoftmaxCrossEntropy::default().shard(&[1.0_f32, 3.0], 0);
/// let sum = part.sum(&part.max(), 1);
/// assert_eq!(RowSum::from_bytes(sum.to_bytes().as_ref()), Ok(sum));
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RowSum<F: Float> {
    max: RowMax<F>,
    label: u64,
    own: Option<F>,
    /// In the units of its class of rounding.
    sum: Exact<F>,
    rounding: Rounding,
}

impl<F: Float> RowShard<'_, F> {
    /// Runs on this level instead of the best one. Where all workers' levels are of one [`Rounding`](crate::Rounding) class,
    /// parts merge exactly; those of both classes merge to within the rounding of a sum.
    ///
    /// ```
    /// # use fused_loss::{Level, SoftmaxCrossEntropy};
    /// let part = SoftmaxCrossEntropy::default().shard(&[1.0_f32, 3.0], 0);
    /// assert_eq!(part.level(Level::find("scalar").unwrap()).max(), part.max());
    /// ```
    pub fn level(mut self, level: Level) -> Self {
        self.level = Some(level);
        self
    }

    /// The classes of the part.
    ///
    /// ```
    /// # use fused_loss::SoftmaxCrossEntropy;
    /// assert_eq!(SoftmaxCrossEntropy::default().shard(&[1.0_f32, 3.0], 100).classes(), 100..102);
    /// ```
    pub fn classes(&self) -> Range<usize> {
        self.first..self.first + self.logits.len()
    }

    fn chosen_level(&self) -> Level {
        self.level.unwrap_or_else(Level::detect)
    }

    /// The greatest logit of the part; NaN is passed over, and will show in the sum.
    ///
    /// ```
    /// # use fused_loss::SoftmaxCrossEntropy;
    /// let max = SoftmaxCrossEntropy::default().shard(&[3.0_f32, 3.0], 0).max();
    /// assert_eq!((max.value(), max.class()), (3.0, Some(0)));
    /// ```
    pub fn max(&self) -> RowMax<F> {
        let (max, at) = self.chosen_level().run(Greatest(self.logits));
        RowMax { max, class: (self.first + at) as u64, classes: self.logits.len() as u64 }
    }

    /// What the part adds to a row with this maximum and label, which may lie in another part.
    ///
    /// ```
    /// # use fused_loss::SoftmaxCrossEntropy;
    /// let part = SoftmaxCrossEntropy::default().shard(&[3.0_f32, 3.0], 0);
    /// assert_eq!(part.sum(&part.max(), 0).label(), 0);
    /// ```
    pub fn sum(&self, max: &RowMax<F>, label: usize) -> RowSum<F> {
        let mut sum = Exact::ZERO;
        if max.max.finite() {
            let except = (max.class as usize).checked_sub(self.first);
            let of = self.loss.over_softmax(self.logits.len()).without_loss();
            add_up(self.logits, of, max.max, except, self.chosen_level(), &mut sum);
        } else if self.logits.iter().any(|z| z.nan()) {
            sum.add(F::NAN);
        }
        let own = label.checked_sub(self.first).and_then(|place| self.logits.get(place)).copied();
        RowSum { max: *max, label: label as u64, own, sum, rounding: self.chosen_level().rounding() }
    }

    /// The loss of the row whose parts have been merged. The part's gradient, times `factor`, is written into `grad`, where
    /// there is room for one.
    ///
    /// `Err(Length)` where the gradient has another length than the part, `Err(Label)` where no part has the label,
    /// `Err(Parameter)` where a parameter is out of its domain or labels are smoothed.
    ///
    /// ```
    /// # use fused_loss::SoftmaxCrossEntropy;
    /// let part = SoftmaxCrossEntropy::default().shard(&[3.0_f32, 3.0], 0);
    /// let sum = part.sum(&part.max(), 0);
    /// assert_eq!(part.finish(&sum, 1.0, &mut []), Ok(0.6931472));
    /// ```
    pub fn finish(&self, sum: &RowSum<F>, factor: F, grad: &mut [F]) -> Result<F, Error<F>> {
        let (expected, found) = (self.logits.len(), grad.len());
        if found != 0 && found != expected {
            return Err(Error::Length { what: "gradient", expected, found });
        }
        if !factor.finite() {
            return Err(Error::Parameter { name: "factor", value: factor, domain: "finite" });
        }
        let (Smoothing::AllClasses(value) | Smoothing::OtherClasses(value)) = self.loss.smoothing;
        if value != F::ZERO {
            return Err(Error::Parameter {
                name: "label_smoothing",
                value,
                domain: "0 where classes are split",
            });
        }
        let [loss, _] = self.results(sum, factor, grad)?;
        Ok(loss)
    }

    /// The row's log-sum-exp.
    ///
    /// ```
    /// # use fused_loss::SoftmaxCrossEntropy;
    /// let part = SoftmaxCrossEntropy::default().shard(&[3.0_f32, 3.0], 0);
    /// assert_eq!(part.log_sum_exp(&part.sum(&part.max(), 0)), Ok(3.6931472));
    /// ```
    pub fn log_sum_exp(&self, sum: &RowSum<F>) -> Result<F, Error<F>> {
        let [_, log_sum] = self.results(sum, F::ZERO, &mut [])?;
        let nan = !sum.max.max.finite() && sum.sum.round().nan();
        Ok(if nan { F::NAN } else { log_sum })
    }

    fn results(&self, sum: &RowSum<F>, factor: F, grad: &mut [F]) -> Result<[F; 2], Error<F>> {
        RowLoss::check(self.loss)?;
        let Some(own) = sum.own else {
            let (value, classes) = (i128::from(sum.label), sum.max.classes as usize);
            return Err(Error::Label { index: 0, value, classes });
        };
        let hit = sum.label == sum.max.class;
        let level = self.chosen_level();
        let whole = Whole { max: sum.max.max, rest: sum.high_low(level.rounding()), own, hit };
        let label = (sum.label as usize).checked_sub(self.first).filter(|&place| place < self.logits.len());
        let of = self.loss.over_softmax(self.logits.len()).without_loss();
        let room = Row::new(self.logits, grad);
        Ok(level.run(Finish { of, whole, factor, room, label }))
    }
}

impl<F: Float> RowMax<F> {
    /// The greatest logit; -inf of nothing.
    ///
    /// ```
    /// # use fused_loss::SoftmaxCrossEntropy;
    /// assert_eq!(SoftmaxCrossEntropy::default().shard(&[3.0_f32], 0).max().value(), 3.0);
    /// ```
    pub fn value(&self) -> F {
        self.max
    }

    /// The first class that has it, counted over all parts; none of no classes.
    ///
    /// ```
    /// # use fused_loss::SoftmaxCrossEntropy;
    /// assert_eq!(SoftmaxCrossEntropy::default().shard(&[3.0_f32], 7).max().class(), Some(7));
    /// ```
    pub fn class(&self) -> Option<usize> {
        (self.classes > 0).then_some(self.class as usize)
    }

    /// Adds another part: the greater logit, of equal ones that of the lower class.
    ///
    /// ```
    /// # use fused_loss::SoftmaxCrossEntropy;
    /// let loss = SoftmaxCrossEntropy::default();
    /// let mut max = loss.shard(&[1.0_f32, 3.0], 2).max();
    /// max.merge(&loss.shard(&[3.0, 0.0], 0).max());
    /// assert_eq!(max.class(), Some(0));
    /// ```
    pub fn merge(&mut self, other: &Self) {
        let lower = other.max == self.max && other.class < self.class;
        if self.classes == 0 || (other.classes > 0 && (other.max > self.max || lower)) {
            (self.max, self.class) = (other.max, other.class);
        }
        self.classes = self.classes.saturating_add(other.classes);
    }

    /// A stable form for networks, the same on every machine.
    ///
    /// Little-endian: `"FLM"`, version 1, bits of the format (32 or 64), three zeros, then as u64 each the pattern of the
    /// greatest logit, its class, and the number of classes.
    ///
    /// ```
    /// # use fused_loss::SoftmaxCrossEntropy;
    /// let bytes = SoftmaxCrossEntropy::default().shard(&[3.0_f32], 7).max().to_bytes();
    /// assert_eq!(bytes[..5], *b"FLM\x01\x20");
    /// ```
    pub fn to_bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..3].copy_from_slice(b"FLM");
        (bytes[3], bytes[4]) = (1, F::BITS as u8);
        for (bytes, word) in
            bytes[8..].chunks_exact_mut(8).zip([self.max.to_pattern(), self.class, self.classes])
        {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// The state of its byte form. `Err(Bytes)` where they are none of this precision and version.
    ///
    /// ```
    /// # use fused_loss::RowMax;
    /// assert!(RowMax::<f32>::from_bytes(b"FLM").is_err());
    /// ```
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error<F>> {
        let mut reader = Reader::new::<F>(bytes, 32, b"FLM")?;
        if bytes[5..8] != [0; 3] {
            return Err(Error::Bytes { reason: "the flags are unknown" });
        }
        let max = F::from_pattern(reader.word());
        Ok(RowMax { max, class: reader.word(), classes: reader.word() })
    }
}

impl<F: Float> RowSum<F> {
    /// The label that it was asked for.
    ///
    /// ```
    /// # use fused_loss::SoftmaxCrossEntropy;
    /// let part = SoftmaxCrossEntropy::default().shard(&[3.0_f32, 3.0], 0);
    /// assert_eq!(part.sum(&part.max(), 1).label(), 1);
    /// ```
    pub fn label(&self) -> usize {
        self.label as usize
    }

    /// Adds another part of the same row: exactly, where both are of one [`Rounding`](crate::Rounding) class. Both must have been
    /// asked for the same label and maximum.
    ///
    /// ```
    /// # use fused_loss::SoftmaxCrossEntropy;
    /// let part = SoftmaxCrossEntropy::default().shard(&[3.0_f32, 3.0], 0);
    /// let mut sum = part.sum(&part.max(), 1);
    /// sum.merge(&SoftmaxCrossEntropy::default().shard(&[], 2).sum(&part.max(), 1));
    /// assert_eq!(sum, part.sum(&part.max(), 1));
    /// ```
    pub fn merge(&mut self, other: &Self) {
        if self.rounding == other.rounding {
            self.sum.merge(&other.sum);
        } else {
            self.sum.add_pair(other.high_low(self.rounding));
        }
        self.own = self.own.or(other.own);
    }

    /// The sum in the units of a class of rounding.
    fn high_low(&self, rounding: Rounding) -> HighLow<F> {
        in_units_of(self.sum.high_low(), self.rounding, rounding)
    }

    /// A stable form for networks, the same on every machine.
    ///
    /// Little-endian: `"FLS"`, version 1, bits of the format, flags (1: the label's logit is known, 2: the sum is of the fused
    /// class of rounding), flags of the sum as those of a [`Total`](crate::Total), 0; then as u64 each the pattern of the
    /// maximum, its class, the number of classes, the label, the pattern of its logit, and the limbs of the sum.
    ///
    /// ```
    /// # use fused_loss::SoftmaxCrossEntropy;
    /// let part = SoftmaxCrossEntropy::default().shard(&[3.0_f32, 3.0], 0);
    /// assert_eq!(part.sum(&part.max(), 1).to_bytes().as_ref().len(), 96);
    /// ```
    pub fn to_bytes(&self) -> RowBytes<F> {
        let own = self.own.unwrap_or(F::ZERO).to_pattern();
        let words = [self.max.max.to_pattern(), self.max.class, self.max.classes, self.label, own];
        let fused = self.rounding == Rounding::Fused;
        self.sum.row_bytes(*b"FLS", u8::from(self.own.is_some()) | u8::from(fused) << 1, words)
    }

    /// The state of its byte form. `Err(Bytes)` where they are none of this precision and version.
    ///
    /// ```
    /// # use fused_loss::RowSum;
    /// assert!(RowSum::<f32>::from_bytes(b"FLS").is_err());
    /// ```
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error<F>> {
        let length = F::ZERO_ROW_BYTES.as_ref().len();
        let mut reader = Reader::new::<F>(bytes, length, b"FLS")?;
        let max =
            RowMax { max: F::from_pattern(reader.word()), class: reader.word(), classes: reader.word() };
        let (label, own) = (reader.word(), F::from_pattern(reader.word()));
        let own = (bytes[5] & 1 != 0).then_some(own);
        let rounding = if bytes[5] & 2 != 0 { Rounding::Fused } else { Rounding::Unfused };
        Ok(RowSum { max, label, own, sum: Exact::of_words(bytes[6], reader), rounding })
    }
}
