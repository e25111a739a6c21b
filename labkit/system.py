"""How a system is asked what it is: files under /proc and /sys, and sysctl on macOS.

A file that is missing, unreadable or garbled reads as None: what a machine does not tell is not guessed.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path("/")
# The value of a name such as `hw.memsize`; None if the system has no such name.
Sysctl = Callable[[str], str | None]
_MOST_CPUS = 1 << 16  # above this a list of CPUs is garbled, and would fill the memory


def text(path: Path) -> str | None:
    """A file's text without the line end; None if there is no such file, or nothing that can be read in it."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):  # the latter of what is not UTF-8
        return None


def whole(said: str | None) -> int | None:
    """A whole number; None of anything else."""
    # int() also takes signs, spaces and underscores, and refuses numbers of thousands of digits.
    return int(said) if said and re.fullmatch(r"[0-9]{1,19}", said) else None


def number(path: Path) -> int | None:
    """The whole number that is all that a file says."""
    return whole(text(path))


def cpu_list(listing: str | None) -> frozenset[int] | None:
    """The CPUs that `0-3,8` names, both ends included."""
    cpus: set[int] = set()
    for part in (listing or "").split(","):
        ends = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", part.strip())
        if ends is None:
            return None
        first, last = int(ends[1]), int(ends[2] or ends[1])
        if not first <= last < _MOST_CPUS:
            return None
        cpus.update(range(first, last + 1))
    return frozenset(cpus)


def listed(cpus: Iterable[int]) -> str:
    """`0-3,8`: the list that names these CPUs."""
    runs: list[list[int]] = []
    for cpu in sorted(cpus):
        if runs and cpu == runs[-1][-1] + 1:
            runs[-1].append(cpu)
        else:
            runs.append([cpu])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def sysctl_of(root: Path) -> Sysctl:
    """macOS's sysctl where this is the running system and it has one; a recorded system says nothing this way."""
    return _ask_sysctl if root == ROOT and sys.platform == "darwin" else lambda _: None


def _ask_sysctl(name: str) -> str | None:
    try:
        said = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return said.stdout.strip() or None if said.returncode == 0 else None


_STAT_FIELDS = 8  # user nice system idle iowait irq softirq steal: what all systems that count steal have


def cpu_ticks(stat: str) -> list[int] | None:
    """What /proc/stat counts of all CPUs together, in ticks: user nice system idle iowait irq softirq steal.

    None where it is not counted.
    """
    fields = stat.partition("\n")[0].split()
    ticks = [whole(field) for field in fields[1 : 1 + _STAT_FIELDS]]
    known = [tick for tick in ticks if tick is not None]
    return known if fields[:1] == ["cpu"] and len(known) == _STAT_FIELDS else None
