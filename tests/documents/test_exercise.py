"""The exercise: its files are products from the start, and the changes that they ask for can be made."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.errors import USER_ERROR, UserError
from labkit.ladder import exercise, own

# What a learner may make of each file: the body of `matmul`.
SOLVED = dict(
    section.split("\n", 1) for section in Path(__file__).with_name("solved.txt").read_text("utf-8").split("=== ")[1:]
)


@pytest.fixture
def folder(tmp_path):
    exercise.begin(tmp_path / "mine")
    return tmp_path / "mine"


def solve(folder):
    for name, body in SOLVED.items():
        path = folder / f"{name}.py"
        head, start, rest = path.read_text().partition("def matmul(A, B, out):")
        end = rest[rest.index("\n\n\nif __name__") :]
        path.write_text(head.replace("EXPECTED = None", "EXPECTED = 4") + start + "\n" + body + end)


def rungs(folder):
    with contextlib.ExitStack() as ends:
        accepted = own.accepted(own.specs([str(path) for path in sorted(folder.glob("*.py"))]), ends)
        assert all(apart.workload(64).time(1, None)[0] > 0 for apart in accepted)
        return [apart.rung for apart in accepted]


def test_every_file_is_a_product_as_it_is_given_and_when_it_is_solved(folder):
    given = rungs(folder)
    assert [rung.expected for rung in given] == [None] * 5
    solve(folder)
    solved = rungs(folder)
    assert [rung.expected for rung in solved] == [4] * 5
    # Each is held against a rung of the ladder, or a file that comes before it.
    known = ["naive", "compiled"]
    for rung in solved:
        assert rung.over in known
        known.append(rung.name)
    assert all(a.code != b.code for a, b in zip(given, solved, strict=True))


def test_work_is_not_written_over(folder):
    with pytest.raises(UserError, match=r"step1_loop_order\.py is there already"):
        exercise.begin(folder)


def test_a_file_in_place_of_the_folder_and_a_python_without_numba_are_said_before_anything_is_written(
    tmp_path, monkeypatch
):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="--start"):
        exercise.begin(tmp_path / "file")
    monkeypatch.setattr(exercise, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError):
        exercise.begin(tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_a_file_that_is_run_asks_for_the_factor_first_and_then_tells_both(folder):
    def run():
        command = [sys.executable, folder / "step3_rows.py"]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    first = run()
    assert first.returncode == USER_ERROR
    assert "write down the factor that you expect" in first.stderr
    solve(folder)
    then = run()
    assert then.returncode == 0, then.stderr
    assert "as it was given" in then.stdout
    assert "you expect 4.00×" in then.stdout
