"""perf.png: GFLOPS over N for each method, under the measured peak; of one run, or of several."""

import itertools
import textwrap
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
from labkit.show.canvas import Drawing, Label, Place, Point, Tags
from labkit.show.styles import BLACK, COLOURS, GREY, Style

ROOM_ABOVE_PEAK, ROOM_BELOW = 2.2, 2.5  # the axis goes on by these factors, for labels
ROOM_ABOVE = 0.065  # at least this part of its height: less than the peak's label needs is of no use
BEYOND_LEFT, BEYOND_RIGHT = 1.3, 1.12
ARROW_AT = 1.35  # left of the largest size, so many times smaller
LEGEND_COLUMNS = 18
APART = 1.06  # of several runs, or of methods in a small panel, each stands so many times right of the one before
DASH = 6.0  # of their limits, in widths of the line: each has dashes where the others have none
# Of a panel for each run, in inches; more runs than this share no axes.
MOST_TOGETHER, COLUMNS, PANEL_COLUMNS = 4, 4, 26
TOP_INCHES, LEGEND_INCHES, PANEL_INCHES, BOTTOM_INCHES = 1.0, 0.42, 1.45, 0.35

LIMITS = {"FMA peak": 1.3, "memory, no reuse": 0.9}  # of several runs, and the widths of their lines

Dashes = str | tuple[float, tuple[float, float]]


@canvas.look
def draw_each(runs: Sequence[Run]) -> Drawing:
    """A small panel for each of many runs, all with the same axes, so that curves can be compared."""
    title = f"Matmul performance of {len(runs)} runs, fp32, single-threaded"
    rows = -(-len(runs) // COLUMNS)
    height = TOP_INCHES + rows * PANEL_INCHES + BOTTOM_INCHES
    margins: dict[str, Any] = {"left": 0.075, "right": 0.985, "wspace": 0.08, "hspace": 0.35}
    margins |= {"top": 1 - TOP_INCHES / height, "bottom": BOTTOM_INCHES / height}
    figure, panels = canvas.new_figure(title, height, rows, COLUMNS, sharey=True, **margins)
    _set_axes(panels[0], runs)
    there = {method for run in runs for method in run.results.protocol.methods}
    methods = {method: style for method, style in styles.METHODS.items() if method in there}
    points: list[Point] = []
    for axes, run in zip(panels, runs, strict=False):
        axes.set(xscale="log", xlim=panels[0].get_xlim(), xlabel="", ylabel="")
        axes.set_title(textwrap.shorten(run.name, PANEL_COLUMNS, placeholder=" …"), fontsize=canvas.SMALL_FONT, pad=3)
        sizes = sorted(run.results.protocol.sizes)
        axes.xaxis.set_major_locator(FixedLocator([sizes[0], sizes[-1]]))
        axes.xaxis.set_minor_locator(NullLocator())
        canvas.plain_numbers(axes.xaxis)
        axes.tick_params(labelsize=canvas.SMALL_FONT)
        axes.axhline(run.results.roof.peak_gflops, color=BLACK, lw=1.2)
        axes.axhline(NO_REUSE_INTENSITY * run.results.roof.dram_gbs, color=GREY, lw=0.9, ls=canvas.DASHED)
        for i, (method, style) in enumerate(methods.items()):
            cells = [cell for cell in run.analysis.cells if cell.method == method]
            tags, shift = {"method": method}, APART ** (i - (len(methods) - 1) / 2)
            x, y = [shift * c.n for c in cells], [c.gflops.median for c in cells]
            canvas.tag(axes.plot(x, y, f"{style.marker}-", color=style.colour, lw=1.4, ms=3), tags)
            points += [_point(axes, run, cell, tags, False, shift) for cell in cells]
    for axes in panels[len(runs) :]:
        axes.set_axis_off()
    handles = [Line2D([], [], color=s.colour, marker=s.marker, ms=4, label=s.name) for s in methods.values()]
    looks = ((BLACK, "-"), (GREY, canvas.DASHED))
    handles += [
        Line2D([], [], color=c, lw=w, ls=ls, label=n) for (c, ls), (n, w) in zip(looks, LIMITS.items(), strict=True)
    ]
    above = 1 - (TOP_INCHES - LEGEND_INCHES) / height
    figure.legend(
        handles=handles, loc="center left", bbox_to_anchor=(0.06, above), ncols=len(handles), columnspacing=1.2
    )
    figure.supylabel("GFLOPS over N", fontsize=canvas.FONT, x=0.004)
    return Drawing(figure, title, points, {"method": methods})


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
    for i, run in enumerate(runs):
        tags = {} if alone else {"run": run.name}
        shift = APART ** (i - (len(runs) - 1) / 2)
        dashes = "-" if alone else (DASH * i, (DASH, DASH * (len(runs) - 1)))
        limits += _draw_roof(axes, run, BLACK if alone else looks[run.name].colour, tags, dashes)
        for method, style in methods.items():
            if cells := [cell for cell in run.analysis.cells if cell.method == method]:
                own = {**tags, "method": method}
                _draw_curve(axes, cells, style.marker, style.colour if alone else looks[run.name].colour, own, shift)
                rate = cells[-1].gflops.median
                labels.append((axes.get_xlim()[1], rate, f"{style.name}  {numbers.flops(rate)}", style.colour, own))
                points += [_point(axes, run, cell, own, alone, shift) for cell in cells]
    if alone:
        canvas.label_ends(axes, labels)
        _draw_speedup(axes, runs[0])
        _name_limits(axes, runs[0])
    else:
        _draw_legend(figure, looks, methods)
    shown = [cell for run in runs for cell in run.analysis.cells]
    canvas.explain(
        figure,
        {
            "hollow, dashed: extrapolated by the cube law": any(cell.extrapolated for cell in shown),
            "pale: noisy, see the page": any(cell.noisy and not cell.extrapolated for cell in shown),
            "crossed out: cannot be true": any(cell.invalid for cell in shown),
            "np.matmul may run on a matrix unit above the peak": "matmul" in methods
            and not all(run.results.limits.bounds_matmul for run in runs),
            "runs stand side by side at each N": not alone,
            "partial run": any(run.results.status == "partial" for run in runs),
        },
    )
    return Drawing(figure, title, points + limits, choices, _data(runs[0]) if alone else {})


def _set_axes(axes: Axes, runs: Sequence[Run]) -> None:
    roofs = [run.results.roof for run in runs]
    sizes = sorted({n for run in runs for n in run.results.protocol.sizes})
    rates = [rate for run in runs for c in run.analysis.cells for rate in (c.gflops.low, c.gflops.high)]
    lowest = min([*rates, *(NO_REUSE_INTENSITY * roof.dram_gbs for roof in roofs)])
    axes.set(xscale="log", yscale="log", xlabel="N (matrices are N × N)", ylabel="GFLOPS")
    # A crossover left of all sizes is named, and takes no room; one among them or beyond is drawn.
    shown = [*sizes, *(roof.crossover_n for roof in roofs if roof.crossover_n > sizes[0])]
    axes.set_xlim(sizes[0] / BEYOND_LEFT, max(shown) * BEYOND_RIGHT)
    highest = max([*rates, *(roof.peak_gflops for roof in roofs)])
    axes.set_ylim(lowest / ROOM_BELOW, highest * max(ROOM_ABOVE_PEAK, (highest / lowest) ** ROOM_ABOVE))
    canvas.size_ticks(axes, sizes)
    canvas.plain_numbers(axes.xaxis, axes.yaxis)


def _draw_curve(axes: Axes, cells: Sequence[Cell], marker: str, colour: str, tags: Tags, shift: float) -> None:
    """A method's rates with their intervals; hollow and dashed where extrapolated."""
    for left, right in itertools.pairwise(cells):
        line = (0, (3, 2)) if left.extrapolated or right.extrapolated else "-"
        ends = [shift * left.n, shift * right.n], [left.gflops.median, right.gflops.median]
        canvas.tag(axes.plot(*ends, color=colour, lw=1.8, ls=line, zorder=3), tags)
    for cell in cells:
        rate, face = cell.gflops, canvas.face(colour, cell.extrapolated, cell.noisy)
        sides = [[rate.median - rate.low], [rate.high - rate.median]]
        bars = axes.errorbar(
            shift * cell.n, rate.median, yerr=sides, fmt="none", color=colour, elinewidth=1.4, capsize=4, zorder=4
        )
        drawn = axes.plot(shift * cell.n, rate.median, marker, color=colour, mfc=face, ms=7, mew=1.6, zorder=5)
        if cell.invalid:
            drawn += axes.plot(shift * cell.n, rate.median, "x", color=BLACK, ms=11, mew=2.0, zorder=6)
        canvas.tag([*bars.lines[1], *bars.lines[2], *drawn], tags)


def _draw_roof(axes: Axes, run: Run, colour: str, tags: Tags, dashes: Dashes) -> list[Point]:
    """The peak, the ceiling that memory sets with compulsory traffic, and the one with no reuse; solid if alone."""
    alone = dashes == "-"
    roof, (left, right) = run.results.roof, axes.get_xlim()
    peak, gbs, star = roof.peak_gflops, roof.dram_gbs, roof.crossover_n
    no_reuse = NO_REUSE_INTENSITY * gbs
    start = attainable(compulsory_intensity(left), peak, gbs)
    width, grey = (2.0, GREY) if alone else (LIMITS["FMA peak"], colour)
    drawn = axes.plot([left, max(left, star), right], [start, peak, peak], color=colour, lw=width, ls=dashes, zorder=2)
    if star > left:
        drawn += axes.plot(star, peak, "D", color=colour, ms=6, zorder=6)
        drawn += axes.plot([star] * 2, [axes.get_ylim()[0], peak], color=grey, lw=1.0, ls=":", zorder=1)
    drawn += axes.plot(
        [left, right], [no_reuse] * 2, color=grey, lw=0.7 * width, ls=canvas.DASHED if alone else dashes, zorder=2
    )
    canvas.tag(drawn, tags)
    end = right / BEYOND_RIGHT
    limits = [
        (end, peak, "measured fp32 peak of one core", numbers.flops(peak)),
        (end, no_reuse, "limit of DRAM with no reuse (0.25 flop/byte)", numbers.flops(no_reuse)),
        (max(left, star), peak, "the limit of DRAM meets the peak", f"N* = {numbers.significant(star, 2)}"),
        (left, start, "limit of DRAM, each matrix moved once", f"{numbers.significant(gbs)} GB/s × N/6 flop/byte"),
    ]
    table = "Limits" if alone else f"Limits: {run.name}"
    return [Point(axes, x, y, table, {"limit": what, "value": value}, tags) for x, y, what, value in limits]


def _draw_speedup(axes: Axes, run: Run) -> None:
    """What the picture is about: the factor between the two curves at the largest size, on a core alone."""
    s = run.analysis.speedup
    ends = [run.analysis.cell(method, s.n) for method in ("naive", "matmul")] if s and not s.withheld else []
    if not s or not all(ends):
        return
    x, (low, high) = s.n / ARROW_AT, (cell.gflops.median for cell in ends if cell)
    axes.plot([x, x], [low, high], color=BLACK, lw=1.2, zorder=2)
    for y, head in ((low, "v"), (high, "^")):
        axes.plot(x, y, head, color=BLACK, ms=6, zorder=2)
    heights = [low * (high / low) ** portion for portion in (0.5, 0.35, 0.65, 0.25)]
    told = f"{numbers.times(s.factor)} on a core alone"
    places: list[Place] = [((x, y), (-6, 0), "right", "center") for y in heights]
    canvas.place(axes, told, places, BLACK, fontweight="bold")


def _name_limits(axes: Axes, run: Run) -> None:
    """Each limit beside its line, where no curve is."""
    roof, (left, right) = run.results.roof, axes.get_xlim()
    peak, gbs, star = roof.peak_gflops, numbers.significant(roof.dram_gbs), roof.crossover_n
    no_reuse, middle = NO_REUSE_INTENSITY * roof.dram_gbs, (left * right) ** 0.5
    for y, says, ink in (
        (peak, f"measured fp32 FMA peak of one core: {numbers.flops(peak)}", BLACK),
        (no_reuse, f"no reuse: DRAM {gbs} GB/s × 0.25 flop/byte = {numbers.flops(no_reuse)}", GREY),
    ):
        end = right / BEYOND_RIGHT
        ends = ((end, 0, "right"), (end / ARROW_AT, -9, "right"), (left, 4, "left"), (middle, 0, "center"))
        places: list[Place] = [
            ((x, y), (dx, dy), ha, va) for dy, va in ((5, "bottom"), (-5, "top")) for x, dx, ha in ends
        ]
        canvas.place(axes, says, places, ink, bbox=canvas.MASK, zorder=2.5)
    where = "" if star > left else ", left of this axis"
    says = f"N* = {numbers.significant(star, 2)}{where}: the limit of DRAM,\n{gbs} GB/s × N/6 flop/byte, meets the peak"
    at, low = max(left, star), axes.get_ylim()[0]
    heights = [low * (peak / low) ** portion for portion in (0.55, 0.45, 0.65, 0.35, 0.25, 0.75, 0.15)]
    sides = ((6, "left"), (-6, "right")) if star < middle else ((-6, "right"), (6, "left"))
    beside: list[Place] = [((at, y), (dx, 0), ha, "center") for dx, ha in sides for y in heights]
    canvas.place(axes, says, beside, BLACK, linespacing=1.3)


def _draw_legend(figure: Figure, runs: dict[str, Style], methods: dict[str, Style]) -> None:
    """Runs by their colour, methods by their marker."""
    names = [s.name if len(s.name) <= LEGEND_COLUMNS else s.name[: LEGEND_COLUMNS - 1] + "…" for s in runs.values()]
    handles = [Line2D([], [], color=s.colour, lw=2, label=n) for n, s in zip(names, runs.values(), strict=True)]
    handles += [Line2D([], [], color=GREY, marker=s.marker, ls="", label=s.name) for s in methods.values()]
    handles += [Line2D([], [], color=GREY, lw=w, ls=(0, (DASH, DASH)), label=n) for n, w in LIMITS.items()]
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.77, 0.9))


def _point(axes: Axes, run: Run, cell: Cell, tags: Tags, alone: bool, shift: float = 1.0) -> Point:
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
    return Point(axes, shift * cell.n, cell.gflops.median, f"Cells: {run.name}", {"run": run.name, **facts}, tags)


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
