"""The schedule under any request: everything timed as often as asked, evenly, beside its pair, and then no more."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.measure import sampling, schedule
from labkit.measure.schedule import Requirement, fits_first_pass, plan_long, plan_rounds, predict_seconds

seeds = st.integers(0, 2**32 - 1)
cells = st.lists(st.tuples(st.text(max_size=3), st.integers(1, 5000)), unique=True, max_size=12)
requirements = st.builds(Requirement, st.integers(1, 12), st.one_of(st.just(0.0), st.floats(1e-3, 5)))
orders = st.integers(1, 5000)
prices = st.dictionaries(orders, st.floats(1e-9, 1e4), min_size=1, max_size=6)


@st.composite
def requests(draw):
    """Short cells, and long ones in groups with how often each group is to be timed."""
    named = draw(cells)
    cut = draw(st.integers(0, len(named)))
    short, rest, long = named[:cut], named[cut:], {}
    while rest:
        width = draw(st.integers(1, 3))
        long[tuple(rest[:width])] = draw(st.integers(0, 15))
        rest = rest[width:]
    return short, long


@given(requests(), st.integers(0, 30), seeds)
def test_a_plan_times_what_was_asked_as_often_as_asked_evenly_and_pairs_together(request, rounds, seed):
    short, long = request
    plan = plan_rounds(short, long, rounds, np.random.default_rng(seed))
    assert plan == plan_rounds(short, long, rounds, np.random.default_rng(seed))
    assert len(plan) == (max(rounds, 1, *long.values()) if long else rounds)
    counts = Counter(key for step in plan for key in (*step.short, *step.long))
    assert counts == Counter({key: len(plan) for key in short} | {k: t for group, t in long.items() for k in group})
    for step in plan:
        assert sorted(step.short) == sorted(short)
        for group in long:
            places = [i for i, key in enumerate(step.long) if key in group]
            assert not places or places == list(range(places[0], places[0] + len(group)))
    for group, times in long.items():
        had = itertools.accumulate(group[0] in step.long for step in plan)
        assert all(abs(so_far - times * i / len(plan)) <= 1 for i, so_far in enumerate(had, 1))


@settings(max_examples=50)
@given(requests(), st.integers(1, 6), seeds)
def test_in_the_second_pass_rounds_of_the_short_ones_follow_each_long_sample(request, times, seed):
    short, long = request
    group = next(iter(long), (("long", 1),))
    plan = plan_long(group, times, short, np.random.default_rng(seed))
    stride = 1 + schedule.ROUNDS_BETWEEN
    assert len(plan) == stride * times
    for i, step in enumerate(plan):
        if i % stride == 0:
            assert (step.short, sorted(step.long)) == ((), sorted(group))
        else:
            assert (sorted(step.short), step.long) == (sorted(short), ())


def test_no_workload_always_has_the_same_place_in_a_round_nor_the_same_one_of_a_pair_goes_first():
    short = [("m", n) for n in range(5)]
    plan = plan_rounds(short, {}, 2000, np.random.default_rng(0))
    for place in range(5):
        assert min(Counter(step.short[place] for step in plan).values()) > 300  # 400 are expected, give or take 18
    pair = (("naive", 64), ("blocked", 64))
    for plan in (
        plan_rounds([], {pair: 30}, 30, np.random.default_rng(0)),
        plan_long(pair, 30, [], np.random.default_rng(0)),
    ):
        first = Counter(step.long[0] for step in plan if step.long)
        assert min(first[key] for key in pair) >= 8


# --- when enough is enough --------------------------------------------------------------------------------


def test_the_assignments_five_samples_and_one_second_are_the_least_that_is_asked():
    assert Requirement().samples >= 5
    assert Requirement().seconds >= 1.0
    assert schedule.ROUNDS * sampling.SAMPLE_SECONDS >= schedule.MIN_SECONDS  # one plan gives a short cell its second
    assert not Requirement(6, 1.0).met(5, 10.0)
    assert not Requirement(6, 1.0).met(600, 0.999)


# Multiples of a power of two add up without rounding.
ticks = st.integers(1, 20_000).map(lambda n: n / 1024)


@given(st.builds(Requirement, st.integers(1, 12), st.one_of(st.just(0.0), ticks)), ticks)
def test_what_remains_counts_down_one_by_one_to_exactly_met(requirement, call):
    asked = requirement.remaining(0, 0.0, call)
    for left in range(min(asked, 300), 0, -1):
        done = asked - left
        assert requirement.remaining(done, done * call, call) == left
        assert not requirement.met(done, done * call)
    assert requirement.met(asked, asked * call)
    assert requirement.remaining(asked, asked * call, call) == 0


@given(requirements, st.lists(st.floats(1e-3, 3), min_size=1, max_size=20))
def test_calls_of_any_lengths_end_as_soon_as_the_requirement_is_met_and_no_sooner(requirement, lengths):
    done, spent, last = 0, 0.0, lengths[0]
    for length in itertools.cycle(lengths):
        if not requirement.remaining(done, spent, last):
            break
        assert not requirement.met(done, spent)
        done, spent, last = done + 1, spent + length, length
    assert requirement.met(done, spent)


@given(requirements, st.floats(1e-3, 20))
def test_the_first_pass_takes_a_cell_whose_warm_up_and_samples_cost_its_budget_at_most(requirement, call):
    samples = max(requirement.samples, math.ceil(requirement.seconds / call))
    assert fits_first_pass(call, requirement) == (call * (1 + samples) <= schedule.FIRST_PASS_SECONDS)


def test_short_is_less_than_fifty_milliseconds():
    assert schedule.is_short(0.0499)
    assert not schedule.is_short(0.050)


# --- the cost model ---------------------------------------------------------------------------------------


@given(orders, prices)
def test_a_prediction_is_the_cube_law_from_a_size_than_which_none_is_nearer_by_ratio(n, known):
    ratios = {m: max(m, n) / min(m, n) for m in known}
    nearest = [m for m in known if ratios[m] <= min(ratios.values()) * (1 + 1e-12)]
    assert any(predict_seconds(n, known) == pytest.approx(known[m] * n**3 / m**3, rel=1e-12) for m in nearest)
    assert predict_seconds(n, known | {n: 7.0}) == 7.0
    assert predict_seconds(n, {}) is None
