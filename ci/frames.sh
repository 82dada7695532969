#!/usr/bin/env bash
# Kernels that keep registers in a frame that is not aligned: in some processes, one of them lies across the end of a page,
# and the call takes far longer. ci/frames.sh disassembles the program of ci/instructions, and fails where it finds such a
# kernel: `align_frame` in it is the cure.
set -euo pipefail

cd "$(dirname "$0")/.."
# Names that tell one kernel from another, as benches/bounds.py has them.
target=$PWD/target/bounds
(cd ci/instructions && RUSTFLAGS='-C symbol-mangling-version=v0' \
    cargo build --quiet --release --locked --target-dir "$target")
objdump --disassemble --demangle --no-show-raw-insn "$target/release/instructions" | awk '
    /^[0-9a-f]+ <.*>:$/ { name = substr($0, index($0, "<")) }
    name ~ /fused_loss/ && /%[yz]mm.*\(%rsp\)|\(%rsp\).*%[yz]mm/ {
        if ($2 ~ /^vmovup[sd]$/) loose[name]++
        if ($2 ~ /^vmovap[sd]$/) tight[name]++
    }
    END {
        # A few are copies of arrays, and no registers that are kept.
        for (name in loose)
            if (loose[name] > 3 && !tight[name]) { print loose[name], name; bad = 1 }
        exit bad
    }'
