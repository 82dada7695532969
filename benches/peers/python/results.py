"""What was measured, as the report asks for it."""

import json
from dataclasses import replace
from math import exp, log
from pathlib import Path

import cells
from peers import MEMORY, PEERS, SUBJECT

THREADS = (1, 2)
# Where memory is this share of a loss's time, there is no more to gain.
MEMORY_LIMITED = 0.90
NEARLY = 1.3
# Where a median is more than this many times the best round, the rounds differ too much to be summed up in one figure.
UNSTEADY = 1.2


def unsteady(best, median):
    return median > UNSTEADY * best


class Entry:
    """A cell, with the times of everyone in it. On several threads a time is the best of those on as many and fewer."""

    def __init__(self, key, everything):
        raw = everything[key]
        self.case, self.dtype, self.threads = raw["case"], raw["dtype"], raw["threads"]
        self.rows, self.classes, self.raw = raw["rows"], raw["classes"], raw["peers"]
        self.sources, self.date = raw["sources"], raw["date"]
        cell = cells.Cell(self.case, self.dtype, self.rows, self.classes, self.threads)
        keys = [replace(cell, threads=threads).key for threads in range(1, self.threads + 1)]
        self.runs = [everything[key]["peers"] for key in keys if key in everything]

    def figure(self, *peers):
        """The times of the fastest of these, with memory kept or without; None where nothing is measured."""
        names = [name for peer in peers for name in (peer.name, f"{peer.name} (kept)")]
        found = [run[name] for run in self.runs for name in names if "median" in run.get(name, {})]
        return min(found, key=lambda times: times["median"], default=None)

    def time(self, *peers):
        """Nanoseconds an element, or None."""
        figure = self.figure(*peers)
        return figure and figure["median"]

    def own(self, peer, kept=False):
        """What is measured on just these threads; empty where nothing is."""
        found = self.raw.get(f"{peer.name} (kept)" if kept else peer.name, {})
        return found if "median" in found else {}

    @property
    def elements(self):
        return self.rows * self.classes

    @property
    def size(self):
        """For people."""
        return f"{self.rows} x {self.classes}" if self.classes > 1 else f"{self.rows:,}"

    @property
    def subject(self):
        return self.time(SUBJECT)

    @property
    def memory(self):
        return self.time(*MEMORY)

    @property
    def of_memory(self):
        return self.memory / self.subject

    def fastest(self, loops):
        """The fastest peer that gives a gradient: of the libraries, or of the loops too."""
        peers = [peer for peer in PEERS if not peer.value_only and (loops or not peer.loop)]
        timed = [peer for peer in peers if self.figure(peer)]
        return min(timed, key=self.time, default=None)

    def speedup(self, loops):
        peer = self.fastest(loops)
        return peer and self.time(peer) / self.subject


class Results:
    def __init__(self, path):
        raw = json.loads(Path(path).read_text())
        self.machine, self.peers = raw["machine"], raw["peers"]
        everything = [Entry(key, raw["cells"]) for key in raw["cells"]]
        order = {case: place for place, case in enumerate(cells.CASES)}
        self.entries = sorted(everything, key=lambda entry: (order[entry.case], entry.elements))

    def of(self, **wanted):
        return [entry for entry in self.entries if all(getattr(entry, name) == value for name, value in wanted.items())]

    def parts(self):
        """What has a mean of its own: each precision on each number of threads, with its cells."""
        for threads in THREADS:
            for dtype in cells.DTYPES:
                entries = self.of(dtype=dtype, threads=threads)
                if entries:
                    yield dtype, threads, entries

    def near(self, loops):
        """The cells in which this crate is slower than the fastest, or hardly faster; the worst first."""
        near = [entry for entry in self.entries if (entry.speedup(loops) or NEARLY) < NEARLY]
        return sorted(near, key=lambda entry: entry.speedup(loops))


def geometric_mean(numbers):
    numbers = [number for number in numbers if number is not None]
    return exp(sum(map(log, numbers)) / len(numbers)) if numbers else None
