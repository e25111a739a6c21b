"""The generated product: right at every shape, order and stride, within its bound, and strict about its operands."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product as combinations
from pathlib import Path

import numpy as np
import pytest
from products import HOST_TILE, ORDERS, TILES, drawn, exact, in_order, product, whole_numbers, within_bound

from labkit.errors import UserError
from labkit.gemm import compiled, matmul, multiply
from labkit.gemm.blocks import Blocks
from labkit.gemm.tile import Tile

pytestmark = pytest.mark.generated
NAN, INF = np.float32("nan"), np.float32("inf")
MR, NR, LANES = HOST_TILE.mr, HOST_TILE.nr, HOST_TILE.lanes
SIZES = sorted({0, 1, 2, MR - 1, MR, MR + 1, LANES + 1, NR - 1, NR, NR + LANES, 2 * NR + 1, 70})


@pytest.mark.parametrize("m", SIZES)
def test_whole_numbers_are_exact_at_every_shape(m):
    for k, n in combinations(SIZES, SIZES):
        A, B = whole_numbers(m, k, n)
        C = matmul(A, B)
        assert C.dtype == np.float32
        assert C.flags.c_contiguous
        assert np.array_equal(C, exact(A, B)), (m, k, n)


@pytest.mark.parametrize("name", TILES)
def test_every_tile_is_exact_on_whole_numbers_over_several_blocks(name):
    multiply_tile, tile = product(name), TILES[name]
    heights, widths = (1, tile.mr - 1, tile.mr, 3 * tile.mr + 2), (1, tile.lanes, tile.nr - 1, tile.nr + 1, 71)
    for m, k, n in combinations(heights, (1, 3, 15, 16, 17, 50), widths):
        A, B = whole_numbers(m, k, n)
        C = np.full((m, n), NAN, dtype=np.float32)
        assert multiply_tile(A, B, C, False)
        assert np.array_equal(C, exact(A, B)), (m, k, n)
        assert multiply_tile(A, B, C, True)
        assert np.array_equal(C, 2 * exact(A, B)), (m, k, n)


@pytest.mark.parametrize("of_a", ORDERS)
@pytest.mark.parametrize("of_b", ORDERS)
def test_any_order_and_stride_of_the_operands_gives_the_same_bits(of_a, of_b):
    for m, k, n in ((37, 53, 67), (64, 64, 64), (5, 300, 7), (30, 520, 100)):
        A, B = drawn(m, k, n)
        C = matmul(in_order(A, of_a), in_order(B, of_b))
        assert np.array_equal(C, matmul(A, B))
        assert within_bound(C, A, B)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("add", [False, True])
def test_an_output_of_any_order_gets_the_product_and_nothing_beside_it_changes(order, add):
    A, B = whole_numbers(37, 21, 45)
    C = in_order(np.ones((37, 45), dtype=np.float32), order)
    assert multiply(A, B, C, add=add) is C
    assert np.array_equal(C, exact(A, B) + add)
    C[:] = NAN
    assert order != "sliced" or np.isnan(C.base).all()


@pytest.mark.parametrize("name", TILES)
@pytest.mark.parametrize("offset", [0, 4, 64])
def test_rows_that_begin_with_cache_lines_and_rows_that_do_not_give_the_same_bits(name, offset):
    raw = np.zeros(64 * 64 * 4 + 128, np.uint8)
    start = -raw.ctypes.data % 64 + offset
    for n in (5, 16, 32, 48, 64):
        A, B = drawn(30, 7, n)
        placed = raw[start : start + 4 * 64 * 7].view(np.float32).reshape(7, 64)[:, :n]
        placed[:] = B
        C, D = np.empty((2, 30, n), np.float32)
        assert product(name)(A, placed, C, False)
        assert product(name)(A, np.asfortranarray(B), D, False)
        assert np.array_equal(C, D)
        assert within_bound(C, A, B)


def test_numbers_that_are_repeated_by_a_stride_of_zero_are_read_as_they_are():
    A = np.broadcast_to(np.float32(3), (20, 40))
    numbers = np.arange(40, dtype=np.float32)
    for B in (np.broadcast_to(numbers, (40, 40)), np.broadcast_to(numbers[:, None], (40, 50))):
        assert np.array_equal(matmul(A, B), exact(A, B))


@pytest.mark.parametrize(
    "shape", [(200, 200, 200), (1, 1000, 1), (1000, 1, 3), (3, 2000, 40), (1, 1001, 9001), (130, 1100, 1100)]
)
def test_the_error_stays_within_the_bound_of_any_order_of_summation(shape):
    A, B = drawn(*shape)
    C = np.ones((shape[0], shape[2]), dtype=np.float32)
    assert within_bound(matmul(A, B), A, B)
    wider, deeper = np.hstack([A, np.ones_like(A[:, :1])]), np.vstack([B, np.ones_like(B[:1])])
    assert within_bound(multiply(A, B, C, add=True), wider, deeper)
    A *= np.float32(10) ** np.random.default_rng(1).integers(-15, 15, A.shape).astype(np.float32)
    assert within_bound(matmul(A, B), A, B)


def test_infinities_and_nan_travel_as_in_numpy():
    A, B = drawn(33, 700, 1050)
    rng = np.random.default_rng(2)
    for X in (A, B):
        for value in (INF, -INF, NAN, np.float32(0), np.float32(-0.0)):
            X.flat[rng.integers(0, X.size, 3)] = value
    A[0] = 0  # times infinity it is no number
    with np.errstate(all="ignore"):
        C, R = matmul(A, B), np.matmul(A, B)
    for kind in (np.isnan, np.isposinf, np.isneginf):
        assert np.array_equal(kind(C), kind(R))
    assert np.isnan(C).any()
    assert np.isinf(C).any()
    assert np.isfinite(C).any()


@pytest.mark.parametrize("name", TILES)
def test_a_last_column_of_infinities_stays_in_its_column(name):
    for n in range(1, 2 * TILES[name].nr + 2):
        A, B = whole_numbers(7, 5, n)
        B[:, -1] = INF
        A[0] = 0
        C = np.empty((7, n), dtype=np.float32)
        product(name)(A, B, C, False)
        assert np.array_equal(C[:, :-1], exact(A, B[:, :-1]))
        assert np.isnan(C[0, -1])


def test_a_sum_over_nothing_is_zero_and_adds_nothing():
    A, B = np.ones((5, 0), np.float32), np.ones((0, 40), np.float32)
    C = np.full((5, 40), NAN, np.float32)
    assert not matmul(A, B, C).any()
    C[:] = 7
    assert (multiply(A, B, C, add=True) == 7).all()


F = np.ones((4, 4), np.float32)
G = F.copy()


NOT_FLOAT32 = [(F, F.astype(other)) for other in (np.float64, np.float16, int, ">f4", object, np.complex64)]
NOT_ARRAYS = [(F, [[1.0]]), (F, None), (F, G, [[1.0]]), (F, G, np.ones((4, 4))), (F.astype(np.float64), F)]
NOT_MATRICES = [(F[0], F), (F[None], F), (F, F[:3]), (F, G, np.ones((4, 3), np.float32))]
NOT_APART = [(F, G, F), (F, G, F.T), (F, G, F[::-1]), (F, G, np.ones((4, 4, 1), np.float32))]


def test_what_is_no_product_of_float32_matrices_is_refused():
    for error, refused in ((TypeError, NOT_FLOAT32 + NOT_ARRAYS), (ValueError, NOT_MATRICES + NOT_APART)):
        for arguments in refused:
            with pytest.raises(error):
                matmul(*arguments)
    assert (F == 1).all()


def test_an_output_that_cannot_be_written_or_overlaps_in_part_is_refused():
    fixed = F.copy()
    fixed.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        matmul(F, F, fixed)
    large = np.ones((8, 8), np.float32)
    for A, B in ((large[:4, :4], F), (F, large[3::-1, 3::-1]), (F, large[6:2:-1, :4]), (large[:4, 6:2:-1], F)):
        for out in (large[3:7, 3:7], large[:4, :4]):
            with pytest.raises(ValueError, match="overlaps"):
                matmul(A, B, out)
    assert (large == 1).all()
    matmul(large[:4, :4], F, large[4:, :4])
    assert (large[4:, :4] == 4).all()


def test_no_reference_is_kept_or_lost():
    A, B = drawn(20, 20, 20)
    C = np.empty((20, 20), np.float32)
    fixed = C.copy()
    fixed.flags.writeable = False
    counts = [sys.getrefcount(X) for X in (A, B, C)]
    for _ in range(100):
        matmul(A, B, C)
        for right, out, why in ((B, fixed, "read-only"), (B[:3], C, "do not fit"), (B, B, "overlaps")):
            with pytest.raises(ValueError, match=why):
                matmul(A, right, out)
    del right, out
    assert [sys.getrefcount(X) for X in (A, B, C)] == counts


def test_several_threads_do_not_disturb_each_other():
    A, B = whole_numbers(150, 700, 150)
    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(lambda _: np.array_equal(matmul(A, B), exact(A, B)), range(30)))


def test_a_tile_with_more_sums_than_registers_and_a_python_without_its_global_lock_are_refused(monkeypatch):
    with pytest.raises(UserError, match=r"a tile of 40 x 4 needs \d+ vector registers"):
        compiled.build(Tile(40, 1, 4, HOST_TILE.fma, HOST_TILE.register_class), Blocks(40, 16, 8))
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    with pytest.raises(UserError, match="global lock"):
        compiled.build(HOST_TILE, Blocks(MR, 16, NR))


def test_the_numpy_sketch_of_the_page_is_the_same_product():
    page = Path(__file__).parents[2] / "experiments" / "03-speedup-ladder" / "gemm.md"
    (sketch,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    names = {"np": np, "MR": 3, "NR": 4, "MC": 6, "KC": 5, "NC": 8}
    exec(sketch, names)
    A, B = whole_numbers(10, 13, 21)
    C = np.full((10, 21), NAN, np.float32)
    names["matmul"](A, B, C)
    assert np.array_equal(C, matmul(A, B))


def test_the_module_can_be_imported_with_numpy_alone():
    code = (
        "import sys; import labkit.gemm; taken = {name.partition('.')[0] for name in sys.modules};"
        "print(sorted(taken & {'llvmlite', 'numba', 'msgspec', 'threadpoolctl', 'psutil', 'altair', 'matplotlib'}))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"
