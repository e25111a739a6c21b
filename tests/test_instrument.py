"""The order in which the roof's loops are visited, on loops that only keep count."""

import instrument
import made_up
import numpy as np
import pytest
from incore import InCore
from instrument import LEAST_ROUNDS, SLOW_VISITS, TURNS, Sample, take_rounds

from labkit.interference import NO_INTERFERENCE
from labkit.records import Saturation
from labkit.sampling import Workload


class Counted:
    """A call that writes its name down."""

    def __init__(self, name, log):
        self.name, self.log = name, log

    def __call__(self):
        self.log.append(self.name)


@pytest.fixture
def log():
    return []


@pytest.fixture
def sample(log):
    def loop(name, **work):
        return Workload(name, 1, Counted(name, log), **(work or {"flops": 1}))

    manifest = made_up.manifest()
    chosen = Saturation(instruction_set="AVX", lanes=8, accumulators=8, gflops=1.0)
    core = InCore(
        [chosen], chosen, True, loop("peak"), loop("clock"), loop("loaded"), {"scalar": loop("scalar")}, 3.0, []
    )
    slow = loop("memcpy", bytes=1)
    slow.estimate = 1.0
    return Sample(
        manifest.hardware, manifest.blas, core, loop("sentinel"), [], [],
        {("L1", "load"): loop("load L1", bytes=1), ("DRAM", "load"): loop("load DRAM", bytes=1)},
        [slow, loop("dot")], [],
    )  # fmt: skip


def rounds(sample):
    take_rounds(sample, 0.0, lambda _: None, np.random.default_rng(0))


def test_every_round_visits_every_brief_loop_and_the_peak_several_times(sample):
    rounds(sample)
    assert sample.rounds == LEAST_ROUNDS
    for workload in (*sample.core.ceilings.values(), *sample.streams.values(), sample.kernels[1]):
        assert [r.round for r in workload.repetitions] == list(range(LEAST_ROUNDS)), workload.method
    for workload in sample.beside_peak:
        assert [r.round for r in workload.repetitions] == list(range(TURNS * LEAST_ROUNDS)), workload.method


def test_the_peak_the_clocks_and_the_sentinel_stand_side_by_side(sample, log):
    rounds(sample)
    places = [i for i, name in enumerate(log) if name == "peak"]
    for place in places:
        beside = log[max(0, place - 3) : place + 4]
        assert {"clock", "loaded", "sentinel"} <= set(beside)


def test_what_was_driven_out_of_its_cache_is_called_once_before_it_is_timed(sample, log):
    rounds(sample)
    assert log.count("load L1") == log.count("dot") == 2 * LEAST_ROUNDS
    assert log.count("load DRAM") == log.count("scalar") == LEAST_ROUNDS


def test_rounds_come_in_ever_new_orders(sample, log):
    rounds(sample)
    length = len(log) // LEAST_ROUNDS
    assert len({tuple(log[k * length : (k + 1) * length]) for k in range(1, LEAST_ROUNDS)}) > LEAST_ROUNDS // 2


def test_the_brief_loops_too_come_in_ever_new_orders(sample, log):
    rounds(sample)
    brief = [name for name in log if name in ("scalar", "load L1", "load DRAM", "dot")]
    length = len(brief) // LEAST_ROUNDS
    assert len({tuple(brief[k * length : (k + 1) * length]) for k in range(LEAST_ROUNDS)}) > 10  # of 24


class SteadyClock:
    """Moves by a millisecond whenever it is read: a busy machine does not make it run."""

    resolution = 1e-9

    def __init__(self):
        self.now = 0.0

    def wall(self):
        self.now += 0.001
        return self.now

    cpu = wall

    def interference(self):
        return NO_INTERFERENCE


def test_slow_kernels_are_visited_a_few_times_only(sample, log, monkeypatch):
    monkeypatch.setattr(instrument, "SystemClock", SteadyClock)
    rounds(sample)
    assert log.count("memcpy") == 1  # none once the time is over
    log.clear()
    sample.kernels[0].estimate = 1.0
    take_rounds(sample, 2.0, lambda _: None, np.random.default_rng(0))
    assert log.count("memcpy") == SLOW_VISITS


def test_rounds_that_follow_are_numbered_on(sample):
    rounds(sample)
    rounds(sample)
    assert [r.round for r in sample.core.peak.repetitions] == list(range(2 * TURNS * LEAST_ROUNDS))
