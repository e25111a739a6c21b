"""A copy of the checkout, and what a user does in it."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
LEFT_BEHIND = shutil.ignore_patterns(".git", ".venv", ".state", "__pycache__", ".*_cache", ".hypothesis", "tests")
# Within this any of the runs here ends; only a run that hangs meets it.
PATIENCE_SECONDS = 120


class Checkout:
    """The copy."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lab = root / "experiments" / "03-matmul-perf"
        self.roof = root / "experiments" / "01-roofline"
        self.bench = self.lab / "bench.py"
        self.roofline = self.roof / "roofline.py"

    def command(self, *arguments: object, script: Path | None = None) -> list[str]:
        return [sys.executable, str(script or self.bench), *map(str, arguments)]

    def run(self, *arguments: object, script: Path | None = None, cwd: Path | None = None, **extra: str):
        environment = {name: value for name, value in os.environ.items() if name not in THREADS} | THREADS | extra
        return subprocess.run(
            self.command(*arguments, script=script),
            cwd=cwd or self.root,
            env={name: value for name, value in environment.items() if value},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.root,
            env={**os.environ, **THREADS},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A shell that runs the tests in its background has them ignore Ctrl-C, and what they start with them.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )


def one_line(text: str) -> str:
    """The one line of an error, or a failure that shows all there was."""
    lines = text.splitlines()
    assert len(lines) == 1, text
    return lines[0]
