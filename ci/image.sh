#!/usr/bin/env bash
# cargo for a target without an operating system, linker included: ci/image.sh TARGET CARGO-COMMAND [ARGS...]
set -euo pipefail

# Where the compiler is not rustup's, it may lack the linker that comes with that.
host=$(rustc -vV | sed -n 's/^host: //p')
lld=$(rustc --print sysroot)/lib/rustlib/$host/bin/rust-lld
if [ -x "$lld" ]; then
    target=${1^^}
    export "CARGO_TARGET_${target//-/_}_LINKER=$lld"
fi
exec "$(dirname "$0")/cross.sh" "$@"
