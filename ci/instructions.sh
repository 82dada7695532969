#!/usr/bin/env bash
# Instructions a call, counted by valgrind, which no busy machine changes: ci/instructions.sh compares them with the table
# in ci/instructions/table.txt, and fails where one is more than 2 % off; --write makes a new table. Counts depend on the
# compiler: the table's first line names the one it was made with.
set -euo pipefail

cd "$(dirname "$0")/instructions"
if ! command -v valgrind >/dev/null; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends valgrind >/dev/null
fi
cargo build --quiet --release --locked
program=${CARGO_TARGET_DIR:-target}/release/instructions

executed() { # CASE LEVEL CALLS
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$@" 2>&1 | sed -n 's/.*Collected : //p'
}

# The difference of two runs leaves out what a process costs, and the first call.
count() { # CASE LEVEL
    local one three
    one=$(executed "$1" "$2" 1)
    three=$(executed "$1" "$2" 3)
    echo $(((three - one) / 2))
}

measured() {
    local cases
    cases=$("$program")
    rustc --version | cut -d' ' -f1,2
    for case in $cases; do
        for level in portable avx2; do
            printf '%-40s %-10s %s\n' "$case" "$level" "$(count "$case" "$level")"
        done
    done
}

if [ "${1:-}" = --write ]; then
    measured >table.txt
    cat table.txt
    exit
fi
measured | awk '
    NR == FNR && FNR == 1 { head = $0; next }
    NR == FNR { table[$1, $2] = missing[$1, $2] = $3; next }
    FNR == 1 { if ($0 != head) print "the table was made with " head ", this is " $0; next }
    {
        known = table[$1, $2]
        delete missing[$1, $2]
        change = known ? 100 * ($3 - known) / known : 0
        verdict = !known ? "not in the table" : change > 2 || change < -2 ? "CHANGED" : "ok"
        printf "%s  %+6.2f %%  %s\n", $0, change, verdict
        if (verdict != "ok") bad = 1
    }
    END {
        for (place in missing) {
            split(place, of, SUBSEP)
            print of[1], of[2], "is in the table and was not counted"
            bad = 1
        }
        exit bad
    }' table.txt -
