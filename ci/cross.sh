#!/usr/bin/env bash
# cargo for a target without this machine's: ci/cross.sh TARGET CARGO-COMMAND [ARGS...]
#
# Uses rustup's target where it is installed, else Debian's compiler with its library source, which it installs.
set -euo pipefail

target=$1
shift
if rustup target list --installed 2>/dev/null | grep -qx "$target"; then
    exec cargo "$1" --target "$target" "${@:2}"
fi
if ! [ -x /usr/bin/cargo ] || ! dpkg -s rust-web-src >/dev/null 2>&1; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends rustc-web cargo-web rust-web-src >/dev/null
fi
case $target in
    *-none-* | *-none | wasm32-unknown-unknown) std=core ;;
    *) std=std,test,panic_unwind ;;
esac
export PATH=/usr/bin:$PATH RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/cross"
exec /usr/bin/cargo "$1" "-Zbuild-std=$std" --target "$target" "${@:2}"
