"""What disturbed a sample, and what cannot be true of a cell whatever was measured. Pure.

A disturbed sample keeps its place in every figure: it is flagged, never dropped.
"""

import itertools
from collections.abc import Mapping, Sequence
from statistics import median

from labkit.contention import CoreState
from labkit.records.model import Cell, Flag, Rate, Series

# Processor time over wall time: below, something else had the core; above, a second thread worked too.
PREEMPTED_BELOW, SECOND_THREAD_ABOVE = 0.98, 1.05
# Of all the processor time that the machine had meanwhile, what the hypervisor gave to others.
STOLEN_ABOVE = 0.02
# So many of a cell's samples without the core make it noisy ...
NOISY_PORTION = 0.10
# ... or an interval as wide as this, relative to the median.
NOISY_WIDTH = 0.20

# A sample of fewer ticks of the clock is known to no better than 1 %.
LEAST_RESOLUTIONS = 100
# Below this order a call's own overhead, some microseconds, may hide the product's time ...
OVERHEAD_BELOW_N = 64
# ... and from one size to the next there must be so many times the flops before time has to grow.
GROWTH_IN_FLOPS = 2.0
# Methods that a matrix unit may run: the peak of the core's vectors does not bound them then.
BLAS_METHODS = ("matmul", "einsum_optimized")

WORDS: dict[Flag, str] = {
    "preempted": "were preempted",
    "stolen": "lost their core to the hypervisor",
    "second thread": "had a second thread",
    "contended": "shared their core",
}


def cpu_over_wall(s: Series) -> list[float]:
    """Processor time over wall time, one figure a sample; 0 where processor time is unknown."""
    return [c / w for c, w in zip(s.cpu_seconds, s.seconds, strict=True)]


def flags(s: Series, cpus: int, core: CoreState) -> list[Flag | None]:
    """What disturbed each sample most, if anything did. `cpus` share the steal time that is counted."""
    steal = s.steal_seconds or [None] * len(s.seconds)
    return [
        _flag(busy, seconds * calls * cpus, taken, alone)
        for busy, seconds, calls, taken, alone in zip(
            cpu_over_wall(s), s.seconds, s.calls, steal, core.uncontended(s.probe), strict=True
        )
    ]


def _flag(busy: float, cpu_time: float, steal: float | None, alone: bool) -> Flag | None:
    if busy > SECOND_THREAD_ABOVE:
        return "second thread"
    if steal is not None and steal > STOLEN_ABOVE * cpu_time:
        return "stolen"
    if not alone:
        return "contended"
    return "preempted" if 0 < busy < PREEMPTED_BELOW else None


def describe(found: Sequence[Flag | None]) -> list[str]:
    """How many of the samples have which flag, in words."""
    return [f"{found.count(kind)} of {len(found)} samples {words}" for kind, words in WORDS.items() if kind in found]


def wide(rate: Rate) -> bool:
    """Whether the interval of a rate is so wide that its median says little."""
    return rate.interval == "ci95" and rate.high - rate.low > NOISY_WIDTH * rate.median


def noisy(found: Sequence[Flag | None]) -> bool:
    """Whether so many samples did not have their core that wall time says little; sharing it is told apart."""
    return sum(flag not in (None, "contended") for flag in found) > NOISY_PORTION * len(found)


# --- plausibility checks -------------------------------------------------------------------------------


def implausible(
    cells: Mapping[tuple[str, int], Cell],
    samples: Mapping[tuple[str, int], Series],
    peak_gflops: float,
    bounds_matmul: bool,
    resolution: float,
) -> dict[tuple[str, int], list[str]]:
    """Why each measured cell that cannot be true cannot be, by method and size.

    `peak_gflops` is the highest peak of one core that was seen, `resolution` the clock's, s.
    """
    found: dict[tuple[str, int], list[str]] = {}
    for key, cell in cells.items():
        bounded = bounds_matmul or cell.method not in BLAS_METHODS
        found[key] = [*(_above_peak(cell, peak_gflops) if bounded else []), *_own_faults(samples[key], resolution)]
    for method in dict.fromkeys(method for method, _ in cells):
        own = sorted((cell for cell in cells.values() if cell.method == method), key=lambda cell: cell.n)
        for small, large in itertools.combinations(own, 2):
            if not _grows(small, large):
                found[method, large.n].append(f"its time does not grow from N = {small.n} to N = {large.n}")
    return {key: reasons for key, reasons in found.items() if reasons}


def _above_peak(cell: Cell, peak_gflops: float) -> list[str]:
    """Above the peak by more than the interval of either: the fraction's, or that of the rate itself."""
    fraction = cell.peak_fraction
    if fraction.low > 1:
        return [f"it reaches {100 * fraction.value:.0f} % of the peak ({100 * fraction.low:.0f} % or more)"]
    if cell.gflops.low > peak_gflops:
        return [f"its {cell.gflops.low:.1f} GFLOPS or more are above the highest peak seen, {peak_gflops:.1f}"]
    return []


def _own_faults(s: Series, resolution: float) -> list[str]:
    reasons = []
    threads = median(cpu_over_wall(s))
    if threads > SECOND_THREAD_ABOVE:
        reasons.append(f"its processor time is {threads:.2f} times its wall time: more than one thread ran")
    if min(s.seconds) * max(s.calls) < LEAST_RESOLUTIONS * resolution:
        reasons.append(f"a sample is shorter than {LEAST_RESOLUTIONS} ticks of the clock, {resolution:.1g} s each")
    return reasons


def _grows(small: Cell, large: Cell) -> bool:
    """Whether time grows as it must; True where it need not."""
    if small.n < OVERHEAD_BELOW_N or large.flops < GROWTH_IN_FLOPS * small.flops:
        return True
    return median(large.seconds_per_call) > median(small.seconds_per_call)
