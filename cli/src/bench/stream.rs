//! The memory test: the bytes of a loss moved as fast as this CPU can, and next to nothing done to them.
//!
//! Both inputs are read and their exclusive or is written to the output, or over the predictions; without an output, it
//! is folded up. Rows with labels have one input, and all bits set in place of the other. That is one instruction for
//! either precision, and no pattern of bits makes it slow.

use fused_loss::Float;

use super::slices::Slices;

/// How the output is written.
#[derive(Clone, Copy, Debug)]
pub enum Stores {
    /// Through the cache, which reads what it is about to overwrite.
    Plain,
    /// Past the cache, where the target has such stores.
    Streaming,
}

/// Whether the two differ.
pub const HAS_STREAMING_STORES: bool = cfg!(target_arch = "x86_64");

/// One pass; the fold of all patterns where there is no output, else 0.
pub fn pass<F: Float>(slices: Slices<'_, F>, stores: Stores) -> u64 {
    #[cfg(target_arch = "x86_64")]
    let fold = x86::pass(slices, stores);
    #[cfg(not(target_arch = "x86_64"))]
    let fold = plain(slices, stores);
    fold
}

/// Without registers of our own: the compiler's best.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn plain<F: Float>(slices: Slices<'_, F>, _: Stores) -> u64 {
    let Slices { pred, target, out } = slices;
    let mut target = target.numbers().iter();
    if out.is_empty() {
        let pattern = |b: &F| b.to_pattern();
        return pred.iter().fold(0, |fold, a| fold ^ a.to_pattern() ^ target.next().map_or(0, pattern));
    }
    let mut pred = pred.iter();
    for out in out {
        let (&a, b) = (pred.next().unwrap_or(out), target.next());
        *out = mix(a, b.copied().unwrap_or(F::from_pattern(u64::MAX)));
    }
    0
}

fn mix<F: Float>(a: F, b: F) -> F {
    F::from_pattern(a.to_pattern() ^ b.to_pattern())
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    //! SAFETY, for the whole room: functions that take registers are inlined into one of the three entries at its end,
    //! and [`pass`] enters only what the CPU has. Pointers stay within the slices they come from, as said where they
    //! are used.

    use std::arch::x86_64::*;

    use super::*;

    /// Registers a turn of the loops: enough to hide the loop itself.
    const TURN: usize = 4;

    pub fn pass<F: Float>(slices: Slices<'_, F>, stores: Stores) -> u64 {
        // SAFETY: the CPU has just been asked; SSE2 is part of x86-64.
        unsafe {
            if is_x86_feature_detected!("avx512f") {
                avx512(slices, stores)
            } else if is_x86_feature_detected!("avx2") {
                avx2(slices, stores)
            } else {
                enter::<F, __m128i>(slices, stores)
            }
        }
    }

    /// Every pass that this CPU can run.
    #[cfg(test)]
    pub fn all<F: Float>() -> Vec<fn(Slices<'_, F>, Stores) -> u64> {
        // SAFETY: SSE2 is part of x86-64, and the CPU is asked for the others.
        let mut all: Vec<fn(Slices<'_, F>, Stores) -> u64> =
            vec![|s, t| unsafe { enter::<F, __m128i>(s, t) }];
        if is_x86_feature_detected!("avx2") {
            all.push(|s, t| unsafe { avx2(s, t) });
        }
        if is_x86_feature_detected!("avx512f") {
            all.push(|s, t| unsafe { avx512(s, t) });
        }
        all
    }

    /// A register of bits: any pattern is a value of it, and its size is a multiple of every float's.
    pub trait Register: Copy {
        /// # Safety
        /// The CPU must have the instruction.
        unsafe fn xor(self, other: Self) -> Self;
        /// # Safety
        /// The CPU must have the instruction; `to` must be fit for a write, and aligned.
        unsafe fn stream(self, to: *mut Self);
    }

    impl Register for __m128i {
        #[inline(always)]
        unsafe fn xor(self, other: Self) -> Self {
            // SAFETY: as this function's.
            unsafe { _mm_xor_si128(self, other) }
        }
        #[inline(always)]
        unsafe fn stream(self, to: *mut Self) {
            // SAFETY: as this function's.
            unsafe { _mm_stream_si128(to, self) }
        }
    }

    impl Register for __m256i {
        #[inline(always)]
        unsafe fn xor(self, other: Self) -> Self {
            // SAFETY: as this function's.
            unsafe { _mm256_xor_si256(self, other) }
        }
        #[inline(always)]
        unsafe fn stream(self, to: *mut Self) {
            // SAFETY: as this function's.
            unsafe { _mm256_stream_si256(to, self) }
        }
    }

    impl Register for __m512i {
        #[inline(always)]
        unsafe fn xor(self, other: Self) -> Self {
            // SAFETY: as this function's.
            unsafe { _mm512_xor_si512(self, other) }
        }
        #[inline(always)]
        unsafe fn stream(self, to: *mut Self) {
            // SAFETY: as this function's.
            unsafe { _mm512_stream_si512(to, self) }
        }
    }

    #[inline(always)]
    unsafe fn enter<F: Float, R: Register>(slices: Slices<'_, F>, stores: Stores) -> u64 {
        let Slices { pred, target, out } = slices;
        let target = target.numbers();
        // SAFETY: the caller's CPU has the registers R.
        unsafe {
            match (out.is_empty(), stores, target.is_empty()) {
                (true, _, true) => return fold::<F, R, false>(pred, target),
                (true, _, false) => return fold::<F, R, true>(pred, target),
                (false, Stores::Plain, true) => write::<F, R, false, false>(pred, target, out),
                (false, Stores::Plain, false) => write::<F, R, false, true>(pred, target, out),
                (false, Stores::Streaming, true) => write::<F, R, true, false>(pred, target, out),
                (false, Stores::Streaming, false) => write::<F, R, true, true>(pred, target, out),
            }
        }
        0
    }

    /// BOTH is whether there are targets.
    ///
    /// # Safety
    /// The CPU must have the registers R.
    #[inline(always)]
    unsafe fn write<F: Float, R: Register, const STREAMING: bool, const BOTH: bool>(
        pred: &[F],
        target: &[F],
        out: &mut [F],
    ) {
        let count = if pred.is_empty() { out.len() } else { out.len().min(pred.len()) };
        let count = if BOTH { count.min(target.len()) } else { count };
        let one = F::from_pattern(u64::MAX);
        // SAFETY: any bits are a value of a register of bits, which is no larger.
        let ones: R = unsafe { [u8::MAX; 64].as_ptr().cast::<R>().read_unaligned() };
        let (to, b) = (out.as_mut_ptr(), target.as_ptr());
        let a = if pred.is_empty() { to.cast_const() } else { pred.as_ptr() };
        // From the first place in `out` that is aligned for a register. Elements before it and after the last whole
        // register go one by one.
        let lanes = size_of::<R>() / size_of::<F>();
        let head = to.align_offset(size_of::<R>()).min(count);
        let turns = (count - head) / (lanes * TURN);
        let tail = head + turns * lanes * TURN;
        for i in (0..head).chain(tail..count) {
            // SAFETY: i < count, which no slice is shorter than.
            unsafe { *to.add(i) = mix(*a.add(i), if BOTH { *b.add(i) } else { one }) };
        }
        for turn in 0..turns {
            for part in 0..TURN {
                let i = head + (turn * TURN + part) * lanes;
                // SAFETY: i + lanes <= tail <= count, and `to` at `head` is aligned, so it is a multiple of lanes on.
                unsafe {
                    let from = a.add(i).cast::<R>().read_unaligned();
                    let mixed = from.xor(if BOTH { b.add(i).cast::<R>().read_unaligned() } else { ones });
                    match STREAMING {
                        true => mixed.stream(to.add(i).cast()),
                        false => to.add(i).cast::<R>().write(mixed),
                    }
                }
            }
        }
        if STREAMING {
            // SAFETY: part of x86-64. Streaming stores are in order with others only after this.
            unsafe { _mm_sfence() };
        }
    }

    /// BOTH is whether there are targets.
    ///
    /// # Safety
    /// The CPU must have the registers R.
    #[inline(always)]
    unsafe fn fold<F: Float, R: Register, const BOTH: bool>(pred: &[F], target: &[F]) -> u64 {
        let count = if BOTH { pred.len().min(target.len()) } else { pred.len() };
        let (a, b) = (pred.as_ptr(), target.as_ptr());
        let lanes = size_of::<R>() / size_of::<F>();
        let turns = count / (lanes * TURN);
        // SAFETY: zeros are a value of a register of bits.
        let mut folds: [R; TURN] = unsafe { std::mem::zeroed() };
        for turn in 0..turns {
            for (part, fold) in folds.iter_mut().enumerate() {
                let i = (turn * TURN + part) * lanes;
                // SAFETY: i + lanes <= turns * TURN * lanes <= count.
                unsafe {
                    *fold = fold.xor(a.add(i).cast::<R>().read_unaligned());
                    if BOTH {
                        *fold = fold.xor(b.add(i).cast::<R>().read_unaligned());
                    }
                }
            }
        }
        let pattern = |slice: &[F]| slice.iter().fold(0, |fold, x| fold ^ x.to_pattern());
        // SAFETY: registers of bits are so many floats in a row, whose patterns are all values.
        let folded = unsafe { std::slice::from_raw_parts(folds.as_ptr().cast::<F>(), TURN * lanes) };
        let tail = turns * TURN * lanes..count;
        let last = if BOTH { pattern(&target[tail.clone()]) } else { 0 };
        pattern(folded) ^ pattern(&pred[tail]) ^ last
    }

    #[target_feature(enable = "avx2")]
    fn avx2<F: Float>(slices: Slices<'_, F>, stores: Stores) -> u64 {
        // SAFETY: this function's own instructions.
        unsafe { enter::<F, __m256i>(slices, stores) }
    }

    #[target_feature(enable = "avx512f")]
    fn avx512<F: Float>(slices: Slices<'_, F>, stores: Stores) -> u64 {
        // SAFETY: this function's own instructions.
        unsafe { enter::<F, __m512i>(slices, stores) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::Target;

    fn same_as_plain<F: Float>(pass: fn(Slices<'_, F>, Stores) -> u64) {
        let numbers = |seed: u64| -> Vec<F> {
            (0..300).map(|i| F::from_f64(((i * 37 + seed * 11) % 101) as f64 - 50.0)).collect()
        };
        let (a, b) = (numbers(1), numbers(2));
        for (start, end) in [(0, 300), (1, 300), (3, 250), (5, 12), (7, 8), (0, 64), (9, 137)] {
            let pred = &a[start..end];
            let patterns = |x: &[F]| x.iter().map(|x| x.to_pattern()).collect::<Vec<_>>();
            // Of labels, nothing is read.
            let targets = [Target::Elements(&b[start..end]), Target::Labels(end - start, &[0])];
            for (stores, target) in [Stores::Plain, Stores::Streaming]
                .into_iter()
                .flat_map(|stores| targets.map(|target| (stores, target)))
            {
                let value = || Slices { pred, target, out: &mut [] };
                assert_eq!(pass(value(), stores), plain(value(), stores));
                for pred in [pred, &[]] {
                    let (mut right, mut found) = (a.clone(), a.clone());
                    plain(Slices { pred, target, out: &mut right[start..end] }, stores);
                    pass(Slices { pred, target, out: &mut found[start..end] }, stores);
                    assert_eq!(patterns(&found), patterns(&right), "{start}..{end} {stores:?}");
                    assert_ne!(patterns(&found), patterns(&a));
                }
            }
        }
    }

    #[test]
    fn every_byte_is_moved_at_any_offset() {
        same_as_plain::<f32>(pass);
        same_as_plain::<f64>(pass);
        #[cfg(target_arch = "x86_64")]
        {
            x86::all().into_iter().for_each(same_as_plain::<f32>);
            x86::all().into_iter().for_each(same_as_plain::<f64>);
        }
    }
}
