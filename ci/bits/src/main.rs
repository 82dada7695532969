//! Compares the bits of this target with the list: one line a level, "identical" or the first difference.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(all(target_arch = "arm", target_os = "none"))]
mod cortex_m;
#[cfg(not(any(target_os = "none", target_arch = "wasm32")))]
mod hosted;

#[cfg(not(any(target_os = "none", target_arch = "wasm32")))]
fn main() -> std::process::ExitCode {
    hosted::main()
}
#[cfg(target_arch = "wasm32")]
fn main() {}
