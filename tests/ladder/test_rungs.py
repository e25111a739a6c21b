"""Every rung multiplies, in the order that the ladder has; what is timed is a part or the whole of the same product."""

import bench
import numpy as np
import pytest
from agreement import check_agreement
from codegen import host_target
from products import drawn, within_bound
from rungs import all_rungs

RUNGS = {rung.name: rung for rung in all_rungs()}


def test_all_rungs_agree_with_the_lab_s_bound_and_are_exact_on_integers():
    found = check_agreement({name: rung.multiply for name, rung in RUNGS.items()}, bench.make_operands, seed=42)
    assert set(found.methods) == set(RUNGS)
    # The same additions in the same order, one by one: the compiled loop has the interpreted one's bits.
    assert {"naive", "unit stride", "blocked compiled"} <= set(found.methods["compiled"].bit_identical_to)
    assert "matmul" not in found.methods["compiled"].bit_identical_to


def test_the_steps_go_from_the_lab_s_loop_to_the_blas_and_change_one_thing_at_a_time():
    steps = [rung.name for rung in RUNGS.values() if rung.kind == "step"]
    assert steps[:3] == ["naive", "compiled", "unit stride"]
    assert steps[-3:] == ["register tile", "packing and blocks", "matmul"]
    assert ("FMA" in steps) == host_target().fma
    assert len({rung.changed for rung in RUNGS.values() if rung.kind == "step"}) == len(steps)


@pytest.mark.parametrize("name", RUNGS)
def test_a_call_computes_the_rows_that_its_rate_is_counted_by_and_no_others(name):
    rung = RUNGS[name]
    A, B = drawn(40, 33, 70)
    out = np.full((40, 70), np.nan, np.float32)
    rows = 7
    found = rung.prepare(A[:rows], B, out[:rows])()
    product = found if isinstance(found, np.ndarray) else out[:rows]
    assert within_bound(product, A[:rows], B)
    assert np.isnan(out[rows:]).all()


@pytest.mark.parametrize("name", RUNGS)
def test_interpreted_rungs_are_timed_over_a_part_of_the_rows_and_all_others_over_the_whole(name):
    rung = RUNGS[name]
    assert 1 <= rung.rows(1024) <= 1024
    assert rung.rows(64) == 64
    if name in ("naive", "lists"):
        assert rung.rows(1024) * 1024**2 <= 1 << 20
    if not rung.steps:
        assert rung.rows(1024) == 1024


def test_what_the_page_shows_of_the_compiled_rung_is_the_lab_s_own_loop():
    assert "C[i, j] += A[i, k] * B[k, j]" in RUNGS["compiled"].code
    assert RUNGS["compiled"].code.endswith(RUNGS["naive"].code)


def test_numba_s_vectoriser_is_off():
    """With it the second rung would be two changes at once."""
    from numba import config

    assert (config.LOOP_VECTORIZE, config.SLP_VECTORIZE) == (0, 0)
