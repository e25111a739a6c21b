"""roofline.png: attainable GFLOPS over arithmetic intensity, and where kernels stand."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from labkit.machine.hardware import products_beside_the_core
from labkit.records.model import Ridge, Roofline, Traffic
from labkit.roofline.alone import PEAK
from labkit.roofline.kernels import METHODS, Delivered, PlacedKernel, delivered, nearest_limit
from labkit.show import canvas, numbers, styles, text
from labkit.show.canvas import Drawing, Label, Place, Point
from labkit.show.styles import BLACK, GREY

# flop/byte, and GFLOPS from below an interpreted loop to above the peak. Left of where the levels begin they are named.
X_LOW, LEVELS_FROM, X_HIGH, Y_MOST, ROOM_ABOVE = 0.0006, 0.02, 500.0, 1e-3, 1.6
KEY_HEIGHTS = (0.1, 0.3, 0.03, 0.002)  # GFLOPS: where the key of the dots may stand
# The lowest kernel keeps room for its label: the axis begins at this portion of it, if that is lower.
BELOW_LOWEST = 0.18
# More than the peak is seen only where adds have units of their own; less says nothing new.
ADD_CEILING, ABOVE_PEAK = "FMA + ADD", 1.01
# Ceilings nearer than this share a name.
SAME_CEILING = 1.03
# Dots of a kernel nearer than this are drawn as one, in halves.
SAME_INTENSITY = 1.15


@canvas.look
def draw(roofline: Roofline, kernels: Sequence[PlacedKernel], traffic: Traffic | None = None) -> Drawing:
    """The limits of one core in black and grey, and below them each kernel with its distance from its limit.

    With what a warm call moves each product has a dot for each level, at its own intensity there.
    """
    title = f"Roofline of one core of {roofline.short_name}, fp32: the limits, and what kernels reach"
    figure, (axes,) = canvas.new_figure(title, left=0.107, right=0.735, top=0.9, bottom=0.095)
    peak = roofline.peak.fp32_fma_gflops.best
    kernels = [k for k in kernels if k.gbs is None]  # a copy does no flops: it has no place here
    products = [k for k in kernels if k.name in METHODS]
    lowest = min([Y_MOST, *(BELOW_LOWEST * k.gflops for k in products)])
    highest = max([peak, *(c.gflops.best for c in roofline.ceilings), *(k.gflops for k in products)])
    axes.set(xscale="log", yscale="log", xlabel="arithmetic intensity, flop/byte", ylabel="GFLOPS")
    axes.set(xlim=(X_LOW, X_HIGH), ylim=(lowest, ROOM_ABOVE * highest))
    canvas.plain_numbers(axes.xaxis, axes.yaxis)
    points = _draw_ceilings(axes, roofline, peak, products) + _draw_levels(axes, roofline.ridge, peak)
    for kernel in kernels:
        moved = traffic.kernel(kernel.name, kernel.n) if traffic else None
        points += _draw_moved(axes, kernel, delivered(moved, roofline)) if moved else [_draw_kernel(axes, kernel)]
    _name_places(axes, roofline, products, peak)
    for kernel in kernels:
        if kernel not in products:
            said = f"{styles.of_method(kernel.name).name} {_rate(kernel)}, {text.distance(kernel)}"
            at = canvas.around((kernel.intensity, kernel.gflops))
            canvas.place(axes, said, at, styles.of_method(kernel.name).colour, {"kernel": kernel.name})
        elif kernel.name == "matmul" and products_beside_the_core(roofline.machine):
            at = canvas.around((kernel.intensity, kernel.gflops))
            canvas.place(axes, "may run on a matrix unit", at, GREY, {"kernel": kernel.name})
    if traffic and products:
        says = "dots: flop per byte that the level of that colour delivers;\ndotted: up to the nearest limit"
        canvas.place(axes, says, [((X_LOW, y), (8, 0), "left", "center") for y in KEY_HEIGHTS], GREY, linespacing=1.3)
    choices = {"kernel": {k.name: styles.of_method(k.name) for k in kernels}} if kernels else {}
    return Drawing(figure, title, points, choices)


# --- limits ---------------------------------------------------------------------------------------------


def _draw_ceilings(axes: Axes, roofline: Roofline, peak: float, products: Sequence[PlacedKernel]) -> list[Point]:
    """The peak and what the core does with other instructions, named at the right edge, with the products."""
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
    for k in products:
        style, part = styles.of_method(k.name), numbers.fraction(k.fraction, 2)
        labels.append(
            (
                X_HIGH,
                k.gflops,
                f"{style.name} {numbers.significant(k.gflops)}, {part}",
                style.colour,
                {"kernel": k.name},
            )
        )
    canvas.label_ends(axes, labels)
    limits = [(f"peak, {loop}", roofline.peak.fp32_fma_gflops), *((c.name, c.gflops) for c in below)]
    return [
        Point(axes, X_HIGH, rate.best, "Limits in the core", {"limit": name, **canvas.rate_facts(rate)})
        for name, rate in limits
    ]


def _draw_levels(axes: Axes, ridges: Sequence[Ridge], peak: float) -> list[Point]:
    """A diagonal for each level, named where it begins, with a marker at its ridge."""
    points: list[Point] = []
    labels: list[Label] = []
    for ridge in ridges:
        colour, x = styles.LEVELS.get(ridge.level, GREY), ridge.flop_per_byte
        start = min(LEVELS_FROM, x), min(LEVELS_FROM * ridge.gbs, peak)
        ends = [start[0], x], [start[1], peak]
        axes.plot(*ends, color=colour, lw=2.2 if ridge.level == "DRAM" else 1.6)
        axes.plot(x, peak, "D", color=colour, mec=BLACK, mew=0.6, ms=5.5, zorder=6)
        gbs = numbers.significant(ridge.gbs)
        labels.append((*start, f"{ridge.level} {gbs} GB/s", colour, {}))
        facts = {"level": ridge.level, "bandwidth": f"{gbs} GB/s", "ridge": f"{numbers.significant(x, 2)} flop/byte"}
        points.append(Point(axes, x, peak, "Levels of memory", facts))
    canvas.label_ends(axes, labels, left=True)
    return points


def _name_places(axes: Axes, roofline: Roofline, products: Sequence[PlacedKernel], peak: float) -> None:
    """The ridge of DRAM, and the most that a product's intensity can be."""
    ridge = next(r.flop_per_byte for r in roofline.ridge if r.level == "DRAM")
    says = f"ridge {numbers.significant(ridge, 2)} flop/byte"
    canvas.place(axes, says, canvas.around((ridge, peak)), BLACK, zorder=7)
    if products:
        right, n = max(k.intensity_high or k.intensity for k in products), products[0].n
        low = axes.get_ylim()[0]
        axes.axvline(right, color=GREY, lw=1.0, ls=canvas.DOTTED, zorder=1)
        heights = [low * (peak / low) ** portion for portion in (0.5, 0.4, 0.6, 0.3, 0.25, 0.7)]
        upright: dict[str, Any] = {"rotation": 90, "fontsize": canvas.SMALL_FONT}
        places: list[Place] = [((right, y), (6, 0), "left", "center") for y in heights]
        canvas.place(axes, f"N/6 at N = {n}", places, GREY, **upright)


# --- kernels --------------------------------------------------------------------------------------------


def _draw_kernel(axes: Axes, kernel: PlacedKernel) -> Point:
    """A marker, and a bar between the two intensities that bound a product's."""
    style, y, x = styles.of_method(kernel.name), kernel.gflops, kernel.intensity_high or kernel.intensity
    colour, face = style.colour, canvas.face(style.colour, kernel.extrapolated, noisy=False)
    drawn = axes.plot(x, y, style.marker, color=colour, mfc=face, ms=7, mew=1.5, zorder=6)
    if kernel.intensity_high:
        bar: dict[str, Any] = {"lw": 5, "alpha": 0.45, "solid_capstyle": "butt", "zorder": 4}
        drawn += axes.plot([kernel.intensity, x], [y, y], color=colour, **bar)
        drawn += axes.plot([x, X_HIGH], [y, y], color=colour, lw=0.8, zorder=3)
    else:
        drawn += axes.plot([x, x], [y, y / kernel.fraction], color=colour, lw=1.2, ls=canvas.DOTTED, zorder=3)
    canvas.tag(drawn, {"kernel": kernel.name})
    low, high = numbers.significant(kernel.intensity, 2), kernel.intensity_high
    facts = {
        "kernel": f"{style.name}, N = {kernel.n:,}",
        "rate": _rate(kernel),
        "flop/byte": low if high is None else f"{low} to {numbers.significant(high)}",
        "reaches": text.distance(kernel),
        "95 % interval": f"{numbers.fraction(kernel.low)} to {numbers.fraction(kernel.high)}",
        "measured by": f"the {kernel.source}",
    }
    return Point(axes, x, y, "Kernels", facts, {"kernel": kernel.name})


def _draw_moved(axes: Axes, kernel: PlacedKernel, levels: Sequence[Delivered]) -> list[Point]:
    """A dot for each level that delivers something, joined by a line, and a dotted one up to the nearest limit."""
    style, y, tags = styles.of_method(kernel.name), kernel.gflops, {"kernel": kernel.name}
    found = [(d.intensity, d) for d in levels if d.intensity]
    drawn = axes.plot([min(x for x, _ in found), X_HIGH], [y, y], color=style.colour, lw=1.0, zorder=3)
    limit, _ = nearest_limit(y, kernel.fraction, levels)
    for x, d in found[-1:] if limit == PEAK else [(x, d) for x, d in found if d.level == limit]:
        drawn += axes.plot([x, x], [y, d.gflops], color=style.colour, lw=1.2, ls=canvas.DOTTED, zorder=3)
    points = []
    for at, (x, d) in enumerate(found):
        colour = styles.LEVELS.get(d.level, GREY)
        look: dict[str, Any] = {"color": style.colour, "mfc": colour, "ms": 8.5, "mew": 1.5, "zorder": 6}
        # A dot that would hide the one before it, as where a level keeps nothing, is the right half of both.
        if at and x < SAME_INTENSITY * found[at - 1][0]:
            look |= {"fillstyle": "right", "markerfacecoloralt": styles.LEVELS.get(found[at - 1][1].level, GREY)}
        drawn += axes.plot(x, y, style.marker, **look)
        facts = {
            "kernel": f"{style.name}, N = {kernel.n:,}",
            "rate": _rate(kernel),
            "bytes from": f"{d.level}, {numbers.bytes_(d.bytes)}",
            "flop/byte": numbers.significant(x),
            "reaches": f"{numbers.fraction(y / d.gflops, 2)} of what {d.level} allows",
        }
        points.append(Point(axes, x, y, "Kernels, by the level that delivers", facts, tags))
    canvas.tag(drawn, tags)
    return points


def _rate(kernel: PlacedKernel) -> str:
    return numbers.flops(kernel.gflops) + f" (from N = {kernel.extrapolated_from})" * kernel.extrapolated
