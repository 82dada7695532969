//! What an x86 CPU and its operating system can run, asked with and without `std` in the same way.

#[cfg(target_arch = "x86")]
use core::arch::x86::{__cpuid_count, _xgetbv, CpuidResult};
#[cfg(target_arch = "x86_64")]
use core::arch::x86_64::{__cpuid_count, _xgetbv, CpuidResult};

// Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E.
const LEAF_1_ECX_FMA: u32 = 1 << 12;
const LEAF_1_ECX_OSXSAVE: u32 = 1 << 27;
const LEAF_1_ECX_AVX: u32 = 1 << 28;
const LEAF_7_EBX_AVX2: u32 = 1 << 5;
const LEAF_7_EBX_AVX512: u32 = 1 << 16 | 1 << 17 | 1 << 30 | 1 << 31; // F, DQ, BW, VL
// Intel SDM volume 1, 13.3: what the operating system saves when it switches threads.
const XCR0_256_BITS: u64 = 0b110; // SSE, upper halves of ymm
const XCR0_512_BITS: u64 = 0b1110_0110; // and opmask, upper halves of zmm, zmm16 to 31

pub fn has_avx2() -> bool {
    let leaf_1 = leaf(1, 0).ecx;
    let needed = LEAF_1_ECX_FMA | LEAF_1_ECX_OSXSAVE | LEAF_1_ECX_AVX;
    leaf_1 & needed == needed && saved_by_the_system(XCR0_256_BITS) && leaf_7_ebx() & LEAF_7_EBX_AVX2 != 0
}

pub fn has_avx512() -> bool {
    has_avx2() && saved_by_the_system(XCR0_512_BITS) && leaf_7_ebx() & LEAF_7_EBX_AVX512 == LEAF_7_EBX_AVX512
}

fn leaf_7_ebx() -> u32 {
    if leaf(0, 0).eax < 7 { 0 } else { leaf(7, 0).ebx }
}

// The intrinsic is unsafe up to Rust 1.93, and safe from 1.94 on.
#[allow(unused_unsafe)]
fn leaf(leaf: u32, sub_leaf: u32) -> CpuidResult {
    // SAFETY: every x86 CPU with SSE2, which the target has, has the instruction.
    unsafe { __cpuid_count(leaf, sub_leaf) }
}

fn saved_by_the_system(states: u64) -> bool {
    // SAFETY: both callers have seen OSXSAVE, which says that this instruction runs.
    unsafe { read_xcr0() & states == states }
}

#[target_feature(enable = "xsave")]
unsafe fn read_xcr0() -> u64 {
    // SAFETY: XCR0 is register 0, and the caller has seen OSXSAVE.
    unsafe { _xgetbv(0) }
}

#[cfg(test)]
mod tests {
    extern crate std;

    #[test]
    fn agrees_with_the_standard_library() {
        use std::is_x86_feature_detected as has;
        assert_eq!(super::has_avx2(), has!("avx2") && has!("fma"));
        let avx512 = has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl");
        assert_eq!(super::has_avx512(), super::has_avx2() && avx512);
    }
}
