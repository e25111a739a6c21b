"""How one number is taken, by a clock that moves only when a workload is called."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit import sampling
from labkit.interference import NO_INTERFERENCE, Interference
from labkit.sampling import Repetition, Workload, aligned, calibrate, make_sentinel, take, time_calls, warm_up


class FakeClock:
    """Stands still but for the workloads called under it."""

    def __init__(self, resolution=1e-9):
        self.resolution = resolution
        self.now = 100.0
        self.used = 0.0

    def wall(self):
        return self.now

    def cpu(self):
        return self.used

    def interference(self):
        return NO_INTERFERENCE

    def workload(self, *seconds, cpu=1.0):
        """A workload whose calls last as listed, the last figure from there on."""
        lasts = list(seconds)

        def call():
            step = lasts.pop(0) if len(lasts) > 1 else lasts[0]
            self.now += step
            self.used += cpu * step

        return Workload("fake", 1, call)


def test_a_repetition_is_the_wall_time_of_one_call():
    clock = FakeClock()
    workload = clock.workload(0.003)
    workload.calls = 4
    repetition = take(workload, clock, 7)
    assert repetition.seconds == pytest.approx(0.003)
    assert (repetition.calls, repetition.round) == (4, 7)
    assert workload.repetitions == [repetition]
    assert workload.total_seconds == pytest.approx(0.012)
    assert workload.estimate == repetition.seconds


@pytest.mark.parametrize("cpu", [0.5, 1.0, 2.0])
def test_cpu_over_wall_tells_a_preempted_repetition_from_a_second_thread(cpu):
    clock = FakeClock()
    assert take(clock.workload(0.01, cpu=cpu), clock, 0).cpu_over_wall == pytest.approx(cpu)


@pytest.mark.parametrize(("cpu", "own"), [(1.0, 0.01), (0.5, 0.005), (1.9, 0.01), (1.000001, 0.01)])
def test_time_that_was_the_process_s_own_leaves_out_what_others_took_and_adds_no_second_thread(cpu, own):
    clock = FakeClock()
    workload = clock.workload(0.01, cpu=cpu)
    assert take(workload, clock, 3).own_seconds == pytest.approx(own)
    assert workload.own_rates_by_round(1e9) == {3: pytest.approx(1 / own)}
    assert workload.rates_by_round(1e9) == {3: pytest.approx(100.0)}


def test_a_processor_clock_that_did_not_move_leaves_the_wall_time():
    assert Repetition(0.01, 1, 0.0, 0).own_seconds == 0.01


def test_what_came_between_is_counted_over_the_repetition_alone():
    class Interrupted(FakeClock):
        switches = 100

        def interference(self):
            return Interference(self.switches, 2 * self.switches, 0.01 * self.switches)

    clock = Interrupted()
    workload = clock.workload(0.01)

    def call(inner=workload.call):
        clock.switches += 1
        inner()

    workload.call, workload.calls = call, 3
    assert take(workload, clock, 0).interference == Interference(3, 6, pytest.approx(0.03))
    clock.switches += 1000  # between repetitions: nobody's
    assert take(workload, clock, 1).interference == Interference(3, 6, pytest.approx(0.03))


def test_a_clock_that_did_not_move_counts_as_one_tick_and_not_as_zero():
    clock = FakeClock(resolution=1e-3)
    workload = clock.workload(0.0)
    workload.calls = 10
    assert take(workload, clock, 0).seconds == pytest.approx(1e-4)


def test_the_warm_up_is_one_call_that_is_not_recorded():
    clock = FakeClock()
    workload = clock.workload(0.5, 0.001)
    assert warm_up(workload, clock) == pytest.approx(0.5)
    assert workload.repetitions == []
    assert take(workload, clock, 0).seconds == pytest.approx(0.001)


def test_nothing_but_the_calls_stands_between_the_readings_of_the_wall_clock():
    said = []

    class Spy(FakeClock):
        def wall(self):
            said.append("wall")
            return super().wall()

        def cpu(self):
            said.append("cpu")
            return super().cpu()

    time_calls(lambda: said.append("call"), 3, Spy())
    assert said == ["cpu", "wall", "call", "call", "call", "wall", "cpu"]


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-5, 0.2), st.floats(1e-3, 0.02))
def test_a_calibrated_repetition_lasts_the_visit_and_hardly_longer(call_seconds, target):
    clock = FakeClock()
    workload = clock.workload(call_seconds)
    calibrate(workload, clock, target)
    lasts = workload.calls * call_seconds
    assert lasts >= target * (1 - 1e-4)
    assert lasts <= 1.06 * target + 2 * call_seconds


@settings(max_examples=50, deadline=None)
@given(st.floats(0.5, 5000), st.floats(1e-6, 1e-2))
def test_a_calibrated_repetition_is_a_thousand_ticks_of_a_coarse_clock(ticks, resolution):
    clock = FakeClock(resolution)
    call_seconds = ticks * resolution
    workload = clock.workload(call_seconds)
    calibrate(workload, clock, target=0.0)
    assert workload.calls * call_seconds >= 1000 * resolution * (1 - 1e-6)


def test_calibration_is_not_fooled_by_one_slow_reading():
    clock = FakeClock()
    workload = clock.workload(0.5, 1e-5)
    calibrate(workload, clock, 0.010)
    assert workload.calls * 1e-5 >= 0.010 * (1 - 1e-4)


def test_calibration_is_not_fooled_by_two_slow_readings_with_a_true_one_between():
    clock = FakeClock()
    workload = clock.workload(0.5, 1e-5, 0.5, 1e-5)
    calibrate(workload, clock, 0.010)
    assert workload.calls * 1e-5 >= 0.010 * (1 - 1e-4)


def test_calibration_is_not_fooled_by_one_fast_reading():
    clock = FakeClock()
    workload = clock.workload(1e-9, 1e-3)
    calibrate(workload, clock, 0.010)
    assert workload.calls <= 12


def test_calibration_grows_at_most_tenfold_a_step_so_that_a_frozen_clock_does_not_run_away():
    clock = FakeClock(resolution=1e-6)
    asked = []
    workload = clock.workload(0.0, 0.0, 1e-3)
    original = workload.call
    workload.call = lambda: (asked.append(1), original())
    calibrate(workload, clock, 0.010)
    assert workload.calls <= 12
    assert len(asked) <= 60


def test_calibration_says_what_it_spent_and_leaves_an_estimate_but_no_repetition():
    clock = FakeClock()
    workload = clock.workload(0.004)
    before = clock.now
    assert calibrate(workload, clock, 0.010) == pytest.approx(clock.now - before)
    assert workload.estimate == pytest.approx(0.004)
    assert workload.repetitions == []


def test_a_call_longer_than_the_visit_is_a_repetition_by_itself():
    clock = FakeClock()
    workload = clock.workload(0.3)
    calibrate(workload, clock, 0.010)
    assert workload.calls == 1


def test_the_sentinel_is_a_dot_product_of_two_vectors_of_128_kib():
    sentinel = make_sentinel()
    x, y = sentinel.call.args
    assert sentinel.call.func is np.dot
    assert x.nbytes == y.nbytes == 128 * 1024
    assert x.dtype == y.dtype == np.float32
    assert (sentinel.flops, sentinel.bytes) == (65_536, 262_144)
    assert not np.shares_memory(x, y)
    assert np.isfinite(sentinel.call())


PAGE = 4096


@given(st.integers(1, 5000), st.integers(0, 3 * PAGE // 4).map(lambda words: 4 * words))
def test_an_aligned_array_is_ones_that_start_where_it_says_in_a_page(elements, offset):
    array = aligned(elements, offset)
    assert array.ctypes.data % PAGE == offset % PAGE
    assert (array.shape, array.dtype) == ((elements,), np.float32)
    assert array.flags.c_contiguous
    assert array.flags.writeable
    assert (array == 1).all()


@pytest.mark.parametrize("offset", [0, 4, 2048, PAGE - 4, PAGE])
def test_an_aligned_array_lies_wholly_in_memory_of_its_own(offset):
    held = [aligned(elements, offset) for elements in (1, 1000, 1024, 70_000) for _ in range(5)]
    for array in held:
        assert array.base is not None
        owner = array.base if array.base.base is None else array.base.base
        assert owner.ctypes.data <= array.ctypes.data
        assert array.ctypes.data + array.nbytes <= owner.ctypes.data + owner.nbytes
    spans = sorted((array.ctypes.data, array.ctypes.data + array.nbytes) for array in held)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))


def test_the_sentinel_s_vectors_begin_where_they_always_begin_half_a_page_apart():
    for _ in range(10):
        x, y = make_sentinel().call.args
        assert x.ctypes.data % PAGE == 0
        assert y.ctypes.data % PAGE == 2048 == sampling.SENTINEL_OFFSET


def test_the_sentinel_s_vectors_are_one_another_turned_round_so_that_every_run_adds_the_same():
    x, y = make_sentinel().call.args
    assert (x == y[::-1]).all()
    assert (x[0], x[-1]) == (0.5, 1.5)
    exact = float(np.dot(x.astype(np.float64), y.astype(np.float64)))
    assert float(make_sentinel().call()) == pytest.approx(exact, rel=1e-4)


def test_rates_are_10_to_the_9th_a_second_one_a_repetition_and_by_their_rounds():
    clock = FakeClock()
    workload = clock.workload(0.5, 0.25)
    for round_ in (3, 7):
        take(workload, clock, round_)
    assert workload.rates(10**9) == pytest.approx([2.0, 4.0])
    assert workload.rates_by_round(2 * 10**9) == pytest.approx({3: 4.0, 7: 8.0})


def test_the_system_clock_runs_forward_and_knows_its_tick():
    clock = sampling.SystemClock()
    wall, cpu = clock.wall(), clock.cpu()
    sum(range(10_000))
    assert clock.wall() > wall
    assert clock.cpu() >= cpu
    assert 0 < clock.resolution < 1e-3
