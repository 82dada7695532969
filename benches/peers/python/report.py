"""Writes the tables between the markers of `docs/performance.md`, and the charts, from `results.json`."""

import re
import sys
from pathlib import Path

import cells
import charts
import goals
from markdown import figure, listed, on, signs, table, times
from peers import EVERYONE, MEMORY, OFF_LINE, PEERS, SUBJECT
from results import MEMORY_LIMITED, NEARLY, THREADS, Results, geometric_mean

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "results.json"
DOCS = HERE.parent.parent.parent / "docs"
PAGE = "performance.md"


def machine(results):
    about, rows = results.machine, []
    registers = "AVX-512" if about["avx512"] else "AVX2" if about["avx2"] else "no AVX2"
    line = (
        f"{about['cpu']} ({about['architecture']}, {registers}), {about['cores']} cores, caches "
        f"{', '.join(about['caches'])}; {about['system']}; {about['rustc']}; Python {about['python']}."
    )
    for peer in EVERYONE:
        found = results.peers.get(peer.name)
        if found is None or peer is OFF_LINE or peer in MEMORY:
            continue
        absent = found.get("absent")
        rows.append([peer.title, f"absent: {absent}" if absent else found["version"], found.get("allocates", "-")])
    peers = table(["", "version", "what a call allocates"], rows).replace("---:", "---")
    return f"{line}\n\n{peers}\n\n{origins(results)}"


def origins(results):
    """Which cells are of which sources of this crate."""
    groups = {}
    for entry in results.entries:
        groups.setdefault((entry.date, entry.sources), []).append(entry)
    rows = []
    for (date, sources), entries in sorted(groups.items(), reverse=True):
        losses = ", ".join(dict.fromkeys(entry.case for entry in entries))
        threads = ", ".join(map(str, sorted({entry.threads for entry in entries})))
        rows.append([sources, date, len(entries), losses, threads])
    return table(["git tree of src", "measured", "cells", "losses", "threads"], rows).replace("---:", "---")


def summary(results):
    rows = []
    wanted = sum(len(cells.cells(case, "f32", 1)) for case in cells.CASES)
    for dtype, threads, entries in results.parts():
        libraries = [entry.speedup(False) for entry in entries]
        everyone = [entry.speedup(True) for entry in entries]
        limited = [entry for entry in entries if entry.of_memory >= MEMORY_LIMITED]
        rows.append(
            [
                f"{dtype}, {on(threads)}", f"{len(entries)} of {wanted}",
                times(geometric_mean(libraries)), times(least(libraries)),
                times(geometric_mean(everyone)), times(least(everyone)), len(limited),
            ]  # fmt: skip
        )
    head = ["", "cells measured", "over the fastest library", "least", "over loops too", "least", "as fast as memory"]
    lines = [table(head, rows)]
    for title, loops in (("libraries", False), ("libraries and loops", True)):
        near = results.near(loops)
        behind = [entry for entry in near if entry.speedup(loops) < 1]
        limited = [entry for entry in near if entry.of_memory >= MEMORY_LIMITED]
        lines.append(
            f"Against {title}: {len(behind)} of {len(results.entries)} cells lost; {len(near)} below {NEARLY}x, of "
            f"which {len(limited)} are at the memory's limit ({MEMORY_LIMITED:.2f} of the memory test or more)."
        )
    # A long list, of a contender that gives up the accuracy: there for who asks. It has the cells of both.
    if near:
        lines.append(f"<details><summary>These {len(near)} cells</summary>\n\n{listed(near, True)}\n\n</details>")
    return "\n\n".join(lines)


def least(numbers):
    return min((number for number in numbers if number is not None), default=None)


def speeds(results, dtype, threads):
    """A line a cell: this crate, the memory test, and every peer."""
    entries = results.of(dtype=dtype, threads=threads)
    if not entries:
        return "Not measured yet."
    mine, peers = (
        [peer for peer in everyone if any(entry.figure(peer) for entry in entries)]
        for everyone in ((SUBJECT, OFF_LINE), PEERS)
    )
    head = ["", *(peer.title for peer in mine), "memory test", "over the fastest", *(peer.title for peer in peers)]
    rows, figures = [], []
    for entry in entries:
        fastest = entry.fastest(True)
        own = [entry.figure(peer) for peer in mine] + [entry.figure(*MEMORY)]
        others = [entry.figure(peer) for peer in peers]
        figures += filter(None, own + others)
        bold = [f"**{figure(found)}**" if peer is fastest else figure(found) for peer, found in zip(peers, others)]
        rows.append([f"{entry.case} {entry.size}", *map(figure, own), times(entry.speedup(True)), *bold])
    return f"{table(head, rows)}\n\n{signs(figures)}"


def errors(results):
    """Of the mean, at each loss's largest size."""
    parts = []
    for dtype in cells.DTYPES:
        largest = {entry.case: entry for entry in results.of(dtype=dtype, threads=1)}
        everyone = [SUBJECT, *PEERS]
        rows = []
        for peer in everyone:
            found = [entry.own(peer).get("error") for entry in largest.values()]
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
    entry, rows, figures = entries[-1], [], []
    for peer in (SUBJECT, *PEERS):
        if entry.figure(peer) is None:
            continue
        found = [entry.own(peer, kept) for kept in (False, True)]
        faults = [f"{one['faults']:,.0f}" if one else "-" for one in found]
        rows.append([peer.title, *map(figure, found), *faults])
        figures += filter(None, found)
    head = [f"{entry.case} {dtype} {entry.size}", "ns/element", "memory kept", "new pages a call", "memory kept"]
    return f"{table(head, rows)}\n\n{signs(figures)}"


def cores(results):
    """Whether a peer has used the threads it was given: busy cores at the largest size of the costliest loss."""
    entries = {threads: results.of(case="bce-with-logits", dtype="f32", threads=threads) for threads in THREADS}
    rows = []
    for peer in (SUBJECT, *PEERS):
        busy = [entries[threads][-1].own(peer).get("cores") if entries[threads] else None for threads in THREADS]
        if any(value is not None for value in busy):
            rows.append([peer.title, *("-" if value is None else f"{value:.1f}" for value in busy)])
    return table(["busy cores", "1 thread", "2 threads"], rows)


def write(results_path=RESULTS, docs=DOCS):
    """The page and its charts into the folder `docs`, from the page that there is."""
    results = Results(results_path)
    parts = {"machine": machine(results), "summary": summary(results), "goals": goals.report(results)}
    parts |= {"errors": errors(results), "memory-kept": memory_kept(results), "cores": cores(results)}
    for dtype in cells.DTYPES:
        for threads in THREADS:
            parts[f"speeds-{dtype}-{threads}"] = speeds(results, dtype, threads)
    page = (DOCS / PAGE).read_text()
    for name, text in parts.items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        if begin not in page or end not in page:
            sys.exit(f"{PAGE} has no place for {name}: {begin} ... {end}")
        page = re.sub(f"{begin}.*?{end}", lambda _: f"{begin}\n\n{text}\n\n{end}", page, flags=re.DOTALL)
    (docs / PAGE).write_text(page)
    charts.draw(results, docs / "charts")
    print(f"{results_path} is in the tables of {docs / PAGE} and in {docs / 'charts'}")


if __name__ == "__main__":
    if not RESULTS.exists():
        sys.exit("nothing is measured yet: run benches/peers/run.sh")
    write()
