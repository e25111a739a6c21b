"""perf.png: GFLOPS over N for each method, under the measured peak; of one run, or of several."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from labkit.records.find import Run
from labkit.records.model import Cell
from labkit.roofline.model import NO_REUSE_INTENSITY, attainable, compulsory_intensity
from labkit.show import canvas, numbers, styles, text
from labkit.show.canvas import Drawing, Label, Point, Tags
from labkit.show.styles import BLACK, COLOURS, GREY, Style

# Between the compiled methods and the interpreted ones no curve runs: the crossover is named there.
CROSSOVER_LABEL_HEIGHT = 0.42
ROOM_ABOVE_PEAK, ROOM_BELOW = 2.2, 2.5  # the axis goes on by these factors, for labels
BEYOND_LEFT, BEYOND_RIGHT = 2.2, 1.12
TICKS_ON_AXIS = 13  # numbers of four digits that have room side by side
LEGEND_COLUMNS = 18


@canvas.look
def draw(runs: Sequence[Run]) -> Drawing:
    """One run has a colour for each method; of several each has its own, and the marker tells the method."""
    alone = len(runs) == 1
    what = f"on {runs[0].results.short_name}" if alone else f"of {len(runs)} runs"
    title = f"Matmul performance {what}, fp32, single-threaded"
    figure, (axes,) = canvas.new_figure(title, left=0.107, right=0.755, top=0.9, bottom=0.17)
    there = {method for run in runs for method in run.results.protocol.methods}
    methods = {method: style for method, style in styles.METHODS.items() if method in there}
    looks = {run.name: Style(run.name, COLOURS[i % len(COLOURS)], "") for i, run in enumerate(runs)}
    choices = {"method": methods}
    if not alone:
        choices = {"method": {m: Style(s.name, BLACK, s.marker) for m, s in methods.items()}, "run": looks}
    _set_axes(axes, runs)
    points: list[Point] = []
    limits: list[Point] = []
    labels: list[Label] = []
    for run in runs:
        tags = {} if alone else {"run": run.name}
        limits += _draw_roof(axes, run, BLACK if alone else looks[run.name].colour, tags, alone)
        for method, style in methods.items():
            if cells := [cell for cell in run.analysis.cells if cell.method == method]:
                own = {**tags, "method": method}
                _draw_curve(axes, cells, style.marker, style.colour if alone else looks[run.name].colour, own)
                rate = cells[-1].gflops.median
                labels.append((axes.get_xlim()[1], rate, f"{style.name}  {numbers.flops(rate)}", style.colour, own))
                points += [_point(axes, run, cell, own, alone) for cell in cells]
    if alone:
        canvas.label_ends(axes, labels)
    else:
        _draw_legend(figure, looks, methods)
    shown = [cell for run in runs for cell in run.analysis.cells]
    canvas.explain(
        figure,
        {
            "hollow, dashed: extrapolated by the cube law": any(cell.extrapolated for cell in shown),
            "pale: noisy, see the page": any(cell.noisy and not cell.extrapolated for cell in shown),
            "crossed out: cannot be true": any(cell.invalid for cell in shown),
            "partial run": any(run.results.status == "partial" for run in runs),
        },
    )
    return Drawing(figure, title, points + limits, choices, _data(runs[0]) if alone else {})


def _set_axes(axes: Axes, runs: Sequence[Run]) -> None:
    roofs = [run.results.roof for run in runs]
    sizes = sorted({n for run in runs for n in run.results.protocol.sizes})
    rates = [rate for run in runs for c in run.analysis.cells for rate in (c.gflops.low, c.gflops.high)]
    crossovers = [roof.crossover_n for roof in roofs]
    lowest = min([*rates, *(NO_REUSE_INTENSITY * roof.dram_gbs for roof in roofs)])
    axes.set(xscale="log", yscale="log", xlabel="N (matrices are N × N)", ylabel="GFLOPS")
    left, right = axes.set_xlim(min(sizes[0], *crossovers) / BEYOND_LEFT, max(sizes[-1], *crossovers) * BEYOND_RIGHT)
    axes.set_ylim(lowest / ROOM_BELOW, max([*rates, *(roof.peak_gflops for roof in roofs)]) * ROOM_ABOVE_PEAK)
    # The sizes, from the largest down, that have room for their number.
    ticks: list[int] = []
    for n in reversed(sizes):
        if not ticks or math.log(ticks[-1] / n) >= math.log(right / left) / TICKS_ON_AXIS:
            ticks.append(n)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    canvas.plain_numbers(axes.xaxis, axes.yaxis)


def _draw_curve(axes: Axes, cells: Sequence[Cell], marker: str, colour: str, tags: Tags) -> None:
    """A method's rates with their intervals; hollow and dashed where extrapolated."""
    for left, right in itertools.pairwise(cells):
        line = (0, (3, 2)) if left.extrapolated or right.extrapolated else "-"
        ends = [left.n, right.n], [left.gflops.median, right.gflops.median]
        canvas.tag(axes.plot(*ends, color=colour, lw=1.8, ls=line, zorder=3), tags)
    for cell in cells:
        rate, face = cell.gflops, canvas.face(colour, cell.extrapolated, cell.noisy)
        sides = [[rate.median - rate.low], [rate.high - rate.median]]
        bars = axes.errorbar(
            cell.n, rate.median, yerr=sides, fmt="none", color=colour, elinewidth=1.4, capsize=4, zorder=4
        )
        drawn = axes.plot(cell.n, rate.median, marker, color=colour, mfc=face, ms=7, mew=1.6, zorder=5)
        if cell.invalid:
            drawn += axes.plot(cell.n, rate.median, "x", color=BLACK, ms=11, mew=2.0, zorder=6)
        canvas.tag([*bars.lines[1], *bars.lines[2], *drawn], tags)


def _draw_roof(axes: Axes, run: Run, colour: str, tags: Tags, alone: bool) -> list[Point]:
    """The peak, the ceiling that memory sets with compulsory traffic, and the one with no reuse; named if alone."""
    roof, (left, right) = run.results.roof, axes.get_xlim()
    peak, gbs, star = roof.peak_gflops, roof.dram_gbs, roof.crossover_n
    no_reuse = NO_REUSE_INTENSITY * gbs
    start = attainable(compulsory_intensity(left), peak, gbs)
    width, grey = (2.0, GREY) if alone else (1.3, colour)
    drawn = axes.plot([left, star, right], [start, peak, peak], color=colour, lw=width, zorder=2)
    drawn += axes.plot(star, peak, "D", color=colour, ms=6, zorder=6)
    drawn += axes.plot([star] * 2, [axes.get_ylim()[0], peak], color=grey, lw=1.0, ls=":", zorder=1)
    drawn += axes.plot([left, right], [no_reuse] * 2, color=grey, lw=0.7 * width, ls=canvas.DASHED, zorder=2)
    canvas.tag(drawn, tags)
    end = right / BEYOND_RIGHT
    limits = [
        (end, peak, "measured fp32 peak of one core", numbers.flops(peak)),
        (end, no_reuse, "memory limit with no reuse (0.25 flop/byte)", numbers.flops(no_reuse)),
        (star, peak, "the memory limit meets the peak", f"N* = {star:.0f}"),
        (left, start, "memory limit, each matrix moved once", f"{numbers.significant(gbs)} GB/s × N/6 flop/byte"),
    ]
    if alone:
        meets = f"N* = {star:.0f}: the memory limit,\n{numbers.significant(gbs)} GB/s × N/6, meets the peak"
        ha, aside = ("right", -6) if star > (left * right) ** 0.5 else ("left", 6)
        in_the_middle: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "linespacing": 1.3}
        canvas.note(axes, meets, (star, CROSSOVER_LABEL_HEIGHT), (aside, 0), BLACK, ha, **in_the_middle)
        # Above its line, unless the nearest curve is there.
        nearest = min((math.log(cell.gflops.median / no_reuse) for cell in run.analysis.cells), key=abs, default=-1.0)
        for (x, y, what, value), ink, above in zip(limits, (BLACK, GREY), (True, nearest < 0), strict=False):
            offset, va = ((0, 5), "bottom") if above else ((0, -5), "top")
            canvas.note(axes, f"{what}: {value}", (x, y), offset, ink, "right", va, bbox=canvas.MASK, zorder=2.5)
    table = "Limits" if alone else f"Limits: {run.name}"
    return [Point(axes, x, y, table, {"limit": what, "value": value}, tags) for x, y, what, value in limits]


def _draw_legend(figure: Figure, runs: dict[str, Style], methods: dict[str, Style]) -> None:
    """Runs by their colour, methods by their marker."""
    names = [s.name if len(s.name) <= LEGEND_COLUMNS else s.name[: LEGEND_COLUMNS - 1] + "…" for s in runs.values()]
    handles = [Line2D([], [], color=s.colour, lw=2, label=n) for n, s in zip(names, runs.values(), strict=True)]
    handles += [Line2D([], [], color=GREY, marker=s.marker, ls="", label=s.name) for s in methods.values()]
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.77, 0.9))


def _point(axes: Axes, run: Run, cell: Cell, tags: Tags, alone: bool) -> Point:
    remarks = ["extrapolated by the cube law"] if cell.extrapolated else []
    remarks += [f"cannot be true: {why}" for why in cell.invalid]
    remarks += [": ".join(filter(None, ("noisy", "; ".join(cell.notes))))] if cell.noisy else []
    facts = {
        "cell": f"{styles.of_method(cell.method).name}, N = {cell.n}",
        **canvas.rate_facts(cell.gflops),
        "fraction of peak": text.estimate(cell.peak_fraction),
        "samples": f"none, from N = {cell.extrapolated_from}" if cell.extrapolated else str(len(cell.flags)),
        "remarks": text.plain("; ".join(remarks)) or "none",
    }
    if alone:
        return Point(axes, cell.n, cell.gflops.median, "Cells", facts, tags)
    return Point(axes, cell.n, cell.gflops.median, f"Cells: {run.name}", {"run": run.name, **facts}, tags)


def _data(run: Run) -> dict[str, Any]:
    """What `labkit verify` compares with the record."""
    curves: dict[str, list[dict[str, object]]] = {}
    for cell in run.analysis.cells:
        point = {"n": cell.n, "gflops": cell.gflops.median, "low": cell.gflops.low, "high": cell.gflops.high}
        marks = {"extrapolated": cell.extrapolated, "noisy": cell.noisy, "invalid": bool(cell.invalid)}
        curves.setdefault(cell.method, []).append({**point, **marks})
    roof = run.results.roof
    limits = {"peak_gflops": roof.peak_gflops, "dram_gbs": roof.dram_gbs, "crossover_n": roof.crossover_n}
    return {"axes": {"x": "log", "y": "log"}, "curves": curves, "roof": limits}
