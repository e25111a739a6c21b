"""The study of what repeats, with a bench.py that measures nothing: what is run, kept, resumed and recorded."""

import sys
from argparse import Namespace
from collections import Counter

import made_up
import pytest

from labkit import repeat
from labkit.cli import parser
from labkit.errors import UserError
from labkit.machine import cpus
from labkit.records import find, io
from labkit.records.model import Repeat
from labkit.records.spread import pythons

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
    measured = []
    monkeypatch.setattr(repeat, "obtain", lambda who, output, say: measured.append(output))
    redrawn = []
    monkeypatch.setattr(repeat.artifacts, "redraw", redrawn.append)

    def run(runs=2, pythons="", redraw=False, output=tmp_path / "out"):
        status = repeat.run(Namespace(runs=runs, pythons=pythons, redraw=redraw, output=output))
        assert (status, redrawn.pop()) == (0, output)
        return io.read(output / "repeat.json", Repeat)

    run.here, run.output, run.measured = here, tmp_path / "out", measured
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


def unfinished(study) -> dict[str, bool]:
    """The runs of a study that is killed in the run beside the busy process: has each a roofline of its own?"""
    (study.here / "killed").write_text("busy")
    with pytest.raises(KeyboardInterrupt):
        study()
    (folder,) = study.output.rglob("runs-*")
    who = find.of_manifest(made_up.manifest())
    return {run.name: bool(find.find_roofline(who, run).roofline) for run in folder.iterdir()}


def test_the_roofline_is_obtained_once_before_the_runs_and_each_run_has_one_that_was_measured_inside(
    study, monkeypatch
):
    def obtain(who, output, say):
        assert who == repeat.provenance.observe().identity
        assert not (study.here / "log").exists()
        study.measured.append(output)
        (output / find.ROOFLINE).mkdir()
        (output / find.ROOFLINE / io.KERNELS).write_bytes(io.encode(made_up.roofline()))
        find.mark_measured(output / find.ROOFLINE)

    monkeypatch.setattr(repeat, "obtain", obtain)
    assert unfinished(study) == {"1": True, "2": True, "busy": True}
    assert study.measured == [study.output]


def test_the_checkouts_own_roofline_is_copied_nowhere(study):
    assert unfinished(study) == {"1": False, "2": False, "busy": False}
    assert study.measured == [study.output]


def test_five_runs_unless_said_otherwise_and_the_six_that_a_verdict_between_pythons_needs(study, nox):
    given = parser().parse_args(["repeat"])
    assert len(study(runs=given.runs, pythons=given.pythons).runs) == 5 + 1
    record = study(runs=given.runs, pythons="3.11,3.12")
    assert Counter(run.python for run in record.runs) == {"3.11": 6, "3.12": 6}
    assert record.manifest.config == {"runs": 6, "pythons": ["3.11", "3.12"]}
    assert {p.ratio.interval for p in pythons(record.runs)} == {"ci95"}


def test_all_stands_for_the_pythons_of_the_noxfile_and_those_missing_are_left_out(study, nox, monkeypatch, tmp_path):
    assert repeat._asked(None, " all ") == (6, ["3.11", "3.12", "3.13", "3.14", "3.15"])
    (tmp_path / "noxfile.py").write_text('PYTHONS = ["3.9", "3.11", "3.12"]')
    monkeypatch.setattr(repeat, "NOXFILE", tmp_path / "noxfile.py")
    record = study(pythons="all")
    assert record.left_out == {"3.9": "this Python is not installed here"}
    assert Counter(run.python for run in record.runs) == {"3.11": 2, "3.12": 2}


def test_pythons_of_one_name_have_folders_of_their_own_and_no_other_pythons_resume_them(study, nox):
    (study.here / "killed").write_text("2-2-python3")
    with pytest.raises(KeyboardInterrupt):
        study(pythons="/a/bin/python3,/b/bin/python3")
    for other in ("/b/bin/python3,/c/bin/python3", "/a/bin/python3,/b/bin/python3"):
        (study.here / "log").unlink()
        record = study(pythons=other)
        assert Counter(run.python for run in record.runs) == dict.fromkeys(other.split(","), 2)
        names = sorted(line.split()[-1] for line in study.log())
        assert names == ["1-1-python3", "1-2-python3", "2-1-python3", "2-2-python3"]


def test_every_round_runs_under_every_python_and_one_that_is_not_there_is_left_out(study, nox):
    record = study(runs=2, pythons="3.12, 3.9,3.11,3.12")
    assert sorted(line.split()[-1] for line in study.log()) == ["1-1-3.12", "1-3-3.11", "2-1-3.12", "2-3-3.11"]
    assert [line.split()[-1][0] for line in study.log()] == ["1", "1", "2", "2"]
    assert record.left_out == {"3.9": "this Python is not installed here"}
    assert {run.python for run in record.runs} == {"3.11", "3.12"}
    assert all(run.beside == "nothing" for run in record.runs)


def test_a_python_that_fails_in_a_later_round_is_left_out_whole(study, nox):
    (study.here / "fails").write_text("2-2-3.12 1")
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
    with pytest.raises(UserError, match=r"^--pythons needs nox: 'make repeat' installs it$"):
        study(pythons="3.11,3.12")
    (study.here / "bench.py").unlink()
    with pytest.raises(UserError, match=r"^labkit repeat runs bench\.py: run it from a checkout$"):
        study()


def test_the_busy_process_computes_meanwhile_and_ends_with_the_run(monkeypatch):
    started = []
    popen = repeat.subprocess.Popen
    monkeypatch.setattr(repeat.subprocess, "Popen", lambda *words: started.append(popen(*words)) or started[-1])
    with repeat.busy_process(min(cpus.allowed_cpus())):
        assert started[0].poll() is None
    assert started[0].poll() is not None
