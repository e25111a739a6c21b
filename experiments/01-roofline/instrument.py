"""Visits the probes in permuted rounds and reduces what they say to the roof's record."""

import json
import time
from collections.abc import Sequence
from functools import partial
from typing import Literal

import numpy as np
from probes import Target, clock_probe, host_target, peak_probe, stream_probe

from labkit import machine, provenance, sampling, statistics
from labkit.console import Screen
from labkit.errors import LabError
from labkit.records import (
    Bandwidth,
    Blas,
    Bounded,
    Cache,
    Ceiling,
    CoreClock,
    Git,
    Hardware,
    Peak,
    PlacedKernel,
    Rate,
    Ridge,
    Roofline,
    Saturation,
    SentinelPeak,
)  # fmt: skip
from labkit.roof import compulsory_intensity, matmul_flops
from labkit.sampling import SystemClock, Workload

SEED = 42
ROUNDS = 60
# Briefer than the lab's visits: there are more of them in a round, and a round must stay brief.
VISIT_SECONDS = 0.004
SWEEP_VISITS, SWEEP_TOLERANCE = 5, 0.02
ACCUMULATORS = (1, 2, 4, 6, 8, 10, 12, 16, 20, 24)
SPARE_REGISTERS = 2  # for the multiplier and the addend
PROBE_VISITS = 40

PATTERNS: tuple[Literal["load", "copy", "triad"], ...] = ("load", "copy", "triad")
# A working set well inside its level and well outside the one below.
LEVEL_PORTION = {1: 1 / 2, 2: 1 / 2, 3: 1 / 4, 4: 1 / 4}
DRAM_TIMES_LAST_LEVEL, DRAM_MEMORY_PORTION = 4, 1 / 16
DRAM_LEAST, DRAM_MOST = 64 << 20, 512 << 20  # bytes
NO_CACHES_NOTE = "the machine reports no caches: L1 is taken to be 32 KiB, and no other level is measured"
UNREPORTED_L1 = 32 << 10  # bytes: what a machine that reports no caches has at least

DOT_N, MATMUL_N, NAIVE_N, NAIVE_VISITS = 1_000_000, 1024, 64, 6
FLOAT = 4  # bytes


def working_sets(caches: Sequence[Cache], memory_bytes: int) -> dict[str, int]:
    """Bytes in all for each level that is reported, and for DRAM, within the memory that may be used."""
    known = {cache.level: cache.bytes for cache in caches} or {1: UNREPORTED_L1}
    sets = {f"L{level}": int(size * LEVEL_PORTION.get(level, 1 / 4)) for level, size in sorted(known.items())}
    beyond = max(DRAM_TIMES_LAST_LEVEL * max(known.values()), DRAM_LEAST)
    allowed = min(DRAM_MOST, int(memory_bytes * DRAM_MEMORY_PORTION))
    return {**{level: size for level, size in sets.items() if size <= allowed}, "DRAM": min(beyond, allowed)}


def widths(target: Target) -> list[tuple[int, str]]:
    """(lanes, instruction set) worth sweeping: the widest, and AVX2 where AVX-512 may not be faster."""
    return [(16, "AVX-512"), (8, "AVX2 + FMA")] if target.lanes == 16 else [(target.lanes, target.instruction_set)]


def sweep(target: Target, clock: sampling.Clock) -> list[tuple[Saturation, Workload]]:
    """The peak over the number of accumulators, best of a few visits each."""
    found = []
    for lanes, name in widths(target):
        for accumulators in ACCUMULATORS:
            if accumulators + SPARE_REGISTERS > target.registers:
                continue
            try:
                workload = peak_probe(target, lanes, accumulators, target.fma, "peak")
            except LabError:
                continue  # spilled or folded: not a loop whose rate means anything
            sampling.calibrate(workload, clock, VISIT_SECONDS / 4)
            best = min(sampling.take(workload, clock, -1).seconds for _ in range(SWEEP_VISITS))
            workload.repetitions.clear()
            found.append(
                (
                    Saturation(
                        instruction_set=name,
                        lanes=lanes,
                        accumulators=accumulators,
                        gflops=workload.flops / best / 1e9,
                    ),
                    workload,
                )
            )
    if not found:
        raise LabError("no peak loop could be compiled as meant on this machine: the roof cannot be measured")
    return found


def choose(swept: list[tuple[Saturation, Workload]]) -> tuple[Saturation, Workload]:
    """The loop to measure the peak with: of those that are as good as the best, the one with most chains.

    A loop with just enough chains falls behind whenever one is late; one with more does not.
    """
    best = max(saturation.gflops for saturation, _ in swept)
    as_good = [pair for pair in swept if pair[0].gflops >= (1 - SWEEP_TOLERANCE) * best]
    return max(as_good, key=lambda pair: (pair[0].accumulators, pair[0].gflops))


def measure(screen: Screen) -> tuple[Roofline, Hardware, Blas, Git]:
    """Everything, in a quarter of a minute."""
    started = time.perf_counter()
    clock, target = SystemClock(), host_target()
    hardware, library, git = provenance.observe()
    screen.say(f"Measuring the roof of one core: {hardware.short_name}, {target.instruction_set}.")
    swept = sweep(target, clock)
    chosen, peak = choose(swept)
    ceilings = _ceilings(target, chosen)
    ghz, sentinel = clock_probe(), sampling.make_sentinel()
    sets = working_sets(hardware.caches, hardware.memory_bytes)
    streams = {(level, p): stream_probe(target, p, level, size) for level, size in sets.items() for p in PATTERNS}
    kernels = _kernels(sets["DRAM"])
    visited = [peak, ghz, sentinel, *ceilings.values(), *streams.values(), *kernels]
    for workload in visited:
        sampling.warm_up(workload, clock)
        sampling.calibrate(workload, clock, VISIT_SECONDS)
    naive = _naive(clock)
    rng = np.random.default_rng(SEED)
    for round_ in range(ROUNDS):
        for i in rng.permutation(len(visited)):
            sampling.take(visited[i], clock, round_)
        if round_ % (ROUNDS // NAIVE_VISITS) == 0:
            sampling.take(naive, clock, round_)
    roofline = _reduce(
        hardware,
        library,
        [s for s, _ in swept],
        chosen,
        peak,
        ceilings,
        ghz,
        sentinel,
        streams,
        [naive, *kernels],
    )
    roofline.seconds = time.perf_counter() - started
    return roofline, hardware, library, git


def _ceilings(target: Target, chosen: Saturation) -> dict[str, Workload]:
    """What the core does without one of its means: one lane, 128 bits, no FMA."""
    n = chosen.accumulators
    wanted = {
        "scalar": (1, target.fma),
        "128-bit": (4, target.fma),
        "no FMA": (chosen.lanes, False),
    }
    found = {}
    for name, (lanes, fma) in wanted.items():
        # Scalars and narrow vectors have as many registers as the chosen width, or 16 without AVX-512.
        count = min(n, 16 - SPARE_REGISTERS - 2)
        if lanes == chosen.lanes and fma == target.fma:
            continue
        try:
            found[name] = peak_probe(target, lanes, count, fma, name)
        except LabError:
            continue
    return found


def _kernels(dram_bytes: int) -> list[Workload]:
    """NumPy's own: a copy out of DRAM, a dot product of 10^6, a product of order 1024."""
    rng = np.random.default_rng(SEED)
    source = np.ones(dram_bytes // 2 // FLOAT, dtype=np.float32)
    x, y = (rng.standard_normal(DOT_N).astype(np.float32) for _ in range(2))
    A, B = (rng.standard_normal((MATMUL_N, MATMUL_N)).astype(np.float32) for _ in range(2))
    return [
        Workload("memcpy", source.nbytes, partial(np.copyto, source.copy(), source), bytes=2 * source.nbytes),
        Workload("dot", DOT_N, partial(np.dot, x, y), flops=2 * DOT_N),
        Workload("matmul", MATMUL_N, partial(np.matmul, A, B, out=np.empty_like(A)), flops=matmul_flops(MATMUL_N)),
    ]


def _naive(clock: sampling.Clock) -> Workload:
    """The lab's own naive product, at a size that can be waited for."""
    import sys

    from roofline import LAB

    sys.path.append(str(LAB))
    from bench import make_operands, matmul_naive

    A, B = make_operands(NAIVE_N)
    naive = Workload("naive", NAIVE_N, partial(matmul_naive, A, B, out=np.empty_like(A)), flops=matmul_flops(NAIVE_N))
    sampling.warm_up(naive, clock)
    return naive


# --- reduce -----------------------------------------------------------------------------------------


def _reduce(
    hardware: Hardware, library: Blas, swept: list[Saturation], chosen: Saturation, peak: Workload,
    ceilings: dict[str, Workload], ghz: Workload, sentinel: Workload,
    streams: dict[tuple[str, Literal["load", "copy", "triad"]], Workload], kernels: Sequence[Workload],
) -> Roofline:  # fmt: skip
    gflops, clock = Rate.of(peak.rates(peak.flops)), Rate.of(ghz.rates(ghz.flops))
    in_sentinels = statistics.share_of_standard(
        peak.rates_by_round(peak.flops), sentinel.rates_by_round(sentinel.bytes)
    )
    bandwidth = [
        Bandwidth(level=level, pattern=pattern, working_set_bytes=w.n, gbs=Rate.of(w.rates(w.bytes)))
        for (level, pattern), w in streams.items()
    ]
    levels = {b.level: max(x.gbs.best for x in bandwidth if x.level == b.level) for b in bandwidth}
    return Roofline(
        schema="roofline/1",
        machine=machine.identity(hardware, library),
        short_name=hardware.short_name,
        peak=Peak(
            fp32_fma_gflops=gflops, instruction_set=chosen.instruction_set, lanes=chosen.lanes,
            accumulators=chosen.accumulators, flops_per_cycle=gflops.best / clock.best, sweep=swept,
        ),
        ceilings=[Ceiling(name=name, gflops=Rate.of(w.rates(w.flops))) for name, w in ceilings.items()],
        clock=CoreClock(ghz=clock, nominal_ghz=machine.nominal_ghz()),
        bandwidth=bandwidth,
        ridge=[Ridge(level=level, flop_per_byte=gflops.best / gbs, gbs=gbs) for level, gbs in levels.items()],
        sentinel=SentinelPeak(
            gbs=Rate.of(sentinel.rates(sentinel.bytes)),
            peak_flop_per_sentinel_byte=Bounded(value=in_sentinels.value, low=in_sentinels.low, high=in_sentinels.high),
        ),
        kernels=[_place(w) for w in kernels],
        rounds=ROUNDS,
        seconds=0.0,
        notes=_notes(hardware, streams),
    )  # fmt: skip


def _notes(hardware: Hardware, streams: dict[tuple[str, Literal["load", "copy", "triad"]], Workload]) -> list[str]:
    """What is missing from this roof."""
    if not hardware.caches:
        return [NO_CACHES_NOTE]
    last, dram = max(cache.bytes for cache in hardware.caches), streams["DRAM", "load"].n
    if dram < 0.9 * DRAM_TIMES_LAST_LEVEL * last:
        return [
            f"DRAM was measured over {dram >> 20} MiB, as memory allowed: less than {DRAM_TIMES_LAST_LEVEL} times the "
            f"last cache of {last >> 20} MiB, so a part of it may be that cache's"
        ]
    return []


def _place(w: Workload) -> PlacedKernel:
    """Where a kernel stands: flop a byte of its compulsory traffic, and its median rate."""
    seconds = statistics.median(w.seconds)
    if w.method == "naive":
        low, high = 0.25, compulsory_intensity(MATMUL_N)
    elif w.method == "matmul":
        low, high = 0.25, compulsory_intensity(w.n)
    else:
        low, high = (w.flops / (2 * FLOAT * w.n) if w.flops else 0.0), None
    return PlacedKernel(
        name=w.method, n=MATMUL_N if w.method == "naive" else w.n, intensity=low, intensity_high=high,
        gflops=w.flops / seconds / 1e9, gbs=w.bytes / seconds / 1e9 if w.bytes else None,
        extrapolated=w.method == "naive", extrapolated_from=w.n if w.method == "naive" else None,
    )  # fmt: skip


def quick_probe() -> str:
    """Peak and clock alone, as JSON: the 90th percentile of brief visits side by side."""
    clock, target = SystemClock(), host_target()
    # Enough chains for four units of latency four, where there are registers for them.
    accumulators = 16 if target.registers >= 32 else 10
    probes = [peak_probe(target, lanes, accumulators, target.fma, "peak") for lanes, _ in widths(target)]
    visited = [*probes, clock_probe()]
    for workload in visited:
        sampling.calibrate(workload, clock, VISIT_SECONDS / 4)
    for visit in range(PROBE_VISITS):
        for workload in visited:
            sampling.take(workload, clock, visit)
    peak = max(Rate.of(w.rates(w.flops)).p90 for w in probes)
    ghz = Rate.of(visited[-1].rates(visited[-1].flops)).p90
    return json.dumps({"fp32_fma_gflops": round(peak, 3), "clock_ghz": round(ghz, 4)})
