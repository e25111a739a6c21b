"""roofline.png: attainable GFLOPS over intensity, and where kernels stand. A function of the record alone."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from labkit import figures, pages
from labkit.figures import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION
from labkit.records import PlacedKernel, Roofline
from labkit.roof import proven_intensity

# The axes as a roofline has them: flop a byte, and GFLOPS up to 1.5 times the peak.
X_LOW, X_HIGH, Y_LOW, TOP = 0.01, 100.0, 0.1, 1.5
LABEL_ROOM = 3.5  # two lines of text and a ceiling's own label take this factor on the axis
LEVEL_COLOURS = {"L1": SKY, "L2": GREEN, "L3": ORANGE, "DRAM": BLACK}
KERNEL_LOOKS = {"memcpy": (GREY, "D"), "dot": (VERMILION, "s"), "naive": (PURPLE, "v"), "matmul": (BLUE, "o")}


def draw(roofline: Roofline) -> bytes:
    """The figure as a PNG, its data in the file's metadata."""
    figure, axes = figures.new_figure(left=0.075, right=0.975, top=0.93, bottom=0.095)
    peak = roofline.peak.fp32_fma_gflops.best
    name = f"What one core of {roofline.short_name} can do, fp32"
    axes.set(xscale="log", yscale="log", xlabel="arithmetic intensity, flop a byte", ylabel="GFLOPS")
    axes.set_xlim(X_LOW, X_HIGH)
    axes.set_ylim(Y_LOW, TOP * peak)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_title(name, loc="left", pad=12)
    figure.canvas.draw()
    _draw_peak(axes, roofline, peak)
    _draw_levels(axes, roofline, peak)
    for kernel in roofline.kernels:
        _draw_kernel(axes, roofline, kernel, peak)
    data = {
        "title": name,
        "peak_gflops": peak,
        "levels": {r.level: r.gbs for r in roofline.ridge},
        "kernels": {k.name: [k.intensity, k.gflops] for k in roofline.kernels},
    }
    return figures.png(figure, name, data)


def _draw_peak(axes: Axes, roofline: Roofline, peak: float) -> None:
    fastest = max(r.gbs for r in roofline.ridge)
    axes.plot([peak / fastest, X_HIGH], [peak, peak], color=BLACK, lw=2.2)
    axes.annotate(
        f"fp32 {roofline.peak.instruction_set} peak {pages.flops(peak)}",
        (X_HIGH, peak), xytext=(-4, 5), textcoords="offset points", ha="right",
    )  # fmt: skip
    for ceiling in roofline.ceilings:
        # Ceilings within a tenth of the peak would be drawn over it: the page's table has them.
        if ceiling.gflops.best < 0.9 * peak:
            y = ceiling.gflops.best
            axes.plot([y / fastest, X_HIGH], [y, y], color=GREY, lw=1.0, ls=(0, (4, 3)))
            axes.annotate(
                f"{ceiling.name} {pages.flops(y)}", (X_HIGH, y), xytext=(-4, 4), textcoords="offset points",
                ha="right", fontsize=10, color=GREY,
            )  # fmt: skip


def _draw_levels(axes: Axes, roofline: Roofline, peak: float) -> None:
    """A diagonal a level, named along it: the upper half of the levels above their lines, the others below."""
    levels = sorted(roofline.ridge, key=lambda r: -r.gbs)
    for i, ridge in enumerate(levels):
        colour = LEVEL_COLOURS.get(ridge.level, GREY)
        x = np.array([X_LOW, ridge.flop_per_byte])
        axes.plot(x, x * ridge.gbs, color=colour, lw=2.2 if ridge.level == "DRAM" else 1.6)
        (x0, y0), (x1, y1) = axes.transData.transform([(x[0], x[0] * ridge.gbs), (x[1], peak)])
        slope = math.degrees(math.atan2(y1 - y0, x1 - x0))
        above = i < len(levels) / 2
        at = X_LOW * 10 ** (0.42 if above else 0.5)
        axes.annotate(
            f"{ridge.level} {pages.significant(ridge.gbs)} GB/s", (at, at * ridge.gbs),
            xytext=(0, 4 if above else -4), textcoords="offset points", rotation=slope,
            rotation_mode="anchor", va="bottom" if above else "top", ha="center",
            color=figures.ink(colour), fontsize=10,
        )  # fmt: skip
        if ridge.level == "DRAM":
            axes.plot(ridge.flop_per_byte, peak, "D", color=BLACK, ms=5)
            axes.annotate(
                f"ridge at {pages.significant(ridge.flop_per_byte, 2)}", (ridge.flop_per_byte, peak), xytext=(2, 6),
                textcoords="offset points", ha="right", fontsize=10,
            )  # fmt: skip


def _draw_kernel(axes: Axes, roofline: Roofline, kernel: PlacedKernel, peak: float) -> None:
    """A dot where the intensity is known, a bar where it is only bounded; arrows where the axes end."""
    colour, marker = KERNEL_LOOKS.get(kernel.name, (GREY, "o"))
    dram = next(r.gbs for r in roofline.ridge if r.level == "DRAM")
    arrow = None
    face = "white" if kernel.extrapolated else colour
    if kernel.gbs is not None:
        y = kernel.gbs * X_LOW
        axes.plot(X_LOW, y, marker, color=colour, ms=8, clip_on=False, zorder=6)
        text, at = f"memcpy {pages.significant(kernel.gbs)} GB/s, no flops", (X_LOW, y)
        offset, ha = (10, 5), "left"
    elif kernel.intensity_high is None:
        axes.plot(kernel.intensity, kernel.gflops, marker, color=colour, ms=8, zorder=6)
        text, at, offset, ha = (
            f"dot of {kernel.n:,}\n{pages.flops(kernel.gflops)}",
            (kernel.intensity, kernel.gflops),
            (-150, 75),
            "left",
        )
        arrow = {"arrowstyle": "-", "color": GREY, "lw": 0.8, "relpos": (1, 0)}
    else:
        low = max(kernel.intensity, proven_intensity(kernel.gflops, dram))
        high, y = min(kernel.intensity_high, X_HIGH), max(kernel.gflops, Y_LOW * 1.12)
        axes.plot([low, high], [y, y], color=colour, lw=5, alpha=0.45, solid_capstyle="butt", zorder=5)
        axes.plot(low, y, marker, color=colour, mfc=face, ms=8, mew=1.6, zorder=6)
        if kernel.intensity_high > X_HIGH:
            axes.plot(X_HIGH / 1.04, y, ">", color=colour, ms=8, zorder=6)
        below = f" (below the axis; measured at N={kernel.extrapolated_from})" if kernel.gflops < Y_LOW else ""
        where = f"between {pages.significant(low, 2)} and {pages.significant(kernel.intensity_high, 3)} flop a byte"
        name = "np.matmul" if kernel.name == "matmul" else kernel.name
        text = f"{name} at N={kernel.n}: {pages.flops(kernel.gflops)}{below}\n{where}"
        at, offset, ha = (
            ((X_HIGH, _room_below(y, roofline)), (-4, -9), "right")
            if kernel.name == "matmul"
            else ((low, y), (4, 34), "left")
        )
    axes.annotate(
        text, at, xytext=offset, textcoords="offset points", ha=ha, va="top", color=figures.ink(colour), fontsize=10,
        linespacing=1.25, arrowprops=arrow, zorder=7,
    )  # fmt: skip


def _room_below(y: float, roofline: Roofline) -> float:
    """The height under which two lines of text meet no ceiling: y itself, or a ceiling just below it."""
    for ceiling in sorted((c.gflops.best for c in roofline.ceilings), reverse=True):
        if ceiling < y < LABEL_ROOM * ceiling:
            y = ceiling
    return y
