"""Medians, intervals, ratios and shares: against brute force, and where the exact answer is known."""

import itertools
import math
import statistics as reference

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.statistics import (
    Ratio,
    fastest,
    median,
    median_interval,
    median_rank,
    multiply,
    paired_ratio,
    percentile,
    ratio_of_fastest,
    share_of_standard,
    summarise_rates,
    verdict,
)

positive = st.floats(1e-3, 1e3)
samples = st.lists(positive, min_size=1, max_size=30)


def ratio(low, value, high, kind="ci95", pairs=9):
    return Ratio(value, low, high, pairs, kind)


@settings(deadline=None)
@given(samples)
def test_the_median_is_the_middle_value_or_the_mean_of_the_two_middle_ones(values):
    assert median(values) == reference.median(values)


def test_the_median_of_no_values_is_refused():
    with pytest.raises(ValueError, match="no values"):
        median([])


@pytest.mark.parametrize("n", range(1, 13))
def test_the_rank_of_the_interval_is_the_largest_that_holds_the_median_in_95_of_100_coin_tosses(n):
    # Of all 2^n ways for n values to fall below or above the median: how many does [x_(k), x_(n+1-k)] catch?
    below = [sum(tosses) for tosses in itertools.product((0, 1), repeat=n)]
    holding = [k for k in range(1, n // 2 + 1) if sum(k <= b <= n - k for b in below) / 2**n >= 0.95]
    assert median_rank(n) == max(holding, default=None)


@pytest.mark.parametrize(("n", "rank"), [(5, None), (6, 1), (8, 1), (9, 2), (11, 2), (20, 6), (50, 18), (100, 40)])
def test_the_ranks_are_those_of_printed_tables_of_the_sign_test(n, rank):
    assert median_rank(n) == rank


def test_the_interval_of_six_values_is_their_range_and_is_called_ci95():
    assert median_interval([3, 1, 6, 2, 5, 4]) == (1, 6, "ci95")


def test_five_values_have_a_range_and_it_is_not_called_an_interval():
    assert median_interval([3, 1, 2, 5, 4]) == (1, 5, "range")


def test_the_interval_of_eleven_values_leaves_out_one_at_either_end():
    assert median_interval(range(11, 0, -1)) == (2, 10, "ci95")


@settings(deadline=None)
@given(samples)
def test_the_interval_holds_the_median_whatever_the_sample(values):
    low, high, _ = median_interval(values)
    assert low <= median(values) <= high


def test_the_interval_catches_the_true_median_of_a_skewed_distribution_95_times_in_100():
    rng = np.random.default_rng(1)
    caught = 0
    for sample in rng.exponential(size=(1000, 15)):
        low, high, _ = median_interval(sample.tolist())
        caught += low <= math.log(2) <= high
    assert caught >= 950  # exactly 0.965 is expected of 15 values


def test_the_best_rate_is_the_highest_and_p90_lies_near_it():
    s = summarise_rates([float(i) for i in range(1, 12)])
    assert (s.median, s.best, s.p90, s.low, s.high, s.interval) == (6, 11, 10, 2, 10, "ci95")


@settings(deadline=None)
@given(st.lists(st.tuples(positive, positive), min_size=1, max_size=25))
def test_paired_ratios_turned_upside_down_give_the_inverse_and_swap_their_bounds(pairs):
    a, b = [p[0] for p in pairs], [p[1] for p in pairs]
    there, back = paired_ratio(a, b), paired_ratio(b, a)
    for x, y in ((there.value, back.value), (there.low, back.high), (there.high, back.low)):
        assert x * y == pytest.approx(1, rel=1e-9)
    assert there.pairs == len(pairs)


def test_a_drift_that_both_of_a_pair_share_leaves_their_ratio_alone():
    drift = [1.0, 4.0, 0.5, 2.0, 8.0, 1.5, 3.0]
    r = paired_ratio([3 * d for d in drift], drift)
    assert (r.low, r.value, r.high) == pytest.approx((3, 3, 3))


def test_the_ratio_of_an_even_number_of_pairs_is_the_geometric_mean_of_the_middle_two():
    assert paired_ratio([1, 4], [1, 1]).value == pytest.approx(2)


def test_unequal_numbers_make_no_pairs():
    with pytest.raises(ValueError, match="make no pairs"):
        paired_ratio([1, 2], [1])


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        (ratio(1.01, 1.1, 1.2), "faster"),
        (ratio(0.8, 0.9, 0.99), "slower"),
        (ratio(0.9, 1.0, 1.1), "no difference resolved"),
        (ratio(1.0, 1.1, 1.2), "no difference resolved"),
        (ratio(2.0, 2.1, 2.2, "range"), "no difference resolved"),
    ],
)
def test_a_difference_is_claimed_only_when_a_true_interval_leaves_out_one(interval, said):
    assert verdict(interval) == said


def test_two_names_for_the_same_thing_are_rarely_told_apart():
    rng, claims = np.random.default_rng(2), 0
    for _ in range(300):
        a, b = rng.lognormal(sigma=0.2, size=(2, 20))
        claims += verdict(paired_ratio(a.tolist(), b.tolist())) != "no difference resolved"
    assert claims <= 24  # 4 % are expected of 20 pairs


def test_the_share_is_the_quotient_of_90th_percentiles_and_not_of_medians():
    cell = {r: float(v) for r, v in enumerate([1] * 8 + [10] * 3)}
    standard = dict.fromkeys(range(11), 2.0)
    assert share_of_standard(cell, standard).value == 5.0


def test_a_disturbance_that_cell_and_standard_share_leaves_the_share_its_certainty():
    state = np.random.default_rng(3).uniform(0.4, 1.0, 40)
    standard = {r: 50 * s for r, s in enumerate(state)}
    together = share_of_standard({r: 20 * s for r, s in enumerate(state)}, standard)
    assert (together.low, together.high) == pytest.approx((0.4, 0.4))
    apart = share_of_standard({r + 100: 20 * s for r, s in enumerate(state)}, standard)
    assert apart.low < 0.4 < apart.high


def test_rounds_that_only_one_of_the_two_saw_are_left_out_of_a_share_over_common_rounds():
    standard = dict.fromkeys(range(8), 10.0)
    cell = {**dict.fromkeys(range(8), 5.0), **dict.fromkeys(range(8, 16), 500.0)}
    result = share_of_standard(cell, standard)
    assert (result.low, result.value, result.high, result.pairs) == (0.5, 0.5, 0.5, 8)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(positive, positive), min_size=1, max_size=20))
def test_the_interval_of_a_share_holds_it_and_repeats_to_the_last_bit(pairs):
    cell, standard = ({r: p[i] for r, p in enumerate(pairs)} for i in (0, 1))
    result = share_of_standard(cell, standard)
    assert result.low <= result.value <= result.high
    assert result.interval == ("ci95" if len(pairs) >= 6 else "range")
    assert result == share_of_standard(cell, standard)


def test_the_interval_of_a_share_covers_95_of_100_resamples_and_not_90():
    rng = np.random.default_rng(4)
    cell, standard = ({r: float(v) for r, v in enumerate(rng.lognormal(0, 0.3, 60))} for _ in range(2))
    result = share_of_standard(cell, standard)
    boots = []
    for _ in range(2000):
        picks = rng.integers(0, 60, 60)
        a, b = (np.percentile([of[int(p)] for p in picks], 90) for of in (cell, standard))
        boots.append(a / b)
    covered = np.mean([result.low <= ratio <= result.high for ratio in boots])
    assert 0.93 < covered < 0.97


# --- the fastest of many visits ---------------------------------------------------------------------


def by_sorting(values):
    """The mean of the fastest hundredth, and of three at least, as one would write it down."""
    count = max(3, round(len(values) / 100))
    return reference.fmean(sorted(values, reverse=True)[:count])


@settings(deadline=None)
@given(st.one_of(samples, st.integers(300, 1000).map(lambda n: np.random.default_rng(n).exponential(size=n).tolist())))
def test_the_fastest_is_the_mean_of_the_fastest_hundredth_and_of_three_at_least(values):
    assert fastest(values) == pytest.approx(by_sorting(values), rel=1e-9)
    assert fastest(values) == pytest.approx(fastest(values[::-1]), rel=1e-9)


@pytest.mark.parametrize(("count", "of"), [(1, 1), (2, 2), (3, 3), (25, 3), (349, 3), (351, 4), (1000, 10)])
def test_the_fastest_is_taken_of_so_many(count, of):
    values = [1.0 if i < count - of else 2.0 for i in range(count)]
    assert fastest(values) == 2.0
    assert count == of or fastest([1.0, *values[:-1]]) < 2.0


def test_a_freak_reading_does_not_make_the_fastest_as_it_makes_a_maximum():
    calm = [100.0] * 399
    assert fastest([*calm, 1000.0]) == pytest.approx(100 + 900 / 4)
    assert fastest([*calm, 0.001]) == 100.0


@settings(deadline=None)
@given(samples, st.floats(0, 100))
def test_a_percentile_lies_on_the_straight_line_between_its_neighbours(values, percent):
    ordered, place = sorted(values), percent / 100 * (len(values) - 1)
    below, above = ordered[math.floor(place)], ordered[math.ceil(place)]
    assert percentile(values, percent) == pytest.approx(below + (place % 1) * (above - below), rel=1e-9)


def test_a_tenth_of_a_sample_lies_below_its_p10():
    assert percentile([float(i) for i in range(11)], 10.0) == 1.0


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(positive, positive), min_size=1, max_size=20))
def test_the_ratio_of_the_fastest_is_theirs_lies_in_its_interval_and_repeats_to_the_last_bit(pairs):
    cell, standard = ({r: p[i] for r, p in enumerate(pairs)} for i in (0, 1))
    result = ratio_of_fastest(cell, standard)
    assert result.value == pytest.approx(by_sorting(cell.values()) / by_sorting(standard.values()), rel=1e-9)
    assert result.low <= result.value <= result.high
    assert (result.pairs, result.interval) == (len(pairs), "ci95" if len(pairs) >= 6 else "range")
    assert result == ratio_of_fastest(cell, standard)


def test_visits_to_one_of_the_two_alone_are_left_out_of_the_ratio_of_the_fastest():
    standard = dict.fromkeys(range(8), 10.0)
    cell = {**dict.fromkeys(range(8), 5.0), **dict.fromkeys(range(8, 16), 500.0)}
    result = ratio_of_fastest(cell, standard)
    assert (result.low, result.value, result.high, result.pairs) == (0.5, 0.5, 0.5, 8)


def test_the_interval_of_a_ratio_of_the_fastest_covers_95_of_100_resamples_and_not_90():
    rng = np.random.default_rng(5)
    cell, standard = ({r: float(v) for r, v in enumerate(rng.lognormal(0, 0.3, 400))} for _ in range(2))
    result = ratio_of_fastest(cell, standard)
    boots = []
    for picks in rng.integers(0, 400, (2000, 400)):
        a, b = (by_sorting([of[int(p)] for p in picks]) for of in (cell, standard))
        boots.append(a / b)
    covered = np.mean([result.low <= ratio <= result.high for ratio in boots])
    assert 0.92 < covered < 0.98


def test_moments_that_a_machine_is_left_alone_are_what_the_fastest_compares():
    # A neighbour takes half of nine visits in ten, from either of the two at its own times.
    rng = np.random.default_rng(6)
    cell, standard = (
        {r: best * (1.0 if alone else 0.5) for r, alone in enumerate(rng.random(400) < 0.1)} for best in (300.0, 100.0)
    )
    result = ratio_of_fastest(cell, standard)
    assert (result.low, result.value, result.high) == pytest.approx((3, 3, 3))


def test_relative_errors_of_a_product_add_in_quadrature():
    product = multiply(
        ratio(math.exp(-0.3), 1, math.exp(0.3), pairs=7), ratio(2 * math.exp(-0.4), 2, 2 * math.exp(0.4))
    )
    assert (product.low, product.value, product.high) == pytest.approx((2 * math.exp(-0.5), 2, 2 * math.exp(0.5)))
    assert (product.pairs, product.interval) == (7, "ci95")


def test_a_product_with_a_mere_range_is_a_mere_range():
    assert multiply(ratio(1, 1, 1), ratio(1, 1, 1, "range")).interval == "range"
