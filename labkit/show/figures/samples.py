"""The samples that the answers rest on, one by one over the time of the run."""

from typing import Any

from matplotlib.axes import Axes

from labkit import quality
from labkit.records.derive import SLICE, of_peak
from labkit.records.find import Run
from labkit.records.model import Cell, Series
from labkit.show import canvas, numbers, styles
from labkit.show.canvas import Drawing, Point
from labkit.show.styles import BLACK

PANEL_INCHES, REST_INCHES = 1.25, 1.35


@canvas.look
def draw(run: Run) -> Drawing:
    """A panel for each method at its largest size: filled samples had the core to themselves, pale ones shared it."""
    series = {(s.name, s.n): s for s in run.results.samples if s.seconds}
    shown: list[tuple[Cell, Series]] = []
    for method in run.results.protocol.methods:
        cells = sorted((c for c in run.analysis.cells if c.method == method), key=lambda c: -c.n)
        found = ((c, series.get((method + SLICE, c.n)) or series.get((method, c.n))) for c in cells)
        shown += [(c, s) for c, s in found if s][:1]
    title = f"Each sample over the run on {run.results.short_name}: filled if the core was alone"
    height = REST_INCHES + PANEL_INCHES * len(shown)
    margins: dict[str, Any] = {
        "left": 0.1,
        "right": 0.8,
        "top": 1 - 0.75 / height,
        "bottom": 0.6 / height,
        "hspace": 0.25,
    }
    figure, panels = canvas.new_figure(title, height, max(1, len(shown)), 1, **margins)
    points = [p for axes, (cell, s) in zip(panels, shown, strict=False) for p in _draw_panel(axes, run, cell, s)]
    panels[-1].set_xlabel("time since the run began, s")
    figure.supylabel("% of the rate alone", fontsize=canvas.FONT)
    return Drawing(figure, title, points)


def _draw_panel(axes: Axes, run: Run, cell: Cell, s: Series) -> list[Point]:
    style, flags = styles.of_method(cell.method), quality.flags(s, run.results.cpus, run.analysis.core)
    rates = [100 * part / cell.peak_fraction.value for part in of_peak(s, run.analysis.core)]
    axes.axhline(100, color=BLACK, lw=1.0, ls=canvas.DASHED, zorder=1)
    for alone in (False, True):
        at, y = [], []
        for moment, rate, flag in zip(s.at, rates, flags, strict=True):
            if (flag is None) == alone:
                at.append(moment)
                y.append(rate)
        face = canvas.face(style.colour, hollow=False, noisy=not alone)
        axes.plot(at, y, style.marker, color=style.colour, mfc=face, mec=face, ms=4, lw=0, zorder=2 + alone)
    axes.set_ylim(0.9 * min(rates), 1.1 * max(100, *rates))
    axes.set_xlim(0, 1.02 * max(run.results.harness.wall_seconds, *s.at))
    what = f"{style.name}, N = {s.n}\n{flags.count(None)} of {len(flags)} alone"
    note: dict[str, Any] = {"xycoords": "axes fraction", "annotation_clip": False, "linespacing": 1.3}
    canvas.note(axes, what, (1.0, 0.5), (8, 0), style.colour, **note)
    return [
        Point(
            axes,
            moment,
            rate,
            "Samples",
            {
                "cell": f"{style.name}, N = {s.n}",
                "at": f"{moment:.1f} s",
                "rate": numbers.flops(wall),
                "of that alone": f"{rate:.1f} %",
                "state": flag or "alone",
            },
        )
        for moment, rate, wall, flag in zip(s.at, rates, s.rates, flags, strict=True)
    ]
