"""The schedule under any request: everything visited as often as asked, evenly, and stopped exactly when enough."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit import schedule
from labkit.schedule import Requirement, fits_first_pass, plan_long, plan_rounds, predict_seconds

seeds = st.integers(0, 2**32 - 1)
# Cells as a lab could name them: any names, any sizes, in any order.
cells = st.lists(st.tuples(st.text(max_size=3), st.integers(1, 5000)), unique=True, max_size=12)
requirements = st.builds(Requirement, st.integers(1, 12), st.one_of(st.just(0.0), st.floats(1e-3, 5)))
orders = st.integers(1, 5000)
prices = st.dictionaries(orders, st.floats(1e-9, 1e4), min_size=1, max_size=6)


@st.composite
def requests(draw):
    """Short cells, and long ones in groups with how often each group is to be visited."""
    named = draw(cells)
    cut = draw(st.integers(0, len(named)))
    short, rest, long = named[:cut], named[cut:], {}
    while rest:
        width = draw(st.integers(1, 3))
        long[tuple(rest[:width])] = draw(st.integers(0, 15))
        rest = rest[width:]
    return short, long


@settings(deadline=None)
@given(requests(), st.integers(0, 30), seeds)
def test_a_plan_visits_what_was_asked_as_often_as_asked_and_nothing_else(request, rounds, seed):
    short, long = request
    plan = plan_rounds(short, long, rounds, np.random.default_rng(seed))
    visits = Counter(key for step in plan for key in (*step.short, *step.long))
    assert visits == Counter({key: len(plan) for key in short} | {k: v for group, v in long.items() for k in group})
    assert len(plan) == (max(rounds, 1, *long.values()) if long else rounds)
    # No cell twice in a round: (method, N, round) names a repetition.
    assert all(len({*step.short, *step.long}) == len(step.short) + len(step.long) for step in plan)


@settings(deadline=None)
@given(requests(), st.integers(0, 30), seeds)
def test_at_any_moment_of_a_plan_each_long_group_has_had_its_share_to_within_one_visit(request, rounds, seed):
    short, long = request
    plan = plan_rounds(short, long, rounds, np.random.default_rng(seed))
    for group, visits in long.items():
        had = itertools.accumulate(group[0] in step.long for step in plan)
        for i, so_far in enumerate(had, 1):
            assert abs(so_far - visits * i / len(plan)) <= 1


@settings(deadline=None)
@given(requests(), st.integers(0, 30), seeds)
def test_a_plan_follows_from_its_seed_and_the_cells_of_a_group_follow_one_another(request, rounds, seed):
    short, long = request
    plan = plan_rounds(short, long, rounds, np.random.default_rng(seed))
    assert plan == plan_rounds(short, long, rounds, np.random.default_rng(seed))
    for step in plan:
        for group in long:
            places = [i for i, key in enumerate(step.long) if key in group]
            assert places == list(range(places[0], places[0] + len(group))) if places else True


@settings(max_examples=50, deadline=None)
@given(requests(), st.integers(1, 6), seeds)
def test_the_second_pass_visits_its_group_as_often_as_asked_and_the_short_cells_after_each(request, visits, seed):
    short, long = request
    group = next(iter(long), (("long", 1),))
    plan = plan_long(group, visits, short, short[:1], np.random.default_rng(seed))
    seen = Counter(key for step in plan for key in (*step.short, *step.long))
    expected = Counter(dict.fromkeys(group, visits))
    expected.update(dict.fromkeys(short, visits * schedule.ROUNDS_BETWEEN))
    expected.update(dict.fromkeys(short[:1], visits))
    assert seen == expected
    assert plan[0].long
    assert not plan[-1].long  # a long visit is never the last: the short cells see the machine after it, too


def test_every_short_cell_comes_first_about_as_often_as_any_other():
    short = [("m", n) for n in range(5)]
    plan = plan_rounds(short, {}, 2000, np.random.default_rng(0))
    for place in range(5):
        counts = Counter(step.short[place] for step in plan)
        assert min(counts.values()) > 300  # 400 are expected, with a standard deviation of 18


# --- when enough is enough --------------------------------------------------------------------------


# Multiples of a power of two add up without rounding.
ticks = st.integers(1, 20_000).map(lambda n: n / 1024)


@settings(deadline=None)
@given(st.builds(Requirement, st.integers(1, 12), st.one_of(st.just(0.0), ticks)), ticks)
def test_what_remains_counts_down_one_by_one_to_exactly_met(requirement, call):
    asked = requirement.remaining(0, 0.0, call)
    for left in range(min(asked, 300), 0, -1):
        done = asked - left
        assert requirement.remaining(done, done * call, call) == left
        assert not requirement.met(done, done * call)
    assert requirement.met(asked, asked * call)
    assert requirement.remaining(asked, asked * call, call) == 0


@settings(deadline=None)
@given(requirements, st.lists(st.floats(1e-3, 3), min_size=1, max_size=20))
def test_calls_of_any_lengths_end_as_soon_as_the_requirement_is_met_and_no_sooner(requirement, lengths):
    done, spent, last = 0, 0.0, lengths[0]
    for length in itertools.cycle(lengths):
        if not requirement.remaining(done, spent, last):
            break
        assert not requirement.met(done, spent)
        done, spent, last = done + 1, spent + length, length
    assert requirement.met(done, spent)


@settings(deadline=None)
@given(requirements, st.integers(0, 20), st.floats(0, 6), st.floats(0, 20))
def test_more_repetitions_or_more_seconds_never_leave_more_to_do(requirement, done, spent, call):
    left = requirement.remaining(done, spent, call)
    assert left >= 0
    assert requirement.remaining(done + 1, spent, call) <= left
    assert requirement.remaining(done, spent + 0.5, call) <= left


@settings(deadline=None)
@given(requirements, st.floats(1e-3, 20))
def test_the_first_pass_takes_a_cell_whose_warm_up_and_repetitions_cost_its_budget_at_most(requirement, call):
    repetitions = max(requirement.repetitions, math.ceil(requirement.seconds / call))
    assert fits_first_pass(call, requirement) == (call * (1 + repetitions) <= schedule.FIRST_PASS_CELL_SECONDS)


# --- the cost model ---------------------------------------------------------------------------------


@settings(deadline=None)
@given(orders, prices)
def test_a_prediction_is_the_cube_law_from_a_size_than_which_none_is_nearer_by_ratio(n, known):
    ratios = {m: max(m, n) / min(m, n) for m in known}
    nearest = [m for m in known if ratios[m] <= min(ratios.values()) * (1 + 1e-12)]
    assert any(predict_seconds(n, known) == pytest.approx(known[m] * n**3 / m**3, rel=1e-12) for m in nearest)


@settings(deadline=None)
@given(orders, prices)
def test_a_size_that_is_known_is_predicted_to_take_what_it_took(n, known):
    assert predict_seconds(n, known | {n: 7.0}) == 7.0


@settings(deadline=None)
@given(orders, prices, st.sampled_from([0.5, 2.0, 1024.0]))
def test_a_machine_twice_as_slow_is_predicted_to_take_twice_as_long(n, known, factor):
    slower = {m: factor * seconds for m, seconds in known.items()}
    assert predict_seconds(n, slower) == factor * predict_seconds(n, known)
