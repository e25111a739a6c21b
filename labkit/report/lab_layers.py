"""What is drawn in the lab's figure: its rows, and the layers that show them."""

import itertools
from collections.abc import Sequence

import altair as alt

from labkit import pages
from labkit.records import Cell
from labkit.report import figure, looks, tables
from labkit.report.figure import Row
from labkit.roof import NO_REUSE_INTENSITY, attainable, compulsory_intensity
from labkit.runs import Run

# Rates in GFLOPS, and the same as shares of the roof.
RATE, SHARE = "GFLOPS", "share"
POINT_AREA, CROSS_AREA = 70, 170  # square pixels
# The roof begins and ends so many times beyond the outermost size.
BEYOND_LEFT, BEYOND_RIGHT = 2.2, 1.12
NOISY_OPACITY = 0.35
# An interval of a share may reach down to 0, which a logarithmic axis has not: its bar ends at this portion.
LEAST_PORTION = 1e-3
DASHED = (4, 3)  # pixels on and off


def spec(several: Sequence[Run]) -> Row | None:
    """The figure as Vega-Lite; None of runs without any cell."""
    sizes = sorted({cell.n for run in several for cell in run.results.cells})
    if not sizes:
        return None
    crossovers = [run.results.roof.crossover_n for run in several]
    left, right = min(sizes[0], *crossovers) / BEYOND_LEFT, max(sizes[-1], *crossovers) * BEYOND_RIGHT
    colours = {run.name: None if len(several) == 1 else looks.of_run("", i).colour for i, run in enumerate(several)}
    cells = [row for run in several for row in cell_rows(run, colours[run.name])]
    bounds = [row for run in several for row in roof_rows(run, left, right, colours[run.name])]
    datasets = {
        "bounds": [row for row in bounds if row["kind"] != "no reuse"],
        "peaks": [row for row in bounds if row["kind"] == "peak"],
        "floors": [row for row in bounds if row["kind"] == "no reuse"],
        "segments": [row for run in several for row in segment_rows(run, colours[run.name])],
        "cells": cells,
        "invalid": [row for row in cells if row["invalid"]],
    }
    meta: Row = {
        "scales": {"x": figure.SCALES, "y": figure.SCALES},
        "units": {
            RATE: {"title": "GFLOPS", "format": figure.DECIMAL},
            SHARE: {"title": "share of the roof", "format": figure.PERCENT},
        },
        "points": "cells",
    }
    axis = alt.Axis(title="N (matrices are N × N)", values=sizes, format="d", labelOverlap="greedy")
    x, y = alt.X("n:Q", scale=figure.LOG, axis=axis), alt.Y("y:Q", scale=figure.LOG)
    layers = [*_roof_layers(len(several) == 1, x, y), *_cell_layers(x, y)]
    return figure.spec(layers, datasets, meta, figure.HEIGHT_PIXELS)


# --- rows -------------------------------------------------------------------------------------------


def cell_rows(run: Run, colour: str | None) -> list[Row]:
    """A row a cell and unit, with what its tooltip says; in the run's colour or, for None, in the method's."""
    rows = []
    for cell in run.results.cells:
        look = looks.of_method(cell.method)
        shared = figure.origin(run) | {
            "method": cell.method,
            "n": cell.n,
            "cell": f"{look.name}, N = {cell.n}",
            "rate": pages.flops(cell.gflops.median),
            "interval": tables.rate_interval(cell.gflops),
            "portion": tables.share_interval(cell.roof.share, cell.roof.low, cell.roof.high),
            "repetitions": tables.repetitions(cell),
            "remarks": tables.remarks(cell) or "none",
            "colour": colour or look.colour,
            "shape": look.shape,
            "opacity": 0.0 if cell.extrapolated else NOISY_OPACITY if cell.noisy else 1.0,
            "invalid": bool(cell.invalid),
        }
        for unit, (y, low, high) in _values(cell).items():
            rows.append(shared | {"unit": unit, "y": y, "low": low, "high": high})
    return rows


def _values(cell: Cell) -> dict[str, tuple[float, float, float]]:
    """The median and the ends of its interval in either unit."""
    rate, share = cell.gflops, cell.roof
    low = max(share.low, LEAST_PORTION * share.share)
    return {RATE: (rate.median, rate.low, rate.high), SHARE: (share.share, low, share.high)}


def segment_rows(run: Run, colour: str | None) -> list[Row]:
    """The lines between neighbouring cells of a method, dashed to and from an extrapolated one."""
    rows = []
    for method in dict.fromkeys(cell.method for cell in run.results.cells):
        cells = sorted((c for c in run.results.cells if c.method == method), key=lambda c: c.n)
        for left, right in itertools.pairwise(cells):
            shared: Row = {"run": run.name, "method": method, "n": left.n, "n2": right.n}
            shared["colour"] = colour or looks.of_method(method).colour
            shared["dash"] = list(DASHED if left.extrapolated or right.extrapolated else looks.SOLID)
            ends = zip(_values(left).items(), _values(right).values(), strict=True)
            rows += [shared | {"unit": unit, "y": one[0], "y2": two[0]} for (unit, one), two in ends]
    return rows


def roof_rows(run: Run, left: float, right: float, colour: str | None) -> list[Row]:
    """The lines that bound a run from N = `left` to N = `right`: peak, memory ceiling, memory without any reuse."""
    roof = run.results.roof
    peak, start = roof.peak_gflops, min(left, roof.crossover_n)
    rising = attainable(compulsory_intensity(start), peak, roof.dram_gbs)
    flat = NO_REUSE_INTENSITY * roof.dram_gbs
    meets = f"{pages.significant(roof.dram_gbs)} GB/s × N/6, meets the peak at N* = {roof.crossover_n:.0f}"
    lines = [
        ("peak", f"measured fp32 peak of one core: {pages.flops(peak)}", roof.crossover_n, right, peak, peak),
        ("memory", f"memory ceiling: {meets}", start, roof.crossover_n, rising, peak),
        ("no reuse", f"memory ceiling without reuse, 0.25 flop a byte: {pages.flops(flat)}", left, right, flat, flat),
    ]
    short = {"peak": f"peak of one core: {pages.flops(peak)}", "no reuse": f"no reuse: {pages.flops(flat)}"}
    return [
        figure.origin(run)
        | {"unit": unit, "kind": kind, "line": line, "n": n, "n2": n2, "y": y / by, "y2": y2 / by}
        | {"short": short.get(kind, ""), "colour": colour or (looks.SOFT if kind == "no reuse" else looks.INK)}
        for kind, line, n, n2, y, y2 in lines
        for unit, by in ((RATE, 1.0), (SHARE, peak))
    ]


# --- layers -----------------------------------------------------------------------------------------


def _roof_layers(alone: bool, x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """Thick up to the peak, dashed without reuse; named in the figure where there is one run."""

    def of(dataset: str) -> alt.Chart:
        colour, tooltip = figure.as_given(alt.Color, "colour:N"), figure.tooltips(line="roof")
        return alt.Chart(alt.NamedData(dataset)).encode(x=x, y=y, color=colour, tooltip=tooltip)

    layers = [
        of("bounds").mark_rule(strokeWidth=2.5, strokeCap="round").encode(x2="n2:Q", y2="y2:Q"),
        of("floors").mark_rule(strokeWidth=1.5, strokeDash=[6, 4]).encode(x2="n2:Q", y2="y2:Q"),
        of("peaks").mark_point(shape=looks.DIAMOND, size=POINT_AREA, opacity=1, filled=True),
    ]
    at_its_end = alt.X("n2:Q", scale=figure.LOG)
    for dataset, below in (("peaks", -9), ("floors", 11)) if alone else ():
        label = of(dataset).mark_text(align="right", dy=below).encode(x=at_its_end, text="short:N")
        layers.append(label.encode(color=alt.value(looks.SOFT)))
    return layers


def _cell_layers(x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """Lines, intervals, markers upon a mask that hides the line behind hollow ones, and crosses."""
    colour = figure.as_given(alt.Color, "colour:N")
    shape, dash = figure.as_given(alt.Shape, "shape:N"), figure.as_given(alt.StrokeDash, "dash:N")
    cells = alt.Chart(alt.NamedData("cells")).encode(x=x, y=y)
    segments = alt.Chart(alt.NamedData("segments")).encode(x=x, y=y)
    tooltip = figure.tooltips(
        cell="cell", rate="median rate", interval="interval", portion="share of the roof",
        repetitions="repetitions", remarks="remarks",
    )  # fmt: skip
    ends = alt.Y("low:Q", scale=figure.LOG)
    return [
        segments.mark_rule(strokeWidth=2).encode(x2="n2:Q", y2="y2:Q", color=colour, strokeDash=dash),
        cells.mark_errorbar(ticks={"size": 9}, rule={"strokeWidth": 1.5}).encode(y=ends, y2="high:Q", color=colour),
        cells.mark_point(size=POINT_AREA, fill=looks.PAPER, opacity=1, strokeWidth=0).encode(shape=shape),
        cells.mark_point(size=POINT_AREA, opacity=1, strokeWidth=1.6).encode(
            shape=shape,
            fill=figure.as_given(alt.Fill, "colour:N"),
            stroke=figure.as_given(alt.Stroke, "colour:N"),
            fillOpacity=figure.as_given(alt.FillOpacity, "opacity:Q"),
            tooltip=tooltip,
        ),
        alt.Chart(alt.NamedData("invalid"))
        .mark_point(size=CROSS_AREA, shape=looks.CROSS, strokeWidth=2.5, opacity=1, stroke=looks.INK)
        .encode(x=x, y=y),
    ]
