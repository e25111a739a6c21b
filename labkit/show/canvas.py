"""What every figure has in common: its size and look, labels that do not overlap, and the files made of it."""

import io
import itertools
import json
import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from matplotlib.transforms import Bbox

from labkit.records.model import Rate
from labkit.show import numbers, styles
from labkit.show.styles import Style

# A README shows about 900 px: 9 in at 200 dpi is sharp there, and 10 pt reads as 10 px or more.
WIDTH_INCHES, HEIGHT_INCHES, DPI = 9.0, 5.8, 200
POINTS_PER_INCH = 72.0
FONT, SMALL_FONT, TITLE_FONT = 10.0, 9.0, 13.0
TITLE_COLUMNS, EXPLANATION_COLUMNS = 78, 112
# The least distance between two labels at the ends of curves, points. One moved further than the other is tied to its
# curve by a line.
LABEL_GAP_POINTS, LEADER_POINTS = 13.0, 4.0
TICKS_PER_INCH = 2.2  # numbers of four digits that have room side by side
# Around a text that is placed, and on a line between two of its points.
CLEAR_POINTS, LINE_STEPS = 1.0, 400
# Behind text, so that no line strikes it through.
MASK = {"boxstyle": "square,pad=0.1", "fc": styles.WHITE, "ec": "none", "alpha": 0.85}
DASHED, DOTTED = (0, (5, 3)), (0, (1, 1.6))

_LOOK: Any = {  # a dict, whose keys Matplotlib's stubs list one by one
    "font.family": "DejaVu Sans",
    "font.size": 11.0,
    "axes.titlesize": 12.0,
    "axes.titlelocation": "left",
    "axes.titlepad": 9.0,
    "axes.labelsize": 11.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": styles.GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": FONT,
    "text.parse_math": False,  # a record's text is text, dollars and all
    "svg.fonttype": "none",  # letters stay letters: to be read aloud, searched, and coloured by the theme
}
# Every `draw` is made under it: `@look`.
look = matplotlib.rc_context(_LOOK)

Tags = Mapping[str, str]  # what something belongs to: a method, a run, a kernel
Label = tuple[float, float, str, str, Tags]  # x and y of the end of a curve, the text that names it, its colour
Facts = dict[str, str]


@dataclass(frozen=True)
class Point:
    """A value of a figure: where it stands (data coordinates), and its facts, which are a row of the named table."""

    axes: Axes
    x: float
    y: float
    table: str
    facts: Facts
    tags: Tags = field(default_factory=dict)


@dataclass(frozen=True)
class Drawing:
    """A figure with every value that it shows.

    `choices`: tags and their values, each of which a reader of the HTML may hide. `data` goes into the PNG, in place of
    the points, where a program reads it.
    """

    figure: Figure
    title: str
    points: list[Point]
    choices: dict[str, dict[str, Style]] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)


# --- drawing --------------------------------------------------------------------------------------------


def new_figure(
    title: str, height: float = HEIGHT_INCHES, rows: int = 1, columns: int = 1, sharey: bool = False, **grid: Any
) -> tuple[Figure, list[Axes]]:
    """A figure under its title with rows of axes, within margins given as portions of its size."""
    figure = Figure(figsize=(WIDTH_INCHES, height), dpi=DPI)
    axes = figure.subplots(rows, columns, squeeze=False, sharey=sharey, gridspec_kw=grid)
    lines = textwrap.wrap(title, TITLE_COLUMNS, max_lines=2, placeholder=" …")
    figure.text(0.012, 1 - 0.1 / height, "\n".join(lines), fontsize=TITLE_FONT, va="top", linespacing=1.15)
    return figure, list(axes.flat)


def plain_numbers(*several: Any) -> None:
    """Numbers on these axes (`axes.xaxis`) without an exponent."""
    for axis in several:
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def size_ticks(axes: Axes, sizes: Sequence[int]) -> None:
    """Ticks at these sizes on a logarithmic axis, from the largest down, as far as their numbers have room."""
    left, right = axes.get_xlim()
    most = axes.bbox.width / axes.figure.dpi * TICKS_PER_INCH
    ticks: list[int] = []
    for n in sorted(sizes, reverse=True):
        if not ticks or math.log(ticks[-1] / n) >= math.log(right / left) / most:
            ticks.append(n)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())


def tag(artists: Sequence[Artist], tags: Tags) -> None:
    """Name what these artists belong to, for a reader who chooses."""
    for artist in artists:
        artist.set_gid(_TAGGED + " ".join(f"{name}={slug(value)}" for name, value in tags.items()))


def face(colour: str, hollow: bool, noisy: bool) -> str:
    """The inside of a marker: none where nothing was measured, pale where it is noisy."""
    return styles.WHITE if hollow else styles.pale(colour) if noisy else colour


def explain(figure: Figure, meanings: Mapping[str, bool]) -> None:
    """Below everything: what bars mean, and those kinds of markers that are there."""
    said = {"bars: 95 % interval, or the range of fewer than six samples": True, **meanings}
    lines = textwrap.fill(";  ".join(means for means, there in said.items() if there), EXPLANATION_COLUMNS)
    figure.text(0.012, 0.06 / figure.get_figheight(), lines, fontsize=FONT, color=styles.GREY, va="bottom")


def rate_facts(rate: Rate, unit: str = "") -> Facts:
    """A rate in GFLOPS, or in another unit. A range of few samples is not taken for an interval."""
    middle, best = (f"{numbers.significant(x)} {unit}" if unit else numbers.flops(x) for x in (rate.median, rate.best))
    ends = f"{numbers.interval(rate.low, rate.high)} {unit}" if unit else numbers.flops_interval(rate.low, rate.high)
    kind = "95 % interval" if rate.interval == "ci95" else "range"
    return {"median": middle, "interval of the median": f"{ends} ({kind})", "best": best}


def slug(value: str) -> str:
    """A value as it stands in a drawing: letters, digits, hyphens."""
    return re.sub(r"[^\w-]", lambda found: f"-{ord(found[0]):x}-", value)


def spread_apart(positions: Sequence[float], gap: float) -> list[float]:
    """Positions moved as little as need be so that neighbours stand `gap` apart; order kept.

    Neighbours that are too close form a block, centred on the mean of what its members wanted.
    """
    order = sorted(range(len(positions)), key=positions.__getitem__)
    blocks: list[list[float]] = []  # less the gaps below, the members of a block are in one place
    for k, i in enumerate(order):
        blocks.append([positions[i] - gap * k])
        while len(blocks) > 1 and fmean(blocks[-1]) < fmean(blocks[-2]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    together = [fmean(block) for block in blocks for _ in block]
    moved = {i: together[k] + gap * k for k, i in enumerate(order)}
    return [moved[i] for i in range(len(positions))]


def points_up(axes: Axes, x: float, y: float) -> float:
    """How far above the figure's lower edge a place in the data stands, in points."""
    axes.get_xlim(), axes.get_ylim()  # settles limits that were left to the data
    return float(axes.transData.transform((x, y))[1]) * POINTS_PER_INCH / axes.figure.dpi


def note(
    axes: Axes,
    text: str,
    at: tuple[float, float],
    offset: tuple[float, float],
    colour: str,
    ha: str = "left",
    va: str = "center",
    tags: Tags | None = None,
    **more: Any,
) -> None:
    """Text beside a place in the data, `offset` points from it, in the ink of a colour."""
    style: dict[str, Any] = {"fontsize": FONT, "color": styles.ink(colour), "ha": ha, "va": va, **more}
    tag([axes.annotate(text, at, xytext=offset, textcoords="offset points", **style)], tags or {})


Place = tuple[tuple[float, float], tuple[float, float], str, str]  # in the data, offset in points, ha, va
GAPS_POINTS = (7.0, 14.0, 24.0, 38.0, 60.0, 90.0)
_SIDES = [
    (x, y, ha, va)
    for y, va in ((-1, "top"), (1, "bottom"), (0, "center"))
    for x, ha in ((-1, "right"), (1, "left"), (0, "center"))
    if x or y
]


def around(at: tuple[float, float]) -> list[Place]:
    """Every side of a place in the data, the nearest first."""
    return [(at, (gap * x, gap * y), ha, va) for gap in GAPS_POINTS for x, y, ha, va in _SIDES]


def place(axes: Axes, text: str, places: Sequence[Place], colour: str, tags: Tags | None = None, **more: Any) -> None:
    """Write text at the first of these places where it covers nothing that is drawn by now, else where it covers least.

    What is drawn: lines, markers, error bars and other texts of these axes.
    """
    renderer = FigureCanvasAgg(axes.figure).get_renderer()  # type: ignore[arg-type,no-untyped-call]
    points, boxes = _drawn(axes), [extent(t, renderer) for t in axes.texts if t.get_text()]

    def covered(at: Place) -> float:
        (note,) = _noted(axes, text, at, colour, tags, more)
        box = extent(note, renderer).padded(CLEAR_POINTS * axes.figure.dpi / POINTS_PER_INCH)
        note.remove()
        inside = ((points > (box.x0, box.y0)) & (points < (box.x1, box.y1))).all(axis=1).sum()
        # Another text is worse to cover than any line, and so is an edge.
        whole = axes.bbox.x0 < box.x0 and box.x1 < axes.figure.bbox.x1
        whole = whole and axes.bbox.y0 < box.y0 and box.y1 < axes.bbox.y1
        return float(inside) + 1e4 * (sum(box.overlaps(other) for other in boxes) + (not whole))

    _noted(axes, text, min(places, key=covered), colour, tags, more)


def extent(text: Text, renderer: Any) -> Bbox:
    """Where a text stands, in pixels, without the line that ties it to something."""
    if isinstance(text, Annotation):
        text.update_positions(renderer)
    return Text.get_window_extent(text, renderer)


def _noted(axes: Axes, text: str, at: Place, colour: str, tags: Tags | None, more: Mapping[str, Any]) -> list[Text]:
    note(axes, text, at[0], at[1], colour, at[2], at[3], tags, **more)
    return axes.texts[-1:]


def _drawn(axes: Axes) -> npt.NDArray[np.float64]:
    """Points along every line and error bar, and around every marker, in pixels."""
    reach = 0.5 * axes.figure.dpi / POINTS_PER_INCH
    found = [np.empty((0, 2))]
    for line in axes.lines:
        ends = line.get_transform().transform(line.get_xydata())
        if line.get_linestyle() != "None":
            found.append(_along(ends))
        if line.get_marker() not in ("None", "", None):
            around = line.get_markersize() * reach * np.array([(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)])
            found += [ends + step for step in around]
    for bars in axes.collections:
        found += [_along(bars.get_transform().transform(path.vertices)) for path in bars.get_paths()]
    return np.concatenate(found)


def _along(ends: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Points a few pixels apart from each of these to the next."""
    steps = np.linspace(0, 1, LINE_STEPS)[:, None]
    pieces = [a + steps * (b - a) for a, b in itertools.pairwise(ends)]
    return np.concatenate([ends, *pieces])


def label_ends(axes: Axes, labels: Sequence[Label], left: bool = False) -> None:
    """Labels to the right of curve ends, or to the left of their beginnings, moved apart so that none overlap."""
    side, ha, edge = (-6, "right", 1) if left else (6, "left", 0)
    wanted = [points_up(axes, x, y) for x, y, *_ in labels]
    spread = spread_apart(wanted, LABEL_GAP_POINTS)
    for (x, y, text, colour, tags), at, to in zip(labels, wanted, spread, strict=True):
        leader = {"arrowstyle": "-", "lw": 0.7, "shrinkA": 0, "shrinkB": 0, "relpos": (edge, 0.5), "color": colour}
        arrow = leader if abs(to - at) > LEADER_POINTS else None
        more: dict[str, Any] = {"fontweight": "bold", "annotation_clip": False, "arrowprops": arrow}
        note(axes, text, (x, y), (side, to - at), colour, ha, tags=tags, **more)


# --- files ----------------------------------------------------------------------------------------------


@look
def png(drawing: Drawing) -> bytes:
    """The figure as a PNG that carries its title and its values."""
    shown = drawing.data or {"values": [{"table": p.table, "x": p.x, "y": p.y, **p.facts} for p in drawing.points]}
    described = json.dumps({"title": drawing.title, **shown}, sort_keys=True)
    buffer = io.BytesIO()
    metadata = {"Title": drawing.title, "Description": described, "Software": None}
    drawing.figure.savefig(buffer, format="png", metadata=metadata)
    return buffer.getvalue()


_TAGGED = "tagged:"


@look
def svg(drawing: Drawing, salt: str = "") -> str:
    """The figure as an SVG to stand in a page: colours follow its theme, and what is tagged names its tags.

    Figures of one page have ids of their own if no two have the same title and salt.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": drawing.title + salt}):
        drawing.figure.savefig(buffer, format="svg", transparent=True)
    drawn = re.sub(r"<(metadata|style)\b.*?</\1>", "", buffer.getvalue(), flags=re.DOTALL)
    drawn = re.sub(r"^.*?<svg[^>]*? (viewBox=\"[^\"]*\")[^>]*>", r"<svg \1>", drawn, count=1, flags=re.DOTALL)
    drawn = re.sub(f'id="{_TAGGED}([^"]*)"', _data_attributes, drawn)
    used = set(re.findall(r"#([\w.-]+)", drawn))  # others, such as axes_1, are the same in every figure
    drawn = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", drawn)
    # Every text has its font's family, which the report's style sheet says once.
    return styles.themed(re.sub(r" ?font-family: [^;\"]*;?", "", drawn)).strip()


def _data_attributes(found: re.Match[str]) -> str:
    return 'class="series" ' + re.sub(r"(\w+)=(\S+)", r'data-\1="\2"', found[1])


def places(drawing: Drawing) -> list[tuple[float, float]]:
    """Where each point stands in the SVG, in its own units from its left upper corner."""
    height = drawing.figure.get_figheight() * POINTS_PER_INCH
    scale = POINTS_PER_INCH / drawing.figure.dpi
    found = (point.axes.transData.transform((point.x, point.y)) for point in drawing.points)
    return [(round(float(x) * scale, 1), round(height - float(y) * scale, 1)) for x, y in found]
