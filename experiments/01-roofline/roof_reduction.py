"""From visits to the record: peak, clock, bandwidths, ridges, and kernels below them. No clock, no file."""

from typing import TYPE_CHECKING, Literal

import placement
from loops import LOADS_STORES
from saturation import saturates_at

from labkit import machine, statistics
from labkit.records import (
    Bandwidth,
    Bounded,
    Ceiling,
    CoreClock,
    Peak,
    Rate,
    Ridge,
    Roofline,
    SentinelPeak,
)
from labkit.sampling import Workload

if TYPE_CHECKING:
    from instrument import Key, Sample

# The clock that the system states and the one that is measured are the same within this.
CLOCK_TOLERANCE = 0.05
# A core does a whole number of steps a cycle, or a half; further from both, its clock was not the one measured.
HALF_TOLERANCE = 0.12
DRAM_RANGE_PERCENTILE = 10.0


def reduce_sample(sample: "Sample", nominal: tuple[float | None, str]) -> Roofline:
    """The roof's record; `nominal` is the clock that the system states and where from. Its faults are not filled in."""
    peak, ghz = _peak(sample), Rate.of(_rates(sample.core.clock))
    bandwidth = _bandwidth(sample.streams)
    roofs = {b.level: max(x.gbs.best for x in bandwidth if x.level == b.level) for b in bandwidth}
    identity = machine.identity(sample.hardware, sample.blas)
    roofline = Roofline(
        schema="roofline/1",
        machine=identity,
        short_name=sample.hardware.short_name,
        peak=peak,
        ceilings=[Ceiling(name=name, gflops=Rate.of(_rates(w))) for name, w in sample.core.ceilings.items()],
        clock=_clock(sample, peak, ghz, nominal),
        levels=sample.levels,
        levels_from="reported" if sample.hardware.caches else "staircase",
        bandwidth=bandwidth,
        staircase=sample.staircase,
        ridge=[
            Ridge(level=level, flop_per_byte=peak.fp32_fma_gflops.best / gbs, gbs=gbs) for level, gbs in roofs.items()
        ],
        sentinel=_sentinel(sample),
        kernels=[],
        rounds=sample.rounds,
        seconds=sample.seconds,
        notes=[*sample.notes, *_clock_notes(peak)],
        faults=[],
    )
    roofline.kernels = [placement.place(w, roofline) for w in sample.kernels if w.repetitions]
    return roofline


def _rates(w: Workload) -> list[float]:
    return w.rates(w.flops)


def _peak(sample: "Sample") -> Peak:
    core = sample.core
    chosen, own = core.chosen, [s for s in core.swept if s.lanes == core.chosen.lanes]
    gflops = Rate.of(_rates(core.peak))
    gflops.best = max(gflops.best, *(s.gflops for s in core.swept))
    under_load = statistics.fastest(_rates(core.loaded_clock or core.clock))
    flops_a_cycle = statistics.fastest(_rates(core.peak)) / under_load
    alone = next((s for s in own if s.accumulators == 1), None)
    step = 2 * chosen.lanes
    return Peak(
        fp32_fma_gflops=gflops, instruction_set=chosen.instruction_set, lanes=chosen.lanes,
        accumulators=chosen.accumulators, fma=core.fma, flops_per_cycle=flops_a_cycle,
        latency_cycles=step * core.sweep_ghz / alone.gflops if alone else None, steps_per_cycle=flops_a_cycle / step,
        saturates_at=saturates_at(own), sweep=core.swept,
    )  # fmt: skip


def _clock(sample: "Sample", peak: Peak, ghz: Rate, nominal: tuple[float | None, str]) -> CoreClock:
    loaded = sample.core.loaded_clock
    stated, source = nominal
    return CoreClock(
        ghz=ghz,
        under_load_ghz=Rate.of(_rates(loaded)) if loaded else None,
        nominal_ghz=stated,
        nominal_from=source,
        verdict=clock_verdict(statistics.fastest(_rates(sample.core.clock)), stated),
        peak_from_nominal_gflops=peak.flops_per_cycle * stated if stated else None,
    )


def clock_verdict(ghz: float, nominal: float | None) -> Literal["as stated", "boosted", "throttled"] | None:
    """What the measured clock is of the stated one; None where none is stated."""
    if nominal is None:
        return None
    if ghz > (1 + CLOCK_TOLERANCE) * nominal:
        return "boosted"
    return "throttled" if ghz < (1 - CLOCK_TOLERANCE) * nominal else "as stated"


def _clock_notes(peak: Peak) -> list[str]:
    halves = round(2 * peak.steps_per_cycle) / 2
    if peak.fma and abs(peak.steps_per_cycle - halves) > HALF_TOLERANCE:
        return [
            f"the peak comes to {peak.steps_per_cycle:.2f} vector instructions a cycle, neither a whole number nor a "
            "half: the core was shared or its clock changed while it was measured"
        ]
    return []


def _bandwidth(streams: "dict[Key, Workload]") -> list[Bandwidth]:
    found = []
    for (level, pattern), w in streams.items():
        loads, stores = LOADS_STORES[pattern]
        rates = w.rates(w.bytes)
        found.append(
            Bandwidth(
                level=level, pattern=pattern, loads=loads, stores=stores, working_set_bytes=w.n,
                gbs=Rate.of(rates), p10=statistics.percentile(rates, DRAM_RANGE_PERCENTILE),
            )
        )  # fmt: skip
    return found


def _sentinel(sample: "Sample") -> SentinelPeak:
    peak, sentinel = sample.core.peak, sample.sentinel
    ratio = statistics.ratio_of_fastest(
        peak.own_rates_by_round(peak.flops), sentinel.own_rates_by_round(sentinel.bytes)
    )
    return SentinelPeak(
        gbs=Rate.of(sentinel.rates(sentinel.bytes)),
        peak_flop_per_sentinel_byte=Bounded(value=ratio.value, low=ratio.low, high=ratio.high),
    )
