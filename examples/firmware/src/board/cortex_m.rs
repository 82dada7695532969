//! A Cortex-M whose debugger prints for it: qemu is one.

use cortex_m_rt::entry;
use cortex_m_semihosting::{debug, hprintln};

use crate::network::{EPOCHS, Network};

#[entry]
fn main() -> ! {
    let mut network = Network::new();
    for epoch in 1..=EPOCHS {
        match network.step(0.5) {
            Ok(loss) => hprintln!("epoch {}: loss {} ({:08x})", epoch, loss, loss.to_bits()),
            Err(error) => panic!("{error}"),
        }
    }
    debug::exit(debug::EXIT_SUCCESS);
    unreachable!()
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    hprintln!("{}", info);
    debug::exit(debug::EXIT_FAILURE);
    loop {}
}
