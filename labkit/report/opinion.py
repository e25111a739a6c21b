"""What the doctor says of the NumPy that makes the page, asked as a process with the user's own environment."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from labkit.doctor.consultation import FINDINGS, HEALTHY
from labkit.doctor.symptoms import Finding
from labkit.errors import LabError

COMMAND = (sys.executable, "-m", "labkit", "doctor", "--json")
# The doctor promises less than 20 s; a busy machine gets three times that.
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Check:
    """A check that was made: "error", "warning", "fine" or "not known"."""

    check: str
    state: str
    seen: str


@dataclass(frozen=True)
class Subject:
    """Which NumPy of which Python was examined."""

    python: str
    numpy: str


@dataclass(frozen=True)
class Opinion:
    """The doctor's JSON, as far as the page shows it."""

    facts: Subject
    findings: list[Finding] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)


def ask(
    command: Sequence[str] = COMMAND, environment: Mapping[str, str] = os.environ, seconds: float = PATIENCE_SECONDS
) -> Opinion:
    """The doctor's opinion; a LabError that says why there is none."""
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"the doctor took longer than {seconds:g} s, and was ended") from None
    except OSError as error:
        raise LabError(f"the doctor could not be started ({error.strerror})") from None
    if done.returncode not in (HEALTHY, FINDINGS):
        said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise LabError(f"the doctor could not tell: {said}")
    try:
        return msgspec.json.decode(done.stdout, type=Opinion)
    except (ValueError, RecursionError):
        raise LabError("what the doctor printed could not be read") from None
