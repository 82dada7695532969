"""Speed against size for each loss, and error beside speed, as SVG."""

import matplotlib

matplotlib.use("svg")
# The same drawing for the same figures, so that a change of a chart is a change of a measurement.
matplotlib.rcParams.update({"svg.hashsalt": "fused-loss", "svg.fonttype": "none", "font.family": "sans-serif"})

from matplotlib import pyplot
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

import cells
from peers import PEERS, SUBJECT

INK, FAINT, GRID = "#1f2328", "#656d76", "#e4e7eb"
# A family of colours for a library, a shade and a marker for each way of calling it.
STYLES = {
    "fused-loss": ("#0b5cd5", "o"),
    "torch-eager": ("#7c2d12", "s"),
    "torch-compile": ("#ea580c", "^"),
    "torch-closed": ("#fb923c", "v"),
    "jax": ("#15803d", "D"),
    "numpy": ("#7e22ce", "P"),
    "candle": ("#a16207", "h"),
    "burn": ("#be185d", "X"),
    "loop": ("#6b7280", "<"),
    "loop-lanes": ("#6b7280", ">"),
    "numkong": ("#0e7490", "*"),
}


def draw(results, directory):
    directory.mkdir(parents=True, exist_ok=True)
    for case in cells.CASES:
        parts = {dtype: results.of(case=case, dtype=dtype, threads=1) for dtype in cells.DTYPES}
        parts = {dtype: entries for dtype, entries in parts.items() if entries}
        if parts:
            save(speed(case, parts), directory / f"speed-{case}.svg")
    save(error_beside_speed(results), directory / "error-beside-speed.svg")


def save(figure, path):
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)


def frame(axes):
    axes.grid(True, which="major", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.tick_params(colors=FAINT, which="both", labelsize=9)


def plain(value, _=None):
    return f"{value:g}"


def speed(case, parts):
    figure, grid = pyplot.subplots(
        1, len(parts), figsize=(4.6 * len(parts) + 2.4, 4.6), layout="constrained", sharey=True, squeeze=False
    )
    for axes, (dtype, entries) in zip(grid.flat, parts.items()):
        drawn = lines(axes, entries)
        axes.set_title(f"{case}, {dtype}, one thread", loc="left", fontsize=11, color=INK)
        axes.set_xlabel("rows x classes" if case == cells.ROWS else "elements", color=FAINT, fontsize=9)
    grid.flat[0].set_ylabel("loss, gradient and mean, ns an element (less is faster)", color=FAINT, fontsize=9)
    # In the order of the last panel's lines at its right edge, from the top.
    order = sorted(drawn, key=lambda line: -line.get_ydata()[-1])
    figure.legend(order, [line.get_label() for line in order], loc="outside right center", frameon=False, fontsize=9)
    return figure


def lines(axes, entries):
    """Draws a line a peer, and returns them."""
    places, drawn = [entry.elements for entry in entries], []
    for peer in (*PEERS, SUBJECT):
        points = [(place, entry.time(peer)) for place, entry in zip(places, entries) if entry.figure(peer)]
        if points:
            colour, marker = STYLES[peer.name]
            mine = peer is SUBJECT
            drawn += axes.plot(
                *zip(*points), color=colour, marker=marker, label=peer.title, markersize=8 if mine else 6,
                linewidth=2.6 if mine else 1.2, linestyle="--" if peer.loop else "-", zorder=3 if mine else 2,
                markeredgecolor="white", markeredgewidth=0.6,
            )  # fmt: skip
    memory = [entry.memory for entry in entries]
    drawn += axes.plot(places, memory, color=INK, linewidth=1.4, linestyle=":", label="memory test")
    axes.set(xscale="log", yscale="log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(places, [entry.size.replace(" x ", "\nx ") for entry in entries])
    axes.yaxis.set_major_locator(LogLocator(10, (1,), numticks=12))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(plain))
    frame(axes)
    return drawn


def error_beside_speed(results):
    figure, grid = pyplot.subplots(2, 4, figsize=(11.5, 6.2), layout="constrained", sharey=True)
    seen = {}
    for case, axes in zip(cells.CASES, grid.flat):
        entries = results.of(case=case, dtype="f32", threads=1)
        frame(axes)
        axes.set(xscale="log", yscale="log", ylim=(0.3, 3e5))
        if not entries:
            continue
        entry = entries[-1]
        for peer in (*PEERS, SUBJECT):
            time, error = entry.time(peer), entry.own(peer).get("error")
            if time is None or error is None:
                continue
            colour, marker = STYLES[peer.name]
            mine = peer is SUBJECT
            # Less than half a unit in the last place is as near as a number of this precision comes.
            seen[peer] = axes.scatter(
                time, max(error["ulp"], 0.5), color=colour, marker=marker, s=90 if mine else 45, zorder=3,
                edgecolors="white", linewidths=0.6,
            )  # fmt: skip
        axes.axvline(entry.memory, color=INK, linewidth=1.2, linestyle=":")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_locator(LogLocator(10, (1, 3), numticks=8))
        axes.xaxis.set_major_formatter(FuncFormatter(plain))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_title(f"{case}, {entry.size}", fontsize=9.5, color=INK, loc="left")
    figure.supxlabel("ns an element (left is faster; dotted: memory test)", color=FAINT, fontsize=9.5)
    figure.supylabel("error of the mean in ULP of f32 (down is nearer)", color=FAINT, fontsize=9.5)
    rest = grid.flat[len(cells.CASES)]
    rest.axis("off")
    order = [peer for peer in (SUBJECT, *PEERS) if peer in seen]
    rest.legend(
        [seen[peer] for peer in order], [peer.title for peer in order], loc="center left", frameon=False, fontsize=9
    )
    return figure
