"""The order of visits: nothing left out, nothing twice, pairs together, and its cost told truly."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit import schedule
from labkit.schedule import Requirement, plan_long, plan_rounds, predict_seconds

keys = st.integers(0, 6).map(lambda count: [("short", n) for n in range(count)])
groups = st.dictionaries(st.integers(1, 4), st.tuples(st.integers(1, 3), st.integers(1, 12)), max_size=4).map(
    lambda sizes: {tuple((f"long{i}", n) for i in range(width)): visits for n, (width, visits) in sizes.items()}
)
seeds = st.integers(0, 2**32 - 1)


def long_visits(plan):
    return Counter(key for step in plan for key in step.long)


def assert_side_by_side(plan, asked):
    """The cells of a group follow one another at once, each once a visit."""
    for group in asked:
        places = [[step.long.index(key) for key in group] for step in plan if set(group) <= set(step.long)]
        assert all(max(p) - min(p) == len(group) - 1 for p in places)
        assert len(places) == asked[group]


@settings(deadline=None)
@given(keys, groups, st.integers(1, 40), seeds)
def test_every_round_visits_every_short_cell_once(short, long, rounds, seed):
    plan = plan_rounds(short, long, rounds, np.random.default_rng(seed))
    assert len(plan) == max([rounds, *long.values()])
    assert all(sorted(step.short) == short for step in plan)


@settings(deadline=None)
@given(keys, groups, st.integers(1, 40), seeds)
def test_every_long_cell_is_visited_as_often_as_asked_beside_its_pair(short, long, rounds, seed):
    plan = plan_rounds(short, long, rounds, np.random.default_rng(seed))
    assert long_visits(plan) == Counter({key: visits for group, visits in long.items() for key in group})
    assert_side_by_side(plan, long)


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 200), seeds)
def test_long_visits_are_spread_over_the_whole_plan(visits, rounds, seed):
    plan = plan_rounds([], {(("naive", 64),): visits}, rounds, np.random.default_rng(seed))
    at = [i for i, step in enumerate(plan) if step.long]
    stride = len(plan) / visits
    gaps = np.diff([at[0] - stride, *at, at[-1] + stride])
    assert max(gaps) <= stride + 1
    assert at[0] <= stride / 2 + 1
    assert len(plan) - at[-1] <= stride / 2 + 1


def test_the_order_of_a_round_is_drawn_anew_each_time():
    short = [("m", n) for n in range(6)]
    plan = plan_rounds(short, {}, 20, np.random.default_rng(0))
    assert len({step.short for step in plan}) > 15


def test_neither_of_a_pair_always_goes_first():
    pair = (("naive", 64), ("blocked", 64))
    for plan in (
        plan_rounds([], {pair: 30}, 30, np.random.default_rng(0)),
        plan_long(pair, 30, [], [], np.random.default_rng(0)),
    ):
        first = Counter(step.long[0] for step in plan if step.long)
        assert min(first[key] for key in pair) >= 8


def test_no_rounds_and_nothing_long_is_no_plan():
    assert plan_rounds([("m", 1)], {}, 0, np.random.default_rng(0)) == []


@settings(deadline=None)
@given(keys, st.integers(1, 3), st.integers(1, 8), seeds)
def test_in_the_second_pass_the_sentinel_goes_with_each_long_visit_and_a_few_rounds_follow(short, width, visits, seed):
    group = tuple((f"long{i}", 256) for i in range(width))
    sentinel = [("sentinel", 1)]
    plan = plan_long(group, visits, short + sentinel, sentinel, np.random.default_rng(seed))
    assert_side_by_side(plan, {group: visits})
    stride = 1 + schedule.ROUNDS_BETWEEN
    assert len(plan) == stride * visits
    for i, step in enumerate(plan):
        if i % stride == 0:
            assert (step.short, sorted(step.long)) == (tuple(sentinel), list(group))
        else:
            assert (sorted(step.short), step.long) == (sorted(short + sentinel), ())


def test_a_cell_is_measured_only_with_enough_repetitions_and_enough_seconds():
    requirement = Requirement(6, 1.0)
    assert requirement.met(6, 1.0)
    assert not requirement.met(5, 10.0)
    assert not requirement.met(600, 0.999)


def test_the_lab_s_five_repetitions_and_one_second_are_the_least_that_is_asked():
    assert Requirement().repetitions >= 5
    assert Requirement().seconds >= 1.0


@settings(deadline=None)
@given(st.integers(1, 20), st.floats(0, 5), st.integers(0, 30), st.floats(0, 6), st.floats(1e-3, 2))
def test_nothing_remains_exactly_when_the_requirement_is_met(repetitions, seconds, done, spent, call):
    requirement = Requirement(repetitions, seconds)
    left = requirement.remaining(done, spent, call)
    assert (left == 0) == requirement.met(done, spent)
    assert requirement.met(done + left, spent + left * call + 1e-9)
    if left > 1:
        assert not requirement.met(done + left - 1, spent + (left - 1) * call - 1e-9)


def test_short_is_less_than_fifty_milliseconds():
    assert schedule.is_short(0.0499)
    assert not schedule.is_short(0.050)


def test_a_first_pass_cell_costs_at_most_its_budget_with_the_warm_up_counted():
    requirement = Requirement(6, 1.0)
    budget = schedule.FIRST_PASS_CELL_SECONDS
    assert schedule.fits_first_pass(budget / 7, requirement)
    assert not schedule.fits_first_pass(budget / 6.99, requirement)
    assert schedule.fits_first_pass(budget / 2, Requirement(1, 0.0))


def test_the_rounds_of_one_plan_give_a_short_cell_its_second():
    assert schedule.ROUNDS * schedule.VISIT_SECONDS >= schedule.MIN_SECONDS


def test_doubling_n_costs_eight_times_as_much():
    assert predict_seconds(1024, {512: 3.0}) == 24.0
    assert predict_seconds(64, {128: 8.0}) == 1.0


def test_the_cost_model_starts_from_the_size_nearest_by_ratio():
    # 300 is nearer to 512 than to 128 by ratio, though not by difference.
    assert predict_seconds(300, {128: 1e9, 512: 512.0**3}) == pytest.approx(300.0**3)
    assert predict_seconds(256, {256: 7.0, 512: 1.0}) == 7.0


def test_nothing_is_predicted_from_nothing():
    assert predict_seconds(64, {}) is None
