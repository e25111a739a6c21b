"""Demands B and G: what results.json and kernels.json say, held against what `derive` makes of their samples."""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise, product
from typing import Any

import msgspec

from labkit import quality
from labkit.machine.blas import has_matrix_unit
from labkit.records.derive import PYTHON_METHODS, VECTORISED_ABOVE, Analysis
from labkit.records.model import Cell, Results, Roofline, Series
from labkit.roofline import derive as roofline_derive
from labkit.roofline.obtain import limits_of
from labkit.verify import assignment as asked
from labkit.verify.cells import Timed
from labkit.verify.documents import facts
from labkit.verify.outcome import SAME, Check, brief, judge, unequal
from labkit.verify.submission import UNUSABLE, Submission

# A computed time, stated as measured, is the cube law's to more digits than a clock has. Samples have seven.
COMPUTED = 3e-7
MOST_COMPARED = 1_000  # times of a cell with those of another
# A rate is written with two digits or more, and may be rounded from a time that was rounded too.
ROUNDED = 0.02
# A peak that was worked out from the nominal clock is lower than what a boosted core reaches; no core has the second.
ABOVE_PEAK, MOST_GFLOPS = 1.5, 2_000.0
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
    if given.cells:
        faults = list(chain(_of_the_cells(given), *(_of_a_cell(cell, given) for cell in given.cells)))
        unknown: dict[str, str] = {}
        if given.results:
            results, found = given.results
            faults += chain(_of_the_record(results, found), _of_the_run(results), _of_the_samples(results))
        else:
            faults += _of_what_is_said(given.said)
            unknown = _untold(given)
        plain = {} if given.results else {FOLLOWS: "the rates are those that the times give"}
        for demand, met in (DEMANDS | plain).items():
            yield judge(demand, (fault for name, fault in faults if name == demand), met, unknown.get(demand, ""))
        yield _speedup(given.cells)
    else:
        yield Check(FOLLOWS, False, f"results.json {given.faults['results.json']}")
        yield from (Check(name, None, f"see {FOLLOWS[:2]}") for name in (*DEMANDS, SPEEDUP) if name != FOLLOWS)
    if given.roofline:
        yield from _roofline(given.roofline, given.results and given.results[0])


# --- cells of any layout: each fault with the demand that it misses ------------------------------------------


def cell_at(cells: Iterable[Timed], method: str, n: int) -> Timed | None:
    """The cell of a method at a size, if there is one."""
    return next((c for c in cells if (c.method, c.n) == (method, n)), None)


def _may_be_fewer(method: str, n: int) -> bool:
    return method in PYTHON_METHODS and n >= asked.FEWER_FROM_N


def _of_the_cells(given: Submission) -> Faults:
    """Which cells there are, and what cannot be true of several."""
    here = {c.method for c in given.cells}
    yield from ((FOUR, f"{m} was not measured") for m in asked.METHODS if m not in here)
    for method, n in product(asked.METHODS, asked.SIZES):
        # A record of this project writes an extrapolated cell; a plain one may leave it out, as B3 allows.
        needed = given.results is not None or not _may_be_fewer(method, n)
        if method in here and needed and not cell_at(given.cells, method, n):
            yield SIZED, f"{method} has no cell at N = {n}"
    timed = [c for c in given.cells if len(c.seconds) >= asked.MIN_SAMPLES]
    for c in timed:
        if len(set(c.seconds)) == 1:
            yield POSSIBLE, f"{c.name}: all {len(c.seconds)} samples took the very same time, which no clock shows"
    for times in _equal(timed):
        yield POSSIBLE, f"the samples of {times[1].name} are those of {times[0].name}"
    if given.results:
        return
    for method in here:
        own = [(c.n, c.flops / c.gflops) for c in given.cells if c.method == method and c.gflops and not c.extrapolated]
        for (small, brief_time), (large, long_time) in pairwise(own):
            if large >= 2 * small and long_time <= brief_time:
                yield POSSIBLE, f"the time of {method} does not grow from N = {small} to N = {large}"
    # A document of another form may name the CPU and the BLAS anywhere.
    said = " ".join(str(value) for _, value in facts([given.manifest, given.said]) if isinstance(value, str))
    peak = max(given.peaks, default=MOST_GFLOPS)
    for c in given.cells:
        bound = MOST_GFLOPS if c.method in quality.BLAS_METHODS and has_matrix_unit(said) else peak
        if c.gflops and c.gflops > ABOVE_PEAK * bound:
            yield POSSIBLE, f"{c.name} runs at {c.gflops:.4g} GFLOPS: one core reaches {bound:.4g}"


def _equal(cells: Iterable[Timed]) -> list[list[Timed]]:
    """Cells with the very same samples."""
    same = defaultdict(list)
    for c in cells:
        same[tuple(c.seconds)].append(c)
    return [group for group in same.values() if len(group) > 1]


def _of_a_cell(cell: Timed, given: Submission) -> Faults:
    """What is wrong with one cell."""
    name, in_python, fewer = cell.name, cell.method in PYTHON_METHODS, _may_be_fewer(cell.method, cell.n)
    if in_python and cell.gflops and cell.gflops > VECTORISED_ABOVE:
        yield INTERPRETED, f"{name} runs at {1000 * cell.gflops:.0f} MFLOPS: something in it is vectorised"
    if cell.extrapolated:
        if not fewer:
            yield MARKED, f"{name} is extrapolated: measure it"
        return
    if not given.results:
        yield from _rate(cell)
    if fewer:
        pass
    elif cell.many is not None and cell.many < asked.MIN_SAMPLES:
        yield SAMPLES, f"{name} has {cell.many} of {asked.MIN_SAMPLES} samples"
    elif (cell.total or cell.calls) and (cell.timed_seconds or 0) < asked.MIN_SECONDS * (1 - SAME):
        yield SAMPLES, f"{name} was timed for {cell.timed_seconds or 0:.3g} s, not for {asked.MIN_SECONDS:g} s"
    base = cell_at(given.cells, cell.method, cell.n // 2)
    if in_python and base and cell.seconds and base.seconds and _is_computed(cell.seconds, base.seconds):
        yield MARKED, f"{name} was computed as 8 times N = {base.n}, not measured: mark it as extrapolated"


def _rate(cell: Timed) -> Faults:
    """Whether a stated rate is one that the times give, whichever summary of them it is, and however it is rounded."""
    rates = cell.of_seconds
    for stated in cell.rates[:1] if rates else ():
        decimals = len(f"{stated!r}".partition(".")[2]) if "e" not in f"{stated!r}" else 17
        slack = ROUNDED * stated + 0.51 * 10.0**-decimals
        if not min(rates) - slack <= stated <= max(rates) + slack and not any(
            math.isclose(stated, unit * rate, rel_tol=ROUNDED) for rate in rates for unit in (1e-3, 1e-6, 1e-9)
        ):
            yield (
                FOLLOWS,
                f"{cell.name} states {stated:.4g} GFLOPS, and its times give {rates[0]:.4g}: 2 N^3 / seconds / 1e9",
            )


def _is_computed(seconds: Sequence[float], base: Sequence[float]) -> bool:
    """Whether every time is eight times one of the base's, or of its median or mean."""
    sources = [*base[:MOST_COMPARED], statistics.median(base), statistics.fmean(base)]
    return all(any(math.isclose(s, 8 * b, rel_tol=COMPUTED) for b in sources) for s in seconds[:MOST_COMPARED])


def _speedup(cells: Sequence[Timed]) -> Check:
    both = [(n, cell_at(cells, "naive", n), cell_at(cells, "matmul", n)) for n in sorted({c.n for c in cells})]
    timed = [(n, m.gflops / p.gflops) for n, p, m in both if p and m and p.gflops and m.gflops and not p.extrapolated]
    if not timed:
        return Check(SPEEDUP, None, "naive and matmul were not both measured at any size")
    n, factor = timed[-1]
    doubt = ": is naive vectorised, or is there no BLAS? `labkit doctor` finds the latter"
    enough = factor >= asked.LEAST_SPEEDUP
    said = f"np.matmul is {factor:,.0f} times as fast as naive at N = {n}, the largest measured"
    return Check(SPEEDUP, enough, said + doubt * (not enough))


# --- a plain results.json ----------------------------------------------------------------------------------


def _of_what_is_said(said: Any) -> Faults:
    """What a plain record says of the run, where it does."""
    for path, value in facts(said):
        key = path[-1] if path else ""
        if key == "quick" and value is True:
            yield WHOLE, "it is a quick run, which leaves out what takes long: run it again in full"
        elif key == "status" and value == "partial":
            yield WHOLE, "it was stopped before its end: run it again"
        elif "warmup" in key.replace("_", "") and value in (0, False) and value is not None:
            yield WARM, "there was no untimed call before a cell"
        elif key == "dtype" and isinstance(value, str) and "32" not in value and value not in ("single", "f4", "<f4"):
            yield DRAWN, f"the dtype is {brief(value)}, not {asked.DTYPE}"
        elif key == "block_size" and value not in (None, asked.BLOCK_SIZE, 32, 128):
            yield FOUR, f"blocked was measured with blocks of {brief(value)}, not of {asked.BLOCK_SIZE}"


def _untold(given: Submission) -> dict[str, str]:
    """What cannot be known of a plain record, and why."""
    keys = [(path[-1], value) for path, value in facts(given.said) if path]
    measured = [c for c in given.cells if not c.extrapolated]
    unknown = {AGREED: "results.json does not say; the functions are called and compared all the same"}
    if not any(c.rates and c.of_seconds for c in measured):
        unknown[FOLLOWS] = "each cell has a rate or times, not both: keep the seconds of each sample beside the rate"
    if any(_counted(c) is None for c in measured if not _may_be_fewer(c.method, c.n)):
        unknown[SAMPLES] = "how many samples were taken, or for how long, is not kept: keep the seconds of each sample"
    if not any("warmup" in key.replace("_", "") for key, _ in keys):
        unknown[WARM] = "results.json does not say: bench.py is for a reader to look at"
    if not any(key == "dtype" for key, _ in keys):
        unknown[DRAWN] = "results.json does not say the dtype; the seed is the manifest's"
    unknown[WHOLE] = "results.json does not say"
    return unknown


def _counted(cell: Timed) -> float | None:
    """Samples and seconds enough, as far as both are told; None where one is not."""
    seconds = cell.timed_seconds
    if cell.many is None or seconds is None or seconds < asked.MIN_SECONDS:
        return None
    return seconds


# --- a record of this project: what its samples give beyond that ---------------------------------------------


def _name(s: Series | Cell) -> str:
    return f"{s.name if isinstance(s, Series) else s.method} at N = {s.n}"


def _of_the_record(results: Results, found: Analysis) -> Faults:
    """Where the derived part of the record is not what its samples give, and what cannot be true of a cell."""
    if len({_name(cell) for cell in results.cells}) < len(results.cells):
        yield FOLLOWS, "a cell stands in results.json twice"
    derived = ("roof", "speedup", "embedding")
    recorded, wanted = (
        {_name(cell): cell for cell in x.cells} | {name: getattr(x, name) for name in derived} for x in (results, found)
    )
    for fault in unequal(msgspec.to_builtins(recorded), msgspec.to_builtins(wanted)):
        yield FOLLOWS, fault
    for cell in found.cells:
        own, base = results.cell(cell.method, cell.n), cell.extrapolated_from or 0
        if not cell.extrapolated:
            yield from ((POSSIBLE, f"{_name(cell)}: {reason}") for reason in cell.invalid)
        elif own and not own.extrapolated:
            yield MARKED, f"{_name(cell)} has no samples, and is not marked as extrapolated"
        elif base < cell.n // 2:
            yield MARKED, f"{_name(cell)} is extrapolated from N = {base}: from half its size is allowed"


def _of_the_run(results: Results) -> Faults:
    """What was measured, and how."""
    p, a = results.protocol, results.agreement
    yield from ((SIZED, f"N = {n} was not asked for") for n in asked.SIZES if n not in p.sizes)
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
    """Copies, and calls that are not of the product."""
    for s in results.samples:
        if s.seconds and s.name in results.protocol.methods and s.flops != 2 * s.n**3:
            yield POSSIBLE, f"{_name(s)} counts {s.flops:,} flops per call, not 2 N^3"
        if len(set(s.rounds)) < len(s.rounds):
            yield POSSIBLE, f"{_name(s)} has two samples of one round: one is a copy"


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
