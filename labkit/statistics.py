"""Medians, intervals, paired ratios and shares of a roof. Pure functions over sequences."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.95
# The fewest samples whose order statistics bound the median with 95 % confidence: 1 - 2 / 2^6 = 0.97.
FEWEST_FOR_INTERVAL = 6
# The same upper percentile of a cell and of its sentinel is what repeats on a machine with neighbours.
UPPER_PERCENTILE = 90.0
RESAMPLES = 1000
# What a machine with neighbours gives in the moments when it is left alone: the mean of the fastest hundredth
# of many brief visits, and of three at least. One freak reading does not make it, as it makes a maximum.
FASTEST_PORTION, FASTEST_FEWEST = 0.01, 3

IntervalKind = Literal["ci95", "range"]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Summary:
    """A sample in five numbers, in the sample's unit."""

    median: float
    best: float
    p90: float
    low: float
    high: float
    interval: IntervalKind


@dataclass(frozen=True)
class Ratio:
    """A ratio with its interval."""

    value: float
    low: float
    high: float
    pairs: int
    interval: IntervalKind


def median(values: Sequence[float]) -> float:
    """The middle value; the mean of the two middle values of an even number."""
    if not values:
        raise ValueError("the median of no values")
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


@lru_cache(maxsize=4096)
def median_rank(n: int) -> int | None:
    """The rank k (from 1) such that [x_(k), x_(n+1-k)] holds the median with 95 % confidence.

    Exact, whatever the distribution: a value falls on either side of the median like a fair coin.
    None below six values, where no order statistic does. n = 6: 1. n = 11: 2.
    """
    tail, best = 0.0, None
    for k in range(1, n // 2 + 1):
        tail += math.comb(n, k - 1) / 2**n
        if 1 - 2 * tail < CONFIDENCE:
            break
        best = k
    return best


def median_interval(values: Sequence[float]) -> tuple[float, float, IntervalKind]:
    """(low, high, kind): the 95 % interval of the median, or the range of fewer than six values."""
    ordered = sorted(values)
    rank = median_rank(len(ordered))
    if rank is None:
        return ordered[0], ordered[-1], "range"
    return ordered[rank - 1], ordered[-rank], "ci95"


def summarise_rates(rates: Sequence[float]) -> Summary:
    """Five numbers of a sample of rates (more is better)."""
    low, high, kind = median_interval(rates)
    return Summary(median(rates), max(rates), percentile(rates, UPPER_PERCENTILE), low, high, kind)


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that so many per cent of them lie below."""
    return float(np.percentile(np.asarray(values), percent))


def paired_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Ratio:
    """The median of pairwise ratios, with the exact interval of the sign test.

    Pairs are taken side by side, so that what the machine did to one it did to the other. Ratios are
    ordered as their logarithms are, so no logarithm is needed but for the middle of an even number.
    """
    if len(numerators) != len(denominators):
        raise ValueError(f"{len(numerators)} numerators and {len(denominators)} denominators make no pairs")
    logs = [math.log(a / b) for a, b in zip(numerators, denominators, strict=True)]
    low, high, kind = median_interval(logs)
    return Ratio(math.exp(median(logs)), math.exp(low), math.exp(high), len(logs), kind)


def verdict(ratio: Ratio, floor: float = 0.0) -> Literal["faster", "slower", "no difference resolved"]:
    """What an interval of (seconds of the other) / (seconds of this) allows to be said of this.

    `floor` is the portion by which one thing under two names was seen to differ: an interval that reaches into it
    resolves nothing.
    """
    if ratio.interval == "range":
        return "no difference resolved"
    if ratio.low > 1 + floor:
        return "faster"
    return "slower" if ratio.high < 1 / (1 + floor) else "no difference resolved"


def floor_of(ratios: Sequence[Ratio]) -> float:
    """The largest portion by which things that are the same were seen to differ; 0 of none."""
    return max((math.exp(abs(math.log(r.value))) - 1 for r in ratios), default=0.0)


def share_of_standard(cell: Mapping[int, float], standard: Mapping[int, float], seed: int = 0) -> Ratio:
    """p90(cell) / p90(standard) with a 95 % interval resampled over rounds.

    Both map a round to the rate seen in it. Where the two share six rounds or more, those rounds are
    resampled together, as what disturbs one disturbs the other; otherwise each is resampled by itself.
    """
    return _ratio_over_rounds(cell, standard, _upper, seed)


def ratio_of_fastest(cell: Mapping[int, float], standard: Mapping[int, float], seed: int = 0) -> Ratio:
    """The same with the mean of the fastest hundredth of each: for hundreds of visits, each under a millisecond."""
    return _ratio_over_rounds(cell, standard, _fastest, seed)


def fastest(rates: Sequence[float]) -> float:
    """The mean of the fastest hundredth, and of three at least."""
    return float(_fastest(np.asarray(rates, dtype=np.float64)[None])[0])


def _ratio_over_rounds(
    cell: Mapping[int, float], standard: Mapping[int, float], upper: Callable[[Floats], Floats], seed: int
) -> Ratio:
    """upper(cell) / upper(standard), `upper` taken along rows, with an interval resampled over rounds."""
    rng = np.random.default_rng(seed)
    common = sorted(cell.keys() & standard.keys())
    together = len(common) >= FEWEST_FOR_INTERVAL
    rounds_a, rounds_b = (common, common) if together else (sorted(cell), sorted(standard))
    a = np.array([cell[r] for r in rounds_a])
    b = np.array([standard[r] for r in rounds_b])
    picks_a = rng.integers(0, len(a), (RESAMPLES, len(a)))
    picks_b = picks_a if together else rng.integers(0, len(b), (RESAMPLES, len(b)))
    resampled = upper(a[picks_a]) / upper(b[picks_b])
    margin = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(resampled, [margin, 100 - margin])
    value = float(upper(a[None])[0] / upper(b[None])[0])
    kind: IntervalKind = "ci95" if min(len(a), len(b)) >= FEWEST_FOR_INTERVAL else "range"
    return Ratio(value, min(float(low), value), max(float(high), value), len(a), kind)


def _upper(samples: Floats) -> Floats:
    """The 90th percentile of each row."""
    return np.asarray(np.percentile(samples, UPPER_PERCENTILE, axis=1))


def _fastest(samples: Floats) -> Floats:
    """The mean of the fastest hundredth of each row."""
    count = min(samples.shape[1], max(FASTEST_FEWEST, round(FASTEST_PORTION * samples.shape[1])))
    top = np.partition(samples, samples.shape[1] - count, axis=1)[:, -count:]
    return np.asarray(top.mean(axis=1))


def multiply(a: Ratio, b: Ratio) -> Ratio:
    """The product of two independent ratios; their relative errors add in quadrature."""
    value = a.value * b.value
    down = math.hypot(math.log(a.value / a.low), math.log(b.value / b.low))
    up = math.hypot(math.log(a.high / a.value), math.log(b.high / b.value))
    kind: IntervalKind = "ci95" if a.interval == b.interval == "ci95" else "range"
    return Ratio(value, value * math.exp(-down), value * math.exp(up), min(a.pairs, b.pairs), kind)
