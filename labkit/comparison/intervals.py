"""Ratios of two runs that are not each other's pair: conservative where they are exact, and none of too few. Pure."""

import math
from collections.abc import Sequence
from functools import lru_cache

from labkit import statistics
from labkit.records import Share
from labkit.statistics import CONFIDENCE, FEWEST_FOR_INTERVAL, Ratio


@lru_cache(maxsize=4096)
def missed(n: int, rank: int) -> float:
    """The chance that the median lies outside [x_(rank), x_(n+1-rank)], exactly: n fair coins."""
    return float(2 * sum(math.comb(n, k) for k in range(rank)) / 2**n)


@lru_cache(maxsize=4096)
def pair_ranks(n: int, m: int) -> tuple[int, int] | None:
    """Ranks of two order-statistic intervals which hold both medians, so their quotient too, with 95 % confidence.

    The runs are independent, so the chances to hold multiply: each is given the square root of 95 %. Six values reach
    96.9 % at most, so that the other's must do better. None where either has fewer than six.

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
    of_n, of_m = _highest_rank(n, even), _highest_rank(m, even)
    if of_n is None:
        return 1, _within(m, 1 - CONFIDENCE / (1 - missed(n, 1)))
    if of_m is None:
        return _within(n, 1 - CONFIDENCE / (1 - missed(m, 1))), 1
    return of_n, of_m


def _highest_rank(n: int, allowed: float) -> int | None:
    """The highest rank whose interval misses the median no more often than allowed."""
    return max((k for k in range(1, n // 2 + 1) if missed(n, k) <= allowed), default=None)


def _within(n: int, allowed: float) -> int:
    rank = _highest_rank(n, allowed)
    assert rank is not None  # seven values miss the median in 1.6 % of cases, and 1.9 % are left beside six
    return rank


def ratio_of_medians(a: Sequence[float], b: Sequence[float]) -> Ratio:
    """median(a) / median(b) of two unpaired samples of positive values.

    The interval is that of `pair_ranks`; with too few values its kind is "range", and it says nothing.
    """
    x, y = sorted(a), sorted(b)
    value, ranks = statistics.median(x) / statistics.median(y), pair_ranks(len(x), len(y))
    i, j = ranks or (1, 1)
    return Ratio(value, x[i - 1] / y[-j], x[-i] / y[j - 1], min(len(x), len(y)), "ci95" if ranks else "range")


def ratio_of_shares(a: Share, b: Share, repetitions: int) -> Ratio:
    """a / b of two shares whose intervals were resampled; `repetitions`: the fewer of those that they rest on."""
    kind: statistics.IntervalKind = "ci95" if repetitions >= FEWEST_FOR_INTERVAL else "range"
    inverse = Ratio(1 / b.share, 1 / b.high, 1 / b.low, repetitions, kind)
    return statistics.multiply(Ratio(a.share, a.low, a.high, repetitions, kind), inverse)
