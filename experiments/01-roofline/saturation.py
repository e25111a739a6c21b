"""What the sweep over chains says: which loop to measure the peak with, and from how many on the core is full. Pure."""

from collections.abc import Sequence

from labkit.records import Saturation
from labkit.sampling import Workload

# A loop within so much of the best is as good; the fewest chains within the second fill the core.
AS_GOOD, SATURATED = 0.02, 0.05

Swept = list[tuple[Saturation, Workload]]


def choose(swept: Swept) -> tuple[Saturation, Workload]:
    """The loop to measure the peak with: of those that are as good as the best, the one with most chains.

    A loop with just enough chains falls behind whenever one is late; one with more does not.
    """
    best = max(saturation.gflops for saturation, _ in swept)
    as_good = [pair for pair in swept if pair[0].gflops >= (1 - AS_GOOD) * best]
    return max(as_good, key=lambda pair: (pair[0].accumulators, pair[0].gflops))


def saturates_at(swept: Sequence[Saturation]) -> int:
    """The fewest chains that fill the core."""
    best = max(s.gflops for s in swept)
    return min(s.accumulators for s in swept if s.gflops >= (1 - SATURATED) * best)
