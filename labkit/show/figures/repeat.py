"""repeat.png: how GFLOPS and the fraction of peak move over runs of the same command."""

from statistics import median

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from labkit.records.model import Repeat
from labkit.records.spread import FRACTION_LIMIT
from labkit.show import canvas, numbers, styles
from labkit.show.canvas import Drawing, Point
from labkit.show.styles import GREY, Style

HEIGHT_INCHES = 4.3
SIZE_MARKERS = "os^vD<>PX"
# The axis shows at least so much to either side of the median, per cent: no spread is blown up to fill it.
LEAST_SIDE = 5.0
MOST_TICKS = 8
QUANTITIES = ("GFLOPS", "fraction of peak")


@canvas.look
def draw(record: Repeat) -> Drawing:
    """A line for each cell, as its distance from its own median under that Python; hollow beside a busy process."""
    title = f"How far runs of the same command differ on {record.short_name}"
    figure, panels = canvas.new_figure(
        title, HEIGHT_INCHES, 1, 2, sharey=True, left=0.085, right=0.8, top=0.82, bottom=0.17, wspace=0.08
    )
    keys = list(dict.fromkeys((c.method, c.n) for run in record.runs for c in run.cells))
    sizes = sorted({n for _, n in keys})
    points: list[Point] = []
    lines = []
    for method, n in keys:
        style, marker = styles.of_method(method), SIZE_MARKERS[sizes.index(n) % len(SIZE_MARKERS)]
        for axes, quantity in zip(panels, QUANTITIES, strict=True):
            points += _draw_cell(axes, record, method, n, quantity, marker)
        lines.append(Line2D([], [], color=style.colour, marker=marker, ms=5.5, lw=1.3, label=f"{style.name} {n}"))
    figure.legend(handles=lines, loc="center right", handlelength=1.6)
    half = 100 * FRACTION_LIMIT / 2
    panels[1].axhspan(-half, half, color=GREY, alpha=0.15, lw=0, zorder=0)
    canvas.note(panels[1], f"wanted: within {numbers.percent(FRACTION_LIMIT)}", (0.5, half), (4, 4), GREY, va="bottom")
    for axes in panels:
        axes.axhline(0, color=GREY, lw=1.0, zorder=1)
    side = max([LEAST_SIDE, *(1.15 * abs(p.y) for p in points)])
    panels[0].set(ylim=(-side, side), ylabel="difference from the cell's median, %")
    panels[0].yaxis.set_major_formatter(lambda y, _: f"{y:+g}" if y else "0")
    for axes, name in zip(panels, ("GFLOPS, median of a run", "Fraction of peak"), strict=True):
        axes.set_title(name)
        _set_runs(axes, record)
    methods = {m: Style(styles.of_method(m).name, styles.of_method(m).colour) for m, _ in keys}
    return Drawing(figure, title, points, {"method": methods} if len(methods) > 1 else {})


def _draw_cell(axes: Axes, record: Repeat, method: str, n: int, quantity: str, marker: str) -> list[Point]:
    """A line over the runs of each Python, in per cent from their median."""
    style, tags, points = styles.of_method(method), {"method": method}, []
    for python in dict.fromkeys(run.python for run in record.runs):
        values = [
            (i, c.gflops if quantity == "GFLOPS" else c.peak_fraction.value, run.beside != "nothing")
            for i, run in enumerate(record.runs, 1)
            for c in run.cells
            if (run.python, c.method, c.n) == (python, method, n)
        ]
        middle = median([value for _, value, busy in values if not busy] or [value for _, value, _ in values] or [1.0])
        for beside in (False, True):
            shown = [(i, 100 * (value / middle - 1), value) for i, value, busy in values if busy == beside]
            face, lw = canvas.face(style.colour, beside, noisy=False), 0 if beside else 1.3
            where = [i for i, _, _ in shown], [y for _, y, _ in shown]
            line = axes.plot(*where, marker=marker, color=style.colour, mfc=face, ms=5.5, lw=lw, zorder=3)
            canvas.tag(line, tags)
            for i, y, value in shown:
                facts = {
                    "cell": f"{style.name}, N = {n}",
                    "run": f"{i}, Python {python}" + ", beside a busy process" * beside,
                    quantity: numbers.flops(value) if quantity == "GFLOPS" else numbers.fraction(value),
                    "from the median": f"{y:+.2f} %",
                }
                points.append(Point(axes, i, y, f"{quantity[0].upper()}{quantity[1:]} over runs", facts, tags))
    return points


def _set_runs(axes: Axes, record: Repeat) -> None:
    """A number for each run, as far as they have room, and a word for one that was not alone."""
    many = len(record.runs)
    step = -(-many // MOST_TICKS)
    busy = {i for i, run in enumerate(record.runs, 1) if run.beside != "nothing"}
    ticks = [i for i in range(1, many + 1) if i in busy or ((i - 1) % step == 0 and i + step - 1 not in busy)]
    axes.set(xlim=(0.5, many + 0.5), xlabel="run")
    axes.set_xticks(ticks, ["busy" if i in busy else str(i) for i in ticks])
