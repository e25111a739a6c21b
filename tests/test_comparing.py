"""Cells held against each other: one method under two names, floors, and factors that are withheld."""

import comparing
import made_up
import msgspec
import pytest

from labkit.statistics import Ratio, floor_of, verdict


@pytest.fixture
def cells():
    return [msgspec.structs.replace(c) for c in made_up.results().cells]


def test_each_of_naive_and_matmul_is_timed_under_two_names_at_its_smallest_size():
    twice = made_up.results().same_twice
    assert [(p.method, p.other, p.n) for p in twice.pairs] == [
        ("naive_again", "naive", 64),
        ("matmul_again", "matmul", 64),
    ]
    assert twice.floor == pytest.approx(0.0)


def test_the_floor_is_the_largest_difference_of_a_thing_from_itself_in_either_direction():
    ratios = [Ratio(r, r * 0.99, r * 1.01, 12, "ci95") for r in (1.01, 0.95, 1.02)]
    assert floor_of(ratios) == pytest.approx(1 / 0.95 - 1)
    assert floor_of([]) == 0.0


@pytest.mark.parametrize(
    ("low", "high", "floor", "said"),
    [
        (1.01, 1.03, 0.0, "faster"),
        (1.01, 1.03, 0.02, "no difference resolved"),
        (1.03, 1.05, 0.02, "faster"),
        (0.97, 0.99, 0.0, "slower"),
        (0.97, 0.99, 0.02, "no difference resolved"),
        (0.90, 0.97, 0.02, "slower"),
        (0.99, 1.01, 0.0, "no difference resolved"),
    ],
)
def test_a_difference_within_the_floor_is_not_spoken_of(low, high, floor, said):
    assert verdict(Ratio((low * high) ** 0.5, low, high, 20, "ci95"), floor) == said


def test_the_floor_bears_on_the_comparisons_of_the_record():
    naive, blocked = made_up.workload("naive", 64), made_up.workload("blocked", 64)  # 2.5 % apart
    twin = made_up.workload("naive", 64, name="naive_again")
    twin.repetitions = [msgspec_scaled(r, 1.05) for r in twin.repetitions]
    twice = comparing.same_twice([twin], [naive, blocked])
    assert twice.floor == pytest.approx(0.05)
    a, b = (reduced(w) for w in (blocked, naive))
    assert comparing.compare(a, b).verdict == "slower"
    assert comparing.compare(a, b, twice.floor).verdict == "no difference resolved"


def msgspec_scaled(r, factor):
    return type(r)(r.seconds * factor, r.calls, r.cpu_over_wall, r.round)


def reduced(workload):
    import reduction

    from labkit.records import Bounded

    sentinel = made_up.measured(made_up.make_sentinel(), 1e-5)
    return reduction.reduce_cell(workload, sentinel, Bounded(value=2.0, low=1.9, high=2.1), cpus=2)


def test_a_factor_is_withheld_when_its_repetitions_did_not_have_the_core_to_themselves(cells):
    assert comparing.largest_speedup(cells, [1024], measured_only=False).withheld is None
    matmul = next(c for c in cells if (c.method, c.n) == ("matmul", 1024))
    matmul.marks = ["preempted"] * 6 + [None] * 6
    why = comparing.largest_speedup(cells, [1024], measured_only=False).withheld
    assert why == "matmul at N=1024 did not have its core to itself: 6 of 12 repetitions were preempted"


def test_an_extrapolated_factor_is_withheld_when_what_it_rests_on_was_disturbed(cells):
    base = next(c for c in cells if (c.method, c.n) == ("naive", 128))
    base.marks = ["stolen"] * 12
    assert "naive at N=128" in comparing.largest_speedup(cells, [1024], measured_only=False).withheld


def test_a_factor_of_a_cell_that_cannot_be_true_is_withheld(cells):
    next(c for c in cells if (c.method, c.n) == ("matmul", 1024)).invalid = ["it reaches 120 % of the roof"]
    assert "cannot be true: it reaches 120 %" in comparing.largest_speedup(cells, [1024], measured_only=False).withheld
