"""The clocks of the system: wall and processor time, and steal read from a made-up /proc."""

import os
import time

import pytest

from labkit.measure.clock import STEAL_EVERY_SECONDS, SystemClock

TICK = 1 / os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 0.01


def system(tmp_path, first_line):
    (tmp_path / "proc").mkdir(exist_ok=True)
    (tmp_path / "proc/stat").write_text(f"{first_line}\ncpu0 9 9 9 9 9 9 9 9 9 9\n")
    return SystemClock(tmp_path)


def test_steal_is_the_eighth_figure_of_the_first_line_in_seconds(tmp_path):
    assert system(tmp_path, "cpu  1 2 3 4 5 6 7 250 0 0").steal() == pytest.approx(250 * TICK)


@pytest.mark.parametrize("line", ["cpu  1 2 3 4 5 6 7", "cpu  1 2 3 4 5 6 7 many", "", "intr 1"])
def test_a_system_that_does_not_count_steal_has_none(tmp_path, line):
    assert system(tmp_path, line).steal() is None


def test_a_system_without_proc_has_no_steal_and_nothing_fails(tmp_path):
    assert SystemClock(tmp_path).steal() is None


def test_steal_is_not_read_for_every_sample(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    clock = system(tmp_path, "cpu  1 2 3 4 5 6 7 100 0 0")
    first = clock.steal()
    (tmp_path / "proc/stat").write_text("cpu  1 2 3 4 5 6 7 200 0 0\n")
    now[0] += 0.9 * STEAL_EVERY_SECONDS
    assert clock.steal() == first
    now[0] += 0.2 * STEAL_EVERY_SECONDS
    assert clock.steal() == pytest.approx(2 * first)


def test_wall_time_is_in_seconds_and_does_not_stop_in_sleep_while_processor_time_does(monkeypatch):
    clock = SystemClock()
    before, wall, cpu = time.monotonic(), clock.wall(), clock.cpu()
    time.sleep(0.05)
    assert 0.049 <= clock.wall() - wall <= time.monotonic() - before + 1e-3
    assert clock.cpu() - cpu < 0.025
    assert 0 < clock.resolution < 1e-3
    monkeypatch.setattr(time, "process_time", lambda: 7.0)  # by its definition the sum over threads
    assert clock.cpu() == 7.0
