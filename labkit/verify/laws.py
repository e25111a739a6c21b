"""What must be so whatever was measured: extrapolations, the cube law, the roof, a loop that is interpreted."""

import itertools
from collections.abc import Iterator

from labkit import statistics
from labkit.physics import GROWTH_IN_FLOPS, OVERHEAD_BELOW_N
from labkit.roof import coprocessor, crossover_n, ridge
from labkit.verify import requirements as lab
from labkit.verify.outcome import Check, of_faults, unknown
from labkit.verify.rates import seconds
from labkit.verify.shapes import Cell, Results
from labkit.verify.submission import Submission

_SAME = 1e-6
# An interpreter's time a step may be halved or doubled by what else the machine does while a size is measured.
_CUBE_LAW_WITHIN = 2.5
# A time that is eight times another to seven digits was computed, not measured.
_COMPUTED = 1e-7
# The median of an even number of times is not quite that of their rates.
_MEDIANS_WITHIN = 0.05
# One core in fp32, GFLOPS: from the smallest boards to the widest vectors. And what its memory gives, GB/s.
_PEAK_RANGE, _DRAM_RANGE = (0.05, 1000.0), (0.3, 2000.0)
# The roof's own record beside the results may come from a later run, on a machine that drifts.
_ROOF_WITHIN = 1.25
# The sentinel is a dot product: its rate in another run is the same within a factor of two.
_SENTINEL_WITHIN = 2.5
# A share times the peak is the cell's best rate, but for what the machine's mood was when the roof was taken.
_SHARES_WITHIN = 1.6
_NAMES = ("extrapolations marked", "extrapolations lawful", "cube law", "roof", "below the roof", "interpreted rate")


def checks(given: Submission) -> Iterator[Check]:
    """Laws, in the order in which they build on each other."""
    if given.results is None:
        yield from (unknown(name, "results.json cannot be read") for name in _NAMES)
        return
    results = given.results
    yield of_faults("extrapolations marked", list(_unmarked(results)), "what was not measured says so")
    yield of_faults("extrapolations lawful", list(_unlawful(results)), _lawful(results))
    yield of_faults(
        "cube law", list(_cube_law_faults(results)), "time grows as N^3 in pure Python, and with N elsewhere"
    )
    yield of_faults("roof", list(_roof_faults(given, results)), "peak, bandwidth, ridge and crossover go together")
    yield of_faults("below the roof", list(_above_roof(given, results)), "no cell is faster than the core's peak")
    yield of_faults(
        "interpreted rate",
        list(_too_fast_for_python(results)),
        "naive and blocked run at an interpreter's rate: their inner loop is not vectorised",
    )


def _lawful(results: Results) -> str:
    names = [cell.name for cell in results.cells if cell.extrapolated]
    return f"by the cube law, from a size that was measured: {', '.join(names)}" if names else "nothing is extrapolated"


def _unmarked(results: Results) -> Iterator[str]:
    for cell in results.cells:
        if cell.extrapolated and cell.seconds_per_call:
            yield f"{cell.name} is marked as extrapolated, and has repetitions"
        if cell.extrapolated and cell.extrapolated_from is None:
            yield f"{cell.name} does not say what it is extrapolated from"
        if cell.extrapolated:
            continue
        if cell.extrapolated_from is not None or cell.extrapolated_seconds is not None:
            yield f"{cell.name} is extrapolated, and not marked: set extrapolated to true, or measure it"
        elif not cell.seconds_per_call:
            yield f"{cell.name} has no repetitions, and is not marked as extrapolated"
        elif base := _computed_from(results, cell):
            yield f"{cell.name} is {cell.n // base.n}^3 times N={base.n} to the last digit: computed, and not marked"


def _computed_from(results: Results, cell: Cell) -> Cell | None:
    """The smaller cell whose time, by the cube law, is that of each of this one's repetitions to the last digit.

    Of a pure-Python method: others have so many repetitions that one falls upon the law by chance.
    """
    if not lab.interpreted(cell.method):
        return None
    for base in results.measured:
        if base.method == cell.method and base.n < cell.n and base.seconds_per_call:
            timed = [seconds(base), base.flops / base.gflops.median / 1e9, *base.seconds_per_call]
            by_law = [(cell.n / base.n) ** 3 * s for s in timed if s > 0]
            if all(any(abs(one / s - 1) < _COMPUTED for s in by_law) for one in cell.seconds_per_call):
                return base
    return None


def _unlawful(results: Results) -> Iterator[str]:
    for cell in results.cells:
        if not cell.extrapolated:
            continue
        if not lab.interpreted(cell.method):
            yield f"{cell.name} is extrapolated: it takes seconds at most, so measure it"
            continue
        if cell.n < lab.FEWER_FROM_N:
            yield f"{cell.name} is extrapolated: the lab allows that from N={lab.FEWER_FROM_N} on; run `make bench`"
        base = results.cell(cell.method, cell.extrapolated_from or 0)
        if base is None or base.extrapolated:
            yield f"{cell.name} is extrapolated from N={cell.extrapolated_from}, which was not measured"
            continue
        if not _as_base(cell, base):
            yield f"{cell.name} is extrapolated, and its rates or its total are not those of N={base.n}"
        if base.n >= cell.n or (cell.n >= lab.FEWER_FROM_N and base.n < lab.EXTRAPOLATED_FROM_N):
            yield f"{cell.name} is extrapolated from N={base.n}: take N={lab.EXTRAPOLATED_FROM_N} or more, below it"
        predicted = seconds(base) * (cell.n / base.n) ** 3
        by_rate = cell.flops / cell.gflops.median / 1e9
        said = by_rate if cell.extrapolated_seconds is None else cell.extrapolated_seconds
        if any(abs(one / predicted - 1) > _MEDIANS_WITHIN for one in (said, by_rate)):
            yield f"{cell.name}: T(N) = (N/m)^3 T(m) gives {predicted:.5g} s from N={base.n}, not {by_rate:.5g} s"

    if results.protocol.measure_all and any(cell.extrapolated for cell in results.cells):
        yield "the protocol says that everything was measured, and some cells are extrapolated"


def _as_base(cell: Cell, base: Cell) -> bool:
    """Whether an extrapolated cell claims nothing that its base does not: the same rates, and no time of its own."""
    rates = ("median", "best", "p90", "low", "high")
    same = all(abs(getattr(cell.gflops, r) / getattr(base.gflops, r) - 1) < _SAME for r in rates)
    return same and not cell.total_seconds


def _cube_law_faults(results: Results) -> Iterator[str]:
    for method in dict.fromkeys(cell.method for cell in results.measured):
        own = sorted((c for c in results.measured if c.method == method and c.seconds_per_call), key=lambda c: c.n)
        for small, large in itertools.pairwise(own):
            if min(seconds(small), seconds(large)) <= 0:
                continue
            ratio = seconds(large) / seconds(small) / (large.n / small.n) ** 3
            if lab.interpreted(method) and not 1 / _CUBE_LAW_WITHIN <= ratio <= _CUBE_LAW_WITHIN:
                yield f"{large.name} took {ratio:.3g} times what the cube law makes of N={small.n}: measure again"
            grows = small.n >= OVERHEAD_BELOW_N and large.flops >= GROWTH_IN_FLOPS * small.flops
            if grows and seconds(large) <= seconds(small):
                yield f"{large.name} took no longer than N={small.n}, at {large.flops / small.flops:.3g} times the flop"


def _roof_faults(given: Submission, results: Results) -> Iterator[str]:
    roof = results.roof
    for what, value, (low, high), unit in (
        ("the peak", roof.peak_gflops, _PEAK_RANGE, "GFLOPS"),
        ("the bandwidth of DRAM", roof.dram_gbs, _DRAM_RANGE, "GB/s"),
    ):
        if not low <= value <= high:
            yield f"{what} is {value:.4g} {unit}: one core has {low:g} to {high:g}"
            return
    for what, value, follows in (
        ("the ridge", roof.ridge_flop_per_byte, ridge(roof.peak_gflops, roof.dram_gbs)),
        ("the crossover", roof.crossover_n, crossover_n(roof.peak_gflops, roof.dram_gbs)),
    ):
        if abs(value / follows - 1) > _SAME:
            yield f"{what} is recorded as {value:.5g}, peak and bandwidth give {follows:.5g}"
    sentinel = roof.sentinel.gbs.median * roof.peak_per_byte
    if sentinel <= 0 or not 1 / _SENTINEL_WITHIN <= roof.peak_gflops / sentinel <= _SENTINEL_WITHIN:
        yield f"the peak is {roof.peak_gflops:.4g} GFLOPS, the sentinel makes it {sentinel:.4g}: measure the roof again"
    shares = [c.roof.share * roof.peak_gflops / c.gflops.best for c in results.measured]
    if shares and not 1 / _SHARES_WITHIN <= statistics.median(shares) <= _SHARES_WITHIN:
        yield f"the shares of the cells say that the peak is {statistics.median(shares):.3g} times what is recorded"
    beside = given.roofline
    if beside is None or given.manifest is None or beside.machine.cpu != given.manifest.hardware.cpu:
        return
    if beside.machine.numpy != given.manifest.versions.get("numpy"):
        return
    measured = beside.peak.fp32_fma_gflops.best
    if not 1 / _ROOF_WITHIN <= roof.peak_gflops / measured <= _ROOF_WITHIN:
        yield f"the peak is {roof.peak_gflops:.4g} GFLOPS here, and {measured:.4g} in kernels.json of the same machine"


def _above_roof(given: Submission, results: Results) -> Iterator[str]:
    apart = ("matmul", "einsum_optimized") if _has_coprocessor(given) else ()
    for cell in results.cells:
        if cell.method in apart:
            continue
        if cell.gflops.low > results.roof.peak_gflops:
            yield f"{cell.name}: {cell.gflops.low:.4g} GFLOPS or more, above the peak of {results.roof.peak_gflops:.4g}"
        elif cell.gflops.best > _ROOF_WITHIN * results.roof.peak_gflops:
            yield f"{cell.name}: a repetition at {cell.gflops.best:.4g} GFLOPS is far above the peak"
        elif cell.roof.low > 1:
            yield f"{cell.name} reaches {100 * cell.roof.share:.0f} % of the roof ({100 * cell.roof.low:.0f} % or more)"
    e = results.embedding
    if e and "matmul" not in apart and e.projection_gflops > _ROOF_WITHIN * results.roof.peak_gflops:
        yield f"the projection of the embedding is said to run at {e.projection_gflops:.4g} GFLOPS, above the peak"
    for cell in results.measured:
        if cell.invalid:
            yield f"{cell.name} is called invalid by its own record: {cell.invalid[0]}"


def _has_coprocessor(given: Submission) -> bool:
    """Whether np.matmul runs on a unit of its own, which the core's peak does not bound: Apple's, on its own system."""
    manifest = given.manifest
    if manifest is None or not manifest.blas.library:
        return False
    return coprocessor(manifest.blas.library) and "Darwin" in manifest.versions.get("system", "Darwin")


def _too_fast_for_python(results: Results) -> Iterator[str]:
    for cell in results.cells:
        if lab.interpreted(cell.method) and cell.gflops.median > lab.INTERPRETED_BELOW_GFLOPS:
            yield (
                f"{cell.name} runs at {1e3 * cell.gflops.median:.0f} MFLOPS, above the lab's 100: its inner loop was "
                "vectorised (C[i] += A[i, k] * B[k] is), so write C[i, j] += A[i, k] * B[k, j]"
            )
