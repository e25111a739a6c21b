"""How far repeated runs differ: found within a Python, beside a busy process apart, and Pythons from each other."""

import made_up
import pytest

from labkit.records.spread import pythons, spreads, versions


def of(repeat, method="matmul", n=1024):
    return next(s for s in spreads(repeat.runs) if (s.method, s.n) == (method, n))


def cell(run, method="matmul", n=1024):
    return next(c for c in run.cells if (c.method, c.n) == (method, n))


def test_a_spread_is_the_largest_over_the_smallest_less_one():
    repeat = made_up.repeat(runs=3, busy=False)
    for one, rate in zip(repeat.runs, (80.0, 100.0, 90.0), strict=True):
        cell(one).gflops, cell(one).peak_fraction.value = rate, 0.8 if rate < 90 else 0.84
    assert of(repeat).gflops == pytest.approx(0.25)
    assert of(repeat).peak_fraction == pytest.approx(0.05)
    assert of(repeat).gflops_busy is None


def test_the_run_beside_a_busy_process_does_not_count_as_spread():
    repeat = made_up.repeat(runs=2)
    cell(repeat.runs[-1]).gflops /= 2
    assert of(repeat).gflops == pytest.approx(0.01)
    assert of(repeat).gflops_busy == pytest.approx(0.5 / 1.005 - 1)
    assert of(repeat).peak_fraction_busy == pytest.approx(0)


def test_the_spread_is_that_within_a_python_and_not_between_two():
    repeat = made_up.repeat(runs=2, busy=False, pythons=("3.11.7", "3.12.1"))
    for one in repeat.runs:
        cell(one).gflops *= 3 if one.python == "3.12.1" else 1
    assert of(repeat).gflops == pytest.approx(0.01)


@pytest.mark.parametrize("runs", [5, 6])
def test_pythons_are_compared_with_the_oldest_and_fewer_than_six_runs_give_no_verdict(runs):
    repeat = made_up.repeat(runs=runs, busy=False, pythons=("3.12.1", "3.9.0", "3.11.7"))
    for one in repeat.runs:
        cell(one, "naive").peak_fraction.value *= 2 if one.python == "3.12.1" else 1
    assert versions(repeat.runs) == ["3.9.0", "3.11.7", "3.12.1"]
    found = [p for p in pythons(repeat.runs) if (p.method, p.n) == ("naive", 1024)]
    said = "faster" if runs == 6 else "no difference resolved"
    assert [(p.python, p.verdict) for p in found] == [("3.11.7", "no difference resolved"), ("3.12.1", said)]
    assert found[1].ratio.value == pytest.approx(2)
    assert found[1].ratio.interval == ("ci95" if runs == 6 else "range")


def test_one_run_has_no_spread_and_one_python_is_compared_with_none():
    assert spreads(made_up.repeat(runs=1, pythons=("3.11.7", "3.12.1")).runs) == []
    assert pythons(made_up.repeat().runs) == []
