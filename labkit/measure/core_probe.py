"""The state of the core beside each sample: FMAs in registers, and two load-bound dot products.

Another tenant of the same physical core takes load ports and the first cache, and hardly the multipliers. Nothing that
a guest can read shows it, but the ratio of dot to FMA does: it has one value while the core is alone, and falls by a
quarter or more while it is not. So a reading stands before and after each sample.
"""

import os
import struct
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from typing import Protocol

import numpy as np

from labkit.errors import UserError
from labkit.machine.caches import caches
from labkit.machine.cpus import stay_on_one
from labkit.measure.clock import Clock
from labkit.measure.journal import Reading
from labkit.measure.sampling import Workload, aligned, calibrate, rounded, time_calls
from labkit.records.model import Readings

# Of two vectors together: the smaller set lives in any first level, the larger one in the second level, of which it
# takes half at most.
L1_BYTES, L2_BYTES = 16 << 10, 256 << 10
DOT_SECONDS = 0.0003
# A reading this old says nothing of the sample that follows.
STALE_SECONDS = 0.005
_ANSWER = struct.Struct("dd")
GONE = "the process that runs the FMA loop ended: 'make roofline' shows whether that loop can run here"


class Probe(Protocol):
    """What stands beside samples. Tests pass one that reads as they say."""

    readings: list[Reading]

    def before(self) -> int:
        """The index of a fresh reading."""

    def after(self) -> None:
        """Take the reading that ends a sample, and may begin the next."""

    def close(self) -> None:
        """No more readings."""


class CoreProbe:
    """The real one. From here on this process and its children stay on one CPU, where the system allows that."""

    def __init__(self, clock: Clock) -> None:
        self.readings: list[Reading] = []
        self._clock = clock
        stay_on_one()
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", "labkit.roofline.fma_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # that it ended is said in one line
            bufsize=0,
            start_new_session=True,  # the terminal's Ctrl-C is this process's to take
        )
        self._dots = dots()
        self._read_at = -np.inf
        self._answer()  # the loop is ready
        for dot in self._dots:
            calibrate(dot, clock, DOT_SECONDS)

    def before(self) -> int:
        if self._clock.wall() - self._read_at > STALE_SECONDS:
            self.after()
        return len(self.readings) - 1

    def after(self) -> None:
        try:
            self._child.stdin.write(b"?")  # type: ignore[union-attr]
        except BrokenPipeError:
            raise UserError(GONE) from None
        fma = self._answer()
        l1, l2 = (self._rate(dot) for dot in self._dots)
        self.readings.append(Reading(len(self.readings), *(rounded(rate, 5) for rate in (fma, l1, l2))))
        self._read_at = self._clock.wall()

    def _answer(self) -> float:
        data = os.read(self._child.stdout.fileno(), _ANSWER.size)  # type: ignore[union-attr]
        if len(data) < _ANSWER.size:
            raise UserError(GONE)
        return float(_ANSWER.unpack(data)[1])

    def _rate(self, dot: Workload) -> float:
        dot.call()  # what was timed has driven it out of its cache
        wall, cpu = time_calls(dot.call, dot.calls, self._clock)
        return dot.calls * dot.bytes / max(min(wall, cpu) if cpu > 0 else wall, self._clock.resolution) / 1e9

    def close(self) -> None:
        """End the child."""
        for stream in (self._child.stdin, self._child.stdout):
            if stream:
                stream.close()
        self._child.wait()


def dots() -> list[Workload]:
    """The two load-bound dot products, out of the first and out of the second level."""
    second = next((cache.bytes for cache in caches()[0] if cache.level == 2), 2 * L2_BYTES)
    return [_dot("dot in L1", L1_BYTES), _dot("dot in L2", min(L2_BYTES, second // 2))]


def readings_of(found: Sequence[Reading]) -> Readings:
    """As they are recorded."""
    return Readings(
        fma_gflops=[r.fma_gflops for r in found], l1_gbs=[r.l1_gbs for r in found], l2_gbs=[r.l2_gbs for r in found]
    )


def _dot(name: str, size: int) -> Workload:
    """`np.dot` of two fp32 vectors, so many bytes together. They start half a page apart: other places of the cache."""
    x, y = aligned(size // 8), aligned(size // 8, 2048)
    x[:] = np.linspace(0.5, 1.5, len(x), dtype=np.float32)
    y[:] = x[::-1]
    return Workload(name, size, partial(np.dot, x, y), bytes=size)
