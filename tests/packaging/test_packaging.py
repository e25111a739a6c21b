"""What is installed for what, and how a test that hangs or dies ends the run."""

import ast
import os
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
EXTRAS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
IMPORTED_AS = {"py-cpuinfo": "cpuinfo", "markdown-it-py": "markdown_it"}


def requirements(*extras):
    """The names that these extras require, those of other extras included."""
    found = set()
    for name in (name.partition(";")[0] for extra in extras for name in EXTRAS[extra]):
        others = re.fullmatch(r"matmul-lab\[(.*)\]", name)
        found |= requirements(*others[1].split(",")) if others else {name}
    return found


def test_every_requirement_is_pinned():
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    pinned = {line.partition("==")[0] for line in lines if "==" in line}
    assert {"numpy", *requirements(*EXTRAS)} <= pinned


def test_the_package_imports_nothing_that_no_extra_brings():
    own = {*sys.stdlib_module_names, "numpy", "labkit"}
    own |= {IMPORTED_AS.get(name, name.replace("-", "_")) for name in requirements("ladder", "repeat", "report")}
    for path in (REPOSITORY / "labkit").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert {name.partition(".")[0] for name in names} <= own, path


def test_the_entry_can_be_read_by_a_python_that_is_too_old_to_go_on():
    tree = ast.parse((REPOSITORY / "labkit" / "__main__.py").read_text(), feature_version=(3, 4))
    assert not [node for node in ast.walk(tree) if isinstance(node, (ast.JoinedStr, ast.AnnAssign, ast.FunctionDef))]
    kinds = [type(node) for node in tree.body]
    assert kinds.index(ast.If) < kinds.index(ast.ImportFrom)  # the check, then the rest


@pytest.mark.parametrize("fault", ["os.kill(os.getpid(), 9)", "time.sleep(60)"])
def test_a_test_that_kills_its_worker_or_hangs_ends_the_run_with_its_name(tmp_path, fault):
    for name in "abc":
        faulty = f"import os, time\ndef test_faulty_{name}():\n    {fault}\ndef test_sound(): pass\n"
        (tmp_path / f"test_{name}.py").write_text(faulty)
    words = runpy.run_path(str(REPOSITORY / "run.py"))["commands"]("test", [])[0]
    options = ["-c", REPOSITORY / "pyproject.toml", "--rootdir", tmp_path, "-p", "no:cacheprovider"]
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("PYTEST", "COV"))}
    done = subprocess.run(
        [sys.executable, *words[1:], *options, "-o", "faulthandler_timeout=2", tmp_path],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAILED test_a.py::test_faulty_a" in done.stdout
