"""comparison.png: every run's share of its own roof, and below it its GFLOPS. A function of the record alone."""

import textwrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labkit import figures, pages
from labkit.comparison import words
from labkit.comparison.floors import Quantity
from labkit.figures import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION, YELLOW
from labkit.records import Bounded, ComparedCell, ComparedRow, RunComparison

# The colours and markers of the lab's own figure.
LOOKS = {
    "matmul": (BLUE, "o"),
    "einsum": (GREEN, "s"),
    "einsum_optimized": (SKY, "P"),
    "blocked": (VERMILION, "^"),
    "naive": (PURPLE, "v"),
    "blocked_32": (ORANGE, "<"),
    "blocked_128": (YELLOW, ">"),
}
OTHER_LOOK = (GREY, "D")
PANELS_A_BAND = 4  # more methods than this go into a second band, as panels need an inch and a half
# Of text at 9 pt and of what stands about the panels, in inches.
LINE_INCHES, HEAD_INCHES, FOOT_INCHES, TITLE_INCHES, BAND_GAP_INCHES = 0.16, 0.52, 0.25, 0.62, 0.18
NAME_INCHES, RIGHT_INCHES = 1.75, 0.15
NAME_COLUMNS, TITLE_COLUMNS = 23, 100
FONT, SMALL_FONT = 9.5, 9.0
ROOM_FOR_VALUE = 1.75  # the axis ends this many times beyond the largest value, as its text stands behind it


def draw(record: RunComparison, title: str) -> bytes:
    """The figure as a PNG, its data in the file's metadata."""
    return figures.png(layout(record, title), title, embedded_data(record, title))


def layout(record: RunComparison, title: str) -> Figure:
    """The figure: a row for each run, a panel for each method, shares above GFLOPS."""
    telling = [words.telling_row(record, method) for method in words.methods(record)]
    bands = [
        (quantity, telling[i : i + PANELS_A_BAND])
        for quantity in words.QUANTITIES
        for i in range(0, len(telling), PANELS_A_BAND)
    ]
    names = [textwrap.wrap(f"{i} {run.name}", NAME_COLUMNS) for i, run in enumerate(record.runs, 1)]
    row_inches = LINE_INCHES * max(1.6, *(len(lines) + 0.4 for lines in names))
    band_inches = HEAD_INCHES + row_inches * len(names) + BAND_GAP_INCHES
    explanation = _explanation(record)
    foot = FOOT_INCHES + LINE_INCHES * len(explanation)
    height = TITLE_INCHES + band_inches * len(bands) - BAND_GAP_INCHES + foot
    figure = Figure(figsize=(figures.WIDTH_INCHES, height), dpi=figures.DPI)
    _write_title(figure, record, title, height)
    for place, (quantity, rows) in enumerate(bands):
        bottom = foot + band_inches * (len(bands) - 1 - place)
        for column, row in enumerate(rows):
            width = (figures.WIDTH_INCHES - NAME_INCHES - RIGHT_INCHES) / max(len(b) for _, b in bands)
            left = NAME_INCHES + column * width
            box = (left / figures.WIDTH_INCHES, bottom / height, 0.9 * width / figures.WIDTH_INCHES)
            axes = figure.add_axes((*box, row_inches * len(names) / height))
            _draw_panel(axes, row, quantity)
            labels = ["\n".join(lines) for lines in names] if column == 0 else [""] * len(names)
            axes.set_yticks(range(len(names)), labels, fontsize=SMALL_FONT)
            axes.tick_params(axis="y", length=0)
    figure.text(0.015, 0.08 / height, "\n".join(explanation), fontsize=SMALL_FONT, color=GREY, va="bottom")
    return figure


def _write_title(figure: Figure, record: RunComparison, title: str, height: float) -> None:
    what = ", ".join(d.what for d in record.differences)
    figure.text(0.015, 1 - 0.08 / height, title, fontsize=13, va="top")
    said = textwrap.shorten(f"They differ in: {what}" if what else "Their manifests do not differ", TITLE_COLUMNS)
    figure.text(0.015, 1 - 0.36 / height, said, fontsize=SMALL_FONT, color=GREY, va="top")


def _draw_panel(axes: Axes, row: ComparedRow, quantity: Quantity) -> None:
    """A method at a size: a line from zero to each run's figure, which is written behind it."""
    colour, marker = LOOKS.get(row.method, OTHER_LOOK)
    shown = [_bounded(cell, quantity) for cell in row.cells]
    largest = max((b.high for b in shown if b), default=1.0)
    scale, unit = _unit(quantity, largest)
    axes.set_xlim(0, ROOM_FOR_VALUE * largest)
    axes.set_ylim(len(row.cells) - 0.5, -0.5)
    axes.set_xticks([])
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    axes.set_title(f"{words.method_name(row.method)}, N = {row.n}\n{unit}", loc="left", fontsize=FONT, pad=5)
    for y, (cell, bounded) in enumerate(zip(row.cells, shown, strict=True)):
        if bounded:
            text, end = pages.significant(scale * bounded.value), bounded.high
            _draw_value(axes, y, cell, bounded, colour, marker)
        else:
            text, end = "missing", 0.0
        axes.annotate(
            text, (end, y), xytext=(7, 0), textcoords="offset points", va="center", fontsize=SMALL_FONT,
            color=figures.ink(colour),
        )  # fmt: skip


def _unit(quantity: Quantity, largest: float) -> tuple[float, str]:
    """What the figures of a panel are multiplied by, and their unit in words."""
    if quantity == "share":
        return 100.0, "% of its own roof"
    return (1.0, "GFLOPS") if largest >= 0.1 else (1e3, "MFLOPS")


def _draw_value(axes: Axes, y: int, cell: ComparedCell, value: Bounded, colour: str, marker: str) -> None:
    axes.plot([0, value.value], [y, y], color=colour, lw=1.2, alpha=0.45, zorder=2)
    sides = [[value.value - value.low], [value.high - value.value]]
    axes.errorbar(value.value, y, xerr=sides, color=colour, capsize=3, elinewidth=1.4, zorder=3)
    # Hollow where it was not measured or may not be compared, pale where noisy.
    apart = cell.state in ("extrapolated", "withheld")
    face = "white" if apart else figures.pale(colour) if cell.noisy else colour
    axes.plot(value.value, y, marker, color=colour, mfc=face, ms=6, mew=1.5, zorder=4)
    if cell.state == "invalid":
        axes.plot(value.value, y, "x", color=BLACK, ms=9, mew=1.8, zorder=5)


def _bounded(cell: ComparedCell, quantity: Quantity) -> Bounded | None:
    if quantity == "gflops":
        return cell.gflops
    return Bounded(value=cell.share.share, low=cell.share.low, high=cell.share.high) if cell.share else None


def _explanation(record: RunComparison) -> list[str]:
    telling = (words.telling_row(record, method) for method in words.methods(record))
    cells = [cell for row in telling for cell in row.cells]
    states = {cell.state for cell in cells}
    said = ["bars: 95 % interval, or the range of fewer than six"]
    said += ["hollow: extrapolated, or not alone on its core"] if states & {"extrapolated", "withheld"} else []
    said += ["pale: noisy"] if any(cell.noisy for cell in cells) else []
    said += ["crossed out: cannot be true"] if "invalid" in states else []
    return textwrap.wrap(";  ".join(said), TITLE_COLUMNS + 20)


def embedded_data(record: RunComparison, title: str) -> dict[str, object]:
    """What the figure shows, to be read back from the file."""
    panels: dict[str, dict[str, object]] = {}
    for method in words.methods(record):
        row = words.telling_row(record, method)
        panels[method] = {"n": row.n, "state": [cell.state for cell in row.cells]}
        for quantity in words.QUANTITIES:
            shown = [_bounded(cell, quantity) for cell in row.cells]
            panels[method][quantity] = [[b.value, b.low, b.high] if b else None for b in shown]
    return {"title": title, "runs": [run.name for run in record.runs], "methods": panels}
