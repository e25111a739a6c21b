"""In which order workloads are timed, what that costs, and what remains. Pure: no clock, no file."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labkit.measure.sampling import SAMPLE_SECONDS
from labkit.stats import FEWEST_FOR_INTERVAL

# At least six samples (the assignment asks for five; six give the median an interval) and one second.
MIN_SAMPLES = FEWEST_FOR_INTERVAL
MIN_SECONDS = 1.0
# A call this long or longer stands between rounds rather than in them, so that a round stays brief.
SHORT_CALL_SECONDS = 0.050
# Samples of 10 ms that make a second, and a few more for those that run faster than when calibrated.
ROUNDS = math.ceil(1.04 * MIN_SECONDS / SAMPLE_SECONDS)
# Rounds after each long sample, so that short workloads are sampled over the whole run.
ROUNDS_BETWEEN = 3
# What a long workload of the first pass may cost (warm-up and six samples); a dearer one waits.
FIRST_PASS_SECONDS = 12.0

Key = tuple[str, int]


@dataclass(frozen=True)
class Requirement:
    """When a workload has been measured: enough samples and enough seconds."""

    samples: int = MIN_SAMPLES
    seconds: float = MIN_SECONDS

    def met(self, samples: int, seconds: float) -> bool:
        return samples >= self.samples and seconds >= self.seconds

    def remaining(self, samples: int, seconds: float, sample_seconds: float) -> int:
        """Samples still to take, each `sample_seconds` long."""
        short_of_seconds = math.ceil(max(0.0, self.seconds - seconds) / max(sample_seconds, 1e-9))
        return max(0, self.samples - samples, short_of_seconds)


@dataclass(frozen=True)
class Round:
    """A round: short workloads in the order they are timed, then the long ones that follow it."""

    short: tuple[Key, ...]
    long: tuple[Key, ...]


def is_short(call_seconds: float) -> bool:
    """Whether a workload is timed in every round."""
    return call_seconds < SHORT_CALL_SECONDS


def fits_first_pass(call_seconds: float, requirement: Requirement) -> bool:
    """Whether a workload's warm-up and samples belong in the first minute."""
    calls = 1 + requirement.remaining(0, 0.0, call_seconds)
    return call_seconds * calls <= FIRST_PASS_SECONDS


def predict_seconds(n: float, known: Mapping[float, float]) -> float | None:
    """The cost model T(N) = T(m) (N / m)^3 from the nearest size known; None if none is."""
    if not known:
        return None
    nearest = min(known, key=lambda m: abs(math.log(m / n)))
    return known[nearest] * (n / nearest) ** 3


def plan_rounds(
    short: Sequence[Key], long: Mapping[tuple[Key, ...], int], rounds: int, rng: np.random.Generator
) -> list[Round]:
    """`rounds` rounds: every short workload once in each, in a fresh order; long ones spread evenly between.

    `long` maps a group to how often it is timed. The members of a group stand side by side, in a fresh order each
    time: they are each other's pair.
    """
    rounds = max([rounds, 1, *long.values()]) if long else rounds
    between: list[list[Key]] = [[] for _ in range(rounds)]
    for group, times in long.items():
        for time in range(times):
            position = int((time + 0.5) * rounds / times)
            between[position].extend(group[i] for i in rng.permutation(len(group)))
    return [Round(tuple(short[i] for i in rng.permutation(len(short))), tuple(after)) for after in between]


def plan_long(group: tuple[Key, ...], times: int, short: Sequence[Key], rng: np.random.Generator) -> list[Round]:
    """The second pass: a group of long workloads, then a few rounds of the short ones; repeated."""
    plan = []
    for _ in range(times):
        plan.append(Round((), tuple(group[i] for i in rng.permutation(len(group)))))
        plan.extend(plan_rounds(short, {}, ROUNDS_BETWEEN, rng))
    return plan
