"""A run of the ladder in small: cheap rungs, brief rounds, stopped and resumed."""

from argparse import Namespace
from functools import partial

import bench
import made_up
import numpy as np
import pytest
from fake_clock import FakeProbe

from labkit.errors import INTERRUPTED, UserError
from labkit.ladder import run as ladder_run
from labkit.ladder.rungs import Rung
from labkit.measure import schedule
from labkit.measure.schedule import Requirement
from labkit.records import io
from labkit.records.model import Ladder, Manifest
from labkit.show import artifacts

NAMES = ("naive", "compiled", "unit stride", "SIMD 128", "register tile", "packing and blocks", "matmul")
JOURNAL = ".state/samples.jsonl"


def cheap(*_):
    """Rungs that are all np.matmul."""

    def prepare(A, B, out):
        return partial(np.matmul, A, B, out=out)

    return [Rung(name, name, f"what {name} changes", "", prepare, steps=64 * (name == "naive")) for name in NAMES]


@pytest.fixture
def little(tmp_path, monkeypatch):
    """Runs the command into one and the same folder; `redraw` may raise what interrupts it."""
    monkeypatch.setattr(ladder_run, "REQUIREMENT", Requirement(6, 0.0))
    monkeypatch.setattr(ladder_run, "CoreProbe", FakeProbe)
    monkeypatch.setattr(ladder_run, "Job", partial(ladder_run.Job, sample_seconds=0.0002))
    monkeypatch.setattr(ladder_run, "obtain", lambda *_: made_up.limits())
    monkeypatch.setattr(ladder_run.rivals, "start", lambda: ([], ["MKL was ended by SIGILL"]))
    monkeypatch.setattr(ladder_run, "usable_cpus", lambda: [0])
    monkeypatch.setattr(ladder_run.instructions, "possible", lambda: False)
    monkeypatch.setattr(ladder_run, "all_rungs", cheap)
    monkeypatch.setattr(ladder_run, "rungs_of_other_blocks", list)
    monkeypatch.setattr(ladder_run.threads, "check_effective_threads", lambda: 1)
    monkeypatch.setattr(artifacts, "redraw", lambda folder: ["ladder.png"])

    def run(sizes="8,16", fresh=False, redraw=False, mine=()):
        options = Namespace(sizes=sizes, fresh=fresh, redraw=redraw, output=tmp_path, mine=mine, start=None)
        return ladder_run.run(options)

    return run


def stopped_after_three_rounds(little, monkeypatch):
    def stop(screen, shown, runner):
        if runner.round == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ladder_run, "_show", stop)
        assert little() == INTERRUPTED


def taken(folder):
    """(name, n, round, seconds) of every sample on disk."""
    record = io.read(folder / io.RESULTS, Ladder)
    return {(s.name, s.n, r, x) for s in record.samples for r, x in zip(s.rounds, s.seconds, strict=True)}


def test_a_run_has_every_rung_at_every_size_and_closes_its_journal(little, tmp_path, capsys):
    assert little() == 0
    ladder, manifest = io.read(tmp_path / io.RESULTS, Ladder), io.read(tmp_path / io.MANIFEST, Manifest)
    assert {(c.rung, c.n) for c in ladder.cells} == {(name, n) for name in NAMES for n in (8, 16)}
    assert all(len(s.seconds) >= 6 for s in ladder.samples)
    assert [f.rung for f in ladder.factors] == list(NAMES[1:])
    assert all(f.pairs >= 6 and f.n == 16 for f in ladder.factors)
    # 64 steps are less than a row.
    assert (ladder.cell("naive", 16).portion, ladder.cell("matmul", 16).portion) == (4 / 16**2, 1)
    assert len(ladder.readings.fma_gflops) > max(p for s in ladder.samples for p in s.probe)
    assert (manifest.experiment, manifest.config["rungs"]) == ("03-speedup-ladder", list(NAMES))
    assert manifest.outputs == {io.RESULTS: io.digest((tmp_path / io.RESULTS).read_bytes())}
    assert not (tmp_path / JOURNAL).exists()
    assert "matmul" in capsys.readouterr().out


def test_a_rung_of_ones_own_is_timed_in_the_rounds_beside_the_others(little, tmp_path, capsys):
    mine = tmp_path / "mine.py"
    mine.write_text("OVER, EXPECTED = 'naive', 1.5\ndef matmul(A, B): return A @ B\n")
    assert little(mine=[str(mine)]) == 0
    ladder = io.read(tmp_path / io.RESULTS, Ladder)
    (rung,) = (rung for rung in ladder.rungs if rung.kind == "own")
    assert (rung.name, rung.title, rung.over, rung.expected) == ("mine", "mine.py:matmul", "naive", 1.5)
    own, matmul = (next(s for s in ladder.samples if (s.name, s.n) == (name, 16)) for name in ("mine", "matmul"))
    assert own.rounds == matmul.rounds
    assert own.flops == 2 * 16**3
    assert {f.over for f in ladder.own} > {"naive"}
    assert ladder.left_out == ["MKL was ended by SIGILL"]
    assert "mine.py:matmul over naive" in capsys.readouterr().out


def test_stopped_anywhere_it_resumes_and_measures_nothing_twice(little, tmp_path, monkeypatch, capsys):
    stopped_after_three_rounds(little, monkeypatch)
    lines = (tmp_path / JOURNAL).read_text().count('"kind":"sample"')
    assert lines > 0
    assert not (tmp_path / io.RESULTS).exists()
    assert little() == 0
    assert f"Resuming an unfinished run: {lines} samples" in capsys.readouterr().out
    for s in io.read(tmp_path / io.RESULTS, Ladder).samples:
        assert len(set(s.rounds)) == len(s.rounds)
        assert {0, 1, 2} <= set(s.rounds)
    stopped_after_three_rounds(little, monkeypatch)
    assert little(fresh=True) == 0
    assert "Resuming" not in capsys.readouterr().out


def test_what_was_measured_is_kept_until_it_is_drawn(little, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(artifacts, "redraw", lambda folder: (_ for _ in ()).throw(UserError("no disk")))
        with pytest.raises(UserError, match="no disk"):
            little()
    before = taken(tmp_path)
    assert little() == 0
    assert taken(tmp_path) == before


def test_the_dearest_rung_is_timed_in_the_first_pass_too_beside_all_others(little, tmp_path, monkeypatch):
    monkeypatch.setattr(schedule, "FIRST_PASS_SECONDS", 0.0)
    monkeypatch.setattr(schedule, "SHORT_CALL_SECONDS", 1e-9)  # all are long
    assert little() == 0
    assert all(f.pairs >= 6 for f in io.read(tmp_path / io.RESULTS, Ladder).factors)
    assert len({job.family for job in ladder_run._jobs(cheap(), (), (8,), bench.make_operands)}) == 1


def test_drawing_again_measures_nothing(little, tmp_path, capsys):
    assert little(redraw=True) == 0
    assert capsys.readouterr().out == "Drawn again: ladder.png\n"
    assert not (tmp_path / io.RESULTS).exists()
