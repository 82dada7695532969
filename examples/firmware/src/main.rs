//! Trains a small network on a microcontroller, and, for comparison of the bits, on the host: `run.sh` does both.
#![cfg_attr(target_os = "none", no_std, no_main)]

mod network;

#[cfg_attr(all(target_arch = "arm", target_os = "none"), path = "board/cortex_m.rs")]
#[cfg_attr(all(target_arch = "riscv32", target_os = "none"), path = "board/riscv.rs")]
#[cfg_attr(not(target_os = "none"), path = "board/host.rs")]
mod board;

#[cfg(not(target_os = "none"))]
fn main() {
    board::main();
}
