"""What comes between a process and its core: counters read from a made-up system."""

import os
import time

import pytest

from labkit.interference import NO_INTERFERENCE, STEAL_EVERY_SECONDS, Interference, SystemInterference

TICK = 1 / os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 0.01


def system(tmp_path, first_line):
    (tmp_path / "proc").mkdir(exist_ok=True)
    (tmp_path / "proc/stat").write_text(f"{first_line}\ncpu0 9 9 9 9 9 9 9 9 9 9\n")
    return SystemInterference(tmp_path)


def test_steal_is_the_eighth_figure_of_the_first_line_in_seconds(tmp_path):
    assert system(tmp_path, "cpu  1 2 3 4 5 6 7 250 0 0").steal_seconds() == pytest.approx(250 * TICK)


@pytest.mark.parametrize("line", ["cpu  1 2 3 4 5 6 7", "cpu  1 2 3 4 5 6 7 many", "", "intr 1"])
def test_a_system_that_does_not_count_steal_says_none(tmp_path, line):
    assert system(tmp_path, line).steal_seconds() is None


def test_a_system_without_proc_says_none_and_nothing_fails(tmp_path):
    read = SystemInterference(tmp_path)
    assert read().steal_seconds is None
    assert (read() - read()).steal_seconds is None


def test_a_difference_counts_what_happened_between_two_readings():
    earlier, later = Interference(3, 5, 1.0), Interference(4, 9, 1.25)
    assert later - earlier == Interference(1, 4, 0.25)
    assert (later - NO_INTERFERENCE).steal_seconds is None


def test_waiting_is_counted_as_a_voluntary_switch():
    read = SystemInterference()
    before = read()
    for _ in range(5):
        time.sleep(0.001)
    assert (read() - before).voluntary >= 5


def test_steal_is_not_asked_for_at_every_reading(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    read = system(tmp_path, "cpu  1 2 3 4 5 6 7 100 0 0")
    first = read().steal_seconds
    (tmp_path / "proc/stat").write_text("cpu  1 2 3 4 5 6 7 900 0 0\n")
    now[0] += STEAL_EVERY_SECONDS / 2
    assert read().steal_seconds == first
    now[0] += STEAL_EVERY_SECONDS
    assert read().steal_seconds == pytest.approx(900 * TICK)
