"""In which order cells are visited, what that costs, and what remains. Pure: no clock, no file."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labkit.sampling import VISIT_SECONDS
from labkit.statistics import FEWEST_FOR_INTERVAL

# At least six repetitions (the lab asks for five; six give the median an interval) and one second.
MIN_REPETITIONS = FEWEST_FOR_INTERVAL
MIN_SECONDS = 1.0
# A call this long or longer stands between rounds rather than in them, so that a round stays brief.
SHORT_CALL_SECONDS = 0.050
# Visits of 10 ms that make a second, and a few more for visits that run faster than when calibrated.
ROUNDS = math.ceil(1.04 * MIN_SECONDS / VISIT_SECONDS)
# Rounds after each long repetition, so that short cells are sampled over the whole run.
ROUNDS_BETWEEN = 3
# What a long cell of the first pass may cost (warm-up and six repetitions); a dearer one waits.
FIRST_PASS_CELL_SECONDS = 12.0

Key = tuple[str, int]


@dataclass(frozen=True)
class Requirement:
    """When a cell has been measured: enough repetitions and enough seconds."""

    repetitions: int = MIN_REPETITIONS
    seconds: float = MIN_SECONDS

    def met(self, repetitions: int, seconds: float) -> bool:
        return repetitions >= self.repetitions and seconds >= self.seconds

    def remaining(self, repetitions: int, seconds: float, call_seconds: float) -> int:
        """Repetitions still to take, each `call_seconds` long."""
        short_of_seconds = math.ceil(max(0.0, self.seconds - seconds) / max(call_seconds, 1e-9))
        return max(0, self.repetitions - repetitions, short_of_seconds)


@dataclass(frozen=True)
class Round:
    """A round: short cells in the order they are visited, then the long ones that follow it."""

    short: tuple[Key, ...]
    long: tuple[Key, ...]


def is_short(call_seconds: float) -> bool:
    """Whether a cell is visited in every round."""
    return call_seconds < SHORT_CALL_SECONDS


def fits_first_pass(call_seconds: float, requirement: Requirement) -> bool:
    """Whether a cell's warm-up and repetitions belong in the first minute."""
    calls = 1 + requirement.remaining(0, 0.0, call_seconds)
    return call_seconds * calls <= FIRST_PASS_CELL_SECONDS


def predict_seconds(n: int, known: Mapping[int, float]) -> float | None:
    """The cost model T(N) = T(m) (N / m)^3 from the nearest size known; None if none is."""
    if not known:
        return None
    nearest = min(known, key=lambda m: abs(math.log(m / n)))
    return known[nearest] * (n / nearest) ** 3


def plan_rounds(
    short: Sequence[Key], long: Mapping[tuple[Key, ...], int], rounds: int, rng: np.random.Generator
) -> list[Round]:
    """`rounds` rounds: every short cell once in each, in a fresh order; long cells spread evenly between.

    `long` maps a group of cells to how often it is visited. The cells of a group stand side by side, in
    a fresh order each time: they are each other's pair.
    """
    rounds = max([rounds, 1, *long.values()]) if long else rounds
    between: list[list[Key]] = [[] for _ in range(rounds)]
    for group, visits in long.items():
        for visit in range(visits):
            position = int((visit + 0.5) * rounds / visits)
            between[position].extend(group[i] for i in rng.permutation(len(group)))
    return [Round(tuple(short[i] for i in rng.permutation(len(short))), tuple(after)) for after in between]


def plan_long(
    group: tuple[Key, ...], visits: int, short: Sequence[Key], beside: Sequence[Key], rng: np.random.Generator
) -> list[Round]:
    """The second pass: each visit to a group of long cells with `beside` (the sentinel), then a few rounds."""
    plan = []
    for _ in range(visits):
        plan.append(Round(tuple(beside), tuple(group[i] for i in rng.permutation(len(group)))))
        plan.extend(plan_rounds(short, {}, ROUNDS_BETWEEN, rng))
    return plan
