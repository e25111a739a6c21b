"""The clocks of a run: wall time, processor time, and the time that a hypervisor took."""

import contextlib
import os
import time
from pathlib import Path
from typing import Protocol

from labkit.machine.process import processor_seconds
from labkit.machine.system import ROOT, cpu_ticks

# On a machine of many cores the kernel takes long to make /proc/stat: a sample of 10 ms need not pay for it each time.
STEAL_EVERY_SECONDS = 0.1
# The first line of /proc/stat fits into it with ease; the rest of that file is not wanted.
_FIRST_LINE_BYTES = 256


class Clock(Protocol):
    """What times a sample. Tests pass one that ticks as they say."""

    resolution: float  # s

    def wall(self) -> float:
        """Seconds of wall time since any fixed moment."""

    def cpu(self) -> float:
        """Seconds of processor time of this process, all its threads together; always 0 where it is not told."""

    def steal(self) -> float | None:
        """Seconds that the hypervisor took from all CPUs since any fixed moment; None where it is not told."""


class SystemClock:
    """The clocks of the operating system. Steal is counted in ticks of some 10 ms, and read every 0.1 s."""

    def __init__(self, root: Path = ROOT) -> None:
        self.resolution = time.get_clock_info("perf_counter").resolution
        self._steal: float | None = None
        self._read_at = -STEAL_EVERY_SECONDS
        self._stat: int | None = None
        with contextlib.suppress(OSError):
            self._stat = os.open(root / "proc/stat", os.O_RDONLY)  # kept open for the run, and read from its start

    def wall(self) -> float:
        return time.perf_counter()

    def cpu(self) -> float:
        return processor_seconds()

    def steal(self) -> float | None:
        now = time.monotonic()
        if now - self._read_at >= STEAL_EVERY_SECONDS:
            self._steal, self._read_at = self._read_steal(), now
        return self._steal

    def _read_steal(self) -> float | None:
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
