"""From repetitions to the record: medians, shares, extrapolations, comparisons. Pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
from comparing import comparisons, cube_law, largest_speedup, same_twice
from experiment import BATCH, GATHER, ONE_HOT, PROJECTION, TOKENS, VOCABULARY, WIDTH, Request
from sanity import check_sanity

from labkit import forensics, physics, statistics
from labkit import roof as model
from labkit.records import (
    Agreement,
    Bounded,
    Cell,
    Embedding,
    Harness,
    Noise,
    Protocol,
    Rate,
    Results,
    Roof,
    Roofline,
    RoofSentinel,
    Share,
)  # fmt: skip
from labkit.sampling import Workload
from labkit.schedule import MIN_REPETITIONS, MIN_SECONDS
from labkit.statistics import Ratio


@dataclass(frozen=True)
class MeasuringMachine:
    """What the reduction must know of the machine that measured."""

    cpus: int  # that share the steal time which the system counts
    clock_resolution: float  # s


def reduce_cell(workload: Workload, sentinel: Workload, peak_per_byte: Bounded, cpus: int) -> Cell:
    """A measured cell. Its share of the roof goes through the sentinel of the same rounds.

    `cpus`: how many share the steal time that the machine counts.
    """
    beside = sentinel.rates_by_round(sentinel.bytes)
    gflops = Rate.of(workload.rates(workload.flops))
    marks = forensics.marks(workload.repetitions, cpus, beside)
    notes = forensics.describe(marks)
    wide = forensics.wide(gflops)
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
        voluntary_switches=[r.interference.voluntary for r in workload.repetitions],
        involuntary_switches=[r.interference.involuntary for r in workload.repetitions],
        steal_seconds=[r.interference.steal_seconds for r in workload.repetitions],
        sentinel_gbs=[beside.get(r.round) for r in workload.repetitions],
        marks=marks,
        gflops=gflops,
        roof=share_of_roof(workload, sentinel, peak_per_byte),
        noisy=wide or forensics.noisy(marks),
        invalid=[],
        notes=notes,
    )


def share_of_roof(workload: Workload, sentinel: Workload, peak_per_byte: Bounded) -> Share:
    """(cell / sentinel) here times (sentinel / peak) from the roof, with the intervals of both.

    By processor time: what a busy process beside us takes away, it takes from cell and sentinel unevenly.
    """
    in_sentinels = statistics.ratio_of_fastest(
        workload.own_rates_by_round(workload.flops), sentinel.own_rates_by_round(sentinel.bytes)
    )
    sentinels_a_peak = Ratio(
        1 / peak_per_byte.value, 1 / peak_per_byte.high, 1 / peak_per_byte.low, in_sentinels.pairs, "ci95"
    )
    share = statistics.multiply(in_sentinels, sentinels_a_peak)
    return Share(share=share.value, low=share.low, high=share.high)


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
        voluntary_switches=[],
        involuntary_switches=[],
        steal_seconds=[],
        sentinel_gbs=[],
        marks=[],
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


def reduce_noise(sentinel: Workload, cpus: int) -> Noise:
    """Whether the run was disturbed, by the sentinel that stands in every round of it."""
    marks = forensics.marks(sentinel.repetitions, cpus, sentinel.rates_by_round(sentinel.bytes))
    counts = {mark: marks.count(mark) for mark in forensics.WORDS if mark in marks}
    noisy = forensics.noisy(marks)
    return Noise(noisy=noisy, visits=len(marks), marks=counts, because=forensics.describe(marks) if noisy else [])


def mark_impossible(cells: Sequence[Cell], roofline: Roofline, resolution: float) -> None:
    """Write into each cell why it cannot be true, if it cannot."""
    peak, apart = roofline.peak.fp32_fma_gflops.best, model.coprocessor(roofline.machine.blas)
    found = physics.violations(cells, peak, resolution, apart)
    for cell in cells:
        cell.invalid = found.get((cell.method, cell.n), [])


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
    twins: Sequence[Workload],
    machine: MeasuringMachine,
) -> Results:
    """The whole record. Cells of which nothing is known yet are left out, and the status is partial."""
    peak_per_byte = roofline.sentinel.peak_flop_per_sentinel_byte
    measured = [reduce_cell(w, sentinel, peak_per_byte, machine.cpus) for w in workloads if w.repetitions]
    mark_impossible(measured, roofline, machine.clock_resolution)
    cells, twice = complete_cells(measured, request), same_twice(twins, workloads)
    return Results(
        schema="matmul-perf/1",
        status="complete" if complete else "partial",
        short_name=short_name,
        protocol=Protocol(
            seed=protocol["seed"], dtype="float32", sizes=list(request.sizes), methods=list(request.methods),
            block_size=protocol["block_size"], warmup_calls=1, min_repetitions=MIN_REPETITIONS,
            min_seconds=MIN_SECONDS, measure_all=request.measure_all, quick=request.quick,
            clock_resolution_seconds=machine.clock_resolution,
        ),
        agreement=agreement,
        cells=cells,
        roof=reduce_roof(roofline, sentinel),
        sanity=check_sanity(cells),
        speedup=largest_speedup(cells, request.sizes, measured_only=False),
        speedup_measured=largest_speedup(cells, request.sizes, measured_only=True),
        noise=reduce_noise(sentinel, machine.cpus),
        same_twice=twice,
        comparisons=comparisons(cells, twice.floor),
        cube_law=cube_law(cells),
        embedding=reduce_embedding(embedding),
        harness=harness,
    )  # fmt: skip
