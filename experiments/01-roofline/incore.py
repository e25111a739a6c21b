"""What the core's arithmetic can do: the peak's loop, found by a sweep, and the ceilings below it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from codegen import Target
from loops import UNROLL
from probes import clock_probe, peak_probe
from saturation import Swept, choose

from labkit import sampling, statistics
from labkit.errors import LabError
from labkit.records import Saturation
from labkit.sampling import Workload

CHAINS = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24)
SPARE_REGISTERS = 2  # for the multiplier and the addend
SPARE_WITHOUT_FMA = 4  # ... and for products on their way to an add
SWEEP_VISITS, SWEEP_VISIT_SECONDS = 25, 0.0005
# Chains that multiply and add, and chains that only add beside them, by the number of vector registers.
MIXES = {16: ((8, 4), (8, 6)), 32: ((16, 8), (14, 14))}
# The clock under load must be what the loop waits for: so many times the cycles that the multiply-adds take. No
# more: some cores lower their clock for dense full-width multiply-adds, and only for those.
CLOCK_MARGIN = 1.06


@dataclass(frozen=True)
class InCore:
    """The loops that the rounds visit, and the sweep that chose the first of them."""

    swept: list[Saturation]
    chosen: Saturation
    fma: bool
    peak: Workload
    clock: Workload
    loaded_clock: Workload | None
    ceilings: dict[str, Workload]
    sweep_ghz: float  # the clock during the sweep
    notes: list[str]


def widths(target: Target) -> list[tuple[int, str]]:
    """(lanes, instruction set) worth sweeping: the widest, and AVX2 where AVX-512 may not be faster."""
    return [(16, "AVX-512"), (8, "AVX2 + FMA")] if target.lanes == 16 else [(target.lanes, target.instruction_set)]


def prepare(target: Target, clock: sampling.Clock, rng: np.random.Generator) -> InCore:
    """Compile, check and sweep. A LabError if no peak loop comes out as it was meant."""
    ghz = clock_probe(target)
    swept = sweep(target, ghz, clock, rng)
    chosen, peak = choose(swept)
    mixes = [
        compiled_or_none(target, chosen.lanes, n, target.fma, "FMA + ADD", adds=m) for n, m in MIXES[target.registers]
    ]
    ceilings = _ceilings(target, chosen)
    mix = _fastest_of([mix for mix in mixes if mix], clock, rng) if target.fma else None
    if mix:
        ceilings["FMA + ADD"] = mix
    sweep_ghz = fastest(ghz)
    loaded = _clock_under_load(target, chosen, sweep_ghz)
    compiled = {s.lanes for s, _ in swept}
    notes = [
        f"no {name} loop could be compiled as meant: the peak is that of {chosen.instruction_set}"
        for lanes, name in widths(target)
        if lanes not in compiled
    ]
    for loop in (ghz, peak):
        loop.repetitions.clear()
    return InCore([s for s, _ in swept], chosen, target.fma, peak, ghz, loaded, ceilings, sweep_ghz, notes)


def _clock_under_load(target: Target, chosen: Saturation, ghz: float) -> Workload | None:
    """The additions beside the peak's loop; with fewer chains where they leave too few registers for all."""
    for chains in range(chosen.accumulators, chosen.accumulators // 2, -1):
        ticks = round(CLOCK_MARGIN * trip_cycles(chosen, ghz) * chains / chosen.accumulators)
        if loop := compiled_or_none(target, chosen.lanes, chains, target.fma, "clock under load", ticks=ticks):
            return loop
    return None


def trip_cycles(chosen: Saturation, ghz: float) -> float:
    """Cycles that one trip of the peak's loop takes."""
    return 2 * chosen.lanes * chosen.accumulators * UNROLL * ghz / chosen.gflops


def sweep(target: Target, ghz: Workload, clock: sampling.Clock, rng: np.random.Generator) -> Swept:
    """The peak over the number of chains, the best of brief visits in permuted rounds, the clock among them."""
    loops = []
    for lanes, name in widths(target):
        for chains in CHAINS:
            spare = SPARE_REGISTERS if target.fma else SPARE_WITHOUT_FMA
            if chains + spare > target.registers:
                continue
            if loop := compiled_or_none(target, lanes, chains, target.fma, "peak"):
                loops.append((lanes, name, chains, loop))
    if not loops:
        raise LabError("no peak loop could be compiled as meant on this machine: the roof cannot be measured")
    _visit([ghz, *(loop for *_, loop in loops)], clock, rng)
    swept = [
        (Saturation(instruction_set=name, lanes=lanes, accumulators=chains, gflops=fastest(loop)), loop)
        for lanes, name, chains, loop in loops
    ]
    return swept


def _ceilings(target: Target, chosen: Saturation) -> dict[str, Workload]:
    """What the core does without one of its means: one lane, fewer bits, no FMA."""
    most = min(chosen.accumulators, target.registers - SPARE_WITHOUT_FMA)
    # Narrow vectors may have but 16 registers where wide ones have 32.
    numbers = dict.fromkeys((most, min(most, 16 - SPARE_WITHOUT_FMA)))
    wanted = {"scalar": (1, target.fma), "128-bit": (4, target.fma), "256-bit": (8, target.fma)}
    found = {}
    for name, (lanes, fma) in {**wanted, "no FMA": (chosen.lanes, False)}.items():
        narrower, plainer = lanes < chosen.lanes, lanes == chosen.lanes and fma != target.fma
        loops = (compiled_or_none(target, lanes, chains, fma, name) for chains in numbers)
        if (narrower or plainer) and (loop := next(filter(None, loops), None)):
            found[name] = loop
    return found


def compiled_or_none(target: Target, lanes: int, chains: int, fma: bool, name: str, **more: Any) -> Workload | None:
    """A loop, or None where it is spilled or folded: not one whose rate would mean anything."""
    try:
        return peak_probe(target, lanes, chains, fma, name, **more)
    except LabError:
        return None


def _visit(loops: Sequence[Workload], clock: sampling.Clock, rng: np.random.Generator) -> None:
    for loop in loops:
        sampling.calibrate(loop, clock, SWEEP_VISIT_SECONDS)
    for visit in range(SWEEP_VISITS):
        for i in rng.permutation(len(loops)):
            sampling.take(loops[i], clock, visit)


def _fastest_of(loops: Sequence[Workload], clock: sampling.Clock, rng: np.random.Generator) -> Workload | None:
    _visit(loops, clock, rng)
    found = max(loops, key=fastest, default=None)
    for loop in loops:
        loop.repetitions.clear()
    return found


def fastest(loop: Workload) -> float:
    """10^9 a second, by the fastest of its visits."""
    return statistics.fastest(loop.rates(loop.flops))
