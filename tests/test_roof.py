"""The roofline model, against the numbers that can be had by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit import roof

rates = st.floats(0.1, 1e4)


def test_a_product_of_order_n_does_n_cubed_multiplications_and_as_many_additions():
    multiplications = additions = 0
    for _ in range(3 * 3 * 3):
        multiplications, additions = multiplications + 1, additions + 1
    assert roof.matmul_flops(3) == multiplications + additions
    assert isinstance(roof.matmul_flops(100_000), int)  # 2e15: exact, not a float


def test_compulsory_traffic_reads_a_and_b_and_writes_c_once():
    assert roof.compulsory_intensity(64) == pytest.approx(2 * 64**3 / (3 * 64 * 64 * 4))
    assert roof.compulsory_intensity(6) == pytest.approx(1)


def test_without_reuse_two_flops_need_two_elements():
    assert roof.NO_REUSE_INTENSITY == 0.25


@settings(deadline=None)
@given(rates, rates)
def test_memory_just_feeds_the_peak_at_the_ridge(peak, gbs):
    assert roof.ridge(peak, gbs) * gbs == pytest.approx(peak)


@settings(deadline=None)
@given(rates, rates)
def test_at_the_crossover_a_product_with_compulsory_traffic_sits_on_the_ridge(peak, gbs):
    n = roof.crossover_n(peak, gbs)
    assert roof.compulsory_intensity(n) == pytest.approx(roof.ridge(peak, gbs))


def test_the_crossover_of_a_hundred_gflops_over_fifteen_gigabytes_is_at_forty():
    assert roof.crossover_n(100, 15) == pytest.approx(40)


@settings(deadline=None)
@given(rates, rates, st.floats(0.01, 100))
def test_the_intensity_that_a_rate_proves_is_never_more_than_what_was_done(peak, gbs, intensity):
    reached = min(peak, intensity * gbs)
    assert roof.proven_intensity(reached, gbs) <= intensity * (1 + 1e-12)


def test_a_rate_that_memory_alone_limits_proves_the_intensity_it_has():
    assert roof.proven_intensity(30.0, 15.0) == 2.0
