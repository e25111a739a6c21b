"""Which working sets, which level, which intensity: the roof's arithmetic on made-up machines."""

import json

import instrument
import made_up
import pytest
import roof_figure
import roof_page
from instrument import working_sets

from labkit.records import Cache, Ceiling, PlacedKernel, Ridge, Saturation

GIB = 1 << 30


def caches(*sizes):
    return [Cache(level=level, bytes=size, shared_by=1) for level, size in enumerate(sizes, 1)]


def test_each_level_has_a_working_set_inside_it_and_outside_the_one_below():
    reported = caches(32 << 10, 1 << 20, 32 << 20)
    sets = working_sets(reported, 16 * GIB)
    below = 0
    for cache in reported:
        assert below < sets[f"L{cache.level}"] < cache.bytes
        below = cache.bytes
    assert sets["DRAM"] >= 4 * below


def test_dram_stays_within_the_memory_that_may_be_used_however_large_the_cache_seems():
    sets = working_sets(caches(32 << 10, 1 << 20, 1 << 30), 256 << 20)
    assert max(sets.values()) <= (256 << 20) * instrument.DRAM_MEMORY_PORTION
    assert "DRAM" in sets


def test_a_machine_that_reports_no_caches_still_has_a_first_level_and_dram():
    assert set(working_sets([], 8 * GIB)) == {"L1", "DRAM"}


def full_record():
    record = made_up.roofline()
    record.peak.sweep = [
        Saturation(instruction_set="AVX2 + FMA", lanes=8, accumulators=n, gflops=12.0 * n) for n in (1, 2, 4, 8)
    ]
    record.ceilings = [
        Ceiling(name="scalar", gflops=made_up.rate(12.5)),
        Ceiling(name="no FMA", gflops=made_up.rate(50.0)),
    ]
    record.ridge = [
        Ridge(level=name, flop_per_byte=100 / gbs, gbs=gbs) for name, gbs in (("L1", 300.0), ("DRAM", 20.0))
    ]
    record.bandwidth += [
        b.__class__(level="L1", pattern=b.pattern, working_set_bytes=16384, gbs=b.gbs) for b in record.bandwidth
    ]
    kernel = {"extrapolated": False, "extrapolated_from": None, "gbs": None, "intensity_high": None}
    record.kernels = [
        PlacedKernel(name="memcpy", n=1 << 26, intensity=0.0, gflops=0.0, **{**kernel, "gbs": 15.0}),
        PlacedKernel(name="dot", n=10**6, intensity=0.25, gflops=4.5, **kernel),
        PlacedKernel(name="matmul", n=1024, intensity=0.25, gflops=90.0, **{**kernel, "intensity_high": 1024 / 6}),
        PlacedKernel(
            name="naive", n=1024, intensity=0.25, gflops=0.004, gbs=None, intensity_high=1024 / 6,
            extrapolated=True, extrapolated_from=64,
        ),
    ]  # fmt: skip
    return record


def test_the_roofs_page_has_the_records_numbers():
    text = roof_page.render(full_record(), made_up.manifest())
    assert "does fewer than 5.0 flop" in text  # 100 / 20
    assert "the system reports is 2.50 GHz" in text
    assert "80.0 GFLOPS, 20 % too low" in text  # 32 flop a cycle at 2.5 GHz against 100
    assert "None" not in text
    assert "\n\n\n" not in text


def test_the_roofs_figure_carries_its_data():
    import io

    from PIL import Image

    data = json.loads(Image.open(io.BytesIO(roof_figure.draw(full_record()))).text["Description"])
    assert data["peak_gflops"] == made_up.PEAK
    assert data["levels"] == {"L1": 300.0, "DRAM": 20.0}
    assert data["kernels"]["dot"] == [0.25, 4.5]


def swept(*points):
    return [
        (Saturation(instruction_set="AVX2 + FMA", lanes=8, accumulators=n, gflops=gflops), None) for n, gflops in points
    ]


def test_the_peak_loop_is_the_one_with_most_chains_among_the_best():
    chosen, _ = instrument.choose(swept((4, 60.0), (8, 100.0), (10, 101.0), (12, 100.5), (14, 90.0)))
    assert chosen.accumulators == 12


def test_a_dot_product_has_a_quarter_flop_a_byte_and_a_copy_none():
    from labkit.sampling import Workload

    dot = made_up.measured(Workload("dot", 1000, int, flops=2000), 1e-6)
    copy = made_up.measured(Workload("memcpy", 4096, int, bytes=8192), 1e-6)
    assert instrument._place(dot).intensity == 0.25
    assert instrument._place(copy).intensity == 0.0
    assert instrument._place(copy).gbs == pytest.approx(8.192)
