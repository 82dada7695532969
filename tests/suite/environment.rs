//! What the promises rest on: the default floating-point environment. A host that flushes subnormal numbers to zero
//! gets other results, and keeps its setting.
#![cfg(target_arch = "x86_64")]
#![allow(unsafe_code)]

use std::arch::asm;

use fused_loss::{Elementwise, Level, Mae, Mse};

/// Flush results to zero, take subnormal inputs for zero: Intel SDM volume 1, 10.2.3.
const FLUSH: u32 = 1 << 15 | 1 << 6;

fn environment() -> u32 {
    let mut bits = 0_u32;
    // SAFETY: writes the control register of SSE, which x86-64 has, to four bytes that are ours.
    unsafe { asm!("stmxcsr [{}]", in(reg) &mut bits, options(nostack)) };
    bits
}

fn set_environment(bits: u32) {
    // SAFETY: as above, the other way; `bits` came from the register itself, but for two flags that it has.
    unsafe { asm!("ldmxcsr [{}]", in(reg) &bits, options(nostack)) };
}

#[test]
fn flushing_subnormals_changes_results_and_is_left_alone() {
    let (pred, target) = ([3e-39_f32, 1.0, 1e-20], [0.0_f32, 0.0, 0.0]);
    for level in Level::available() {
        let sums = || {
            let mae = Mae.batch(&pred[..1], &target[..1]).level(level).sum();
            let mse = Mse.batch(&pred[2..], &target[2..]).level(level).sum();
            let ordinary = Mae.batch(&pred[1..2], &target[1..2]).level(level).sum();
            (mae.unwrap(), mse.unwrap(), ordinary.unwrap())
        };
        let before = environment();
        let right = sums();
        set_environment(before | FLUSH);
        let flushed = sums();
        let after = environment();
        set_environment(before);
        assert_eq!(right, (3e-39, 1e-40, 1.0), "{level}");
        assert_eq!(flushed, (0.0, 0.0, 1.0), "{level}: subnormal results and inputs are zero");
        assert_eq!(after & FLUSH, FLUSH, "{level}: the host's setting is the host's");
        assert_eq!(sums(), right, "{level}: nothing of it is remembered");
    }
}
