"""A checkout in which everything is small, so that the commands of a document can be given as they stand."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
LEFT_BEHIND = shutil.ignore_patterns(
    ".git", ".venv", ".state", "__pycache__", ".*_cache", ".hypothesis", "stage", "output"
)
# Sizes and seconds, as in the sources and as here: what is measured is no matter, only that the command does its work.
SMALL = {
    "experiments/03-matmul-perf/bench.py": {"SIZES = (64, 128, 256, 512, 1024)": "SIZES = (8, 16)"},
    "experiments/03-speedup-ladder/ladder.py": {"SIZES = (64, 128, 256, 512, 1024)": "SIZES = (16, 32)"},
    "experiments/01-roofline/instrument.py": {
        "ROUNDS_SECONDS, LEAST_ROUNDS = 12.0, 40": "ROUNDS_SECONDS, LEAST_ROUNDS = 0.4, 8",
        "SECOND_LOOK_SECONDS = 6.0": "SECOND_LOOK_SECONDS = 0.1",
        "STAIR_VISITS, LARGE_STAIR_VISITS, LARGE_PASS_SECONDS = 15, 3, 0.002":
        "STAIR_VISITS, LARGE_STAIR_VISITS, LARGE_PASS_SECONDS = 2, 1, 0.002",
    },
    "labkit/schedule.py": {"MIN_SECONDS = 1.0": "MIN_SECONDS = 0.02"},
}  # fmt: skip
STAMPS = ("run", "ladder", "report", "dev")  # of the Makefile: what is installed
# What `make test` itself was told is not for the commands of a document.
FROM_MAKE = ("ARGS", "MAKEFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "MFLAGS")
# Within this any command here ends; only one that hangs meets it.
PATIENCE_SECONDS = 150


def make(root: Path) -> Path:
    """The checkout: the sources made small, and the environment that runs the tests."""
    shutil.copytree(REPOSITORY, root, ignore=LEFT_BEHIND)
    for name, changes in SMALL.items():
        text = (root / name).read_text()
        for old, new in changes.items():
            assert text.count(old) == 1, (name, old)
            text = text.replace(old, new)
        (root / name).write_text(text)
    environment = root / ".venv"
    environment.mkdir()
    for name in ("bin", "lib", "lib64", "pyvenv.cfg"):
        if (Path(sys.prefix) / name).exists():
            (environment / name).symlink_to(Path(sys.prefix) / name)
    for name in ("requirements.txt", "requirements-ladder.txt", "requirements-report.txt", "requirements-dev.txt",
                 "pyproject.toml"):  # fmt: skip
        os.utime(root / name, (0, 0))
    for name in STAMPS:
        (environment / name).touch()
    return root


def put_results(root: Path, folders: Iterable[str]) -> None:
    """Copies of a result, where a document speaks of some."""
    for folder in folders:
        shutil.copytree(REPOSITORY / "experiments" / "03-matmul-perf", root / folder, ignore=LEFT_BEHIND)


def give(command: str, root: Path) -> "subprocess.CompletedProcess[str]":
    """A command as a user types it there, in bash."""
    return subprocess.run(
        ["bash", "-c", command],
        cwd=root, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS, stdin=subprocess.DEVNULL,
        env={
            **{name: value for name, value in os.environ.items() if name not in FROM_MAKE},
            "GITHUB_STEP_SUMMARY": str(root / "summary.md"),
        },
    )  # fmt: skip
