"""Factors between neighbours, their product, the other order, and rates counted by the part that a call computes."""

import math

import made_up
import pytest

from labkit.ladder.derive import derive
from labkit.records import io
from labkit.records.model import Ladder

RATES = {name: gflops for name, (gflops, _) in made_up.RUNGS.items()}
STEPS = [name for name, (_, kind) in made_up.RUNGS.items() if kind == "step"]


@pytest.fixture(scope="module")
def ladder():
    return made_up.ladder()


def test_each_step_is_held_against_the_one_below_it_at_the_largest_size(ladder):
    assert [(f.rung, f.over) for f in ladder.factors] == list(zip(STEPS[1:], STEPS[:-1], strict=True))
    for f in ladder.factors:
        assert f.ratio == pytest.approx(RATES[f.rung] / RATES[f.over], rel=1e-6)
        assert (f.n, f.pairs, f.interval) == (1024, made_up.SAMPLES, "ci95")
        assert f.low <= f.ratio <= f.high


def test_the_factors_make_the_whole(ladder):
    assert (ladder.whole.rung, ladder.whole.over) == ("matmul", "naive")
    product = math.prod(f.ratio for f in ladder.factors)
    assert product == pytest.approx(ladder.whole.ratio) == pytest.approx(80 / 0.004)


def test_a_rate_is_counted_by_the_part_of_the_product_that_a_call_computes():
    m = made_up.ladder_measurement()
    naive = next(s for s in m.samples if (s.name, s.n) == ("naive", 1024))
    naive.flops //= 1024
    naive.seconds = [s / 1024 for s in naive.seconds]
    cell = derive(m).cell("naive", 1024)
    assert cell.portion == pytest.approx(1 / 1024)
    assert cell.gflops.median == pytest.approx(0.004, rel=1e-3)
    assert made_up.ladder().cell("matmul", 1024).portion == 1


def test_the_other_order_has_blocks_before_simd_held_against_the_last_step_without_simd(ladder):
    found = {(f.rung, f.over): f.ratio for f in ladder.other_order}
    assert found == {
        ("blocks", "unrolled"): pytest.approx(5 / 4),
        ("blocks + SIMD", "blocks"): pytest.approx(28 / 5),
        ("blocks + SIMD", "FMA"): pytest.approx(28 / 26),
        ("FMA", "unrolled"): pytest.approx(26 / 4),
    }
    without_fma = made_up.ladder_measurement()
    without_fma.rungs = [r for r in without_fma.rungs if r.name != "FMA"]
    assert ("SIMD 256", "unrolled") in {(f.rung, f.over) for f in derive(without_fma).other_order}


def test_side_rungs_are_held_against_what_people_compare_them_with_where_both_were_timed(ladder):
    found = {(f.rung, f.over): (f.ratio, f.n) for f in ladder.sides}
    assert found["lists", "naive"] == (pytest.approx(4.5), 1024)
    assert found["blocked", "naive"] == (pytest.approx(0.975), 1024)
    assert found["blocked compiled", "compiled"][0] == pytest.approx(1.125)
    m = made_up.ladder_measurement()
    m.samples = [s for s in m.samples if (s.name, s.n) != ("blocked", 1024)]
    assert ("blocked", "naive") not in {(f.rung, f.over) for f in derive(m).sides}


def test_factors_and_fractions_of_peak_are_those_of_a_core_alone(ladder):
    assert ladder.cell("matmul", 1024).peak_fraction.value == pytest.approx(80 / made_up.PEAK, rel=1e-3)
    m = made_up.ladder_measurement()
    m.readings = made_up.readings(contended=range(1, 6))  # half of the samples
    matmul = next(s for s in m.samples if (s.name, s.n) == ("matmul", 1024))
    matmul.seconds = matmul.cpu_seconds = [t * (2 if r < 6 else 1) for r, t in enumerate(matmul.seconds)]
    shared = derive(m)
    cell = shared.cell("matmul", 1024)
    assert cell.gflops.median < 0.8 * 80
    assert cell.peak_fraction.value == pytest.approx(80 / made_up.PEAK, rel=0.02)
    assert (cell.alone.uncontended, cell.alone.samples) == (6, 12)
    assert (shared.whole.ratio, shared.whole.pairs) == (pytest.approx(80 / 0.004, rel=0.02), 6)


def test_the_roof_is_the_runs_own(ladder):
    m = made_up.ladder_measurement()
    m.readings = made_up.readings(fma=0.9 * made_up.PEAK)
    assert derive(m).roof.peak_gflops == pytest.approx(0.9 * made_up.PEAK)
    assert derive(m).cell("matmul", 1024).peak_fraction.value == pytest.approx(80 / 90, rel=1e-3)


def test_a_cell_that_was_disturbed_or_whose_interval_is_wide_is_noisy():
    assert not any(cell.noisy for cell in made_up.ladder().cells)
    m = made_up.ladder_measurement()
    by_key = {(s.name, s.n): s for s in m.samples}
    by_key["einsum", 64].cpu_seconds = [0.5 * s for s in by_key["einsum", 64].cpu_seconds]
    matmul = by_key["matmul", 64]
    matmul.seconds = matmul.cpu_seconds = [s * (1 + r % 2) for r, s in enumerate(matmul.seconds)]
    assert {c.rung for c in derive(m).cells if c.noisy} == {"einsum", "matmul"}


def test_rivals_are_held_against_the_blas_and_the_generated_product_against_each_at_every_size():
    found = derive(made_up.ladder_measurement(others=list(made_up.OTHERS)))
    assert {f.rung: f.ratio for f in found.beside} == {
        name: pytest.approx(rate / 80) for name, (rate, _) in made_up.OTHERS.items()
    }
    assert all((f.over, f.n) == ("matmul", 1024) for f in found.beside)
    over = {(f.over, f.n): f.ratio for f in found.rivals}
    rivals = ("matmul", "MKL", "newest OpenBLAS", "OpenBLAS Haswell", "OpenBLAS SkylakeX")
    assert set(over) == {(name, n) for name in rivals for n in (64, 128, 1024)}
    assert over["MKL", 128] == pytest.approx(88 / 70)
    assert {f.rung for f in found.rivals} == {"packing and blocks"}


def test_a_rung_of_ones_own_stands_between_two_steps_and_over_what_its_file_names():
    found = derive(made_up.ladder_measurement(others=["step1_loop_order", "wrapper"]))
    own = {(f.rung, f.over): f.ratio for f in found.own}
    assert own == {
        ("step1_loop_order", "compiled"): pytest.approx(9),  # also the next slower step
        ("step1_loop_order", "unit stride"): pytest.approx(3.6 / 3.7),
        ("wrapper", "register tile"): pytest.approx(79.9 / 60),
        ("wrapper", "matmul"): pytest.approx(79.9 / 80),
    }


def test_all_cores_are_held_against_one_and_against_their_peak_in_pairs(ladder):
    assert ladder.on_all_cores is None
    found = derive(made_up.ladder_measurement(cores=4)).on_all_cores
    assert found.factor.value == pytest.approx(3.2)
    assert found.peak_fraction.value == pytest.approx(0.8 * 78 / made_up.PEAK)
    assert found.gflops.low < found.gflops.median < found.gflops.high


def test_deriving_a_record_again_changes_nothing_also_after_it_was_written(ladder):
    read = io.decode(io.encode(ladder), Ladder, "results.json")
    assert read == ladder
    assert derive(read) == ladder
