"""What run.py runs for each target, in which environment, and what it says where a Python will not do."""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
NO_WHEEL = "ERROR: No matching distribution found for llvmlite==1.2\n"
OFFLINE = f"WARNING: Retrying (Retry(total=4, ...\n{NO_WHEEL}"
PYTHON = ".venv/bin/python"


def load():
    spec = importlib.util.spec_from_file_location("run", REPOSITORY / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def lab(monkeypatch, tmp_path):
    """run.py in a folder without environments: `installed` is what pip was given, `said` its errors for some of it,
    `ran` are the commands that were run in place of run.py, with their thread variables."""
    run, found = load(), SimpleNamespace(installed=[], said={}, ran=[])
    for name in ("fleet/.venv", ".venv"):
        (tmp_path / name / "bin").mkdir(parents=True)
        (tmp_path / name / "bin/python").touch()
    for name in ("pyproject.toml", "constraints.txt", "fleet/requirements.txt"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0))
    monkeypatch.chdir(tmp_path)

    def pip(command, **_):
        found.installed.append(command[-1])
        errors = found.said.get(command[-1], "")
        return SimpleNamespace(returncode=1 if errors else 0, stderr=errors)

    def execute(_, command):
        found.ran.append((command, os.environ.get("OPENBLAS_NUM_THREADS")))
        raise SystemExit(0)

    monkeypatch.setattr(run, "__file__", str(tmp_path / "run.py"))
    monkeypatch.setattr(run.subprocess, "run", pip)
    monkeypatch.setattr(run.subprocess, "call", lambda *_, **__: 0)
    monkeypatch.setattr(run.os, "execv", execute)
    for name in run.THREADS:
        monkeypatch.setenv(name, "3")

    def give(*words):
        with pytest.raises(SystemExit) as ended:
            run.main(list(words))
        return ended.value.code

    found.run, found.give = run, give
    return found


@pytest.mark.parametrize(("target", "threads"), [("doctor", "3"), ("bench", "1"), ("ladder", "1")])
def test_the_doctor_sees_the_user_s_own_thread_settings_and_what_measures_one_thread(lab, target, threads):
    assert lab.give(target) == 0
    assert [seen for _, seen in lab.ran] == [threads]


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["bench", "--quick"], [PYTHON, "experiments/03-matmul-perf/bench.py", "--quick"]),
        (["verify"], [".venv/bin/labkit", "verify", "experiments/03-matmul-perf"]),
        (["report", "a b", "--output", "x.html"], [".venv/bin/labkit", "report", "a b", "--output", "x.html"]),
        (["compare", "a", "b"], [".venv/bin/labkit", "compare", "a", "b"]),
        (["doctor"], [".venv/bin/labkit", "doctor"]),
    ],
)
def test_a_target_gives_its_command_with_the_arguments_and_a_result_to_those_that_need_one(lab, words, command):
    lab.give(*words)
    assert [ran for ran, _ in lab.ran] == [command]


def test_an_environment_is_made_once_and_again_when_what_it_is_made_from_changes(lab):
    for _ in range(2):
        lab.give("bench")
    assert lab.installed == [".[bench]"]
    os.utime("constraints.txt")
    os.utime(".venv/bench", (1, 1))
    lab.give("bench")
    assert lab.installed == [".[bench]", ".[bench]"]
    lab.give("fleet")
    assert lab.installed[2:] == ["fleet/requirements.txt"]


def test_an_environment_that_was_moved_or_has_lost_its_python_is_made_again(lab):
    lab.give("bench")
    Path(".venv").rename("moved")
    Path(".venv").symlink_to("moved")
    lab.give("bench")
    assert lab.installed == [".[bench]"] * 2
    os.remove(PYTHON)
    lab.give("bench")
    assert lab.installed == [".[bench]"] * 3


def test_through_a_link_it_works_in_its_own_folder(tmp_path):
    (tmp_path / "lab").symlink_to(REPOSITORY / "run.py")
    probe = "import os, runpy, sys; sys.argv = ['lab']; runpy.run_path('lab')['main']([]); print(os.getcwd())"
    done = subprocess.run([sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == str(REPOSITORY)


def test_an_old_python_is_one_line_where_something_must_be_installed_and_no_hindrance_otherwise(lab, capsys):
    lab.give("bench")
    lab.run.OLDEST = (99, 0)
    assert lab.give("bench") == 0
    assert lab.give("ladder") == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("run.py: this needs Python 3.11 or newer, and this is 3.")
    assert lab.installed == [".[bench]"]


def test_a_python_without_wheels_is_one_line_and_the_doctor_goes_on_with_numpy_alone(lab, capsys):
    lab.said[".[bench]"] = NO_WHEEL
    assert lab.give("bench") == 2
    assert "run.py: llvmlite==1.2 has no wheel for this Python" in capsys.readouterr().err.splitlines()[-1]
    assert lab.give("doctor") == 0
    assert lab.installed == [".[bench]", ".[bench]", "."]
    assert lab.give("doctor") == 0  # and does not ask again
    assert len(lab.installed) == 3
    lab.said["."] = NO_WHEEL.replace("llvmlite", "numpy")
    os.remove(".venv/doctor")
    assert lab.give("doctor") == 2
    assert "numpy==1.2 has no wheel" in capsys.readouterr().err.splitlines()[-1]


def test_without_a_network_pip_s_own_words_are_shown_and_no_wheel_is_called_missing(lab, capsys):
    lab.said[".[bench]"] = OFFLINE
    assert lab.give("doctor") == 2
    said = capsys.readouterr().err
    assert "Retrying" in said
    assert "did not reach its package index" in said.splitlines()[-1]
    assert "has no wheel" not in said


def test_an_environment_that_cannot_be_made_is_one_line(lab, monkeypatch, capsys):
    monkeypatch.setattr(
        lab.run.subprocess, "call", lambda command, **_: int("venv" in command or "import pip" in command)
    )
    assert lab.give("bench") == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("run.py: cannot make the environment .venv")
    assert not lab.installed


def test_an_unknown_target_is_one_line_that_leads_to_the_list(lab, capsys):
    assert lab.give("beach") == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_on_windows_programs_are_found_in_scripts_and_ctrl_c_waits_for_the_command_s_own_end(lab, monkeypatch):
    waits = iter([KeyboardInterrupt, KeyboardInterrupt])

    def wait():
        if stop := next(waits, None):
            raise stop
        return 130

    monkeypatch.setattr(lab.run, "BIN", "Scripts")
    monkeypatch.setattr(lab.run, "EXE", ".exe")
    monkeypatch.setattr(lab.run.os, "name", "nt")
    started = []
    monkeypatch.setattr(
        lab.run.subprocess, "Popen", lambda command: started.append(command) or SimpleNamespace(wait=wait)
    )
    assert lab.run.main(["verify", "there"]) == 130
    assert started == [[".venv/Scripts/labkit.exe", "verify", "there"]]
    assert lab.ran == []


def test_a_step_that_fails_ends_its_target(lab, monkeypatch):
    statuses = iter([0, 1])
    monkeypatch.setattr(lab.run, "run", lambda step, last: next(statuses))
    assert lab.run.main(["lint"]) == 1
    assert next(statuses, None) is None


def test_clean_leaves_nothing_that_can_be_made_again_and_all_else(lab):
    kept = ["experiments/a/README.md", "labkit/x.py", "fleet/records/r"]
    for name in [*kept, "labkit/__pycache__/x.pyc", "experiments/a/.state/lock", ".venv/bin/python", "doctor.pyz"]:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    before = {*kept, "pyproject.toml", "constraints.txt", "fleet/requirements.txt"}
    assert lab.run.main(["clean"]) == 0
    assert {str(path) for path in Path().rglob("*") if path.is_file()} == before


def test_every_python_can_read_it_and_so_be_told_that_it_is_too_old():
    tree = ast.parse((REPOSITORY / "run.py").read_text(), feature_version=(3, 4))
    assert not [node for node in ast.walk(tree) if isinstance(node, (ast.JoinedStr, ast.AnnAssign, ast.arg)) and (
        not isinstance(node, ast.arg) or node.annotation
    )]  # fmt: skip


def test_make_gives_every_target_to_run_py_with_its_arguments_one_at_a_time():
    if not shutil.which("make"):
        pytest.skip("no make")
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "ARGS"))}
    command = ["make", "--no-print-directory", "-j", "8", "-n", "PYTHON=py", "ARGS=--quick 'a b'"]
    targets = re.search(r"^TARGETS := ((?:.*\\\n)*.*)", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)[1]
    targets = targets.replace("\\", "").split()
    assert targets == ["help", *load().TARGETS]
    done = subprocess.run(
        [*command, *targets], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [f"py run.py {target} --quick 'a b'" for target in targets]
    assert ".NOTPARALLEL:" in (REPOSITORY / "Makefile").read_text()
