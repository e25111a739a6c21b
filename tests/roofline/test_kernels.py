"""Where kernels stand on the roofline, what they answer to, and what is noticed when one stands above it."""

import made_up
import msgspec
import pytest

from labkit.machine.caches import Cache
from labkit.records.model import KernelTraffic, Ridge, Roofline
from labkit.roofline.derive import derive
from labkit.roofline.kernels import METHODS, bandwidth_at, delivered, nearest_limit, place

MIB = 1 << 20


def with_rate(name: str, rate: float, n: int | None = None) -> Roofline:
    """The made-up roofline where one series did so many 10^9 per second, at another size if given."""
    m = made_up.roofline_measurement()
    s = next(s for s in m.samples if s.name == name)
    if n:
        s.flops, s.n = s.flops * n // s.n, n
    s.seconds = [s.amount / rate / 1e9] * len(s.seconds)
    return derive(m)


def with_levels(roofline: Roofline, **gbs: float) -> Roofline:
    """The same where caches have these bandwidths too."""
    ridges = [Ridge(level=level, gbs=most, flop_per_byte=100 / most) for level, most in gbs.items()]
    return msgspec.structs.replace(roofline, ridge=[*ridges, *(r for r in roofline.ridge if r.level not in gbs)])


def placed(roofline, results=None):
    return {k.name: k for k in place(roofline, results)}


def test_a_dot_product_answers_to_the_level_that_holds_its_vectors():
    small = placed(with_rate("dot", 20.0, n=1000))["dot"]  # 8 kB
    large = placed(with_rate("dot", 4.0))["dot"]  # 8 MB
    assert (small.limit, large.limit) == ("L1", "DRAM")
    assert small.intensity == large.intensity == 0.25
    assert small.fraction == pytest.approx(20.0 / (0.25 * made_up.L1), rel=0.02)


def test_a_copy_has_no_intensity_and_answers_to_dram():
    copy = placed(with_rate("memcpy", 10.0))["memcpy"]
    assert (copy.intensity, copy.gflops, copy.limit) == (0.0, 0.0, "DRAM")
    assert copy.gbs == pytest.approx(10.0)
    assert copy.fraction == pytest.approx(10.0 / made_up.DRAM, rel=0.02)


def test_a_product_stands_between_no_reuse_or_what_its_rate_proves_and_compulsory_traffic():
    found = placed(made_up.roofline(), made_up.results())
    assert all(found[method].intensity_high == pytest.approx(1024 / 6) for method in METHODS)
    assert found["naive"].intensity == 0.25
    assert found["matmul"].intensity == pytest.approx(80.0 / made_up.DRAM, rel=0.02)


def test_a_level_delivers_what_the_one_before_it_fetches_and_dram_what_the_last_does():
    roofline, flops = with_levels(made_up.roofline(), L2=60.0, L3=30.0), 2 * 1024**3
    moved = {"L1": flops, "L2": flops // 4, "L3": 0}  # 1 and 4 flop/byte, and nothing
    cell = KernelTraffic(kernel="x", n=1024, instrument="valgrind", state="warm", flops=flops, bytes=moved)
    found = delivered(cell, roofline)
    assert [(d.level, d.intensity) for d in found] == [("L2", 1.0), ("L3", 4.0), ("DRAM", None)]
    assert [d.gflops for d in found[:2]] == [60.0, roofline.peak.fp32_fma_gflops.best]
    assert found[2].gflops == roofline.peak.fp32_fma_gflops.best, "what delivers nothing bounds nothing"
    assert nearest_limit(30.0, 0.01, found) == ("L2", 0.5)


def test_the_limit_of_a_working_set_is_never_below_the_bandwidth_of_sets_of_its_size():
    record = made_up.roofline()
    record.working_sets[11].gbs.best = 3 * made_up.DRAM  # 8 MiB: a cache that the machine did not report
    assert bandwidth_at(8 * MIB, record) == ("DRAM", 3 * made_up.DRAM)
    assert bandwidth_at(64 * MIB, record)[1] == pytest.approx(made_up.DRAM, rel=0.02)


def test_a_working_set_lives_in_the_first_measured_level_that_holds_it():
    record = made_up.roofline()
    record.levels = [Cache(3, 6 * MIB, 2), Cache(2, MIB, 1), Cache(1, 32 << 10, 1)]  # the second was not measured
    record.ridge.append(Ridge(level="L3", flop_per_byte=2.0, gbs=50.0))
    sizes = {1: "L1", 32 << 10: "L1", (32 << 10) + 1: "L3", 6 * MIB: "L3", 6 * MIB + 1: "DRAM"}
    assert {size: bandwidth_at(size, record)[0] for size in sizes} == sizes


def test_the_benchmarks_rates_take_the_place_of_its_own_with_what_is_extrapolated():
    roofline, results = made_up.roofline(), made_up.results(gflops={"matmul": 70.0})
    own = placed(roofline)
    assert set(own) == {"memcpy", "dot", "einsum", "matmul"}
    assert {k.source for k in own.values()} == {"roofline"}
    found = placed(roofline, results)
    assert list(found) == ["memcpy", "dot", *METHODS]
    for name in METHODS:
        cell = results.cell(name, 1024)
        assert found[name].source == "benchmark"
        assert found[name].gflops == cell.alone.gflops.value
        assert found[name].fraction == cell.peak_fraction.value  # over the FMA rate beside it
        assert (found[name].extrapolated, found[name].extrapolated_from) == (cell.extrapolated, cell.extrapolated_from)
    assert placed(roofline, made_up.results(sizes=(64,)))["matmul"].source == "roofline"


def test_nothing_is_said_of_a_kernel_within_its_interval_of_the_limit_and_of_one_beyond_it_there_is():
    peak = made_up.roofline().peak.fp32_fma_gflops.best
    assert with_rate("matmul", 0.9 * peak).faults == []
    touching = made_up.roofline_measurement()
    s = next(s for s in touching.samples if s.name == "matmul")
    s.seconds = [s.flops / rate / 1e9 for rate in [0.98 * peak, 1.02 * peak] * 6]
    assert derive(touching).faults == []
    (fault,) = with_rate("matmul", 1.05 * peak).faults
    assert "matmul at n = 1024 reaches 105 %" in fault
    (fault,) = with_rate("memcpy", 1.2 * made_up.DRAM).faults
    assert "of the DRAM limit" in fault


def test_a_matrix_unit_beside_the_core_may_pass_the_peak_of_its_vectors():
    record = with_rate("matmul", 1500.0)
    record.machine.blas = "accelerate None None"
    assert derive(record).faults == []
    record = with_rate("einsum", 150.0)
    record.machine.blas = "accelerate None None"
    assert len(derive(record).faults) == 1


def test_a_ceiling_above_the_peak_is_a_fault_unless_adds_have_units_of_their_own():
    assert made_up.CEILINGS["FMA + ADD"] > made_up.PEAK
    assert made_up.roofline().faults == []
    (fault,) = with_rate("ceiling no FMA", 110.0).faults
    assert "no FMA" in fault
