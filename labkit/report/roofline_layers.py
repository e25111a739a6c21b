"""What is drawn in the roofline: its rows, and the layers that show them."""

from collections.abc import Sequence

import altair as alt

from labkit import pages
from labkit.records import Roofline
from labkit.report import figure, looks, roofline_tables
from labkit.report.figure import Row
from labkit.runs import Run

# Flop a byte at the edges; a copy, which does no flop, is placed at the left one.
LEFT, RIGHT = 0.005, 500.0
POINT_AREA = 75  # square pixels


# --- rows -------------------------------------------------------------------------------------------


def level_rows(run: Run, line: Roofline) -> list[Row]:
    """The diagonals, from the left edge to their ridges."""
    peak = line.peak.fp32_fma_gflops.best
    rows = []
    for r in line.ridge:
        look, ridge = looks.of_level(r.level), pages.significant(r.flop_per_byte, 2)
        rows.append(
            figure.origin(run)
            | {"x": LEFT, "x2": r.flop_per_byte, "y": LEFT * r.gbs, "y2": peak}
            | {"line": f"{r.level}: {pages.significant(r.gbs)} GB/s, ridge at {ridge} flop a byte"}
            | {"colour": look.colour, "dash": list(look.dash)}
        )
    return rows


def ceiling_rows(run: Run, line: Roofline) -> list[Row]:
    """The flat lines, from the fastest level to the right edge: the peak first."""
    fastest = max(r.gbs for r in line.ridge)
    flat = [("peak", line.peak.fp32_fma_gflops), *((c.name, c.gflops) for c in line.ceilings)]
    return [
        figure.origin(run)
        | {"x": rate.best / fastest, "x2": RIGHT, "y": rate.best}
        | {"line": f"{name}: {pages.flops(rate.best)}, median {pages.spread(rate)}"}
        for name, rate in flat
    ]


def kernel_rows(run: Run, line: Roofline) -> list[Row]:
    """A row a kernel: its bar of intensities at its rate, its marker at the bar's right end."""
    rows = []
    for k in line.kernels:
        look = looks.of_method(k.name)
        rows.append(
            figure.origin(run)
            | {"kernel": k.name, "title": f"{look.name}, N = {k.n:,}", "rate": roofline_tables.rate(k)}
            | {
                "intensity": f"{roofline_tables.intensity(k)} flop a byte",
                "reaches": roofline_tables.reaches(k),
                "interval": roofline_tables.between(k),
            }
            | {"x": k.intensity or LEFT, "x2": k.intensity_high or k.intensity or LEFT}
            | {"y": k.gflops if k.gbs is None else LEFT * k.gbs}
            | {"colour": look.colour, "shape": look.shape, "opacity": 0.0 if k.extrapolated else 1.0}
        )
    return rows


# --- layers -----------------------------------------------------------------------------------------


def spec(having: Sequence[tuple[Run, Roofline]]) -> Row:
    """The figure as Vega-Lite: of these runs with their roofs."""
    flat = [ceiling_rows(run, line) for run, line in having]
    datasets = {
        "levels": [row for run, line in having for row in level_rows(run, line)],
        "peaks": [rows[0] for rows in flat],
        "ceilings": [row for rows in flat for row in rows[1:]],
        "kernels": [row for run, line in having for row in kernel_rows(run, line)],
    }
    meta: Row = {"scales": {"x": figure.SCALES, "y": figure.SCALES}, "points": "kernels"}
    x = alt.X("x:Q", scale=figure.LOG, axis=alt.Axis(title="arithmetic intensity, flop a byte", format=figure.DECIMAL))
    y = alt.Y("y:Q", scale=figure.LOG, axis=alt.Axis(title="GFLOPS", format=figure.DECIMAL))
    return figure.spec([*_limits(x, y), *_placed(x, y)], datasets, meta, figure.HEIGHT_PIXELS)


def _limits(x: alt.X, y: alt.Y) -> list[alt.Chart]:
    def of(dataset: str) -> alt.Chart:
        return alt.Chart(alt.NamedData(dataset)).encode(x=x, y=y, tooltip=figure.tooltips(line="limit"))

    colour, dash = figure.as_given(alt.Color, "colour:N"), figure.as_given(alt.StrokeDash, "dash:N")
    ridge_x, ridge_y = alt.X("x2:Q", scale=figure.LOG), alt.Y("y2:Q", scale=figure.LOG)
    return [
        of("ceilings").mark_rule(color=looks.SOFT, strokeDash=[5, 4]).encode(x2="x2:Q"),
        of("levels").mark_rule(strokeWidth=2).encode(x2="x2:Q", y2="y2:Q", color=colour, strokeDash=dash),
        of("peaks").mark_rule(color=looks.INK, strokeWidth=2.5).encode(x2="x2:Q"),
        of("levels")
        .mark_point(filled=True, opacity=1, size=POINT_AREA, shape=looks.DIAMOND)
        .encode(x=ridge_x, y=ridge_y, color=colour),
    ]


def _placed(x: alt.X, y: alt.Y) -> list[alt.Chart]:
    tooltip = figure.tooltips(
        title="kernel", rate="rate", intensity="intensity", reaches="reaches", interval="interval of the share"
    )
    base = alt.Chart(alt.NamedData("kernels")).encode(y=y, tooltip=tooltip)
    shape = figure.as_given(alt.Shape, "shape:N")
    marked = base.encode(x=alt.X("x2:Q", scale=figure.LOG), shape=shape)
    return [
        base.mark_rule(strokeWidth=6, opacity=0.45).encode(
            x=x, x2="x2:Q", color=figure.as_given(alt.Color, "colour:N")
        ),
        marked.mark_point(size=POINT_AREA, opacity=1, strokeWidth=0, fill=looks.PAPER),
        marked.mark_point(size=POINT_AREA, opacity=1, strokeWidth=1.6).encode(
            fill=figure.as_given(alt.Fill, "colour:N"),
            stroke=figure.as_given(alt.Stroke, "colour:N"),
            fillOpacity=figure.as_given(alt.FillOpacity, "opacity:Q"),
        ),
    ]
