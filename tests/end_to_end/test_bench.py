"""The benchmark as a user runs it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from checkouts import THREADS, samples_in
from damage import one_line

from labkit.records import io
from labkit.records.model import Manifest, Results

OUTPUTS = {"results.json", "perf.png", "README.md"}
ONE_CELL = ("--sizes", "8", "--methods", "matmul")
FOREIGN = "scipy torch numba cython Cython llvmlite jax tensorflow cupy numexpr pandas sympy matplotlib contourpy PIL"


def whole_set(output):
    """The results of a set whose files are of one piece."""
    results, manifest = io.read(output / "results.json", Results), io.read(output / "manifest.json", Manifest)
    assert manifest.outputs == {name: io.digest((output / name).read_bytes()) for name in OUTPUTS}
    assert {p.name for p in output.iterdir()} - {"01-roofline"} == {*OUTPUTS, "manifest.json", ".state"}
    return results, manifest


# --- a first run: from another folder, without thread variables, into a folder with a space -----------------


# bench.py, and then what its process has loaded.
AND_WHAT_IS_LOADED = """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print(*sorted({name.split(".")[0] for name in sys.modules}))
"""


@dataclass
class FirstRun:
    done: subprocess.CompletedProcess
    output: Path
    before: dict
    after: dict


@pytest.fixture(scope="module")
def first_run(checkout, tmp_path_factory):
    output, elsewhere = tmp_path_factory.mktemp("out") / "my results", tmp_path_factory.mktemp("elsewhere")
    before = checkout.files()
    unset = dict.fromkeys(THREADS, "") | {"OPENBLAS_NUM_THREADS": "4"}
    words = ("-c", AND_WHAT_IS_LOADED, checkout.bench, "--sizes", "8", "--methods", "naive,matmul", "--output", output)
    done = checkout.python(*words, cwd=elsewhere, **unset)
    assert done.returncode in (0, 1), done.stderr  # 1: disturbed so that a cell cannot be true, and says so
    assert list(elsewhere.iterdir()) == []
    return FirstRun(done, output, before, checkout.files())


def test_a_first_run_leaves_a_complete_set_of_one_piece_and_says_what_it_did(first_run):
    results, manifest = whole_set(first_run.output)
    assert results.status == "complete"
    said = first_run.done.stdout
    assert "OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1" in said
    assert "was overhead" in said
    assert "README.md, perf.png, results.json, manifest.json" in said
    assert manifest.blas.threads in (1, None)
    assert {manifest.threads[name] for name in THREADS} == {"1"}


def test_a_run_with_an_output_of_its_own_changes_nothing_outside_it(first_run):
    assert first_run.after == first_run.before


def test_without_a_terminal_there_are_plain_lines_only(first_run):
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", first_run.done.stdout + first_run.done.stderr)
    assert re.search(r"naive N = 8 .*FLOPS", first_run.done.stdout)


def test_every_cell_of_a_run_met_the_protocol(first_run):
    results, _ = whole_set(first_run.output)
    series = {(s.name, s.n): s for s in results.samples}
    for cell in results.cells:
        assert len(cell.seconds_per_call) >= 5
        assert cell.total_seconds >= 1.0
        own = series[cell.method, cell.n]
        assert all(a < b for a, b in pairwise(own.rounds))
        assert min(own.calls) >= 1
        assert own.seconds == cell.seconds_per_call


def test_redraw_makes_the_same_artifacts_without_measuring(first_run, checkout):
    output = first_run.output
    before = {name: (output / name).read_bytes() for name in (*OUTPUTS, "manifest.json")}
    (output / "perf.png").unlink()
    (output / "README.md").write_text("scribbled over")
    done = checkout.run("--redraw", "--output", output)
    assert done.returncode == 0, done.stderr
    assert {name: (output / name).read_bytes() for name in before} == before


def test_the_measuring_process_loads_no_numerical_compiling_or_drawing_library_but_numpy(first_run):
    loaded = set(first_run.done.stdout.splitlines()[-1].split())
    assert "numpy" in loaded
    assert not loaded & set(FOREIGN.split())


# --- stopped, killed, and two at once -----------------------------------------------------------------------


def test_killed_again_and_again_every_file_parses_and_no_sample_is_lost_or_doubled(checkout, tmp_path):
    arguments = (*ONE_CELL, "--output", tmp_path)
    seen = []
    # Entries of the journal in that session: the header alone, warm-ups, some samples. However busy the machine, a run
    # has 36 samples at least, so that all of these come before its end.
    for count in (1, 4, 12, 20):
        process = checkout.signalled(count, signal.SIGKILL, *arguments)
        said, _ = process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL, said
        for path in tmp_path.glob("*.json"):
            json.loads(path.read_bytes())
        now = samples_in(tmp_path)
        assert now[: len(seen)] == seen
        seen = now
    assert len(seen) > 15
    done = checkout.run(*arguments)
    assert done.returncode in (0, 1), done.stderr
    assert f"Resuming an unfinished run: {len(seen)} samples are already measured." in done.stdout
    results, _ = whole_set(tmp_path)
    assert results.status == "complete"
    assert results.harness.sessions == 4
    recorded = [(s.name, s.n, r, t) for s in results.samples for r, t in zip(s.rounds, s.seconds, strict=True)]
    assert set(seen) <= set(recorded)
    assert len({(name, n, round_) for name, n, round_, _ in recorded}) == len(recorded)
    assert samples_in(tmp_path) == []


def test_ctrl_c_keeps_what_was_measured_says_how_to_resume_and_exits_130(checkout, tmp_path):
    process = checkout.signalled(
        40, signal.SIGINT, "--sizes", "8,256", "--methods", "naive,matmul", "--output", tmp_path
    )
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "the same command resumes" in said
    assert "Traceback" not in said
    results, _ = whole_set(tmp_path)
    assert results.status == "partial"
    assert results.cell("naive", 256).extrapolated
    assert sum(len(s.seconds) for s in results.samples) == len(samples_in(tmp_path))


def test_a_second_run_into_the_folder_of_a_running_one_is_refused_and_into_another_is_not(checkout, tmp_path):
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    first = checkout.signalled(30, signal.SIGSTOP, *ONE_CELL, "--quick", "--output", here)
    try:
        assert os.WIFSTOPPED(os.waitpid(first.pid, os.WUNTRACED)[1])
        second = checkout.run(*ONE_CELL, "--quick", "--output", here)
        third = checkout.signalled(30, signal.SIGKILL, *ONE_CELL, "--quick", "--output", elsewhere)
        third.communicate(timeout=120)
    finally:
        first.kill()
        first.communicate()
    assert second.returncode == 2
    assert one_line(second.stderr.rstrip("\n"))
    assert "another run is measuring into here: wait until it ends" in second.stderr
    for output in (here, elsewhere):
        assert len(samples_in(output)) > 10  # what both had finished


# --- what cannot be done --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--sizes", "0"), "--sizes takes whole numbers of at least 1"),
        (("--frobnicate",), "unrecognized arguments"),
        (("--redraw", "--output", "no records here"), "no records here has no record"),
        (("--output", "LICENSE"), "cannot make the folder"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line_and_exit_status_2(checkout, arguments, says):
    done = checkout.run(*arguments)
    assert done.returncode == 2
    assert one_line(done.stderr.rstrip("\n")), done.stderr
    assert says in done.stderr
    assert done.stdout == ""


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a few MB; only root on Linux can make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=5m", "none", folder]
    has = sys.platform == "linux" and shutil.which("mount")
    if not has or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can only be mounted by root on Linux")
    yield folder
    subprocess.run(["umount", "-l", folder], check=False)


def test_a_full_disk_and_then_a_read_only_one_are_said_in_one_line_before_anything_is_measured(checkout, small_disk):
    (small_disk / "filler").write_bytes(bytes(3 << 20))
    for says in ("No space left", "Read-only"):
        done = checkout.run(*ONE_CELL, "--output", small_disk / "out")
        assert done.returncode == 2
        assert one_line(done.stderr.rstrip("\n"))
        assert says in done.stderr
        subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_said_in_one_line(checkout, tmp_path):
    tmp_path.chmod(0o500)
    done = checkout.run(*ONE_CELL, "--output", tmp_path / "out")
    assert done.returncode == 2
    assert one_line(done.stderr.rstrip("\n"))
