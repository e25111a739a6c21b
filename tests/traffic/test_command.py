"""`labkit traffic`: a record of what the machine has instruments for; the old one stays where a run does not end."""

import signal
from itertools import product

import pytest

from labkit import cli
from labkit.records import io
from labkit.records.model import Traffic
from labkit.traffic import called, counters, valgrind
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
    every = product(
        ("naive", "blocked", "i-k-j", "i-k-j blocks", "register tile", "packed"), (16, 32), ("cold", "warm")
    )
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
    events = "events: Ir Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw ILdmr DLdmr DLdmw\n"
    (tmp_path / "counts.1").write_text(f"{events}fn=a\ntotals: 9 8 7 6 5 4 3 2 1 9 7 6\n")
    (tmp_path / "counts.2").write_text(f"{events}totals: 9 8 7 6 5\n")
    (tmp_path / "counts.3").write_text(events)
    assert valgrind.counts(tmp_path) == [(9, 3, 13), (5, 0, 0)]


# Lines as Callgrind counted them, of the generated product with a tile of 6 x 16: of some rows of A, and of all.
@pytest.mark.parametrize(
    ("n", "rows", "lines", "all_rows"),
    [
        (256, (96, 192), (71842, 143122), 192042),  # into L1, warm
        (256, (96, 192), (7589, 10639), 12711),  # into L2, cold
        (512, (96, 192), (275109, 549532), 1475181),
        (512, (96, 192), (71215, 136211), 353757),  # into L2, warm
        (512, (96, 192), (23137, 29257), 49742),  # into L3, cold
    ],
)
def test_two_slices_of_a_product_tell_within_2_percent_what_the_whole_fetches(n, rows, lines, all_rows):
    assert called.whole(n, rows, lines) == pytest.approx(all_rows, rel=0.02)
    assert called.whole(n, (n,), [all_rows]) == all_rows
    assert called.whole(n, rows, (40, 2)) == 0, "a few lines of chance are no negative count"


def test_a_product_too_long_for_valgrind_is_sliced_and_no_other_is():
    assert {(name, n) for name, n, rows in called.order([256, 512, 1024]) if len(rows) > 1} == {("generated", 1024)}
