"""The four products: right for any operands that fit, refused for any that do not."""

import ast
import inspect

import numpy as np
import pytest
from bench import METHODS, OPTIONAL_METHODS, make_operands, matmul_blocked, matmul_einsum, matmul_naive
from hypothesis import given, settings
from hypothesis import strategies as st

OURS = {"naive": matmul_naive, "blocked": matmul_blocked, "einsum": matmul_einsum}
ALL = {**METHODS, **OPTIONAL_METHODS}


def integers(rows, columns, seed=0):
    return np.random.default_rng(seed).integers(-8, 9, (rows, columns)).astype(np.float32)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (3, 5, 7), (7, 1, 2), (1, 9, 1), (4, 4, 4), (0, 3, 2), (2, 0, 3), (3, 2, 0)]
)
def test_every_method_is_exact_on_small_integers_of_any_shape(name, shape):
    M, K, N = shape
    A, B = integers(M, K), integers(K, N, 1)
    C = ALL[name](A, B)
    assert C.dtype == np.float32
    assert C.shape == (M, N)
    assert np.array_equal(C, A.astype(int) @ B.astype(int))


@given(M=st.integers(0, 9), K=st.integers(0, 9), N=st.integers(0, 9), block=st.integers(1, 11), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_blocked_is_bit_for_bit_naive_for_any_block_size(M, K, N, block, seed):
    rng = np.random.default_rng(seed)
    A, B = rng.standard_normal((M, K)).astype(np.float32), rng.standard_normal((K, N)).astype(np.float32)
    assert np.array_equal(matmul_blocked(A, B, block_size=block), matmul_naive(A, B))


@pytest.mark.parametrize("name", OURS)
def test_fortran_order_and_strided_operands_work(name):
    A, B = integers(5, 6), integers(6, 4, 1)
    expected = A @ B
    wide = np.zeros((10, 12), np.float32)
    wide[::2, ::2] = A
    assert np.array_equal(OURS[name](np.asfortranarray(A), np.asfortranarray(B)), expected)
    assert np.array_equal(OURS[name](wide[::2, ::2], B[::-1][::-1]), expected)
    assert np.array_equal(OURS[name](B.T, A.T), expected.T)


@pytest.mark.parametrize("name", OURS)
def test_the_output_is_reused_and_what_it_held_is_forgotten(name):
    A, B = integers(3, 4), integers(4, 5, 1)
    out = np.full((3, 5), 99, np.float32)
    assert OURS[name](A, B, out=out) is out
    assert np.array_equal(out, A @ B)


GOOD = np.ones((2, 3), np.float32)


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize(
    ("A", "B", "error", "says"),
    [
        (GOOD, GOOD, ValueError, "do not fit"),
        (GOOD[0], GOOD.T, ValueError, "1 dimensions"),
        (GOOD, np.ones((3, 2, 1), np.float32), ValueError, "3 dimensions"),
        (GOOD.astype(np.float64), GOOD.T, TypeError, "float64"),
        (GOOD, GOOD.T.astype(int), TypeError, "int64"),
        (GOOD.tolist(), GOOD.T, TypeError, "list"),
    ],
)
def test_operands_that_make_no_fp32_product_are_refused_before_any_work(name, A, B, error, says):
    with pytest.raises(error, match=says):
        OURS[name](A, B)


@pytest.mark.parametrize(("size", "error"), [(0, ValueError), (-1, ValueError), (2.0, TypeError), (True, TypeError)])
def test_a_block_size_that_is_none_is_refused(size, error):
    with pytest.raises(error, match="block_size"):
        matmul_blocked(GOOD, GOOD.T, block_size=size)
    with pytest.raises(error, match="block_size"):
        matmul_blocked(GOOD, GOOD.T, size)


def test_an_output_that_overlaps_an_operand_or_has_another_shape_is_refused():
    square = np.ones((3, 3), np.float32)
    with pytest.raises(ValueError, match="overlaps"):
        matmul_naive(square, square.copy(), out=square)
    with pytest.raises(ValueError, match="out is"):
        matmul_naive(square, square.copy(), out=np.ones((2, 3), np.float32))


def loops(function):
    tree = ast.parse(inspect.getsource(inspect.unwrap(function)))
    return [node for node in ast.walk(tree) if isinstance(node, ast.For)]


@pytest.mark.parametrize(("function", "depth"), [(matmul_naive, 3), (matmul_blocked, 6)])
def test_the_inner_loop_is_one_scalar_multiply_add(function, depth):
    assert len(loops(function)) == depth
    [innermost] = [f for f in loops(function) if not any(isinstance(n, ast.For) for n in ast.walk(f) if n is not f)]
    assert [ast.unparse(line) for line in innermost.body] == ["C[i, j] += A[i, k] * B[k, j]"]


def test_inputs_are_drawn_as_the_lab_says_a_first_and_afresh_for_each_n():
    rng = np.random.default_rng(42)
    A, B = rng.standard_normal((8, 8)).astype(np.float32), rng.standard_normal((8, 8)).astype(np.float32)
    make_operands(16)
    for got, expected in zip(make_operands(8), (A, B), strict=True):
        assert got.dtype == np.float32
        assert np.array_equal(got, expected)


@pytest.mark.parametrize("function", [matmul_naive, matmul_blocked])
def test_a_compiler_takes_the_source_unchanged(function):
    numba = pytest.importorskip("numba")
    A, B = make_operands(9)
    assert np.array_equal(numba.njit(inspect.unwrap(function))(A, B), function(A, B))


def test_nan_and_infinity_travel_as_in_np_matmul():
    A, B = make_operands(6)
    A[1, 2], B[3, 4] = np.inf, np.nan
    with np.errstate(invalid="ignore"):
        for multiply in OURS.values():
            assert np.array_equal(np.isnan(multiply(A, B)), np.isnan(A @ B))
