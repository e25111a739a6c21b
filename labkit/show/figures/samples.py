"""The samples of each cell in the order of time, and how they are distributed."""

import textwrap
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from labkit import quality
from labkit.records.derive import SLICE, of_peak
from labkit.records.find import Run
from labkit.records.model import Cell, Series
from labkit.show import canvas, numbers, styles
from labkit.show.canvas import Drawing, Point
from labkit.show.styles import BLACK, GREY

PANEL_INCHES, TOP_INCHES, FOOT_INCHES = 1.5, 0.6, 1.0
# A cell's part of the axis, about its place: the samples in their order, then the density.
ORDER_FROM, ORDER_TO, DENSITY_FROM, DENSITY_TO = -0.44, 0.16, 0.2, 0.44
# The axis holds what is within so many distances between quartiles of them; what is not stands at its edge.
FENCE = 4.0
# A density's steps; and its least width in per cent, as samples alike would give a line of no width.
STEPS, LEAST_BANDWIDTH = 80, 0.3
ROOM_ABOVE = 0.3  # of the axis, for counts
EXPLANATION = (
    "each cell: its samples from the first to the last, then their density; filled: the core was alone, and above how "
    "often; pale: disturbed; hollow: beyond the axis; line and band: the rate alone and its 95 % interval"
)

Floats = npt.NDArray[np.float64]


@canvas.look
def draw(run: Run) -> Drawing:
    """A panel for each method, in it a column for each size."""
    series = {(s.name, s.n): s for s in run.results.samples if s.seconds}
    sizes = sorted(run.results.protocol.sizes)
    shown: dict[str, list[tuple[Cell, Series]]] = {}
    for cell in run.analysis.cells:
        if s := series.get((cell.method + SLICE, cell.n)) or series.get((cell.method, cell.n)):
            shown.setdefault(cell.method, []).append((cell, s))
    title = f"Each sample on {run.results.short_name}, in the order of time, and its density"
    height = TOP_INCHES + PANEL_INCHES * max(1, len(shown)) + FOOT_INCHES
    margins: dict[str, Any] = {"left": 0.085, "right": 0.87, "top": 1 - TOP_INCHES / height, "hspace": 0.12}
    margins |= {"bottom": FOOT_INCHES / height}
    figure, panels = canvas.new_figure(title, height, max(1, len(shown)), 1, **margins)
    points: list[Point] = []
    for axes, (method, cells) in zip(panels, shown.items(), strict=False):
        axes.set(xlim=(-0.5, len(sizes) - 0.5), xticks=[])
        axes.grid(visible=False, axis="x")
        rates = [_rates(run, cell, s) for cell, s in cells]
        low, middle, high = np.percentile(np.concatenate(rates), [25, 50, 75])
        inside = np.clip(
            np.concatenate([*rates, [99.0, 101.0]]), middle - FENCE * (high - low), middle + FENCE * (high - low)
        )
        ends = float(inside.min()), float(inside.max())
        axes.set_ylim(ends[0] - 0.06 * (ends[1] - ends[0]), ends[1] + ROOM_ABOVE * (ends[1] - ends[0]))
        for (cell, s), values in zip(cells, rates, strict=True):
            points += _draw_cell(axes, run, cell, s, sizes.index(cell.n), values, ends)
        style = styles.of_method(method)
        note: dict[str, Any] = {"xycoords": "axes fraction", "annotation_clip": False, "fontweight": "bold"}
        canvas.note(axes, style.name, (1.0, 0.5), (6, 0), style.colour, **note)
    panels[-1].set_xticks(range(len(sizes)), [f"N = {n}" for n in sizes])
    panels[-1].tick_params(axis="x", length=0)
    figure.supylabel("% of the rate alone", fontsize=canvas.FONT, x=0.004)
    lines = textwrap.fill(EXPLANATION, canvas.EXPLANATION_COLUMNS)
    figure.text(0.012, 0.1 / height, lines, fontsize=canvas.FONT, color=GREY, va="bottom")
    return Drawing(figure, title, points)


def _rates(run: Run, cell: Cell, s: Series) -> Floats:
    """Of each sample, in per cent of the rate that the cell has on a core alone."""
    return 100 * np.array(of_peak(s, run.analysis.core)) / cell.peak_fraction.value


def _draw_cell(
    axes: Axes, run: Run, cell: Cell, s: Series, place: int, rates: Floats, axis: tuple[float, float]
) -> list[Point]:
    """A cell in its column; what the axis, from here to there, does not hold stands at its edge."""
    style, flags, part = styles.of_method(cell.method), quality.flags(s, run.results.cpus, run.analysis.core), 100.0
    y = np.clip(rates, *axis)
    alone = np.array([flag is None for flag in flags])
    ends = place + ORDER_FROM, place + DENSITY_TO
    low, high = (part * x / cell.peak_fraction.value for x in (cell.peak_fraction.low, cell.peak_fraction.high))
    axes.fill_between(ends, low, high, color=GREY, alpha=0.15, lw=0, zorder=0)
    axes.plot(ends, [part, part], color=BLACK, lw=1.0, zorder=1)
    at = place + ORDER_FROM + (ORDER_TO - ORDER_FROM) * (np.arange(len(y)) + 0.5) / len(y)
    pale = styles.pale(style.colour)
    for chosen, edge, face in (
        (~alone & (y == rates), style.colour, pale),
        (y != rates, style.colour, styles.WHITE),
        (alone & (y == rates), style.colour, style.colour),
    ):
        axes.plot(at[chosen], y[chosen], style.marker, mec=edge, mfc=face, ms=3.4, mew=0.4, lw=0, zorder=2)
    levels = np.linspace(*axes.get_ylim(), STEPS)
    every = _density(levels, rates)
    width = (DENSITY_TO - DENSITY_FROM) / np.max(every)
    for density, face in ((every, styles.pale(style.colour)), (_density(levels, rates[alone]), style.colour)):
        left = place + DENSITY_FROM
        axes.fill_betweenx(levels, left, left + width * np.minimum(density, every), color=face, lw=0, zorder=2)
    said = f"{alone.sum()} of {len(flags)}"
    axes.annotate(said, (place, 0.99), xycoords=axes.get_xaxis_transform(), ha="center", va="top", fontsize=9.0)
    return [
        Point(
            axes,
            x,
            level,
            "Samples",
            {
                "cell": f"{style.name}, N = {s.n}",
                "at": f"{moment:.1f} s",
                "rate": numbers.flops(wall),
                "of that alone": f"{rate:.1f} %",
                "state": flag or "alone",
            },
        )
        for x, level, moment, rate, wall, flag in zip(at, y, s.at, rates, s.rates, flags, strict=True)
    ]


def _density(levels: Floats, values: Floats) -> Floats:
    """How many values are about each level: Gaussians of the width that Silverman's rule gives."""
    if not len(values):
        return np.zeros_like(levels)
    inner = np.subtract(*np.percentile(values, [75, 25])) / 1.34
    bandwidth = max(LEAST_BANDWIDTH, 0.9 * min(values.std(), inner or np.inf) * len(values) ** -0.2)
    return np.asarray(np.exp(-0.5 * ((levels[:, None] - values) / bandwidth) ** 2).sum(axis=1) / bandwidth)
