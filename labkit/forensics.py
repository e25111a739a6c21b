"""What disturbed a repetition: preemption, a hypervisor, a second thread, a core that ran slow. Pure.

A disturbed repetition keeps its place in every figure: it is marked, never dropped.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from labkit import statistics
from labkit.sampling import Repetition

Mark = Literal["preempted", "stolen", "second thread", "slowed"]

# CPU time over wall time: below, something else had the core; above, a second thread worked too.
PREEMPTED_BELOW, SECOND_THREAD_ABOVE = 0.98, 1.05
# Of all the CPU time that the machine had meanwhile, what the hypervisor gave to others.
STOLEN_ABOVE = 0.02
# Of the sentinel's 90th percentile over the run: what it reaches beside the repetition. Below, the core's clock was
# throttled, or a neighbour on its other hardware thread took its share.
SLOWED_BELOW = 0.80
# Of a cell's repetitions: as many disturbed make it noisy. A slow core moves the median later than a preemption does.
NOISY_PORTION, NOISY_SLOWED_PORTION = 0.10, 0.25
# ... or an interval as wide as this, relative to the median.
NOISY_WIDTH = 0.20

WORDS: dict[Mark, str] = {
    "preempted": "were preempted",
    "stolen": "lost their core to the hypervisor",
    "second thread": "had a second thread",
    "slowed": "ran on a core that was slowed, by the sentinel beside them",
}


class Summary(Protocol):
    """A rate with its interval, all in one unit."""

    median: float
    low: float
    high: float
    interval: statistics.IntervalKind


def mark(r: Repetition, cpus: int, sentinel: float | None, usual: float | None) -> Mark | None:
    """What disturbed this repetition most, if anything did.

    `cpus` is how many share the steal that is counted, `sentinel` its rate in the same round and `usual` the 90th
    percentile of it over the run, both in GB/s.
    """
    if r.cpu_over_wall > SECOND_THREAD_ABOVE:
        return "second thread"
    steal = r.interference.steal_seconds
    if steal is not None and steal > STOLEN_ABOVE * r.wall * cpus:
        return "stolen"
    if r.cpu_over_wall < PREEMPTED_BELOW:
        return "preempted"
    if sentinel is not None and usual is not None and sentinel < SLOWED_BELOW * usual:
        return "slowed"
    return None


def marks(repetitions: Sequence[Repetition], cpus: int, sentinel: Mapping[int, float]) -> list[Mark | None]:
    """A mark or None for each repetition; `sentinel` maps a round to the rate seen in it, GB/s."""
    usual = statistics.percentile(list(sentinel.values()), statistics.UPPER_PERCENTILE) if sentinel else None
    return [mark(r, cpus, sentinel.get(r.round), usual) for r in repetitions]


def describe(found: Sequence[Mark | None]) -> list[str]:
    """How many of the repetitions bear which mark, in words."""
    return [
        f"{found.count(kind)} of {len(found)} repetitions {words}" for kind, words in WORDS.items() if kind in found
    ]


def wide(gflops: Summary) -> bool:
    """Whether the interval of a rate is so wide that its median says little."""
    return gflops.interval == "ci95" and gflops.high - gflops.low > NOISY_WIDTH * gflops.median


def interrupted(found: Sequence[Mark | None]) -> bool:
    """Whether so many repetitions did not have their core to themselves that their wall time says little."""
    return sum(m is not None and m != "slowed" for m in found) > NOISY_PORTION * len(found)


def noisy(found: Sequence[Mark | None]) -> bool:
    """Whether so many repetitions were disturbed that the cell is noisy."""
    return interrupted(found) or found.count("slowed") > NOISY_SLOWED_PORTION * len(found)
