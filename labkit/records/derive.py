"""From a run's samples to all that is said of it: the one maker of conclusions. Pure."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

import msgspec

from labkit import contention, quality, stats
from labkit.contention import CoreState
from labkit.records.model import (
    Alone,
    Cell,
    Embedding,
    Estimate,
    LadderMeasurement,
    Limits,
    Measurement,
    Rate,
    Results,
    Roof,
    Series,
    Speedup,
)
from labkit.roofline.model import crossover_n
from labkit.stats import Ratio, Verdict

SLICE = " slice"  # ends the name of a method that was timed in slices
AGAIN = " again"  # ends the second name of a method in an A/A test
# Methods that run in the interpreter: each other's pair, and too slow for the largest sizes.
PYTHON_METHODS = ("naive", "blocked", "blocked_32", "blocked_128")
# The assignment's anchor: an embedding of 600 tokens by 64, and the vocabulary projection of a batch.
VOCABULARY, WIDTH, BATCH, TOKENS = 600, 64, 32, 16
GATHER, ONE_HOT, PROJECTION = "gather", "one_hot", "projection"

# GFLOPS that the assignment expects (docs/assignment.md, B6). Where it writes "~", half and double of it count too.
EXPECTED = {
    ("naive", 128): (0.0015, 0.006),
    ("naive", 1024): (0.0015, 0.006),
    ("blocked", 128): (0.0015, 0.010),
    ("blocked", 1024): (0.0015, 0.010),
    ("einsum", 128): (10.0, 30.0),
    ("einsum", 1024): (20.0, 60.0),
    ("matmul", 128): (20.0, 50.0),
    ("matmul", 1024): (50.0, 100.0),
}
# The assignment's two alarms, GFLOPS.
VECTORISED_ABOVE, NO_BLAS_BELOW = 0.1, 10.0

# A whole call of a Python loop may have been shared between its two readings: one or two of them say little.
FEWEST_WHOLE_CALLS = 3

Key = tuple[str, int]


@dataclass(frozen=True)
class CubeLaw:
    """How far T(N) = (N / m)^3 T(m) was off where both were measured: measured over predicted."""

    method: str
    n: int
    predicted_from: int
    predicted_seconds: float
    measured_seconds: float

    @property
    def ratio(self) -> float:
        return self.measured_seconds / self.predicted_seconds


@dataclass(frozen=True)
class Expectation:
    """A cell beside the range that the assignment expects of it, GFLOPS."""

    cell: Cell
    low: float
    high: float
    verdict: Literal["inside", "below", "above"]
    alarm: Literal["vectorised", "no BLAS"] | None


@dataclass(frozen=True)
class Comparison:
    """How many times as fast a blocked variant is as naive, on a core alone."""

    method: str
    n: int
    ratio: Ratio
    verdict: Verdict


@dataclass(frozen=True)
class WholeCalls:
    """Uncontended whole calls of a method that was sliced: how many, and their rate over that of its slices."""

    method: str
    n: int
    calls: int
    ratio: float


@dataclass(frozen=True)
class Analysis:
    """All that follows from the samples of a run."""

    cells: list[Cell]
    speedup: Speedup | None  # at the largest size; extrapolated where it must be
    speedup_measured: Speedup | None  # at the largest size at which both were run
    noise: list[str]  # what took the core away in the run as a whole; empty where little did
    aa_tests: dict[Key, Ratio]
    noise_floor: float  # a portion: comparisons within it are not resolved
    comparisons: list[Comparison]
    cube_law: list[CubeLaw]
    expectations: list[Expectation]
    embedding: Embedding | None
    whole_calls: list[WholeCalls]
    core: CoreState
    roof: Roof

    def cell(self, method: str, n: int) -> Cell | None:
        """The cell of a method at a size, if there is one."""
        return next((c for c in self.cells if (c.method, c.n) == (method, n)), None)

    @property
    def invalid(self) -> list[Cell]:
        """Measured cells that cannot be true."""
        return [cell for cell in self.cells if cell.invalid and not cell.extrapolated]


def derive(m: Measurement) -> Analysis:
    """Everything. Cells of which nothing is known yet are left out."""
    series, core = {(s.name, s.n): s for s in m.samples if s.seconds}, core_of(m)
    measured = _measured_cells(m, series, core)
    cells = _with_extrapolations(m, measured, series, core)
    aa_tests = _aa_tests(series)
    floor = stats.noise_floor([*aa_tests.values()])
    flags = [flag for s in series.values() for flag in quality.flags(s, m.cpus, core)]
    return Analysis(
        cells=cells,
        speedup=_largest_speedup(cells, m.protocol.sizes, measured_only=False),
        speedup_measured=_largest_speedup(cells, m.protocol.sizes, measured_only=True),
        noise=quality.describe(flags) if quality.noisy(flags) else [],
        aa_tests=aa_tests,
        noise_floor=floor,
        comparisons=_comparisons(cells, floor),
        cube_law=_cube_law(measured),
        expectations=[e for cell in cells if (e := _expectation(cell))],
        embedding=_embedding(series),
        whole_calls=_whole_calls(cells, series, core),
        core=core,
        roof=roof_of(core, m.limits),
    )


def results(m: Measurement) -> Results:
    """The record with its derived part: what `results.json` holds."""
    found = derive(m)
    raw = {name: getattr(m, name) for name in Measurement.__struct_fields__}
    return Results(**raw, roof=found.roof, cells=found.cells, speedup=found.speedup, embedding=found.embedding)


# --- the core, and a cell alone on it ------------------------------------------------------------------


def core_of(m: Measurement | LadderMeasurement) -> CoreState:
    """The state of the core over the run."""
    r, known = m.readings, (m.limits.l1_byte_per_flop, m.limits.l2_byte_per_flop)
    return contention.core_state(r.fma_gflops, r.l1_gbs, r.l2_gbs, known)


def roof_of(core: CoreState, limits: Limits) -> Roof:
    """The roof over the samples of a run."""
    peak, gbs = core.peak_gflops, limits.dram_gbs
    return Roof(peak_gflops=peak, dram_gbs=gbs, ridge_flop_per_byte=peak / gbs, crossover_n=crossover_n(peak, gbs))


def of_peak(s: Series, core: CoreState) -> list[float]:
    """The fraction of peak of each sample: its rate by processor time over the FMA rate beside it."""
    return [rate / fma for rate, fma in zip(s.cpu_rates, core.beside(s.probe), strict=True)]


def alone(s: Series, core: CoreState, source: Literal["calls", "slices"] = "calls") -> tuple[Estimate, Alone]:
    """The fraction of peak on a core of its own, and what it rests on."""
    e = contention.estimate(of_peak(s, core), core.uncontended(s.probe).tolist(), s.at)
    # A bound that the peak lowers: nothing that is below it now goes beyond.
    high = min(e.high, 1.0) if e.bound and e.value < 1 else e.high
    peak = core.peak_gflops
    return Estimate(value=e.value, low=e.low, high=high), Alone(
        gflops=Estimate(value=e.value * peak, low=e.low * peak, high=high * peak),
        uncontended=e.uncontended,
        samples=len(s.seconds),
        source=source,
        bound=e.bound,
    )


def _of_slices(method: str, n: int, series: Mapping[Key, Series], core: CoreState) -> tuple[Estimate, Alone] | None:
    slices = series.get((method + SLICE, n))
    return alone(slices, core, "slices") if slices else None


# --- cells ---------------------------------------------------------------------------------------------


def _whole_calls(cells: Sequence[Cell], series: Mapping[Key, Series], core: CoreState) -> list[WholeCalls]:
    found = []
    for cell in cells:
        s = series.get((cell.method, cell.n))
        if cell.alone.source == "slices" and s:
            fractions = [part for part, fine in zip(of_peak(s, core), core.uncontended(s.probe), strict=True) if fine]
            if len(fractions) >= FEWEST_WHOLE_CALLS:
                ratio = median(fractions) / cell.peak_fraction.value
                found.append(WholeCalls(cell.method, cell.n, len(fractions), ratio))
    return found


def _measured_cells(m: Measurement, series: Mapping[Key, Series], core: CoreState) -> dict[Key, Cell]:
    cells = {
        key: _cell(s, m.cpus, core, _of_slices(*key, series, core) or alone(s, core))
        for key, s in series.items()
        if key[0] in m.protocol.methods
    }
    own, peak = {key: series[key] for key in cells}, max(m.limits.peak_gflops, *m.readings.fma_gflops)
    faults = quality.implausible(cells, own, peak, m.limits.bounds_matmul, m.protocol.clock_resolution_seconds)
    for key, reasons in faults.items():
        cells[key].invalid = reasons
    return cells


def _cell(s: Series, cpus: int, core: CoreState, on_its_own: tuple[Estimate, Alone]) -> Cell:
    gflops, flags = Rate.of(s.rates), quality.flags(s, cpus, core)
    notes, wide = quality.describe(flags), quality.wide(gflops)
    if wide:
        notes.append(f"its interval is {100 * (gflops.high - gflops.low) / gflops.median:.0f} % wide")
    return Cell(
        method=s.name,
        n=s.n,
        extrapolated=False,
        extrapolated_from=None,
        seconds_per_call=s.seconds,
        total_seconds=s.total_seconds,
        gflops=gflops,
        peak_fraction=on_its_own[0],
        contended=flags.count("contended") / len(flags),
        noisy=wide or quality.noisy(flags),
        flags=flags,
        invalid=[],
        notes=notes,
        alone=on_its_own[1],
    )


def _with_extrapolations(
    m: Measurement, measured: Mapping[Key, Cell], series: Mapping[Key, Series], core: CoreState
) -> list[Cell]:
    """The measured cells, and for each that is not measured (yet) its extrapolation from the largest that is."""
    cells, methods = list(measured.values()), m.protocol.methods
    for method in methods:
        own = [cell for cell in measured.values() if cell.method == method]
        for n in m.protocol.sizes:
            if own and (method, n) not in measured:
                smaller = [cell for cell in own if cell.n < n] or own
                base = max(smaller, key=lambda cell: cell.n)
                cells.append(_extrapolated(base, n, _of_slices(method, n, series, core)))
    return sorted(cells, key=lambda cell: (methods.index(cell.method), cell.n))


def _extrapolated(base: Cell, n: int, on_its_own: tuple[Estimate, Alone] | None) -> Cell:
    """The cell of order n by the cube law: the rate of the base; alone, where slices of it were timed, its own."""
    fraction, known = on_its_own or (base.peak_fraction, base.alone)
    return msgspec.structs.replace(
        base,
        n=n,
        extrapolated=True,
        extrapolated_from=base.n,
        seconds_per_call=[],
        total_seconds=0.0,
        flags=[],
        notes=[f"extrapolated from N = {base.n} by the cube law"],
        peak_fraction=fraction,
        alone=known,
    )


# --- comparisons ---------------------------------------------------------------------------------------


def paired(a: Series, b: Series) -> Ratio | None:
    """How many times as fast a is as b by wall time, from samples taken in the same round; None without any."""
    x, y = (dict(zip(s.rounds, s.rates, strict=True)) for s in (a, b))
    common = sorted(x.keys() & y.keys())
    return stats.paired_ratio([x[r] for r in common], [y[r] for r in common]) if common else None


def quotient(a: Alone, b: Alone) -> Ratio:
    """How many times as fast a is as b on a core alone, from all their samples: fractions of peak do not drift."""
    return stats.over(a.gflops.bounded, b.gflops.bounded, min(a.uncontended, b.uncontended))


def _aa_tests(series: Mapping[Key, Series]) -> dict[Key, Ratio]:
    """Each method that was timed under a second name, against itself."""
    firsts = {(name.removesuffix(AGAIN), n): s for (name, n), s in series.items() if name.endswith(AGAIN)}
    found = {key: paired(again, series[key]) for key, again in firsts.items() if key in series}
    return {key: ratio for key, ratio in found.items() if ratio}


def _comparisons(cells: Sequence[Cell], floor: float) -> list[Comparison]:
    """Each blocked variant against naive, on a core alone."""
    by_key, found = {(c.method, c.n): c for c in cells}, []
    for (method, n), cell in by_key.items():
        naive = by_key.get(("naive", n))
        if method not in PYTHON_METHODS or method == "naive" or not naive:
            continue
        if all(c.alone.source == "slices" or not c.extrapolated for c in (cell, naive)):
            ratio = quotient(cell.alone, naive.alone)
            found.append(Comparison(method, n, ratio, stats.verdict(ratio, floor)))
    return sorted(found, key=lambda c: (PYTHON_METHODS.index(c.method), c.n))


def _largest_speedup(cells: Sequence[Cell], sizes: Sequence[int], measured_only: bool) -> Speedup | None:
    """The speedup of np.matmul over naive at the largest size that has both."""
    for n in sorted(sizes, reverse=True):
        here = {c.method: c for c in cells if c.n == n and not (measured_only and c.extrapolated)}
        if "naive" in here and "matmul" in here:
            return _speedup(cells, here["naive"], here["matmul"])
    return None


def _speedup(cells: Sequence[Cell], naive: Cell, matmul: Cell) -> Speedup:
    """Of a core alone; as it was, its interval is the quotient of the intervals of the two, so a cautious one."""
    timed = [_timed(cells, naive), _timed(cells, matmul)]
    seen = Speedup(
        n=naive.n,
        factor=matmul.gflops.median / naive.gflops.median,
        low=matmul.gflops.low / naive.gflops.high,
        high=matmul.gflops.high / naive.gflops.low,
        extrapolated=naive.extrapolated or matmul.extrapolated,
        basis="; ".join(f"{len(c.seconds_per_call)} samples of {c.method} at N = {c.n}" for c in timed),
        naive_seconds=naive.call_seconds,
        matmul_seconds=matmul.call_seconds,
        withheld=_why_withheld(timed),
    )
    ratio = quotient(matmul.alone, naive.alone)
    return msgspec.structs.replace(
        seen,
        factor=ratio.value,
        low=ratio.low,
        high=ratio.high,
        extrapolated=any(c.extrapolated and c.alone.source == "calls" for c in (naive, matmul)),
        basis=f"{_rests_on(naive)}; {_rests_on(matmul)}",
        naive_seconds=naive.flops / naive.alone.gflops.value / 1e9,
        matmul_seconds=matmul.flops / matmul.alone.gflops.value / 1e9,
        as_it_was=seen,
    )


def _rests_on(cell: Cell) -> str:
    return f"{cell.alone.uncontended} uncontended {cell.alone.source} of {cell.method} at N = {cell.n}"


def _timed(cells: Sequence[Cell], cell: Cell) -> Cell:
    """The cell whose samples this one's rate comes from: itself, or what it was extrapolated from."""
    basis = (c for c in cells if (c.method, c.n) == (cell.method, cell.extrapolated_from))
    return next(basis, cell) if cell.extrapolated else cell


def _why_withheld(cells: Sequence[Cell]) -> str | None:
    """Why nothing should be said that rests on these cells; None if there is no reason."""
    invalid = (f"{c.method} at N = {c.n} cannot be true: {c.invalid[0]}" for c in cells if c.invalid)
    return next(invalid, None)


def _cube_law(measured: Mapping[Key, Cell]) -> list[CubeLaw]:
    """How far the cube law was off, from each measured size to the next larger one of a Python method."""
    found = []
    for method in PYTHON_METHODS:
        own = sorted((c for c in measured.values() if c.method == method), key=lambda c: c.n)
        for base, cell in itertools.pairwise(own):
            predicted = base.call_seconds * (cell.n / base.n) ** 3
            found.append(CubeLaw(method, cell.n, base.n, predicted, cell.call_seconds))
    return found


def _expectation(cell: Cell) -> Expectation | None:
    if (cell.method, cell.n) not in EXPECTED:
        return None
    low, high = EXPECTED[cell.method, cell.n]
    rate = cell.gflops.median
    alarm: Literal["vectorised", "no BLAS"] | None = None
    if cell.method in PYTHON_METHODS and rate > VECTORISED_ABOVE:
        alarm = "vectorised"
    if cell.method == "matmul" and rate < NO_BLAS_BELOW:
        alarm = "no BLAS"
    return Expectation(cell, low, high, "below" if rate < low else "above" if rate > high else "inside", alarm)


def _embedding(series: Mapping[Key, Series]) -> Embedding | None:
    """The lookup as a gather and as a product, and the projection: median times."""
    found = {name: series.get((name, WIDTH)) for name in (GATHER, ONE_HOT, PROJECTION)}
    gather, one_hot, projection = found[GATHER], found[ONE_HOT], found[PROJECTION]
    if gather is None or one_hot is None or projection is None:
        return None
    seconds = median(projection.seconds)
    return Embedding(
        vocabulary=VOCABULARY,
        width=WIDTH,
        batch=BATCH,
        tokens=TOKENS,
        lookup_flops=one_hot.flops,
        gather_seconds=median(gather.seconds),
        one_hot_seconds=median(one_hot.seconds),
        projection_flops=projection.flops,
        projection_seconds=seconds,
        projection_gflops=projection.flops / seconds / 1e9,
    )
