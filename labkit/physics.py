"""What no measurement can show, whatever was measured: such a cell is invalid, with its reason. Pure."""

import itertools
from collections.abc import Sequence

from labkit import statistics
from labkit.forensics import SECOND_THREAD_ABOVE
from labkit.records import Cell

# A repetition of fewer ticks of the clock is known to no better than 1 %.
LEAST_RESOLUTIONS = 100
# Below this order a call's own overhead, some microseconds, may hide the product's time ...
OVERHEAD_BELOW_N = 64
# ... and from one size to the next there must be so many times the flops before time has to grow.
GROWTH_IN_FLOPS = 2.0


def violations(
    cells: Sequence[Cell], peak_gflops: float, resolution: float, coprocessor: bool = False
) -> dict[tuple[str, int], list[str]]:
    """Why each impossible cell is impossible, by method and size.

    `peak_gflops` is the highest peak of one core that was seen, `resolution` the clock's, s. With `coprocessor`
    np.matmul runs on a unit of its own, which the core's peak does not bound.
    """
    found: dict[tuple[str, int], list[str]] = {}
    measured = [cell for cell in cells if not cell.extrapolated]
    for cell in measured:
        bounded = not (coprocessor and cell.method in ("matmul", "einsum_optimized"))
        reasons = [*(_above_roof(cell, peak_gflops) if bounded else []), *_own_faults(cell, resolution)]
        found[cell.method, cell.n] = reasons
    for method in dict.fromkeys(cell.method for cell in measured):
        own = sorted((cell for cell in measured if cell.method == method), key=lambda cell: cell.n)
        for small, large in itertools.combinations(own, 2):
            if not _grows(small, large):
                found[method, large.n].append(f"its time does not grow from N={small.n} to N={large.n}")
    return {key: reasons for key, reasons in found.items() if reasons}


def _above_roof(cell: Cell, peak_gflops: float) -> list[str]:
    """Above the roof by more than the interval of either: the share's, or that of the rate itself."""
    if cell.roof.low > 1:
        return [f"it reaches {100 * cell.roof.share:.0f} % of the roof ({100 * cell.roof.low:.0f} % or more)"]
    if cell.gflops.low > peak_gflops:
        return [f"its {cell.gflops.low:.1f} GFLOPS or more are above the highest peak seen, {peak_gflops:.1f}"]
    return []


def _own_faults(cell: Cell, resolution: float) -> list[str]:
    reasons = []
    threads = statistics.median(cell.cpu_over_wall)
    if threads > SECOND_THREAD_ABOVE:
        reasons.append(f"its CPU time is {threads:.2f} times its wall time: more than one thread ran")
    if min(cell.seconds_per_call) * cell.calls_per_repetition < LEAST_RESOLUTIONS * resolution:
        reasons.append(f"a repetition is shorter than {LEAST_RESOLUTIONS} ticks of the clock, {resolution:.1g} s each")
    return reasons


def _grows(small: Cell, large: Cell) -> bool:
    """Whether time grows as it must; True where it need not."""
    if small.n < OVERHEAD_BELOW_N or large.flops < GROWTH_IN_FLOPS * small.flops:
        return True
    return statistics.median(large.seconds_per_call) > statistics.median(small.seconds_per_call)
