"""From a run's samples to all that is said of it: the one maker of conclusions. Pure."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

import msgspec

from labkit import quality, stats
from labkit.records.model import (
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
    measured = _measured_cells(m, series, reference)
    cells = _with_extrapolations(list(measured.values()), m.protocol.methods, m.protocol.sizes)
    aa_tests = _aa_tests(series)
    floor = stats.noise_floor([ratio for _, ratio in aa_tests])
    flags = quality.flags(reference, m.cpus, reference.by_round())
    noisy = quality.noisy(flags)
    return Analysis(
        cells=cells,
        speedup=_largest_speedup(cells, m.protocol.sizes, measured_only=False),
        speedup_measured=_largest_speedup(cells, m.protocol.sizes, measured_only=True),
        noise=Noise(noisy, len(flags), quality.describe(flags) if noisy else []),
        aa_tests=[_comparison(name + AGAIN, name, n, ratio, 0.0) for (name, n), ratio in aa_tests],
        noise_floor=floor,
        comparisons=_comparisons(series, measured, floor),
        cube_law=_cube_law(measured),
        expectations=[e for cell in cells if (e := _expectation(cell))],
        embedding=_embedding(series),
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


def _measured_cells(m: Measurement, series: Mapping[Key, Series], reference: Series) -> dict[Key, Cell]:
    cells = {
        key: _cell(s, reference, m) for key, s in series.items() if key[0] in m.protocol.methods and reference.seconds
    }
    resolution = m.protocol.clock_resolution_seconds
    own = {key: series[key] for key in cells}
    faults = quality.implausible(cells, own, m.roof.peak_gflops, m.roof.bounds_matmul, resolution)
    for key, reasons in faults.items():
        cells[key].invalid = reasons
    return cells


def _cell(s: Series, reference: Series, m: Measurement) -> Cell:
    gflops, flags = Rate.of(s.rates), quality.flags(s, m.cpus, reference.by_round())
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
        contended=flags.count("slowed") / len(flags),
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


def _comparisons(series: Mapping[Key, Series], measured: Mapping[Key, Cell], floor: float) -> list[Comparison]:
    """Each blocked variant against naive, wherever both were measured."""
    found = []
    for method, n in measured:
        if method in PYTHON_METHODS and method != "naive" and ("naive", n) in measured:
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
    """Its interval is the quotient of theirs, so a cautious one."""
    timed = [_timed(cells, naive), _timed(cells, matmul)]
    return Speedup(
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


def _timed(cells: Sequence[Cell], cell: Cell) -> Cell:
    """The cell whose samples this one's rate comes from: itself, or what it was extrapolated from."""
    basis = (c for c in cells if (c.method, c.n) == (cell.method, cell.extrapolated_from))
    return next(basis, cell) if cell.extrapolated else cell


def _why_withheld(cells: Sequence[Cell]) -> str | None:
    """Why nothing should be said that rests on these cells; None if there is no reason."""
    for cell in cells:
        if cell.invalid:
            return f"{cell.method} at N={cell.n} cannot be true: {cell.invalid[0]}"
    for cell in cells:
        if quality.interrupted(cell.flags):
            noise = quality.describe(cell.flags)[0]
            return f"{cell.method} at N={cell.n} did not have its core to itself: {noise}"
    return None


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
