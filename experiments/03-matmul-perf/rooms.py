"""A room for each Python: an environment with the lab's packages, and a copy of the lab to run in.

The copy keeps a roof of its own, so that no run under another Python or NumPy replaces the one on record here.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pythons import Python, ask
from roof_source import MARKER, RECORD, ROOFLINE, measured_here

from labkit import console, provenance, store
from labkit.errors import LabError

REQUIREMENTS = provenance.REPOSITORY / "requirements.txt"
COPIED, TEMPLATE = ("labkit", "experiments/01-roofline", "experiments/03-matmul-perf"), "README.md.j2"
NOT_COPIED = shutil.ignore_patterns(store.STATE, "__pycache__", "*.json", "*.png", "*.md")
# In an environment: the digest of the requirements that it was made for. In a run's folder: it ended well.
INSTALLED, DONE = "installed", "done"
# bench.py ends with 1 when a measured cell cannot be true: the run stands, and says so.
ENDED_WELL = (0, 1)
# What would bring the packages of one Python into another.
NOT_INHERITED = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
# Its list of fonts takes seconds to make: once, and not in a run.
LOADS = "import llvmlite, msgspec, numpy, matplotlib.font_manager"


class UnusableError(Exception):
    """Why a Python cannot be measured, in half a line."""


@dataclass(frozen=True)
class Rooms:
    """The environments and the copy of the lab, in a folder that git ignores."""

    folder: Path

    def prepare(self, python: Python) -> None:
        """Make the environment, unless it is there for the same requirements. UnusableError if that cannot be done."""
        place, digest = self.folder / python.version, store.digest(REQUIREMENTS.read_bytes())
        stamp, inner = place / INSTALLED, self._python(python)
        if stamp.exists() and stamp.read_text() == digest and ask(inner):
            return
        print(f"Python {python.version}: making its environment", flush=True)
        if not _run(python.executable, "-m", "venv", "--clear", place):
            raise UnusableError("it makes no environment (on Debian: apt install python3-venv)")
        if not _run(inner, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS):
            raise UnusableError(f"{REQUIREMENTS.name} cannot be installed under it")
        if not _run(inner, "-c", LOADS):
            raise UnusableError("the packages do not load under it")
        store.write_atomically(stamp, digest.encode())

    def measure(self, python: Python, output: Path) -> None:
        """Run the quick protocol under it into a folder, going on where it was stopped. UnusableError if it fails."""
        output.mkdir(parents=True, exist_ok=True)
        bench = self._lab / "experiments" / "03-matmul-perf" / "bench.py"
        done = subprocess.run(
            [self._python(python), bench, "--quick", "--output", output],
            stdout=subprocess.PIPE, text=True, check=False, env=_environment(),
        )  # fmt: skip
        if done.returncode == console.INTERRUPTED or done.returncode < 0:
            raise KeyboardInterrupt
        if done.returncode not in ENDED_WELL:
            raise UnusableError("bench.py --quick fails under it, as said above")
        store.write_atomically(output / DONE, b"")

    def _python(self, python: Python) -> Path:
        return self.folder / python.version / "bin" / "python"

    @property
    def _lab(self) -> Path:
        return self.folder / "lab"

    def furnish(self) -> None:
        """Copy the lab, or bring the copy up to date; its roof is this checkout's, if that was measured here."""
        try:
            for part in COPIED:
                shutil.copytree(provenance.REPOSITORY / part, self._lab / part, ignore=NOT_COPIED, dirs_exist_ok=True)
            shutil.copy(provenance.REPOSITORY / TEMPLATE, self._lab)
            roof = self._lab / "experiments" / ROOFLINE.name
            if not (roof / RECORD).exists() and measured_here(ROOFLINE):
                shutil.copy(ROOFLINE / RECORD, roof)
                shutil.copy(ROOFLINE / store.STATE / MARKER, store.state_folder(roof))
        except shutil.Error:
            raise LabError("the lab cannot be copied for its runs: free some space and run this again") from None


def _run(*command: object) -> bool:
    """Whether a command ends well; what it says is nobody's interest."""
    try:
        done = subprocess.run(list(map(str, command)), capture_output=True, check=False, env=_environment())
    except OSError:
        return False
    if done.returncode == console.INTERRUPTED or done.returncode < 0:
        raise KeyboardInterrupt
    return done.returncode == 0


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
