//! A Cortex-M whose debugger prints for it: qemu is one.

use bits::compare;
use cortex_m_rt::entry;
use cortex_m_semihosting::{debug, hprintln};
use fused_loss::Level;

#[entry]
fn main() -> ! {
    let level = Level::detect();
    match compare(level) {
        Ok(cases) => {
            hprintln!("{}, {}: identical, {} cases", level, level.rounding(), cases);
            debug::exit(debug::EXIT_SUCCESS);
        }
        Err(difference) => {
            hprintln!("{}: the first difference is {}", level, difference.case);
            debug::exit(debug::EXIT_FAILURE);
        }
    }
    unreachable!()
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    hprintln!("{}", info);
    debug::exit(debug::EXIT_FAILURE);
    loop {}
}
