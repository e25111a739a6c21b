"""repeat.png: GFLOPS and shares of the roof over runs of the same command. A function of the record alone."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from labkit import figures, statistics
from labkit.figures import BLUE, GREEN, GREY
from labkit.records import Repeat, RepeatedCell

COLOURS = {"matmul": BLUE, "einsum": GREEN}
MARKERS = {256: "o", 512: "s", 1024: "^"}
FONT = 10
# The axis shows at least so much to either side of the median, per cent: no spread is blown up to fill it.
LEAST_SIDE = 5.0


def draw(record: Repeat) -> bytes:
    """The figure as a PNG, its data in the file's metadata."""
    figure = Figure(figsize=(figures.WIDTH_INCHES, 3.9), dpi=figures.DPI)
    left, right = figure.subplots(1, 2, sharey=True)
    figure.subplots_adjust(left=0.085, right=0.805, top=0.89, bottom=0.15, wspace=0.08)
    busy = record.runs[-1].beside != "nothing"
    moved: dict[str, list[list[float]]] = {"gflops": [], "share": []}
    for axes, name in ((left, "gflops"), (right, "share")):
        for cell in record.cells:
            moved[name].append(_draw_cell(axes, cell, getattr(cell, name), busy))
        _dress(axes, len(record.runs), busy)
    half = 100 * record.share_spread_limit / 2
    right.axhspan(-half, half, color=GREY, alpha=0.15, lw=0, zorder=0)
    side = max(LEAST_SIDE, 1.15 * max(abs(x) for panel in moved.values() for line in panel for x in line))
    left.set_ylim(-side, side)
    left.set_ylabel("difference from the cell's median, %")
    left.set_title("GFLOPS, median of a run", loc="left", pad=9, fontsize=12)
    right.set_title("share of the roof", loc="left", pad=9, fontsize=12)
    names = [f"{'np.matmul' if c.method == 'matmul' else c.method} {c.n}" for c in record.cells]
    lines = [line for line in left.get_lines() if line.get_linestyle() != "None"]  # not the hollow ones
    figure.legend(lines, names, loc="center right", fontsize=FONT, frameon=False, handlelength=1.6)
    data = {
        "title": f"What repeats on {record.short_name}",
        "runs": [run.beside for run in record.runs],
        "cells": {f"{c.method} {c.n}": {"gflops": c.gflops, "share": c.share} for c in record.cells},
    }
    return figures.png(figure, str(data["title"]), data)


def _draw_cell(axes: Axes, cell: RepeatedCell, values: list[float], busy: bool) -> list[float]:
    """A cell's line over the runs, hollow where it ran beside a busy process. Returns what is drawn, per cent."""
    alone = values[:-1] if busy else values
    away = [100 * (v / statistics.median(alone) - 1) for v in values]
    colour, marker = COLOURS[cell.method], MARKERS[cell.n]
    axes.plot(range(1, len(alone) + 1), away[: len(alone)], marker=marker, color=colour, ms=5.5, lw=1.3, zorder=3)
    if busy:
        axes.plot(len(values), away[-1], marker=marker, color=colour, mfc="white", ms=6, mew=1.5, ls="", zorder=3)
    return away


def _dress(axes: Axes, runs: int, busy: bool) -> None:
    axes.set_xlim(0.5, runs + 0.5)
    axes.set_xticks(range(1, runs + 1), [*map(str, range(1, runs)), "busy" if busy else str(runs)])
    axes.set_xlabel("run")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:+g}" if y else "0"))
