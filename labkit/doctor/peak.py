"""The peak of one core, from the roof's probe in a process of its own: by whichever Python has what that needs."""

import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from labkit.doctor.processes import Run, last_object, positive
from labkit.errors import LabError

REPOSITORY = Path(__file__).resolve().parents[2]
PROBE = REPOSITORY / "experiments" / "01-roofline" / "roofline.py"
# What the probe imports beside NumPy and the standard library.
PROBE_NEEDS = ("llvmlite", "msgspec", "psutil", "rich", "typer")
PATIENCE_SECONDS = 6.0  # it takes 0.8 s, and some more where the machine is busy
NOBODY = "run `make doctor` in the repository once to have it measured"
# These say where the examined Python finds its packages; another Python must not look there.
FOREIGN = ("PYTHONPATH", "PYTHONHOME")


def commands(repository: Path = REPOSITORY) -> list[list[str]]:
    """How the peak may be measured: by this Python if it has what the probe needs, else by the repository's own."""
    own = [sys.executable] if all(map(_can_import, PROBE_NEEDS)) else []
    pythons = (repository / ".venv" / "bin" / "python", repository / ".venv" / "Scripts" / "python.exe")
    found = [str(python) for python in pythons if os.access(python, os.X_OK)]
    return [[python, str(PROBE), "--probe"] for python in dict.fromkeys(own + found)]


def _can_import(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


class Peak:
    """The best of several looks. While there is none, `why` says why."""

    def __init__(self, run: Run, ways: Sequence[Sequence[str]], environment: Mapping[str, str]) -> None:
        self.gflops: float | None = None
        self.ghz: float | None = None
        self.why = NOBODY
        self._run, self._ways, self._environment = run, list(ways), environment

    def look(self) -> None:
        """Measure once more, by the first of the ways that works."""
        while self._ways:
            way = self._ways[0]
            own = way[0] == sys.executable
            kept = {name: value for name, value in self._environment.items() if own or name not in FOREIGN}
            try:
                said = last_object(self._run(way, kept, PATIENCE_SECONDS))
                gflops, ghz = positive(said["fp32_fma_gflops"]), positive(said["clock_ghz"])
            except LabError as error:
                self.why = f"the probe of the peak {error}"
            except (KeyError, TypeError, ValueError):
                self.why = "the probe of the peak printed nonsense"
            else:
                self.gflops, self.ghz = max(self.gflops or 0.0, gflops), max(self.ghz or 0.0, ghz)
                return
            del self._ways[0]
