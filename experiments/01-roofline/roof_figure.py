"""roofline.png: attainable GFLOPS over intensity, and where kernels stand. A function of the record alone."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from placement import METHODS

from labkit import figures, pages
from labkit.figures import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION
from labkit.records import PlacedKernel, Ridge, Roofline

# Flop a byte, and GFLOPS from below an interpreted loop to above the peak.
X_LOW, X_HIGH, Y_MOST, TOP = 0.005, 500.0, 1e-3, 1.6
# The lowest kernel keeps room for its label: the axis begins at this portion of it, if that is lower.
BELOW_LOWEST = 0.18
LEVEL_COLOURS = {"L1": SKY, "L2": GREEN, "L3": ORANGE, "L4": VERMILION, "DRAM": BLACK}
KERNEL_LOOKS = {
    "memcpy": (GREY, "D"), "dot": (VERMILION, "s"), "naive": (PURPLE, "v"), "blocked": (VERMILION, "^"),
    "einsum": (GREEN, "s"), "matmul": (BLUE, "o"),
}  # fmt: skip
# Right of the bars, which end at N / 6 = 171, each product has a line of its own up to the roof.
DISTANCE_X = {"naive": 200.0, "blocked": 240.0, "einsum": 290.0, "matmul": 350.0}
# Two diagonals nearer than this leave no room for a label between them.
ROOM_FACTOR = 1.9
# Where along its diagonal a level is named, so many times the left edge: there, or beside the label below it.
LEVEL_LABEL_AT = (1.3, 19.0)
# From the middle of a product's two lines of text to its bar, and to the middle of the next text, points.
TEXT_FROM_BAR, TEXT_GAP = 20.0, 32.0
FONT = 10
# Behind text, so that no line strikes it through.
MASK = {"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.85}


def draw(roofline: Roofline) -> bytes:
    """The figure as a PNG, its data in the file's metadata."""
    figure, axes = figures.new_figure(left=0.095, right=0.81, top=0.93, bottom=0.095)
    peak = roofline.peak.fp32_fma_gflops.best
    name = f"What one core of {roofline.short_name} can do, fp32"
    axes.set(xscale="log", yscale="log", xlabel="arithmetic intensity, flop a byte", ylabel="GFLOPS")
    axes.set_xlim(X_LOW, X_HIGH)
    products = [k.gflops for k in roofline.kernels if k.name in METHODS]
    axes.set_ylim(min([Y_MOST, *(BELOW_LOWEST * y for y in products)]), TOP * max([peak, *products]))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_title(name, loc="left", pad=12)
    figure.canvas.draw()
    _draw_ceilings(figure, axes, roofline, peak)
    _draw_levels(axes, roofline.ridge, peak)
    for kernel in roofline.kernels:
        if kernel.name not in METHODS:
            _draw_point(axes, kernel)
    _draw_products(figure, axes, [k for k in roofline.kernels if k.name in METHODS], peak)
    data = {
        "title": name,
        "peak_gflops": peak,
        "ceilings": {c.name: c.gflops.best for c in roofline.ceilings},
        "levels": {r.level: r.gbs for r in roofline.ridge},
        "ridges": {r.level: r.flop_per_byte for r in roofline.ridge},
        "kernels": {
            k.name: {"intensity": [k.intensity, k.intensity_high], "gflops": k.gflops, "gbs": k.gbs, "share": k.share}
            for k in roofline.kernels
        },
    }
    return figures.png(figure, name, data)


def _draw_ceilings(figure: Figure, axes: Axes, roofline: Roofline, peak: float) -> None:
    """The peak and what the core does without one of its means, named at the right edge."""
    fastest = max(r.gbs for r in roofline.ridge)
    axes.plot([peak / fastest, X_HIGH], [peak, peak], color=BLACK, lw=2.4)
    kind = "FMA" if roofline.peak.fma else "mul + add"
    labels = [(X_HIGH, peak, f"{roofline.peak.instruction_set.split(' +')[0]} {kind} {_short(peak)}", BLACK)]
    for ceiling in roofline.ceilings:
        y = ceiling.gflops.best
        # More than the peak is seen only where adds have units of their own; less says nothing new.
        if ceiling.name == "FMA + ADD" and y < 1.01 * peak:
            continue
        axes.plot([y / fastest, X_HIGH], [y, y], color=GREY, lw=1.0, ls=(0, (4, 3)))
        labels.append((X_HIGH, y, f"{ceiling.name} {_short(y)}", GREY))
    figures.label_ends(figure, axes, labels)


def _draw_levels(axes: Axes, ridges: Sequence[Ridge], peak: float) -> None:
    """A diagonal a level, named along it with its ridge: the lowest below its line, the others above theirs."""
    column = 0
    levels = sorted(ridges, key=lambda r: r.gbs)
    for i, ridge in enumerate(levels):
        colour = LEVEL_COLOURS.get(ridge.level, GREY)
        x = np.array([X_LOW, ridge.flop_per_byte])
        axes.plot(x, x * ridge.gbs, color=colour, lw=2.2 if ridge.level == "DRAM" else 1.6)
        axes.plot(ridge.flop_per_byte, peak, "D", color=colour, mec=BLACK, mew=0.6, ms=5.5, zorder=6)
        (x0, y0), (x1, y1) = axes.transData.transform([(x[0], x[0] * ridge.gbs), (x[1], peak)])
        # Beside the label of the next lower line where there is no room above it.
        column = 1 - column if i > 1 and ridge.gbs < ROOM_FACTOR * levels[i - 1].gbs else 0
        at, above = X_LOW * LEVEL_LABEL_AT[column], i > 0
        where = "" if column else f", ridge {pages.significant(ridge.flop_per_byte, 2)}"
        axes.annotate(
            f"{ridge.level} {pages.significant(ridge.gbs)} GB/s{where}", (at, at * ridge.gbs),
            xytext=(0, 4 if above else -4), textcoords="offset points",
            rotation=math.degrees(math.atan2(y1 - y0, x1 - x0)), rotation_mode="anchor",
            va="bottom" if above else "top", ha="left", color=figures.ink(colour), fontsize=FONT, bbox=MASK, zorder=5,
        )  # fmt: skip


def _draw_products(figure: Figure, axes: Axes, kernels: Sequence[PlacedKernel], peak: float) -> None:
    """Bars between the two honest intensities, each with a line up to the roof and a text that no other covers."""
    points = 72.0 / figure.dpi
    at = [float(axes.transData.transform((1.0, k.gflops))[1]) * points for k in kernels]
    # The slowest two stand close together: the first of them is named above, all others below their bars.
    wanted = [y + TEXT_FROM_BAR * (1 if k.name == "naive" else -1) for k, y in zip(kernels, at, strict=True)]
    for kernel, y, to in zip(kernels, at, figures.spread_apart(wanted, TEXT_GAP), strict=True):
        _draw_product(axes, kernel, peak, to - y)


def _draw_product(axes: Axes, kernel: PlacedKernel, peak: float, offset: float) -> None:
    """A bar, its distance from the roof, and its text with the middle `offset` points above the bar."""
    colour, marker = KERNEL_LOOKS[kernel.name]
    high, y, x = kernel.intensity_high or kernel.intensity, kernel.gflops, DISTANCE_X[kernel.name]
    axes.plot([kernel.intensity, high], [y, y], color=colour, lw=5, alpha=0.45, solid_capstyle="butt", zorder=4)
    axes.plot([high, x], [y, y], color=colour, lw=1.0, zorder=4)
    axes.plot([x, x], [y, peak], color=colour, lw=1.2, ls=(0, (1, 1.6)), zorder=3)
    axes.plot(x, y, marker, color=colour, mfc="white" if kernel.extrapolated else colour, ms=7, mew=1.5, zorder=6)
    name = "np.matmul" if kernel.name == "matmul" else kernel.name
    how = f" (from N={kernel.extrapolated_from})" if kernel.extrapolated else ""
    _label(axes, f"{name} {pages.flops(y)}{how}\n{distance(kernel)}", (high, y), (0, offset), "right", colour, "center")


def _draw_point(axes: Axes, kernel: PlacedKernel) -> None:
    """A dot where the intensity is known; a copy, which has none, at the left edge."""
    colour, marker = KERNEL_LOOKS.get(kernel.name, (GREY, "o"))
    x, y = (X_LOW, kernel.gbs * X_LOW) if kernel.gbs is not None else (kernel.intensity, kernel.gflops)
    axes.plot([x, x], [y, y / kernel.share], color=colour, lw=1.2, ls=(0, (1, 1.6)), clip_on=False, zorder=3)
    axes.plot(x, y, marker, color=colour, ms=7, clip_on=False, zorder=6)
    rate = f"{pages.significant(kernel.gbs)} GB/s" if kernel.gbs is not None else pages.flops(kernel.gflops)
    # A copy as fast as DRAM stands where DRAM's own name begins.
    offset = (6, -22) if kernel.gbs is not None else (6, -4)
    _label(axes, f"{kernel.name} {rate}\n{distance(kernel)}", (x, y), offset, "left", colour)


def distance(kernel: PlacedKernel) -> str:
    """How far below the roof it answers to: `58 % of L3`, `1/51,000 of the peak`."""
    share = pages.percent(kernel.share) if kernel.share >= 0.01 else f"1/{pages.significant(1 / kernel.share, 2)}"
    return f"{share} of {'the peak' if kernel.roof == 'peak' else kernel.roof}"


def _label(
    axes: Axes, text: str, at: tuple[float, float], offset: tuple[float, float], ha: str, colour: str, va: str = "top"
) -> None:
    """A kernel's own text."""
    axes.annotate(
        text, at, xytext=offset, textcoords="offset points", ha=ha, va=va,
        multialignment=ha, linespacing=1.15, color=figures.ink(colour), fontsize=FONT, zorder=7, bbox=MASK,
    )  # fmt: skip


def _short(gflops: float) -> str:
    return pages.significant(gflops)
