#!/usr/bin/env bash
# Trains on a Cortex-M4F in qemu and on this machine, and compares every bit of every loss.
set -euo pipefail

cd "$(dirname "$0")"
if ! command -v qemu-system-arm >/dev/null; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends qemu-system-arm >/dev/null
fi
host=$(cargo run --quiet --release)
../../ci/image.sh thumbv7em-none-eabihf build --quiet --release
device=$(timeout 60 ../../ci/image.sh thumbv7em-none-eabihf run --quiet --release) || {
    echo "$device"
    echo "the device failed" >&2
    exit 1
}
echo "$device"
if [ "$device" != "$host" ]; then
    diff <(echo "$device") <(echo "$host") || true
    echo "the device's bits are not the host's" >&2
    exit 1
fi
echo "the same bits on this machine"
