"""The study of what repeats, with a bench.py that measures nothing: what is run, kept, resumed and recorded."""

import sys
from argparse import Namespace
from collections import Counter

import made_up
import pytest

from labkit import repeat
from labkit.errors import UserError
from labkit.machine import cpus
from labkit.records import io
from labkit.records.model import Repeat

BENCH = """
import os, pathlib, shutil, signal, sys
here = pathlib.Path(__file__).parent
output = pathlib.Path(sys.argv[sys.argv.index("--output") + 1])
with open(here / "log", "a") as log:
    log.write(" ".join([*sys.argv[1:-1], output.name]) + chr(10))
name, _, status = (here / "fails").read_text().partition(" ")
if output.name == name:  # after it has left a first set
    shutil.copytree(here / "made", output, dirs_exist_ok=True)
    print("bench.py: there is no BLAS", file=sys.stderr)
    sys.exit(int(status))
if output.name == (here / "killed").read_text():
    (here / "killed").write_text("")
    os.kill(os.getpid(), signal.SIGKILL)
shutil.copytree(here / "made", output, dirs_exist_ok=True)
sys.exit(int((here / "status").read_text()))
"""
# Stands for nox: makes the environment of a Python, or runs bench.py under it. There is no Python 3.9.
NOX = """
import pathlib, re, runpy, sys
here, python, *options = pathlib.Path(__file__).parent, *sys.argv[1:]
if python == "3.9":
    sys.exit("nox > Session quick-3.9 failed: Python interpreter 3.9 not found.")
if "--install-only" not in options:
    manifest = here / "made" / "manifest.json"
    manifest.write_text(re.sub('"python": "[^"]*"', f'"python": "{python}"', manifest.read_text()))
    sys.argv = [python, *options]
    runpy.run_path(str(here / "bench.py"))
"""


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Run the command with these options; `study.log()` is what bench.py was called with."""
    here = tmp_path / "a check out"
    made_up.write(here / "made", made_up.results((64, 128, 256, 512), quick=True, up_to=128))
    for name, text in {"bench.py": BENCH, "nox.py": NOX, "fails": "", "killed": "", "status": "0"}.items():
        (here / name).write_text(text)
    monkeypatch.setattr(repeat.find, "experiment", lambda _: here)
    monkeypatch.setattr(cpus, "allowed_cpus", lambda: {0, 1})
    redrawn = []
    monkeypatch.setattr(repeat.artifacts, "redraw", redrawn.append)

    def run(runs=2, pythons="", redraw=False, output=tmp_path / "out"):
        status = repeat.run(Namespace(runs=runs, pythons=pythons, redraw=redraw, output=output))
        assert (status, redrawn.pop()) == (0, output)
        return io.read(output / "repeat.json", Repeat)

    run.here, run.output = here, tmp_path / "out"
    run.log = lambda: (here / "log").read_text().splitlines()
    return run


@pytest.fixture
def nox(study, monkeypatch):
    """Pythons without nox: the stand-in above."""

    def command(self, python, *options):
        return [sys.executable, str(study.here / "nox.py"), python, *options]

    monkeypatch.setattr(repeat.Study, "_nox", command)


def test_so_many_runs_alone_and_where_there_is_a_second_cpu_one_beside_a_busy_process(study, monkeypatch):
    record = study(runs=3)
    assert study.log() == [f"--quick --output {name}" for name in ("1", "2", "3", "busy")]
    assert [run.beside for run in record.runs] == ["nothing"] * 3 + ["a busy process"]
    assert {run.python for run in record.runs} == {"3.11.7"}
    assert record.runs[0].speedup.value == pytest.approx(20_000, rel=0.01)
    assert not list(study.output.rglob("runs-*"))
    monkeypatch.setattr(cpus, "allowed_cpus", lambda: {3})
    assert [run.beside for run in study().runs] == ["nothing"] * 2


def test_recorded_are_compiled_products_of_some_size_and_the_loops_that_were_timed(study):
    (cells, *_) = [[(c.method, c.n) for c in run.cells] for run in study().runs]
    loops, compiled = [(m, n) for m in ("naive", "blocked") for n in (64, 128)], ("einsum", "matmul")
    assert cells == [*loops, *((m, n) for m in compiled for n in (256, 512))]
    (study.here / "status").write_text("1")  # a cell that cannot be true is not recorded, and its run stands
    impossible = made_up.results((64, 256, 512), quick=True, up_to=64, gflops={"matmul": 140.0})
    made_up.write(study.here / "made", impossible)
    assert {c.method for run in study().runs for c in run.cells} == {"naive", "blocked", "einsum"}


@pytest.mark.parametrize("code", ["", "# changed\n"])
def test_a_study_that_was_killed_goes_on_where_it_was_and_anew_with_other_code(code, study):
    (study.here / "killed").write_text("2")
    with pytest.raises(KeyboardInterrupt):
        study(runs=3)
    (study.here / "bench.py").write_text(BENCH + code)
    assert len(study(runs=3).runs) == 4
    calls = Counter(line.split()[-1] for line in study.log())
    assert calls == {"1": 2 if code else 1, "2": 2, "3": 1, "busy": 1}
    last = study(runs=3)  # it was whole, so this is another
    assert len(study.log()) == calls.total() + 4
    assert study(redraw=True) == last  # measures nothing
    assert len(study.log()) == calls.total() + 4


@pytest.mark.parametrize("status", ["1", "2"])
def test_a_run_that_fails_is_one_line_with_its_reason_and_leaves_no_record(status, study):
    (study.here / "fails").write_text(f"2 {status}")
    with pytest.raises(UserError, match=r"a run failed: bench\.py: there is no BLAS; the same command resumes"):
        study()
    assert not (study.output / "repeat.json").exists()


def test_every_round_runs_under_every_python_and_one_that_is_not_there_is_left_out(study, nox):
    record = study(runs=2, pythons="3.12, 3.9,3.11,3.12")
    assert sorted(line.split()[-1] for line in study.log()) == ["1-3.11", "1-3.12", "2-3.11", "2-3.12"]
    assert [line.split()[-1][0] for line in study.log()] == ["1", "1", "2", "2"]
    assert record.left_out == {"3.9": "this Python is not installed here"}
    assert {run.python for run in record.runs} == {"3.11", "3.12"}
    assert all(run.beside == "nothing" for run in record.runs)


def test_a_python_that_fails_in_a_later_round_is_left_out_whole(study, nox):
    (study.here / "fails").write_text("2-3.12 1")
    with pytest.raises(UserError, match=r"only 1 could be measured \(3\.12: bench\.py: there is no BLAS\)"):
        study(pythons="3.11,3.12")
    record = study(pythons="3.11,3.12,3.13")
    assert record.left_out == {"3.12": "bench.py: there is no BLAS"}
    assert Counter(run.python for run in record.runs) == {"3.11": 2, "3.13": 2}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"runs": 1}, "at least 2"),
        ({"runs": 0, "pythons": "3.11,3.12"}, "at least 1"),
        ({"pythons": "3.11, 3.11"}, "two or more"),
    ],
)
def test_options_that_compare_nothing_are_refused(options, said, study):
    with pytest.raises(UserError, match=said):
        study(**options)


def test_without_nox_or_bench_py_one_line_says_what_to_do(study, monkeypatch):
    monkeypatch.setattr(repeat.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UserError, match="needs nox"):
        study(pythons="3.11,3.12")
    (study.here / "bench.py").unlink()
    with pytest.raises(UserError, match="no checkout"):
        study()


def test_the_busy_process_computes_meanwhile_and_ends_with_the_run(monkeypatch):
    started = []
    popen = repeat.subprocess.Popen
    monkeypatch.setattr(repeat.subprocess, "Popen", lambda *words: started.append(popen(*words)) or started[-1])
    with repeat.busy_process(min(cpus.allowed_cpus())):
        assert started[0].poll() is None
    assert started[0].poll() is not None
