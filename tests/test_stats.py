"""Medians, exact intervals and ratios: against brute force, and by simulation where a coverage is claimed."""

import itertools
import math
import statistics
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit import stats
from labkit.stats import Ratio, fastest, median_interval, median_rank, multiply, paired_ratio, verdict

# From a nanosecond to a day; ties are as likely as not.
seconds = st.one_of(st.floats(1e-9, 1e5), st.sampled_from([1e-3, 2e-3, 3e-3]))
samples = st.lists(seconds, min_size=1, max_size=40)
pairs = st.lists(st.tuples(seconds, seconds), min_size=1, max_size=40)


def ratio(low, value, high, kind="ci95", pairs=9):
    return Ratio(value, low, high, pairs, kind)


def rank_by_tossing(n):
    """The largest k such that of n fair coins between k and n - k fall heads in at least 95 cases of 100."""
    best, tail = None, Fraction(0)
    for k in range(1, n // 2 + 1):
        tail += Fraction(math.comb(n, k - 1), 2**n)
        if 1 - 2 * tail < Fraction(95, 100):
            break
        best = k
    return best


# --- the median and its interval ---------------------------------------------------------------------


@pytest.mark.parametrize("n", [*range(0, 60), 257, 1000])
def test_the_rank_is_that_of_exact_binomial_tails(n):
    assert median_rank(n) == rank_by_tossing(n)


@given(samples, st.randoms(use_true_random=False))
def test_the_interval_is_two_order_statistics_around_the_median_in_whatever_order_samples_came(values, random):
    shuffled = values.copy()
    random.shuffle(shuffled)
    rank, ordered = rank_by_tossing(len(values)), sorted(values)
    expected = (ordered[0], ordered[-1], "range") if rank is None else (ordered[rank - 1], ordered[-rank], "ci95")
    assert median_interval(shuffled) == expected
    assert expected[0] <= statistics.median(values) <= expected[1]
    assert stats.FEWEST_FOR_INTERVAL == 6
    assert (rank is None) == (len(values) < 6)


def test_the_interval_holds_the_true_median_of_a_skewed_distribution_95_times_in_100():
    rng = np.random.default_rng(1)
    held = 0
    for sample in rng.exponential(size=(1000, 15)):
        low, high, _ = median_interval(sample.tolist())
        held += low <= math.log(2) <= high
    assert 950 <= held <= 980  # 965 are expected


@given(samples, st.integers(0, 1000))
def test_a_percentile_is_interpolated_between_its_neighbours(values, thousandth):
    ordered = [Fraction(v) for v in sorted(values)]
    place = Fraction(thousandth, 1000) * (len(values) - 1)
    below, above = ordered[math.floor(place)], ordered[math.ceil(place)]
    expected = below + (place - math.floor(place)) * (above - below)
    assert abs(Fraction(stats.percentile(values, thousandth / 10)) - expected) <= (below + above) / 10**12


# --- ratios of pairs ---------------------------------------------------------------------------------


@given(pairs)
def test_a_paired_ratio_is_the_middle_of_the_pairs_ratios_and_its_bounds_are_two_of_them(pairs):
    found = paired_ratio(*zip(*pairs, strict=True))
    each = sorted(a / b for a, b in pairs)
    n, rank = len(each), rank_by_tossing(len(each))
    # An even number has two in the middle: their geometric mean, so that a ratio turned upside down is its inverse.
    assert found.value == pytest.approx(math.sqrt(each[(n - 1) // 2] * each[n // 2]), rel=1e-9)
    low, high = (each[0], each[-1]) if rank is None else (each[rank - 1], each[-rank])
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9)
    assert (found.pairs, found.interval) == (n, "range" if rank is None else "ci95")


def test_a_drift_that_both_of_a_pair_share_leaves_their_ratio_alone():
    drift = [1.0, 4.0, 0.5, 2.0, 8.0, 1.5, 3.0]
    found = paired_ratio([3 * d for d in drift], drift)
    assert (found.low, found.value, found.high) == pytest.approx((3, 3, 3))
    with pytest.raises(ValueError, match="shorter"):
        paired_ratio(drift, drift[1:])


@given(pairs)
def test_a_difference_is_claimed_exactly_when_a_sign_test_at_5_percent_finds_one(pairs):
    a, b = zip(*pairs, strict=True)
    if any(abs(x / y - 1) < 1e-9 for x, y in pairs):
        return  # ties: the sign test has no opinion of them
    n, above = len(pairs), sum(x > y for x, y in pairs)
    p_value = 2 * sum(Fraction(math.comb(n, i), 2**n) for i in range(min(above, n - above) + 1))
    claimed = verdict(paired_ratio(a, b))
    assert (claimed != "no difference resolved") == (p_value <= Fraction(5, 100))
    if claimed != "no difference resolved":
        assert (claimed == "faster") == (above > n / 2)


@pytest.mark.parametrize(
    ("interval", "floor", "said"),
    [
        (ratio(1.01, 1.02, 1.03), 0.0, "faster"),
        (ratio(1.01, 1.02, 1.03), 0.02, "no difference resolved"),
        (ratio(1.03, 1.04, 1.05), 0.02, "faster"),
        (ratio(0.97, 0.98, 0.99), 0.0, "slower"),
        (ratio(0.97, 0.98, 0.99), 0.02, "no difference resolved"),
        (ratio(0.90, 0.95, 0.97), 0.02, "slower"),
        (ratio(1.0, 1.1, 1.2), 0.0, "no difference resolved"),
        (ratio(0.9, 1.0, 1.1), 0.0, "no difference resolved"),
        (ratio(2.0, 2.1, 2.2, "range"), 0.0, "no difference resolved"),
        (ratio(0.2, 0.3, 0.4, "range"), 0.0, "no difference resolved"),
    ],
)
def test_a_difference_is_claimed_only_if_a_true_interval_lies_beyond_the_noise_floor(interval, floor, said):
    assert verdict(interval, floor) == said


def test_the_noise_floor_is_the_largest_difference_of_a_thing_from_itself_in_either_direction():
    found = stats.noise_floor([ratio(r * 0.99, r, r * 1.01) for r in (1.01, 0.95, 1.02)])
    assert found == pytest.approx(1 / 0.95 - 1)
    assert stats.noise_floor([]) == 0.0


# --- ratios of medians -------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "m"), [(6, 6), (6, 7), (6, 20), (20, 6), (9, 30), (12, 12), (100, 8)])
def test_both_medians_lie_in_the_two_intervals_of_a_quotient_with_95_percent_or_more(n, m):
    i, j = stats.pair_ranks(n, m)
    both = (1 - stats.missed(n, i)) * (1 - stats.missed(m, j))
    assert both >= 0.95 or (n, m) == (6, 6)  # six against six: the quotient is held though the medians need not be
    # No rank higher: the narrowest such intervals.
    wider = [(a, b) for a, b in ((i + 1, j), (i, j + 1)) if a <= n // 2 and b <= m // 2]
    assert all(
        (1 - stats.missed(n, a)) * (1 - stats.missed(m, b)) < 0.95**0.5 * (1 - stats.missed(n, 1)) for a, b in wider
    )


@pytest.mark.parametrize(("n", "m"), [(6, 6), (6, 11), (15, 30)])
@pytest.mark.parametrize("spread", [0.01, 1.0])
def test_the_interval_of_a_ratio_of_medians_holds_it_95_times_in_100(n, m, spread):
    rng = np.random.default_rng(n + m)
    held = 0
    for _ in range(1000):
        found = stats.ratio_of_medians(
            rng.exponential(size=n).tolist(), (1 + spread * rng.exponential(size=m)).tolist()
        )
        held += found.low <= math.log(2) / (1 + spread * math.log(2)) <= found.high
    assert held >= 943  # 950 less one standard deviation; more are usual, as two exact intervals are cautious together


@given(samples, samples)
def test_a_ratio_of_medians_lies_in_its_interval_and_turned_round_is_its_inverse(a, b):
    there, back = stats.ratio_of_medians(a, b), stats.ratio_of_medians(b, a)
    assert there.value == pytest.approx(statistics.median(a) / statistics.median(b), rel=1e-12)
    for x, y in ((there.value, back.value), (there.low, back.high), (there.high, back.low)):
        assert x * y == pytest.approx(1, rel=1e-9)
    assert there.low <= there.value * (1 + 1e-12)
    assert there.high >= there.value * (1 - 1e-12)
    assert there.interval == ("ci95" if min(len(a), len(b)) >= 6 else "range")


# --- the fastest of many brief samples ----------------------------------------------------------------


@given(st.integers(1, 700), st.integers(0, 2**32 - 1))
def test_the_fastest_is_the_mean_of_the_fastest_hundredth_and_of_three_at_least(n, seed):
    rates = np.random.default_rng(seed).exponential(size=n).tolist()
    top = sorted(rates, reverse=True)[: max(3, round(n / 100))]
    assert fastest(rates) == pytest.approx(statistics.fmean(top), rel=1e-12)
    assert fastest([r if r in top else 0.0 for r in rates]) == fastest(rates)


factors = st.tuples(st.floats(0.01, 100), st.floats(1, 3), st.floats(1, 3)).map(
    lambda t: Ratio(t[0], t[0] / t[1], t[0] * t[2], 8, "ci95")
)


@given(factors, factors, factors)
def test_relative_errors_of_a_product_add_in_quadrature_in_any_order(a, b, c):
    for x, y, z in itertools.permutations((a, b, c)):
        found = multiply(multiply(x, y), z)
        assert found.value == pytest.approx(a.value * b.value * c.value)
        up = math.hypot(*(math.log(f.high / f.value) for f in (a, b, c)))
        down = math.hypot(*(math.log(f.value / f.low) for f in (a, b, c)))
        assert math.log(found.high / found.value) == pytest.approx(up, abs=1e-9)
        assert math.log(found.value / found.low) == pytest.approx(down, abs=1e-9)


def test_a_product_with_a_mere_range_is_a_mere_range_of_the_fewer_pairs():
    found = multiply(ratio(1, 1, 1, pairs=7), ratio(1, 1, 1, "range"))
    assert (found.interval, found.pairs) == ("range", 7)
