"""How one number is taken: a clock, a repetition, the calibration of its length, and the sentinel."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import repeat
from typing import Protocol

import numpy as np
import numpy.typing as npt

from labkit.interference import NO_INTERFERENCE, Interference, SystemInterference

# A visit to a short cell: long enough to be timed well, short enough that a whole round of visits
# sees the machine in one and the same state.
VISIT_SECONDS = 0.010
# A repetition is at least this many ticks of the clock long: the quantisation error is then 0.1 %.
CLOCK_RESOLUTIONS = 1000
# Calibration must pass its target twice in a row: one slow reading is no calibration.
CALIBRATION_PASSES = 2

PAGE_BYTES = 4096

Call = Callable[[], object]
Floats = npt.NDArray[np.float32]


class Clock(Protocol):
    """What times a repetition. Tests pass one that ticks as they say."""

    resolution: float  # s

    def wall(self) -> float:
        """Seconds of wall time since any fixed moment."""

    def cpu(self) -> float:
        """Seconds of processor time of this process, all its threads together."""

    def interference(self) -> Interference:
        """What has come between this process and its core so far."""


class SystemClock:
    """The clocks of the operating system."""

    def __init__(self) -> None:
        self.resolution = time.get_clock_info("perf_counter").resolution
        self.interference = SystemInterference()

    def wall(self) -> float:
        return time.perf_counter()

    def cpu(self) -> float:
        return time.process_time()


@dataclass(frozen=True)
class Repetition:
    """One timed repetition: `calls` calls one after the other, and what came between them and the core."""

    seconds: float  # wall time of one call, s
    calls: int
    cpu_over_wall: float  # below 1: it was preempted; above 1: a second thread ran
    round: int  # the round of visits it was taken in; equal rounds make a pair
    interference: Interference = NO_INTERFERENCE

    @property
    def wall(self) -> float:
        """Wall time of the whole repetition, s."""
        return self.seconds * self.calls

    @property
    def own_seconds(self) -> float:
        """Processor time of one call, s, and no more than its wall time: a second thread does not make it longer."""
        return self.seconds * min(1.0, self.cpu_over_wall) if self.cpu_over_wall > 0 else self.seconds


@dataclass
class Workload:
    """A cell: one thing to call, again and again, on operands that stay where they are."""

    method: str
    n: int
    call: Call
    flops: int = 0
    bytes: int = 0
    calls: int = 1  # calls in a repetition, set by calibration
    estimate: float | None = None  # s a call, by the cost model or the last reading
    repetitions: list[Repetition] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, int]:
        return (self.method, self.n)

    @property
    def seconds(self) -> list[float]:
        """Wall time of a call, s, one figure a repetition."""
        return [r.seconds for r in self.repetitions]

    @property
    def total_seconds(self) -> float:
        """Wall time spent in timed calls, s."""
        return sum(r.wall for r in self.repetitions)

    def rates(self, amount: float) -> list[float]:
        """`amount` a second in units of 10^9 (GFLOPS, GB/s, GHz), one figure a repetition."""
        return [amount / r.seconds / 1e9 for r in self.repetitions]

    def rates_by_round(self, amount: float) -> dict[int, float]:
        """The same by the round it was seen in."""
        return {r.round: amount / r.seconds / 1e9 for r in self.repetitions}

    def own_rates_by_round(self, amount: float) -> dict[int, float]:
        """The same for each second that the core was really this process's: what others took of it does not count."""
        return {r.round: amount / r.own_seconds / 1e9 for r in self.repetitions}


def time_calls(call: Call, calls: int, clock: Clock) -> tuple[float, float]:
    """(wall, cpu) seconds of `calls` calls; nothing but the calls stands between the readings."""
    cpu = clock.cpu()
    start = clock.wall()
    for _ in repeat(None, calls):
        call()
    wall = clock.wall() - start
    return wall, clock.cpu() - cpu


def take(workload: Workload, clock: Clock, round_: int) -> Repetition:
    """Time one repetition of the workload and keep it."""
    before = clock.interference()
    wall, cpu = time_calls(workload.call, workload.calls, clock)
    interference = clock.interference() - before
    if wall <= 0:
        # A clock that did not move has measured nothing; the shortest thing it can tell is a tick.
        wall = clock.resolution
    repetition = Repetition(wall / workload.calls, workload.calls, cpu / wall, round_, interference)
    workload.repetitions.append(repetition)
    workload.estimate = repetition.seconds
    return repetition


def warm_up(workload: Workload, clock: Clock) -> float:
    """One call that is not recorded: it pays for first-touch pages and a BLAS's set-up. Returns seconds."""
    wall, _ = time_calls(workload.call, 1, clock)
    workload.estimate = max(wall, clock.resolution)
    return wall


def calibrate(workload: Workload, clock: Clock, target: float = VISIT_SECONDS) -> float:
    """Set how many calls make a repetition of at least `target` s and 1000 clock ticks. Returns seconds spent."""
    target = max(target, CLOCK_RESOLUTIONS * clock.resolution)
    calls, passes, spent = 1, 0, 0.0
    while True:
        wall, _ = time_calls(workload.call, calls, clock)
        spent += wall
        workload.estimate = max(wall / calls, clock.resolution / calls)
        if wall >= target:
            passes += 1
            if passes == CALIBRATION_PASSES:
                break
            continue
        passes = 0
        # Aim a twentieth past the target; at most tenfold, as a first reading can be far too fast.
        wanted = calls * 1.05 * target / wall if wall > 0 else 10 * calls
        calls = max(calls + 1, min(10 * calls, round(wanted)))
    workload.calls = calls
    return spent


def aligned(elements: int, offset: int = 0) -> Floats:
    """fp32 ones that start `offset` bytes into a page, every page touched.

    Where an array starts decides how often a wide load crosses a cache line: the same np.dot ran at 62 or 86 GB/s
    from one process to the next until its operands began where they always begin.
    """
    raw = np.empty(4 * elements + 2 * PAGE_BYTES, dtype=np.uint8)
    start = -raw.ctypes.data % PAGE_BYTES + offset % PAGE_BYTES
    array = raw[start : start + 4 * elements].view(np.float32)
    array[:] = 1.0
    return array


# The sentinel: a load-bound BLAS call out of the second-level cache, in pure NumPy. It follows what a
# neighbour on the machine takes away from loads, which a chain of FMA does not feel.
SENTINEL_ELEMENTS = 32_768  # 128 KiB a vector in fp32
SENTINEL = "sentinel"
# The two vectors start half a page apart, so that their lines do not fall into the same places of the cache.
SENTINEL_OFFSET = PAGE_BYTES // 2


def make_sentinel() -> Workload:
    """The transfer standard: `np.dot` of two fixed fp32 vectors of 128 KiB each."""
    x, y = aligned(SENTINEL_ELEMENTS), aligned(SENTINEL_ELEMENTS, SENTINEL_OFFSET)
    x[:] = np.linspace(0.5, 1.5, SENTINEL_ELEMENTS, dtype=np.float32)
    y[:] = x[::-1]
    return Workload(
        SENTINEL,
        SENTINEL_ELEMENTS,
        partial(np.dot, x, y),
        flops=2 * SENTINEL_ELEMENTS,
        bytes=2 * SENTINEL_ELEMENTS * x.itemsize,
    )
