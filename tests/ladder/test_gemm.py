"""The generated product: right at every shape, order and stride, within its bound, and honest about what it takes."""

import subprocess
import sys
import threading

import numpy as np
import pytest
from gemm import matmul, multiply
from products import LADDER, ORDERS, TILES, drawn, in_order, product, whole_numbers, within_bound

NAN, INF = np.float32("nan"), np.float32("inf")
# Around nothing, one, tiles of 14 x 32 and their halves, and blocks of the small tests.
SIZES = (0, 1, 2, 3, 13, 14, 15, 16, 17, 29, 31, 32, 33, 48, 63, 64, 65, 70)


def exact(A, B):
    return (A.astype(np.float64) @ B.astype(np.float64)).astype(np.float32)


@pytest.mark.parametrize("m", SIZES)
def test_whole_numbers_are_exact_at_every_shape(m):
    for k in SIZES:
        for n in SIZES:
            A, B = whole_numbers(m, k, n)
            C = matmul(A, B)
            assert C.dtype == np.float32
            assert C.flags.c_contiguous
            assert np.array_equal(C, exact(A, B)), (m, k, n)


@pytest.mark.parametrize("name", TILES)
def test_every_tile_is_exact_on_whole_numbers_over_several_blocks(name):
    multiply_tile, tile = product(name), TILES[name]
    for m in (1, tile.rows - 1, tile.rows, tile.rows + 1, 3 * tile.rows + 2):
        for k in (1, 3, 15, 16, 17, 37, 50):
            for n in (1, tile.lanes, tile.columns - 1, tile.columns, tile.columns + 1, 71):
                A, B = whole_numbers(m, k, n)
                C = np.full((m, n), NAN, dtype=np.float32)
                assert multiply_tile(A, B, C, False) == 0
                assert np.array_equal(C, exact(A, B)), (m, k, n)
                assert multiply_tile(A, B, C, True) == 0
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
    before = np.ones((37, 45), dtype=np.float32)
    C = in_order(before, order)
    around = C.base if order == "sliced" else None
    assert multiply(A, B, C, add=add) is C
    assert np.array_equal(C, exact(A, B) + (1 if add else 0))
    if around is not None:
        C[:] = NAN
        assert np.isnan(around).all()


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
        assert product(name)(A, placed, C, False) == product(name)(A, np.asfortranarray(B), D, False) == 0
        assert np.array_equal(C, D)
        assert within_bound(C, A, B)


def test_numbers_that_are_repeated_by_a_stride_of_zero_are_read_as_they_are():
    A = np.broadcast_to(np.float32(3), (20, 40))
    row = np.broadcast_to(np.arange(50, dtype=np.float32), (40, 50))
    column = np.broadcast_to(np.arange(40, dtype=np.float32)[:, None], (40, 50))
    for B in (row, column):
        assert np.array_equal(matmul(A, B), exact(A, B))


@pytest.mark.parametrize("shape", [(200, 200, 200), (1, 1000, 1), (1000, 1, 3), (3, 2000, 40), (130, 1100, 1100)])
def test_the_error_stays_within_the_bound_of_any_order_of_summation(shape):
    A, B = drawn(*shape)
    C = np.ones((shape[0], shape[2]), dtype=np.float32)
    assert within_bound(matmul(A, B), A, B)
    wider, deeper = np.hstack([A, np.ones_like(A[:, :1])]), np.vstack([B, np.ones_like(B[:1])])
    assert within_bound(multiply(A, B, C, add=True), wider, deeper)


def test_large_and_small_numbers_stay_within_the_bound():
    A, B = drawn(40, 600, 70)
    A *= np.float32(10) ** np.random.default_rng(1).integers(-15, 15, A.shape).astype(np.float32)
    assert within_bound(matmul(A, B), A, B)


# --- what is no number --------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(37, 19, 45), (64, 64, 64), (33, 700, 1050)])
def test_infinities_and_nan_travel_as_in_numpy(shape):
    A, B = drawn(*shape)
    rng = np.random.default_rng(2)
    for X, count in ((A, 3), (B, 3)):
        for value in (INF, -INF, NAN, np.float32(0), np.float32(-0.0)):
            X.flat[rng.integers(0, X.size, count)] = value
    A[0] = 0  # times infinity it is no number
    with np.errstate(all="ignore"):
        C, R = matmul(A, B), np.matmul(A, B)
    for kind in (np.isnan, np.isposinf, np.isneginf):
        assert np.array_equal(kind(C), kind(R))
    assert np.isnan(C).any()
    assert np.isinf(C).any()
    assert np.isfinite(C).any()


@pytest.mark.parametrize("name", TILES)
def test_a_last_column_that_is_no_number_stays_in_its_column(name):
    for n in range(1, 2 * TILES[name].columns + 2):
        A, B = whole_numbers(7, 5, n)
        B[:, -1] = INF
        A[0] = 0
        C = np.empty((7, n), dtype=np.float32)
        product(name)(A, B, C, False)
        assert np.array_equal(C[:, :-1], exact(A, B[:, :-1]))
        assert np.isnan(C[0, -1])


def test_a_product_that_overwrites_does_not_read_its_output_first():
    A, B = whole_numbers(40, 800, 50)
    assert np.array_equal(matmul(A, B, np.full((40, 50), NAN, dtype=np.float32)), exact(A, B))


def test_a_sum_over_nothing_is_zero_and_adds_nothing():
    A, B = np.ones((5, 0), np.float32), np.ones((0, 40), np.float32)
    C = np.full((5, 40), NAN, np.float32)
    assert not matmul(A, B, C).any()
    C[:] = 7
    assert (multiply(A, B, C, add=True) == 7).all()


# --- what it takes ------------------------------------------------------------------------------------

F = np.ones((4, 4), np.float32)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((F, [[1.0]]), TypeError), (([[1.0]], F), TypeError), ((F, memoryview(F)), TypeError), ((F, None), TypeError),
        ((F.astype(np.float64), F), TypeError), ((F, F.astype(np.float16)), TypeError), ((F, F.astype(int)), TypeError),
        ((F, F.astype(">f4")), TypeError), ((F, F.astype(object)), TypeError), ((F, F.astype(np.complex64)), TypeError),
        ((F[0], F), ValueError), ((F, F[0]), ValueError), ((F[None], F), ValueError), ((F, F[:3]), ValueError),
        ((F, F.copy(), np.ones((4, 3), np.float32)), ValueError), ((F, F.copy(), np.ones((4, 4))), TypeError),
        ((F, F.copy(), [[1.0]]), TypeError), ((F, F.copy(), F), ValueError), ((F.copy(), F, F), ValueError),
        ((F, F.copy(), F.T), ValueError), ((F, F.copy(), F[::-1]), ValueError),
        ((F, F.copy(), np.ones(4, np.float32)), ValueError),
        ((F[..., None], F, np.ones((4, 4), np.float32)), ValueError),
        ((F, F.copy(), np.ones((4, 4, 1), np.float32)), ValueError),
    ],
)  # fmt: skip
def test_what_is_no_product_of_float32_matrices_is_refused(arguments, error):
    with pytest.raises(error):
        matmul(*arguments)
    assert (F == 1).all()


def test_an_output_that_cannot_be_written_or_overlaps_in_part_is_refused():
    fixed = F.copy()
    fixed.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        matmul(F, F, fixed)
    large = np.ones((8, 8), np.float32)
    with pytest.raises(ValueError, match="overlaps"):
        matmul(large[:4, :4], F, large[3:7, 3:7])
    with pytest.raises(ValueError, match="overlaps"):
        matmul(F, large[3::-1, 3::-1], large[3:7, 3:7])
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
        with pytest.raises(ValueError, match="read-only"):
            matmul(A, B, fixed)
        matmul(A, B, C)
        with pytest.raises(ValueError, match="do not fit"):
            matmul(A, B[:3], C)
        with pytest.raises(ValueError, match="overlaps"):
            matmul(A, B, B)
    assert [sys.getrefcount(X) for X in (A, B, C)] == counts


def test_several_threads_do_not_disturb_each_other():
    A, B = whole_numbers(150, 700, 150)
    wanted, wrong = exact(A, B), []

    def run():
        wrong.extend(1 for _ in range(30) if not np.array_equal(matmul(A, B), wanted))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_it_is_found_from_its_folder_alone():
    code = (
        "import numpy as np; from gemm import matmul; print(matmul(np.ones((2, 3), 'f'), np.ones((3, 2), 'f')).max())"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=LADDER, capture_output=True, text=True, check=True)
    assert said.stdout == "3.0\n"
