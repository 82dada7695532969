"""Writes the tables between the markers of `docs/performance.md`, and the charts, from `results.json`."""

import re
import sys
from pathlib import Path

import cells
import charts
from peers import EVERYONE, MEMORY, PEERS, SUBJECT
from results import MEMORY_LIMITED, NEARLY, Results, geometric_mean

PEERS_DIRECTORY = Path(__file__).resolve().parent.parent
DOCS = PEERS_DIRECTORY.parent.parent / "docs"
PAGE = DOCS / "performance.md"


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


def machine(results):
    about, lines = results.machine, []
    registers = "AVX-512" if about["avx512"] else "AVX2" if about["avx2"] else "no AVX2"
    lines.append(
        f"{about['cpu']} ({about['architecture']}, {registers}), {about['cores']} cores, caches "
        f"{', '.join(about['caches'])}; {about['system']}; {about['rustc']}; Python {about['python']}. fused-loss "
        f"{about['crate']}, whose src has the git tree {about['sources']}."
    )
    rows = []
    for peer in EVERYONE:
        found = results.peers.get(peer.name)
        if found is None or peer in MEMORY:
            continue
        absent = found.get("absent")
        rows.append([peer.title, f"absent: {absent}" if absent else found["version"], found.get("allocates", "-")])
    head = ["", "version", "what a call allocates"]
    return lines[0] + "\n\n" + table(head, rows).replace("---:", "---")


def summary(results):
    lines, rows = [], []
    wanted = sum(len(cells.cells(case, "f32", 1)) for case in cells.CASES)
    for threads in (1, 2):
        for dtype in cells.DTYPES:
            entries = results.of(threads=threads, dtype=dtype)
            if not entries:
                continue
            libraries = [entry.speedup(False) for entry in entries]
            everyone = [entry.speedup(True) for entry in entries]
            limited = [entry for entry in entries if entry.of_memory >= MEMORY_LIMITED]
            rows.append(
                [
                    f"{dtype}, {threads} thread{'s' if threads > 1 else ''}", f"{len(entries)} of {wanted}",
                    f"{number(geometric_mean(libraries))}x", f"{number(min(filter(None, libraries)))}x",
                    f"{number(geometric_mean(everyone))}x", f"{number(min(filter(None, everyone)))}x", len(limited),
                ]  # fmt: skip
            )
    head = ["", "cells measured", "over the fastest library", "least", "over loops too", "least", "as fast as memory"]
    lines.append(table(head, rows))
    for title, loops in (("libraries", False), ("libraries and loops", True)):
        near = [entry for entry in results.entries if entry.speedup(loops) and entry.speedup(loops) < NEARLY]
        behind = [entry for entry in near if entry.speedup(loops) < 1]
        open_ = [entry for entry in near if entry.of_memory < MEMORY_LIMITED]
        lines.append(
            f"Against {title}: {len(behind)} of {len(results.entries)} cells lost; {len(near)} below {NEARLY}x, of "
            f"which {len(open_)} are not at the memory's limit ({MEMORY_LIMITED:.2f} of the memory test)."
        )
        if open_:
            head = ["below 1.3x, not memory's limit", "fused-loss", "fastest", "", "speedup", "of memory test"]
            rows = []
            for entry in sorted(open_, key=lambda entry: entry.speedup(loops)):
                time, peer = entry.fastest(loops)
                threads = f"{entry.threads} thread{'s' * (entry.threads > 1)}"
                rows.append(
                    [
                        f"{entry.case} {entry.dtype} {entry.size}, {threads}",
                        number(entry.subject), peer.title, number(time), f"{entry.speedup(loops):.2f}x",
                        f"{entry.of_memory:.0%}",
                    ]  # fmt: skip
                )
            listed = table(head, rows)
            if loops:
                # A long list, of a contender that gives up the accuracy: there for who asks.
                listed = f"<details><summary>These {len(open_)} cells</summary>\n\n{listed}\n\n</details>"
            lines.append(listed)
    return "\n\n".join(lines)


def speeds(results, dtype, threads):
    """A line a cell: this crate, the memory test, and every peer."""
    entries = results.of(dtype=dtype, threads=threads)
    if not entries:
        return "Not measured yet."
    peers = [peer for peer in PEERS if any(entry.best(peer) is not None for entry in entries)]
    head = ["", "fused-loss", "memory test", "over the fastest", *(peer.title for peer in peers)]
    rows = []
    for entry in entries:
        _, fastest = entry.fastest(True)
        times = []
        for peer in peers:
            time = number(entry.best(peer))
            times.append(f"**{time}**" if peer is fastest else time)
        speedup = entry.speedup(True)
        rows.append(
            [
                f"{entry.case} {entry.size}", number(entry.subject), number(entry.memory),
                "-" if speedup is None else f"{speedup:.2f}x", *times,
            ]  # fmt: skip
        )
    return table(head, rows)


def errors(results):
    """Of the mean, at each loss's largest size."""
    parts = []
    for dtype in cells.DTYPES:
        largest = {entry.case: entry for entry in results.of(dtype=dtype, threads=1)}
        everyone = [SUBJECT, *PEERS]
        rows = []
        for peer in everyone:
            found = [entry.field(peer, "error") for entry in largest.values()]
            if any(found):
                # Half a unit is the best there is.
                rows.append([peer.title, *(f"{error['ulp']:.2g}" if error else "-" for error in found)])
        heads = [f"{case} {entry.size}" for case, entry in largest.items()]
        parts.append(table([f"ULP of {dtype}", *heads], rows))
    return "\n\n".join(parts)


def memory_kept(results):
    """What new memory costs: the largest mean squared error, with the allocator as it is and told to keep."""
    return "\n\n".join(memory_kept_in(results, dtype) for dtype in cells.DTYPES)


def memory_kept_in(results, dtype):
    entries = results.of(case="mse", dtype=dtype, threads=1)
    if not entries:
        return "Not measured yet."
    entry, rows = entries[-1], []
    for peer in (SUBJECT, *PEERS):
        if entry.time(peer) is None:
            continue
        faults = [entry.field(peer, "faults", kept) for kept in (False, True)]
        rows.append(
            [
                peer.title, number(entry.time(peer)), number(entry.time(peer, True)),
                *("-" if fault is None else f"{fault:,.0f}" for fault in faults),
            ]  # fmt: skip
        )
    head = [f"{entry.case} {dtype} {entry.size}", "ns/element", "memory kept", "new pages a call", "memory kept"]
    return table(head, rows)


def cores(results):
    """Whether a peer has used the threads it was given: busy cores at the largest size of the costliest loss."""
    entries = {threads: results.of(case="bce-with-logits", dtype="f32", threads=threads) for threads in (1, 2)}
    rows = []
    for peer in (SUBJECT, *PEERS):
        busy = [entries[threads][-1].field(peer, "cores") if entries[threads] else None for threads in (1, 2)]
        if any(value is not None for value in busy):
            rows.append([peer.title, *("-" if value is None else f"{value:.1f}" for value in busy)])
    return table(["busy cores", "1 thread", "2 threads"], rows)


def main():
    results_path = PEERS_DIRECTORY / "results.json"
    if not results_path.exists():
        sys.exit("nothing is measured yet: run benches/peers/run.sh")
    results = Results(results_path)
    parts = {"machine": machine(results), "summary": summary(results), "errors": errors(results)}
    parts |= {"memory-kept": memory_kept(results), "cores": cores(results)}
    for dtype in cells.DTYPES:
        for threads in (1, 2):
            parts[f"speeds-{dtype}-{threads}"] = speeds(results, dtype, threads)
    page = PAGE.read_text()
    for name, text in parts.items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        if begin not in page or end not in page:
            sys.exit(f"{PAGE} has no place for {name}: {begin} ... {end}")
        page = re.sub(f"{begin}.*?{end}", lambda _: f"{begin}\n\n{text}\n\n{end}", page, flags=re.DOTALL)
    PAGE.write_text(page)
    charts.draw(results, DOCS / "charts")


if __name__ == "__main__":
    main()
