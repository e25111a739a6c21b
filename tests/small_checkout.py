"""A checkout in which everything is small, so that the commands of a document can be given as they stand."""

import os
import shutil
import site
import subprocess
import venv
from collections.abc import Iterable, Mapping
from pathlib import Path

import made_up

from labkit.records import find, io
from labkit.show import artifacts

REPOSITORY = Path(__file__).resolve().parents[1]
LEFT_BEHIND = shutil.ignore_patterns(
    ".git", ".venv", ".nox", io.STATE, "__pycache__", ".*_cache", ".hypothesis", "stage", "output"
)
# Numbers of the sources, and what they are here: that a command does its work is tested, not what it measures.
SMALL = {
    "experiments/03-matmul-perf/bench.py": {"SIZES = (64, 128, 256, 512, 1024)": "SIZES = (8, 16)"},
    "labkit/roofline/rounds.py": {
        "ROUNDS_SECONDS, FEWEST_ROUNDS = 12.0, 40": "ROUNDS_SECONDS, FEWEST_ROUNDS = 0.4, 8",
        "SECOND_LOOK_SECONDS = 6.0": "SECOND_LOOK_SECONDS = 0.1",
        "LARGE_PASS_SECONDS = 15, 3, ": "LARGE_PASS_SECONDS = 2, 1, ",
    },
    "labkit/measure/schedule.py": {"MIN_SECONDS = 1.0": "MIN_SECONDS = 0.02"},
}
STAMPS = ("bench", "ladder", "repeat", "report", "dev")  # of run.py: what is installed
# What `make test` itself was told is not for the commands of a document.
FROM_MAKE = ("ARGS", "MAKEFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "MFLAGS")
# Any command here ends within this; only one that hangs meets it.
PATIENCE_SECONDS = 150


def make(root: Path) -> Path:
    """The checkout, with records that are made up, and an environment with the packages of this one."""
    copy(root)
    _make_environment(root)
    _make_records(root / "experiments")
    return root


def copy(root: Path, more: Mapping[str, Mapping[str, str]] = {}) -> None:
    """The files alone, with `more` made small."""
    shutil.copytree(REPOSITORY, root, ignore=LEFT_BEHIND)
    change(root, SMALL)
    change(root, more)


def change(root: Path, changes: Mapping[str, Mapping[str, str]]) -> None:
    """Put other text into files, by path: each old one stands there once."""
    for name, texts in changes.items():
        text = (root / name).read_text("utf-8")
        for old, new in texts.items():
            assert text.count(old) == 1, (name, old)
            text = text.replace(old, new)
        (root / name).write_text(text, encoding="utf-8")


def _make_environment(root: Path) -> None:
    """Its own labkit first, then the packages of this environment, but not the labkit that is installed in that."""
    environment = root / ".venv"
    venv.create(environment, symlinks=True)
    (own,) = environment.glob("lib/python*/site-packages")
    (own / "small.pth").write_text("\n".join([str(root), *site.getsitepackages()]))
    for name in ("ruff", "mypy", "pytest"):
        (environment / "bin" / name).symlink_to(REPOSITORY / ".venv" / "bin" / name)
    command = environment / "bin" / "labkit"
    command.write_text('#!/bin/sh\nexec "$(dirname "$0")/python" -m labkit "$@"\n')
    command.chmod(0o755)
    for stamp in STAMPS:
        (environment / stamp).touch()


def _make_records(experiments: Path) -> None:
    (experiments / find.BENCH / io.REPEAT).write_bytes(io.encode(made_up.repeat()))
    put_result(experiments / find.BENCH)
    (experiments / find.LADDER / io.RESULTS).write_bytes(io.encode(made_up.ladder()))
    (experiments / find.LADDER / io.MANIFEST).write_bytes(io.encode(made_up.manifest(find.LADDER)))


def put_result(folder: Path) -> None:
    """A result that is made up, with everything that is handed in."""
    made_up.write(folder)
    artifacts.redraw(folder)
    script = REPOSITORY / "experiments" / find.BENCH / "bench.py"
    if not (folder / script.name).exists():
        shutil.copy(script, folder)


def put_results(root: Path, folders: Iterable[str]) -> None:
    """Results in these folders, where a document speaks of some."""
    for folder in folders:
        put_result(root / folder)


def give(command: str, root: Path) -> "subprocess.CompletedProcess[str]":
    """A command as a user types it there, in bash."""
    kept = {name: value for name, value in os.environ.items() if name not in FROM_MAKE}
    return subprocess.run(
        ["bash", "-c", command],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
        stdin=subprocess.DEVNULL,
        env={**kept, "GITHUB_STEP_SUMMARY": str(root / "summary.md")},
    )
