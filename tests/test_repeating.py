"""From several runs to what moves and what stays; the figure and the page of it."""

import json
import shutil
import sys

import made_up
import msgspec
import pytest
import repeat
import repeat_figure
from PIL import Image
from repeating import reduce_repeat, spread

from labkit import codec, store
from labkit.errors import LabError
from labkit.records import Repeat


def run(gflops=1.0, share=1.0, noisy=False):
    """A quick run of a machine whose GFLOPS and shares are so many times the usual ones."""
    results = made_up.results(sizes="64,256,512,1024", quick=True)
    for cell in results.cells:
        cell.gflops.median *= gflops
        cell.roof.share *= share
    results.noise.noisy = noisy
    return results


def study(**changes):
    runs = {"1": run(), "2": run(1.2, 1.01), "3": run(0.9, 0.995), "busy": run(0.8, 1.03), **changes}
    return reduce_repeat(runs, "a CPU", made_up.manifest())


def test_a_spread_is_the_range_over_the_median():
    assert spread([9.0, 10.0, 12.0]) == pytest.approx(0.3)
    assert spread([5.0]) == 0.0


def test_spreads_are_those_of_the_runs_alone_and_the_busy_one_is_held_against_their_median():
    record = study()
    assert [(s.method, s.n) for s in record.spreads] == [(m, n) for m in ("einsum", "matmul") for n in (256, 512, 1024)]
    for s in record.spreads:
        assert s.gflops == pytest.approx(0.3)
        assert s.share == pytest.approx(0.015)
        assert s.gflops_busy_shift == pytest.approx(-0.2)
        assert s.share_busy_shift == pytest.approx(0.03)
    assert (record.repeats, record.repeats_when_busy) == (True, True)


def test_shares_that_move_by_more_than_is_asked_do_not_repeat():
    assert not study(**{"2": run(1.0, 1.04)}).repeats
    assert not study(busy=run(1.0, 0.94)).repeats_when_busy


def test_a_machine_of_one_cpu_has_no_busy_run_and_says_nothing_of_it():
    record = reduce_repeat({"1": run(), "2": run()}, "a CPU", made_up.manifest())
    assert record.repeats_when_busy is None
    assert record.spreads[0].share_busy_shift is None
    page = repeat.pages.render(repeat.TEMPLATE, r=record, m=record.manifest, busy=None)
    assert "beside a busy process" not in page.lower()
    assert "once more" not in page


@pytest.mark.parametrize(
    ("busy", "says"),
    [
        (run(1.0, 1.01), "they stay within 5 % of that."),
        (run(1.0, 0.9, noisy=True), "the run says so itself"),
        (run(1.0, 0.9), "the run does not notice it"),
    ],
)
def test_the_page_says_whether_shares_hold_beside_a_busy_process_or_the_run_says_that_they_cannot(busy, says):
    record = study(busy=busy)
    assert says in repeat.pages.render(repeat.TEMPLATE, r=record, m=record.manifest, busy=3)


def test_the_figure_carries_its_data(tmp_path):
    (tmp_path / "f.png").write_bytes(repeat_figure.draw(study()))
    drawn = json.loads(Image.open(tmp_path / "f.png").text["Description"])
    assert drawn["runs"] == ["nothing"] * 3 + ["a busy process"]
    assert drawn["cells"]["matmul 1024"]["share"] == study().cells[-1].share


def test_finished_runs_of_an_unfinished_study_are_not_run_again(tmp_path, monkeypatch):
    done = []

    def fake(folder):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(folder.name)
        folder.mkdir(exist_ok=True)
        (folder / repeat.RESULTS).write_bytes(codec.encode(run()))

    monkeypatch.setattr(repeat, "_run", fake)
    monkeypatch.setattr(repeat.cpus, "allowed_cpus", lambda: frozenset({0}))
    (tmp_path / store.STATE).mkdir()
    with pytest.raises(KeyboardInterrupt):
        repeat.measure(tmp_path, 3)
    monkeypatch.setattr(repeat, "_run", lambda folder: (done.clear(), fake(folder)))
    record = repeat.measure(tmp_path, 3)
    assert done == ["3"]
    assert len(record.runs) == 3
    shutil.rmtree(tmp_path)


def test_the_busy_process_runs_meanwhile_and_ends_with_it(monkeypatch):
    started, start = [], repeat.subprocess.Popen

    def remembered(*words):
        started.append(start(*words))
        return started[0]

    monkeypatch.setattr(repeat.subprocess, "Popen", remembered)
    with repeat.busy(0):
        assert started[0].poll() is None
    assert started[0].poll() is not None


def test_a_run_that_fails_is_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(LabError, match="mend that and run this again"):
        repeat._run(tmp_path / "1")


def test_fewer_than_two_runs_are_refused(tmp_path):
    with pytest.raises(LabError, match="at least 2"):
        repeat.main(runs=1, output=tmp_path)


def test_the_record_is_drawn_again_without_measuring(tmp_path, capsys):
    record = study()
    (tmp_path / repeat.RECORD).write_bytes(codec.encode(record))
    assert repeat.main(redraw=True, output=tmp_path) == 0
    assert codec.read(tmp_path / repeat.RECORD, Repeat) == record
    assert (tmp_path / repeat.PAGE).exists()
    assert (tmp_path / repeat.FIGURE).exists()
    assert msgspec.json.decode((tmp_path / repeat.RECORD).read_bytes())["schema"] == "repeat/1"
