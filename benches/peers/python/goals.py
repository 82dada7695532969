"""What was aimed at, beside what is measured."""

from markdown import figure, listed, number, on, table, times
from peers import SUBJECT
from results import MEMORY_LIMITED, NEARLY, geometric_mean

# Over the fastest library, on average; calls of so few elements are to be seen apart, for libraries pay for the call.
SPEEDUP, FEW = 4, 256
# The time in f64 over that in f32, at so many elements.
WIDER, WIDER_AT = 2.2, 16384
# Nanoseconds an element in f32 on one thread, at rows and classes.
TIMES = {
    ("bce-with-logits", 1 << 18, 1): 0.55,
    ("kl-divergence", 1 << 18, 1): 0.40,
    ("bce", 1 << 18, 1): 0.60,
    ("softmax-cross-entropy", 1024, 1000): 0.25,
    ("softmax-cross-entropy", 256, 10): 0.5,
}


def report(results):
    near = [entry for entry in results.near(False) if entry.of_memory < MEMORY_LIMITED]
    count = (
        f"Cells below {NEARLY}x of the fastest library and not at the memory's limit ({MEMORY_LIMITED:.2f} of the "
        f"memory test); the goal is none: {len(near)}."
    )
    parts = [means(results), count, listed(near, False) if near else "", precisions(results), speeds(results)]
    return "\n\n".join(filter(None, parts))


def reached(is_so):
    return "yes" if is_so else "no"


def means(results):
    rows = []
    for dtype, threads, entries in results.parts():
        mean = geometric_mean(entry.speedup(False) for entry in entries)
        without = geometric_mean(entry.speedup(False) for entry in entries if entry.elements > FEW)
        rows.append(
            [f"{dtype}, {on(threads)}", f"{SPEEDUP}x", times(mean), reached(mean and mean >= SPEEDUP), times(without)]
        )
    head = ["geometric mean over the fastest library", "goal", "measured", "reached", f"without {FEW} elements"]
    return table(head, rows)


def precisions(results):
    rows = []
    for single in results.of(dtype="f32", threads=1, elements=WIDER_AT):
        for double in results.of(dtype="f64", threads=1, elements=WIDER_AT, case=single.case):
            ratio = double.subject / single.subject
            rows.append([single.case, f"{WIDER}x", times(ratio), reached(ratio <= WIDER)])
    return table([f"time in f64 over f32, {WIDER_AT:,} elements, 1 thread", "goal", "measured", "reached"], rows)


def speeds(results):
    rows = []
    for (case, count, classes), goal in TIMES.items():
        for entry in results.of(case=case, rows=count, classes=classes, dtype="f32", threads=1):
            is_so = reached(entry.subject <= goal)
            rows.append([f"{case} {entry.size}", number(goal), figure(entry.figure(SUBJECT)), is_so])
    return table(["fused-loss, ns an element, f32, 1 thread", "goal", "measured", "reached"], rows)
