"""How one number is taken: a sample, the calibration of its length, permuted rounds."""

import contextlib
import mmap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np
import numpy.typing as npt

from labkit.measure.clock import Clock
from labkit.records.model import CallSeconds, Count, Seconds, Series

if TYPE_CHECKING:
    from labkit.measure.core_probe import Probe

# A sample of a short call: long enough to be timed well, short enough that a whole round of samples sees the machine
# in one and the same state.
SAMPLE_SECONDS = 0.010
# A sample is at least this many ticks of the clock long: the quantisation error is then 0.1 %.
CLOCK_RESOLUTIONS = 1000
# Calibration must pass its target twice in a row: one slow reading is no calibration.
CALIBRATION_PASSES = 2
# Recorded digits: a tenth of a millionth is far below what any clock here resolves.
DIGITS = 7
PAGE_BYTES = 4096

Call = Callable[[], object]
Floats = npt.NDArray[np.float32]


class Sample(msgspec.Struct, tag_field="kind", tag="sample"):
    """A sample, as the journal holds it; seconds are those of one call."""

    at: Seconds  # when it ended, since the run began
    name: str
    n: Count
    round: Count  # equal rounds make a pair
    calls: Annotated[int, msgspec.Meta(ge=1, lt=2**53)]
    seconds: CallSeconds
    cpu_seconds: Seconds  # less if it was preempted, more if a second thread ran
    steal_seconds: Seconds | None = None  # what the hypervisor took from all CPUs meanwhile
    probe: Count | None = None  # the reading of the core before it


@dataclass
class Workload:
    """One thing to call, again and again, on operands that stay where they are."""

    name: str
    n: int
    call: Call
    flops: int = 0  # of a call
    bytes: int = 0  # of a call
    calls: int = 1  # in a sample, set by calibration
    estimate: float | None = None  # s a call, by the cost model or the last reading
    samples: list[Sample] = field(default_factory=list)
    # What runs in another process times itself: of so many calls the (wall, processor) seconds.
    apart: Callable[[int], tuple[float, float]] | None = None

    def time(self, calls: int, clock: Clock) -> tuple[float, float]:
        """(wall, processor) seconds of so many calls, by the clock of the process that runs them."""
        return self.apart(calls) if self.apart else time_calls(self.call, calls, clock)

    @property
    def key(self) -> tuple[str, int]:
        return (self.name, self.n)

    @property
    def total_seconds(self) -> float:
        """Wall time spent in timed calls, s."""
        return sum(s.seconds * s.calls for s in self.samples)

    def series(self, timeline: bool = True) -> Series:
        """The samples as they are recorded; without `timeline` steal time and moments are left out."""
        return Series(
            name=self.name,
            n=self.n,
            flops=self.flops,
            bytes=self.bytes,
            rounds=[s.round for s in self.samples],
            calls=[s.calls for s in self.samples],
            seconds=[s.seconds for s in self.samples],
            cpu_seconds=[s.cpu_seconds for s in self.samples],
            steal_seconds=[s.steal_seconds for s in self.samples] if timeline else [],
            at=[s.at for s in self.samples] if timeline else [],
            probe=[s.probe for s in self.samples if s.probe is not None],
        )


def rounded(value: float, digits: int = DIGITS) -> float:
    """A figure as it is recorded."""
    return float(f"{value:.{digits}g}")


def time_calls(call: Call, calls: int, clock: Clock) -> tuple[float, float]:
    """(wall, processor) seconds of `calls` calls; nothing but the calls stands between the readings."""
    cpu = clock.cpu()
    start = clock.wall()
    for _ in repeat(None, calls):
        call()
    wall = clock.wall() - start
    return wall, clock.cpu() - cpu


def take(workload: Workload, clock: Clock, round_: int, began: float = 0.0, probe: "Probe | None" = None) -> Sample:
    """Time one sample of the workload and keep it; `began` is the clock's wall time when the run did.

    With a probe a reading of the core stands before and after it.
    """
    reading = probe.before() if probe else None
    before = clock.steal()
    wall, cpu = workload.time(workload.calls, clock)
    after = clock.steal()
    if wall <= 0:
        # A clock that did not move has measured nothing; the shortest thing it can tell is a tick.
        wall = clock.resolution
    sample = Sample(
        name=workload.name,
        n=workload.n,
        seconds=rounded(wall / workload.calls),
        cpu_seconds=rounded(cpu / workload.calls),
        calls=workload.calls,
        round=round_,
        # Some hypervisors' count has been seen to fall.
        steal_seconds=None if before is None or after is None else rounded(max(0.0, after - before), 4),
        at=round(clock.wall() - began, 3),
        probe=reading,
    )
    if probe:
        probe.after()
    workload.samples.append(sample)
    workload.estimate = sample.seconds
    return sample


def warm_up(workload: Workload, clock: Clock) -> float:
    """One call that is not recorded: it pays for first-touch pages and a BLAS's set-up. Returns seconds."""
    wall, _ = workload.time(1, clock)
    workload.estimate = max(wall, clock.resolution)
    return wall


def calibrate(workload: Workload, clock: Clock, target: float = SAMPLE_SECONDS) -> float:
    """Set how many calls make a sample of at least `target` s and 1000 clock ticks. Returns seconds spent."""
    target = max(target, CLOCK_RESOLUTIONS * clock.resolution)
    calls, passes, spent = 1, 0, 0.0
    while True:
        wall, _ = workload.time(calls, clock)
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


def permuted(workloads: Sequence[Workload], rng: np.random.Generator) -> Iterator[Workload]:
    """The workloads in a fresh random order."""
    return (workloads[i] for i in rng.permutation(len(workloads)))


def interleave(
    workloads: Sequence[Workload], rounds: int, rng: np.random.Generator, clock: Clock, probe: "Probe | None" = None
) -> None:
    """A sample of every workload in each round, in a fresh random order; with a probe the core is read beside each."""
    began = clock.wall()
    for round_ in range(rounds):
        for workload in permuted(workloads, rng):
            take(workload, clock, round_, began, probe)


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


class Arena:
    """Room for matrices, in huge pages where the system has them.

    Their physical addresses then follow each other. Those of small pages differ from process to process, and with them
    which lines fall into the same places of a cache.
    """

    # Where the matrices of a product begin in their pages: at different places, lest a store alias with later loads.
    OFFSETS = (0, 1344, 2688)  # bytes
    HUGE_BYTES = 2 << 20

    def __init__(self, matrices: int, elements: int) -> None:
        """Room for so many matrices of so many elements in all."""
        size = 4 * elements + 2 * PAGE_BYTES * matrices + self.HUGE_BYTES
        room = mmap.mmap(-1, size)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            with contextlib.suppress(OSError):
                room.madvise(mmap.MADV_HUGEPAGE)
        self._room = np.frombuffer(room, dtype=np.uint8)
        self._next = -self._room.ctypes.data % self.HUGE_BYTES

    def square(self, n: int, which: int) -> Floats:
        """The next matrix, n x n, touched: A, B or C of a product (0, 1, 2)."""
        start = self._next + self.OFFSETS[which]
        matrix = self._room[start : start + 4 * n * n].view(np.float32).reshape(n, n)
        matrix[:] = 0
        self._next = start + 4 * n * n + -(start + 4 * n * n) % PAGE_BYTES
        return matrix
