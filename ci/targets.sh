#!/usr/bin/env bash
# Builds, and where it can runs, for targets other than this machine: ci/targets.sh [STEP...], all steps by default. A
# step is a function here.
set -euo pipefail

cd "$(dirname "$0")/.."

# The C interface, on this machine.
c() {
    ci/c.sh
}

# The C interface on bare metal: the static library, with its own panic handler.
c_bare_metal() (
    cd bindings/c
    ../../ci/cross.sh thumbv7em-none-eabihf rustc --quiet --profile small --features panic_handler --crate-type staticlib
)

# Training on a Cortex-M4F in qemu: the bits of the host.
firmware() {
    examples/firmware/run.sh
}

# Cortex-M0, without FPU and compare-and-swap, and RISC-V: the same firmware is linked.
linked() (
    cd examples/firmware
    for target in thumbv6m-none-eabi riscv32imac-unknown-none-elf; do
        ../../ci/image.sh "$target" build --quiet --release
        echo "$target: linked"
    done
)

# Flash and stack of each loss, against their floors.
sizes() {
    ci/sizes.sh
}

# JavaScript, in node and Chromium.
wasm() {
    ci/wasm.sh
}

# One corpus of calls has the same bits on every target.
bits() {
    ci/bits.sh
}

# All tests on aarch64, under qemu.
aarch64() {
    ci/aarch64.sh
}

for step in "${@:-c c_bare_metal firmware linked sizes wasm bits aarch64}"; do
    for step in $step; do
        echo "== $step"
        "$step"
    done
done
