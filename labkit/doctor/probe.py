"""A process of the examined Python: how it is started, limited and ended, and what is read of it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from labkit.doctor.examined import MARK
from labkit.doctor.reasons import LONGEST, why_died
from labkit.machine.process import how_it_ended, processor_seconds_of

REPOSITORY = Path(__file__).resolve().parents[2]  # the folder or the archive that labkit is in
PATIENCE_SECONDS = 6.0  # of a process's own processor time; its work takes one or two
WAITED = 3.0  # so many times as long by the clock, as others and quotas may take the rest
POLL_SECONDS = 0.02
LEAST_OF_A_CORE = 0.05  # a process that uses less waits for something that does not come
# Nothing in the current folder hides a module, and labkit is found without a place on the path, where it could bring
# another Python's packages with it.
START = """
import sys
if sys.path and sys.path[0] == "":
    del sys.path[0]
from importlib.machinery import PathFinder
class Labkit:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return PathFinder.find_spec(name, [sys.argv[1]]) if name == "labkit" else None
sys.meta_path.insert(0, Labkit)
from labkit.doctor.examined import main
main(sys.argv[2])
"""
Task = Sequence[Any]  # a name of examined.TASKS, and its arguments


@dataclass
class Ran:
    """What a process printed; `died` continues a sentence that names it, and is empty if it ended as it should."""

    out: str
    errors: str
    died: str = ""

    @property
    def answers(self) -> dict[str, Any]:
        """The last answer of each name: a process that is ended early leaves those that it had."""
        found: dict[str, Any] = {}
        for line in self.out.splitlines():
            if line.startswith(MARK):
                try:
                    found.update(json.loads(line[len(MARK) :]))
                except (TypeError, ValueError):  # cut off
                    continue
        return found


def command_of(tasks: Sequence[Task], python: str = sys.executable) -> list[str]:
    """The command that does these tasks in a Python."""
    return [python, "-c", START, str(REPOSITORY), json.dumps(tasks)]


def examine(
    environment: Mapping[str, str],
    tasks: Sequence[Task],
    python: str = sys.executable,
    seconds: float = PATIENCE_SECONDS,
    most: float = float("inf"),
) -> Ran:
    """Do the tasks in a process of its own."""
    return run(command_of(tasks, python), environment, seconds, most)


def run(command: Sequence[str], environment: Mapping[str, str], seconds: float, most: float = float("inf")) -> Ran:
    """Run a command for so many seconds of its own processor time, or three times as long, and `most`, by the clock."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=out, stderr=errors
            )
        except OSError as error:
            why = why_died(error.strerror or "") or error.strerror
            return Ran("", "", f"could not be started ({why})")
        try:
            died = _wait(process, seconds, min(WAITED * seconds, most))
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        said = Ran(_read(out), _read(errors), died)
    why = why_died(said.errors)
    if process.returncode and not died:
        lines = [line.strip() for line in said.errors.strip().splitlines()]
        why = why or (lines[-1][:LONGEST] if lines else "")
        said.died = how_it_ended(process.returncode)
    said.died += f" ({why})" if why and said.died else ""
    return said


def _wait(process: subprocess.Popen[bytes], seconds: float, most: float) -> str:
    """Wait until it ends, or has used up its time; says so then."""
    started = time.monotonic()
    while True:
        try:
            process.wait(POLL_SECONDS)
            return ""
        except subprocess.TimeoutExpired:
            waited, used = time.monotonic() - started, processor_seconds_of(process.pid)
        if used is not None and used > seconds:
            return f"used {seconds:g} s of processor time, and was ended"
        if waited > most or (used is None and waited > seconds):
            if used is not None and used > LEAST_OF_A_CORE * waited:
                return f"got {used / waited:.0%} of a core, and was ended after {waited:.0f} s"
            return f"hung, and was ended after {waited:.0f} s"


def _read(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace")


def positive(value: Any) -> float:
    """A finite number above 0; a ValueError or TypeError for anything else."""
    if not 0 < float(value) < float("inf"):
        raise ValueError("not a positive number")
    return float(value)


def last_object(out: str) -> dict[str, Any]:
    """The JSON object on the last line, after whatever a sitecustomize prints; a ValueError if there is none."""
    lines = out.strip().splitlines()
    return dict(json.loads(lines[-1] if lines else ""))
