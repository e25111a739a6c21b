"""`labkit traffic`: a record of what the machine has instruments for; the old one stays where a run does not end."""

import signal
from itertools import product

import pytest

from labkit import cli
from labkit.records import io
from labkit.records.model import Traffic
from labkit.traffic import counters, valgrind
from labkit.traffic.hierarchy import shape


@pytest.fixture(autouse=True)
def without_valgrind(monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setenv("PATH", "")


def traffic(folder):
    return cli.main(["traffic", "--sizes", "16,32", "--output", str(folder)])


def test_the_record_has_every_loop_cold_and_warm_and_says_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(counters, "_open", lambda *_: -1)
    assert traffic(tmp_path) == 0
    record = io.read(tmp_path / io.TRAFFIC, Traffic)
    every = product(("naive", "blocked", "i-k-j", "packed"), (16, 32), ("cold", "warm"))
    assert {(k.kernel, k.n, k.state) for k in record.kernels} == set(every)
    assert record.instruments["counters"] == "not available here"
    assert record.instruments["valgrind"].startswith("Valgrind is not installed")
    assert "Valgrind is not installed" in capsys.readouterr().out
    cold = record.kernel("naive", 32, "cold")
    assert cold.bytes["L1"] == 3 * 32 * 32 * 4
    assert cold.intensity["L1"] == pytest.approx(32 / 6)  # N/6: each matrix once
    assert record.kernel("naive", 32).intensity["L1"] is None


def test_ctrl_c_is_exit_status_130_and_leaves_the_old_record(tmp_path, monkeypatch):
    (tmp_path / io.TRAFFIC).write_text("old")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(valgrind, "measure", interrupted)
    assert traffic(tmp_path) == 130
    assert (tmp_path / io.TRAFFIC).read_text() == "old"


@pytest.mark.parametrize(
    ("does", "says"), [("exit 3", "its program ended with status 3"), ("exec sleep 60", "the time was up")]
)
def test_a_valgrind_that_fails_or_takes_too_long_is_one_sentence(tmp_path, monkeypatch, does, says):
    (program := tmp_path / "valgrind").write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    levels = [shape(1, 1 << 15, 8), shape(2, 1 << 20, 8)]
    assert valgrind.measure([16], levels, 1.0, lambda *_: None) == ([], f"nothing was counted under Valgrind: {says}")


def test_counts_are_those_between_marks_that_are_written_whole(tmp_path):
    events = "events: Ir Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw\n"
    (tmp_path / "counts.1").write_text(f"{events}fn=a\ntotals: 9 8 7 6 5 4 3 2 1\n")
    (tmp_path / "counts.2").write_text(f"{events}totals: 9 8 7 6 5\n")
    (tmp_path / "counts.3").write_text(events)
    assert valgrind.counts(tmp_path) == [(9, 3), (5, 0)]
