"""Which Pythons this machine has: on PATH, and where pyenv and uv keep theirs."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from labkit.errors import LabError
from labkit.records import LeftOut

OLDEST = (3, 11)
# Free-threaded builds (python3.13t) have a name of their own and are not looked for.
NAME = re.compile(r"python3(\.\d+)?")
# Under the home folder, each with a folder of its own for every Python.
KEPT_BY = (Path(".pyenv") / "versions", Path(".local") / "share" / "uv" / "python")
# pyenv's shims are no Pythons but choose one of those that it keeps.
SHIMS = "shims"
ASK_SECONDS = 10.0
QUESTION = (
    "import json, platform, sysconfig; print(json.dumps([platform.python_version(), "
    "platform.python_implementation(), bool(sysconfig.get_config_var('Py_GIL_DISABLED'))]))"
)


@dataclass(frozen=True)
class Python:
    """An interpreter, and what it says of itself."""

    executable: Path
    version: str
    implementation: str = "CPython"
    free_threaded: bool = False

    @property
    def order(self) -> tuple[int, ...]:
        """What it is sorted by: the numbers of its version."""
        return tuple(int(number) for number in re.findall(r"\d+", self.version))


Ask = Callable[[Path], Python | None]


def ask(executable: Path) -> Python | None:
    """What this interpreter says it is; None if it does not answer."""
    command = [str(executable), "-I", "-c", QUESTION]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=ASK_SECONDS)
        version, implementation, free_threaded = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return Python(executable, version, implementation, free_threaded)


def candidates(path: str, home: Path) -> Iterator[Path]:
    """Executables by the name of a Python 3: on PATH, then where others keep them."""
    kept = (sorted((home / place).glob("*/bin")) for place in KEPT_BY)
    folders = [*(Path(folder) for folder in path.split(os.pathsep) if folder), *(f for found in kept for f in found)]
    for folder in folders:
        if folder.name != SHIMS and folder.is_dir():
            for file in sorted(folder.iterdir()):
                if NAME.fullmatch(file.name) and os.access(file, os.X_OK):
                    yield file


def find(path: str, home: Path, ask: Ask = ask) -> tuple[list[Python], list[LeftOut]]:
    """The Pythons that the lab runs under, the oldest first and each version once; and those that it does not."""
    found: dict[tuple[str, str, bool], Python] = {}
    asked: set[Path] = set()
    for file in candidates(path, home):
        real = file.resolve()
        if real not in asked and (python := ask(file)):
            found.setdefault((python.implementation, python.version, python.free_threaded), python)
        asked.add(real)
    recent = sorted((p for p in found.values() if p.order[:2] >= OLDEST), key=lambda p: p.order)
    left_out = [LeftOut(python=_described(p), why=why) for p in recent if (why := _unfit(p))]
    return [p for p in recent if not _unfit(p)], left_out


def _described(python: Python) -> str:
    return f"{python.implementation} {python.version}" + " free-threaded" * python.free_threaded


def _unfit(python: Python) -> str | None:
    """Why the lab does not run under it; None if it does."""
    if python.implementation != "CPython":
        return "the lab's packages are built for CPython"
    return "the lab's packages are not built for it" if python.free_threaded else None


def named(names: Sequence[str], found: Sequence[Python], ask: Ask = ask) -> list[Python]:
    """The Pythons of these names, the oldest first: versions like 3.12, commands like python3.12, or paths."""
    chosen: dict[str, Python] = {}
    for name in names:
        python = _by_version(name, found) or _by_command(name, ask)
        if python is None or python.order[:2] < OLDEST:
            here = ", ".join(p.version for p in found) or "none"
            raise LabError(f"--pythons: '{Path(name).name}' is no Python 3.11 or newer; found here: {here}")
        chosen.setdefault(python.version, python)
    return sorted(chosen.values(), key=lambda p: p.order)


def _by_version(name: str, found: Sequence[Python]) -> Python | None:
    """The newest that was found of this version."""
    return next((p for p in reversed(found) if p.version == name or p.version.startswith(f"{name}.")), None)


def _by_command(name: str, ask: Ask) -> Python | None:
    command = shutil.which(name)
    return ask(Path(command)) if command else None
