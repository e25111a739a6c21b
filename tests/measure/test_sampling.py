"""How one number is taken, by a clock that moves only when a workload is called."""

import itertools

import numpy as np
import pytest
from fake_clock import FakeClock, FakeProbe
from hypothesis import given
from hypothesis import strategies as st

from labkit.measure import sampling
from labkit.measure.sampling import aligned, calibrate, interleave, take, time_calls, warm_up

PAGE = 4096


def test_a_sample_is_the_time_of_one_call_and_is_kept_in_its_round():
    clock = FakeClock()
    workload = clock.workload(0.003, busy=0.5, flops=6_000_000)
    workload.calls = 4
    sample = take(workload, clock, 7, began=99.0)
    assert (sample.seconds, sample.cpu_seconds) == pytest.approx((0.003, 0.0015))
    assert (sample.calls, sample.round, sample.steal_seconds) == (4, 7, 0.0)
    assert sample.at == pytest.approx(1.012)  # since the run began
    assert workload.samples == [sample]
    assert workload.total_seconds == pytest.approx(0.012)
    assert workload.estimate == sample.seconds
    assert workload.series().rates == pytest.approx([2.0])


def test_steal_is_counted_over_the_sample_alone():
    clock = FakeClock()
    workload = clock.workload(0.01)

    def call(inner=workload.call):
        clock.stolen += 0.25
        inner()

    workload.call, workload.calls = call, 3
    assert take(workload, clock, 0).steal_seconds == 0.75
    clock.stolen += 1000  # between samples: nobody's
    assert take(workload, clock, 1).steal_seconds == 0.75
    workload.call = lambda: setattr(clock, "stolen", None)
    assert take(workload, clock, 2).steal_seconds is None


def test_a_series_has_every_sample_in_columns_and_a_record_that_must_be_small_leaves_two_out():
    clock = FakeClock()
    workload = clock.workload(0.5, 0.25, busy=0.5, name="matmul", n=64, flops=10**9)
    for round_ in (3, 7):
        take(workload, clock, round_)
    series = workload.series()
    assert (series.name, series.n, series.rounds, series.calls) == ("matmul", 64, [3, 7], [1, 1])
    assert series.rates == pytest.approx([2.0, 4.0])
    assert series.cpu_rates == pytest.approx([4.0, 8.0])
    assert (series.steal_seconds, len(series.at)) == ([0.0, 0.0], 2)
    small = workload.series(timeline=False)
    assert (small.steal_seconds, small.at, small.seconds) == ([], [], series.seconds)


@pytest.mark.parametrize(("busy", "own"), [(1.0, 0.01), (0.5, 0.005), (1.9, 0.01), (0.0, 0.01)])
def test_processor_time_leaves_out_what_others_took_and_adds_no_second_thread(busy, own):
    clock = FakeClock()
    workload = clock.workload(0.01, busy=busy, bytes=10**9)
    take(workload, clock, 3)
    assert workload.series().cpu_rates == [pytest.approx(1 / own)]
    assert workload.series().rates == [pytest.approx(100.0)]


def test_a_clock_that_did_not_move_counts_as_one_tick_and_not_as_zero():
    clock = FakeClock(resolution=1e-3)
    workload = clock.workload(0.0)
    workload.calls = 10
    assert take(workload, clock, 0).seconds == pytest.approx(1e-4)


def test_a_recorded_figure_is_off_by_less_than_a_millionth():
    assert sampling.rounded(1 / 3) == pytest.approx(1 / 3, rel=1e-6)
    assert sampling.rounded(1 / 3) != 1 / 3


def test_the_warm_up_is_one_call_that_is_not_recorded():
    clock = FakeClock()
    workload = clock.workload(0.5, 0.001)
    assert warm_up(workload, clock) == pytest.approx(0.5)
    assert workload.samples == []
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


# --- calibration ----------------------------------------------------------------------------------------


@given(st.floats(1e-5, 0.2), st.floats(1e-3, 0.02))
def test_a_calibrated_sample_lasts_its_target_and_hardly_longer(call_seconds, target):
    clock = FakeClock()
    workload = clock.workload(call_seconds)
    before = clock.now
    assert calibrate(workload, clock, target) == pytest.approx(clock.now - before)
    assert target * (1 - 1e-4) <= workload.calls * call_seconds <= 1.06 * target + 2 * call_seconds
    assert workload.estimate == pytest.approx(call_seconds, rel=1e-3)
    assert workload.samples == []


@given(st.floats(0.5, 5000), st.floats(1e-6, 1e-2))
def test_a_calibrated_sample_is_a_thousand_ticks_of_a_coarse_clock(ticks, resolution):
    clock = FakeClock(resolution)
    workload = clock.workload(ticks * resolution)
    calibrate(workload, clock, target=0.0)
    assert workload.calls * ticks >= 1000 * (1 - 1e-6)


@pytest.mark.parametrize("readings", [(0.5, 1e-5), (0.5, 1e-5, 0.5, 1e-5)])
def test_calibration_is_not_fooled_by_single_slow_readings(readings):
    clock = FakeClock()
    workload = clock.workload(*readings)
    calibrate(workload, clock, 0.010)
    assert workload.calls * 1e-5 >= 0.010 * (1 - 1e-4)


def test_calibration_is_not_fooled_by_one_fast_reading_nor_run_away_on_a_frozen_clock():
    clock = FakeClock()
    workload = clock.workload(1e-9, 1e-3)
    calibrate(workload, clock, 0.010)
    assert workload.calls <= 12
    clock = FakeClock(resolution=1e-6)
    frozen = clock.workload(0.0, 0.0, 1e-3)
    calibrate(frozen, clock, 0.010)
    assert frozen.calls <= 12


# --- rounds and operands ----------------------------------------------------------------------------------


def test_interleaving_takes_a_sample_of_each_in_every_round_in_an_order_drawn_anew():
    clock, order = FakeClock(), []
    workloads = [clock.workload(0.001, name=name) for name in "abcdef"]
    for workload in workloads:
        workload.call = lambda name=workload.name: order.append(name)
    interleave(workloads, 20, np.random.default_rng(0), clock)
    assert all([s.round for s in w.samples] == list(range(20)) for w in workloads)
    rounds = [tuple(order[i : i + 6]) for i in range(0, 120, 6)]
    assert all(sorted(names) == list("abcdef") for names in rounds)
    assert len(set(rounds)) > 15


def test_interleaving_beside_a_probe_has_a_reading_before_and_after_each_sample():
    clock, probe = FakeClock(), FakeProbe()
    workloads = [clock.workload(0.001, name=name) for name in "ab"]
    interleave(workloads, 3, np.random.default_rng(0), clock, probe)
    taken = [s for w in workloads for s in w.samples]
    assert sorted(s.probe for s in taken) == list(range(6))
    assert len(probe.readings) == 7
    assert sorted(s.at for s in taken) == pytest.approx([0.001 * k for k in range(1, 7)])


@given(st.integers(1, 5000), st.integers(0, 3 * PAGE // 4).map(lambda words: 4 * words))
def test_an_aligned_array_is_ones_that_start_where_it_says_in_a_page(elements, offset):
    array = aligned(elements, offset)
    assert array.ctypes.data % PAGE == offset % PAGE
    assert (array.shape, array.dtype, array.flags.writeable) == ((elements,), np.float32, True)
    assert (array == 1).all()


def test_aligned_arrays_lie_wholly_in_memory_of_their_own():
    held = [aligned(n, offset) for n in (1, 1000, 1024, 70_000) for offset in (0, 4, 2048, PAGE - 4, PAGE)]
    for array in held:
        owner = array.base if array.base.base is None else array.base.base
        assert owner.ctypes.data <= array.ctypes.data
        assert array.ctypes.data + array.nbytes <= owner.ctypes.data + owner.nbytes
    spans = sorted((array.ctypes.data, array.ctypes.data + array.nbytes) for array in held)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))
