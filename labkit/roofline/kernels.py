"""Kernels on the roofline: at which intensity each stands, which limit it answers to, whether it is below it. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from labkit.machine.hardware import products_beside_the_core
from labkit.records.model import KernelTraffic, Rate, Results, Roofline
from labkit.roofline.alone import PEAK, alone_turns, rate
from labkit.roofline.bandwidth import DRAM
from labkit.roofline.model import NO_REUSE_INTENSITY, attainable, compulsory_intensity, proven_intensity

COPY, DOT = "memcpy", "dot"
# A call that fetches less than this from a level fetches nothing there: what an interrupt leaves behind.
NEGLIGIBLE_BYTES = 4096
METHODS = ("naive", "blocked", "einsum", "matmul")
MATMUL_N = 1024


@dataclass(frozen=True)
class PlacedKernel:
    """A kernel and the limit that it answers to, a level of memory or "peak".

    `fraction` is the median rate over the limit, `low` and `high` its interval. The intensity of a product lies
    between `intensity` and `intensity_high`; of others it is known, and the latter None. A copy does no flops: its
    intensity and GFLOPS are 0, and `gbs` says what it moves.
    """

    name: str
    n: int
    limit: str
    fraction: float
    low: float
    high: float
    intensity: float  # flop/byte
    intensity_high: float | None
    gflops: float
    gbs: float | None = None
    extrapolated_from: int | None = None
    source: Literal["roofline", "benchmark"] = "roofline"

    @property
    def extrapolated(self) -> bool:
        return self.extrapolated_from is not None


def place(roofline: Roofline, results: Results | None = None) -> list[PlacedKernel]:
    """A copy, a dot product and the methods at N = 1024: those from the benchmark's results where they are given.

    It is the rate and the fraction of its limit on a core alone.
    """
    _, turns = alone_turns(roofline.samples)
    samples = {s.name: s for s in roofline.samples if s.seconds}
    peak, dram = roofline.peak.fp32_fma_gflops.best, next(r.gbs for r in roofline.ridge if r.level == DRAM)
    placed = []
    if copy := samples.get(COPY):
        gbs = rate(copy, turns)
        placed.append(PlacedKernel(COPY, copy.n, DRAM, *_over(dram, gbs), 0.0, None, 0.0, gbs.median))
    if dot := samples.get(DOT):
        reached, working_set = rate(dot, turns), 2 * 4 * dot.n
        level, bandwidth = bandwidth_at(working_set, roofline)
        intensity = dot.flops / working_set
        limit = attainable(intensity, peak, bandwidth)
        placed.append(PlacedKernel(DOT, dot.n, level, *_over(limit, reached), intensity, None, reached.median))
    for method in METHODS:
        origin: tuple[int | None, Literal["roofline", "benchmark"]] = (None, "roofline")
        if cell := results and results.cell(method, MATMUL_N):
            part, gflops = cell.peak_fraction, cell.alone.gflops.value
            fractions = (part.value, part.low, part.high)
            origin = (cell.extrapolated_from if cell.alone.source == "calls" else None, "benchmark")
        elif own := samples.get(method):
            reached = rate(own, turns)
            fractions, gflops = _over(peak, reached), reached.median
        else:
            continue
        # Between no reuse, or what its rate proves, and compulsory traffic.
        low, high = max(NO_REUSE_INTENSITY, proven_intensity(gflops, dram)), compulsory_intensity(MATMUL_N)
        placed.append(PlacedKernel(method, MATMUL_N, PEAK, *fractions, low, high, gflops, None, *origin))
    return placed


@dataclass(frozen=True)
class Delivered:
    """What a level delivers to a call: bytes, flops for each of them, and the GFLOPS that this level then allows."""

    level: str
    bytes: int
    intensity: float | None  # None of hardly a byte
    gflops: float
    gbs: float  # that the level delivers at most


def delivered(kernel: KernelTraffic, roofline: Roofline) -> list[Delivered]:
    """By level, nearest first: what is fetched into a cache comes from the one beyond it, at last from DRAM."""
    peak, gbs = roofline.peak.fp32_fma_gflops.best, {r.level: r.gbs for r in roofline.ridge}
    names, found = list(kernel.bytes), []
    for level, size in zip([*names[1:], DRAM], kernel.bytes.values(), strict=True):
        intensity = kernel.flops / size if size > NEGLIGIBLE_BYTES else None
        most = gbs.get(level, math.inf)  # of a cache that the roofline did not see
        found.append(Delivered(level, size, intensity, attainable(intensity or math.inf, peak, most), most))
    return found


def nearest_limit(gflops: float, peak_fraction: float, levels: Sequence[Delivered]) -> tuple[str, float]:
    """(the limit that a rate is nearest to, a level or the peak; the fraction of it that is reached)."""
    memory = [(d.level, gflops / d.gflops) for d in levels if d.intensity]
    return max([(PEAK, peak_fraction), *memory], key=lambda limit: limit[1])


def _over(limit: float, rate: Rate) -> tuple[float, float, float]:
    """(fraction, low, high)."""
    return rate.median / limit, rate.low / limit, rate.high / limit


def bandwidth_at(working_set: int, roofline: Roofline) -> tuple[str, float]:
    """(level, GB/s) that bounds a kernel over so many bytes: its level's, or that of sets of its size if higher."""
    by_level = {r.level: r.gbs for r in roofline.ridge}
    holding = (f"L{c.level}" for c in sorted(roofline.levels, key=lambda c: c.level) if working_set <= c.bytes)
    level = next((level for level in holding if level in by_level), DRAM)
    near = [s.gbs.best for s in roofline.working_sets if 0.7 <= s.working_set_bytes / working_set <= 1.45]
    return level, max([by_level[level], *near])


def above_roof(roofline: Roofline) -> list[str]:
    """Why the roofline cannot be right: what was measured with it stands above its limit by more than its interval."""
    best = roofline.peak.fp32_fma_gflops.best
    return [
        f"{k.name} at n = {k.n} reaches {100 * k.fraction:.0f} % ({100 * k.low:.0f} to {100 * k.high:.0f} %) "
        f"of the {k.limit} limit"
        for k in place(roofline)
        if k.low > 1 and not (k.name == "matmul" and products_beside_the_core(roofline.machine))
    ] + [
        f"the {c.name} ceiling, {c.gflops.low:.1f} GFLOPS or more, lies above the peak of {best:.1f}"
        for c in roofline.ceilings
        if c.name != "FMA + ADD" and c.gflops.low > best
    ]
