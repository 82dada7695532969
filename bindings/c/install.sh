#!/usr/bin/env bash
# Builds the C library and installs it with its header and pkg-config file: bindings/c/install.sh PREFIX
set -euo pipefail

mkdir -p "${1:?usage: install.sh PREFIX}"
prefix=$(cd "$1" && pwd)
cd "$(dirname "$0")"
cargo build --quiet --release
built=${CARGO_TARGET_DIR:-target}/release
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
install -D -m 644 -t "$prefix/include" include/fused_loss.h
install -D -m 644 -t "$prefix/lib" "$built/libfused_loss.a"
install -D -m 755 -t "$prefix/lib" "$built/libfused_loss.so"
mkdir -p "$prefix/lib/pkgconfig"
sed "s|@PREFIX@|$prefix|; s|@VERSION@|$version|" fused-loss.pc.in >"$prefix/lib/pkgconfig/fused-loss.pc"
