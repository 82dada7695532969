#!/usr/bin/env bash
# What each loss costs in f32, loss and gradient: a Cortex-M4F, flash and stack, at opt-level s and 3; and this machine, where
# it is x86-64, with all levels, at opt-level 3. Fails where a floor is broken. ci/sizes.sh --write puts the tables into
# docs/performance.md.
#
# own      flash that the loss adds to an image that has another loss already (huber; smooth_l1 for huber itself)
# shared   the rest of an image with this loss alone, less an image with none
# stack    the deepest that the call went, run in qemu; the caller's frame and its 104 bytes of numbers included
set -euo pipefail

cd "$(dirname "$0")/sizes"
if ! command -v qemu-system-arm >/dev/null || ! command -v nm >/dev/null; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends qemu-system-arm binutils >/dev/null
fi
target=thumbv7em-none-eabihf
host=$(rustc -vV | sed -n 's/^host: //p')
lld=$(rustc --print sysroot)/lib/rustlib/$host/bin/rust-lld
[ -x "$lld" ] || lld=rust-lld
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
plain='mse half_mse mae huber smooth_l1'
losses="$plain bce bce_with_logits categorical_cross_entropy kl_divergence generalized_kl
    softmax_cross_entropy nll softmax_kl jensen_shannon"
broken=0

# image FIRST SECOND: links these two calls, and prints the flash they take.
image() {
    "$lld" -flavor gnu --gc-sections "${start[@]}" --defsym "first=$1" --defsym "second=$2" "$library" -o "$room/$1+$2"
    size "$room/$1+$2" | awk 'NR == 2 { print $1 }'
}

# weigh LOSS: finds what the loss costs alone, beside another, and what they share.
weigh() {
    partner=huber
    [ "$1" != huber ] || partner=smooth_l1
    alone=$(image "$1" none_either)
    own=$(($(image "$1" "$partner") - $(image "$partner" none_either)))
    shared=$((alone - own - empty))
}

floor() { # floor WHAT FOUND MOST
    if [ "$2" -gt "$3" ]; then
        echo "BROKEN: $1 is $2, more than $3" >&2
        broken=1
    fi
}

tables() {
    start=(-T image.ld -u reset)
    for profile in small release; do
        ../cross.sh "$target" rustc --quiet --profile "$profile" --lib
        library=${CARGO_TARGET_DIR:-target}/$target/$profile/libfused_loss_sizes.a
        [ -e "$library" ] || library=${CARGO_TARGET_DIR:-target}/cross/$target/$profile/libfused_loss_sizes.a
        empty=$(image none none_either)
        printf '\nCortex-M4F, opt-level %s, bytes\n\n' "$([ "$profile" = small ] && echo s || echo 3)"
        printf '| %-26s | %6s | %6s | %6s |\n' loss own shared stack
        printf '|%s|%s:|%s:|%s:|\n' "$(printf -- '-%.0s' {1..28})" ------- ------- -------
        for loss in $losses; do
            weigh "$loss"
            stack=$(timeout 20 qemu-system-arm -cpu cortex-m4 -machine mps2-an386 -nographic \
                -semihosting-config enable=on,target=native -kernel "$room/$loss+none_either" 2>&1) || {
                echo "BROKEN: $loss gives a wrong result on the device" >&2
                broken=1
            }
            printf '| %-26s | %6d | %6d | %6d |\n' "$loss" "$own" "$shared" "$((10#${stack:-0}))"
            symbols=$(nm -C "$room/$loss+none_either")
            for unwanted in core::fmt panic __aeabi_d __aeabi_f2d; do
                floor "symbols of $unwanted with $loss ($profile)" "$(grep -c "$unwanted" <<<"$symbols" || true)" 0
            done
            [ "$profile" = small ] || continue
            case " $plain " in *" $loss "*) floor "flash of $loss" "$own" 1536 ;; esac
            [ "$loss" != bce_with_logits ] || floor "flash of $loss" "$own" 4096
            [ "$loss" != mse ] || floor 'the shared part' "$shared" 6144
        done
    done
    case $host in x86_64-*) host_table ;; esac
}

host_table() {
    cargo rustc --quiet --release --lib --target "$host"
    library=${CARGO_TARGET_DIR:-target}/$host/release/libfused_loss_sizes.a
    # What is left out are moves of memory, which are the system's.
    start=(-e measure --unresolved-symbols=ignore-all)
    empty=$(image none none_either)
    printf '\nx86-64, opt-level 3, bytes\n\n| %-26s | %6s | %6s |\n' loss own shared
    printf '|%s|%s:|%s:|\n' "$(printf -- '-%.0s' {1..28})" ------- -------
    for loss in $losses; do
        weigh "$loss"
        printf '| %-26s | %6d | %6d |\n' "$loss" "$own" "$shared"
    done
}

if [ "${1:-}" = --write ]; then
    tables >"$room/tables"
    page=../../docs/performance.md
    sed -i -e "/<!-- begin sizes -->/r $room/tables" -e '/<!-- begin sizes -->/,/<!-- end sizes -->/{/<!--/!d}' "$page"
    exit "$broken"
fi
tables
exit "$broken"
