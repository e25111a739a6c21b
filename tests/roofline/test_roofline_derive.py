"""From samples to the roofline's conclusions, on samples that are made up."""

import made_up
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.records import io
from labkit.records.model import Roofline, Saturation
from labkit.roofline import model
from labkit.roofline.alone import DOTS
from labkit.roofline.derive import choose, derive
from labkit.roofline.kernels import place


def measured(**changes):
    """The made-up measurement; series given by name (spaces as _) do so many 10^9 per second, or are left out."""
    m = made_up.roofline_measurement()
    for name, rates in changes.items():
        (s,) = (s for s in m.samples if s.name == name.replace("_", " "))
        if rates is None:
            m.samples.remove(s)
            continue
        rates = rates if isinstance(rates, list) else [rates] * len(s.seconds)
        s.seconds = s.cpu_seconds = [s.amount / rate / 1e9 for rate in rates]
    return m


# --- the sweep ----------------------------------------------------------------------------------------


def point(accumulators, gflops, lanes=8):
    return Saturation(instruction_set="AVX2 + FMA", lanes=lanes, accumulators=accumulators, gflops=gflops)


# Latency 4, two units: full from 8 accumulators on, and past 14 the registers are gone.
USUAL = [(1, 12.5), (2, 25.0), (4, 50.0), (6, 75.0), (8, 100.0), (10, 101.0), (12, 100.5), (14, 90.0)]


@pytest.mark.parametrize(
    ("points", "accumulators", "lanes"),
    [
        (USUAL, 12, 8),
        ([(8, 100.0), (10, 97.9)], 8, 8),
        ([(8, 100.0), (10, 98.1)], 10, 8),
        ([(8, 200.0, 16), (16, 150.0, 8)], 8, 16),
        ([(20, 150.0, 16), (8, 200.0, 8)], 8, 8),
        ([(12, 100.0, 16), (12, 101.0, 8)], 12, 8),
    ],
)
def test_the_peak_loop_has_the_most_accumulators_of_those_of_any_width_within_2_percent_of_the_best(
    points, accumulators, lanes
):
    found = choose([point(*p) for p in points])
    assert (found.accumulators, found.lanes) == (accumulators, lanes)


def test_a_sweep_of_two_widths_is_named_by_its_series_and_saturates_by_the_width_that_was_chosen():
    m = made_up.roofline_measurement()
    m.instruction_sets["16"] = "AVX-512"
    m.samples += [made_up.series(f"sweep 16x{n}", n, 1e-3, flops=50_000_000 * n) for n in (1, 2)]
    peak = derive(m).peak  # full from the fewest accumulators within 5 % of the best
    assert {(s.lanes, s.instruction_set) for s in peak.sweep} == {(8, "AVX2 + FMA"), (16, "AVX-512")}
    assert peak.saturates_at == 8


# --- peak, clock, bandwidth ---------------------------------------------------------------------------


def test_the_peak_is_the_best_that_the_rounds_or_the_sweep_have_seen():
    assert derive(measured(peak=[90.0] * 11 + [99.0])).peak.fp32_fma_gflops.best == pytest.approx(101.0, rel=1e-3)
    assert derive(measured(peak=[90.0] * 11 + [105.0])).peak.fp32_fma_gflops.best == pytest.approx(105.0)


def test_flops_per_cycle_are_those_at_the_clock_under_load_and_at_the_other_where_there_is_none():
    peak = derive(measured()).peak
    assert (peak.flops_per_cycle, peak.steps_per_cycle) == (pytest.approx(32.0), pytest.approx(2.0))
    lowered = measured(clock_under_load=1.5, peak=96.0)
    assert derive(lowered).peak.flops_per_cycle == pytest.approx(64.0)
    alone = derive(measured(clock_under_load=None, clock=3.0, peak=96.0))
    assert alone.peak.flops_per_cycle == pytest.approx(32.0)
    assert alone.clock.under_load_ghz is None


def test_latency_is_what_one_accumulator_alone_waits_for_each_step_at_the_clock_of_the_sweep():
    peak = derive(measured(clock=3.9)).peak
    assert peak.latency_cycles == pytest.approx(4.0)  # 12.5 GFLOPS are 0.78 steps of 16 flops per ns, at 3.125 GHz
    assert peak.latency_cycles * peak.steps_per_cycle == pytest.approx(peak.saturates_at)


def test_a_level_is_as_fast_as_its_fastest_loop_and_streaming_stores_count_for_dram():
    m = measured()
    next(s for s in m.samples if s.name == "DRAM copy_streaming").seconds = [(1 << 22) / 25e9] * 12
    found = derive(m)
    best = found.peak.fp32_fma_gflops.best
    assert {r.level: r.gbs for r in found.ridge} == {"L1": pytest.approx(300 / 0.99), "DRAM": pytest.approx(25.0)}
    assert all(r.flop_per_byte * r.gbs == pytest.approx(best) for r in found.ridge)
    mixes = {b.pattern: (b.loads, b.stores) for b in found.bandwidth if b.level == "DRAM"}
    assert mixes == {"load": (1, 0), "copy": (1, 1), "triad": (2, 1), "copy_streaming": (1, 1)}
    assert len(found.working_sets) == 16


def test_the_dots_over_the_peak_are_those_of_a_core_alone_and_turns_that_were_not_are_told():
    usual = (made_up.L1_PER_FLOP, made_up.L2_PER_FLOP)
    undisturbed = derive(measured()).reference
    assert (undisturbed.l1_byte_per_flop, undisturbed.l2_byte_per_flop) == pytest.approx(usual, rel=1e-3)
    assert undisturbed.contended == 0
    shared = {"dot_in_L1": [25.0] * 6 + [17.0] * 6, "dot_in_L2": [80.0] * 3 + [55.0] * 9}  # a neighbour takes either
    found = derive(measured(peak=100.0, **shared)).reference
    assert (found.l1_byte_per_flop, found.l2_byte_per_flop) == pytest.approx(usual, rel=1e-3)
    assert found.contended == pytest.approx(0.75)


def test_a_dot_that_was_preempted_for_half_of_the_time_was_not_on_a_shared_core():
    m = measured(peak=100.0, dot_in_L1=25.0, dot_in_L2=80.0)
    whole = derive(m).reference
    for s in m.samples:
        if s.name.startswith("dot in"):
            s.seconds = [2 * t for t in s.seconds]
    assert derive(m).reference == whole


@pytest.mark.parametrize(
    ("ghz", "nominal", "verdict"),
    [
        (2.64, 2.5, "boosted"),
        (2.61, 2.5, "as stated"),
        (2.39, 2.5, "as stated"),
        (2.36, 2.5, "throttled"),
        (3.0, None, None),
    ],
)
def test_the_clock_is_boosted_or_throttled_beyond_a_twentieth_and_the_peak_of_the_nominal_one_beside_it(
    ghz, nominal, verdict
):
    m = measured(clock=ghz)
    m.nominal_ghz = nominal
    clock = derive(m).clock
    assert (clock.verdict, clock.nominal_from) == (verdict, "made up")
    assert clock.peak_from_nominal_gflops == (pytest.approx(80.0) if nominal else None)


def test_a_peak_of_no_whole_or_half_number_of_instructions_per_cycle_is_noted_once():
    assert derive(measured()).notes == []
    odd = derive(measured(peak=0.88 * made_up.PEAK, clock_under_load=3.125))
    (note,) = odd.notes
    assert "1.76 vector instructions per cycle, neither a whole number nor a half" in note
    assert derive(odd).notes == [note]


def test_deriving_a_record_again_changes_nothing_and_but_for_pairs_needs_the_seconds_and_turns_of_its_series():
    record = io.decode(io.encode(made_up.roofline()), Roofline, "kernels.json")
    assert derive(record) == record == made_up.roofline()
    m = made_up.roofline_measurement()
    bare = [
        s
        if s.name in ("peak", *DOTS)
        else msgspec.structs.replace(s, calls=[], cpu_seconds=[], steal_seconds=[], at=[])
        for s in m.samples
    ]
    whole = derive(m)
    assert derive(msgspec.structs.replace(m, samples=bare)) == msgspec.structs.replace(whole, samples=bare)


def test_a_rate_is_that_of_the_turns_in_which_the_core_was_alone():
    busy = range(made_up.SAMPLES // 2)
    m = made_up.roofline_measurement()
    for s in m.samples:
        if s.name in (*DOTS, "memcpy", "dot", "L1 load", "ceiling scalar"):
            s.seconds = [second * (1.7 if r in busy else 1.0) for r, second in zip(s.rounds, s.seconds, strict=True)]
            s.cpu_seconds = s.seconds
    quiet, shared = made_up.roofline(), derive(m)
    assert shared.reference.contended == pytest.approx(len(busy) / made_up.SAMPLES)
    assert [b.gbs.median for b in shared.bandwidth] == pytest.approx([b.gbs.median for b in quiet.bandwidth])
    assert [c.gflops.median for c in shared.ceilings] == pytest.approx([c.gflops.median for c in quiet.ceilings])
    assert [k.fraction for k in place(shared)] == pytest.approx([k.fraction for k in place(quiet)])


# --- the model ----------------------------------------------------------------------------------------

rates = st.floats(0.1, 1e4)


@given(rates, rates, st.floats(0.01, 100))
def test_at_the_crossover_a_product_that_reads_each_operand_once_sits_on_the_ridge(peak, gbs, intensity):
    assert model.compulsory_intensity(64) == pytest.approx(2 * 64**3 / (3 * 64 * 64 * 4))
    ridge = peak / gbs
    assert model.compulsory_intensity(model.crossover_n(peak, gbs)) == pytest.approx(ridge)
    assert model.attainable(2 * ridge, peak, gbs) == peak
    reached = model.attainable(intensity, peak, gbs)
    assert model.proven_intensity(reached, gbs) <= intensity * (1 + 1e-12)
