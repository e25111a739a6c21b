"""Factors between neighbours, their product, the other order, and rates counted by the rows of a call."""

import made_ladder
import pytest
from ladder_reduction import closes, factor

from labkit import codec
from labkit.records import Ladder


@pytest.fixture(scope="module")
def ladder():
    return made_ladder.ladder()


def test_each_step_is_held_against_the_one_below_it_in_pairs_at_the_largest_size(ladder):
    names = list(made_ladder.STEPS)
    assert [(f.rung, f.over) for f in ladder.factors] == list(zip(names[1:], names[:-1], strict=True))
    for f in ladder.factors:
        assert f.ratio == pytest.approx(made_ladder.STEPS[f.rung] / made_ladder.STEPS[f.over])
        assert (f.n, f.pairs, f.interval) == (1024, 12, "ci95")
        assert f.low <= f.ratio <= f.high


def test_the_product_of_the_factors_is_the_whole(ladder):
    assert ladder.product == pytest.approx(ladder.whole.ratio)
    assert ladder.whole.ratio == pytest.approx(84 / 0.004)
    assert (ladder.whole.rung, ladder.whole.over) == ("matmul", "naive")
    assert closes(ladder.factors[:2]) == pytest.approx(1000)


def test_a_rate_is_counted_by_the_rows_that_a_call_computes(ladder):
    cell = ladder.cell("naive", 1024)
    assert (cell.rows, cell.flops) == (1, 2 * 1024**2)
    assert cell.gflops.median == pytest.approx(0.004, rel=1e-3)


def test_repetitions_of_different_rounds_make_no_factor():
    a, b = (made_ladder.workload(name, 64, 1.0, 64) for name in "ab")
    b.repetitions = [type(r)(r.seconds, 1, 1.0, r.round + 100) for r in b.repetitions]
    assert factor({("a", 64): a, ("b", 64): b}, "a", "b", 64) is None
    assert factor({("a", 64): a}, "a", "b", 64) is None


def test_the_other_order_has_blocks_before_simd_and_simd_before_blocks(ladder):
    found = {(f.rung, f.over): f.ratio for f in ladder.other_order}
    assert found == {
        ("blocks", "unit stride"): pytest.approx(1.05),
        ("blocks + SIMD", "blocks"): pytest.approx(36 / 4.2),
        ("blocks + SIMD", "FMA"): pytest.approx(1.5),
        ("FMA", "unit stride"): pytest.approx(6.0),
    }


def test_side_rungs_are_held_against_what_people_compare_them_with(ladder):
    found = {(f.rung, f.over): (f.ratio, f.n) for f in ladder.sides}
    assert found["lists", "naive"] == (pytest.approx(5.0), 1024)
    assert found["blocked", "naive"] == (pytest.approx(0.975), 128)
    assert found["blocked compiled", "compiled"][0] == pytest.approx(1.25)


def test_the_share_of_the_roof_goes_through_the_sentinel(ladder):
    assert ladder.cell("matmul", 1024).roof.share == pytest.approx(84 / 50 / 2.0, rel=1e-3)


def test_the_record_survives_being_written_and_read(ladder):
    assert codec.decode(codec.encode(ladder), Ladder, "results.json") == ladder
