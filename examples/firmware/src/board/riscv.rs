//! A RISC-V core that nothing is connected to: it is linked, to show that it can be.

use core::arch::global_asm;
use core::hint::black_box;

use crate::network::{EPOCHS, Network};

global_asm!(
    ".section .text.start, \"ax\"",
    ".global _start",
    "_start:",
    "la sp, stack_top",
    "j {train}",
    train = sym train,
);

extern "C" fn train() -> ! {
    let mut network = Network::new();
    for _ in 0..EPOCHS {
        black_box(network.step(0.5).is_ok());
    }
    rest()
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    rest()
}

fn rest() -> ! {
    loop {
        core::hint::spin_loop();
    }
}
