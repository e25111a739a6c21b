"""What the core's arithmetic can do: the loop of the peak, found by a sweep, and the ceilings below it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from labkit import stats
from labkit.errors import UserError
from labkit.measure.clock import Clock
from labkit.measure.sampling import Workload, calibrate, interleave
from labkit.records.model import PeakLoop, Saturation
from labkit.roofline.alone import PEAK
from labkit.roofline.codegen import Target
from labkit.roofline.derive import CEILING, CLOCK, CLOCK_UNDER_LOAD, SWEEP, SWEEP_CLOCK, choose, sweep
from labkit.roofline.loops import UNROLL
from labkit.roofline.probes import clock_probe, peak_probe

ACCUMULATORS = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24)
SPARE_REGISTERS = 2  # for the multiplier and the addend
SPARE_WITHOUT_FMA = 4  # ... and for products on their way to an add
SWEEP_ROUNDS, SAMPLE_SECONDS = 25, 0.0005
# Accumulators that multiply and add, and those that only add beside them, by the number of vector registers.
MIXES = {16: ((8, 4), (8, 6)), 32: ((16, 8), (14, 14))}
# The clock under load must be what the loop waits for: so many times the cycles that the multiply-adds take. No
# more: some cores lower their clock for dense full-width multiply-adds, and only for those.
CLOCK_MARGIN = 1.06


@dataclass(frozen=True)
class Core:
    """The loops that the rounds visit, and the samples of the sweep that chose the first of them."""

    loop: PeakLoop
    instruction_sets: dict[str, str]  # of the sweep, by lanes
    peak_and_clocks: list[Workload]
    ceilings: list[Workload]
    swept: list[Workload]  # the clock among them
    notes: list[str]


def instruction_sets(target: Target) -> dict[int, str]:
    """By lanes what is worth sweeping: the widest vectors, and AVX2 where AVX-512 may not be faster."""
    return {16: "AVX-512", 8: "AVX2 + FMA"} if target.lanes == 16 else {target.lanes: target.instruction_set}


def prepare(target: Target, clock: Clock, rng: np.random.Generator) -> Core:
    """Compile and sweep. A UserError if no loop of the peak comes out as it was meant."""
    names = {str(lanes): name for lanes, name in instruction_sets(target).items()}
    spare = SPARE_REGISTERS if target.fma else SPARE_WITHOUT_FMA
    fitting = [count for count in ACCUMULATORS if count + spare <= target.registers]
    loops = {
        (lanes, count): loop
        for lanes in instruction_sets(target)
        for count in fitting
        if (loop := compiled_or_none(target, lanes, count, f"{SWEEP}{lanes}x{count}"))
    }
    if not loops:
        raise UserError("no loop of the peak could be compiled as meant here: the roofline cannot be measured")
    ghz = clock_probe(target)
    swept_clock = replace(ghz, name=SWEEP_CLOCK, samples=[])
    sample([swept_clock, *loops.values()], clock, rng)
    chosen = choose(sweep([loop.series() for loop in loops.values()], names))
    lanes, count, name = chosen.lanes, chosen.accumulators, chosen.instruction_set
    peak = replace(loops[lanes, count], name=PEAK, samples=[])
    under_load = _clock_under_load(target, chosen, fastest(swept_clock))
    return Core(
        loop=PeakLoop(instruction_set=name, lanes=lanes, accumulators=count, fma=target.fma),
        instruction_sets=names,
        peak_and_clocks=[peak, replace(ghz, name=CLOCK), *([under_load] if under_load else [])],
        ceilings=[*_ceilings(target, chosen), *_mix(target, lanes, clock, rng)],
        swept=[swept_clock, *loops.values()],
        notes=[
            f"no {missing} loop could be compiled as meant: the peak is that of {name}"
            for width, missing in names.items()
            if width not in {str(compiled) for compiled, _ in loops}
        ],
    )


def widest(target: Target, clock: Clock, rng: np.random.Generator, rounds: int = SWEEP_ROUNDS) -> Workload:
    """The faster of the loops of each vector width, by brief samples: the peak without a sweep over accumulators."""
    # Enough accumulators for four units of latency four, where there are registers for them.
    count = 16 if target.registers >= 32 else 10
    compiled = [compiled_or_none(target, lanes, count, PEAK) for lanes in instruction_sets(target)]
    loops = [loop for loop in compiled if loop] or [peak_probe(target, target.lanes, count, target.fma, PEAK)]
    sample(loops, clock, rng, rounds)
    return max(loops, key=fastest)


def compiled_or_none(
    target: Target, lanes: int, accumulators: int, name: str, fma: bool = True, adds: int = 0, ticks: int = 0
) -> Workload | None:
    """A loop, or None where its accumulators do not stay in registers: its rate would mean nothing."""
    try:
        return peak_probe(target, lanes, accumulators, fma and target.fma, name, adds, ticks)
    except UserError:
        return None


def fastest(loop: Workload) -> float:
    """10^9 per second, by its fastest samples."""
    return stats.fastest(loop.series().rates)


def _clock_under_load(target: Target, chosen: Saturation, ghz: float) -> Workload | None:
    """The additions beside the peak's loop; with fewer accumulators where they leave too few registers for all."""
    cycles = 2 * chosen.lanes * UNROLL * ghz / chosen.gflops  # of a trip, for each accumulator
    for count in range(chosen.accumulators, chosen.accumulators // 2, -1):
        ticks = round(CLOCK_MARGIN * cycles * count)
        if loop := compiled_or_none(target, chosen.lanes, count, CLOCK_UNDER_LOAD, ticks=ticks):
            return loop
    return None


def _ceilings(target: Target, chosen: Saturation) -> Iterator[Workload]:
    """What the core does without one of its means: one lane, fewer bits, no FMA."""
    most = min(chosen.accumulators, target.registers - SPARE_WITHOUT_FMA)
    # Narrow vectors may have but 16 registers where wide ones have 32.
    counts = (most, min(most, 16 - SPARE_WITHOUT_FMA))
    wanted = [(name, lanes, True) for name, lanes in (("scalar", 1), ("128-bit", 4), ("256-bit", 8))]
    for name, lanes, fma in [*(w for w in wanted if w[1] < chosen.lanes), ("no FMA", chosen.lanes, False)]:
        if fma or target.fma:
            loops = (compiled_or_none(target, lanes, count, CEILING + name, fma) for count in counts)
            yield from list(filter(None, loops))[:1]


def _mix(target: Target, lanes: int, clock: Clock, rng: np.random.Generator) -> list[Workload]:
    """The faster mix of multiply-adds and additions, where adds may have units of their own."""
    mixes = MIXES[target.registers] if target.fma else ()
    loops = (compiled_or_none(target, lanes, count, CEILING + "FMA + ADD", adds=adds) for count, adds in mixes)
    compiled = [loop for loop in loops if loop]
    sample(compiled, clock, rng)
    return [replace(loop, samples=[]) for loop in sorted(compiled, key=fastest)[-1:]]


def sample(loops: Sequence[Workload], clock: Clock, rng: np.random.Generator, rounds: int = SWEEP_ROUNDS) -> None:
    """Brief samples of all these, side by side."""
    for loop in loops:
        calibrate(loop, clock, SAMPLE_SECONDS)
    interleave(loops, rounds, rng, clock)
