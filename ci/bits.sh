#!/usr/bin/env bash
# Compares the bits of one corpus of calls with the list of its hashes: ci/bits.sh [TARGET...], all targets by default. A
# target is a function here; a line each says "identical", or what differs first.
set -euo pipefail

cd "$(dirname "$0")/bits"

needs() { # COMMAND PACKAGE...
    if ! command -v "$1" >/dev/null; then
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends "${@:2}" >/dev/null
    fi
}

# All levels of this machine.
host() {
    cargo run --quiet --release --locked
}

# NEON and scalar, under qemu.
aarch64() {
    needs qemu-aarch64 qemu-user
    needs aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu libc6-dev-arm64-cross
    # The one way to panic that cross.sh builds the standard library with.
    CARGO_PROFILE_RELEASE_PANIC=unwind ../cross.sh aarch64-unknown-linux-gnu run --quiet --release --locked
}

# A Cortex-M4 without SIMD, under qemu.
cortex_m4() {
    needs qemu-system-arm qemu-system-arm
    timeout 900 ../image.sh thumbv7em-none-eabihf run --quiet --release --locked
}

# Both builds, in node, at the opt-level of the package.
wasm() {
    export CARGO_PROFILE_RELEASE_OPT_LEVEL=s
    for build in plain:-simd128 simd128:+simd128; do
        local room=${CARGO_TARGET_DIR:-target}/${build%%:*}
        CARGO_TARGET_DIR=$room RUSTFLAGS="-C target-feature=${build##*:} -C link-arg=-zstack-size=4194304" \
            ../image.sh wasm32-unknown-unknown rustc --quiet --release --locked --lib --crate-type cdylib
        node wasm.mjs "${build%%:*}" "$(find "$room" -path '*wasm32-unknown-unknown/release/bits.wasm' | head -1)"
    done
}

for target in "${@:-host wasm cortex_m4 aarch64}"; do
    for target in $target; do
        echo "== $target"
        "$target"
    done
done
