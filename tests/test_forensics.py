"""Marks on repetitions: each reason by itself, and how many make a cell noisy."""

import pytest

from labkit.forensics import WORDS, describe, interrupted, mark, marks, noisy
from labkit.interference import Interference
from labkit.sampling import Repetition


def repetition(cpu=1.0, steal=0.0, round_=0, seconds=0.01):
    return Repetition(seconds, 1, cpu, round_, Interference(0, 0, steal))


@pytest.mark.parametrize(
    ("r", "sentinel", "found"),
    [
        (repetition(), 50.0, None),
        (repetition(cpu=0.985), 50.0, None),
        (repetition(cpu=0.97), 50.0, "preempted"),
        (repetition(cpu=1.04), 50.0, None),
        (repetition(cpu=1.06), 50.0, "second thread"),
        (repetition(steal=0.01), 50.0, "stolen"),
        (repetition(cpu=0.5, steal=0.01), 50.0, "stolen"),
        (repetition(steal=0.0003), 50.0, None),
        (repetition(), 41.0, None),
        (repetition(), 39.0, "slowed"),
        (repetition(cpu=0.5), 39.0, "preempted"),
        (repetition(), None, None),
    ],
)
def test_a_repetition_bears_the_reason_that_disturbed_it_most(r, sentinel, found):
    assert mark(r, cpus=2, sentinel=sentinel, usual=50.0) == found


def test_a_machine_that_does_not_count_steal_has_none_stolen():
    assert mark(Repetition(0.01, 1, 1.0, 0), cpus=2, sentinel=None, usual=None) is None


def test_steal_is_held_against_all_the_cpus_that_it_is_counted_over():
    # 10 ms stolen somewhere on 64 CPUs within 10 ms is less than 2 % of what they had.
    assert mark(repetition(steal=0.01), cpus=64, sentinel=None, usual=None) is None


def test_the_sentinel_beside_a_repetition_is_that_of_its_own_round():
    sentinel = dict.fromkeys(range(10), 50.0) | {3: 20.0}
    found = marks([repetition(round_=k) for k in range(12)], 2, sentinel)
    assert found == [None] * 3 + ["slowed"] + [None] * 8


def test_every_mark_is_counted_in_words_and_nothing_is_left_out():
    found = ["preempted", None, "slowed", "preempted", "stolen", "second thread"]
    assert describe(found) == [
        "2 of 6 repetitions were preempted",
        "1 of 6 repetitions lost their core to the hypervisor",
        "1 of 6 repetitions had a second thread",
        "1 of 6 repetitions ran on a core that was slowed, by the sentinel beside them",
    ]
    assert describe([None] * 5) == []


@pytest.mark.parametrize("reason", [m for m in WORDS if m != "slowed"])
def test_more_than_a_tenth_without_the_core_to_themselves_make_a_cell_noisy(reason):
    assert not noisy([reason] + [None] * 9)
    assert noisy([reason] * 2 + [None] * 8)
    assert interrupted([reason] * 2 + [None] * 8)


def test_a_slow_core_makes_a_cell_noisy_later_and_never_interrupted():
    assert not noisy(["slowed"] * 2 + [None] * 8)
    assert noisy(["slowed"] * 3 + [None] * 7)
    assert not interrupted(["slowed"] * 10)


def test_a_cell_without_repetitions_is_not_noisy():
    assert not noisy([])
    assert not interrupted([])
