#!/usr/bin/env bash
# The package for JavaScript: builds both modules into bindings/wasm/dist and tests them in node and in Chromium.
#
# ci/wasm.sh        all of it; needs node 20, and installs what else it needs
# ci/wasm.sh build  the modules and their sizes alone
set -euo pipefail
cd "$(dirname "$0")/../bindings/wasm"
root=$(cd ../.. && pwd)

step() { printf '\n== %s\n' "$*"; }

if ! command -v wasm-opt >/dev/null; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends binaryen >/dev/null
fi
mkdir -p dist
sizes=0
build() { # NAME FLAGS LIMIT
    step "build $1"
    # A directory each: flags decide what is built. What is inlined at level s is still more than a call.
    CARGO_TARGET_DIR="target/$1" RUSTFLAGS="$2 -C llvm-args=-inline-threshold=2" \
        "$root/ci/image.sh" wasm32-unknown-unknown build --release --locked
    local module
    module=$(find "target/$1" -path '*wasm32-unknown-unknown/release/fused_loss_wasm.wasm' | head -1)
    # Level s leaves some behind that binaryen finds, and more once it has made the branches anew. The first KB of memory is
    # the far end of the stack, where no number is.
    wasm-opt -Oz --converge --flatten --rereloop -Oz --flatten --rereloop -Oz --converge -Oz --low-memory-unused --strip-debug \
        --strip-producers --enable-simd --enable-bulk-memory --enable-sign-ext --enable-mutable-globals \
        --enable-nontrapping-float-to-int "$module" -o "dist/$1.wasm"
    local bytes
    bytes=$(stat -c %s "dist/$1.wasm")
    echo "$1: $bytes bytes, of at most $3; $(gzip -9 <"dist/$1.wasm" | wc -c) after gzip"
    if [ "$bytes" -gt "$3" ]; then
        echo "$1 is too large"
        sizes=1
    fi
}
build plain '-C target-feature=-simd128' 81920
build simd128 '-C target-feature=+simd128' 102400
cp "$root"/LICENSE-* dist/
if [ "${1:-all}" = build ]; then exit $sizes; fi

step 'what the tests need'
npm ci --no-fund --no-audit --silent
if ! [ -x "${CHROMIUM:-/usr/bin/chromium}" ]; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends chromium >/dev/null
fi
CARGO_TARGET_DIR=target/table cargo run --locked --quiet --example table >test/table.json

step 'format and lints'
cargo fmt --check
CARGO_TARGET_DIR=target/table cargo clippy --locked --quiet --all-targets -- -D warnings

step 'opcodes'
node test/opcodes.js
step 'tests in node'
node --test test/node.test.js
step 'types'
npx tsc
step 'tests in Chromium'
node test/browser.js
step 'the package'
npm pack --dry-run
exit $sizes
