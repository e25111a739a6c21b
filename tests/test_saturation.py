"""What a sweep over chains says, on made-up sweeps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from saturation import choose, saturates_at

from labkit.records import Saturation


def point(chains, gflops, lanes=8):
    return Saturation(instruction_set="AVX2 + FMA", lanes=lanes, accumulators=chains, gflops=gflops)


def chosen(*points):
    """Chains and width of the loop that is chosen; the loop that comes with it is the point's own."""
    swept = [(point(*p), p) for p in points]
    saturation, loop = choose(swept)
    assert (saturation.accumulators, saturation.gflops) == loop[:2]
    return saturation.accumulators, saturation.lanes


# Latency 4, two units: full from 8 chains on, and past 14 the registers are gone.
USUAL = [(1, 12.5), (2, 25.0), (4, 50.0), (6, 75.0), (8, 100.0), (10, 101.0), (12, 100.5), (14, 90.0)]


def test_the_peak_loop_is_the_one_with_most_chains_among_the_best():
    assert chosen(*USUAL) == (12, 8)


def test_a_loop_that_is_more_than_2_percent_behind_is_not_as_good_however_many_chains_it_has():
    assert chosen((8, 100.0), (10, 97.9)) == (8, 8)
    assert chosen((8, 100.0), (10, 98.1)) == (10, 8)


def test_a_single_loop_is_chosen_whatever_it_does():
    assert chosen((1, 0.5)) == (1, 8)


def test_of_two_widths_the_faster_is_chosen_though_the_other_has_more_chains():
    assert chosen((8, 200.0, 16), (16, 150.0, 8)) == (8, 16)
    assert chosen((20, 150.0, 16), (8, 200.0, 8)) == (8, 8)


def test_of_two_widths_with_as_many_chains_and_as_good_the_faster_is_chosen():
    assert chosen((12, 100.0, 16), (12, 101.0, 8)) == (12, 8)
    assert chosen((12, 101.0, 16), (12, 100.0, 8)) == (12, 16)


def test_a_core_is_full_from_the_fewest_chains_within_5_percent_of_the_best():
    assert saturates_at([point(*p) for p in USUAL]) == 8
    assert saturates_at([point(6, 94.9), point(8, 95.1), point(10, 100.0)]) == 8
    assert saturates_at([point(1, 0.5)]) == 1


def test_a_core_that_fills_up_fills_up_with_no_more_chains_than_its_peak_loop_has():
    assert saturates_at([point(*p) for p in USUAL]) <= chosen(*USUAL)[0]


sweeps = st.lists(st.tuples(st.integers(1, 24), st.floats(0.1, 1000), st.sampled_from([8, 16])), min_size=1)


@given(sweeps)
def test_whatever_the_sweep_the_loop_is_within_2_percent_of_the_best_and_none_as_good_has_more_chains(points):
    best = max(gflops for _, gflops, _ in points)
    saturation, _ = choose([(point(*p), None) for p in points])
    assert saturation.gflops >= 0.98 * best
    assert saturation.accumulators == max(chains for chains, gflops, _ in points if gflops >= 0.98 * best)


@given(sweeps, st.randoms())
def test_the_order_of_the_sweep_does_not_matter(points, rng):
    swept = [point(*p) for p in points]
    shuffled = rng.sample(swept, len(swept))
    assert saturates_at(swept) == saturates_at(shuffled)
    first, second = (choose([(s, None) for s in order])[0] for order in (swept, shuffled))
    assert (first.accumulators, first.gflops) == (second.accumulators, second.gflops)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_a_faster_clock_changes_neither_the_loop_nor_where_the_core_is_full(scale):
    faster = [(chains, scale * gflops) for chains, gflops in USUAL]
    assert chosen(*faster) == (12, 8)
    assert saturates_at([point(*p) for p in faster]) == 8
