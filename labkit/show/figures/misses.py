"""misses.png: the lines that a step of each loop fetches from the next level, over N."""

from typing import Any

from matplotlib.axes import Axes

from labkit.records.model import Traffic
from labkit.show import canvas, numbers
from labkit.show.canvas import Drawing, Label, Place, Point
from labkit.show.figures import maps
from labkit.show.styles import BLACK, GREY, LOOPS, WHITE

NAME, HEIGHT_INCHES = "misses.png", 4.7
SIDES = ((-4, "right"), (4, "left"))
LEAST = 1e-4  # lines per step: less is drawn at the lower edge


def drawings(traffic: Traffic | None) -> dict[str, Drawing]:
    """The figures of the bytes that moved, by file name: none without their record."""
    if not traffic:
        return {}
    return {NAME: draw(traffic)} | ({"maps.png": maps.draw(traffic)} if traffic.maps else {})


@canvas.look
def draw(traffic: Traffic) -> Drawing:
    """A panel for each cache but the last, and in it where the operands stop fitting."""
    title = f"Cache lines fetched per step of a matrix product on {traffic.short_name}, simulated, warm"
    shown = traffic.caches[:2]
    figure, panels = canvas.new_figure(
        title, HEIGHT_INCHES, 1, len(shown), sharey=True, left=0.105, right=0.87, top=0.82, bottom=0.18, wspace=0.3
    )
    points = [p for i, axes in enumerate(panels) for p in _draw_panel(axes, traffic, i)]
    panels[0].set_ylabel("lines per multiply-add")
    says = "filled, joined: N is a power of two;  hollow, dotted: it is not"
    figure.text(0.012, 0.06 / HEIGHT_INCHES, says, fontsize=canvas.FONT, color=GREY, va="bottom")
    return Drawing(figure, title, points, {"loop": LOOPS})


def _draw_panel(axes: Axes, traffic: Traffic, which: int) -> list[Point]:
    cache = traffic.caches[which]
    level, sizes = f"L{cache.level}", sorted({k.n for k in traffic.kernels})
    axes.set(xscale="log", yscale="log", xlabel="N", xlim=(sizes[0] / 1.2, sizes[-1] * 1.2), ylim=(LEAST / 1.5, 4))
    axes.set_title(f"into {level}, {numbers.bytes_(cache.bytes)}")
    canvas.size_ticks(axes, sizes)
    canvas.plain_numbers(axes.xaxis, axes.yaxis)
    edges = {(cache.bytes / (4 * many)) ** 0.5: what for many, what in ((1, "one matrix fits"), (3, "three fit"))}
    seen = {edge: what for edge, what in edges.items() if sizes[0] < edge < sizes[-1]}
    for edge in seen:
        axes.axvline(edge, color=GREY, lw=1.0, ls=canvas.DASHED, zorder=1)
    for edge, what in seen.items():
        sides: list[Place] = [((edge, y), (x, 0), ha, "center") for y in (2.6, 1.6) for x, ha in SIDES]
        canvas.place(axes, f"{what} up to {edge:.0f}", sides, GREY)
    labels: list[Label] = []
    points = []
    for name, style in LOOPS.items():
        found = sorted((k for k in traffic.kernels if (k.kernel, k.state) == (name, "warm")), key=lambda k: k.n)
        tags = {"loop": name}

        lines = {k.n: k.bytes[level] / cache.line_bytes / k.n**3 for k in found}
        shown = {n: max(LEAST, y) for n, y in lines.items()}
        # Two curves: rows a power of two apart fall into few sets of a cache.
        for other, line, face in ((True, canvas.DOTTED, WHITE), (False, "-", style.colour)):
            curve = {n: y for n, y in shown.items() if bool(n & (n - 1)) == other}
            look: dict[str, Any] = {"color": style.colour, "mfc": face, "ls": line, "ms": 5.5, "mew": 1.4, "lw": 1.4}
            canvas.tag(axes.plot(list(curve), list(curve.values()), style.marker, **look), tags)
        if found:
            labels.append((found[-1].n, shown[found[-1].n], style.name, style.colour, tags))
        for k in found:
            facts = {
                "loop": style.name,
                "N": str(k.n),
                "into": level,
                "bytes": numbers.bytes_(k.bytes[level]),
                "lines per step": numbers.significant(lines[k.n], 2),
            }
            points.append(Point(axes, k.n, shown[k.n], "Lines per step", facts, tags))
    axes.axhline(1, color=BLACK, lw=0.8, ls=canvas.DOTTED, zorder=1)
    canvas.label_ends(axes, labels)
    return points
