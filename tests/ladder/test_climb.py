"""A run of the ladder in small: cheap rungs, one brief round after the other, stopped and gone on with."""

import json
from functools import partial

import climb
import made_up
import numpy as np
import pytest
from climb import Climb
from rungs import Rung

from labkit.records import Ladder
from labkit.schedule import Requirement

NAMES = ("naive", "compiled", "unit stride", "SIMD 128", "register tile", "packing and blocks", "matmul")


def cheap():
    """Rungs that are all np.matmul."""

    def prepare(A, B, out):
        return partial(np.matmul, A, B, out=out)

    return [Rung(name, name, f"what {name} changes", "", prepare, steps=64 * (name == "naive")) for name in NAMES]


def stopped(run, monkeypatch):
    """Ctrl-C after the third round."""
    rounds = []

    def show(self, session):
        rounds.append(session.round)
        if len(rounds) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Climb, "_show", show)
        with pytest.raises(KeyboardInterrupt):
            run.measure(fresh=False)


@pytest.fixture
def little(tmp_path, monkeypatch):
    """Makes a run into one and the same folder."""
    monkeypatch.setattr(climb, "Requirement", partial(Requirement, seconds=0.0))
    monkeypatch.setattr(climb, "Cell", partial(climb.Cell, visit_seconds=0.0002))
    monkeypatch.setattr(climb.roof_source, "obtain", lambda *_: made_up.roofline())
    monkeypatch.setattr(climb.older_kernels, "witnesses", list)

    monkeypatch.setattr(climb, "all_rungs", cheap)
    return lambda: Climb(tmp_path, (8, 16))


def test_a_run_has_every_rung_at_every_size_and_closes_its_journal_only_when_it_is_drawn(little, tmp_path):
    run = little()
    ladder, manifest = run.measure(fresh=False)
    assert isinstance(ladder, Ladder)
    assert {(c.rung, c.n) for c in ladder.cells} == {(name, n) for name in NAMES for n in (8, 16)}
    assert all(len(c.seconds_per_call) >= 6 for c in ladder.cells)
    assert [f.rung for f in ladder.factors] == list(NAMES[1:])
    assert all(f.pairs >= 6 and f.interval == "ci95" for f in ladder.factors)
    assert manifest.experiment == "03-speedup-ladder"
    assert manifest.config["rungs"] == list(NAMES)
    journal = tmp_path / ".state" / climb.JOURNAL
    assert journal.exists()
    run.finish()
    assert not journal.exists()


def test_only_the_rows_that_a_call_computes_are_counted(little):
    ladder, _ = little().measure(fresh=False)
    cell = ladder.cell("naive", 16)
    assert cell.rows == 1  # 64 steps of the inner loop are less than a row
    assert cell.flops == 2 * 16**2
    assert ladder.cell("matmul", 16).flops == 2 * 16**3


def test_stopped_anywhere_it_goes_on_and_measures_nothing_twice(little, monkeypatch):
    stopped(little(), monkeypatch)
    run = little()
    taken = [(e["method"], e["n"], e["round"]) for e in repetitions(run)]
    assert taken
    ladder, _ = run.measure(fresh=False)
    for cell in ladder.cells:
        assert len(set(cell.rounds)) == len(cell.rounds)
        assert {r for name, n, r in taken if (name, n) == (cell.rung, cell.n)} <= set(cell.rounds)


def test_fresh_forgets_what_was_measured(little, monkeypatch):
    stopped(little(), monkeypatch)
    run = little()
    run.measure(fresh=True)
    assert run.session.sessions == 1


def repetitions(run):
    from labkit.store import Journal

    path = run.output / ".state" / climb.JOURNAL
    header = json.loads(path.read_bytes().splitlines()[0])
    journal = Journal(path, header)
    journal.close()
    return [e for e in journal.entries if e["kind"] == "repetition"]
