"""The products of bench.py: right for any operands that fit, within the bound; refused for any that do not."""

import ast
import inspect
from functools import partial

import bench
import numpy as np
import pytest
from bench import METHODS, OPTIONAL_METHODS, make_operands, matmul_blocked, matmul_einsum, matmul_naive
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.matmul.operands import check_product

OURS = {"naive": matmul_naive, "blocked": matmul_blocked, "einsum": matmul_einsum}
ALL = {**METHODS, **OPTIONAL_METHODS}

U, TINIEST, LARGEST = 2.0**-24, 2.0**-149, float(np.finfo(np.float32).max)  # fp32: unit roundoff, least, greatest
SPECIAL = [0.0, -0.0, 1.0, -1.0, TINIEST, -TINIEST, 2.0**-126, 2.0**-75, 1e-30, 1e18, -1e19, 3e38, LARGEST, -LARGEST]
NOT_FINITE = [np.inf, -np.inf, np.nan]
GUARD = np.float32(-123.0)  # around an array: what a product must neither read nor write

ordinary = st.floats(-100, 100, width=32)
palettes = st.one_of(
    st.lists(ordinary, min_size=1, max_size=8),
    st.lists(st.one_of(ordinary, st.sampled_from(SPECIAL)), min_size=1, max_size=8),
    st.lists(st.one_of(ordinary, st.sampled_from(SPECIAL + NOT_FINITE)), min_size=1, max_size=8),
    st.lists(st.floats(width=32), min_size=1, max_size=8),
)
steps = st.sampled_from([1, 1, 2, 3, -1, -2])
# How a matrix lies in memory: (order, steps along rows and columns, an offset).
layouts = st.tuples(st.sampled_from("CF"), st.tuples(steps, steps), st.tuples(st.integers(0, 3), st.integers(0, 3)))


def lay_out(values, layout):
    """(the matrix, all the memory that it lies in)."""
    order, strides, offsets = layout
    lines = list(zip(values.shape, strides, offsets, strict=True))
    memory = np.full([o + n * abs(s) + 1 for n, s, o in lines], GUARD, np.float32, order)
    matrix = memory[tuple(slice(o, o + n * abs(s), abs(s)) for n, s, o in lines)]
    matrix = matrix[tuple(slice(None, None, -1 if s < 0 else 1) for s in strides)]
    matrix[...] = values
    return matrix, memory


@st.composite
def operands(draw):
    M, K, N = (draw(st.integers(0, 9)) for _ in range(3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return tuple(
        lay_out(rng.choice(np.array(draw(palettes), np.float32), shape), draw(layouts)) for shape in ((M, K), (K, N))
    )


def check(C, A, B, reference):
    """C against what IEEE arithmetic allows of A @ B, whatever the order of the additions, with FMA or without."""
    K = A.shape[1]
    with np.errstate(invalid="ignore"):
        terms = A.astype(np.float64)[:, :, None] * B.astype(np.float64)[None, :, :]  # exact: 24 + 24 bits fit in 53
        finite = np.where(np.isfinite(terms), terms, 0.0)
        magnitude = np.abs(finite).sum(axis=1)
        plus, minus = (terms == np.inf).any(axis=1), (terms == -np.inf).any(axis=1)
        nan = np.isnan(terms).any(axis=1) | (plus & minus)
        gamma = K * U / (1 - K * U)
        # Where the magnitudes add up to more than fp32 holds, one order may overflow (to inf, or to inf - inf = nan)
        # where another does not: there nothing can be claimed. Below, no partial sum of any order overflows.
        sure = magnitude * (1 + gamma) < LARGEST
        assert np.array_equal(np.isnan(C)[sure], nan[sure])
        for infinite, value in ((plus & ~nan, np.inf), (minus & ~nan, -np.inf)):
            assert np.all(C[sure & infinite] == value)
        usual = sure & ~(nan | plus | minus)
        # A product that underflows is off by less than the tiniest number; additions lose nothing down there.
        allowed = (gamma * magnitude + K * TINIEST) * (1 + 1e-12)
        assert np.all(np.abs(C.astype(np.float64) - finite.sum(axis=1))[usual] <= allowed[usual])
        assert np.all(np.abs(C.astype(np.float64) - reference)[usual] <= 2 * allowed[usual])


@settings(max_examples=150)
@given(operands(), st.booleans(), layouts, st.integers(1, 11))
def test_any_product_is_within_the_bound_or_the_same_inf_or_nan_and_touches_nothing_else(pair, give_out, layout, block):
    (A, memory_of_A), (B, memory_of_B) = pair
    before = memory_of_A.tobytes(), memory_of_B.tobytes()
    with np.errstate(all="ignore"):
        reference = np.matmul(A, B)
        for multiply in (*ALL.values(), partial(matmul_blocked, block_size=block)):
            if give_out:
                out, memory = lay_out(np.full(reference.shape, np.nan, np.float32), layout)
                C = multiply(A, B, out=out)
                assert C is out
            else:
                C = multiply(A, B)
            assert (C.dtype, C.shape) == (np.float32, reference.shape)
            check(C, A, B, reference)
            assert (memory_of_A.tobytes(), memory_of_B.tobytes()) == before
            if give_out:
                out[...] = GUARD
                assert np.all(memory == GUARD)  # around the output nothing was written


@settings(max_examples=100)
@given(operands(), st.integers(1, 11))
def test_blocked_adds_in_the_order_of_naive_whatever_the_values_and_the_block(pair, block):
    (A, _), (B, _) = pair
    with np.errstate(all="ignore"):
        # Overflow and nan included: the same additions in the same order are the same bits.
        assert np.array_equal(matmul_blocked(A, B, block_size=block), matmul_naive(A, B), equal_nan=True)


def test_blocks_that_fit_no_side_of_a_larger_product_change_no_bit():
    rng = np.random.default_rng(7)
    A, B = (rng.standard_normal(shape).astype(np.float32) for shape in ((29, 37), (37, 23)))
    for block in (5, 13, 64):
        assert np.array_equal(matmul_blocked(A, B, block_size=block), matmul_naive(A, B))


@pytest.mark.parametrize("name", ALL)
def test_every_method_is_exact_on_small_integers(name):
    rng = np.random.default_rng(0)
    A, B = (rng.integers(-8, 9, shape).astype(np.float32) for shape in ((7, 9), (9, 5)))
    assert np.array_equal(ALL[name](A, B), A.astype(int) @ B.astype(int))


def test_each_method_is_the_function_that_it_is_named_after():
    assert {**OURS, "matmul": np.matmul} == METHODS
    for size in (32, 128):
        variant = OPTIONAL_METHODS[f"blocked_{size}"]
        assert (variant.func, variant.keywords) == (matmul_blocked, {"block_size": size})
    assert (bench.SEED, bench.SIZES, bench.BLOCK_SIZE) == (42, (64, 128, 256, 512, 1024), 64)


@pytest.mark.parametrize(("function", "depth"), [(matmul_naive, 3), (matmul_blocked, 6)])
def test_the_inner_loop_is_one_scalar_multiply_add(function, depth):
    tree = ast.parse(inspect.getsource(inspect.unwrap(function)))
    loops = [node for node in ast.walk(tree) if isinstance(node, ast.For)]
    assert len(loops) == depth
    [innermost] = [f for f in loops if not any(isinstance(n, ast.For) for n in ast.walk(f) if n is not f)]
    assert [ast.unparse(line) for line in innermost.body] == ["C[i, j] += A[i, k] * B[k, j]"]


def test_inputs_are_drawn_as_the_assignment_says_a_first_and_afresh_for_each_n():
    rng = np.random.default_rng(42)
    expected = [rng.standard_normal((8, 8)).astype(np.float32) for _ in "AB"]
    make_operands(16)
    for drawn, right in zip(make_operands(8), expected, strict=True):
        assert drawn.dtype == np.float32
        assert np.array_equal(drawn, right)


# --- what is refused --------------------------------------------------------------------------------------

GOOD = np.ones((2, 3), np.float32)
SQUARE = np.ones((3, 3), np.float32)


@pytest.mark.parametrize("multiply", OURS.values())
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
def test_operands_that_make_no_fp32_product_are_refused_before_any_work(multiply, A, B, error, says):
    with pytest.raises(error, match=says):
        multiply(A, B)


@pytest.mark.parametrize(("size", "error"), [(0, ValueError), (-1, ValueError), (2.0, TypeError), (True, TypeError)])
def test_a_block_size_that_is_none_is_refused(size, error):
    with pytest.raises(error, match="block_size"):
        matmul_blocked(GOOD, GOOD.T, size)


@pytest.mark.parametrize(
    ("A", "B", "out", "says"),
    [
        (SQUARE, SQUARE.copy(), SQUARE, "overlaps"),
        (SQUARE.copy(), SQUARE, SQUARE, "overlaps"),
        (SQUARE, SQUARE, np.ones((2, 3), np.float32), r"out is \(2, 3\)"),
    ],
)
def test_an_output_that_overlaps_an_operand_or_has_another_shape_is_refused(A, B, out, says):
    with pytest.raises(ValueError, match=says):
        check_product(A, B, out=out)


@pytest.mark.parametrize("function", [matmul_naive, matmul_blocked])
def test_a_compiler_takes_the_source_unchanged(function):
    numba = pytest.importorskip("numba")
    A, B = make_operands(9)
    assert np.array_equal(numba.njit(inspect.unwrap(function))(A, B), function(A, B))
