"""The ladder: a bar a rung, and on it the step from the rung before: the gap rebuilt one change at a time."""

from collections.abc import Sequence

import altair as alt

from labkit import pages
from labkit.records import Factor, Ladder, LadderCell
from labkit.report import figure, looks
from labkit.report.figure import Figure, Row
from labkit.report.tables import NONE, Table, between, interval, rate_interval, share
from labkit.runs import Run

# A logarithmic axis begins so far below the slowest rung.
BELOW = 2.5
# Two lines of text and a bar, pixels; where each stands in a rung's room.
RUNG_PIXELS, BAR_PIXELS = 58, 12
TITLE_Y, DETAIL_Y, BAR_Y = -17, -1, 17
ABSENT = "no ladder of the same machine, NumPy and BLAS stands beside this run: make ladder measures one"


def make(several: Sequence[Run]) -> Figure:
    """One run at a time, of those that have a ladder beside them."""
    having = [(run, run.ladder) for run in several if run.ladder]
    choices = [*figure.run_choice([run for run, _ in having]), figure.scale_choice("x", "Axis of the rate")]
    made = [
        table
        for run, ladder in having
        for table in (rungs(run.name, ladder), over_n(run.name, ladder), *others(run.name, ladder))
    ]
    return Figure(
        key="ladder",
        title="The ladder: from the loop to the BLAS",
        alternative=_in_words([(run.name, ladder) for run, ladder in having]),
        caption=(
            "Pale: the rate of a rung. Strong: the step from the rung before, whose factor is the median of pairs from "
            "the same rounds; orange where it leads down. On the logarithmic axis equal factors are equal lengths."
        ),
        choices=choices if having else [],
        legend=[],
        tables=made,
        spec=_spec(having) if having else None,
        absent=[f"{run.name}: {ABSENT}." for run in several if not run.ladder],
    )


def _in_words(having: Sequence[tuple[str, Ladder]]) -> str:
    said = []
    for name, ladder in having:
        steps = ", ".join(f"{_title(ladder, f.rung)} x {pages.significant(f.ratio)}" for f in ladder.factors)
        said.append(f"{name}, at N = {ladder.n}: {steps}; together {pages.significant(ladder.whole.ratio)}.")
    return f"The rate of each rung and the factor to the one before. {' '.join(said)} The tables have every value."


def _title(ladder: Ladder, rung: str) -> str:
    return next((r.title for r in ladder.rungs if r.name == rung), rung)


def _times(factor: Factor) -> str:
    return f"x {pages.significant(factor.ratio)} ({between(factor.low, factor.high)})"


def _timed(cell: LadderCell) -> str:
    """How much of C a call computes: rows come one after the other in slow loops, so some tell the rate of all."""
    return "all of C" if cell.rows == cell.n else f"{cell.rows} row{'s' * (cell.rows > 1)} of C"


# --- tables -----------------------------------------------------------------------------------------


def rungs(name: str, ladder: Ladder) -> Table:
    """The steps, and whether their factors make up the whole."""
    by_rung = {f.rung: f for f in ladder.factors}
    rows = []
    for rung in ladder.rungs:
        cell = ladder.cell(rung.name, ladder.n)
        if rung.kind == "step" and cell:
            factor = by_rung.get(rung.name)
            rate = pages.flops(cell.gflops.median) + " ‡" * cell.noisy
            times = _times(factor) if factor else NONE
            rows.append([rung.title, rung.changed, rate, _timed(cell), times, share(cell.roof.share, 2)])
    whole, product = pages.significant(ladder.whole.ratio, 4), pages.significant(ladder.product, 4)
    closes = f"the product of the factors is {product}"
    rows.append(["the whole, in pairs of its own", closes, NONE, NONE, f"x {whole}", NONE])
    head = ["rung", "what changed", "median rate", "timed over", "factor (95 % interval)", "of the peak"]
    return Table(f"Rung by rung at N = {ladder.n}: {name}", head, rows, frozenset((2, 4, 5)))


def over_n(name: str, ladder: Ladder) -> Table:
    """The rate of each step at each size."""
    rows = []
    for rung in ladder.rungs:
        if rung.kind == "step":
            found = [ladder.cell(rung.name, n) for n in ladder.sizes]
            rows.append([rung.title, *(pages.flops(c.gflops.median) if c else NONE for c in found)])
    head = ["rung", *(f"N = {n}" for n in ladder.sizes)]
    return Table(f"The rungs over N: {name}", head, rows, frozenset(range(1, len(head))))


def others(name: str, ladder: Ladder) -> list[Table]:
    """The changes in another order, what people ask, and the BLAS held to older kernels; each where there is any."""
    made = []
    for title, factors in (("The other order", ladder.other_order), ("What people ask", ladder.sides)):
        rows = [
            [
                f"{_title(ladder, f.rung)} over {_title(ladder, f.over)}, N = {f.n}",
                f"x {pages.significant(f.ratio)}",
                interval(between(f.low, f.high), f.interval),
                str(f.pairs),
            ]
            for f in factors
        ]
        made.append(Table(f"{title}: {name}", ["change", "factor", "interval", "pairs"], rows, frozenset((1, 2, 3))))
    older = [
        [k.core_type, k.kernel, pages.flops(k.gflops), ", ".join(pages.significant(f) for f in k.factors)]
        for k in ladder.kernels
    ]
    head = ["core type", "kernel", "rate", "times its own kernel's rate, a pair each"]
    made.append(Table(f"np.matmul held to older kernels: {name}", head, older, frozenset((2, 3))))
    return [table for table in made if table.rows]


# --- the specification ------------------------------------------------------------------------------


def rung_rows(run: Run, ladder: Ladder) -> list[Row]:
    """A row a step at the ladder's order: its rate, that of the step before, and its factor in words."""
    by_rung = {f.rung: f for f in ladder.factors}
    cells = [
        (rung, cell)
        for rung in ladder.rungs
        if rung.kind == "step" and (cell := ladder.cell(rung.name, ladder.n)) is not None
    ]
    start = min((cell.gflops.median for _, cell in cells), default=1.0) / BELOW
    rows: list[Row] = []
    before = 0.0
    for place, (rung, cell) in enumerate(cells):
        rate, factor = cell.gflops.median, by_rung.get(rung.name)
        words = pages.flops(rate) + (f", {_times(factor)}" if factor else "")
        rows.append(
            figure.origin(run)
            | {"rung": rung.title, "place": place, "rate": pages.flops(rate), "changed": rung.changed, "detail": words}
            | {"interval": rate_interval(cell.gflops)}
            | {"factor": f"{_times(factor)}, {factor.pairs} pairs" if factor else NONE}
            | {
                "portion": f"{share(cell.roof.share, 2)} of the peak",
                "repetitions": f"{len(cell.seconds_per_call)}, over {_timed(cell)}",
            }
            | {
                "start": start,
                "before": before or rate,
                "x": rate,
                "colour": looks.VERMILION if rate < before else looks.BLUE,
            }
        )
        before = rate
    return rows


def _spec(having: Sequence[tuple[Run, Ladder]]) -> Row:
    datasets = {"rungs": [row for run, ladder in having for row in rung_rows(run, ladder)]}
    from_the_edge = figure.LOGARITHMIC | {"scale": {"type": "log", "nice": False}}
    meta: Row = {
        "scales": {"x": {"log": from_the_edge, "linear": figure.LINEAR}},
        "points": "rungs",
    }
    sizes = " or ".join(str(n) for n in dict.fromkeys(ladder.n for _, ladder in having))
    axis = alt.Axis(title=f"GFLOPS at N = {sizes}", format=figure.DECIMAL)
    tooltip = figure.tooltips(
        rung="rung", changed="what changed", rate="median rate", interval="interval", factor="factor",
        portion="share", repetitions="repetitions",
    )  # fmt: skip
    base = alt.Chart(alt.NamedData("rungs")).encode(y=alt.Y("place:O", axis=None), tooltip=tooltip)
    leads = figure.as_given(alt.Color, "colour:N")
    layers = [
        base.mark_bar(size=BAR_PIXELS, yOffset=BAR_Y, color=looks.SKY, opacity=0.45).encode(
            x=alt.X("start:Q", scale=figure.LOG, axis=axis), x2="x:Q"
        ),
        base.mark_bar(size=BAR_PIXELS, yOffset=BAR_Y).encode(
            x=alt.X("before:Q", scale=figure.LOG, axis=axis), x2="x:Q", color=leads
        ),
        _line(base, "rung:N", TITLE_Y, looks.INK, bold=True),
        _line(base, "detail:N", DETAIL_Y, looks.SOFT),
    ]  # fmt: skip
    most = max((row["place"] + 1 for row in datasets["rungs"]), default=1)
    return figure.spec(layers, datasets, meta, RUNG_PIXELS * most)


def _line(base: alt.Chart, field: str, y: int, colour: str, bold: bool = False) -> alt.Chart:
    """A line of text at the left edge, `y` pixels below the middle of its rung."""
    mark = base.mark_text(align="left", baseline="middle", dy=y, fontWeight=700 if bold else 400, color=colour)
    line: alt.Chart = mark.encode(x=alt.value(0), text=field)
    return line
