"""The lab as a user runs it."""

import json
import re
import signal
import subprocess
import sys
import time
from itertools import pairwise

import explain
import pytest
from checkouts import one_line

from labkit import codec, store
from labkit.records import Manifest, Results

ONE_CELL = ("--sizes", "8", "--methods", "matmul")


def results_of(output):
    return codec.read(output / "results.json", Results)


def journal_of(output):
    return next(output.glob(".state/samples-*.jsonl"), None)


def repetitions_in(journal):
    """Every whole line of a journal that is a repetition."""
    if journal is None:
        return []
    whole = journal.read_bytes().rpartition(b"\n")[0].splitlines()
    return [entry for entry in map(json.loads, whole) if entry.get("kind") == "repetition"]


def test_a_first_run_leaves_a_complete_set_and_says_what_it_did(first_run):
    done, output = first_run
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in output.iterdir() if p.is_file()) == [
        "README.md",
        "manifest.json",
        "perf.png",
        "results.json",
    ]
    assert "started again with OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1" in done.stdout
    assert re.search("times as fast|speedup is withheld", done.stdout)  # the latter on a machine that is busy
    assert "Files: results.json" in done.stdout


def test_a_foreign_or_missing_roof_is_measured_anew_and_said_so(first_run):
    done, _ = first_run
    assert re.search("is another machine's|no record of this machine's roof", done.stdout)
    assert "Peak of one core" in done.stdout


def test_without_a_terminal_there_are_plain_lines_only(first_run):
    done, _ = first_run
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", done.stdout + done.stderr)
    assert re.search(r"naive N=8 .*MFLOPS", done.stdout)


def test_records_page_and_digests_of_a_run_are_of_one_piece(first_run, bare):
    _, output = first_run
    results, manifest = results_of(output), codec.read(output / "manifest.json", Manifest)
    assert results.status == "complete"
    assert manifest.outputs == {
        name: store.digest((output / name).read_bytes()) for name in ("results.json", "perf.png", "README.md")
    }
    assert (output / "README.md").read_text("utf-8") == explain.render_page(
        results, manifest, explain.read_ladder(bare.root / "experiments" / "03-speedup-ladder", manifest)
    )
    assert manifest.blas.threads in (1, None)
    assert [manifest.threads[name] for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")] == [
        "1"
    ] * 3


def test_every_cell_of_a_run_met_the_protocol(first_run):
    _, output = first_run
    for cell in results_of(output).cells:
        assert len(cell.seconds_per_call) >= 5
        assert cell.total_seconds >= 1.0
        assert len(set(cell.rounds)) == len(cell.rounds)
        assert cell.calls_per_repetition >= 1


def test_no_numerical_library_but_numpy_is_loaded_in_the_measuring_process(checkout, tmp_path):
    program = (
        "import runpy, sys\n"
        f"sys.argv = ['bench.py', '--sizes', '8', '--methods', 'naive,matmul', '--output', {str(tmp_path)!r}]\n"
        "try:\n"
        f"    runpy.run_path({str(checkout.bench)!r}, run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))\n"
    )
    (tmp_path / "program.py").write_text(program)
    done = checkout.run(script=tmp_path / "program.py")
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "numpy" in loaded
    foreign = "scipy torch numba cython Cython llvmlite jax tensorflow cupy numexpr pandas sympy matplotlib contourpy"
    assert not loaded & set(foreign.split())


def test_redraw_makes_the_same_artifacts_without_measuring(first_run, checkout):
    _, output = first_run
    before = {name: (output / name).read_bytes() for name in ("results.json", "perf.png", "README.md", "manifest.json")}
    (output / "perf.png").unlink()
    (output / "README.md").write_text("scribbled over")
    done = checkout.run("--redraw", "--output", output)
    assert done.returncode == 0, done.stderr
    assert {name: (output / name).read_bytes() for name in before} == before


def test_killed_at_ten_moments_every_file_parses_and_nothing_measured_is_repeated(checkout, tmp_path):
    arguments = ("--sizes", "8,16,32", "--methods", "matmul", "--output", tmp_path)
    seen, kills = [], 0
    for moment in range(10):
        process = checkout.start(*arguments)
        had = len(repetitions_in(journal_of(tmp_path)))
        # From before the journal exists to the middle of the rounds, some repetitions further each time.
        deadline = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < deadline:
            if len(repetitions_in(journal_of(tmp_path))) >= had + 10 * moment:
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        process.stdout.close()
        for path in tmp_path.glob("*.json"):
            json.loads(path.read_bytes())
        now = repetitions_in(journal_of(tmp_path))
        assert now[: len(seen)] == seen
        seen = now
    assert kills == 10
    done = checkout.run(*arguments)
    assert done.returncode == 0, done.stderr
    results = results_of(tmp_path)
    assert results.status == "complete"
    for cell in results.cells:
        earlier = [e["seconds"] for e in seen if (e["method"], e["n"]) == (cell.method, cell.n)]
        assert cell.seconds_per_call[: len(earlier)] == earlier
        assert all(a < b for a, b in pairwise(cell.rounds))
    assert journal_of(tmp_path) is None


def test_ctrl_c_keeps_what_was_measured_says_how_to_go_on_and_exits_130(checkout, tmp_path):
    arguments = ("--sizes", "8,256", "--methods", "naive,matmul", "--output", tmp_path)
    process = checkout.start(*arguments)
    deadline = time.monotonic() + 30
    while len(repetitions_in(journal_of(tmp_path))) < 100 and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert "the same command goes on from here" in said
    assert "Traceback" not in said
    results = results_of(tmp_path)
    assert results.status == "partial"
    assert results.cell("naive", 256).extrapolated
    kept = repetitions_in(journal_of(tmp_path))
    assert sum(len(c.seconds_per_call) for c in results.cells) == sum(e["method"] in ("naive", "matmul") for e in kept)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--sizes", "0"), "--sizes takes whole numbers of at least 1"),
        (("--sizes", "abc"), "--sizes takes whole numbers of at least 1"),
        (("--methods", "nope"), "--methods knows naive, blocked, einsum, matmul"),
        (("--frobnicate",), "No such option"),
        (("--redraw", "--output", "no records here"), "cannot read results.json"),
        (("--output", "LICENSE"), "cannot make the folder"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line_and_exit_status_2(checkout, arguments, says):
    done = checkout.run(*arguments)
    assert done.returncode == 2
    assert says in one_line(done.stderr)


def test_a_second_run_into_the_same_folder_is_refused(checkout, tmp_path):
    with store.locked(tmp_path):
        done = checkout.run(*ONE_CELL, "--output", tmp_path)
    assert done.returncode == 2
    assert "another run is measuring" in one_line(done.stderr)


@pytest.mark.parametrize("content", [b"{", b"[1, 2]", b'{"schema": "something/else"}', b"\xff\xfe"])
def test_a_broken_roof_record_is_refused_and_left_as_it_is(checkout, tmp_path, content):
    path = checkout.roof / "kernels.json"
    good = path.read_bytes()
    path.write_bytes(content)
    try:
        done = checkout.run(*ONE_CELL, "--output", tmp_path)
        assert path.read_bytes() == content
    finally:
        path.write_bytes(good)
    assert done.returncode == 2
    assert "kernels.json" in one_line(done.stderr)


def test_a_damaged_journal_is_refused_and_fresh_starts_over(checkout, tmp_path):
    process = checkout.start(*ONE_CELL, "--output", tmp_path)
    while not repetitions_in(journal_of(tmp_path)) and process.poll() is None:
        time.sleep(0.05)
    process.kill()
    process.communicate()
    journal = journal_of(tmp_path)
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(lines[0] + b"not json\n" + b"".join(lines[1:]))
    done = checkout.run(*ONE_CELL, "--output", tmp_path)
    assert done.returncode == 2
    assert "--fresh" in one_line(done.stderr)
    done = checkout.run(*ONE_CELL, "--fresh", "--quick", "--output", tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a few MB; only root on Linux can make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = (
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=5m", "none", folder], capture_output=True, check=False)
        if sys.platform == "linux"
        else None
    )
    if made is None or made.returncode:
        pytest.skip("a small file system can only be mounted by root on Linux")
    yield folder
    subprocess.run(["umount", "-l", folder], check=False)


def test_a_full_disk_is_said_before_anything_is_measured(checkout, small_disk):
    (small_disk / "filler").write_bytes(bytes(3 << 20))
    done = checkout.run(*ONE_CELL, "--output", small_disk / "out")
    assert done.returncode == 2
    assert "No space left" in one_line(done.stderr)


def test_a_read_only_folder_is_said_in_one_line(checkout, small_disk):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    done = checkout.run(*ONE_CELL, "--output", small_disk / "out")
    assert done.returncode == 2
    assert "Read-only" in one_line(done.stderr)
