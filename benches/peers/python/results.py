"""What was measured, as the report asks for it."""

import json
from math import exp, log
from pathlib import Path

import cells
from peers import MEMORY, PEERS, SUBJECT

# Where memory is this share of a loss's time, there is no more to gain.
MEMORY_LIMITED = 0.90
NEARLY = 1.3


class Entry:
    """A cell, with the median times of everyone in it."""

    def __init__(self, raw):
        self.case, self.dtype, self.threads = raw["case"], raw["dtype"], raw["threads"]
        self.rows, self.classes, self.raw = raw["rows"], raw["classes"], raw["peers"]
        self.cell = cells.Cell(self.case, self.dtype, self.rows, self.classes, self.threads)

    def time(self, peer, kept=False):
        """Nanoseconds an element, or None."""
        name = f"{peer.name} (kept)" if kept else peer.name
        return self.raw.get(name, {}).get("median")

    def best(self, peer):
        """With memory kept or without, whichever is faster."""
        times = [time for time in (self.time(peer), self.time(peer, True)) if time is not None]
        return min(times, default=None)

    def field(self, peer, name, kept=False):
        return self.raw.get(f"{peer.name} (kept)" if kept else peer.name, {}).get(name)

    @property
    def size(self):
        """For people."""
        return f"{self.rows} x {self.classes}" if self.classes > 1 else f"{self.rows:,}"

    @property
    def subject(self):
        return self.time(SUBJECT)

    @property
    def memory(self):
        return min(time for time in map(self.time, MEMORY) if time is not None)

    @property
    def of_memory(self):
        return self.memory / self.subject

    def fastest(self, loops):
        """The fastest peer that gives a gradient, and its time: of the libraries, or of the loops too."""
        peers = [peer for peer in PEERS if not peer.value_only and (loops or not peer.loop)]
        timed = [(self.best(peer), peer) for peer in peers if self.best(peer) is not None]
        return min(timed, key=lambda pair: pair[0], default=(None, None))

    def speedup(self, loops):
        time, _ = self.fastest(loops)
        return None if time is None else time / self.subject


class Results:
    def __init__(self, path):
        raw = json.loads(Path(path).read_text())
        self.machine, self.peers = raw["machine"], raw["peers"]
        everything = [Entry(cell) for cell in raw["cells"].values()]
        order = {case: place for place, case in enumerate(cells.CASES)}
        self.entries = sorted(everything, key=lambda entry: (order[entry.case], entry.rows * entry.classes))

    def of(self, **wanted):
        return [entry for entry in self.entries if all(getattr(entry, name) == value for name, value in wanted.items())]


def geometric_mean(numbers):
    numbers = [number for number in numbers if number is not None]
    return exp(sum(map(log, numbers)) / len(numbers)) if numbers else None
