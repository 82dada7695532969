"""Numbers and tables of the page."""

from peers import SUBJECT
from results import NEARLY, UNSTEADY, unsteady

SIGN = "~"


def table(head, rows):
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def number(value):
    """Three digits, or a dash."""
    if value is None:
        return "-"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def figure(found):
    """A time, with a sign where its rounds differ."""
    if not found:
        return "-"
    return SIGN * unsteady(found["best"], found["median"]) + number(found["median"])


def signs(figures):
    """What the sign means, and how many have it."""
    marked = sum(unsteady(found["best"], found["median"]) for found in figures)
    meaning = f"{SIGN} is a time whose median is more than {UNSTEADY} times its best round"
    return f"{meaning}: {marked} of {len(figures)} here."


def times(value):
    return "-" if value is None else f"{value:.2f}x"


def on(threads):
    """A figure of several threads is the best of those on as many and fewer."""
    return "1 thread" if threads == 1 else f"up to {threads} threads"


def listed(entries, loops):
    """Cells, each beside its fastest peer."""
    head = [f"below {NEARLY}x", "fused-loss", "fastest", "", "speedup", "of memory test"]
    rows = []
    for entry in entries:
        peer = entry.fastest(loops)
        rows.append(
            [
                f"{entry.case} {entry.dtype} {entry.size}, {on(entry.threads)}", figure(entry.figure(SUBJECT)),
                peer.title, figure(entry.figure(peer)), times(entry.speedup(loops)), f"{entry.of_memory:.0%}",
            ]  # fmt: skip
        )
    return table(head, rows)
