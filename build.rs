//! Names the build's cfgs; it generates no code.
//!
//! - `x86_dispatch`: x86 with SSE2, where wider registers are chosen at run time.
//! - `portable_fused`: the portable registers multiply and add with one rounding (aarch64, whose baseline has FMA).
//! - `portable_simd`: the portable registers are real ones here, not plain code.
//! - `small`: the crate is compiled for size (opt-level s or z), for a target whose levels all have the same bits. One copy
//!   of everything, then: one kind of register, one loop for all losses.
//! - `called`: the larger functions are called instead of inlined, because the crate is `small` or not optimized at all: every
//!   inlined step would keep a place of its own on the stack then, which a thread has too little of.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(x86_dispatch, portable_fused, portable_simd, small, called)");
    let arch = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    let features = env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    let has = |name: &str| features.split(',').any(|feature| feature == name);
    let x86 = matches!(arch.as_str(), "x86" | "x86_64") && has("sse2");
    let neon = arch == "aarch64" && has("neon");
    if x86 {
        println!("cargo::rustc-cfg=x86_dispatch");
    }
    if neon {
        println!("cargo::rustc-cfg=portable_fused");
    }
    let level = env::var("OPT_LEVEL").unwrap_or_default();
    let small = matches!(level.as_str(), "s" | "z") && !x86 && !neon;
    if small {
        println!("cargo::rustc-cfg=small");
    }
    if small || level == "0" {
        println!("cargo::rustc-cfg=called");
    }
    if x86 || neon || has("simd128") {
        println!("cargo::rustc-cfg=portable_simd");
    }
}
