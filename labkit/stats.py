"""Medians, exact intervals, paired ratios. Pure functions over sequences of positive numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from typing import Literal

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.95
# The fewest samples whose order statistics bound the median with 95 % confidence: 1 - 2 / 2^6 = 0.97.
FEWEST_FOR_INTERVAL = 6
# What a shared core gives in the moments when it is left alone: the mean of the fastest hundredth of many brief
# samples, and of three at least. A maximum would be one freak reading.
FASTEST_PORTION, FASTEST_FEWEST = 0.01, 3

IntervalKind = Literal["ci95", "range"]
Verdict = Literal["faster", "slower", "no difference resolved"]
Floats = npt.NDArray[np.float64]
Bounded = tuple[float, float, float]  # a value and the ends of its 95 % interval


@dataclass(frozen=True)
class Ratio:
    """A ratio with its interval; `pairs` is how many samples it rests on."""

    value: float
    low: float
    high: float
    pairs: int
    interval: IntervalKind


# --- the median and its interval ---------------------------------------------------------------------


@lru_cache(maxsize=4096)
def missed(n: int, rank: int) -> float:
    """The chance that the median lies outside [x_(rank), x_(n+1-rank)]: n fair coins, exactly."""
    return float(2 * sum(math.comb(n, k) for k in range(rank)) / 2**n)


@lru_cache(maxsize=4096)
def highest_rank(n: int, allowed: float) -> int | None:
    """The highest rank (from 1) whose interval misses the median no more often than allowed; None if none does."""
    ways, tail, best = 1, 0, None  # `ways` is comb(n, k - 1), carried along: each anew takes minutes for n = 50,000
    for k in range(1, n // 2 + 1):
        tail += ways
        if 2 * tail / 2**n > allowed:
            break
        best, ways = k, ways * (n - k + 1) // k
    return best


def median_rank(n: int) -> int | None:
    """The rank k such that [x_(k), x_(n+1-k)] holds the median with 95 % confidence. n = 6: 1. n = 11: 2.

    Exact, whatever the distribution: a value falls on either side of the median like a fair coin. None below six.
    """
    return highest_rank(n, 1 - CONFIDENCE)


def median_interval(values: Sequence[float]) -> tuple[float, float, IntervalKind]:
    """(low, high, kind): the 95 % interval of the median, or the range of fewer than six values."""
    ordered = sorted(values)
    rank = median_rank(len(ordered))
    if rank is None:
        return ordered[0], ordered[-1], "range"
    return ordered[rank - 1], ordered[-rank], "ci95"


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that so many per cent of them lie below."""
    return float(np.percentile(np.asarray(values), percent))


# --- ratios ------------------------------------------------------------------------------------------


def paired_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Ratio:
    """The median of pairwise ratios, with the exact interval of the sign test.

    Pairs are taken side by side: what the machine did to one it did to the other.
    """
    logs = [math.log(a / b) for a, b in zip(numerators, denominators, strict=True)]
    low, high, kind = median_interval(logs)
    return Ratio(math.exp(median(logs)), math.exp(low), math.exp(high), len(logs), kind)


@lru_cache(maxsize=4096)
def pair_ranks(n: int, m: int) -> tuple[int, int] | None:
    """Ranks of two order-statistic intervals that hold both medians, and so their quotient, with 95 % confidence.

    The samples are independent, so the chances to hold multiply: each gets the square root of 95 %. Six values reach
    96.9 % at most, so the other must do better. None where either has fewer than six.

    Six against six hold both medians with 93.8 % only, yet their quotient with 96.7 %. Let every a lie below its
    median (a chance of 1 in 64). The quotient is then missed only if the least deviation of the a exceeds the
    greatest of those b that lie below theirs; and if every b lies below, only the other way round. Of two such
    contests no distributions can make both certain: their chances add to 1 at most. So too above. The quotient is
    missed in 2 of 64 cases, and in the 1 of 1024 in which both the a and the b lie on one side.
    """
    if min(n, m) < FEWEST_FOR_INTERVAL:
        return None
    if n == m == FEWEST_FOR_INTERVAL:
        return 1, 1
    even = 1 - math.sqrt(CONFIDENCE)
    of_n = highest_rank(n, even) or 1
    of_m = highest_rank(m, even) or 1
    if highest_rank(n, even) is None:
        of_m = highest_rank(m, 1 - CONFIDENCE / (1 - missed(n, 1))) or 1
    elif highest_rank(m, even) is None:
        of_n = highest_rank(n, 1 - CONFIDENCE / (1 - missed(m, 1))) or 1
    return of_n, of_m


def ratio_of_medians(a: Sequence[float], b: Sequence[float]) -> Ratio:
    """median(a) / median(b) of two unpaired samples; with fewer than six of either there is only a range."""
    x, y = sorted(a), sorted(b)
    ranks = pair_ranks(len(x), len(y))
    i, j = ranks or (1, 1)
    value = median(x) / median(y)
    return Ratio(value, x[i - 1] / y[-j], x[-i] / y[j - 1], min(len(x), len(y)), "ci95" if ranks else "range")


def multiply(a: Ratio, b: Ratio) -> Ratio:
    """The product of two independent ratios; their relative errors add in quadrature."""
    value = a.value * b.value
    down = math.hypot(math.log(a.value / a.low), math.log(b.value / b.low))
    up = math.hypot(math.log(a.high / a.value), math.log(b.high / b.value))
    kind: IntervalKind = "ci95" if a.interval == b.interval == "ci95" else "range"
    return Ratio(value, value * math.exp(-down), value * math.exp(up), min(a.pairs, b.pairs), kind)


def over(a: Bounded, b: Bounded, pairs: int = 1, interval: IntervalKind = "ci95") -> Ratio:
    """a / b of two independent values, which rest on so many samples."""
    return multiply(Ratio(*a, pairs, interval), Ratio(1 / b[0], 1 / b[2], 1 / b[1], pairs, interval))


def verdict(ratio: Ratio, floor: float = 0.0) -> Verdict:
    """What an interval of (speed of this) / (speed of the other) allows to be said of this.

    `floor` is the noise floor, a portion: an interval that reaches into it resolves nothing.
    """
    if ratio.interval == "ci95" and ratio.low > 1 + floor:
        return "faster"
    if ratio.interval == "ci95" and ratio.high < 1 / (1 + floor):
        return "slower"
    return "no difference resolved"


def noise_floor(ratios: Sequence[Ratio]) -> float:
    """The largest portion by which one thing under two names differed; 0 of none."""
    return max((math.exp(abs(math.log(r.value))) - 1 for r in ratios), default=0.0)


# --- one of many --------------------------------------------------------------------------------------

# The standard deviation of a normal distribution over its median absolute deviation, and half the width of its 95 %
# interval; the standard error of a median over that of a mean.
MAD_TO_SIGMA, HALF_WIDTH, OF_MEDIAN = 1.4826, 1.96, 1.2533
# So many standard deviations from the median is outside: one of 16,000 in a normal distribution, and fewer once an
# interval must be wholly outside. With fewer than four values the median and the deviation say nothing.
OUTSIDE_SIGMAS, FEWEST_TO_JUDGE = 4.0, 4


@dataclass(frozen=True)
class Middle:
    """The median of many values with its interval; one that is off by a portion of more than `allowed` is outside."""

    value: float
    low: float
    high: float
    allowed: float

    def ratio(self, value: Bounded) -> Ratio:
        """One of the values over the median."""
        return over(value, (self.value, self.low, self.high))


def middle(values: Sequence[Bounded], least: float) -> Middle:
    """What is usual among many of a kind, by median and median absolute deviation.

    A few that are far off move neither. The deviation is no smaller than the typical interval says, and what is
    allowed no smaller than `least`, a portion.
    """
    logs = [math.log(value) for value, _, _ in values]
    at = median(logs)
    own = median(math.log(high / low) for _, low, high in values) / 2 / HALF_WIDTH
    few = (
        len(values) / (len(values) - 0.8) if len(values) > 1 else 1.0
    )  # the deviation of few is too small (Croux 1992)
    sigma = max(MAD_TO_SIGMA * few * median(abs(log - at) for log in logs), own)
    half = HALF_WIDTH * OF_MEDIAN * sigma / math.sqrt(len(values))
    allowed = max(math.expm1(OUTSIDE_SIGMAS * sigma), least)
    return Middle(math.exp(at), math.exp(at - half), math.exp(at + half), allowed)


# --- the fastest of many brief samples ----------------------------------------------------------------


def fastest(rates: Sequence[float]) -> float:
    """The mean of the fastest hundredth, and of three at least."""
    count = min(len(rates), max(FASTEST_FEWEST, round(FASTEST_PORTION * len(rates))))
    return float(np.mean(sorted(rates)[-count:]))


# --- means of few blocks -------------------------------------------------------------------------------

# Student's t for 95 %, by degrees of freedom.
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


def student_t(freedom: int) -> float:
    """The two-sided 95 % quantile; above ten degrees 1.96 + 2.4 / (freedom - 1), right to 0.3 %."""
    return _T[freedom - 1] if freedom <= len(_T) else 1.96 + 2.4 / (freedom - 1)
