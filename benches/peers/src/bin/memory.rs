//! The memory test: the bytes of a loss moved in registers of 512 bits, or of 256 where the CPU has no longer ones, and
//! next to nothing done to them. Both inputs are read and their exclusive or is written; rows with labels have one input.
//! What to fetch ahead is left to the CPU. `memory plain` stores through the cache and `memory streaming` past it; the
//! faster counts.

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
    let wide = std::is_x86_feature_detected!("avx512f");
    let mut data = Data::<F>::read(cell)?;
    // In whole cache lines, so that each thread's part begins one.
    let share = data.pred.len().div_ceil(threads()).next_multiple_of(64 / size_of::<F>());
    // As the losses do that move numbers, below what is worth a thread.
    let share = if data.pred.len() < 1 << 18 { data.pred.len() } else { share };
    let move_bytes = move |pred: &[F], target: &[F], out: &mut [F]| {
        let (pred, target, out) = (black_box(pred), black_box(target), black_box(out));
        // SAFETY: the CPU has just been asked.
        unsafe {
            match wide {
                true => x86::wide::pass(pred, target, out, streaming),
                false => x86::narrow::pass(pred, target, out, streaming),
            }
        }
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
    macro_rules! registers {
        ($name:ident, $feature:literal, $register:ident, $xor:ident, $ones:expr, $load:ident, $store:ident, $stream:ident) => {
            pub mod $name {
                use std::arch::x86_64::*;

                /// The exclusive or of the inputs to `out`, or of the one input and ones.
                #[target_feature(enable = $feature)]
                pub fn pass<F>(pred: &[F], target: &[F], out: &mut [F], streaming: bool) {
                    match (target.is_empty(), streaming) {
                        (true, true) => run::<F, false, true>(pred, target, out),
                        (true, false) => run::<F, false, false>(pred, target, out),
                        (false, true) => run::<F, true, true>(pred, target, out),
                        (false, false) => run::<F, true, false>(pred, target, out),
                    }
                }

                #[target_feature(enable = $feature)]
                fn run<F, const BOTH: bool, const STREAMING: bool>(pred: &[F], target: &[F], out: &mut [F]) {
                    const TURN: usize = 4;
                    let other = if BOTH { target } else { pred };
                    let count = pred.len().min(other.len()).min(out.len());
                    let lanes = size_of::<$register>() / size_of::<F>();
                    let (a, b, to) = (pred.as_ptr(), target.as_ptr(), out.as_mut_ptr());
                    assert!(to.cast::<$register>().is_aligned(), "streaming stores need aligned arrays");
                    // Numbers after the last whole turn are left out: at most 63 of them, in a test of speed.
                    for turn in 0..count / (lanes * TURN) {
                        for part in 0..TURN {
                            let i = (turn * TURN + part) * lanes;
                            // SAFETY: i + lanes <= count, which no slice is shorter than; `to` is aligned, and so is each
                            // lanes on.
                            unsafe {
                                let other = if BOTH { $load(b.add(i).cast()) } else { $ones };
                                let mixed = $xor($load(a.add(i).cast()), other);
                                match STREAMING {
                                    true => $stream(to.add(i).cast(), mixed),
                                    false => $store(to.add(i).cast(), mixed),
                                }
                            }
                        }
                    }
                    if STREAMING {
                        _mm_sfence();
                    }
                }
            }
        };
    }

    registers!(
        wide,
        "avx512f",
        __m512i,
        _mm512_xor_si512,
        _mm512_set1_epi32(-1),
        _mm512_loadu_si512,
        _mm512_store_si512,
        _mm512_stream_si512
    );
    registers!(
        narrow,
        "avx",
        __m256,
        _mm256_xor_ps,
        _mm256_castsi256_ps(_mm256_set1_epi32(-1)),
        _mm256_loadu_ps,
        _mm256_store_ps,
        _mm256_stream_ps
    );
}
