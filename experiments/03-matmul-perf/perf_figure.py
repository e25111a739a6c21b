"""perf.png: GFLOPS over N for each method, under the measured roof. A function of the record alone."""

import itertools

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from labkit import figures, pages
from labkit.figures import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION, YELLOW
from labkit.records import Cell, Results, Roof
from labkit.roof import NO_REUSE_INTENSITY, attainable, compulsory_intensity

# Colour and marker both tell the methods apart.
LOOKS = {
    "matmul": (BLUE, "o", "np.matmul"),
    "einsum": (GREEN, "s", "einsum"),
    "einsum_optimized": (SKY, "P", "einsum opt."),
    "blocked": (VERMILION, "^", "blocked"),
    "naive": (PURPLE, "v", "naive"),
    "blocked_32": (ORANGE, "<", "blocked 32"),
    "blocked_128": (YELLOW, ">", "blocked 128"),
}
# Between the compiled methods and the interpreted ones no curve runs: the crossover is named there.
CROSSOVER_LABEL_HEIGHT = 0.42
ROOF_TOP = 2.2  # the axis ends this far above the peak, so that its label has room


def title(results: Results) -> str:
    """The figure's title."""
    return f"Matmul performance on {results.short_name}, fp32, single-threaded"


def draw(results: Results) -> bytes:
    """The figure as a PNG; its curves and its roof stand in the file's metadata as JSON."""
    # Room for the labels at the curves' ends, and for the line below the axis.
    figure, axes = figures.new_figure(left=0.085, right=0.765, top=0.93, bottom=0.17)
    roof, sizes = results.roof, sorted({cell.n for cell in results.cells})
    rates = [rate for cell in results.cells for rate in (cell.gflops.low, cell.gflops.high)]
    floor = min([*rates, NO_REUSE_INTENSITY * roof.dram_gbs]) / 2.5
    left, right = min(sizes[0], roof.crossover_n) / 2.2, max(sizes[-1], roof.crossover_n)
    axes.set(xscale="log", yscale="log", xlabel="N (matrices are N × N)", ylabel="GFLOPS")
    axes.set_xlim(left, right * 1.12)
    axes.set_ylim(floor, max([roof.peak_gflops, *rates]) * ROOF_TOP)
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    axes.set_title(title(results), loc="left", pad=12)
    _draw_roof(axes, roof, left, right)
    labels = []
    for method, (colour, marker, name) in LOOKS.items():
        cells = [cell for cell in results.cells if cell.method == method]
        if cells:
            _draw_curve(axes, cells, colour, marker)
            last = cells[-1]
            labels.append((last.n, last.gflops.median, f"{name}  {pages.flops(last.gflops.median, 3)}", colour))
    figures.label_ends(figure, axes, labels)
    _explain_markers(figure, results)
    return figures.png(figure, title(results), embedded_data(results))


def _draw_curve(axes: Axes, cells: list[Cell], colour: str, marker: str) -> None:
    """A method's rates with their intervals; hollow and dashed where extrapolated."""
    n = np.array([cell.n for cell in cells])
    y = np.array([cell.gflops.median for cell in cells])
    errors = [y - [cell.gflops.low for cell in cells], [cell.gflops.high for cell in cells] - y]
    for left, right in itertools.pairwise(cells):
        dashed = left.extrapolated or right.extrapolated
        axes.plot(
            [left.n, right.n], [left.gflops.median, right.gflops.median],
            color=colour, lw=1.8, ls=(0, (3, 2)) if dashed else "-", zorder=3,
        )  # fmt: skip
    axes.errorbar(n, y, yerr=errors, fmt="none", ecolor=colour, elinewidth=1.4, capsize=4, zorder=4)
    for cell in cells:
        face = "white" if cell.extrapolated else figures.pale(colour) if cell.noisy else colour
        axes.plot(cell.n, cell.gflops.median, marker, color=colour, mfc=face, ms=7, mew=1.6, zorder=5)
        if cell.invalid:
            axes.plot(cell.n, cell.gflops.median, "x", color=BLACK, ms=11, mew=2.0, zorder=6)


def _draw_roof(axes: Axes, roof: Roof, left: float, right: float) -> None:
    """The peak, the ceiling that memory sets with compulsory traffic, and the one without any reuse."""
    axes.axhline(roof.peak_gflops, color=BLACK, lw=2.0, zorder=2)
    axes.annotate(
        f"measured fp32 peak of one core: {pages.flops(roof.peak_gflops)}",
        (right, roof.peak_gflops), xytext=(0, 5), textcoords="offset points", ha="right", color=BLACK, fontsize=10.5,
    )  # fmt: skip
    n = np.array([left, roof.crossover_n])
    ceiling = [attainable(compulsory_intensity(x), roof.peak_gflops, roof.dram_gbs) for x in n]
    axes.plot(n, ceiling, color=BLACK, lw=2.0, zorder=2)
    floor, in_right_half = axes.get_ylim()[0], roof.crossover_n > (left * right) ** 0.5
    axes.plot(roof.crossover_n, roof.peak_gflops, "D", color=BLACK, ms=6, zorder=6)
    axes.plot([roof.crossover_n] * 2, [floor, roof.peak_gflops], color=GREY, lw=1.0, ls=":", zorder=1)
    axes.annotate(
        f"N* = {roof.crossover_n:.0f}: the memory ceiling,\n"
        f"{pages.significant(roof.dram_gbs)} GB/s × N/6, meets the peak",
        (roof.crossover_n, CROSSOVER_LABEL_HEIGHT), xycoords=("data", "axes fraction"),
        xytext=(-6 if in_right_half else 6, 0), textcoords="offset points", ha="right" if in_right_half else "left",
        fontsize=10, color=BLACK, va="center", linespacing=1.3,
    )  # fmt: skip
    flat = NO_REUSE_INTENSITY * roof.dram_gbs
    axes.axhline(flat, color=GREY, lw=1.4, ls=(0, (5, 3)), zorder=2)
    axes.annotate(
        f"memory ceiling without reuse (0.25 flop a byte): {pages.flops(flat)}",
        (right, flat), xytext=(0, -5), textcoords="offset points", ha="right", va="top", fontsize=10, color=GREY,
    )  # fmt: skip


def _explain_markers(figure: Figure, results: Results) -> None:
    """A line or two below the axis that say what a bar, a hollow marker and a noisy cell mean."""
    words = ["bars: 95 % interval of the median, or the range"]
    if any(cell.extrapolated for cell in results.cells):
        words.append("hollow, dashed: extrapolated by the cube law")
    if any(cell.noisy and not cell.extrapolated for cell in results.cells):
        words.append("pale: noisy, see the page")
    if any(cell.invalid for cell in results.cells):
        words.append("crossed out: cannot be true")
    if results.status == "partial":
        words.append("partial run")
    lines = [";  ".join(words[i : i + 2]) for i in range(0, len(words), 2)]
    figure.text(0.085, 0.01, "\n".join(lines), fontsize=10, color=GREY, va="bottom", linespacing=1.3)


def embedded_data(results: Results) -> dict[str, object]:
    """What the figure shows, to be read back from the file."""
    curves: dict[str, list[dict[str, object]]] = {}
    for cell in results.cells:
        point = {"n": cell.n, "gflops": cell.gflops.median, "low": cell.gflops.low, "high": cell.gflops.high}
        marks = {"extrapolated": cell.extrapolated, "noisy": cell.noisy, "invalid": bool(cell.invalid)}
        curves.setdefault(cell.method, []).append({**point, **marks})
    roof = {
        "peak_gflops": results.roof.peak_gflops,
        "dram_gbs": results.roof.dram_gbs,
        "crossover_n": results.roof.crossover_n,
    }
    return {"title": title(results), "axes": {"x": "log", "y": "log"}, "curves": curves, "roof": roof}
