"""ladder.png: one bar per rung with the factor of each step, and the rungs over N."""

import textwrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from labkit.records.model import Ladder, LadderCell, LadderRung
from labkit.show import canvas, numbers, styles, text
from labkit.show.canvas import Drawing, Facts, Label, Point
from labkit.show.styles import BLACK, GREEN, GREY, ORANGE, SKY, VERMILION, YELLOW, Style

# A rung that is no method of the benchmark takes one of these; after the last they begin again, with squares.
COLOURS = (VERMILION, ORANGE, YELLOW, GREEN, SKY, BLACK, GREY)
BAR = 0.5  # of the distance between two rungs: the factors stand in the gaps
RUNG_INCHES, REST_INCHES = 0.53, 1.35
TITLE_COLUMNS = 22
BELOW = 2.5  # the axis begins so far below the slowest rung
# Columns beside the bars: rate and fraction of peak, in portions of the axes' width.
RATE_AT, FRACTION_AT = 1.44, 1.74

Steps = list[tuple[LadderRung, Style]]


@canvas.look
def draw(ladder: Ladder) -> Drawing:
    """The steps from the slowest at the top to np.matmul, numbered in both halves."""
    title = f"From the loop to the BLAS on {ladder.short_name}, fp32, single-threaded"
    steps: Steps = []
    others = (Style("", colour, marker) for marker in "os" for colour in COLOURS)
    for rung in ladder.rungs:
        if rung.kind == "step" and ladder.cell(rung.name, ladder.n):
            # Methods of the benchmark look as they do there.
            steps.append((rung, styles.METHODS.get(rung.name) or next(others)))
    height = REST_INCHES + RUNG_INCHES * len(steps)
    margins: dict[str, Any] = {"left": 0.2, "right": 0.965, "top": 1 - 0.85 / height, "bottom": 0.6 / height}
    figure, (bars, curves) = canvas.new_figure(title, height, 1, 2, width_ratios=(1.3, 1), wspace=1.05, **margins)
    return Drawing(figure, title, _draw_bars(bars, ladder, steps) + _draw_curves(curves, ladder, steps))


def _draw_bars(axes: Axes, ladder: Ladder, steps: Steps) -> list[Point]:
    peak = ladder.roof.peak_gflops
    cells = [cell for rung, _ in steps if (cell := ladder.cell(rung.name, ladder.n))]
    start = min(cell.alone.gflops.value for cell in cells) / BELOW
    axes.set(xscale="log", xlabel=f"GFLOPS at N = {ladder.n}; dashed: measured peak")
    axes.set_xlim(start, max(peak, *(cell.alone.gflops.value for cell in cells)) * 1.1)
    axes.set_ylim(len(steps) - 0.5, -0.7)
    axes.grid(False, axis="y")
    axes.axvline(peak, color=BLACK, lw=1.4, ls=canvas.DASHED)
    by_rung, points = {f.rung: f for f in ladder.factors}, []
    columns = [(-0.6, "rate", "of peak", GREY)]
    for place, ((rung, style), cell) in enumerate(zip(steps, cells, strict=True)):
        rate, factor = cell.alone.gflops.value, by_rung.get(rung.name)
        axes.barh(place, rate - start, left=start, height=BAR, color=style.colour, zorder=3)
        columns.append((place, numbers.flops(rate), numbers.fraction(cell.peak_fraction.value, 2), BLACK))
        times = numbers.times_interval(factor.ratio, factor.low, factor.high) if factor else "-"
        if factor:
            canvas.note(axes, times, (start, place - 0.5), (5, 0), GREY)
        facts = {
            "rung": text.plain(rung.title),
            "what changed": text.plain(rung.changed) + ", noisy" * cell.noisy,
            **_facts(cell),
            "factor": times,
            "fraction of peak": text.estimate(cell.peak_fraction),
            # Elements come one after the other in slow loops, so some tell the rate of all.
            "timed over": f"{numbers.percent(cell.portion)} of C",
        }
        points.append(Point(axes, rate, place, "Rungs", facts))
    for y, *told, colour in columns:
        for x, said in zip((RATE_AT, FRACTION_AT), told, strict=True):
            canvas.note(axes, said, (x, y), (0, 0), colour, "right", xycoords=axes.get_yaxis_transform())
    # The number that its curve carries too, and the title, on two lines where it is long.
    titles = [f"{text.plain(rung.title)}  {i}" for i, (rung, _) in enumerate(steps, 1)]
    names = ["\n".join(textwrap.wrap(t, TITLE_COLUMNS, max_lines=2, placeholder=" …")) for t in titles]
    axes.set_yticks(range(len(steps)), names, fontsize=canvas.FONT)
    axes.tick_params(axis="y", length=0)
    canvas.plain_numbers(axes.xaxis)
    return points


def _draw_curves(axes: Axes, ladder: Ladder, steps: Steps) -> list[Point]:
    axes.set(xscale="log", yscale="log", xlabel="N")
    axes.set_title("GFLOPS over N")
    labels: list[Label] = []
    points = []
    for place, (rung, style) in enumerate(steps, 1):
        cells = sorted((c for c in ladder.cells if c.rung == rung.name), key=lambda c: c.n)
        n, y = [c.n for c in cells], [c.alone.gflops.value for c in cells]
        axes.plot(n, y, f"{style.marker}-", color=style.colour, ms=4, lw=1.6)
        labels.append((n[-1], y[-1], str(place), style.colour, {}))
        for c in cells:
            facts = {"rung": text.plain(rung.title), "N": str(c.n), **_facts(c)}
            points.append(Point(axes, c.n, c.alone.gflops.value, "Rungs over N", facts))
    axes.axhline(ladder.roof.peak_gflops, color=BLACK, lw=1.4, ls=canvas.DASHED)
    axes.xaxis.set_major_locator(FixedLocator(ladder.sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    canvas.plain_numbers(axes.xaxis, axes.yaxis)
    canvas.label_ends(axes, labels)
    return points


def _facts(cell: LadderCell) -> Facts:
    """Its rate alone, and as it was."""
    e, least = cell.alone.gflops, "at least " * cell.alone.bound
    return {
        "rate of a core alone": f"{least}{numbers.flops(e.value)} ({numbers.flops_interval(e.low, e.high)})",
        "as it was, median": numbers.flops(cell.gflops.median),
    }
