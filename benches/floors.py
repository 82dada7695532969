#!/usr/bin/env python3
"""What is measured of the goals that are this crate's own: benches/floors.py [--write]

Shares of the memory test where arrays leave the caches and rows of classes, by the command line's `bench`; the time of a
call, by `cargo bench --bench calls`; and what a build takes. Shares are the median of some runs. Times are the best of some
rounds of everything: what else the machine does, and what it takes of the clock, only adds to them. Run it on an idle
machine. --write puts the tables into docs/performance.md.
"""

import json
import subprocess
import sys
import tempfile
import time
from operator import truediv
from pathlib import Path
from statistics import median

import page

ROOT = Path(__file__).resolve().parent.parent
RUNS = 3
ROUNDS = 5
LONG = 1 << 24
# Loss and goal: the share of the memory test apart from the predictions.
SHARES = [("mse", 0.90), ("mae", 0.90), ("huber", 0.90), ("bce-with-logits", 0.42)]
CALLED = ["mse", "huber", "bce-with-logits", "bce", "kl-divergence"]
LENGTHS = [1, 4, 16, 64]
# Rows and classes, and the goals of AVX-512 and AVX2 in f32, and of f64, nanoseconds a logit.
ROWS = [
    (256, 10, 0.8, None, None),
    (1024, 1000, 0.36, 0.48, 1.0),
    (64, 50_257, 0.42, None, None),
    (64, 128_256, 0.45, 0.52, None),
]


def run(*arguments, **options):
    return subprocess.run(arguments, check=True, text=True, cwd=ROOT, stdout=subprocess.PIPE, **options).stdout


def bench(field, *arguments):
    command = [ROOT / "target" / "release" / "fused-loss", "bench", *map(str, arguments), "--json"]
    return json.loads(run(*command))[field]


def share(*arguments):
    return median(bench("of_stream", *arguments) for _ in range(RUNS))


def time_of(*arguments):
    return min(bench("ns_per_element", *arguments) for _ in range(RUNS))


def table(head, lines):
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, rule, *lines])


def short(goal, measured):
    """A figure beside its goal; where there is none, alone."""
    return f"{measured:.3g}" if goal is None else f"{measured:.3g} ({goal:g})"


def shares():
    for loss, goal in SHARES:
        size = ("--len", LONG)
        one, two = (time_of(loss, *size, "--threads", threads) for threads in (1, 2))
        yield [
            loss,
            short(goal, share(loss, *size)),
            short(0.85, share(loss, *size, "--mode", "inplace")),
            short(0.90 if loss == "mse" else None, share(loss, *size, "--threads", 2)),
            short(1.8 if loss == "bce-with-logits" else None, one / two),
        ]


def calls():
    """What benches/calls.rs measures."""
    groups = ROOT / "target" / "criterion"
    times = {}
    for _ in range(RUNS):
        run("cargo", "bench", "--locked", "--quiet", "--bench", "calls", stderr=subprocess.DEVNULL)
        for loss in CALLED:
            for n in LENGTHS:
                found = json.loads((groups / loss / str(n) / "new" / "sample.json").read_text())
                times.setdefault((loss, n), []).extend(map(truediv, found["times"], found["iters"]))
    goals = {("mse", 16): 15}
    for loss in CALLED:
        yield [loss, *(short(goals.get((loss, n)), min(times[loss, n])) for n in LENGTHS)]


def rows():
    columns = [(), ("--mode", "inplace"), ("--level", "avx2"), ("--dtype", "f64")]
    times = {}
    for _ in range(ROUNDS):
        for count, classes, *_ in ROWS:
            for options in columns:
                spent = bench("ns_per_element", "softmax-cross-entropy", "--rows", count, "--classes", classes, *options)
                times.setdefault((count, classes, options), []).append(spent)
    for count, classes, goal, goal_avx2, goal_f64 in ROWS:
        goals = zip([goal, goal, goal_avx2, goal_f64], columns)
        yield [f"{count} x {classes:,}", *(short(goal, min(times[count, classes, at])) for goal, at in goals)]


def build_seconds():
    """A clean build of the core with what it depends on, all of it fetched before."""
    with tempfile.TemporaryDirectory() as target:
        start = time.monotonic()
        run("cargo", "build", "--release", "--locked", "--quiet", "--package", "fused-loss", "--target-dir", target)
        return time.monotonic() - start


def main():
    seconds = build_seconds()
    run("cargo", "build", "--release", "--locked", "--quiet", "--package", "fused-loss-cli")
    of_memory = ["2^24 elements, f32", "of the memory test", "in place", "2 threads", "2 threads over 1"]
    parts = [
        table(of_memory, shares()),
        table(["ns a call, f32", *(f"n = {n}" for n in LENGTHS)], calls()),
        table(["ns a logit, softmax cross-entropy", "f32", "in place", "AVX2", "f64"], rows()),
        f"A clean release build of the core with what it depends on: {seconds:.0f} s (25).",
    ]
    text = "\n\n".join(parts)
    if "--write" in sys.argv[1:]:
        page.write("floors", text)
    else:
        print(text)


if __name__ == "__main__":
    main()
