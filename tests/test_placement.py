"""Where kernels stand under the roof, what they answer to, and what is noticed when one stands above it."""

import made_up
import placement
import pytest
from placement import above_roof, bandwidth_at, bounds, place, read_lab, with_lab

from labkit import codec, machine
from labkit.records import Cache
from labkit.sampling import Workload

MIB = 1 << 20


def workload(name: str, n: int, seconds: float, **work: int) -> Workload:
    return made_up.measured(Workload(name, n, int, **work), seconds)


def test_a_dot_product_answers_to_the_level_that_holds_its_vectors():
    record = made_up.roofline()
    small = place(workload("dot", 1000, 1e-7, flops=2000), record)  # 8 kB
    large = place(workload("dot", 10**6, 1e-3, flops=2 * 10**6), record)  # 8 MB
    assert (small.roof, large.roof) == ("L1", "DRAM")
    assert small.intensity == large.intensity == 0.25
    assert small.share == pytest.approx(20.0 / (0.25 * made_up.L1), rel=0.02)


def test_a_copy_has_no_intensity_and_answers_to_dram():
    copy = place(workload("memcpy", 64 * MIB, 0.0128, bytes=128 * 10**6), made_up.roofline())
    assert (copy.intensity, copy.gflops, copy.roof) == (0.0, 0.0, "DRAM")
    assert copy.gbs == pytest.approx(10.0, rel=0.02)
    assert copy.share == pytest.approx(10.0 / made_up.DRAM, rel=0.02)


def test_a_product_stands_between_no_reuse_or_what_its_rate_proves_and_compulsory_traffic():
    assert bounds(gflops=0.004, n=1024, dram=20.0) == (0.25, pytest.approx(1024 / 6))
    assert bounds(gflops=80.0, n=1024, dram=20.0) == (4.0, pytest.approx(1024 / 6))


def test_an_interpreted_product_measured_small_is_said_to_be_extrapolated():
    placed = place(workload("naive", 64, 2 * 64**3 / 4e6, flops=2 * 64**3), made_up.roofline())
    assert (placed.n, placed.extrapolated, placed.extrapolated_from) == (1024, True, 64)
    assert placed.share == pytest.approx(0.004 / made_up.PEAK, rel=0.02)
    measured = place(workload("matmul", 1024, 0.025, flops=2 * 1024**3), made_up.roofline())
    assert (measured.extrapolated, measured.extrapolated_from) == (False, None)


def test_the_limit_of_a_working_set_is_never_below_its_own_stair():
    record = made_up.roofline()
    record.levels = [Cache(level=1, bytes=32 << 10, shared_by=1)]
    record.staircase[11].gbs.best = 3 * made_up.DRAM  # 8 MiB: a cache that the machine did not report
    assert bandwidth_at(8 * MIB, record) == ("DRAM", 3 * made_up.DRAM)
    assert bandwidth_at(64 * MIB, record) == ("DRAM", made_up.DRAM)


# --- the lab's record -------------------------------------------------------------------------------


@pytest.fixture
def lab(tmp_path):
    """A folder with a lab's record, and the identity of the machine it was made on."""
    manifest = made_up.manifest()
    (tmp_path / "results.json").write_bytes(codec.encode(made_up.results()))
    (tmp_path / "manifest.json").write_bytes(codec.encode(manifest))
    return tmp_path, machine.identity(manifest.hardware, manifest.blas, manifest.versions["numpy"])


def test_the_labs_kernels_take_the_place_of_those_measured_here(lab):
    folder, identity = lab
    record = made_up.roofline()
    record.kernels = [made_up.kernel("naive", 1024, 0.001), made_up.kernel("dot", 10**6, 4.0)]
    placed = {k.name: k for k in with_lab(record.kernels, read_lab(folder, identity), record)}
    assert set(placed) == {"dot", "naive", "blocked", "einsum", "matmul"}
    results = made_up.results()
    for name in placement.METHODS:
        cell = results.cell(name, 1024)
        assert placed[name].source == "lab"
        assert placed[name].gflops == cell.gflops.median
        # As it is drawn: what the lab's own share makes of the sentinel is the lab's affair.
        assert placed[name].share == cell.gflops.median / made_up.PEAK
        assert placed[name].extrapolated == cell.extrapolated


def test_a_record_of_another_machine_numpy_or_blas_is_not_placed(lab):
    folder, identity = lab
    assert read_lab(folder, identity)
    for field in ("cpu", "numpy", "blas"):
        other = codec.decode(codec.encode(identity), type(identity), "identity")
        setattr(other, field, "another")
        assert read_lab(folder, other) is None, field


def test_a_lab_that_is_missing_broken_or_has_no_large_product_leaves_the_kernels_as_they_are(lab, tmp_path):
    folder, identity = lab
    (folder / "results.json").write_bytes(codec.encode(made_up.results(sizes="64")))
    assert read_lab(folder, identity) is None
    (folder / "results.json").write_text("{")
    assert read_lab(folder, identity) is None
    assert read_lab(tmp_path / "nowhere", identity) is None
    kernels = [made_up.kernel("naive", 1024, 0.004)]
    assert with_lab(kernels, None, made_up.roofline()) == kernels


# --- the check --------------------------------------------------------------------------------------


def test_nothing_is_said_of_kernels_below_their_roof_or_above_it_within_their_interval():
    record = made_up.roofline()
    record.kernels = [
        made_up.kernel("matmul", 1024, 90.0),
        made_up.kernel("einsum", 1024, 101.0, share=1.01, low=0.99, high=1.03),
    ]
    assert above_roof(record) == []


def test_a_kernel_above_its_roof_by_more_than_its_interval_is_a_fault():
    record = made_up.roofline()
    record.kernels = [made_up.kernel("matmul", 1024, 105.0)]
    (fault,) = above_roof(record)
    assert "matmul at n = 1024 reaches 105 %" in fault


def test_a_rate_of_the_lab_above_this_roof_is_a_fault_whatever_share_the_lab_gave_it(lab):
    folder, identity = lab
    record = made_up.roofline()
    record.peak.fp32_fma_gflops.best = 60.0  # the lab's matmul is at 80
    record.kernels = with_lab([], read_lab(folder, identity), record)
    assert any("matmul at n = 1024" in fault for fault in above_roof(record))


def test_a_matrix_unit_beside_the_core_may_pass_the_peak_of_its_vectors():
    record = made_up.roofline()
    record.kernels = [made_up.kernel("matmul", 1024, 1500.0), made_up.kernel("einsum", 1024, 90.0)]
    assert above_roof(record)
    record.machine.blas = "accelerate None None"
    assert above_roof(record) == []
    record.kernels.append(made_up.kernel("blocked", 1024, 150.0))
    assert len(above_roof(record)) == 1


def test_a_ceiling_above_the_peak_is_a_fault_unless_adds_have_units_of_their_own():
    record = made_up.roofline()
    assert made_up.CEILINGS["FMA + ADD"] > made_up.PEAK
    assert above_roof(record) == []
    record.ceilings[2].gflops = made_up.rate(110.0)
    (fault,) = above_roof(record)
    assert "no FMA" in fault
