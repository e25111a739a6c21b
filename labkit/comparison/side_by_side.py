"""From runs to their comparison: what differs between the manifests, every cell, each run held against the first."""

from collections.abc import Sequence
from typing import Literal

from labkit import forensics, runs, statistics
from labkit.comparison import floors
from labkit.comparison.floors import Floor, Quantity, Spreads
from labkit.comparison.intervals import ratio_of_medians, ratio_of_shares
from labkit.records import Bounded, Cell, ComparedCell, ComparedRow, ComparedRun, Differing, Held, RunComparison
from labkit.runs import Run
from labkit.statistics import Ratio

# The order of rows: the fastest first, as it is the one whose share of the roof says most.
METHODS = ("matmul", "einsum_optimized", "einsum", "blocked", "blocked_32", "blocked_128", "naive")

TOO_FEW = "too few repetitions to say"  # an interval takes six of each
Verdict = Literal["faster", "slower", "higher", "lower", "no difference resolved"]
SHARE_VERDICTS: dict[str, Verdict] = {
    "faster": "higher", "slower": "lower", "no difference resolved": "no difference resolved",
}  # fmt: skip


def compare(compared: Sequence[Run], spreads: Sequence[Sequence[Spreads]] | None = None) -> RunComparison:
    """These runs side by side, each held against the first.

    `spreads`: for each run how far runs of the same thing are known to differ; by default what the runs
    themselves and the repeat.json beside them say.
    """
    known = floors.known_spreads(compared) if spreads is None else spreads
    keys = {(cell.method, cell.n) for run in compared for cell in run.results.cells}
    return RunComparison(
        schema="comparison/1",
        runs=[_described(run) for run in compared],
        differences=[Differing(what=d.what, values=d.values) for d in runs.differences(compared)],
        repeats=floors.repeats(compared),
        rows=[_row(compared, known, *key) for key in sorted(keys, key=_place)],
        notes=floors.notes(compared, known),
    )


def _place(key: floors.Key) -> tuple[int, str, int]:
    method, n = key
    return METHODS.index(method) if method in METHODS else len(METHODS), method, n


def _described(run: Run) -> ComparedRun:
    results = run.results
    quick, partial = results.protocol.quick, results.status == "partial"
    remarks = ["quick pass"] if quick else ["partial: not all of it was measured"] if partial else []
    remarks += [f"noisy: {'; '.join(results.noise.because)}"] if results.noise.noisy else []
    remarks += ["its code had changes that no commit holds"] if run.manifest.git.dirty else []
    return ComparedRun(
        name=run.name,
        short_name=results.short_name,
        created=run.manifest.created,
        peak_gflops=results.roof.peak_gflops,
        remarks=remarks,
    )


# --- a cell -----------------------------------------------------------------------------------------


def _cell(found: Cell | None) -> ComparedCell:
    """The cell as it may be compared: recomputed from its seconds where it has any."""
    if found is None:
        return ComparedCell(
            state="missing", repetitions=0, gflops=None, interval=None, share=None, noisy=False, why="not in this run"
        )
    rate = statistics.summarise_rates(_rates(found)) if found.seconds_per_call else found.gflops
    cell = ComparedCell(
        state="measured",
        repetitions=len(found.seconds_per_call),
        gflops=Bounded(value=rate.median, low=rate.low, high=rate.high),
        interval=rate.interval,
        share=found.roof,
        noisy=found.noisy,
        why=None,
    )
    if found.invalid:
        cell.state, cell.why = "invalid", f"cannot be true: {found.invalid[0]}"
    elif found.extrapolated:
        cell.state, cell.why = "extrapolated", f"extrapolated from N={found.extrapolated_from}"
    elif forensics.interrupted(found.marks):
        cell.state, cell.why = "withheld", f"not alone on its core: {forensics.describe(found.marks)[0]}"
    return cell


def _rates(cell: Cell) -> list[float]:
    """GFLOPS, one a repetition."""
    return [cell.flops / seconds / 1e9 for seconds in cell.seconds_per_call]


# --- a row ------------------------------------------------------------------------------------------


def _row(compared: Sequence[Run], spreads: Sequence[Sequence[Spreads]], method: str, n: int) -> ComparedRow:
    found = [run.results.cell(method, n) for run in compared]
    cells = [_cell(cell) for cell in found]

    def held(quantity: Quantity) -> list[Held | None]:
        against: list[Held | None] = [None]
        for i in range(1, len(compared)):
            pair, known = (compared[i], compared[0]), (spreads[i], spreads[0])
            limit = floors.floor((method, n), quantity, pair, known)
            why = _why_not(cells[i], cells[0]) or _taken_differently(quantity, *pair)
            a, b = found[i], found[0]
            if why or not (a and b):
                against.append(_not_compared(limit, why, cells[i].noisy or cells[0].noisy))
            else:
                against.append(_held(quantity, a, b, limit))
        return against

    return ComparedRow(method=method, n=n, cells=cells, share=held("share"), gflops=held("gflops"))


def _why_not(this: ComparedCell, first: ComparedCell) -> str | None:
    """Why these two are not compared; None if they may be."""
    whose = [("", this), ("the first: ", first)]
    return next((f"{name}{cell.why}" for name, cell in whose if cell.state != "measured"), None)


def _taken_differently(quantity: Quantity, this: Run, first: Run) -> str | None:
    ways = {run.results.roof.statistic for run in (this, first)}
    return "shares taken at different statistics" if quantity == "share" and len(ways) > 1 else None


def _not_compared(limit: Floor, why: str | None, noisy: bool, ratio: float | None = None) -> Held:
    return Held(
        ratio=ratio, low=None, high=None, floor=limit.portion, floor_from=limit.source, noisy=noisy,
        verdict="not compared", why=why,
    )  # fmt: skip


def _held(quantity: Quantity, a: Cell, b: Cell, limit: Floor) -> Held:
    """Cell a over cell b."""
    fewer, noisy = min(len(a.seconds_per_call), len(b.seconds_per_call)), a.noisy or b.noisy
    if quantity == "gflops":
        ratio = ratio_of_medians(_rates(a), _rates(b))
    elif min(a.roof.low, b.roof.low) <= 0:
        return _not_compared(limit, "a share's interval reaches down to 0", noisy)
    else:
        ratio = ratio_of_shares(a.roof, b.roof, fewer)
    if ratio.interval == "range":
        return _not_compared(limit, TOO_FEW, noisy, ratio.value)
    return Held(
        ratio=ratio.value, low=ratio.low, high=ratio.high, floor=limit.portion, floor_from=limit.source,
        noisy=noisy, verdict=_verdict(quantity, ratio, limit), why=None,
    )  # fmt: skip


def _verdict(quantity: Quantity, ratio: Ratio, limit: Floor) -> Verdict:
    """What may be said of the run whose figure stands above the line."""
    said = statistics.verdict(ratio, limit.portion)
    return SHARE_VERDICTS[said] if quantity == "share" else said
