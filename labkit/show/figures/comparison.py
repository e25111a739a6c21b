"""comparison.png: every run's fraction of its own peak, and below it its GFLOPS."""

import textwrap
from typing import Any

import msgspec
from matplotlib.axes import Axes

from labkit.records.compare import ComparedCell, ComparedRow, Quantity, RunComparison
from labkit.show import canvas, numbers, styles
from labkit.show.canvas import Drawing, Point
from labkit.show.styles import BLACK, GREY

# Quantities, and the names of their tables.
TABLES: dict[Quantity, str] = {"peak_fraction": "Fraction of each run's own peak", "gflops": "GFLOPS"}
PANELS_A_BAND = 4  # more methods than this go into a second band, as panels need an inch and a half
MOST_ROWS = 40  # of a fleet the outliers and some others: a page for each of 500 nodes is read by nobody
# Of a line of text, of what stands between bands of panels, above all and below all, in inches.
LINE_INCHES, BAND_INCHES, TOP_INCHES, FOOT_INCHES = 0.16, 0.7, 1.24, 0.57
NAME_COLUMNS, TEXT_COLUMNS = 23, 110
ROOM_FOR_VALUE = 1.75  # the axis ends this many times beyond the largest value, as its text stands behind it


@canvas.look
def draw(record: RunComparison) -> Drawing:
    """A row for each run, a panel for each method at the size that says most."""
    title = f"{len(record.runs)} runs side by side"
    if len(record.runs) > MOST_ROWS:
        title, record = f"{MOST_ROWS} of {title}", _first(record, MOST_ROWS)
    rows = [record.telling_row(method) for method in record.methods]
    columns = min(PANELS_A_BAND, len(rows))
    bands = [(quantity, rows[i : i + columns]) for quantity in TABLES for i in range(0, len(rows), columns)]
    names = [textwrap.wrap(f"{i} {run.name}", NAME_COLUMNS) for i, run in enumerate(record.runs, 1)]
    panel = LINE_INCHES * max(1.6, *(len(lines) + 0.4 for lines in names)) * len(names)
    height = TOP_INCHES + len(bands) * (panel + BAND_INCHES) - BAND_INCHES + FOOT_INCHES
    margins: dict[str, Any] = {"left": 0.195, "right": 0.985, "top": 1 - TOP_INCHES / height, "wspace": 0.1}
    margins |= {"bottom": FOOT_INCHES / height, "hspace": BAND_INCHES / panel}
    figure, axes = canvas.new_figure(title, height, len(bands), columns, sharey=True, **margins)
    what = ", ".join(d.what for d in record.differences)
    said = textwrap.shorten(f"They differ in: {what}" if what else "Their manifests do not differ", TEXT_COLUMNS)
    figure.text(0.012, 1 - 0.4 / height, said, fontsize=canvas.SMALL_FONT, color=GREY, va="top")
    axes[0].set_yticks(range(len(names)), ["\n".join(lines) for lines in names])
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    points: list[Point] = []
    for place, (quantity, shown) in enumerate(bands):
        band = axes[columns * place : columns * (place + 1)]
        for one, row in zip(band, shown, strict=False):
            points += _draw_panel(one, record, row, quantity)
        for one in band[len(shown) :]:
            one.set_axis_off()
    cells = [cell for row in rows for cell in row.cells]
    canvas.explain(
        figure,
        {
            "hollow: extrapolated, or not alone on its core": any(_hollow(cell) for cell in cells),
            "pale: noisy": any(cell.noisy for cell in cells),
            "crossed out: cannot be true": any(cell.state == "invalid" for cell in cells),
        },
    )
    return Drawing(figure, title, points, {"method": {method: styles.of_method(method) for method in record.methods}})


def _draw_panel(axes: Axes, record: RunComparison, row: ComparedRow, quantity: Quantity) -> list[Point]:
    """A method at a size: a line from zero to each run's figure, which is written behind it."""
    style, tags = styles.of_method(row.method), {"method": row.method}
    colour = style.colour
    shown = [cell.figure(quantity) for cell in row.cells]
    largest = max((e.high for e in shown if e), default=1.0)
    scale, unit = 100.0, "% of its own peak"
    if quantity == "gflops":
        scale, unit = (1.0, "GFLOPS") if largest >= 0.1 else (1e3, "MFLOPS")
    axes.set(xlim=(0, ROOM_FOR_VALUE * largest), xticks=[])
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelsize=canvas.SMALL_FONT)
    axes.set_title(f"{style.name}, N = {row.n}\n{unit}", fontsize=9.5, pad=5)
    points = []
    for y, (run, cell, found) in enumerate(zip(record.runs, row.cells, shown, strict=True)):
        text, end = "missing", 0.0
        if found:
            text, end = numbers.significant(scale * found.value), found.high
            axes.plot([0, found.value], [y, y], color=colour, lw=1.2, alpha=0.45, zorder=2)
            sides = [[found.value - found.low], [found.high - found.value]]
            axes.errorbar(found.value, y, xerr=sides, color=colour, capsize=3, elinewidth=1.4, zorder=3)
            face = canvas.face(colour, _hollow(cell), cell.noisy)
            axes.plot(found.value, y, style.marker, color=colour, mfc=face, ms=6, mew=1.5, zorder=4)
            if cell.state == "invalid":
                axes.plot(found.value, y, "x", color=BLACK, ms=9, mew=1.8, zorder=5)
            facts = {
                "cell": f"{style.name}, N = {row.n}",
                "run": run.name,
                "value": f"{text} {unit}",
                "interval": numbers.interval(scale * found.low, scale * found.high),
                "state": f"{cell.state}{', noisy' * cell.noisy}",
            }
            points.append(Point(axes, found.value, y, TABLES[quantity], facts, tags))
        canvas.note(axes, text, (end, y), (7, 0), colour, fontsize=canvas.SMALL_FONT)
    canvas.tag([*axes.lines, *axes.collections], tags)
    return points


def _hollow(cell: ComparedCell) -> bool:
    """Not measured, or not to be compared."""
    return cell.state in ("extrapolated", "withheld")


def _first(record: RunComparison, most: int) -> RunComparison:
    """The outliers of a fleet and then the other runs, so many of them."""
    outside = [one.run for one in record.fleet.outliers] if record.fleet else []
    kept = list(dict.fromkeys([*outside, *range(len(record.runs))]))[:most]

    def of(row: ComparedRow) -> ComparedRow:
        columns = {name: [getattr(row, name)[i] for i in kept] for name in ("cells", "peak_fraction", "gflops")}
        return msgspec.structs.replace(row, **columns)

    return msgspec.structs.replace(record, runs=[record.runs[i] for i in kept], rows=[of(row) for row in record.rows])
