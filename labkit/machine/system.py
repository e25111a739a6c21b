"""How a system is asked what it is: files under /proc and /sys, and commands on macOS.

A file that is missing, unreadable or garbled reads as None.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path("/")


def text(path: Path) -> str | None:
    """A file's text without the line end; None if it cannot be read as text."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):  # ValueError: not UTF-8
        return None


def whole(said: str | None) -> int | None:
    """A whole number; None of anything else."""
    # int() also takes signs, spaces and underscores, and refuses numbers of thousands of digits.
    return int(said) if said and re.fullmatch(r"[0-9]{1,19}", said) else None


def number(path: Path) -> int | None:
    """The whole number that a file consists of."""
    return whole(text(path))


def cpu_list(listing: str | None) -> frozenset[int] | None:
    """The CPUs that `0-3,8` names, both ends included; None if it is no such list."""
    cpus: set[int] = set()
    for part in (listing or "").split(","):
        ends = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", part.strip())
        if not ends or int(ends[1]) > int(ends[2] or ends[1]):
            return None
        cpus.update(range(int(ends[1]), int(ends[2] or ends[1]) + 1))
    return frozenset(cpus)


def of_macos(root: Path, *command: str) -> str | None:
    """What a command of macOS prints. A recorded machine has it in a file that is named as the command."""
    if root == ROOT:
        return printed(*command) if sys.platform == "darwin" else None
    return text(root / command[0])


def sysctl(root: Path, name: str) -> str | None:
    """macOS's value of a name such as `hw.memsize`."""
    said = of_macos(root, "sysctl", name) or ""
    return dict(re.findall(r"^(\S+): (.+)$", said, re.MULTILINE)).get(name)


def printed(*command: str) -> str | None:
    """What a command prints; None if it prints nothing, fails or does not exist."""
    try:
        said = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except OSError:
        return None
    return said.stdout.strip() or None if said.returncode == 0 else None


def cpu_ticks(stat: str) -> list[int] | None:
    """/proc/stat's ticks of all CPUs together: user nice system idle iowait irq softirq steal; None if not counted."""
    found = re.match(r"cpu +((?:[0-9]{1,19}\s){7}[0-9]{1,19})\b", stat)
    return [int(ticks) for ticks in found[1].split()] if found else None
