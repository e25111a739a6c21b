"""From a run's samples to all that is said of it: the one maker of conclusions. Pure."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

import msgspec

from labkit import contention, quality, stats
from labkit.contention import CoreState
from labkit.records.model import (
    Alone,
    Cell,
    Comparison,
    Embedding,
    Estimate,
    Flag,
    Measurement,
    Rate,
    Results,
    Roof,
    Series,
    Speedup,
)
from labkit.stats import Ratio

REFERENCE = "reference"  # the series of the reference kernel
SLICE = " slice"  # ends the name of a Python method that was timed in slices
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
class WholeCalls:
    """Uncontended whole calls of a pure-Python method: how many, and their rate over that of its slices."""

    method: str
    n: int
    calls: int
    ratio: float


@dataclass(frozen=True)
class Noise:
    """Whether the run as a whole was disturbed, by the reference kernel that stands in every round of it."""

    noisy: bool
    samples: int
    because: list[str]


@dataclass(frozen=True)
class Analysis:
    """All that follows from the samples of a run."""

    cells: list[Cell]
    speedup: Speedup | None  # at the largest size; extrapolated where it must be
    speedup_measured: Speedup | None  # at the largest size at which both were run
    noise: Noise
    aa_tests: list[Comparison]
    noise_floor: float  # a portion: comparisons within it are not resolved
    comparisons: list[Comparison]  # each blocked variant against naive
    cube_law: list[CubeLaw]
    expectations: list[Expectation]
    embedding: Embedding | None
    whole_calls: list[WholeCalls]
    core: CoreState | None  # None of a record without readings
    flags: dict[Key, list[Flag | None]] = field(default_factory=dict)

    def cell(self, method: str, n: int) -> Cell | None:
        """The cell of a method at a size, if there is one."""
        return next((c for c in self.cells if (c.method, c.n) == (method, n)), None)

    @property
    def invalid(self) -> list[Cell]:
        """Measured cells that cannot be true."""
        return [cell for cell in self.cells if cell.invalid and not cell.extrapolated]


def derive(m: Measurement) -> Analysis:
    """Everything. Cells of which nothing is known yet are left out."""
    series = {(s.name, s.n): s for s in m.samples if s.seconds}
    reference = next((s for (name, _), s in series.items() if name == REFERENCE), Series(name=REFERENCE, n=0))
    core = _core(m)
    measured = _measured_cells(m, series, reference, core)
    cells = _with_extrapolations(list(measured.values()), m.protocol.methods, m.protocol.sizes)
    if core:
        cells = [_alone(cell, series, core) for cell in cells]
    aa_tests = _aa_tests(series)
    floor = stats.noise_floor([ratio for _, ratio in aa_tests])
    flags = quality.flags(reference, m.cpus, reference.by_round(), _contended(reference, core))
    noisy = quality.noisy(flags)
    return Analysis(
        cells=cells,
        speedup=_largest_speedup(cells, m.protocol.sizes, measured_only=False),
        speedup_measured=_largest_speedup(cells, m.protocol.sizes, measured_only=True),
        noise=Noise(noisy, len(flags), quality.describe(flags) if noisy else []),
        aa_tests=[_comparison(name + AGAIN, name, n, ratio, 0.0) for (name, n), ratio in aa_tests],
        noise_floor=floor,
        comparisons=_comparisons(series, measured, cells, floor),
        cube_law=_cube_law(measured),
        expectations=[e for cell in cells if (e := _expectation(cell))],
        embedding=_embedding(series),
        whole_calls=_whole_calls(cells, series, core) if core else [],
        core=core,
        flags={**{key: cell.flags for key, cell in measured.items()}, (REFERENCE, reference.n): flags},
    )


def results(m: Measurement) -> Results:
    """The record with its derived part: what `results.json` holds."""
    found = derive(m)
    raw = {name: getattr(m, name) for name in Measurement.__struct_fields__}
    return Results(**raw, cells=found.cells, speedup=found.speedup, embedding=found.embedding)


# --- cells ---------------------------------------------------------------------------------------------


def peak_fraction(s: Series, reference: Series, roof: Roof) -> Estimate:
    """(cell / reference) in this run times (reference / peak) from the roofline, with the intervals of both.

    By processor time: what a busy process takes away, it takes from the two unevenly.
    """
    here = stats.ratio_of_fastest(s.by_round(processor_time=True), reference.by_round(processor_time=True))
    peak = roof.peak_flop_per_reference_byte
    product = stats.multiply(here, Ratio(1 / peak.value, 1 / peak.high, 1 / peak.low, here.pairs, "ci95"))
    return Estimate(value=product.value, low=product.low, high=product.high)


def _core(m: Measurement) -> CoreState | None:
    """The state of the core over the run, where it was read."""
    readings = m.readings
    if not readings.fma_gflops:
        return None
    known = 1 / m.roof.peak_flop_per_reference_byte.value
    return contention.core_state(readings.fma_gflops, readings.l1_gbs, readings.l2_gbs, known)


def _contended(s: Series, core: CoreState | None) -> list[bool] | None:
    """Whether the core was shared, one figure a sample."""
    return [not fine for fine in core.uncontended(s.probe)] if core and s.probe else None


def _alone(cell: Cell, series: Mapping[Key, Series], core: CoreState) -> Cell:
    """The cell with what it does on a core of its own: from its slices where it has some, else from its calls."""
    source: Literal["calls", "slices"] = "slices"
    s = series.get((cell.method + SLICE, cell.n))
    if not s:
        s, source = series.get((cell.method, cell.extrapolated_from or cell.n)), "calls"
    if not (s and s.probe):
        return cell
    rates = s.by_round(processor_time=True).values()
    fractions = [rate / fma for rate, fma in zip(rates, core.beside(s.probe), strict=True)]
    e = contention.estimate(fractions, core.uncontended(s.probe).tolist(), s.at)
    # A bound that the peak lowers: nothing that is below it now goes beyond.
    high = min(e.high, 1.0) if e.bound and e.value < 1 else e.high
    fraction = Estimate(value=e.value, low=e.low, high=high)
    peak = core.peak_gflops
    alone = Alone(
        gflops=Estimate(value=e.value * peak, low=e.low * peak, high=high * peak),
        uncontended=e.uncontended,
        samples=len(fractions),
        source=source,
        bound=e.bound,
    )
    return msgspec.structs.replace(cell, peak_fraction=fraction, alone=alone)


def _whole_calls(cells: Sequence[Cell], series: Mapping[Key, Series], core: CoreState) -> list[WholeCalls]:
    found = []
    for cell in cells:
        s = series.get((cell.method, cell.n))
        if cell.alone and cell.alone.source == "slices" and s and s.probe:
            fine, beside = core.uncontended(s.probe), core.beside(s.probe)
            rates = s.by_round(processor_time=True).values()
            fractions = [rate / fma for rate, fma, alone in zip(rates, beside, fine, strict=True) if alone]
            if len(fractions) >= FEWEST_WHOLE_CALLS:
                ratio = median(fractions) / cell.peak_fraction.value
                found.append(WholeCalls(cell.method, cell.n, len(fractions), ratio))
    return found


def _measured_cells(
    m: Measurement, series: Mapping[Key, Series], reference: Series, core: CoreState | None
) -> dict[Key, Cell]:
    cells = {
        key: _cell(s, reference, m, core)
        for key, s in series.items()
        if key[0] in m.protocol.methods and reference.seconds
    }
    resolution = m.protocol.clock_resolution_seconds
    own = {key: series[key] for key in cells}
    faults = quality.implausible(cells, own, m.roof.peak_gflops, m.roof.bounds_matmul, resolution)
    for key, reasons in faults.items():
        cells[key].invalid = reasons
    return cells


def _cell(s: Series, reference: Series, m: Measurement, core: CoreState | None) -> Cell:
    gflops = Rate.of(s.rates)
    flags = quality.flags(s, m.cpus, reference.by_round(), _contended(s, core))
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
        peak_fraction=peak_fraction(s, reference, m.roof),
        contended=sum(flag in ("slowed", "contended") for flag in flags) / len(flags),
        noisy=wide or quality.noisy(flags),
        flags=flags,
        invalid=[],
        notes=notes,
    )


def _with_extrapolations(measured: Sequence[Cell], methods: Sequence[str], sizes: Sequence[int]) -> list[Cell]:
    """The measured cells, and for each that is not measured (yet) its extrapolation from the largest that is."""
    cells = list(measured)
    for method in methods:
        own = [cell for cell in measured if cell.method == method]
        for n in sizes:
            if own and n not in [cell.n for cell in own]:
                smaller = [cell for cell in own if cell.n < n] or own
                cells.append(_extrapolated(max(smaller, key=lambda cell: cell.n), n))
    return sorted(cells, key=lambda cell: (methods.index(cell.method), cell.n))


def _extrapolated(base: Cell, n: int) -> Cell:
    """The cell of order n by the cube law: the rate of the base."""
    return msgspec.structs.replace(
        base,
        n=n,
        extrapolated=True,
        extrapolated_from=base.n,
        seconds_per_call=[],
        total_seconds=0.0,
        flags=[],
        notes=[f"extrapolated from N={base.n} by the cube law"],
    )


# --- comparisons ---------------------------------------------------------------------------------------


def paired(a: Series, b: Series) -> Ratio | None:
    """How many times as fast a is as b, from samples taken in the same round; None without any."""
    x, y = a.by_round(), b.by_round()
    common = sorted(x.keys() & y.keys())
    return stats.paired_ratio([x[r] for r in common], [y[r] for r in common]) if common else None


def _alone_ratio(a: Cell, b: Cell) -> Ratio | None:
    """How many times as fast a is as b on a core alone; None where that is not known."""
    if not (a.alone and b.alone) or a.alone.bound or b.alone.bound:
        return None
    x, y = a.peak_fraction, b.peak_fraction
    return stats.multiply(
        Ratio(x.value, x.low, x.high, a.alone.uncontended, "ci95"),
        Ratio(1 / y.value, 1 / y.high, 1 / y.low, b.alone.uncontended, "ci95"),
    )


def _comparison(method: str, other: str, n: int, ratio: Ratio, floor: float) -> Comparison:
    return Comparison(
        method=method,
        other=other,
        n=n,
        ratio=ratio.value,
        low=ratio.low,
        high=ratio.high,
        pairs=ratio.pairs,
        interval=ratio.interval,
        verdict=stats.verdict(ratio, floor),
    )


def _aa_tests(series: Mapping[Key, Series]) -> list[tuple[Key, Ratio]]:
    """Each method that was timed under a second name, against itself."""
    found = []
    for (name, n), s in series.items():
        first = series.get((name.removesuffix(AGAIN), n))
        if name.endswith(AGAIN) and first and (ratio := paired(s, first)):
            found.append(((first.name, n), ratio))
    return found


def _comparisons(
    series: Mapping[Key, Series], measured: Mapping[Key, Cell], cells: Sequence[Cell], floor: float
) -> list[Comparison]:
    """Each blocked variant against naive: alone where both are known so, else wherever both were measured, in pairs."""
    by_key, found = {(c.method, c.n): c for c in cells}, []
    for (method, n), cell in by_key.items():
        naive = by_key.get(("naive", n))
        if method not in PYTHON_METHODS or method == "naive" or not naive:
            continue
        ratio = _alone_ratio(cell, naive)
        if not ratio and (method, n) in measured and ("naive", n) in measured:
            ratio = paired(series[method, n], series["naive", n])
        if ratio:
            found.append(_comparison(method, "naive", n, ratio, floor))
    return sorted(found, key=lambda c: (PYTHON_METHODS.index(c.method), c.n))


def _largest_speedup(cells: Sequence[Cell], sizes: Sequence[int], measured_only: bool) -> Speedup | None:
    """The speedup of np.matmul over naive at the largest size that has both."""
    for n in sorted(sizes, reverse=True):
        here = {c.method: c for c in cells if c.n == n and not (measured_only and c.extrapolated)}
        if "naive" in here and "matmul" in here:
            return _speedup(cells, here["naive"], here["matmul"])
    return None


def _speedup(cells: Sequence[Cell], naive: Cell, matmul: Cell) -> Speedup:
    """Of a core alone where that is known. The interval of the other is the quotient of theirs, so a cautious one."""
    timed = [_timed(cells, naive), _timed(cells, matmul)]
    seen = Speedup(
        n=naive.n,
        factor=matmul.gflops.median / naive.gflops.median,
        low=matmul.gflops.low / naive.gflops.high,
        high=matmul.gflops.high / naive.gflops.low,
        extrapolated=naive.extrapolated or matmul.extrapolated,
        basis="; ".join(f"{len(c.seconds_per_call)} samples of {c.method} at N={c.n}" for c in timed),
        naive_seconds=naive.call_seconds,
        matmul_seconds=matmul.call_seconds,
        withheld=_why_withheld(timed),
    )
    if not (naive.alone and matmul.alone):
        return seen
    slow, fast = naive.alone.gflops, matmul.alone.gflops
    ratio = stats.multiply(
        Ratio(fast.value, fast.low, fast.high, matmul.alone.uncontended, "ci95"),
        Ratio(1 / slow.value, 1 / slow.high, 1 / slow.low, naive.alone.uncontended, "ci95"),
    )
    return msgspec.structs.replace(
        seen,
        factor=ratio.value,
        low=ratio.low,
        high=ratio.high,
        extrapolated=any(c.extrapolated and c.alone and c.alone.source == "calls" for c in (naive, matmul)),
        basis=f"{_rests_on(naive)}; {_rests_on(matmul)}",
        naive_seconds=naive.flops / slow.value / 1e9,
        matmul_seconds=matmul.flops / fast.value / 1e9,
        withheld=_why_invalid(timed),
        as_it_was=seen,
    )


def _rests_on(cell: Cell) -> str:
    assert cell.alone
    return f"{cell.alone.uncontended} uncontended {cell.alone.source} of {cell.method} at N={cell.n}"


def _timed(cells: Sequence[Cell], cell: Cell) -> Cell:
    """The cell whose samples this one's rate comes from: itself, or what it was extrapolated from."""
    basis = (c for c in cells if (c.method, c.n) == (cell.method, cell.extrapolated_from))
    return next(basis, cell) if cell.extrapolated else cell


def _why_withheld(cells: Sequence[Cell]) -> str | None:
    """Why nothing should be said of wall times that rest on these cells; None if there is no reason."""
    if why := _why_invalid(cells):
        return why
    for cell in cells:
        if quality.interrupted(cell.flags):
            noise = quality.describe(cell.flags)[0]
            return f"{cell.method} at N={cell.n} did not have its core to itself: {noise}"
    return None


def _why_invalid(cells: Sequence[Cell]) -> str | None:
    invalid = (f"{c.method} at N={c.n} cannot be true: {c.invalid[0]}" for c in cells if c.invalid)
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
