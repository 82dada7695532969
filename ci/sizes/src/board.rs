//! The board that images run on.

use core::arch::{asm, global_asm};

// The board's start: the FPU on, the free memory painted, then the calls; what is painted no more was their stack.
global_asm!(
    ".syntax unified",
    ".section .vectors, \"a\"",
    ".word stack_top",
    ".word reset",
    ".section .text.reset, \"ax\"",
    ".global reset",
    ".type reset, %function",
    ".thumb_func",
    "reset:",
    "ldr r0, =0xe000ed88",
    "ldr r1, [r0]",
    "orr r1, r1, #0xf00000",
    "str r1, [r0]",
    "dsb",
    "isb",
    "ldr r0, =stack_end",
    "ldr r1, =0xa5a5a5a5",
    "2: str r1, [r0], #4",
    "cmp r0, sp",
    "blo 2b",
    "bl measure",
    "bl report",
);

unsafe extern "C" {
    static stack_end: u32;
    static stack_top: u32;
}

/// Prints how many bytes of stack were used, and exits.
#[unsafe(no_mangle)]
extern "C" fn report(right: bool) -> ! {
    let (end, top) = (&raw const stack_end, &raw const stack_top);
    let mut lowest = end;
    // SAFETY: from the end to the top of the stack is memory, all of which has been written.
    while lowest < top && unsafe { lowest.read_volatile() } == 0xa5a5_a5a5 {
        lowest = lowest.wrapping_add(1);
    }
    let mut used = top.addr() - lowest.addr();
    let mut text = *b"00000\n\0";
    for digit in text.iter_mut().take(5).rev() {
        *digit = b'0' + (used % 10) as u8;
        used /= 10;
    }
    const WRITE: usize = 4;
    const EXIT: usize = 0x18;
    semihosting(WRITE, text.as_ptr().addr());
    semihosting(EXIT, if right { 0x2_0026 } else { 0x2_0023 });
    loop {}
}

fn semihosting(operation: usize, argument: usize) {
    // SAFETY: the debugger reads the text, which ends in 0, and writes nothing.
    unsafe { asm!("bkpt 0xab", inout("r0") operation => _, in("r1") argument) }
}
