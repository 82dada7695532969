//! Exact, mergeable totals.

use crate::error::Error;
use crate::float::Float;
use crate::sum::HighLow;

/// Fixed-point numbers wide enough for any sum of a format.
pub trait Limbs {
    /// 64-bit limbs, the least first, in two's complement; bit 0 is the smallest subnormal.
    type Limbs: Copy + PartialEq + core::fmt::Debug + AsRef<[u64]> + AsMut<[u64]> + Send + Sync;
    /// Zero.
    const ZERO_LIMBS: Self::Limbs;
    /// A total as bytes.
    type Bytes: Copy + AsRef<[u8]> + AsMut<[u8]>;
    /// Bytes to fill.
    const ZERO_BYTES: Self::Bytes;
    /// What parts of a row add up to as bytes.
    type RowBytes: Copy + AsRef<[u8]> + AsMut<[u8]>;
    /// Bytes to fill.
    const ZERO_ROW_BYTES: Self::RowBytes;
}

/// The bytes of a [`RowSum`](crate::RowSum).
pub type RowBytes<F> = <F as Limbs>::RowBytes;

/// A header, five words, and the limbs of one sum.
const fn row_bytes(limbs: usize) -> usize {
    8 + 8 * (5 + limbs)
}

// 277 bits from 2^-149 to 2^128, 2098 from 2^-1074 to 2^1024, then a sign and room for 2^64 terms.
impl Limbs for f32 {
    type Limbs = [u64; 6];
    const ZERO_LIMBS: [u64; 6] = [0; 6];
    type Bytes = [u8; HEADER + 2 * 8 * 6];
    const ZERO_BYTES: Self::Bytes = [0; HEADER + 2 * 8 * 6];
    type RowBytes = [u8; row_bytes(6)];
    const ZERO_ROW_BYTES: Self::RowBytes = [0; row_bytes(6)];
}
impl Limbs for f64 {
    type Limbs = [u64; 34];
    const ZERO_LIMBS: [u64; 34] = [0; 34];
    type Bytes = [u8; HEADER + 2 * 8 * 34];
    const ZERO_BYTES: Self::Bytes = [0; HEADER + 2 * 8 * 34];
    type RowBytes = [u8; row_bytes(34)];
    const ZERO_ROW_BYTES: Self::RowBytes = [0; row_bytes(34)];
}

/// Which non-finite terms a sum has seen.
const PLUS_INFINITY: u8 = 1;
const MINUS_INFINITY: u8 = 2;
const NAN: u8 = 4;

/// The exact sum of numbers (Neal 2015, "Fast exact summation using small and large superaccumulators", with full
/// carries): integers only, so adding is associative and commutative to the last bit.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Exact<F: Float> {
    limbs: F::Limbs,
    seen: u8,
}

/// Adds a part to a limb, with what the last limb carries; whether this one carries.
#[inline(always)]
fn step(limb: &mut u64, part: u64, carry: bool) -> bool {
    let (first, over) = limb.overflowing_add(part);
    let (second, over_again) = first.overflowing_add(u64::from(carry));
    *limb = second;
    over || over_again
}

impl<F: Float> Exact<F> {
    pub const ZERO: Self = Exact { limbs: F::ZERO_LIMBS, seen: 0 };

    pub fn add(&mut self, x: F) {
        let negative = x.to_pattern() >> (F::BITS - 1) != 0;
        if !x.finite() {
            self.seen |= match (x.nan(), negative) {
                (true, _) => NAN,
                (false, true) => MINUS_INFINITY,
                (false, false) => PLUS_INFINITY,
            };
            return;
        }
        let fraction_bits = F::SIGNIFICAND - 1;
        let pattern = x.magnitude().to_pattern();
        let fraction = pattern & ((1 << fraction_bits) - 1);
        match (pattern >> fraction_bits) as usize {
            0 => self.add_at(0, fraction, negative),
            exponent => self.add_at(exponent - 1, fraction | 1 << fraction_bits, negative),
        }
    }

    pub fn add_pair(&mut self, pair: HighLow<F>) {
        self.add(pair.high);
        self.add(pair.low);
    }

    pub fn add_count(&mut self, count: u64) {
        // The integer 1 stands where the significand of 1.0 does, its hidden bit at the top.
        let one = (F::ONE.to_pattern() >> (F::SIGNIFICAND - 1)) as usize - 1 + F::SIGNIFICAND as usize - 1;
        self.add_at(one, count, false);
    }

    /// Adds or subtracts `value` 2^`position`.
    fn add_at(&mut self, position: usize, value: u64, negative: bool) {
        let (limb, offset) = (position / 64, position % 64);
        let mut limbs = self.limbs.as_mut().get_mut(limb..).unwrap_or_default().iter_mut();
        // To subtract is to add the complement and 1, which carries through all limbs above.
        let above = if negative { u64::MAX } else { 0 };
        let mut carry = negative;
        // In two steps, since a shift by 64 is none.
        for (part, limb) in [value << offset, value >> 1 >> (63 - offset)].into_iter().zip(&mut limbs) {
            carry = step(limb, part ^ above, carry);
        }
        // Seldom is another limb changed.
        while carry != negative
            && let Some(limb) = limbs.next()
        {
            carry = step(limb, above, carry);
        }
    }

    pub fn merge(&mut self, other: &Self) {
        self.seen |= other.seen;
        let mut carry = false;
        for (limb, &theirs) in self.limbs.as_mut().iter_mut().zip(other.limbs.as_ref()) {
            carry = step(limb, theirs, carry);
        }
    }

    /// The nearest number, ties to even; beyond the largest number, infinity.
    pub fn round(&self) -> F {
        if self.seen != 0 {
            return match self.seen {
                PLUS_INFINITY => F::INFINITY,
                MINUS_INFINITY => -F::INFINITY,
                _ => F::NAN,
            };
        }
        let mut limbs = self.limbs;
        let limbs = limbs.as_mut();
        let negative = limbs.last().is_some_and(|top| top >> 63 != 0);
        if negative {
            let mut carry = true;
            for limb in limbs.iter_mut() {
                (*limb, carry) = (!*limb).overflowing_add(u64::from(carry));
            }
        }
        let Some(top) = limbs.iter().rposition(|&limb| limb != 0) else {
            return F::ZERO;
        };
        let bits = top as u32 * 64 + 64 - window(limbs, top as u32 * 64).leading_zeros();
        // A value of at most a significand's bits is its own pattern; above that, each bit more is one exponent more.
        let below = bits.saturating_sub(F::SIGNIFICAND);
        let significand = window(limbs, below) & (u64::MAX >> (64 - F::SIGNIFICAND));
        let pattern = (u64::from(below) << (F::SIGNIFICAND - 1)) + significand;
        let up = below > 0 && {
            let half = window(limbs, below - 1) & 1 != 0;
            let (limb, bit) = ((below - 1) as usize / 64, (below - 1) % 64);
            let sticky = limbs.iter().take(limb).any(|&limb| limb != 0)
                || window(limbs, limb as u32 * 64) & ((1 << bit) - 1) != 0;
            half && (sticky || significand & 1 != 0)
        };
        let pattern = (pattern + u64::from(up)).min(F::INFINITY.to_pattern());
        let magnitude = F::from_pattern(pattern);
        if negative { -magnitude } else { magnitude }
    }

    /// The nearest number, and the nearest to what that leaves.
    pub fn high_low(&self) -> HighLow<F> {
        let high = self.round();
        if !high.finite() {
            return HighLow { high, low: F::ZERO };
        }
        let mut rest = *self;
        rest.add(-high);
        HighLow { high, low: rest.round() }
    }
}

impl<F: Float> Exact<F> {
    /// The byte form of a row's sum.
    pub fn row_bytes(&self, magic: [u8; 3], flag: u8, words: [u64; 5]) -> F::RowBytes {
        let mut bytes = F::ZERO_ROW_BYTES;
        let (header, body) = bytes.as_mut().split_at_mut(8);
        header[..3].copy_from_slice(&magic);
        header[3..7].copy_from_slice(&[VERSION, F::BITS as u8, flag, self.seen]);
        for (bytes, word) in body.chunks_exact_mut(8).zip(words.iter().chain(self.limbs.as_ref())) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// The sum whose limbs come next.
    pub fn of_words(seen: u8, mut reader: Reader<'_>) -> Self {
        let mut exact: Self = Exact { seen, ..Exact::ZERO };
        for limb in exact.limbs.as_mut() {
            *limb = reader.word();
        }
        exact
    }
}

/// The words behind a header of eight bytes, little-endian.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Checks length, magic, version, precision and flags.
    pub fn new<F: Float>(bytes: &'a [u8], length: usize, magic: &[u8; 3]) -> Result<Self, Error<F>> {
        let wrong = |reason| Err(Error::Bytes { reason });
        match bytes {
            _ if bytes.len() != length => wrong("the length is not that of this precision"),
            _ if bytes[..3] != *magic => wrong("they begin with another name"),
            _ if bytes[3] != VERSION => wrong("the version is unknown"),
            _ if u32::from(bytes[4]) != F::BITS => wrong("the precision is another"),
            _ if bytes[5] > 3 || bytes[6] > 7 || bytes[7] != 0 => wrong("the flags are unknown"),
            _ => Ok(Reader(&bytes[8..])),
        }
    }

    /// The next word; 0 behind the last one.
    pub fn word(&mut self) -> u64 {
        let (word, rest) = self.0.split_at(self.0.len().min(8));
        self.0 = rest;
        word.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
    }
}

/// The sum of weights, where it can divide.
pub(crate) fn divisor<F: Float>(weight: HighLow<F>) -> Result<HighLow<F>, Error<F>> {
    match weight.high {
        high if high == F::ZERO => Err(Error::Empty),
        high if !high.finite() => {
            Err(Error::Parameter { name: "sum of weights", value: high, domain: "finite" })
        }
        _ => Ok(weight),
    }
}

/// The 64 bits from bit `from` on.
fn window(limbs: &[u64], from: u32) -> u64 {
    let (limb, offset) = (from as usize / 64, from % 64);
    let above = limbs.get(limb + 1).copied().unwrap_or(0);
    limbs.get(limb).copied().unwrap_or(0) >> offset | above << 1 << (63 - offset)
}

/// The sum of losses, exact over any split of a batch.
///
/// Threads, shards and machines each make a total of their part, merge in any order and grouping, and get the same
/// bits as one call over everything, where the parts are cut at multiples of [`Total::BLOCK`] elements. Holds the sum
/// of the weighted losses, the sum of the weights (the count, where there are none) and the count of elements.
///
/// ```
/// use fused_loss::{Elementwise, Mae, Total};
/// let (pred, target) = (vec![0.1_f32; 40_000], vec![0.0; 40_000]);
/// let (first, second) = (0..Total::<f32>::BLOCK, Total::<f32>::BLOCK..40_000);
/// let mut total = Mae.batch(&pred[second.clone()], &target[second]).total()?;
/// total.merge(&Mae.batch(&pred[first.clone()], &target[first]).total()?);
/// assert_eq!(total.mean(), Mae.batch(&pred, &target).mean());
/// # Ok::<(), fused_loss::Error<f32>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Total<F: Float> {
    pub(crate) sum: Exact<F>,
    pub(crate) weight: Exact<F>,
    pub(crate) count: u64,
}

/// [`Total::ROWS`], which is the same in both precisions.
pub const ROWS: usize = 32;

/// Magic, version, bits of the format, what each sum has seen, two of nothing, the count.
const HEADER: usize = 16;
const MAGIC: [u8; 3] = *b"FLT";
const VERSION: u8 = 1;

impl<F: Float> Default for Total<F> {
    fn default() -> Self {
        Total { sum: Exact::ZERO, weight: Exact::ZERO, count: 0 }
    }
}

impl<F: Float> Total<F> {
    /// Elements of a block: split a batch at multiples of this to keep its bits.
    pub const BLOCK: usize = 16_384;

    /// Rows of a group: split rows of classes at multiples of this to keep their bits.
    pub const ROWS: usize = ROWS;

    /// Adds another total, exactly.
    ///
    /// ```
    /// # use fused_loss::Total;
    /// let mut total = Total::<f64>::default();
    /// total.merge(&Total::default());
    /// assert_eq!(total.sum(), 0.0);
    /// ```
    pub fn merge(&mut self, other: &Self) {
        self.sum.merge(&other.sum);
        self.weight.merge(&other.weight);
        // A count from bytes may be any.
        self.count = self.count.saturating_add(other.count);
    }

    /// The sum of the losses, rounded once from the sum of the blocks.
    ///
    /// ```
    /// # use fused_loss::{Elementwise, Mse};
    /// assert_eq!(Mse.batch(&[3.0_f32], &[1.0]).total()?.sum(), 4.0);
    /// # Ok::<(), fused_loss::Error<f32>>(())
    /// ```
    pub fn sum(&self) -> F {
        self.sum.round()
    }

    /// The sum of the weights, or the count where there are none.
    ///
    /// ```
    /// # use fused_loss::{Elementwise, Mse};
    /// assert_eq!(Mse.batch(&[3.0_f32], &[1.0]).weights(&[0.5]).total()?.weight(), 0.5);
    /// # Ok::<(), fused_loss::Error<f32>>(())
    /// ```
    pub fn weight(&self) -> F {
        self.weight.round()
    }

    /// How many elements it holds, those of weight 0 included.
    ///
    /// ```
    /// # use fused_loss::Total;
    /// assert_eq!(Total::<f32>::default().count(), 0);
    /// ```
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The sum over the count. `Err(Empty)` where the count is 0.
    ///
    /// ```
    /// # use fused_loss::{Error, Total};
    /// assert_eq!(Total::<f32>::default().mean(), Err(Error::Empty));
    /// ```
    pub fn mean(&self) -> Result<F, Error<F>> {
        self.mean_over(self.count)
    }

    /// The sum over a denominator of the caller's. `Err(Empty)` where that is 0.
    ///
    /// ```
    /// # use fused_loss::{Elementwise, Mse};
    /// assert_eq!(Mse.batch(&[3.0_f32], &[1.0]).total()?.mean_over(8), Ok(0.5));
    /// # Ok::<(), fused_loss::Error<f32>>(())
    /// ```
    pub fn mean_over(&self, count: u64) -> Result<F, Error<F>> {
        match count {
            0 => Err(Error::Empty),
            count => Ok(self.sum.high_low().divide(HighLow::of_count(count))),
        }
    }

    /// The sum over the sum of the weights. `Err(Empty)` where that is 0, `Err(Parameter)` where it is beyond the
    /// largest number.
    ///
    /// ```
    /// # use fused_loss::{Elementwise, Mse};
    /// let total = Mse.batch(&[3.0_f32, 0.0], &[1.0, 0.0]).weights(&[0.5, 1.5]).total()?;
    /// assert_eq!(total.weighted_mean(), Ok(1.0));
    /// # Ok::<(), fused_loss::Error<f32>>(())
    /// ```
    pub fn weighted_mean(&self) -> Result<F, Error<F>> {
        self.over_weight_of(self)
    }

    /// The sum over the sum of the weights of another total: that of [`divisor`](crate::Batch::divisor). Errors as those of
    /// [`weighted_mean`](Total::weighted_mean).
    ///
    /// ```
    /// # use fused_loss::{Elementwise, Mse};
    /// let total = Mse.batch(&[3.0_f32, 0.0], &[1.0, 0.0]).total()?;
    /// assert_eq!(total.over_weight_of(&total), Ok(2.0));
    /// # Ok::<(), fused_loss::Error<f32>>(())
    /// ```
    pub fn over_weight_of(&self, other: &Self) -> Result<F, Error<F>> {
        Ok(self.sum.high_low().divide(divisor(other.weight.high_low())?))
    }

    /// A stable form for files and networks, the same on every machine: 112 bytes for f32, 560 for f64.
    ///
    /// Little-endian: `"FLT"`, version 1, bits of the format (32 or 64), flags of the sum, flags of the weight, 0, the
    /// count as u64, the limbs of the sum, the limbs of the weight. The flags are 1 for +inf seen, 2 for -inf, 4 for
    /// NaN. Limbs are u64, the least first, of one two's-complement integer whose unit is the smallest subnormal.
    ///
    /// ```
    /// # use fused_loss::{Elementwise, Mse, Total};
    /// let total = Mse.batch(&[3.0_f32], &[1.0]).total()?;
    /// assert_eq!(Total::from_bytes(total.to_bytes().as_ref()), Ok(total));
    /// # Ok::<(), fused_loss::Error<f32>>(())
    /// ```
    pub fn to_bytes(&self) -> F::Bytes {
        let mut bytes = F::ZERO_BYTES;
        let (header, body) = bytes.as_mut().split_at_mut(HEADER);
        header[..3].copy_from_slice(&MAGIC);
        header[3..8].copy_from_slice(&[VERSION, F::BITS as u8, self.sum.seen, self.weight.seen, 0]);
        header[8..].copy_from_slice(&self.count.to_le_bytes());
        let limbs = self.sum.limbs.as_ref().iter().chain(self.weight.limbs.as_ref());
        for (bytes, limb) in body.chunks_exact_mut(8).zip(limbs) {
            bytes.copy_from_slice(&limb.to_le_bytes());
        }
        bytes
    }

    /// A total from its byte form. `Err(Bytes)` where the length, magic, version, format or flags do not fit.
    ///
    /// ```
    /// # use fused_loss::Total;
    /// assert!(Total::<f32>::from_bytes(b"FLT").is_err());
    /// ```
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error<F>> {
        let wrong = |reason| Err(Error::Bytes { reason });
        if bytes.len() != F::ZERO_BYTES.as_ref().len() {
            return wrong("the length is not that of this precision");
        }
        let (header, body) = bytes.split_at(HEADER);
        if header[..3] != MAGIC {
            return wrong("they do not begin with FLT");
        }
        if header[3] != VERSION {
            return wrong("the version is unknown");
        }
        if u32::from(header[4]) != F::BITS {
            return wrong("the precision is another");
        }
        if header[5] > 7 || header[6] > 7 || header[7] != 0 {
            return wrong("the flags are unknown");
        }
        let mut words = bytes[8..HEADER]
            .chunks_exact(8)
            .chain(body.chunks_exact(8))
            .map(|word| word.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)));
        let mut total: Self = Total { count: words.next().unwrap_or(0), ..Total::default() };
        total.sum.seen = header[5];
        total.weight.seen = header[6];
        let limbs = total.sum.limbs.as_mut().iter_mut().chain(total.weight.limbs.as_mut());
        for (limb, word) in limbs.zip(words) {
            *limb = word;
        }
        Ok(total)
    }
}
