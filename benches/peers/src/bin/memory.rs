//! The memory test: the bytes of a loss moved as fast as this CPU can, and next to nothing done to them. Both inputs are
//! read and their exclusive or is written; rows with labels have one input. The better of stores through the cache and
//! past it is asked for by the coordinator, which takes the faster: `memory plain` and `memory streaming`.

use std::hint::black_box;

use fused_loss::Float;
use peers::{About, Call, Cell, Data, serve, threads};

fn main() {
    let streaming = match std::env::args().nth(1).as_deref() {
        Some("streaming") => true,
        Some("plain") => false,
        _ => panic!("memory plain, or memory streaming"),
    };
    let version = if streaming { "stores past the cache" } else { "stores through the cache" };
    serve(About { version: version.into(), allocates: "nothing" }, |cell| match cell.dtype.as_str() {
        "f32" => prepare::<f32>(cell, streaming),
        _ => prepare::<f64>(cell, streaming),
    });
}

fn prepare<F: Float>(cell: &Cell, streaming: bool) -> Result<Call, String> {
    if !cfg!(target_arch = "x86_64") || !std::is_x86_feature_detected!("avx") {
        return Err("the memory test is written for x86-64 with AVX".into());
    }
    let mut data = Data::<F>::read(cell)?;
    // In whole cache lines, so that each thread's part begins one.
    let share = data.pred.len().div_ceil(threads()).next_multiple_of(64 / size_of::<F>());
    // As the losses do that move numbers, below what is worth a thread.
    let share = if data.pred.len() < 1 << 18 { data.pred.len() } else { share };
    let move_bytes = move |pred: &[F], target: &[F], out: &mut [F]| {
        // SAFETY: the CPU has just been asked.
        unsafe { x86::pass(black_box(pred), black_box(target), black_box(out), streaming) };
    };
    Ok(Box::new(move || {
        let Data { pred, target, grad, .. } = &mut data;
        // A scope costs, and most calls have one part.
        if share >= pred.len() {
            move_bytes(pred, target, grad);
            return 0.0;
        }
        rayon::scope(|scope| {
            for (part, (pred, out)) in pred.chunks(share).zip(grad.chunks_mut(share)).enumerate() {
                let target = target.get(part * share..).unwrap_or_default();
                scope.spawn(move |_| move_bytes(pred, &target[..pred.len().min(target.len())], out));
            }
        });
        0.0
    }))
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    /// The exclusive or of the inputs to `out`, or of the one input and ones.
    #[target_feature(enable = "avx")]
    pub fn pass<F>(pred: &[F], target: &[F], out: &mut [F], streaming: bool) {
        match (target.is_empty(), streaming) {
            (true, true) => run::<F, false, true>(pred, target, out),
            (true, false) => run::<F, false, false>(pred, target, out),
            (false, true) => run::<F, true, true>(pred, target, out),
            (false, false) => run::<F, true, false>(pred, target, out),
        }
    }

    #[target_feature(enable = "avx")]
    fn run<F, const BOTH: bool, const STREAMING: bool>(pred: &[F], target: &[F], out: &mut [F]) {
        const TURN: usize = 4;
        let count =
            if BOTH { pred.len().min(target.len()).min(out.len()) } else { pred.len().min(out.len()) };
        let lanes = 32 / size_of::<F>();
        let (a, b, to) = (pred.as_ptr(), target.as_ptr(), out.as_mut_ptr());
        assert!(to.cast::<__m256>().is_aligned(), "streaming stores need aligned arrays");
        let ones = _mm256_castsi256_ps(_mm256_set1_epi8(-1));
        // Numbers after the last whole turn are left out: at most 31 of them, in a test of speed.
        for turn in 0..count / (lanes * TURN) {
            for part in 0..TURN {
                let i = (turn * TURN + part) * lanes;
                // SAFETY: i + lanes <= count, which no slice is shorter than; `to` is aligned, and so is each lanes on.
                unsafe {
                    let other = if BOTH { _mm256_loadu_ps(b.add(i).cast()) } else { ones };
                    let mixed = _mm256_xor_ps(_mm256_loadu_ps(a.add(i).cast()), other);
                    match STREAMING {
                        true => _mm256_stream_ps(to.add(i).cast(), mixed),
                        false => _mm256_store_ps(to.add(i).cast(), mixed),
                    }
                }
            }
        }
        if STREAMING {
            _mm_sfence();
        }
    }
}
