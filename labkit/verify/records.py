"""Demands B and G: what results.json and kernels.json say, held against what `derive` makes of their samples."""

import math
import statistics
from collections.abc import Iterator, Sequence
from itertools import chain, combinations, product

import msgspec

from labkit.records.derive import PYTHON_METHODS, VECTORISED_ABOVE, Analysis
from labkit.records.model import Cell, Results, Roofline, Series
from labkit.roofline import derive as roofline_derive
from labkit.roofline.obtain import limits_of
from labkit.verify import assignment as asked
from labkit.verify.outcome import SAME, Check, judge, unequal
from labkit.verify.submission import UNUSABLE, Submission

# A computed time, stated as measured, is the cube law's to more digits than a clock has. Samples have seven.
COMPUTED = 3e-7
FOLLOWS, POSSIBLE = "G1 what is recorded follows from the samples", "G2 nothing is impossible"
SAMPLES, MARKED = "B3 samples and seconds", "B3 extrapolations are marked"
AGREED, DRAWN, WHOLE = "A5 agreement, as recorded", "A8 seed and dtype, as recorded", "B8 the run is complete"
SIZED, FOUR, WARM, INTERPRETED = "B1 the sizes", "B2 the methods", "B4 a call before timing", "B6 naive is interpreted"
# What is said of each where nothing is wrong.
DEMANDS = {
    FOLLOWS: "rates, fractions of peak and speedup, derived again",
    POSSIBLE: "no rate above the peak, no time that does not grow with N",
    SIZED: f"each method has a cell at N = {', '.join(map(str, asked.SIZES))}",
    FOUR: ", ".join(asked.METHODS),
    SAMPLES: f"{asked.MIN_SAMPLES} samples and {asked.MIN_SECONDS:g} s a cell, or as B3 allows",
    MARKED: "each cell without samples is marked, and allowed",
    WARM: "one untimed call before each cell",
    INTERPRETED: "the Python loops run below 100 MFLOPS",
    AGREED: "within rtol 1e-5 of |A| @ |B|, exact on integers",
    DRAWN: f"seed {asked.SEED}, {asked.DTYPE}",
    WHOLE: "it went to its end",
}
SPEEDUP = "B7 speedup of 50 or more"
ROOFLINE, SAME_ROOF = "G4 the roofline follows from its samples", "D2 the roof is the roofline's"

Faults = Iterator[tuple[str, str]]  # (demand, what is wrong)


def checks(given: Submission) -> Iterator[Check]:
    """results.json, then the roofline if there is one."""
    if given.results:
        results, found = given.results
        of_cells = (_of_a_cell(cell, results, found) for cell in found.cells)
        faults = list(
            chain(_of_the_record(results, found), _of_the_run(results, found), _of_the_samples(results), *of_cells)
        )
        for demand, met in DEMANDS.items():
            yield judge(demand, (fault for name, fault in faults if name == demand), met)
        yield _speedup(found)
    else:
        yield Check(FOLLOWS, False, f"results.json {given.faults['results.json']}")
        yield from (Check(name, None, f"see {FOLLOWS[:2]}") for name in (*DEMANDS, SPEEDUP) if name != FOLLOWS)
    if given.roofline:
        yield from _roofline(given.roofline, given.results and given.results[0])


def _name(s: Series | Cell) -> str:
    return f"{s.name if isinstance(s, Series) else s.method} at N = {s.n}"


# --- results.json: each fault with the demand that it misses -----------------------------------------------


def _of_the_record(results: Results, found: Analysis) -> Faults:
    """Where the derived part of the record is not what its samples give."""
    if len({_name(cell) for cell in results.cells}) < len(results.cells):
        yield FOLLOWS, "a cell stands in results.json twice"
    derived = ("roof", "speedup", "embedding")
    recorded, wanted = (
        {_name(cell): cell for cell in x.cells} | {name: getattr(x, name) for name in derived} for x in (results, found)
    )
    for fault in unequal(msgspec.to_builtins(recorded), msgspec.to_builtins(wanted)):
        yield FOLLOWS, fault


def _of_the_run(results: Results, found: Analysis) -> Faults:
    """What was measured, and how."""
    p, a = results.protocol, results.agreement
    yield from ((SIZED, f"N = {n} was not asked for") for n in asked.SIZES if n not in p.sizes)
    for method, n in product(asked.METHODS, asked.SIZES):
        if method in p.methods and n in p.sizes and not found.cell(method, n):
            yield SIZED, f"{method} has no cell at N = {n}"
    yield from ((FOUR, f"{m} was not measured") for m in asked.METHODS if not any(c.method == m for c in found.cells))
    if p.block_size != asked.BLOCK_SIZE:
        yield FOUR, f"blocked was measured with blocks of {p.block_size}, not of {asked.BLOCK_SIZE}"
    if p.warmup_calls < asked.WARMUP_CALLS:
        yield WARM, "there was no untimed call before a cell"
    if (p.seed, p.dtype) != (asked.SEED, asked.DTYPE):
        yield DRAWN, f"the seed is {p.seed} and the dtype {p.dtype}, not {asked.SEED} and {asked.DTYPE}"
    if results.status == "partial":
        yield WHOLE, "it was stopped before its end: give the same command again, and it goes on"
    if p.quick:
        yield WHOLE, "it is a quick run, which leaves out what takes long: run it without --quick"
    if a.n < asked.AGREEMENT_N or a.rtol > asked.RTOL or a.atol > asked.ATOL:
        yield AGREED, f"it was checked at N = {a.n} with rtol {a.rtol:g} and atol {a.atol:g}"
    for method in dict.fromkeys((*asked.METHODS, *p.methods)):
        one = a.methods.get(method)
        if one is None:
            yield AGREED, f"{method} was not checked"
        elif not (one.within_bound and one.exact_on_integers):
            yield AGREED, f"{method} {'is not exact on integers' if one.within_bound else 'is outside the bound'}"


def _of_the_samples(results: Results) -> Faults:
    """What no clock shows, and copies."""
    timed = [s for s in results.samples if s.seconds]
    for s in timed:
        if s.name in results.protocol.methods and s.flops != 2 * s.n**3:
            yield POSSIBLE, f"{_name(s)} counts {s.flops:,} flops per call, not 2 N^3"
        if len(s.seconds) >= asked.MIN_SAMPLES and len(set(s.seconds)) == 1:
            yield POSSIBLE, f"{_name(s)}: all {len(s.seconds)} samples took the very same time, which no clock shows"
        if len(set(s.rounds)) < len(s.rounds):
            yield POSSIBLE, f"{_name(s)} has two samples of one round: one is a copy"
    for a, b in combinations(timed, 2):
        if len(a.seconds) >= asked.MIN_SAMPLES and a.seconds == b.seconds:
            yield POSSIBLE, f"the samples of {_name(b)} are those of {_name(a)}"


def _of_a_cell(cell: Cell, results: Results, found: Analysis) -> Faults:
    """What is wrong with one cell, derived again."""
    name, many, seconds = _name(cell), len(cell.seconds_per_call), cell.total_seconds
    in_python = cell.method in PYTHON_METHODS
    may_be_fewer = in_python and cell.n >= asked.FEWER_FROM_N
    if in_python and cell.gflops.median > VECTORISED_ABOVE:
        yield INTERPRETED, f"{name} runs at {1000 * cell.gflops.median:.0f} MFLOPS: something in it is vectorised"
    if cell.extrapolated:
        own = results.cell(cell.method, cell.n)
        if own and not own.extrapolated:
            yield MARKED, f"{name} has no samples, and is not marked as extrapolated"
        if not may_be_fewer:
            yield MARKED, f"{name} is extrapolated: measure it"
        elif (cell.extrapolated_from or 0) < cell.n // 2:
            yield MARKED, f"{name} is extrapolated from N = {cell.extrapolated_from}: from half its size is allowed"
        return
    yield from ((POSSIBLE, f"{name}: {reason}") for reason in cell.invalid)
    if many < asked.MIN_SAMPLES and not may_be_fewer:
        yield SAMPLES, f"{name} has {many} of {asked.MIN_SAMPLES} samples"
    if seconds < asked.MIN_SECONDS * (1 - SAME) and not may_be_fewer:
        yield SAMPLES, f"{name} was timed for {seconds:.3g} s, not for {asked.MIN_SECONDS:g} s"
    base = found.cell(cell.method, cell.n // 2)
    if in_python and base and base.seconds_per_call and _is_computed(cell.seconds_per_call, base.seconds_per_call):
        yield MARKED, f"{name} was computed as 8 times N = {base.n}, not measured: mark it as extrapolated"


def _is_computed(seconds: Sequence[float], base: Sequence[float]) -> bool:
    """Whether every time is eight times one of the base's, or of its median or mean."""
    sources = [*base, statistics.median(base), statistics.fmean(base)]
    return all(any(math.isclose(s, 8 * b, rel_tol=COMPUTED) for b in sources) for s in seconds)


def _speedup(found: Analysis) -> Check:
    said = found.speedup_measured
    if said is None:
        return Check(SPEEDUP, None, "naive and matmul were not both measured at any size")
    doubt = ": is naive vectorised, or is there no BLAS? `labkit doctor` finds the latter"
    enough = said.factor >= asked.LEAST_SPEEDUP
    factor = f"np.matmul is {said.factor:,.0f} times as fast as naive at N = {said.n}, the largest measured"
    return Check(SPEEDUP, enough, factor + doubt * (not enough))


# --- the roofline beside it --------------------------------------------------------------------------------


def _roofline(recorded: Roofline, results: Results | None) -> Iterator[Check]:
    try:
        found, limits = roofline_derive.derive(recorded), limits_of(recorded)
    except UNUSABLE as error:
        yield Check(ROOFLINE, False, f"nothing can be derived from the samples of kernels.json: {error}")
        return
    faults = [f"kernels.json: {fault}" for fault in unequal(msgspec.to_builtins(recorded), msgspec.to_builtins(found))]
    faults += [f"it cannot be right: {fault}" for fault in found.faults]
    yield judge(ROOFLINE, faults, "peak, bandwidths and ridges, derived again")
    if results:
        used, there = results.limits.peak_gflops, limits.peak_gflops
        other = (
            f"the run used a peak of {used:.5g} GFLOPS, the roofline beside it has {there:.5g}: it is of another "
            "machine, or was measured again since"
        )
        yield judge(SAME_ROOF, [], f"its peak is {there:.5g} GFLOPS", "" if results.limits == limits else other)
