"""Runs side by side: what differs between them, every cell, and each run over the first or its kind. Pure."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

from labkit import quality, stats
from labkit.records.derive import Key
from labkit.records.facts import facts
from labkit.records.find import Run
from labkit.records.fleet import Change, Fleet, changes, judge
from labkit.records.model import Cell, Estimate, Rate, Record
from labkit.records.spread import Spread, repeated, spreads
from labkit.stats import Ratio

Quantity = Literal["peak_fraction", "gflops"]
QUANTITIES: tuple[Quantity, ...] = ("gflops", "peak_fraction")
State = Literal["measured", "extrapolated", "withheld", "invalid", "missing"]
FloorSource = Literal["A/A tests", "runs of one configuration", "repeat.json"]
Floors = Sequence[tuple[FloorSource, Sequence[Spread]]]  # how far runs of the same thing as one run differ
# The order of rows: the fastest first, whose fraction of peak says most.
METHODS = ("matmul", "einsum_optimized", "einsum", "blocked", "blocked_32", "blocked_128", "naive")
TOO_FEW = "too few samples to say"  # an interval takes six of each


class Differing(Record):
    """Something in which the manifests differ: one text a run."""

    what: str
    values: list[str]


class ComparedRun(Record):
    """A run by its name, and the time it was made; `remarks` say what limits it (quick, partial, noisy)."""

    name: str
    created: str
    remarks: list[str]


class ComparedCell(Record):
    """A cell of one run. `why` says what keeps it from being compared: of a missing cell that is all there is.

    `withheld`: too many of its samples did not have their core to themselves.
    """

    state: State
    why: str | None
    samples: int = 0
    gflops: Rate | None = None
    peak_fraction: Estimate | None = None
    noisy: bool = False

    def figure(self, quantity: Quantity) -> Estimate | None:
        """The fraction of peak or the median GFLOPS, with its interval."""
        if quantity == "peak_fraction" or not self.gflops:
            return self.peak_fraction
        return self.gflops.estimate


class Against(Record):
    """A run over the first: the ratio of their figures, or why there is no ratio or no interval.

    Within `floor`, a portion, nothing is called a difference; `floor_from` is where the same thing was seen to differ
    by so much. `noisy`: one of the two cells is.
    """

    floor: float
    floor_from: FloorSource
    noisy: bool
    why: str | None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: Literal["faster", "slower", "higher", "lower", "no difference resolved", "not compared"] = "not compared"


class ComparedRow(Record):
    """A method at a size: one cell a run, and each run against the first, null for the first itself and in a fleet."""

    method: str
    n: int
    cells: list[ComparedCell]
    peak_fraction: list[Against | None]
    gflops: list[Against | None]


class RunComparison(Record):
    """comparison.json. `repeats`: indices of runs of one configuration; `notes`: where the noise floors come from.

    `fleet`: where there are enough runs of one CPU model, each is judged beside the others of its own. `changes`: of
    runs that are the newest of their node, what changed before.
    """

    schema: Literal["comparison/2"]
    runs: list[ComparedRun]
    differences: list[Differing]
    repeats: list[list[int]]
    rows: list[ComparedRow]
    notes: list[str]
    fleet: Fleet | None = None
    changes: Sequence[Change] = ()

    @property
    def methods(self) -> list[str]:
        """The methods in the order of the rows."""
        return list(dict.fromkeys(row.method for row in self.rows))

    def telling_row(self, method: str) -> ComparedRow:
        """The row that says most of a method: the largest size at which the most runs are compared with the first."""

        def says(row: ComparedRow) -> tuple[int, int, int]:
            compared = sum(a is not None and a.verdict != "not compared" for a in row.gflops)
            return compared, sum(cell.samples > 0 for cell in row.cells), row.n

        return max((row for row in self.rows if row.method == method), key=says)


def compare(runs: Sequence[Run], over_time: Sequence[Run] = ()) -> RunComparison:
    """These runs side by side, each compared with the first, or with the others of its CPU model if they are a fleet.

    `over_time`: these and earlier ones of the same names.
    """
    described, fleet = [facts(run) for run in runs], judge(runs)
    groups = [] if fleet else _repeats(runs, described)
    floors: list[list[tuple[FloorSource, list[Spread]]]] = [
        [("repeat.json", found)] if run.repeat and (found := spreads(run.repeat.runs)) else [] for run in runs
    ]
    for group in groups:
        between = spreads([repeated(runs[i]) for i in group])
        for i in group:
            floors[i].append(("runs of one configuration", between))
    keys = {(cell.method, cell.n) for run in runs for cell in run.analysis.cells}
    columns = ((what, [one[what] for one in described]) for what in described[0])
    with_first = [] if fleet else range(1, len(runs))
    return RunComparison(
        schema="comparison/2",
        runs=[ComparedRun(name=run.name, created=run.manifest.created, remarks=_remarks(run)) for run in runs],
        differences=[Differing(what=what, values=values) for what, values in columns if len(set(values)) > 1],
        repeats=groups,
        rows=[
            _row(runs, with_first, floors, key)
            for key in sorted(keys, key=lambda key: ((*METHODS, key[0]).index(key[0]), key))
        ],
        notes=_days(runs) + ([] if fleet else _notes(runs, floors)),
        fleet=fleet,
        changes=changes(over_time),
    )


def _days(runs: Sequence[Run]) -> list[str]:
    """A note where the runs are not of one day."""
    days = Counter(run.manifest.created[:10] for run in runs)
    listed = ", ".join(f"{day} ({many})" for day, many in sorted(days.items()))
    return [f"The runs are of {len(days)} days: {listed}."] if len(days) > 1 else []


def _remarks(run: Run) -> list[str]:
    quick, partial = run.results.protocol.quick, run.results.status == "partial"
    remarks = ["quick run"] if quick else ["partial: not everything was measured"] if partial else []
    if not run.results.limits.bounds_matmul:
        remarks.append("np.matmul may run on a matrix unit, above the FMA peak")
    remarks += [f"noisy: {'; '.join(run.analysis.noise)}"] if run.analysis.noise else []
    return remarks + (["its code had uncommitted changes"] if run.manifest.git.dirty else [])


# --- noise floors --------------------------------------------------------------------------------------


def _repeats(runs: Sequence[Run], described: Sequence[Mapping[str, str]]) -> list[list[int]]:
    """Indices of runs that nothing in their manifests tells apart, in groups of two or more.

    A run whose commit is not known, or whose code had changes, is in none.
    """
    groups = defaultdict[tuple[str, ...], list[int]](list)
    for i, (git, texts) in enumerate(zip((run.manifest.git for run in runs), described, strict=True)):
        if git.commit and not git.dirty:
            groups[git.commit, *texts.values()].append(i)
    return [group for group in groups.values() if len(group) > 1]


def _floor(found: Sequence[Spread], quantity: Quantity, key: Key | None = None) -> float:
    """The portion by which this cell was seen to differ; the largest of any where it is not known; 0 of none."""
    known: dict[Key, float] = {(s.method, s.n): getattr(s, quantity) for s in found}
    largest = max(known.values(), default=0.0)
    return known.get(key, largest) if key else largest


def _notes(runs: Sequence[Run], floors: Sequence[Floors]) -> list[str]:
    """Where the floors come from, and of which runs it is unknown how far another of the same would differ."""
    within = max(run.analysis.noise_floor for run in runs)
    notes = [f"In the A/A tests of a run, one method under two names differed by up to {_percent(within)}."]
    names = defaultdict[str, list[str]](list)
    for run, known in zip(runs, floors, strict=True):
        for source, found in known:
            fraction, gflops = _percent(_floor(found, "peak_fraction")), _percent(_floor(found, "gflops"))
            text = f"runs of the same thing differ by up to {fraction} in fraction of peak and {gflops} in GFLOPS"
            names[f"{text} ({source})."].append(run.name)
        if not known:
            text = "the intervals hold only what differs within a run. How far another run would differ is unknown."
            names[text].append(run.name)
    notes += [f"{'; '.join(of)}: {text}" for text, of in names.items()]
    return [*notes, "Differences within the noise floor are not resolved."]


def _percent(portion: float) -> str:
    return f"{float(f'{round(100 * portion, 3):.2g}'):g} %"


# --- cells and rows ------------------------------------------------------------------------------------


def _compared(cell: Cell | None) -> ComparedCell:
    if cell is None:
        return ComparedCell(state="missing", why="not in this run")
    state: State = "measured"
    why = None
    if cell.invalid:
        state, why = "invalid", f"cannot be true: {cell.invalid[0]}"
    elif cell.extrapolated:
        state, why = "extrapolated", f"extrapolated from N = {cell.extrapolated_from}"
    elif quality.noisy(cell.flags):
        state, why = "withheld", f"not alone on its core: {quality.describe(cell.flags)[0]}"
    return ComparedCell(
        state=state,
        why=why,
        samples=len(cell.seconds_per_call),
        gflops=cell.gflops,
        peak_fraction=cell.peak_fraction,
        noisy=cell.noisy,
    )


def _row(runs: Sequence[Run], with_first: Sequence[int], floors: Sequence[Floors], key: Key) -> ComparedRow:
    found = [run.analysis.cell(*key) for run in runs]
    cells = [_compared(cell) for cell in found]

    def against(quantity: Quantity, i: int) -> Against:
        known: list[tuple[float, FloorSource]] = [
            (max(runs[k].analysis.noise_floor for k in (0, i)), "A/A tests"),
            *((_floor(spread, quantity, key), source) for source, spread in (*floors[0], *floors[i])),
        ]
        floor, source = max(known, key=lambda one: one[0])
        why = cells[i].why or (f"the first: {cells[0].why}" if cells[0].why else None)
        made = Against(floor=floor, floor_from=source, noisy=cells[i].noisy or cells[0].noisy, why=why)
        this, first = found[i], found[0]
        if this and first and not why:
            ratio = _ratio(quantity, this, first)
            made.ratio = ratio.value
            if ratio.interval == "range":
                made.why = TOO_FEW
            else:
                made.low, made.high, made.verdict = ratio.low, ratio.high, stats.verdict(ratio, floor)
                if quantity == "peak_fraction" and made.verdict != "no difference resolved":
                    made.verdict = "higher" if made.verdict == "faster" else "lower"
        return made

    rates, fractions = ([against(q, i) if i in with_first else None for i in range(len(runs))] for q in QUANTITIES)
    return ComparedRow(method=key[0], n=key[1], cells=cells, peak_fraction=fractions, gflops=rates)


def _ratio(quantity: Quantity, this: Cell, first: Cell) -> Ratio:
    """This over the first. The interval of a ratio of fractions combines the two."""
    speeds = stats.ratio_of_medians(*([1 / s for s in cell.seconds_per_call] for cell in (this, first)))
    if quantity == "gflops":
        return speeds
    return stats.over(this.peak_fraction.bounded, first.peak_fraction.bounded, speeds.pairs, speeds.interval)
