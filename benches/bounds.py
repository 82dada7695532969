#!/usr/bin/env python3
"""What the hot loops could do at best, and what they do: benches/bounds.py [--write]

For each loss and level, a call in the first cache is sampled by perf, in the program of ci/instructions. Of the kernel's
loops, the one with most samples is taken, without blocks that next to none fell into. Its bound is counted: a turn's vector
operations (moves, loads and stores are none) wait for the ports of Golden Cove that take them (PORTS), as if they never
waited for each other; the busiest set of ports is the bound, or the divider. Beside it stand what llvm-mca makes of the
same instructions (its "block reciprocal throughput", by its model of that CPU), and the cycles measured: time by the clock,
times the frequency, which a chain of multiplications of three cycles each tells. Of these the loop has as many as of the
samples; the whole call has what lies around it too: the call and folds. A row of softmax cross-entropy has three passes, of
which the loop is that of the exponentials: all classes go through it but a turn's, where the greatest logit is left out.

Needs perf, binutils and an llvm-mca that knows the CPU (Debian's llvm-19 does), on x86-64 with AVX2. MCA_CPU names another
model than sapphirerapids. --write puts the table into docs/performance.md.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import page

MCA = shutil.which("llvm-mca-19") or "llvm-mca"
ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "ci" / "instructions"
# Which ports of Golden Cove take which operations, by their names, at 256 bits and at 512, where ports 0 and 1 are one; the
# first pattern that fits counts. (Intel's Optimization Reference Manual; uops.info.)
PORTS = {
    "avx2": [
        (r"vfn?m(add|sub)|vmul|vdiv|v(max|min|cmp)p|vps[lr]l", "01"),
        (r"v(add|sub)[ps]", "15"),
        (r"v(perm|unpck|shuf|extract|insert|pack)", "15"),
        (r"v", "015"),
    ],
    "avx512": [
        (r"v(p?cmp|perm|unpck|shuf|extract|insert|valign)", "5"),
        (r"vdiv|vps[lr]l", "0"),
        (r"v", "05"),
    ],
}
# Cycles that the divider is busy with one instruction.
DIVIDER = {("vdivps", "y"): 5, ("vdivps", "z"): 10, ("vdivpd", "y"): 8, ("vdivpd", "z"): 16}
# What a choice by a register's sign bits takes at 256 bits; any other instruction is one operation.
BLEND = ("vblendvps", 3)
CPU = os.environ.get("MCA_CPU", "sapphirerapids")
ELEMENTS = "fused_loss::elementwise::Block<f32, {}, true>"
ROWS = "fused_loss::softmax_rows::many::Rows<f32>"
# Classes of a turn of that loop, inner loops included.
TILE = 128
# What is called: a loss, rows and classes; and the kernel that it runs.
CASES = [
    ("mse", 2048, 1, ELEMENTS.format("fused_loss::loss::mse::Mse")),
    ("huber", 2048, 1, ELEMENTS.format("fused_loss::loss::huber::Huber<f32>")),
    ("bce-with-logits", 2048, 1, ELEMENTS.format("fused_loss::loss::bce_with_logits::BceWithLogits<f32>")),
    ("bce", 2048, 1, ELEMENTS.format("fused_loss::loss::bce::BinaryCrossEntropy<f32>")),
    ("kl-divergence", 2048, 1, ELEMENTS.format("fused_loss::loss::kl_divergence::KlDivergence")),
    ("softmax-cross-entropy", 1, 4096, ROWS),
]


def run(*arguments, **options):
    return subprocess.run(arguments, check=True, text=True, stdout=subprocess.PIPE, **options).stdout


def build():
    """The program, with symbols that tell one kernel from another."""
    environment = {**os.environ, "RUSTFLAGS": "-C symbol-mangling-version=v0"}
    target = ROOT / "target" / "bounds"
    run("cargo", "build", "--release", "--locked", "--target-dir", target, cwd=PACKAGE, env=environment)
    return target / "release" / "instructions"


def functions(program):
    """Each function's instructions by its name: address, text."""
    found, name = {}, None
    for line in run("objdump", "--disassemble", "--demangle", "--no-show-raw-insn", program).splitlines():
        if head := re.match(r"^[0-9a-f]+ <(.*)>:$", line):
            name = head[1]
            found[name] = []
        elif name and (code := re.match(r"^ *([0-9a-f]+):\t(.*)$", line)):
            found[name].append((int(code[1], 16), code[2].split("#")[0].split("<")[0].strip()))
    return found


def sampled(program, level, loss, rows, classes):
    """How often each address of the program was seen at work."""
    with tempfile.TemporaryDirectory() as room:
        data, call = f"{room}/perf.data", [program, "time", level, loss, str(rows), str(classes)]
        run("perf", "record", "--event=cpu-clock", "--freq=9000", "--output", data, *call, stderr=subprocess.DEVNULL)
        script = ["perf", "script", "--input", data]
        mapped = run(*script, "--show-mmap-events", "-F", "ip")
        addresses = run(*script, "-F", "ip")
    # The program is loaded anywhere: where its code begins in the file, and where in memory.
    place = re.search(r"\[0x([0-9a-f]+)\(0x[0-9a-f]+\) @ (0x[0-9a-f]+|0) .*r-xp .*/" + program.name, mapped)
    segment = re.search(r"LOAD +0x(\w+) +0x(\w+) +\S+ +\S+ +\S+ +R E", run("readelf", "-lW", program))
    moved = int(place[1], 16) - int(place[2], 16) - int(segment[2], 16) + int(segment[1], 16)
    return Counter(int(address, 16) - moved for address in addresses.split())


def blocks(code):
    """Runs of instructions that nothing jumps into or out of."""
    targets = {int(jump[1], 16) for _, text in code if (jump := re.match(r"^j\w+ +([0-9a-f]+)$", text))}
    found = [[]]
    for address, text in code:
        if address in targets and found[-1]:
            found.append([])
        found[-1].append((address, text))
        if re.match(r"^(j|ret)", text):
            found.append([])
    return [block for block in found if block]


def loops(code):
    """From the target of a jump back to the jump."""
    index = {address: at for at, (address, _) in enumerate(code)}
    for at, (address, text) in enumerate(code):
        jump = re.match(r"^j\w+ +([0-9a-f]+)$", text)
        if jump and int(jump[1], 16) <= address and int(jump[1], 16) in index:
            yield code[index[int(jump[1], 16)] : at + 1]


def width(text):
    """Numbers that an instruction stores, but to the stack."""
    store = re.match(r"^vmov[au]ps +%([yz])mm\d+,(-?0x[0-9a-f]+)?\((?!%rsp|%rbp)", text)
    return {"y": 8, "z": 16}[store[1]] if store else 0


def hot_loop(code, samples, passes):
    """The smallest loop that makes up nearly all of a kernel of one pass, or a good part of one of several; less the
    blocks of it that are hardly ever seen at work, and with as many turns of a loop inside as it has. Its instructions, how
    many numbers a turn has, and its share of all samples."""
    least, rare = (0.55, 0.1) if passes else (0.85, 0.02)

    def weight(instructions):
        return sum(samples[address] for address, _ in instructions)

    writing = [loop for loop in sorted(loops(code), key=len) if sum(width(text) for _, text in loop)]
    most = max(map(weight, writing))
    loop = next(loop for loop in writing if weight(loop) > least * most)
    seen = [block for block in blocks(loop) if weight(block) > rare * weight(loop)]
    body = [text for block in seen for _, text in block]
    numbers = sum(width(text) for text in body)
    inner = [part for part in writing if part != loop and set(part) <= set(loop) and weight(part) > rare * weight(loop)]
    if passes and inner:
        again = [text for _, text in inner[0]]
        of_inner = sum(width(text) for text in again)
        body += again * ((TILE - numbers) // of_inner)
        numbers += of_inner * ((TILE - numbers) // of_inner)
    return body, numbers, sum(map(weight, seen)) / samples.total()


def operations(loop):
    """The instructions that want a port of the vector units."""
    none = re.compile(r"^v(mov|broadcast|pbroadcast|zero)")
    found = [text for text in loop if text.startswith("v") and not none.match(text)]
    return found + [text for text in found if text.startswith(BLEND[0])] * (BLEND[1] - 1)


def bound(found, level):
    """Cycles that operations take at least: those that only some ports take, spread over these."""
    of_ports = Counter(next(ports for name, ports in PORTS[level] if re.match(name, text)) for text in found)
    sets = {"".join(sorted(set(a + b))) for a in of_ports for b in of_ports}
    cycles = [
        sum(count for ports, count in of_ports.items() if set(ports) <= set(taken)) / len(taken) for taken in sets
    ]
    busy = sum(
        cycles for (name, size), cycles in DIVIDER.items() for text in found if re.match(f"{name} .*%{size}mm", text)
    )
    return max([*cycles, busy])


def cycles_by_mca(loop):
    body = [text for text in loop if not re.match(r"^j\w+ ", text)]
    text = run(MCA, f"-mcpu={CPU}", input="\n".join(body) + "\n", stderr=subprocess.DEVNULL)
    return float(re.search(r"Block RThroughput: +([\d.]+)", text)[1])


def measured(program, level, loss, rows, classes):
    """Cycles an element of a call, the best of many runs: others on the machine, or on the other half of a core, only add to
    them. The frequency is asked for beside each run."""
    cycles = []
    for _ in range(15):
        nanoseconds = float(run(program, "time", level, loss, str(rows), str(classes)))
        cycles.append(nanoseconds * float(run(program, "clock")) / (rows * classes))
    return min(cycles)


def main():
    program = build()
    kernels = functions(program)
    lines = [
        "| loss | level | operations a number | bound | by llvm-mca | in the loop | of the bound | in the whole call |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for loss, rows, classes, kernel in CASES:
        for level in [level for level in PORTS if level in run(program, "levels").split()]:
            entry = f"::{level}::<"
            code = next((code for name, code in kernels.items() if entry in name and kernel in name), None)
            if code is None:
                sys.exit(f"{program} has no function with {entry} and {kernel} in its name")
            samples = sampled(program, level, loss, rows, classes)
            loop, numbers, share = hot_loop(code, samples, passes=classes > 1)
            counted = operations(loop)
            least, mca = bound(counted, level) / numbers, cycles_by_mca(loop) / numbers
            whole = measured(program, level, loss, rows, classes)
            inside = whole * share / (1 - numbers / classes if classes > 1 else 1)
            figures = [f"{figure:.2f}" for figure in (len(counted) / numbers, least, mca, inside, inside / least)]
            lines.append(f"| {loss} | {level} | {' | '.join(figures)}x | {whole:.2f} |")
            print(lines[-1], file=sys.stderr)
    table = "\n".join(lines)
    if "--write" in sys.argv[1:]:
        page.write("bounds", table)
    else:
        print(table)


if __name__ == "__main__":
    main()
