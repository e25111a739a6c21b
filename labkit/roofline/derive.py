"""From a roofline's samples to the peak, the ceilings, the clock, the bandwidths and the ridges. Pure."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from labkit import stats
from labkit.records import model as records
from labkit.records.model import Rate, Roofline, RooflineMeasurement, Saturation, Series
from labkit.roofline import kernels
from labkit.roofline.alone import PEAK, alone_turns, rate
from labkit.roofline.model import LOADS_STORES

# Names of series.
CLOCK, CLOCK_UNDER_LOAD = "clock", "clock under load"
SWEEP, SWEEP_CLOCK, CEILING, WORKING_SET = "sweep ", "sweep clock", "ceiling ", "working set"

# A loop this close to the best is as good; the fewest accumulators within the second fill the core.
AS_GOOD, SATURATED = 0.02, 0.05
# The nominal clock and the measured one are the same within this.
CLOCK_TOLERANCE = 0.05
# A core does a whole number of steps per cycle, or a half; further from both, its clock was not the one measured.
HALF_TOLERANCE = 0.12


def derive(m: RooflineMeasurement) -> Roofline:
    """The record with everything that follows from its samples."""
    by_name = {s.name: s for s in m.samples}
    peak = _peak(m, by_name)
    reference, turns = alone_turns(m.samples)
    bandwidth = [
        records.Bandwidth(
            level=level,
            pattern=pattern,
            loads=LOADS_STORES[pattern][0],
            stores=LOADS_STORES[pattern][1],
            working_set_bytes=s.n,
            gbs=rate(s, turns),
        )
        for s in m.samples
        for level, _, pattern in [s.name.partition(" ")]
        if pattern in LOADS_STORES
    ]
    fastest = {b.level: max(x.gbs.best for x in bandwidth if x.level == b.level) for b in bandwidth}
    best = peak.fp32_fma_gflops.best
    measured = {name: getattr(m, name) for name in RooflineMeasurement.__struct_fields__}
    notes, steps = [*m.notes], peak.steps_per_cycle
    odd = (
        f"the peak comes to {steps:.2f} vector instructions per cycle, neither a whole number nor a half: the core was "
        "shared, or its clock changed, while it was measured"
    )
    if peak.fma and abs(steps - round(2 * steps) / 2) > HALF_TOLERANCE and odd not in notes:
        notes.append(odd)
    roofline = Roofline(
        **{**measured, "notes": notes},
        peak=peak,
        ceilings=[
            records.Ceiling(name=name.removeprefix(CEILING), gflops=rate(s, turns))
            for name, s in by_name.items()
            if name.startswith(CEILING)
        ],
        clock=_clock(m, by_name, peak),
        bandwidth=bandwidth,
        working_sets=[
            records.WorkingSet(working_set_bytes=s.n, gbs=Rate.of(s.rates)) for s in m.samples if s.name == WORKING_SET
        ],
        ridge=[records.Ridge(level=level, flop_per_byte=best / gbs, gbs=gbs) for level, gbs in fastest.items()],
        reference=reference,
        faults=[],
    )
    roofline.faults = kernels.above_roof(roofline)
    return roofline


def sweep(samples: Sequence[Series], instruction_sets: Mapping[str, str]) -> list[Saturation]:
    """The peak by vector width and number of accumulators: each loop by its fastest samples."""
    found = []
    for s in samples:
        if s.name.startswith(SWEEP) and s.name != SWEEP_CLOCK:
            lanes, accumulators = s.name.removeprefix(SWEEP).split("x")
            name, gflops = instruction_sets[lanes], stats.fastest(s.rates)
            found.append(
                Saturation(instruction_set=name, lanes=int(lanes), accumulators=int(accumulators), gflops=gflops)
            )
    return found


def choose(swept: Sequence[Saturation]) -> Saturation:
    """The loop to measure the peak with: of those as good as the best, the one with most accumulators.

    A loop with just enough of them falls behind whenever one is late; one with more does not.
    """
    best = max(s.gflops for s in swept)
    as_good = [s for s in swept if s.gflops >= (1 - AS_GOOD) * best]
    return max(as_good, key=lambda s: (s.accumulators, s.gflops))


def saturates_at(swept: Sequence[Saturation]) -> int:
    """The fewest accumulators that fill the core."""
    best = max(s.gflops for s in swept)
    return min(s.accumulators for s in swept if s.gflops >= (1 - SATURATED) * best)


def _peak(m: RooflineMeasurement, by_name: Mapping[str, Series]) -> records.Peak:
    swept = sweep(m.samples, m.instruction_sets)
    own = [s for s in swept if s.lanes == m.loop.lanes]
    rates = by_name[PEAK].rates
    gflops = Rate.of(rates)
    gflops.best = max(gflops.best, *(s.gflops for s in swept))
    under_load = by_name.get(CLOCK_UNDER_LOAD, by_name[CLOCK])
    flops_per_cycle = stats.fastest(rates) / stats.fastest(under_load.rates)
    alone = next((s for s in own if s.accumulators == 1), None)
    step = 2 * m.loop.lanes
    return records.Peak(
        fp32_fma_gflops=gflops,
        **msgspec.structs.asdict(m.loop),
        flops_per_cycle=flops_per_cycle,
        latency_cycles=step * stats.fastest(by_name[SWEEP_CLOCK].rates) / alone.gflops if alone else None,
        steps_per_cycle=flops_per_cycle / step,
        saturates_at=saturates_at(own),
        sweep=swept,
    )


def _clock(m: RooflineMeasurement, by_name: Mapping[str, Series], peak: records.Peak) -> records.CoreClock:
    """A clock's "flops" are cycles, so its rate is in GHz."""
    alone, loaded = by_name[CLOCK].rates, by_name.get(CLOCK_UNDER_LOAD)
    verdict: Literal["as stated", "boosted", "throttled"] | None = None
    if m.nominal_ghz:
        ratio = stats.fastest(alone) / m.nominal_ghz
        verdict = "as stated" if abs(ratio - 1) <= CLOCK_TOLERANCE else "boosted" if ratio > 1 else "throttled"
    return records.CoreClock(
        ghz=Rate.of(alone),
        under_load_ghz=Rate.of(loaded.rates) if loaded else None,
        nominal_ghz=m.nominal_ghz,
        nominal_from=m.nominal_from,
        verdict=verdict,
        peak_from_nominal_gflops=peak.flops_per_cycle * m.nominal_ghz if m.nominal_ghz else None,
    )
