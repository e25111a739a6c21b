"""The order in which the loops of a roofline are timed, on loops that only keep count; and a brief run of real ones."""

from io import StringIO

import made_up
import numpy as np
import pytest
from fake_clock import FakeClock
from rich.console import Console

from labkit.measure.sampling import Workload
from labkit.records import io, provenance
from labkit.records.model import Roofline
from labkit.roofline import rounds
from labkit.roofline.alone import DOTS
from labkit.roofline.derive import derive
from labkit.roofline.rounds import FEWEST_ROUNDS, SLOW_SAMPLES, TURNS, Probes, take_rounds
from labkit.show.screen import Screen


@pytest.fixture
def log():
    return []


@pytest.fixture
def probes(log):
    def loop(name, **work):
        return Workload(name, 1, lambda: log.append(name), **(work or {"flops": 1}))

    slow = loop("matmul", bytes=1)
    slow.estimate = 1.0
    streams = [loop(f"{level} {p}", bytes=1) for level in ("L1", "L2", "DRAM") for p in ("load", "copy", "triad")]
    return Probes(
        beside_peak=[loop(name) for name in ("peak", "clock", "clock under load", *DOTS)],
        others=[slow, loop("ceiling scalar"), *streams, loop("memcpy"), loop("dot")],
        before=[],
    )


def take(probes, seconds=0.0, clock=None):
    screen = Screen([], console=Console(file=StringIO()))
    take_rounds(probes, seconds, clock or FakeClock(), np.random.default_rng(0), screen)


def test_every_round_samples_what_is_brief_once_and_the_peak_several_times_numbered_on(probes):
    take(probes)
    take(probes)
    assert probes.rounds == 2 * FEWEST_ROUNDS
    for workload in probes.others[1:]:
        assert [s.round // TURNS for s in workload.samples] == list(range(2 * FEWEST_ROUNDS)), workload.name
    for workload in probes.beside_peak:
        assert [s.round for s in workload.samples] == list(range(2 * TURNS * FEWEST_ROUNDS)), workload.name


def test_the_peak_the_clocks_and_two_dots_stand_side_by_side(probes, log):
    take(probes)
    for place in [i for i, name in enumerate(log) if name == "peak"]:
        assert {"clock", "clock under load", *DOTS} <= set(log[max(0, place - 6) : place + 7])


def test_what_was_driven_out_of_its_cache_is_called_once_before_it_is_timed(probes, log):
    take(probes)
    assert log.count("L1 load") == log.count("dot") == 2 * FEWEST_ROUNDS
    assert log.count("DRAM load") == log.count("memcpy") == log.count("ceiling scalar") == FEWEST_ROUNDS


def test_rounds_come_in_ever_new_orders(probes, log):
    take(probes)
    for names in (("peak", "clock", "clock under load"), ("ceiling scalar", "L1 load", "DRAM load", "dot", "memcpy")):
        order = [name for name in log if name in names]
        length = len(order) // FEWEST_ROUNDS
        assert len({tuple(order[k * length : (k + 1) * length]) for k in range(FEWEST_ROUNDS)}) > FEWEST_ROUNDS // 2


def test_what_is_slow_is_sampled_a_few_times_only_spread_over_the_rounds(probes, log):
    clock, peak = FakeClock(), probes.beside_peak[0].call

    def tick():
        clock.now += 0.001
        peak()

    probes.beside_peak[0].call = tick
    take(probes, clock=clock)
    assert log.count("matmul") == 1  # though no time is given
    log.clear()
    probes.others[0].estimate = 1.0
    take(probes, seconds=2.0, clock=clock)
    assert log.count("matmul") == SLOW_SAMPLES
    assert log[: len(log) // 2].count("matmul") in (SLOW_SAMPLES // 2, SLOW_SAMPLES // 2 + 1)


# --- the whole ----------------------------------------------------------------------------------------


@pytest.fixture
def screen():
    return Screen([], console=Console(file=StringIO(), width=200))


@pytest.mark.parametrize("found_at_second_look", [True, False])
def test_a_roofline_with_a_point_above_it_is_looked_at_again_before_it_is_called_wrong(
    found_at_second_look, screen, monkeypatch
):
    looks = []

    class Samples(Probes):
        def series(self):
            samples = made_up.roofline_measurement().samples
            if not (found_at_second_look and len(looks) == 2):
                matmul = next(s for s in samples if s.name == "matmul")
                matmul.seconds = [s / 1.5 for s in matmul.seconds]  # 120 GFLOPS
            return samples

    made = Samples([], [], []), made_up.roofline_measurement()
    monkeypatch.setattr(rounds, "prepare", lambda *_: made)
    monkeypatch.setattr(rounds, "take_rounds", lambda probes, seconds, *_: looks.append(seconds))
    observed = provenance.Observed(made_up.hardware(), made_up.blas(), made_up.manifest().git)
    found = rounds.measure(observed, screen)
    assert looks == [rounds.ROUNDS_SECONDS, rounds.SECOND_LOOK_SECONDS]
    assert bool(found.faults) != found_at_second_look
    assert "Looking again, as matmul at n = 1024 reaches 119 %" in screen.console.file.getvalue()


def test_a_brief_run_on_this_machine_leaves_every_series_and_a_record_that_derives_to_itself(screen, monkeypatch):
    monkeypatch.setattr(rounds, "ROUNDS_SECONDS", 0.0)
    monkeypatch.setattr(rounds, "SECOND_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(rounds, "FEWEST_ROUNDS", 3)
    monkeypatch.setattr(rounds.bandwidth, "DRAM_MOST", 16 << 20)
    record = io.decode(io.encode(rounds.measure(provenance.observe(), screen)), Roofline, "kernels.json")
    assert derive(record) == record
    for s in record.samples:
        assert bool(s.cpu_seconds) == (s.name in ("peak", *DOTS)), s.name
        assert bool(s.rounds) != s.name.startswith(("sweep", "working set")), s.name  # the turn of the rounds
        assert s.seconds
        assert not s.at
        assert not s.steal_seconds
    names = {s.name for s in record.samples}
    assert {"peak", "clock", *DOTS, "sweep clock", "working set", "memcpy", "dot", "einsum", "matmul"} <= names
    patterns = {level: {b.pattern for b in record.bandwidth if b.level == level} for level in ("L1", "DRAM")}
    assert patterns == {"L1": {"load", "copy", "triad"}, "DRAM": {"load", "copy", "triad", "copy_streaming"}}
    peak = record.peak.fp32_fma_gflops
    assert peak.low <= peak.median <= peak.high <= peak.best
    # No core does more than four 512-bit multiply-adds per cycle, or less than one scalar.
    assert 1 < record.peak.flops_per_cycle <= 128
    assert record.machine == provenance.observe().identity
