"""The interval of a ratio of two unpaired medians: it holds the truth often enough, and is none of too few."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.comparison.intervals import missed, pair_ranks, ratio_of_medians, ratio_of_shares
from labkit.records import Share
from labkit.statistics import CONFIDENCE

TRIALS = 20_000
# By how much a simulated portion may fall short of the true one: four standard errors.
SLACK = 4 * math.sqrt(CONFIDENCE * (1 - CONFIDENCE) / TRIALS)
# Scales below and above the median of each sample: alike, one much wider, and skewed towards and from each other.
SHAPES = [
    (1, 1, 1, 1),
    (1, 1, 1e-3, 1e-3),
    (1, 1e-3, 1e-3, 1),
    (1e-3, 1, 1, 1e-3),
    (1, 1e-3, 1, 1e-3),
    (1, 0.5, 0.5, 1),
]


def test_an_interval_of_the_median_misses_as_often_as_coins_say():
    assert missed(6, 1) == 2 / 64
    assert missed(11, 2) == pytest.approx(2 * (1 + 11) / 2**11)


@pytest.mark.parametrize(("n", "m"), [(1, 200), (5, 5), (5, 1000), (200, 5)])
def test_fewer_than_six_of_either_have_no_interval(n, m):
    assert pair_ranks(n, m) is None


@given(st.integers(6, 400), st.integers(6, 400))
def test_from_six_on_two_intervals_hold_both_medians_with_95_percent(n, m):
    i, j = pair_ranks(n, m)
    assert pair_ranks(m, n) == (j, i)
    if (n, m) != (6, 6):
        assert (1 - missed(n, i)) * (1 - missed(m, j)) >= CONFIDENCE


def test_no_higher_ranks_than_that_are_taken_and_many_values_take_higher_ones():
    assert pair_ranks(12, 12) == (2, 2)
    i, j = pair_ranks(151, 151)
    assert i == j > 50
    assert (1 - missed(151, i + 1)) ** 2 < CONFIDENCE


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("n", "m"), [(6, 6), (6, 7), (7, 7), (12, 40)])
def test_the_interval_holds_the_ratio_of_medians_whatever_the_distributions(n, m, shape):
    rng = np.random.default_rng(n * m)
    below_a, above_a, below_b, above_b = shape
    a = skewed(rng.standard_normal((TRIALS, n)), below_a, above_a)
    b = skewed(rng.standard_normal((TRIALS, m)), below_b, above_b)
    i, j = pair_ranks(n, m)
    low, high = a[:, i - 1] - b[:, -j], a[:, -i] - b[:, j - 1]  # logarithms: the true ratio is 1
    assert np.mean((low <= 0) & (high >= 0)) >= CONFIDENCE - SLACK


def skewed(z, below, above):
    return np.sort(np.where(z < 0, below * z, above * z), axis=1)


values = st.lists(st.floats(1e-6, 1e6), min_size=6, max_size=30)


@settings(deadline=None)
@given(values, values, st.floats(1e-3, 1e3))
def test_the_interval_holds_its_ratio_and_scales_with_what_is_above_the_line(a, b, factor):
    ratio = ratio_of_medians(a, b)
    assert ratio.low <= ratio.value <= ratio.high
    assert ratio.interval == "ci95"
    scaled = ratio_of_medians([factor * x for x in a], b)
    assert (scaled.low, scaled.value, scaled.high) == pytest.approx(
        (factor * ratio.low, factor * ratio.value, factor * ratio.high)
    )


@settings(deadline=None)
@given(values, values)
def test_the_other_way_round_it_is_the_inverse(a, b):
    ratio, inverse = ratio_of_medians(a, b), ratio_of_medians(b, a)
    assert (inverse.low, inverse.high) == pytest.approx((1 / ratio.high, 1 / ratio.low))


def test_the_interval_is_the_quotient_of_opposite_ends():
    ratio = ratio_of_medians([10, 11, 12, 13, 14, 15, 16], [1, 2, 3, 4, 5, 6, 7])
    assert (ratio.low, ratio.value, ratio.high) == (10 / 7, 13 / 4, 16 / 1)


def test_too_few_values_give_a_ratio_and_no_interval():
    assert ratio_of_medians([2.0] * 5, [1.0] * 100).interval == "range"


def test_the_intervals_of_two_shares_add_in_quadrature():
    a, b = Share(share=0.8, low=0.8 / 1.03, high=0.8 * 1.03), Share(share=0.4, low=0.4 / 1.04, high=0.4 * 1.04)
    ratio = ratio_of_shares(a, b, 12)
    assert ratio.value == pytest.approx(2.0)
    assert math.log(ratio.high / 2) == pytest.approx(math.hypot(math.log(1.03), math.log(1.04)))
    assert math.log(2 / ratio.low) == pytest.approx(math.log(ratio.high / 2))
    assert ratio.interval == "ci95"
    assert ratio_of_shares(a, b, 5).interval == "range"


def test_an_uneven_interval_below_the_line_is_turned_over():
    sure, uneven = Share(share=0.8, low=0.8, high=0.8), Share(share=0.4, low=0.2, high=0.41)
    ratio = ratio_of_shares(sure, uneven, 12)
    assert (ratio.low, ratio.high) == pytest.approx((0.8 / 0.41, 0.8 / 0.2))
