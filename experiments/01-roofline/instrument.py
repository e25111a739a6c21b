"""Visits the probes briefly, in permuted rounds, and hands what they say to the reduction."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import incore
import levels
import numpy as np
import placement
from codegen import doubts, host_target
from incore import InCore
from loops import Pattern
from probes import Floats, Streams, Windows, clock_probe, peak_probe

from labkit import machine, sampling
from labkit.console import Screen
from labkit.errors import LabError
from labkit.records import Blas, Cache, Hardware, Rate, Stair
from labkit.sampling import SystemClock, Workload

SEED = 42
# Brief: a neighbour on the core's other thread comes and goes within milliseconds, and a visit that falls between
# two of its turns shows what the core can do alone.
VISIT_SECONDS = 0.0005
# The rounds go on for so long, so that there are moments without the neighbour in it; and so many at least.
ROUNDS_SECONDS, LEAST_ROUNDS = 12.0, 40
# More of them, once, where something stands above its roof: the roof has then not been seen at its best.
SECOND_LOOK_SECONDS = 6.0
# In each round the peak, the clocks and the sentinel are visited so often, side by side.
TURNS = 8
# What is slow, a copy through DRAM or a product of order 1024, is visited so often in all.
SLOW_VISITS, SLOW_SECONDS = 6, 0.004
# Staircase: visits of a small working set, and of one whose pass takes longer than this.
STAIR_VISITS, LARGE_STAIR_VISITS, LARGE_PASS_SECONDS = 15, 3, 0.002
CACHED: tuple[Pattern, ...] = ("load", "copy", "triad")
PROBE_VISITS = 100
LEAST_MEMORY = 1 << 20  # bytes: with less there is nothing to stream over

Key = tuple[str, Pattern]


@dataclass
class Sample:
    """All that was observed: the reduction makes the record of it."""

    hardware: Hardware
    blas: Blas
    core: InCore
    sentinel: Workload
    levels: list[Cache]
    staircase: list[Stair]
    streams: dict[Key, Workload]
    kernels: list[Workload]
    notes: list[str]
    rounds: int = 0
    seconds: float = 0.0

    @property
    def visits_of_the_peak(self) -> int:
        return len(self.core.peak.repetitions)

    @property
    def beside_peak(self) -> list[Workload]:
        """The peak and what is visited side by side with it."""
        loaded = [self.core.loaded_clock] if self.core.loaded_clock else []
        return [self.core.peak, self.core.clock, *loaded, self.sentinel]


def prepare(screen: Screen, hardware: Hardware, library: Blas, rng: np.random.Generator) -> Sample:
    """All that comes before the rounds: sweep the peak's loop, climb the staircase, lay out the working sets."""
    clock, target, kinds = SystemClock(), host_target(), machine.stay_on_fastest()
    screen.say(f"Measuring the roof of one core: {hardware.short_name}, {target.instruction_set}.")
    screen.update("compiling and sweeping the peak's loop", 0.0, ROUNDS_SECONDS)
    screen.start()
    core = incore.prepare(target, clock, rng)
    allowed = levels.memory_for_probes(hardware.memory_bytes, machine.memory_available())
    if allowed < LEAST_MEMORY:
        raise LabError("hardly any memory is left for the roof's arrays: free some, or allow this process more")
    streams = Streams(target)
    dram = levels.dram_bytes(hardware.caches, allowed)
    memory = streams.memory(dram)
    windows = Windows(memory, dram)
    screen.update("climbing the staircase of working sets", 1.0, ROUNDS_SECONDS)
    staircase = climb(streams, memory, dram, clock, rng)
    known = hardware.caches or levels.read_levels(staircase)
    chosen = levels.working_sets(known, allowed, dram)
    notes = [*doubts(target, hardware.isa), *core.notes, *_limits(hardware), *chosen.notes]
    if kinds:
        notes.append(f"this machine has {kinds}: the roof is that of the fastest")
    if not hardware.caches:
        shown = f"the {len(known)} levels below DRAM are read off it" if known else "it shows none either"
        notes.append(
            f"the machine reports no caches; the staircase was climbed to {dram >> 20} MiB, and {shown}: "
            "a cache larger than that would be taken for DRAM"
        )
    return Sample(
        hardware, library, core, sampling.make_sentinel(), known, staircase,
        make_streams(streams, windows, chosen.sets), placement.numpy_kernels(windows, SEED), notes,
    )  # fmt: skip


def _limits(hardware: Hardware) -> list[str]:
    """Where this process may use less than the core that is measured."""
    quota = hardware.cores.quota
    if quota is not None and quota < 1:
        return [
            f"this process may use {quota:g} of a core: the roof is what the core does while it runs, and work that "
            f"takes longer than a few milliseconds gets {quota:g} of it"
        ]
    return []


def climb(
    streams: Streams, memory: Floats, largest: int, clock: sampling.Clock, rng: np.random.Generator
) -> list[Stair]:
    """Load bandwidth over working sets up to the largest, in permuted rounds, each after a pass that is not timed."""
    stairs = [streams.resident("load", memory, size, "load") for size in levels.stair_sizes(largest)]
    for stair in stairs:
        sampling.calibrate(stair, clock, VISIT_SECONDS)
    for visit in range(STAIR_VISITS):
        for i in rng.permutation(len(stairs)):
            stair = stairs[i]
            large = (stair.estimate or 0.0) > LARGE_PASS_SECONDS
            if not large or visit % (STAIR_VISITS // LARGE_STAIR_VISITS) == 0:
                stair.call()
                sampling.take(stair, clock, visit)
    return [Stair(working_set_bytes=s.n, gbs=Rate.of(s.rates(s.bytes))) for s in stairs]


def make_streams(streams: Streams, windows: Windows, sets: dict[str, int]) -> dict[Key, Workload]:
    """A workload for each level and pattern; those of a level share its memory, DRAM's its windows."""
    made = {}
    for level, size in sets.items():
        if level == levels.DRAM:
            for pattern in (*CACHED, "copy_streaming"):
                made[level, pattern] = streams.windowed(pattern, windows, f"{pattern} {level}")
        else:
            own = streams.memory(size)
            for pattern in CACHED:
                made[level, pattern] = streams.resident(pattern, own, size, f"{pattern} {level}")
    return made


def take_rounds(sample: Sample, seconds: float, say: Callable[[float], None], rng: np.random.Generator) -> None:
    """Rounds for so many seconds: everything brief once in each, in a fresh order, the peak among it several times."""
    clock = SystemClock()
    slow = {w.method for w in sample.kernels if (w.estimate or 0.0) > SLOW_SECONDS}
    brief = [*sample.core.ceilings.values(), *sample.streams.values()]
    brief += [w for w in sample.kernels if w.method not in slow]
    late = [w for w in sample.kernels if w.method in slow]
    # What others have driven out of its cache since is called once before it is timed.
    uncached = {id(w) for w in sample.core.ceilings.values()} | {
        id(w) for w in brief if w.method == placement.COPY or w.method.endswith(levels.DRAM)
    }
    started, first = clock.wall(), sample.rounds
    shown = taken = 0
    while (elapsed := clock.wall() - started) < seconds or sample.rounds - first < LEAST_ROUNDS:
        round_ = sample.rounds
        order = [brief[i] for i in rng.permutation(len(brief))]
        for turn in range(TURNS):
            for i in rng.permutation(len(sample.beside_peak)):
                sampling.take(sample.beside_peak[i], clock, TURNS * round_ + turn)
            for workload in order[turn::TURNS]:
                if id(workload) not in uncached:
                    workload.call()
                sampling.take(workload, clock, round_)
        due = elapsed >= taken * seconds / SLOW_VISITS and (elapsed <= seconds or taken == 0)
        if due and taken < SLOW_VISITS:
            for i in rng.permutation(len(late)):
                sampling.take(late[i], clock, round_)
            taken += 1
        sample.rounds += 1
        if int(elapsed) > shown:
            shown = int(elapsed)
            say(elapsed)


def warm_up(workloads: Sequence[Workload]) -> None:
    """One call that is not recorded, and how many calls make a visit."""
    clock = SystemClock()
    for workload in workloads:
        if sampling.warm_up(workload, clock) < VISIT_SECONDS:
            sampling.calibrate(workload, clock, VISIT_SECONDS)


def measure(screen: Screen, observed: tuple[Hardware, Blas], lab_kernels: bool) -> Sample:
    """Everything that a roof is made of. `lab_kernels`: whether the lab's methods are to be measured too."""
    started, rng = time.perf_counter(), np.random.default_rng(SEED)
    try:
        sample = prepare(screen, *observed, rng)
        if lab_kernels:
            sample.kernels += placement.lab_methods()
        warm_up([*sample.beside_peak, *sample.core.ceilings.values(), *sample.streams.values(), *sample.kernels])
        sample.seconds = time.perf_counter() - started
        look_again(sample, screen, ROUNDS_SECONDS)
    finally:
        screen.stop()
    return sample


def look_again(sample: Sample, screen: Screen, seconds: float) -> None:
    """Rounds for so many seconds, with their progress shown."""
    started = time.perf_counter()
    rng = np.random.default_rng([SEED, sample.rounds])

    def show(done: float) -> None:
        screen.update("visiting every loop in turn", done, max(0.0, seconds - done))

    take_rounds(sample, seconds, show, rng)
    sample.seconds += time.perf_counter() - started


def quick_probe() -> str:
    """Peak and clock alone, as JSON: the fastest of brief visits side by side."""
    clock, target = SystemClock(), host_target()
    # Enough chains for four units of latency four, where there are registers for them.
    chains = 16 if target.registers >= 32 else 10
    machine.stay_on_fastest()
    loops = [incore.compiled_or_none(target, lanes, chains, target.fma, "peak") for lanes, _ in incore.widths(target)]
    peaks = [loop for loop in loops if loop] or [peak_probe(target, target.lanes, chains, target.fma, "peak")]
    visited = [*peaks, clock_probe(target)]
    for workload in visited:
        sampling.calibrate(workload, clock, VISIT_SECONDS)
    for visit in range(PROBE_VISITS):
        for workload in visited:
            sampling.take(workload, clock, visit)
    peak, ghz = max(map(incore.fastest, peaks)), incore.fastest(visited[-1])
    return json.dumps({"fp32_fma_gflops": round(peak, 3), "clock_ghz": round(ghz, 4)})
