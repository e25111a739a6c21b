"""What comes between a process and its core: context switches, and time that a hypervisor gave to others."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from labkit.system import ROOT, cpu_ticks

# On a machine of many cores the kernel takes long to make /proc/stat: a visit of 10 ms need not pay for it each time.
STEAL_EVERY_SECONDS = 0.1
# The first line of /proc/stat fits into it with ease; the rest of that file is not wanted.
_FIRST_LINE_BYTES = 256


@dataclass(frozen=True)
class Interference:
    """Counted since any fixed moment, or between two moments as their difference."""

    voluntary: int  # switches because the process waited for something
    involuntary: int  # switches because something else was given the core
    steal_seconds: float | None  # s of all the machine's CPUs together; None where the system does not say

    def __sub__(self, earlier: "Interference") -> "Interference":
        both = self.steal_seconds is not None and earlier.steal_seconds is not None
        return Interference(
            self.voluntary - earlier.voluntary,
            self.involuntary - earlier.involuntary,
            (self.steal_seconds or 0.0) - (earlier.steal_seconds or 0.0) if both else None,
        )


NO_INTERFERENCE = Interference(0, 0, None)


class SystemInterference:
    """Reads the counters of this process, and now and then that of the machine.

    Steal is counted by the system in ticks of some 10 ms: it is told to within 0.1 s of when it happened.
    """

    def __init__(self, root: Path = ROOT) -> None:
        self._steal: float | None = None
        self._read_at = -STEAL_EVERY_SECONDS
        self._stat: int | None
        try:
            self._stat = os.open(root / "proc/stat", os.O_RDONLY)  # kept open for the run, and read from its start
        except OSError:
            self._stat = None

    def __call__(self) -> Interference:
        now = time.monotonic()
        if now - self._read_at >= STEAL_EVERY_SECONDS:
            self._steal, self._read_at = self.steal_seconds(), now
        try:
            import resource
        except ImportError:  # Windows has no such counters
            return Interference(0, 0, self._steal)
        used = resource.getrusage(resource.RUSAGE_SELF)
        return Interference(used.ru_nvcsw, used.ru_nivcsw, self._steal)

    def steal_seconds(self) -> float | None:
        """Seconds that the hypervisor gave to others while a CPU of this machine had work."""
        if self._stat is None:
            return None
        try:
            ticks = cpu_ticks(os.pread(self._stat, _FIRST_LINE_BYTES, 0).decode("ascii", "replace"))
        except (OSError, AttributeError):  # the latter on Windows
            return None
        return ticks[-1] / os.sysconf("SC_CLK_TCK") if ticks else None

    def __del__(self) -> None:
        if getattr(self, "_stat", None) is not None:
            os.close(self._stat)  # type: ignore[arg-type]
