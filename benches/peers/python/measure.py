"""Measures every peer in every cell, the peers in turn, and writes `results.json`, which later runs add to; then the
report of it."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from itertools import groupby
from pathlib import Path

import cells
import report
from peers import EVERYONE, KEEPING, MEMORY, PEERS, SUBJECT
from results import unsteady

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent
# A peer whose rounds differ has this many times the rounds, at most.
MORE_ROUNDS = 3
# So many seconds a peer of several threads runs before its time counts.
AWAKE = 0.2
# Below this many bytes an array, allocators keep what is freed anyway.
KEPT_FROM = 1 << 20


class Worker:
    """A peer's process, asked for one line at a time."""

    def __init__(self, peer, kept, threads, directory):
        self.peer, self.kept = peer, kept
        self.name = f"{peer.name} (kept)" if kept else peer.name
        self.about, self.process = None, None
        if peer.file:
            command = [sys.executable, str(HERE / peer.file)]
        else:
            target = directory / ("target-native" if peer.native else "target")
            command = [str(target / "release" / peer.program[0]), *peer.program[1:]]
            if not os.path.exists(command[0]):
                self.about = {"absent": "it was not built; install.sh says why"}
                return
        environment = {
            **os.environ,
            **(KEEPING if kept else {}),
            **{name: str(threads) for name in ("PEER_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS")},
            # Compiled once for a machine, and in the process itself: helpers would stay and take time from others.
            "TORCHINDUCTOR_CACHE_DIR": str(directory / "inductor"),
            "TORCHINDUCTOR_COMPILE_THREADS": "1",
            "JAX_PLATFORMS": "cpu",
        }
        log = open(directory / "logs" / f"{self.name}.log", "w")
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
        )
        self.about = self.ask({"do": "about"})

    def ask(self, request):
        if self.process is None:
            return {"absent": "it does not run"}
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if line:
            return json.loads(line)
        self.process.wait()
        code, self.process = self.process.returncode, None
        return {"absent": f"it ended with status {code}; logs/{self.name}.log has its last words"}

    def end(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()


def measure(cell, workers, directory, rounds, seconds):
    """One cell: everyone prepares, then rounds of everyone in turn."""
    pred, target = cells.data(cell)
    prefix = directory / "data" / cell.key.replace(" ", "-")
    files = [Path(f"{prefix}.pred"), Path(f"{prefix}.{'labels' if cell.case == cells.ROWS else 'target'}")]
    for path, array in zip(files, (pred, target)):
        array.tofile(path)
    request = {
        "do": "prepare", "case": cell.case, "dtype": cell.dtype,
        "rows": cell.rows, "classes": cell.classes, "data": str(prefix),
    }  # fmt: skip
    exact = cells.exact_mean(cell, pred, target)
    entries, running = {}, []
    for worker in workers:
        if worker.kept and pred.nbytes < KEPT_FROM:
            continue
        answer = worker.ask(request)
        if "absent" in answer:
            entries[worker.name] = answer
            continue
        entry = entries[worker.name] = {"rounds": [], "cores": [], "faults": []}
        if worker.peer not in MEMORY:
            of_probabilities = worker.peer.value_only
            right = cells.exact_mean(cell, pred, target, True) if of_probabilities else exact
            entry["error"] = cells.error(answer["mean"], right, cell.dtype)
        running.append((worker, entry))
    for round_ in range(MORE_ROUNDS * rounds):
        if round_ >= rounds:
            running = [(worker, entry) for worker, entry in running if unsteady(*best_and_median(entry))]
        # Each round begins with another one, so that what comes with the start hits all alike.
        turn = round_ % rounds * len(running) // rounds
        for worker, entry in running[turn:] + running[:turn]:
            time.sleep(0.003)  # Threads of the one before spin on for a while.
            if cell.threads > 1:
                # Threads that have slept wake on the core of the one that wakes them, and stay there for a while.
                worker.ask({"do": "time", "seconds": AWAKE})
            answer = worker.ask({"do": "time", "seconds": seconds})
            entry["rounds"].append(answer["best"])
            entry["cores"].append(answer["cores"])
            entry["faults"].append(answer["faults"])
    for entry in entries.values():
        if "rounds" in entry:
            best, median = best_and_median(entry)
            entry.update(
                best=best, median=median, rounds=len(entry["rounds"]),
                cores=statistics.median(entry["cores"]), faults=statistics.median(entry["faults"]),
            )  # fmt: skip
    for path in files:
        path.unlink()
    return {
        "case": cell.case, "dtype": cell.dtype, "rows": cell.rows, "classes": cell.classes,
        "threads": cell.threads, "exact": float(exact), "peers": entries,
        "rounds": rounds, "seconds": seconds, "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }  # fmt: skip


def best_and_median(entry):
    return min(entry["rounds"]), statistics.median(entry["rounds"])


def sources():
    """The git tree of this crate's src, with a sign where the files differ from it."""
    git = ["git", "-C", ROOT]
    tree = subprocess.run([*git, "rev-parse", "--short", "HEAD:src"], capture_output=True, text=True).stdout.strip()
    changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "src"]).returncode != 0
    return f"{tree} and changes" if changed else tree


def machine():
    model = ""
    if os.path.exists("/proc/cpuinfo"):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.strip()
    caches = [
        f"L{read(index / 'level')} {read(index / 'size')}"
        for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"))
        if read(index / "type") != "Instruction"
    ]
    flags = Path("/proc/cpuinfo").read_text() if model else ""
    return {
        "cpu": model or platform.processor(), "cores": os.cpu_count(), "system": platform.system(),
        "architecture": platform.machine(), "caches": caches, "avx2": " avx2" in flags, "avx512": " avx512f" in flags,
        "rustc": rustc, "python": platform.python_version(),
    }  # fmt: skip


def read(path):
    return path.read_text().strip()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="where install.sh has put the environment")
    parser.add_argument("--quick", action="store_true", help="two short rounds, into the folder quick in the directory")
    parser.add_argument("--cases", default=",".join(cells.CASES))
    parser.add_argument("--dtypes", default="f32,f64")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.03, help="of each peer in each round")
    return parser.parse_args()


def main():
    args = arguments()
    rounds, seconds = (2, 0.01) if args.quick else (args.rounds, args.seconds)
    quick = args.directory / "quick"
    for directory in (args.directory / "logs", args.directory / "data", quick):
        directory.mkdir(exist_ok=True)
    path, docs = (quick / report.RESULTS.name, quick) if args.quick else (report.RESULTS, report.DOCS)
    if args.quick:
        path.unlink(missing_ok=True)
    wanted = [
        cell
        for threads in map(int, args.threads.split(","))
        for case in args.cases.split(",")
        for dtype in args.dtypes.split(",")
        for cell in cells.cells(case, dtype, threads)
    ]
    results, tree = begin(path, wanted), sources()
    for threads, cells_of in groupby(wanted, key=lambda cell: cell.threads):
        workers = [Worker(peer, False, threads, args.directory) for peer in EVERYONE]
        workers += [Worker(peer, True, threads, args.directory) for peer in PEERS if peer.keeps]
        for worker in workers:
            if "absent" in worker.about:
                print(f"absent: {worker.name}: {worker.about['absent']}", flush=True)
                results["peers"].setdefault(worker.name, worker.about)
            else:
                results["peers"][worker.name] = worker.about
        for cell in cells_of:
            entry = measure(cell, workers, args.directory, rounds, seconds)
            results["cells"][cell.key] = {**entry, "sources": tree}
            # After each, so that a run that is cut short is worth what it has measured.
            write(path, results)
            say(cell, entry["peers"])
        for worker in workers:
            worker.end()
    report.write(path, docs)


def begin(path, wanted):
    """What a run adds to: nothing, where it measures all there is."""
    here = machine()
    earlier = json.loads(path.read_text()) if path.exists() else {"cells": {}}
    rest = earlier["cells"].keys() - {cell.key for cell in wanted}
    if not rest:
        return {"machine": here, "peers": {}, "cells": {}}
    different = [name for name in here if here[name] != earlier["machine"].get(name)]
    if different:
        raise SystemExit(f"other cells have another {', '.join(different)}: measure all of them, or move {path} away")
    return earlier


def write(path, results):
    rounded = json.loads(json.dumps(results), parse_float=lambda text: float(f"{float(text):.5g}"))
    # Each number on a line of its own would be ten thousand lines: a cell is one.
    lines = [f'{json.dumps(key)}: {json.dumps(rounded["cells"][key])}' for key in sorted(rounded["cells"])]
    head = ",\n".join(f'{json.dumps(key)}: {json.dumps(rounded[key])}' for key in ("machine", "peers"))
    text = "{\n" + head + ',\n"cells": {\n' + ",\n".join(lines) + "\n}\n}\n"
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").replace(path)


def say(cell, entries):
    """A line a cell, to see that it goes on."""
    timed = {name: entry["median"] for name, entry in entries.items() if "median" in entry}
    line = ", ".join(f"{name} {time:.3g}" for name, time in sorted(timed.items(), key=lambda item: item[1]))
    print(f"{cell.key}: {line}", flush=True)
    for name, entry in entries.items():
        if "absent" in entry and SUBJECT.name == name:
            raise SystemExit(f"{name} itself is absent: {entry['absent']}")


if __name__ == "__main__":
    main()
