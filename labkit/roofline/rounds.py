"""Everything that a roofline is made of, timed briefly and in permuted rounds. Needs llvmlite."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from labkit.errors import UserError
from labkit.machine import limits
from labkit.machine.clocks import nominal_ghz
from labkit.machine.cpus import stay_on_fastest, sve_bits
from labkit.measure.clock import Clock, SystemClock
from labkit.measure.core_probe import dots
from labkit.measure.sampling import Workload, aligned, calibrate, permuted, take, warm_up
from labkit.records.model import Roofline, RooflineMeasurement, Series
from labkit.records.provenance import Observed
from labkit.roofline import bandwidth, cores, peak
from labkit.roofline.alone import DOTS, PEAK
from labkit.roofline.codegen import doubts, host_target
from labkit.roofline.derive import CEILING, WORKING_SET, derive
from labkit.roofline.kernels import COPY, DOT, MATMUL_N
from labkit.roofline.model import LOADS_STORES
from labkit.roofline.peak import SAMPLE_SECONDS
from labkit.roofline.probes import Streams, Windows, clock_probe
from labkit.show.screen import Screen

SEED = 42
# In each round the peak, the clocks and two dots are sampled so often, side by side. Samples are brief, as a neighbour
# on the core's other thread comes and goes within milliseconds: one that falls between two of its turns shows what the
# core can do alone. The rounds go on until there are moments without the neighbour among them.
TURNS = 8
ROUNDS_SECONDS, FEWEST_ROUNDS = 12.0, 40
# More rounds, once, where something stands above its limit: the roof has then not been seen at its best.
SECOND_LOOK_SECONDS = 6.0
# What is slow, like a product of order 1024, is sampled so often in all.
SLOW_SAMPLES, SLOW_SECONDS = 6, 0.004
# Samples of a small working set, and of one whose pass takes longer than this.
SET_SAMPLES, LARGE_SET_SAMPLES, LARGE_PASS_SECONDS = 15, 3, 0.002
FEWEST_BYTES = 1 << 20  # of memory: with less there is nothing to stream over
DOT_N = 1_000_000
PROBE_ROUNDS = 100


@dataclass
class Probes:
    """All that is timed, with its samples so far."""

    beside_peak: list[Workload]  # the peak, and what is sampled side by side with it
    others: list[Workload]  # of the rounds
    before: list[Workload]  # sampled before the rounds
    rounds: int = 0

    def series(self) -> list[Series]:
        """The samples as they are recorded: their seconds and turn, and all that says when the core was alone."""
        before = [w.series(timeline=False) for w in self.before]
        for s in before:
            s.rounds = []
        series = [w.series(timeline=False) for w in [*self.beside_peak, *self.others]]
        for s in [*before, *series]:
            if s.name not in (PEAK, *DOTS):
                s.calls, s.cpu_seconds = [], []
        return before + series


# --- before the rounds ----------------------------------------------------------------------------------


def prepare(
    observed: Observed, clock: Clock, rng: np.random.Generator, screen: Screen
) -> tuple[Probes, RooflineMeasurement]:
    """Sweep the peak's loop, take bandwidth by working-set size, lay out the working sets, warm up.

    The record has all but the samples.
    """
    hardware, target, kinds = observed.hardware, host_target(), stay_on_fastest()
    screen.update("compiling and sweeping the loop of the peak", 0.0, ROUNDS_SECONDS)
    core = peak.prepare(target, clock, rng)
    allowed = bandwidth.memory_allowed(limits.memory_limit(), limits.memory_available())
    if allowed < FEWEST_BYTES:
        raise UserError("hardly any memory is left for the roofline's arrays: free some, or allow this process more")
    streams, dram = Streams(target), bandwidth.dram_bytes(hardware.caches, allowed)
    windows = Windows(streams.memory(dram), dram)
    screen.update("measuring bandwidth by working-set size", 0.0, ROUNDS_SECONDS)
    by_size = take_working_sets(streams, windows, clock, rng)
    levels = hardware.caches or bandwidth.read_levels({w.n: max(w.series().rates) for w in by_size})
    sets, left_out = bandwidth.level_sets(levels, allowed, dram)
    notes, quota = [*doubts(target, hardware.isa, sve_bits()), *core.notes, *left_out], hardware.cores.quota
    if quota is not None and quota < 1:
        notes.append(
            f"this process may use {quota:g} of a core: the roofline is what the core does while it runs, and work "
            f"that takes longer than a few milliseconds gets {quota:g} of it"
        )
    if kinds:
        notes.append(f"this machine has {kinds}: the roofline is that of the fastest")
    if not hardware.caches:
        notes.append(
            f"the machine reports no caches; bandwidth was measured up to a working set of {dram >> 20} MiB, which "
            f"shows {len(levels)} levels below DRAM: a cache larger than that would be taken for DRAM"
        )
    probes = Probes(
        beside_peak=[*core.peak_and_clocks, *dots()],
        others=[*core.ceilings, *level_streams(streams, windows, sets), *numpy_kernels(windows)],
        before=[*core.swept, *by_size],
    )
    for workload in [*probes.beside_peak, *probes.others]:
        if warm_up(workload, clock) < SAMPLE_SECONDS:
            calibrate(workload, clock, SAMPLE_SECONDS)
    nominal, source = nominal_ghz()
    return probes, RooflineMeasurement(
        schema="roofline/2",
        machine=observed.identity,
        short_name=hardware.short_name,
        loop=core.loop,
        instruction_sets=core.instruction_sets,
        levels=levels,
        levels_from="reported" if hardware.caches else "bandwidth",
        nominal_ghz=nominal,
        nominal_from=source,
        rounds=0,
        seconds=0.0,
        notes=notes,
        samples=[],
    )


def take_working_sets(streams: Streams, windows: Windows, clock: Clock, rng: np.random.Generator) -> list[Workload]:
    """Loads over working sets up to the largest, in permuted rounds, each after a pass that is not timed."""
    sizes = bandwidth.sizes(windows.working_set)
    found = [streams.resident("load", windows.memory, size, WORKING_SET) for size in sizes]
    for workload in found:
        calibrate(workload, clock, SAMPLE_SECONDS)
    for round_ in range(SET_SAMPLES):
        for workload in permuted(found, rng):
            large = (workload.estimate or 0.0) > LARGE_PASS_SECONDS
            if not large or round_ % (SET_SAMPLES // LARGE_SET_SAMPLES) == 0:
                workload.call()
                take(workload, clock, round_)
    return found


def level_streams(streams: Streams, windows: Windows, sets: dict[str, int]) -> list[Workload]:
    """A workload for each level and pattern; those of a level share its memory, DRAM's its windows."""
    found = []
    for level, size in sets.items():
        if level == bandwidth.DRAM:
            found += [streams.windowed(p, windows, f"{level} {p}") for p in LOADS_STORES]
        else:
            memory = streams.memory(size)
            found += [streams.resident(p, memory, size, f"{level} {p}") for p in LOADS_STORES if p != "copy_streaming"]
    return found


def numpy_kernels(windows: Windows) -> list[Workload]:
    """NumPy's own: a copy through DRAM, a dot product of 10^6, and two products of order 1024."""
    rng = np.random.default_rng(SEED)
    half = windows.bytes // 2

    def copy() -> None:
        window = windows.memory[windows.next_start() // 4 :]
        np.copyto(window[half // 4 : half // 2], window[: half // 4])

    x, y = aligned(DOT_N), aligned(DOT_N)
    for vector in (x, y):
        vector[:] = rng.standard_normal(DOT_N, dtype=np.float32)
    A, B = (rng.standard_normal((MATMUL_N, MATMUL_N), dtype=np.float32) for _ in "AB")
    C, flops = np.empty_like(A), 2 * MATMUL_N**3
    return [
        Workload(COPY, half, copy, bytes=2 * half),
        Workload(DOT, DOT_N, partial(np.dot, x, y), flops=2 * DOT_N),
        Workload("einsum", MATMUL_N, partial(np.einsum, "ik,kj->ij", A, B, out=C), flops=flops),
        Workload("matmul", MATMUL_N, partial(np.matmul, A, B, out=C), flops=flops),
    ]


# --- the rounds -----------------------------------------------------------------------------------------


def take_rounds(probes: Probes, seconds: float, clock: Clock, rng: np.random.Generator, screen: Screen) -> None:
    """Rounds for so many seconds: all that is brief once in each, in a fresh order, the peak among it several times."""
    slow = [w for w in probes.others if (w.estimate or 0.0) > SLOW_SECONDS]
    brief = [w for w in probes.others if (w.estimate or 0.0) <= SLOW_SECONDS]
    started, first, taken = clock.wall(), probes.rounds, 0
    while (elapsed := clock.wall() - started) < seconds or probes.rounds - first < FEWEST_ROUNDS:
        round_, order = probes.rounds, list(permuted(brief, rng))
        for turn in range(TURNS):
            at = TURNS * round_ + turn
            for workload in permuted(probes.beside_peak, rng):
                if workload.name in DOTS:
                    workload.call()  # others have driven it out of its cache since
                take(workload, clock, at)
            for workload in order[turn::TURNS]:
                if not workload.name.startswith((COPY, CEILING, bandwidth.DRAM)):
                    workload.call()  # others have driven it out of its cache since
                take(workload, clock, at)
        if taken == 0 or taken * seconds / SLOW_SAMPLES <= elapsed < seconds:
            for workload in permuted(slow, rng):
                take(workload, clock, at)
            taken += 1
        probes.rounds += 1
        screen.update("sampling every loop in turn", elapsed, max(0.0, seconds - elapsed))


# --- the whole ------------------------------------------------------------------------------------------


def measure(observed: Observed, screen: Screen) -> Roofline:
    """The roofline of the machine at hand, looked at a second time where it cannot be right."""
    clock, rng = SystemClock(), np.random.default_rng(SEED)
    started, cpus = clock.wall(), cores.usable_cpus()
    screen.say(f"Measuring the roofline of one core: {observed.hardware.short_name}.")

    def look(seconds: float) -> Roofline:
        take_rounds(probes, seconds, clock, rng, screen)
        record.rounds, record.seconds, record.samples = probes.rounds, clock.wall() - started, probes.series()
        return derive(record)

    screen.start()
    try:
        probes, record = prepare(observed, clock, rng, screen)
        roofline = look(ROUNDS_SECONDS)
        if roofline.faults:
            screen.say(f"Looking again, as {roofline.faults[0]}.")
            roofline = look(SECOND_LOOK_SECONDS)
        screen.update("measuring several cores at once", clock.wall() - started, 0.0)
        record.cores = cores.measure(observed.hardware, cpus)
        roofline = derive(record)
    finally:
        screen.stop()
    return roofline


def probe() -> dict[str, float]:
    """Peak and clock alone, by the fastest of brief samples side by side."""
    clock, target, rng = SystemClock(), host_target(), np.random.default_rng(SEED)
    stay_on_fastest()
    loop, ghz = peak.widest(target, clock, rng), clock_probe(target)
    loop.samples.clear()
    peak.sample([ghz, loop], clock, rng, PROBE_ROUNDS)
    return {"fp32_fma_gflops": round(peak.fastest(loop), 3), "clock_ghz": round(peak.fastest(ghz), 4)}
