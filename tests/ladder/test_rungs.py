"""Every rung multiplies, in the order that the ladder has; what is timed is a part or the whole of the same product."""

import inspect
import re

import bench
import numpy as np
import pytest
from products import drawn, within_bound
from targets import HOST

from labkit.ladder.rungs import all_rungs, matmul_ikj
from labkit.matmul.agreement import check_agreement

RUNGS = {rung.name: rung for rung in all_rungs(bench.matmul_naive, bench.matmul_blocked, bench.BLOCK_SIZE)}


def test_all_rungs_agree_within_the_bound_and_are_exact_on_integers():
    found = check_agreement({name: rung.multiply for name, rung in RUNGS.items()}, bench.make_operands, seed=42)
    assert set(found.methods) == set(RUNGS)
    # The same additions in the same order, one by one: these have the interpreted loop's bits.
    same = {"naive", "unit stride", "unrolled", "blocked compiled"}
    assert same <= set(found.methods["compiled"].bit_identical_to)
    assert "matmul" not in found.methods["compiled"].bit_identical_to


def test_the_steps_go_from_the_naive_loop_to_the_blas_and_change_one_thing_at_a_time():
    steps = [rung.name for rung in RUNGS.values() if rung.kind == "step"]
    assert steps[:4] == ["naive", "compiled", "unit stride", "unrolled"]
    assert steps[-3:] == ["register tile", "packing and blocks", "matmul"]
    assert ("FMA" in steps) == HOST.fma
    assert f"SIMD {32 * HOST.lanes}" in steps
    assert len({rung.changed for rung in RUNGS.values() if rung.kind == "step"}) == len(steps)


@pytest.mark.parametrize("name", RUNGS)
def test_a_call_computes_the_rows_that_its_rate_is_counted_by_and_no_others(name):
    rung = RUNGS[name]
    assert rung.rows(1024) * 1024**2 <= (rung.steps or 1024**3)
    assert rung.rows(64) == 64
    A, B = drawn(40, 33, 70)
    out = np.full((40, 70), np.nan, np.float32)
    rows = 7
    found = rung.prepare(A[:rows], B, out[:rows])()
    product = found if isinstance(found, np.ndarray) else out[:rows]
    assert within_bound(product, A[:rows], B)
    assert np.isnan(out[rows:]).all()


@pytest.mark.parametrize(
    ("name", "function"),
    [("compiled", bench.matmul_naive), ("unit stride", matmul_ikj), ("blocked compiled", bench.matmul_blocked)],
)
def test_a_compiled_rung_times_the_source_that_the_page_shows_one_number_at_a_time(name, function):
    """With Numba's vectoriser on it would be two changes at once."""
    call = RUNGS[name].prepare(*drawn(8, 8, 8), np.empty((8, 8), np.float32))
    call()
    assert call.func.py_func is inspect.unwrap(function)
    source = inspect.getsource(function)
    shown = [line.strip() for line in RUNGS[name].code.splitlines() if line.strip() and "njit(" not in line]
    assert len(shown) >= 4
    assert all(line in source for line in shown)
    (assembly,) = call.func.inspect_asm().values()
    assert re.search(r"\sv?mulss\s|\sfmul\s+s\d", assembly)
    assert not re.search(r"v?mulps|vfmadd\w+ps|v\d+\.[24]s", assembly)
