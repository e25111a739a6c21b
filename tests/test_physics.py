"""What no measurement can show: each impossibility by itself, and possible cells left alone."""

import made_up
import msgspec
import pytest

from labkit.physics import violations

RESOLUTION = 1e-9


@pytest.fixture
def cells():
    """The measured cells of a made-up run: sizes 64, 128 and 1024, on a core of 100 GFLOPS."""
    return [msgspec.structs.replace(c) for c in made_up.results().cells if not c.extrapolated]


def found(cells, **more):
    return violations(cells, made_up.PEAK, more.pop("resolution", RESOLUTION), **more)


def cell(cells, method, n):
    return next(c for c in cells if (c.method, c.n) == (method, n))


def test_possible_cells_are_left_alone(cells):
    assert found(cells) == {}


def test_a_share_above_the_roof_by_more_than_its_interval_is_impossible(cells):
    fast = cell(cells, "matmul", 1024)
    fast.roof = msgspec.structs.replace(fast.roof, share=1.2, low=1.05, high=1.3)
    assert found(cells) == {("matmul", 1024): ["it reaches 120 % of the roof (105 % or more)"]}
    fast.roof = msgspec.structs.replace(fast.roof, low=0.99)
    assert found(cells) == {}


def test_a_rate_above_the_highest_peak_seen_is_impossible_whatever_share_is_stated(cells):
    fast = cell(cells, "matmul", 128)
    fast.gflops = made_up.rate(130.0)
    [reason] = found(cells)["matmul", 128]
    assert "above the highest peak seen, 100.0" in reason


def test_a_unit_beside_the_core_may_pass_the_cores_peak(cells):
    cell(cells, "matmul", 1024).gflops = made_up.rate(900.0)
    cell(cells, "einsum", 1024).gflops = made_up.rate(900.0)
    assert set(found(cells, coprocessor=True)) == {("einsum", 1024)}


def test_more_cpu_time_than_wall_time_is_more_than_one_thread(cells):
    threaded = cell(cells, "matmul", 1024)
    threaded.cpu_over_wall = [1.9] * len(threaded.cpu_over_wall)
    assert found(cells)["matmul", 1024] == ["its CPU time is 1.90 times its wall time: more than one thread ran"]
    threaded.cpu_over_wall = [1.0] * 7 + [1.9] * 5  # a few of them are marks, and no impossibility
    assert found(cells) == {}


@pytest.mark.parametrize("factor", [0.5, 1.0])
def test_a_time_that_does_not_grow_with_n_is_impossible(cells, factor):
    small, large = cell(cells, "naive", 64), cell(cells, "naive", 128)
    large.seconds_per_call = [factor * s for s in small.seconds_per_call]
    assert "its time does not grow from N=64 to N=128" in found(cells)["naive", 128]


def test_times_of_sizes_close_together_or_below_a_calls_own_overhead_need_not_grow(cells):
    small, large = cell(cells, "naive", 64), cell(cells, "naive", 128)
    large.seconds_per_call = list(small.seconds_per_call)
    large.n, large.flops = 72, 2 * 72**3
    assert found(cells) == {}
    small.n, small.flops, large.n, large.flops = 2, 16, 8, 1024
    assert found(cells) == {}


def test_seconds_that_the_clock_can_hardly_tell_are_impossible(cells):
    short = cell(cells, "matmul", 64)
    tick = 2 * short.calls_per_repetition * min(short.seconds_per_call) / 100
    reasons = found(cells, resolution=tick)
    assert "shorter than 100 ticks of the clock" in reasons["matmul", 64][0]
    assert ("matmul", 1024) not in reasons


def test_an_extrapolated_cell_is_not_judged_by_itself():
    cells = made_up.results().cells
    extrapolated = next(c for c in cells if c.extrapolated)
    extrapolated.roof = msgspec.structs.replace(extrapolated.roof, low=2.0)
    assert violations(cells, made_up.PEAK, RESOLUTION) == {}
