"""maps.png: which level serves each number of B, in each order of the loops, in small caches."""

from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from labkit.records.model import LevelMap, Traffic
from labkit.show import canvas, numbers, styles
from labkit.show.canvas import Drawing, Point
from labkit.show.styles import GREY, LOOPS

HEIGHT_INCHES = 3.9
TOLD = 0.01  # a level that serves less of the reads is not named


@canvas.look
def draw(traffic: Traffic) -> Drawing:
    """A panel for each order: B as a square, row by row, in the colours of the levels."""
    n = len(traffic.maps[0].rows)
    sizes = ", ".join(f"L{c.level} of {numbers.bytes_(c.bytes)}" for c in traffic.map_caches[:-1])
    title = f"Which level serves each number of B, N = {n}: {sizes}"
    grid = {"left": 0.06, "right": 0.985, "top": 0.8, "bottom": 0.25, "wspace": 0.16}
    figure, panels = canvas.new_figure(title, HEIGHT_INCHES, 1, len(traffic.maps), sharey=True, **grid)
    names = [*(f"L{c.level}" for c in traffic.map_caches), "DRAM"]
    points = [_draw_panel(axes, found, names) for axes, found in zip(panels, traffic.maps, strict=True)]
    panels[0].set_ylabel("k, row of B")
    return Drawing(figure, title, points)


def _draw_panel(axes: Axes, found: LevelMap, names: list[str]) -> Point:
    n = len(found.rows)
    axes.set(xlim=(0, n), ylim=(n, 0), aspect="equal", xlabel="j, column of B", xticks=[0, n], yticks=[0, n])
    axes.set_title(LOOPS[found.kernel].name)
    axes.grid(visible=False)
    boxes: dict[str, list[Path]] = {}
    top = 0
    for row, same in groupby(found.rows):  # rows that are alike are one
        low, left = top + len(list(same)), 0
        for digit, run in groupby(row):
            right = left + len(list(run))
            corners = [(left, top), (right, top), (right, low), (left, low), (left, top)]
            boxes.setdefault(names[int(digit) - 1], []).append(Path(corners, closed=True))
            left = right
        top = low
    for level, paths in boxes.items():
        whole = Path.make_compound_path(*paths)
        axes.add_patch(PathPatch(whole, fc=styles.LEVELS.get(level, GREY), ec="none", lw=0))
    shares = {name: part for name, part in zip(names, found.portions, strict=True) if part > TOLD}
    told = "\n".join(f"{numbers.percent(part, 2)} from {name}" for name, part in shares.items())
    canvas.note(axes, told, (0, n), (0, -38), styles.BLACK, va="top", linespacing=1.35)
    facts = {"loop": LOOPS[found.kernel].name, **{name: numbers.percent(part, 3) for name, part in shares.items()}}
    return Point(axes, n / 2, n / 2, "Which level serves the reads of B", facts)
