"""From visits to the roof's record, on visits that are made up."""

import made_up
import pytest
from incore import InCore
from instrument import Sample
from roof_reduction import clock_verdict, reduce_sample

from labkit.records import Cache, Saturation, Stair
from labkit.sampling import Repetition, Workload

GHZ, PEAK = 3.0, 96.0  # 32 flop a cycle: two multiply-adds of eight lanes


def visited(name: str, rate: float, best: float | None = None, n: int = 1, **work: int) -> Workload:
    """A workload seen 200 times at a rate (in 10^9 a second), the last four times at its best."""
    amount = next(iter(work.values()))
    workload = Workload(name, n, int, **work)
    for round_ in range(200):
        seen = (best or rate) if round_ >= 196 else rate
        workload.repetitions.append(Repetition(amount / seen / 1e9, 1, 1.0, round_))
    return workload


def sample(**changes) -> Sample:
    manifest = made_up.manifest()
    sweep = [
        Saturation(instruction_set="AVX2 + FMA", lanes=8, accumulators=n, gflops=min(12.0 * n, PEAK))
        for n in (1, 2, 4, 6, 8, 10)
    ]
    core = InCore(
        sweep, sweep[-1], True,
        peak=visited("peak", 0.9 * PEAK, PEAK, flops=10**6),
        clock=visited("clock", 0.9 * GHZ, GHZ, flops=10**6),
        loaded_clock=visited("clock under load", 0.9 * GHZ, GHZ, flops=10**6),
        ceilings={"scalar": visited("scalar", 10.0, 12.0, flops=10**6)}, sweep_ghz=GHZ, notes=[],
    )  # fmt: skip
    streams = {
        (level, pattern): visited(pattern, 0.8 * gbs, gbs, n=size, bytes=10**6)
        for level, size, loads in (("L1", 1 << 14, 200.0), ("DRAM", 1 << 27, 16.0))
        for pattern, gbs in (("load", loads), ("copy", 0.9 * loads), ("triad", 0.8 * loads))
    }
    streams["DRAM", "copy_streaming"] = visited("copy_streaming", 20.0, 24.0, n=1 << 27, bytes=10**6)
    usual = {
        "hardware": manifest.hardware, "blas": manifest.blas, "core": core,
        "sentinel": visited("sentinel", 40.0, 48.0, bytes=10**6),
        "levels": [Cache(level=1, bytes=1 << 15, shared_by=1)],
        "staircase": [Stair(working_set_bytes=1 << k, gbs=made_up.rate(16.0)) for k in range(12, 28)],
        "streams": streams, "kernels": [], "notes": [], "rounds": 200, "seconds": 10.0,
    }  # fmt: skip
    return Sample(**{**usual, **changes})


NOMINAL = (2.0, "made up")


def test_the_peak_is_the_best_that_the_rounds_or_the_sweep_have_seen():
    assert reduce_sample(sample(), NOMINAL).peak.fp32_fma_gflops.best == pytest.approx(PEAK)
    higher = sample()
    higher.core.swept[4].gflops = 1.02 * PEAK
    assert reduce_sample(higher, NOMINAL).peak.fp32_fma_gflops.best == pytest.approx(1.02 * PEAK)


def test_flop_a_cycle_are_those_at_the_clock_under_load():
    peak = reduce_sample(sample(), NOMINAL).peak
    assert (peak.flops_per_cycle, peak.steps_per_cycle) == (pytest.approx(32.0), pytest.approx(2.0))
    lowered = sample()
    lowered.core.loaded_clock.repetitions[:] = visited("", 0.9, 1.5, flops=10**6).repetitions
    assert reduce_sample(lowered, NOMINAL).peak.flops_per_cycle == pytest.approx(64.0)


def test_latency_is_what_one_chain_alone_waits_for_each_step():
    peak = reduce_sample(sample(), NOMINAL).peak
    assert peak.latency_cycles == pytest.approx(4.0)  # 12 GFLOPS are 0.75 steps of 16 flop a ns, at 3 GHz
    assert peak.latency_cycles * peak.steps_per_cycle == pytest.approx(peak.saturates_at)


def test_a_level_s_roof_is_its_fastest_loop_and_streaming_stores_count_for_dram():
    record = reduce_sample(sample(), NOMINAL)
    assert {r.level: r.gbs for r in record.ridge} == {"L1": pytest.approx(200.0), "DRAM": pytest.approx(24.0)}
    assert {r.level: r.flop_per_byte for r in record.ridge} == {"L1": pytest.approx(0.48), "DRAM": pytest.approx(4.0)}


def test_the_mix_of_loads_and_stores_stands_beside_each_bandwidth():
    mixes = {b.pattern: (b.loads, b.stores) for b in reduce_sample(sample(), NOMINAL).bandwidth}
    assert mixes == {"load": (1, 0), "copy": (1, 1), "triad": (2, 1), "copy_streaming": (1, 1)}


def test_the_peak_in_units_of_the_sentinel_is_that_of_their_best_moments():
    ratio = reduce_sample(sample(), NOMINAL).sentinel.peak_flop_per_sentinel_byte
    assert ratio.value == pytest.approx(PEAK / 48.0, rel=0.02)
    assert ratio.low <= ratio.value <= ratio.high


@pytest.mark.parametrize(
    ("ghz", "nominal", "verdict"),
    [
        (3.0, 2.0, "boosted"), (2.11, 2.0, "boosted"), (2.09, 2.0, "as stated"), (1.91, 2.0, "as stated"),
        (1.89, 2.0, "throttled"), (3.0, None, None),
    ],
)  # fmt: skip
def test_the_clock_is_called_boosted_or_throttled_beyond_a_twentieth(ghz, nominal, verdict):
    assert clock_verdict(ghz, nominal) == verdict


def test_a_peak_from_the_stated_clock_is_what_it_would_have_been():
    clock = reduce_sample(sample(), NOMINAL).clock
    assert (clock.verdict, clock.nominal_from) == ("boosted", "made up")
    assert clock.peak_from_nominal_gflops == pytest.approx(64.0)
    unknown = reduce_sample(sample(), (None, "not said")).clock
    assert (unknown.verdict, unknown.peak_from_nominal_gflops, unknown.nominal_ghz) == (None, None, None)


def test_a_peak_of_no_whole_or_half_number_of_instructions_a_cycle_is_noted():
    assert reduce_sample(sample(), NOMINAL).notes == []
    odd = sample()
    odd.core.peak.repetitions[:] = visited("", 0.88 * PEAK, flops=10**6).repetitions
    (note,) = reduce_sample(odd, NOMINAL).notes
    assert "1.76 vector instructions a cycle, neither a whole number nor a half" in note


def test_without_reported_caches_the_levels_are_said_to_be_read_off_the_staircase():
    assert not made_up.manifest().hardware.caches
    assert reduce_sample(sample(), NOMINAL).levels_from == "staircase"
    reported = made_up.manifest().hardware
    reported.caches = [Cache(level=1, bytes=1 << 15, shared_by=1)]
    assert reduce_sample(sample(hardware=reported), NOMINAL).levels_from == "reported"


def test_a_kernel_that_was_never_visited_is_not_placed():
    kernels = [visited("dot", 4.0, n=1000, flops=2000), Workload("memcpy", 1000, int, bytes=2000)]
    assert [k.name for k in reduce_sample(sample(kernels=kernels), NOMINAL).kernels] == ["dot"]
