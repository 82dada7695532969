"""The Python side of the protocol: a peer hands `serve` a function that prepares a cell, and is asked for it by lines.

`src/lib.rs` is the same for Rust; `README.md` describes the lines.
"""

import json
import math
import os
import resource
import sys
import time
from types import SimpleNamespace

import numpy

LINE = 64  # Bytes of a cache line.
LEAST = 2e-4  # A repetition lasts at least this many seconds, which the clock can tell.
THREADS = int(os.environ.get("PEER_THREADS", "1"))
# Whether the peer may keep the memory of its results from one call to the next, where it has a way to.
KEPT = os.environ.get("PEER_KEPT") == "1"


class Absent(Exception):
    """Why a peer has no such cell."""


def aligned(shape, dtype):
    """Zeros that begin a cache line, as arrays of PyTorch do."""
    size = math.prod(shape) * numpy.dtype(dtype).itemsize
    room = numpy.zeros(size + LINE, numpy.uint8)
    start = -room.ctypes.data % LINE
    return room[start : start + size].view(dtype).reshape(shape)


def read(cell):
    """The arrays of a cell, from files that all peers read."""
    dtype = {"f32": numpy.float32, "f64": numpy.float64}[cell.dtype]

    def array(name, shape, dtype):
        numbers = aligned(shape, dtype)
        numbers[...] = numpy.fromfile(f"{cell.data}.{name}", dtype).reshape(shape)
        return numbers

    if cell.classes == 1:
        return SimpleNamespace(**{name: array(name, (cell.rows,), dtype) for name in ("pred", "target")})
    pred = array("pred", (cell.rows, cell.classes), dtype)
    return SimpleNamespace(pred=pred, target=array("labels", (cell.rows,), numpy.int64))


def repetition(call, count):
    """Seconds of so many calls."""
    start = time.perf_counter()
    for _ in range(count):
        call()
    return time.perf_counter() - start


def timed(call, elements, seconds):
    """Repeats a call for so many seconds, three times at least."""
    # Off the clock: other peers have had the caches since, and the allocator asks for its rooms in the first calls.
    repetition(call, 3)
    count = 1
    while repetition(call, count) < LEAST:
        count *= 2
    start, cpu, faults = time.perf_counter(), time.process_time(), page_faults()
    best, repetitions = float("inf"), 0
    while repetitions < 3 or time.perf_counter() - start < seconds:
        best = min(best, repetition(call, count) / count)
        repetitions += 1
    elapsed = time.perf_counter() - start
    return {
        "best": best * 1e9 / elements,
        "cores": (time.process_time() - cpu) / elapsed,
        "faults": (page_faults() - faults) / (repetitions * count),
    }


def page_faults():
    """Pages that the system had to bring: memory given back and asked for again."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def serve(version, allocates, prepare):
    """Answers requests until there are no more."""
    # What a peer prints on its own account must not get between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    call, elements = None, 0
    for line in sys.stdin:
        request = SimpleNamespace(**json.loads(line))
        what = request.do
        if what == "about":
            answer = {"version": version, "allocates": allocates}
        elif what == "prepare":
            call = None  # First, for there may not be room for two.
            try:
                call = prepare(request)
                elements = request.rows * request.classes
                answer = {"mean": float(call())}
            except Absent as why:
                answer = {"absent": str(why)}
            except Exception as error:  # A peer that fails is reported, and the others go on.
                call, answer = None, {"absent": f"{type(error).__name__}: {error}"[:300]}
        elif what == "time" and call is not None:
            answer = timed(call, elements, request.seconds)
        else:
            answer = {"absent": "no cell is prepared"}
        print(json.dumps(answer), file=answers, flush=True)
