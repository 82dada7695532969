//! The C interface: every loss as a function, with its options in a plain struct.
//!
//! `losses` is the list of functions and `call` makes slices of their pointers; types that C sees are in `types`. What
//! holds for all functions is said at the head of the header, in `cbindgen.toml`.
#![no_std]

// Its panic handler: hosts have one. No other part of std is used.
#[cfg(not(target_os = "none"))]
extern crate std;

mod call;
mod losses;
mod types;

pub use losses::*;
pub use types::*;

/// The kernels hold no path that leads here; the language wants a handler all the same.
#[cfg(all(target_os = "none", feature = "panic_handler"))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
