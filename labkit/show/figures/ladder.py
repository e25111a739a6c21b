"""ladder.png: what each step multiplies the rate by, and below it the rungs over N."""

import itertools
import textwrap
from typing import Any

from matplotlib.axes import Axes

from labkit.records.model import Ladder, LadderCell, LadderRung
from labkit.show import canvas, numbers, styles, text
from labkit.show.canvas import Drawing, Facts, Label, Point
from labkit.show.styles import BLACK, GREEN, GREY, ORANGE, SKY, VERMILION, YELLOW, Style

# A rung that is no method of the benchmark takes one of these; after the last they begin again, with squares.
COLOURS = (VERMILION, ORANGE, YELLOW, GREEN, SKY, BLACK, GREY)
BAR = 0.5  # of the distance between two rungs
STEP_INCHES, CURVES_INCHES, LABEL_INCHES = 0.4, 3.4, 0.19
TOP_INCHES, BETWEEN_INCHES, BOTTOM_INCHES = 0.65, 1.05, 0.6
TITLE_COLUMNS = 24
SMALL_FACTOR = 0.1  # from here down it is told as a portion: 1/20,000 and its interval have no room
AROUND = 2.0  # the axis of rates goes on by this factor to either side
# Columns beside the steps: rate, fraction of peak and factor, in portions of the axes' width.
RATE_AT, FRACTION_AT, FACTOR_AT = 1.37, 1.6, 2.24

Steps = list[tuple[LadderRung, LadderCell, Style]]
Row = tuple[float, str, str, str, str]  # its place, rate, fraction and factor, the colour of the three


@canvas.look
def draw(ladder: Ladder) -> Drawing:
    """The steps from the loop at the top to np.matmul, numbered in both halves, and the whole below them."""
    whole = numbers.times(ladder.whole.ratio)
    title = f"From the loop to the BLAS, {whole} in {len(ladder.factors)} steps, on {ladder.short_name}"
    steps: Steps = []
    others = (Style("", colour, marker) for marker in "os" for colour in COLOURS)
    for rung in ladder.rungs:
        cell = ladder.cell(rung.name, ladder.n)
        if rung.kind == "step" and cell:
            steps.append((rung, cell, styles.METHODS.get(rung.name) or next(others)))
    beside: Steps = [
        (rung, cell, Style("", colour, "D"))
        for rung, colour in zip(_others(ladder), itertools.cycle(COLOURS), strict=False)
        if (cell := ladder.cell(rung.name, ladder.n))
    ]
    rows = STEP_INCHES * (_last_row(ladder, steps, beside) + 0.6)
    curves_inches = CURVES_INCHES + LABEL_INCHES * len(beside)
    height = TOP_INCHES + rows + BETWEEN_INCHES + curves_inches + BOTTOM_INCHES
    margins: dict[str, Any] = {"left": 0.215, "right": 0.56, "top": 1 - TOP_INCHES / height}
    margins |= {"bottom": BOTTOM_INCHES / height, "hspace": 2 * BETWEEN_INCHES / (rows + curves_inches)}
    figure, (factors, curves) = canvas.new_figure(title, height, 2, 1, height_ratios=(rows, curves_inches), **margins)
    points = _draw_steps(factors, ladder, steps, beside) + _draw_curves(curves, ladder, steps, beside)
    return Drawing(figure, title, points)


def _others(ladder: Ladder) -> list[LadderRung]:
    """What stands below the steps, and is held against np.matmul; OpenBLAS's other kernels are for the page."""
    return [rung for kind in ("own", "rival") for rung in ladder.rungs if rung.kind == kind]


def _last_row(ladder: Ladder, steps: Steps, beside: Steps) -> int:
    """The steps are rows 0, 1 ..; the whole and, below a row with its heads, what stands beside them follow."""
    others = len(beside) + (ladder.on_all_cores is not None)
    return len(steps) + (1 + others if others else 0) + 1


def _draw_steps(axes: Axes, ladder: Ladder, steps: Steps, beside: Steps) -> list[Point]:
    """A bar from the rate before to the rate after: on a logarithmic axis its length is the factor."""
    peak, rates = ladder.roof.peak_gflops, [cell.alone.gflops.value for _, cell, _ in steps]
    several = [cell.alone.gflops.value for _, cell, _ in beside]
    several += [ladder.on_all_cores.gflops.median] if ladder.on_all_cores else []
    axes.set(xscale="log", xlabel=f"GFLOPS of a core alone, N = {ladder.n}")
    axes.set_xlim(min(rates + several) / AROUND, max(peak, *rates, *several) * AROUND)
    axes.set_ylim(_last_row(ladder, steps, beside) - 0.5, -1.1)
    axes.grid(False, axis="y")
    axes.axvline(peak, color=BLACK, lw=1.4, ls=canvas.DASHED)
    canvas.note(axes, "peak", (peak, -0.75), (4, 0), BLACK)
    if einsum := ladder.cell("einsum", ladder.n):
        axes.axvline(einsum.alone.gflops.value, color=GREEN, lw=1.2, ls=canvas.DOTTED)
        canvas.note(axes, "np.einsum", (einsum.alone.gflops.value, -0.75), (-4, 0), GREEN, "right")
    by_rung, points = {f.rung: f for f in ladder.factors}, []
    columns = [(-0.75, "rate", "of peak", "factor (95 %)", GREY)]
    for place, ((rung, cell, style), rate) in enumerate(zip(steps, rates, strict=True)):
        factor, least = by_rung.get(rung.name), "≥ " * cell.alone.bound
        if factor:
            before = rates[place - 1]
            axes.barh(place, rate - before, left=before, height=BAR, color=style.colour, zorder=3)
            axes.plot([before] * 2, [place - 1, place], color=GREY, lw=0.8, zorder=2)
            if rung.name == "matmul" and not ladder.limits.bounds_matmul:
                at = min(before, rate), place
                canvas.note(axes, "may run on a matrix unit", at, (-8, 0), GREY, "right", bbox=canvas.MASK)
        axes.plot(rate, place, style.marker, color=style.colour, ms=6, zorder=4)
        told = numbers.times_interval(factor.ratio, factor.low, factor.high) if factor else ""
        part = numbers.fraction(cell.peak_fraction.value, 2)
        columns.append((place, least + numbers.flops(rate), least + part, told, BLACK))
        facts = {
            "rung": text.plain(rung.title),
            "what changed": text.plain(rung.changed) + ", noisy" * cell.noisy,
            **_facts(cell),
            "factor": told or "-",
            "fraction of peak": text.estimate(cell.peak_fraction),
            # Elements come one after the other in slow loops, so some tell the rate of all.
            "timed over": f"{numbers.percent(cell.portion)} of C",
        }
        points.append(Point(axes, rate, place, "Rungs", facts))
    w, end = ladder.whole, len(steps)
    axes.annotate("", (rates[-1], end), (rates[0], end), arrowprops={"arrowstyle": "->", "color": BLACK, "lw": 1.4})
    columns.append((end, "", "", numbers.times_interval(w.ratio, w.low, w.high), BLACK))
    others, more = _draw_beside(axes, ladder, beside, end + 1)
    for y, *cells, colour in [*columns, *more]:
        for x, said in zip((RATE_AT, FRACTION_AT, FACTOR_AT), cells, strict=True):
            canvas.note(axes, said, (x, y), (0, 0), colour, "right", xycoords=axes.get_yaxis_transform())
    names = [f"{text.plain(rung.title)}  {i}" for i, (rung, _, _) in enumerate(steps, 1)]
    wrapped = ["\n".join(textwrap.wrap(name, TITLE_COLUMNS, max_lines=2, placeholder=" …")) for name in names]
    named = dict(enumerate([*wrapped, "the whole"])) | {end + 2 + i: name for i, name in enumerate(others)}
    axes.set_yticks(list(named), list(named.values()), fontsize=canvas.FONT, linespacing=1.0)
    axes.tick_params(axis="y", length=0)
    canvas.plain_numbers(axes.xaxis)
    return points


def _draw_beside(axes: Axes, ladder: Ladder, beside: Steps, head: int) -> tuple[list[str], list[Row]]:
    """A marker for each rung that is no step, and for np.matmul on all cores; (their names, what columns say)."""
    by_rung = {f.rung: f for f in ladder.beside}
    names, rows = [], list[Row]()
    for place, (rung, cell, style) in enumerate(beside, head + 1):
        axes.plot(cell.alone.gflops.value, place, style.marker, color=style.colour, ms=6, zorder=4)
        factor, least = by_rung.get(rung.name), "≥ " * cell.alone.bound
        told = numbers.times_interval(factor.ratio, factor.low, factor.high) if factor else ""
        if factor and factor.ratio < SMALL_FACTOR:
            told = numbers.fraction(factor.ratio, 2)
        rate, part = numbers.flops(cell.alone.gflops.value), numbers.fraction(cell.peak_fraction.value, 2)
        rows.append((place, least + rate, least + part, told, BLACK))
        names.append(textwrap.shorten(text.plain(rung.title), TITLE_COLUMNS, placeholder=" …"))
    if (found := ladder.on_all_cores) and ladder.all_cores:
        place, f = head + 1 + len(beside), found.factor
        axes.plot(found.gflops.median, place, "D", color=styles.BLUE, ms=6, zorder=4)
        part, told = numbers.fraction(found.peak_fraction.value, 2), numbers.times_interval(f.value, f.low, f.high)
        rows.append((place, numbers.flops(found.gflops.median), part + " *", told, BLACK))
        names.append(f"np.matmul, {ladder.all_cores.cores} cores")
        canvas.note(
            axes,
            "* of the peak of all cores",
            (FACTOR_AT, place + 0.75),
            (0, 0),
            GREY,
            "right",
            xycoords=axes.get_yaxis_transform(),
        )
    return names, [(head, "rate", "of peak", "over np.matmul (95 %)", GREY), *rows] if rows else []


def _draw_curves(axes: Axes, ladder: Ladder, steps: Steps, beside: Steps) -> list[Point]:
    axes.set(xscale="log", yscale="log", xlabel="N (matrices are N × N)", ylabel="GFLOPS of a core alone")
    labels: list[Label] = []
    points = []
    numbered = [(f"{place}  ", "-", step) for place, step in enumerate(steps, 1)]
    for number, line, (rung, _, style) in [*numbered, *(("", "--", other) for other in beside)]:
        cells = sorted((c for c in ladder.cells if c.rung == rung.name), key=lambda c: c.n)
        n, y = [c.n for c in cells], [c.alone.gflops.value for c in cells]
        axes.plot(n, y, f"{style.marker}{line}", color=style.colour, ms=4, lw=1.6)
        labels.append((n[-1], y[-1], number + text.plain(rung.title), style.colour, {}))
        for c, rate in zip(cells, y, strict=True):
            facts = {"rung": text.plain(rung.title), "N": str(c.n), **_facts(c)}
            points.append(Point(axes, c.n, rate, "Rungs over N", facts))
    peak = ladder.roof.peak_gflops
    axes.axhline(peak, color=BLACK, lw=1.4, ls=canvas.DASHED)
    labels.append((ladder.n, peak, f"peak  {numbers.flops(peak)}", BLACK, {}))
    canvas.size_ticks(axes, ladder.sizes)
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
