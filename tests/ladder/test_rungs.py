"""Every rung multiplies, in the order that the ladder has; what is timed is a part or the whole of the same product."""

import inspect
import re
from dataclasses import replace

import bench
import numpy as np
import pytest
from products import drawn, within_bound
from targets import HOST

from labkit.ladder.rungs import all_rungs, matmul_ikj
from labkit.matmul.agreement import check_agreement

RUNGS = {rung.name: rung for rung in all_rungs(bench.matmul_naive, bench.matmul_blocked, bench.BLOCK_SIZE)}

INTERPRETED = ("naive", "lists", "blocked")


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


@pytest.mark.generated
@pytest.mark.parametrize("name", RUNGS)
def test_a_call_computes_the_part_of_the_product_that_its_rate_is_counted_by_and_nothing_else(name):
    rung = RUNGS[name]
    for n in (16, 1024):
        rows, columns = rung.part(n)
        assert rows * columns * n <= (rung.steps or n**3)
        assert (rows, columns) == (n, n) or rows * (columns + 1) * n > rung.steps or columns == n
    assert rung.part(16) == (16, 16)
    n, interpreted = 48, name in INTERPRETED
    rows, columns = replace(rung, steps=min(rung.steps, n * 20 if interpreted else n * n * 7)).part(n)
    assert (rows, columns) == ((1, 20) if interpreted else (7, n) if rung.steps else (n, n))
    A, B = drawn(n, n, n)
    out = np.full((n, n), np.nan, np.float32)
    found = rung.prepare(A[:rows], B[:, :columns], out[:rows, :columns])()
    product = found if isinstance(found, np.ndarray) else out[:rows, :columns]
    assert within_bound(product, A[:rows], B[:, :columns])
    assert np.isnan(out[rows:]).all()
    assert np.isnan(out[:, columns:]).all()


@pytest.mark.parametrize("name", INTERPRETED)
def test_of_an_interpreted_rung_a_call_is_cut_within_a_row_where_rows_are_long(name):
    assert RUNGS[name].part(1024) == (1, 32)
    assert RUNGS[name].part(64) == (8, 64)
    assert RUNGS["compiled"].part(1024) == (4, 1024)


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
