"""The statistics against brute force: written out with fractions, by sorting, or pair by pair."""

import itertools
import math
from fractions import Fraction
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit import statistics
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

# From a nanosecond to a day; ties are as likely as not.
seconds = st.one_of(st.floats(1e-9, 1e5), st.sampled_from([1e-3, 2e-3, 3e-3]))
samples = st.lists(seconds, min_size=1, max_size=40)
pairs = st.lists(st.tuples(seconds, seconds), min_size=1, max_size=40)
rounds = st.dictionaries(st.integers(0, 12), seconds, min_size=1, max_size=12)
RESAMPLES = 40


def rank_by_tossing(n):
    """The largest k such that of n fair coins between k and n - k fall heads in at least 95 cases of 100."""
    best, tail = None, Fraction(0)
    for k in range(1, n // 2 + 1):
        tail += Fraction(math.comb(n, k - 1), 2**n)
        if 1 - 2 * tail < Fraction(95, 100):
            break
        best = k
    return best


@pytest.mark.parametrize("n", [*range(0, 130), 257, 400, 999, 1000])
def test_the_rank_is_that_of_exact_binomial_tails_for_samples_of_any_size(n):
    assert median_rank(n) == rank_by_tossing(n)


@settings(deadline=None)
@given(samples, st.randoms(use_true_random=False))
def test_the_interval_is_of_order_statistics_and_the_order_of_arrival_does_not_matter(values, random):
    shuffled = values.copy()
    random.shuffle(shuffled)
    rank, ordered = rank_by_tossing(len(values)), sorted(values)
    expected = (ordered[0], ordered[-1], "range") if rank is None else (ordered[rank - 1], ordered[-rank], "ci95")
    assert median_interval(shuffled) == expected
    for statistic in (median, summarise_rates):
        assert statistic(shuffled) == statistic(values)
    assert fastest(shuffled) == pytest.approx(fastest(values), rel=1e-12)


@settings(deadline=None)
@given(samples)
def test_half_of_the_values_lie_on_either_side_of_the_median(values):
    middle = median(values)
    assert sum(v < middle for v in values) <= len(values) / 2
    assert sum(v > middle for v in values) <= len(values) / 2


@settings(deadline=None)
@given(samples, st.sampled_from([2.0**k for k in (-20, -1, 0, 3, 30)]))
def test_another_unit_changes_the_numbers_by_its_factor_and_nothing_else(values, unit):
    there, here = summarise_rates([unit * v for v in values]), summarise_rates(values)
    for name in ("median", "best", "low", "high"):
        assert getattr(there, name) == unit * getattr(here, name)
    assert there.p90 == pytest.approx(unit * here.p90, rel=1e-12)
    assert there.interval == here.interval


@settings(deadline=None)
@given(samples)
def test_the_five_numbers_of_a_sample_stand_in_their_order(values):
    s = summarise_rates(values)
    assert min(values) <= s.low <= s.median <= s.high <= s.best == max(values)
    assert s.median * (1 - 1e-12) <= s.p90 <= s.best * (1 + 1e-12)


@settings(deadline=None)
@given(samples, st.integers(0, 1000))
def test_a_percentile_is_interpolated_as_fractions_have_it(values, thousandth):
    ordered = [Fraction(v) for v in sorted(values)]
    place = Fraction(thousandth, 1000) * (len(values) - 1)
    below, above = ordered[math.floor(place)], ordered[math.ceil(place)]
    expected = below + (place - math.floor(place)) * (above - below)
    # One part in 10^12 of the two values between which it lies.
    assert abs(Fraction(percentile(values, thousandth / 10)) - expected) <= (below + above) / 10**12


@settings(deadline=None)
@given(st.integers(1, 700), st.integers(0, 2**32 - 1))
def test_the_fastest_is_the_mean_of_the_top_and_nothing_below_it_counts(n, seed):
    rates = np.random.default_rng(seed).lognormal(sigma=2.0, size=n).tolist()
    count = min(n, max(3, round(n / 100)))
    top = sorted(rates)[-count:]
    assert fastest(rates) == pytest.approx(float(sum(map(Fraction, top)) / count), rel=1e-12)
    assert fastest([r if r in top else 0.0 for r in rates]) == fastest(rates)


# --- ratios -----------------------------------------------------------------------------------------


@settings(deadline=None)
@given(pairs)
def test_a_paired_ratio_is_the_middle_of_the_ratios_of_the_pairs_and_its_bounds_are_two_of_them(pairs):
    ratio = paired_ratio(*zip(*pairs, strict=True))
    each = sorted(a / b for a, b in pairs)
    n, rank = len(each), rank_by_tossing(len(each))
    # An even number has two in the middle: their geometric mean, so that a ratio turned upside down is its inverse.
    assert ratio.value == pytest.approx(math.sqrt(each[(n - 1) // 2] * each[n // 2]), rel=1e-9)
    low, high = (each[0], each[-1]) if rank is None else (each[rank - 1], each[-rank])
    assert (ratio.low, ratio.high) == pytest.approx((low, high), rel=1e-9)
    assert (ratio.pairs, ratio.interval) == (n, "range" if rank is None else "ci95")


@settings(deadline=None)
@given(pairs)
def test_what_is_faster_one_way_round_is_slower_the_other(pairs):
    a, b = zip(*pairs, strict=True)
    there, back = verdict(paired_ratio(a, b)), verdict(paired_ratio(b, a))
    opposite = {"faster": "slower", "slower": "faster", "no difference resolved": "no difference resolved"}
    # exp(log(x)) may land on the other side of 1 by a rounding: only then may the two differ.
    if all(abs(x - 1) > 1e-9 for x in (paired_ratio(a, b).low, paired_ratio(a, b).high)):
        assert back == opposite[there]


@settings(deadline=None)
@given(pairs)
def test_a_difference_is_claimed_exactly_when_a_sign_test_at_5_percent_finds_one(pairs):
    a, b = zip(*pairs, strict=True)
    if any(abs(x / y - 1) < 1e-9 for x, y in pairs):
        return  # ties: the sign test has no opinion of them
    above = sum(x > y for x, y in pairs)
    n = len(pairs)
    least = min(above, n - above)
    p_value = 2 * sum(Fraction(math.comb(n, i), 2**n) for i in range(least + 1))
    claimed = verdict(paired_ratio(a, b))
    assert (claimed != "no difference resolved") == (p_value <= Fraction(5, 100))
    if claimed != "no difference resolved":
        assert (claimed == "faster") == (above > n / 2)


def by_resampling(cell, standard, upper, seed):
    """The ratio and its interval, one resample after the other."""
    rng = np.random.default_rng(seed)
    common = sorted(set(cell) & set(standard))
    together = len(common) >= 6
    a = [cell[r] for r in (common if together else sorted(cell))]
    b = [standard[r] for r in (common if together else sorted(standard))]
    picks_a = rng.integers(0, len(a), (RESAMPLES, len(a)))
    picks_b = picks_a if together else rng.integers(0, len(b), (RESAMPLES, len(b)))
    ratios = sorted(
        upper([a[i] for i in of_a]) / upper([b[i] for i in of_b]) for of_a, of_b in zip(picks_a, picks_b, strict=True)
    )
    value = upper(a) / upper(b)

    def at(portion):
        place = portion * (len(ratios) - 1)
        below = ratios[math.floor(place)]
        return below + (place % 1) * (ratios[math.ceil(place)] - below)

    return Ratio(value, min(at(0.025), value), max(at(0.975), value), len(a), "ci95" if together else "range")


def p90(values):
    return percentile(values, 90.0)


@pytest.mark.parametrize(("found_by", "upper"), [(share_of_standard, p90), (ratio_of_fastest, fastest)])
def test_a_share_of_a_standard_is_what_resampling_one_round_after_the_other_gives(found_by, upper):
    @settings(max_examples=30, deadline=None)
    @given(rounds, rounds, st.integers(0, 100))
    def holds(cell, standard, seed):
        with mock.patch.object(statistics, "RESAMPLES", RESAMPLES):
            found = found_by(cell, standard, seed)
        expected = by_resampling(cell, standard, upper, seed)
        assert (found.value, found.low, found.high) == pytest.approx(
            (expected.value, expected.low, expected.high), rel=1e-9
        )
        assert found.pairs == expected.pairs
        both = min(found.pairs, len(standard) if len(set(cell) & set(standard)) < 6 else found.pairs)
        assert found.interval == ("ci95" if both >= 6 else "range")

    holds()


factors = st.tuples(st.floats(0.01, 100), st.floats(1, 3), st.floats(1, 3)).map(
    lambda t: Ratio(t[0], t[0] / t[1], t[0] * t[2], 8, "ci95")
)


@settings(deadline=None)
@given(factors, factors, factors)
def test_a_product_of_ratios_is_the_same_in_any_order_and_no_surer_than_its_factors(a, b, c):
    products = [multiply(multiply(x, y), z) for x, y, z in itertools.permutations((a, b, c))]
    for product in products:
        assert (product.low, product.value, product.high) == pytest.approx(
            (products[0].low, products[0].value, products[0].high), rel=1e-9
        )
        assert product.low <= product.value <= product.high
        for factor in (a, b, c):
            assert product.value / product.low >= factor.value / factor.low * (1 - 1e-9)
            assert product.high / product.value >= factor.high / factor.value * (1 - 1e-9)
    squares = [math.log(f.high / f.value) ** 2 for f in (a, b, c)], [math.log(f.low / f.value) ** 2 for f in (a, b, c)]
    assert math.log(products[0].high / products[0].value) == pytest.approx(math.sqrt(sum(squares[0])), abs=1e-9)
    assert math.log(products[0].low / products[0].value) == pytest.approx(-math.sqrt(sum(squares[1])), abs=1e-9)


@settings(deadline=None)
@given(factors)
def test_one_changes_nothing(a):
    product = multiply(a, Ratio(1.0, 1.0, 1.0, 99, "ci95"))
    assert (product.low, product.value, product.high) == pytest.approx((a.low, a.value, a.high), rel=1e-12)
    assert product.pairs == a.pairs
