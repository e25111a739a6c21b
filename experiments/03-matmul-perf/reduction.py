"""From repetitions to the record: medians, shares, extrapolations, comparisons. Pure functions."""

import itertools
from collections.abc import Mapping, Sequence

import msgspec
from experiment import BATCH, GATHER, ONE_HOT, PROJECTION, PYTHON_METHODS, TOKENS, VOCABULARY, WIDTH, Request
from sanity import check_sanity

from labkit import roof as model
from labkit import statistics
from labkit.records import (
    Agreement,
    Bounded,
    Cell,
    CubeLaw,
    Embedding,
    Harness,
    MethodComparison,
    Protocol,
    Rate,
    Results,
    Roof,
    Roofline,
    RoofSentinel,
    Share,
    Speedup,
)  # fmt: skip
from labkit.sampling import Repetition, Workload
from labkit.schedule import MIN_REPETITIONS, MIN_SECONDS
from labkit.statistics import Ratio

# CPU over wall time of one thread: below, the repetition was preempted; above, a second thread ran.
PREEMPTED_BELOW, SECOND_THREAD_ABOVE = 0.98, 1.05
# A cell is noisy when more than a tenth of it was disturbed or its interval is wider than a fifth.
NOISY_PORTION, NOISY_WIDTH = 0.10, 0.20


def reduce_cell(workload: Workload, sentinel: Workload, peak_per_byte: Bounded) -> Cell:
    """A measured cell. Its share of the roof goes through the sentinel of the same rounds."""
    in_sentinels = statistics.ratio_of_fastest(
        workload.rates_by_round(workload.flops), sentinel.rates_by_round(sentinel.bytes)
    )
    sentinels_a_peak = Ratio(
        1 / peak_per_byte.value, 1 / peak_per_byte.high, 1 / peak_per_byte.low, in_sentinels.pairs, "ci95"
    )
    share = statistics.multiply(in_sentinels, sentinels_a_peak)
    gflops = Rate.of(workload.rates(workload.flops))
    notes = disturbances(workload.repetitions)
    disturbed = sum(not PREEMPTED_BELOW <= r.cpu_over_wall <= SECOND_THREAD_ABOVE for r in workload.repetitions)
    wide = gflops.interval == "ci95" and gflops.high - gflops.low > NOISY_WIDTH * gflops.median
    if wide:
        notes.append(f"its interval is {100 * (gflops.high - gflops.low) / gflops.median:.0f} % wide")
    return Cell(
        method=workload.method,
        n=workload.n,
        flops=workload.flops,
        extrapolated=False,
        extrapolated_from=None,
        extrapolated_seconds=None,
        calls_per_repetition=max(r.calls for r in workload.repetitions),
        seconds_per_call=workload.seconds,
        rounds=[r.round for r in workload.repetitions],
        total_seconds=workload.total_seconds,
        cpu_over_wall=[r.cpu_over_wall for r in workload.repetitions],
        gflops=gflops,
        roof=Share(share=share.value, low=share.low, high=share.high),
        noisy=wide or disturbed > NOISY_PORTION * len(workload.repetitions),
        notes=notes,
    )


def disturbances(repetitions: Sequence[Repetition]) -> list[str]:
    """What the CPU clock says of a cell's repetitions."""
    preempted = sum(r.cpu_over_wall < PREEMPTED_BELOW for r in repetitions)
    threaded = sum(r.cpu_over_wall > SECOND_THREAD_ABOVE for r in repetitions)
    notes = []
    if preempted:
        notes.append(f"{preempted} of {len(repetitions)} repetitions were preempted")
    if threaded:
        notes.append(f"{threaded} of {len(repetitions)} repetitions had a second thread")
    return notes


def extrapolate(base: Cell, n: int) -> Cell:
    """The cell of order n by the cube law: the rate of the base, and the seconds that follow from it."""
    flops = model.matmul_flops(n)
    return msgspec.structs.replace(
        base,
        n=n,
        flops=flops,
        extrapolated=True,
        extrapolated_from=base.n,
        extrapolated_seconds=flops / base.gflops.median / 1e9,
        calls_per_repetition=0,
        seconds_per_call=[],
        rounds=[],
        total_seconds=0.0,
        cpu_over_wall=[],
        notes=[f"extrapolated from N={base.n} by the cube law"],
    )


def complete_cells(measured: Sequence[Cell], request: Request) -> list[Cell]:
    """The measured cells, and for each that is not measured (yet) its extrapolation from the largest that is."""
    cells = list(measured)
    for method in request.methods:
        own = [cell for cell in measured if cell.method == method]
        for n in request.sizes:
            if own and n not in [cell.n for cell in own]:
                smaller = [cell for cell in own if cell.n < n] or own
                cells.append(extrapolate(max(smaller, key=lambda cell: cell.n), n))
    order = list(request.methods)
    return sorted(cells, key=lambda cell: (order.index(cell.method), cell.n))


def seconds_of(cell: Cell) -> float:
    """The median time of a call, or what the cube law makes of it."""
    return cell.flops / cell.gflops.median / 1e9


def speedup(naive: Cell | None, matmul: Cell | None) -> Speedup | None:
    """np.matmul over naive at one size. Its interval is the quotient of theirs, so a cautious one."""
    if naive is None or matmul is None:
        return None
    return Speedup(
        n=naive.n,
        factor=matmul.gflops.median / naive.gflops.median,
        low=matmul.gflops.low / naive.gflops.high,
        high=matmul.gflops.high / naive.gflops.low,
        extrapolated=naive.extrapolated or matmul.extrapolated,
        naive_seconds=seconds_of(naive),
        matmul_seconds=seconds_of(matmul),
    )


def largest_speedup(cells: Sequence[Cell], sizes: Sequence[int], measured_only: bool) -> Speedup | None:
    """The speedup at the largest size that has both methods."""
    for n in sorted(sizes, reverse=True):
        here = {c.method: c for c in cells if c.n == n and not (measured_only and c.extrapolated)}
        found = speedup(here.get("naive"), here.get("matmul"))
        if found:
            return found
    return None


def compare(a: Cell, b: Cell) -> MethodComparison | None:
    """How many times as fast a is as b, from repetitions that were taken in the same round."""
    of_a, of_b = (dict(zip(c.rounds, c.seconds_per_call, strict=True)) for c in (a, b))
    common = sorted(of_a.keys() & of_b.keys())
    if not common:
        return None
    ratio = statistics.paired_ratio([of_b[r] for r in common], [of_a[r] for r in common])
    return MethodComparison(
        method=a.method, other=b.method, n=a.n, ratio=ratio.value, low=ratio.low, high=ratio.high,
        pairs=ratio.pairs, interval=ratio.interval, verdict=statistics.verdict(ratio),
    )  # fmt: skip


def comparisons(cells: Sequence[Cell]) -> list[MethodComparison]:
    """Each blocked variant against naive, wherever both were measured."""
    naive = {cell.n: cell for cell in cells if cell.method == "naive"}
    others = [cell for cell in cells if cell.method in PYTHON_METHODS and cell.method != "naive" and cell.n in naive]
    found = [compare(cell, naive[cell.n]) for cell in others]
    return [comparison for comparison in found if comparison]


def cube_law(cells: Sequence[Cell]) -> list[CubeLaw]:
    """How far the cube law was off, from each measured size to the next larger one of a Python method."""
    found = []
    for method in PYTHON_METHODS:
        own = sorted((c for c in cells if c.method == method and not c.extrapolated), key=lambda c: c.n)
        for base, cell in itertools.pairwise(own):
            predicted = seconds_of(base) * (cell.n / base.n) ** 3
            found.append(
                CubeLaw(
                    method=method,
                    n=cell.n,
                    predicted_from=base.n,
                    predicted_seconds=predicted,
                    measured_seconds=seconds_of(cell),
                    ratio=seconds_of(cell) / predicted,
                )
            )
    return found


def reduce_embedding(workloads: Sequence[Workload]) -> Embedding | None:
    """The lookup as a gather and as a product, and the projection: median times."""
    by_name = {w.method: w for w in workloads}
    if not all(w.repetitions for w in workloads):
        return None
    times = {name: statistics.median(w.seconds) for name, w in by_name.items()}
    return Embedding(
        vocabulary=VOCABULARY, width=WIDTH, batch=BATCH, tokens=TOKENS,
        lookup_flops=by_name[ONE_HOT].flops, gather_seconds=times[GATHER], one_hot_seconds=times[ONE_HOT],
        projection_flops=by_name[PROJECTION].flops, projection_seconds=times[PROJECTION],
        projection_gflops=by_name[PROJECTION].flops / times[PROJECTION] / 1e9,
    )  # fmt: skip


def reduce_roof(roofline: Roofline, sentinel: Workload) -> Roof:
    """The roof as the lab uses it: the peak, and the fastest that DRAM was seen to be."""
    peak = roofline.peak.fp32_fma_gflops.best
    dram = max(b.gbs.best for b in roofline.bandwidth if b.level == "DRAM")
    return Roof(
        peak_gflops=peak,
        dram_gbs=dram,
        ridge_flop_per_byte=model.ridge(peak, dram),
        crossover_n=model.crossover_n(peak, dram),
        sentinel=RoofSentinel(
            gbs=Rate.of(sentinel.rates(sentinel.bytes)),
            peak_flop_per_sentinel_byte=roofline.sentinel.peak_flop_per_sentinel_byte,
        ),
        statistic="mean of the fastest hundredth",
    )


def reduce_results(
    request: Request,
    protocol: Mapping[str, int],
    short_name: str,
    agreement: Agreement,
    roofline: Roofline,
    workloads: Sequence[Workload],
    sentinel: Workload,
    embedding: Sequence[Workload],
    complete: bool,
    harness: Harness,
) -> Results:
    """The whole record. Cells of which nothing is known yet are left out, and the status is partial."""
    peak_per_byte = roofline.sentinel.peak_flop_per_sentinel_byte
    measured = [reduce_cell(w, sentinel, peak_per_byte) for w in workloads if w.repetitions]
    cells = complete_cells(measured, request)
    return Results(
        schema="matmul-perf/1",
        status="complete" if complete else "partial",
        short_name=short_name,
        protocol=Protocol(
            seed=protocol["seed"], dtype="float32", sizes=list(request.sizes), methods=list(request.methods),
            block_size=protocol["block_size"], warmup_calls=1, min_repetitions=MIN_REPETITIONS,
            min_seconds=MIN_SECONDS, measure_all=request.measure_all, quick=request.quick,
        ),
        agreement=agreement,
        cells=cells,
        roof=reduce_roof(roofline, sentinel),
        sanity=check_sanity(cells),
        speedup=largest_speedup(cells, request.sizes, measured_only=False),
        speedup_measured=largest_speedup(cells, request.sizes, measured_only=True),
        comparisons=comparisons(cells),
        cube_law=cube_law(cells),
        embedding=reduce_embedding(embedding),
        harness=harness,
    )  # fmt: skip
