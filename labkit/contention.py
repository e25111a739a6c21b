"""Which samples had the core to themselves, and what a cell does then. Pure.

The ratio of a load-bound dot to an FMA loop has one value while the core is alone, and falls by a quarter or more while
another tenant of the same physical core runs. Steal, processor time and clock do not show that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import numpy.typing as npt

from labkit import stats

# The ratio while alone: this percentile over the run. It holds if a twentieth of the readings were alone.
ALONE_PERCENTILE = 95.0
# A reading this far below was not alone. Alone, a ratio scatters by 1 to 2 %; contended, it is down by 20 % and more.
WITHIN = 0.06
# The roofline's ratio is that of the fastest samples of both, and another process's.
KNOWN_PORTION = 0.95
# Samples closer in time than this are not independent: they count as one.
BLOCK_SECONDS = 2.0
# Few values may lie close by chance: uncontended samples scatter by this much.
LEAST_SCATTER = 0.01
# A process has its own luck with pages and addresses: the fraction of peak of the same cell, in uncontended samples,
# differed by this standard deviation between processes (0.4 to 1.0 % in 18 of them, on a Zen 4).
BETWEEN_PROCESSES = 0.008
# Two hardware threads share a core: each gets half of it or more. So alone it does twice as much at most.
LEAST_OF_A_CORE = 0.5
# Of the samples that were contended, the best tenth: what the core gave at least.
BEST_PERCENTILE = 90.0

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CoreState:
    """Readings of the core: `fma` GFLOPS, and whether it was alone, one figure a reading."""

    fma: Floats
    alone: npt.NDArray[np.bool_]

    @property
    def peak_gflops(self) -> float:
        """The FMA rate of the core alone: the median, or that of all readings where none was alone."""
        return float(np.median(self.fma[self.alone] if self.alone.any() else self.fma))

    @property
    def contended(self) -> float:
        """The portion of the readings in which the core was not alone."""
        return 1.0 - float(self.alone.mean())

    def uncontended(self, probe: Sequence[int]) -> npt.NDArray[np.bool_]:
        """Whether samples that lie between a reading and the next were alone at both."""
        first = np.asarray(probe, dtype=np.intp)
        return self.alone[first] & self.alone[first + 1]

    def beside(self, probe: Sequence[int]) -> Floats:
        """The FMA rate beside each sample, GFLOPS: the mean of before and after."""
        first = np.asarray(probe, dtype=np.intp)
        return np.asarray((self.fma[first] + self.fma[first + 1]) / 2)


def core_state(
    fma: Sequence[float],
    l1: Sequence[float],
    l2: Sequence[float],
    known: tuple[float, float] = (0.0, 0.0),
    within: float = WITHIN,
) -> CoreState:
    """From the readings: GFLOPS of the FMA loop, GB/s of the two dots; a ratio so far below its best is contended.

    `known` is what the roofline has seen of each dot over the loop, byte/flop: a run that never had the core to itself
    cannot tell by its own readings.
    """
    rate = np.asarray(fma, dtype=np.float64)
    alone = np.ones(len(rate), dtype=np.bool_)
    for dot, alone_before in ((l1, known[0]), (l2, known[1])):
        ratio = np.asarray(dot, dtype=np.float64) / rate
        least = max(KNOWN_PORTION * alone_before, float(np.percentile(ratio, ALONE_PERCENTILE)))
        alone &= ratio >= (1 - within) * least
    return CoreState(rate, alone)


def _scale(values: Floats) -> float:
    """The standard deviation; of three values or more by their median deviation, which a stray value hardly moves."""
    if len(values) < 3:
        return max(LEAST_SCATTER, float(values.std(ddof=1)))
    return max(LEAST_SCATTER, float(1.4826 * np.median(np.abs(values - np.median(values)))))


@dataclass(frozen=True)
class AloneEstimate:
    """A positive quantity of a core that is alone. `bound`: no sample was, so it lies between `low` and `high`."""

    value: float
    low: float
    high: float
    uncontended: int
    bound: bool


def estimate(
    values: Sequence[float], alone: Sequence[bool], at: Sequence[float], between: float = BETWEEN_PROCESSES
) -> AloneEstimate:
    """The median of the uncontended values, and a 95 % interval of what another run would give.

    It has two parts: the scatter of medians over blocks of 2 s (Student's t), and `between`, the relative standard
    deviation from process to process. With fewer than two blocks it is a bound, from all values. `at` in seconds.
    """
    blocks: dict[int, list[float]] = {}
    for value, fine, moment in zip(values, alone, at, strict=True):
        if fine:
            blocks.setdefault(int(moment // BLOCK_SECONDS), []).append(math.log(value))
    count = sum(map(len, blocks.values()))
    if len(blocks) < 2:
        best = stats.percentile(values, BEST_PERCENTILE)
        return AloneEstimate(best, best * math.exp(-2 * between), best / LEAST_OF_A_CORE, count, True)
    center = median(v for block in blocks.values() for v in block)
    medians = np.array([median(block) for block in blocks.values()])
    within = stats.student_t(len(blocks) - 1) * _scale(medians) / math.sqrt(len(blocks))
    half = math.hypot(within, 2 * between)
    return AloneEstimate(math.exp(center), math.exp(center - half), math.exp(center + half), count, False)
