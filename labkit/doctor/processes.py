"""A command run to its end: what it printed, or one line that says what became of it."""

import json
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from labkit.errors import LabError

# A command, its environment, seconds of patience -> what it printed. A LabError if it died or hung.
Run = Callable[[Sequence[str], Mapping[str, str], float], str]


def run(command: Sequence[str], environment: Mapping[str, str], seconds: float) -> str:
    """Run a command; its standard output. The LabError's message goes on from the command's name."""
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, timeout=seconds, stdin=subprocess.DEVNULL, check=False
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"hung, and was ended after {seconds:g} s") from None
    except (OSError, ValueError) as error:
        raise LabError(f"could not be started ({getattr(error, 'strerror', None) or type(error).__name__})") from None
    if done.returncode < 0:
        raise LabError(f"was ended by {_signal_name(-done.returncode)}")
    if done.returncode:
        lines = [line.strip() for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
        raise LabError(f"ended with status {done.returncode}" + (f" ({lines[-1]})" if lines else ""))
    return done.stdout.decode(errors="replace")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def last_object(printed: str) -> dict[str, Any]:
    """The JSON object on the last line, behind whatever a sitecustomize prints; a ValueError if there is none."""
    said = json.loads((printed.strip().splitlines() or [""])[-1])
    if not isinstance(said, dict):
        raise ValueError("not an object")
    return said


def positive(value: Any) -> float:
    """A finite number above 0; a ValueError or TypeError of anything else."""
    if not 0 < float(value) < float("inf"):
        raise ValueError("not a positive number")
    return float(value)
