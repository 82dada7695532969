#!/usr/bin/env bash
# Builds and tests the C interface: its header, then programs in C99 and C++, static and shared, found by pkg-config and
# CMake.
set -euo pipefail

cd "$(dirname "$0")/../bindings/c"
for tool in gcc g++ cmake pkg-config; do
    command -v "$tool" >/dev/null || missing=yes
done
if [ "${missing:-no}" = yes ]; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends gcc g++ make cmake pkg-config libc6-dev >/dev/null
fi

cargo fmt --check
cargo clippy --quiet --all-targets -- -D warnings
cargo test --quiet

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
prefix=$room/prefix
./install.sh "$prefix"
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib
warnings=(-Wall -Wextra -Wpedantic -Werror)
read -ra flags <<<"$(pkg-config --cflags fused-loss)"
read -ra shared <<<"$(pkg-config --libs fused-loss)"
read -ra private <<<"$(pkg-config --static --libs-only-l fused-loss | sed 's/-lfused_loss//')"

gcc -std=c99 "${warnings[@]}" "${flags[@]}" -c tests/c/test.c -o "$room/c99.o"
g++ -x c++ -std=c++11 "${warnings[@]}" "${flags[@]}" -c tests/c/test.c -o "$room/cpp.o"
for object in c99 cpp; do
    g++ "$room/$object.o" "${shared[@]}" -o "$room/$object-shared"
    g++ "$room/$object.o" "$prefix/lib/libfused_loss.a" "${private[@]}" -o "$room/$object-static"
    for link in shared static; do
        printf '%s, %s: ' "$object" "$link"
        "$room/$object-$link"
    done
done

# The program calls every function of the header, and the shared library has these and no others.
declared=$(grep -o '\bfused_loss_[a-z0-9_]*(' "$prefix/include/fused_loss.h" | tr -d '(' | sort -u)
called=$(nm --undefined-only -j "$room/c99.o" | grep '^fused_loss_' | sort -u)
exported=$(nm --dynamic --defined-only -j "$prefix/lib/libfused_loss.so" | sort -u)
diff <(echo "$declared") <(echo "$called") || { echo 'the test does not call every function' >&2; exit 1; }
diff <(echo "$declared") <(echo "$exported") || { echo 'the library exports something else' >&2; exit 1; }

cmake -S example -B "$room/example" -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build "$room/example" >/dev/null
"$room/example/step"
