"""roofline.png: attainable GFLOPS over arithmetic intensity, and where kernels stand."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from labkit.records.model import Ridge, Roofline
from labkit.roofline.kernels import METHODS, PlacedKernel
from labkit.show import canvas, numbers, styles, text
from labkit.show.canvas import Drawing, Label, Point
from labkit.show.styles import BLACK, GREY

# flop/byte, and GFLOPS from below an interpreted loop to above the peak.
X_LOW, X_HIGH, Y_MOST, ROOM_ABOVE = 0.005, 500.0, 1e-3, 1.6
# The lowest kernel keeps room for its label: the axis begins at this portion of it, if that is lower.
BELOW_LOWEST = 0.18
# More than the peak is seen only where adds have units of their own; less says nothing new.
ADD_CEILING, ABOVE_PEAK = "FMA + ADD", 1.01
# Ceilings nearer than this share a name.
SAME_CEILING = 1.03
# Two diagonals nearer than this leave no room for a label between them.
ROOM_FACTOR = 1.9
# Where along its diagonal a level is named, so many times the left edge: there, or beside the label below it.
LEVEL_LABEL_AT = (2.1, 28.0)
COPY_ENDS = 1.8  # a copy has no intensity: the beginning of its diagonal, so many times the left edge
# From the middle of a product's two lines of text to its bar, and to the middle of the next text, points.
TEXT_FROM_BAR, TEXT_GAP = 20.0, 32.0


@canvas.look
def draw(roofline: Roofline, kernels: Sequence[PlacedKernel]) -> Drawing:
    """The limits of one core in black and grey, and below them each kernel with its distance from its limit."""
    title = f"Roofline of one core of {roofline.short_name}, fp32"
    figure, (axes,) = canvas.new_figure(title, left=0.107, right=0.785, top=0.9, bottom=0.095)
    peak = roofline.peak.fp32_fma_gflops.best
    products = [k for k in kernels if k.name in METHODS]
    lowest = min([Y_MOST, *(BELOW_LOWEST * k.gflops for k in products)])
    highest = max([peak, *(c.gflops.best for c in roofline.ceilings), *(k.gflops for k in products)])
    axes.set(xscale="log", yscale="log", xlabel="arithmetic intensity, flop/byte", ylabel="GFLOPS")
    axes.set(xlim=(X_LOW, X_HIGH), ylim=(lowest, ROOM_ABOVE * highest))
    canvas.plain_numbers(axes.xaxis, axes.yaxis)
    points = _draw_ceilings(axes, roofline, peak) + _draw_levels(axes, roofline.ridge, peak)
    points += [_draw_known(axes, kernel) for kernel in kernels if kernel not in products]
    points += _draw_products(axes, products, peak)
    choices = {"kernel": {k.name: styles.of_method(k.name) for k in kernels}} if kernels else {}
    return Drawing(figure, title, points, choices)


# --- limits ---------------------------------------------------------------------------------------------


def _draw_ceilings(axes: Axes, roofline: Roofline, peak: float) -> list[Point]:
    """The peak and what the core does without one of its means, named at the right edge."""
    fastest = max(r.gbs for r in roofline.ridge)
    loop = f"{roofline.peak.instruction_set.split(' +')[0]} {'FMA' if roofline.peak.fma else 'mul + add'}"
    axes.plot([peak / fastest, X_HIGH], [peak, peak], color=BLACK, lw=2.4, zorder=2.5)
    below = [c for c in roofline.ceilings if c.name != ADD_CEILING or c.gflops.best >= ABOVE_PEAK * peak]
    groups: list[list[tuple[str, float]]] = []
    for name, y in sorted(((c.name, c.gflops.best) for c in below), key=lambda ceiling: ceiling[1]):
        axes.plot([y / fastest, X_HIGH], [y, y], color=GREY, lw=1.0, ls=canvas.DASHED)
        if groups and y < SAME_CEILING * groups[-1][0][1]:
            groups[-1].append((name, y))
        else:
            groups.append([(name, y)])
    named = [(loop, peak, BLACK), *((", ".join(name for name, _ in group), group[-1][1], GREY) for group in groups)]
    labels: list[Label] = [(X_HIGH, y, f"{name} {numbers.significant(y)}", colour, {}) for name, y, colour in named]
    canvas.label_ends(axes, labels)
    limits = [(f"peak, {loop}", roofline.peak.fp32_fma_gflops), *((c.name, c.gflops) for c in below)]
    return [
        Point(axes, X_HIGH, rate.best, "Limits in the core", {"limit": name, **canvas.rate_facts(rate)})
        for name, rate in limits
    ]


def _draw_levels(axes: Axes, ridges: Sequence[Ridge], peak: float) -> list[Point]:
    """A diagonal for each level, named along it with its ridge: the lowest below its line, the others above theirs."""
    column, points = 0, []
    levels = sorted(ridges, key=lambda r: r.gbs)
    for i, ridge in enumerate(levels):
        colour, x = styles.LEVELS.get(ridge.level, GREY), ridge.flop_per_byte
        axes.plot([X_LOW, x], [X_LOW * ridge.gbs, peak], color=colour, lw=2.2 if ridge.level == "DRAM" else 1.6)
        axes.plot(x, peak, "D", color=colour, mec=BLACK, mew=0.6, ms=5.5, zorder=6)
        (x0, y0), (x1, y1) = axes.transData.transform([(X_LOW, X_LOW * ridge.gbs), (x, peak)])
        # Beside the label of the next lower line where there is no room above it.
        column = 1 - column if i > 1 and ridge.gbs < ROOM_FACTOR * levels[i - 1].gbs else 0
        at = X_LOW * LEVEL_LABEL_AT[column]
        gbs, flop_per_byte = numbers.significant(ridge.gbs), numbers.significant(x, 2)
        name = f"{ridge.level} {gbs} GB/s" + ("" if column else f", ridge {flop_per_byte}")
        along: dict[str, Any] = {"rotation": math.degrees(math.atan2(y1 - y0, x1 - x0)), "rotation_mode": "anchor"}
        offset, va = ((0, 4), "bottom") if i else ((0, -4), "top")
        canvas.note(axes, name, (at, at * ridge.gbs), offset, colour, "left", va, bbox=canvas.MASK, zorder=5, **along)
        facts = {"level": ridge.level, "bandwidth": f"{gbs} GB/s", "ridge": f"{flop_per_byte} flop/byte"}
        points.append(Point(axes, x, peak, "Levels of memory", facts))
    return points


# --- kernels --------------------------------------------------------------------------------------------


def _draw_products(axes: Axes, kernels: Sequence[PlacedKernel], peak: float) -> list[Point]:
    """Bars between the two intensities that bound each, the marker at compulsory traffic, the text beside it."""
    at = [canvas.points_up(axes, 1.0, k.gflops) for k in kernels]
    # The slowest two stand close together: the first of them is named above, all others below their bars.
    wanted = [y + TEXT_FROM_BAR * (1 if k.name == "naive" else -1) for k, y in zip(kernels, at, strict=True)]
    points = []
    for kernel, y, to in zip(kernels, at, canvas.spread_apart(wanted, TEXT_GAP), strict=True):
        style = styles.of_method(kernel.name)
        colour, rate, high = style.colour, kernel.gflops, kernel.intensity_high or kernel.intensity
        face = canvas.face(colour, kernel.extrapolated, noisy=False)
        bar: dict[str, Any] = {"lw": 5, "alpha": 0.45, "solid_capstyle": "butt", "zorder": 4}
        drawn = axes.plot([kernel.intensity, high], [rate] * 2, color=colour, **bar)
        drawn += axes.plot([high] * 2, [rate, peak], color=colour, lw=1.2, ls=canvas.DOTTED, zorder=3)
        drawn += axes.plot(high, rate, style.marker, color=colour, mfc=face, ms=7, mew=1.5, zorder=6)
        canvas.tag(drawn, {"kernel": kernel.name})
        told = numbers.flops(rate) + f" (from N = {kernel.extrapolated_from})" * kernel.extrapolated
        points.append(_tell(axes, kernel, told, (high, rate), (-7, to - y), "right", "center"))
    if kernels:
        right, n = max(k.intensity_high or k.intensity for k in kernels), kernels[0].n
        upright: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "rotation": 90, "fontsize": canvas.SMALL_FONT}
        canvas.note(axes, f"N/6 at N = {n}", (right, 0.5), (6, 0), GREY, **upright)
    return points


def _draw_known(axes: Axes, kernel: PlacedKernel) -> Point:
    """A kernel whose intensity is known; or a copy, which does no flops: what it moves is a diagonal, as levels are."""
    style = styles.of_method(kernel.name)
    if kernel.gbs is not None:
        x, y, told, offset = X_LOW, X_LOW * kernel.gbs, f"{numbers.significant(kernel.gbs)} GB/s", (6, -10)
        drawn = axes.plot([x, x * COPY_ENDS], [y, y * COPY_ENDS], color=style.colour, lw=3, zorder=3)
    else:
        x, y, told, offset = kernel.intensity, kernel.gflops, numbers.flops(kernel.gflops), (6, -4)
        drawn = axes.plot([x, x], [y, y / kernel.fraction], color=style.colour, lw=1.2, ls=canvas.DOTTED, zorder=3)
        drawn += axes.plot(x, y, style.marker, color=style.colour, ms=7, zorder=6)
    canvas.tag(drawn, {"kernel": kernel.name})
    return _tell(axes, kernel, told, (x, y), offset, "left", "top")


def _tell(
    axes: Axes, kernel: PlacedKernel, rate: str, at: tuple[float, float], offset: tuple[float, float], ha: str, va: str
) -> Point:
    """Write a kernel's name, rate and distance from its limit beside it."""
    style, tags = styles.of_method(kernel.name), {"kernel": kernel.name}
    more: dict[str, Any] = {"multialignment": ha, "linespacing": 1.15, "zorder": 7, "bbox": canvas.MASK}
    said = f"{style.name} {rate}\n{text.distance(kernel)}"
    canvas.note(axes, said, at, offset, style.colour, ha, va, tags, **more)
    low, high = numbers.significant(kernel.intensity, 2), kernel.intensity_high
    facts = {
        "kernel": f"{style.name}, N = {kernel.n:,}",
        "rate": rate,
        "flop/byte": low if high is None else f"{low} to {numbers.significant(high)}",
        "reaches": text.distance(kernel),
        "95 % interval": f"{numbers.fraction(kernel.low)} to {numbers.fraction(kernel.high)}",
        "measured by": f"the {kernel.source}",
    }
    return Point(axes, *at, "Kernels", facts, tags)
