"""A copy of the checkout, and what a user does in it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import made_up

from labkit.machine.blas import loaded_blas
from labkit.machine.hardware import hardware, identity
from labkit.records import io

REPOSITORY = Path(__file__).resolve().parents[1]
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
LEFT_BEHIND = shutil.ignore_patterns(
    ".git", ".venv", ".nox", ".state", "__pycache__", ".*_cache", ".hypothesis", "tests"
)
# Within this any of the runs here ends; only a run that hangs meets it.
PATIENCE_SECONDS = 300
# bench.py, and at its Nth entry of the journal a signal to itself: a moment that does not depend on how fast it is.
SIGNALLED = """
import os, runpy, sys
from labkit.measure.journal import Journal

count, number, sys.argv = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
real, seen = Journal.write, []

def write(journal, *entries):
    real(journal, *entries)
    seen.append(entries)
    if len(seen) == count:
        os.kill(os.getpid(), number)

Journal.write = write
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Checkout:
    """The copy: its code is what runs."""

    def __init__(self, root: Path) -> None:
        shutil.copytree(REPOSITORY, root, ignore=LEFT_BEHIND)
        self.root = root
        self.benchmark = root / "experiments" / "03-matmul-perf"
        self.roofline = root / "experiments" / "01-roofline"
        self.bench = self.benchmark / "bench.py"

    def environment(self, **extra: str) -> dict[str, str]:
        """Where a variable is given as "", it is not set."""
        known = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        found = {**known, **THREADS, "PYTHONPATH": str(self.root), **extra}
        return {name: value for name, value in found.items() if value}

    def run(self, *arguments: object, cwd: Path | None = None, **extra: str) -> subprocess.CompletedProcess[str]:
        """bench.py with these arguments, to its end."""
        return self.python(self.bench, *arguments, cwd=cwd, **extra)

    def python(self, *arguments: object, cwd: Path | None = None, **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=cwd or self.root,
            env=self.environment(**extra),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )

    def signalled(self, count: int, number: signal.Signals, *arguments: object) -> subprocess.Popen[str]:
        """bench.py with these arguments, which sends itself a signal at its so many-th entry of the journal."""
        command = [sys.executable, "-c", SIGNALLED, str(count), str(int(number)), str(self.bench), *map(str, arguments)]
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A shell that runs the tests in its background has them ignore Ctrl-C, and what they start with them.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def give_roofline(self) -> None:
        """A made-up roofline that passes for this machine's, measured here: runs are then brief."""
        roofline = made_up.roofline()
        roofline.machine = identity(hardware(), loaded_blas())
        raw = io.encode(roofline)
        (self.roofline / io.KERNELS).write_bytes(raw)
        (io.state_folder(self.roofline) / "measured").write_text(io.digest(raw))

    def files(self) -> dict[str, str]:
        """The digest of every file of the copy, but for compiled ones."""
        paths = [p for p in self.root.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
        return {str(p.relative_to(self.root)): io.digest(p.read_bytes()) for p in paths}


def samples_in(output: Path) -> list[tuple[str, int, int, float]]:
    """(name, N, round, seconds) of every whole line of the journal that is a sample."""
    lines = [line for path in output.glob(".state/samples-*.jsonl") for line in path.read_bytes().split(b"\n")[:-1]]
    return [(e["name"], e["n"], e["round"], e["seconds"]) for e in map(json.loads, lines) if e["kind"] == "sample"]
