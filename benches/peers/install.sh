#!/bin/sh
# Makes the environment that the peers run in: a venv with the Python peers, and the Rust ones built.
#
#   benches/peers/install.sh [DIR]     DIR: target/peers unless given; about 8 GB with PyTorch's ordinary package
#
# A peer that cannot be installed is said so, and left out of what run.sh measures; only what the comparison itself
# needs is an error.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dir=${1:-$here/../../target/peers}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)

command -v python3 >/dev/null || { echo "python3 is needed, 3.11 or later" >&2; exit 2; }
command -v cargo >/dev/null || { echo "cargo is needed: install Rust first" >&2; exit 2; }

missing=
[ -x "$dir/venv/bin/python" ] || python3 -m venv "$dir/venv"
# One by one: a package that is not to be had takes no other along. NumPy and matplotlib the scripts need themselves.
grep -v '^#' "$here/requirements.txt" | while read -r package; do
    if ! "$dir/venv/bin/python" -m pip install --quiet "$package"; then
        case $package in
        numpy* | matplotlib*) echo "$package is needed and cannot be installed" >&2 && exit 2 ;;
        *) echo "absent: $package cannot be installed" >&2 ;;
        esac
    fi
done

cd "$here"
# The crate as it comes, which finds its instructions at run time.
CARGO_TARGET_DIR=$dir/target cargo build --release --locked --bin fused_loss --bin memory
# Everyone else for the CPU at hand, in a folder of its own.
native() {
    program=$1 && shift
    RUSTFLAGS="-C target-cpu=native" CARGO_TARGET_DIR=$dir/target-native \
        cargo build --release --locked --bin "$program" "$@" || missing="$missing $program"
}
native loops
native candle --features candle
native burn --features burn
[ -z "$missing" ] || echo "absent, for they do not build:$missing" >&2
