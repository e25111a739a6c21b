"""One machine over time: the fraction of peak of each method, and what changed when."""

import textwrap
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from labkit.records.facts import facts
from labkit.records.find import Run
from labkit.records.model import Cell
from labkit.show import canvas, numbers, styles, text
from labkit.show.canvas import Drawing, Facts, Label, Point
from labkit.show.styles import GREY

FEWEST_RUNS = 3
STEP_COLUMNS = 34  # of a text along the height of the axes
ROW_INCHES, CURVES_INCHES, REST_INCHES = 0.17, 3.0, 1.5


def in_order(runs: Sequence[Run]) -> list[Run]:
    """The runs by date, where they are of one machine at several dates; else none."""
    dates, machines = {run.manifest.created for run in runs}, {run.manifest.hardware.cpu for run in runs}
    several = len(runs) >= FEWEST_RUNS and len(dates) == len(runs) and len(machines) == 1
    return sorted(runs, key=lambda run: run.manifest.created) if several else []


@canvas.look
def draw(runs: Sequence[Run]) -> Drawing:
    """Runs in the order of their dates, evenly apart; a change of the machine or its software stands at its step."""
    title = f"Fraction of peak over time on {runs[0].results.short_name}"
    described = [facts(run) for run in runs]
    changes = [
        (i, what, a[what], b[what])
        for i, (a, b) in enumerate(pairwise(described), 1)
        for what in a
        if a[what] != b[what]
    ]
    height = REST_INCHES + CURVES_INCHES + ROW_INCHES * (len(changes) + 1)
    foot = (0.75 + ROW_INCHES * (len(changes) + 1)) / height
    figure, (axes,) = canvas.new_figure(title, height, left=0.09, right=0.8, top=1 - 0.6 / height, bottom=foot)
    n = max(set.intersection(*({c.n for c in run.analysis.cells} for run in runs)), default=0)
    points: list[Point] = []
    labels: list[Label] = []
    compiled = [m for m in runs[0].results.protocol.methods if not m.startswith(("naive", "blocked"))]
    for method in compiled:
        style, tags = styles.of_method(method), {"method": method}
        found = [(i, run, c) for i, run in enumerate(runs) if (c := run.analysis.cell(method, n))]
        x, y = [i for i, _, _ in found], [100 * c.peak_fraction.value for _, _, c in found]
        low = [100 * (c.peak_fraction.value - c.peak_fraction.low) for _, _, c in found]
        high = [100 * (c.peak_fraction.high - c.peak_fraction.value) for _, _, c in found]
        axes.errorbar(x, y, yerr=[low, high], fmt=f"{style.marker}-", color=style.colour, ms=5, lw=1.4, capsize=3)
        labels += [(x[-1], y[-1], style.name, style.colour, tags)] if found else []
        points += [
            Point(axes, i, 100 * c.peak_fraction.value, "Fractions of peak over time", _told(run, c), tags)
            for i, run, c in found
        ]
    upright: dict[str, Any] = {"rotation": 90, "fontsize": canvas.SMALL_FONT, "xycoords": axes.get_xaxis_transform()}
    for i in sorted({i for i, *_ in changes}):
        axes.axvline(i - 0.5, color=GREY, lw=1.0, ls=canvas.DASHED)
        says = ", ".join(f"{what} {after}" for at, what, _, after in changes if at == i)
        short = f"{i}. {textwrap.shorten(says, STEP_COLUMNS, placeholder=' …')}"
        canvas.note(axes, short, (i - 0.5, 0.02), (-8, 0), GREY, "center", "bottom", bbox=canvas.MASK, **upright)
    axes.set(ylabel=f"% of the FMA peak, N = {n}", xlim=(-0.5, len(runs) - 0.5), ylim=(0, 105))
    step = -(-len(runs) // 8)
    dates = [datetime.fromisoformat(run.manifest.created).strftime("%Y-%m-%d\n%H:%M") for run in runs]
    axes.set_xticks(range(0, len(runs), step), dates[::step], fontsize=canvas.SMALL_FONT)
    canvas.label_ends(axes, labels)
    says = "\n".join(text.plain(f"{i}. {what}: {before} to {after}")[:110] for i, what, before, after in changes)
    figure.text(0.012, 0.1 / height, says, fontsize=canvas.SMALL_FONT, color=GREY, va="bottom")
    return Drawing(figure, title, points)


def _told(run: Run, cell: Cell) -> Facts:
    return {
        "cell": f"{styles.of_method(cell.method).name}, N = {cell.n}",
        "run": run.name,
        "date": run.manifest.created[:16].replace("T", " "),
        "fraction of peak": text.estimate(cell.peak_fraction),
        "GFLOPS, median": numbers.flops(cell.gflops.median),
    }
