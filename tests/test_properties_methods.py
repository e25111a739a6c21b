"""Every method on any operands: within the bound of the exact product, and of `np.matmul`'s, or the same inf or nan."""

from functools import partial

import numpy as np
import pytest
from bench import METHODS, OPTIONAL_METHODS, matmul_blocked, matmul_naive
from hypothesis import given, settings
from hypothesis import strategies as st

U = 2.0**-24  # unit roundoff of fp32
TINIEST = 2.0**-149
LARGEST = float(np.finfo(np.float32).max)
SPECIAL = [0.0, -0.0, 1.0, -1.0, TINIEST, -TINIEST, 2.0**-126, 2.0**-75, 1e-30, 1e18, -1e19, 3e38, LARGEST, -LARGEST]
NOT_FINITE = [np.inf, -np.inf, np.nan]

ordinary = st.floats(-100, 100, width=32)
palettes = st.one_of(
    st.lists(ordinary, min_size=1, max_size=8),
    st.lists(st.one_of(ordinary, st.sampled_from(SPECIAL)), min_size=1, max_size=8),
    st.lists(st.one_of(ordinary, st.sampled_from(SPECIAL + NOT_FINITE)), min_size=1, max_size=8),
    st.lists(st.floats(width=32), min_size=1, max_size=8),
)
steps = st.sampled_from([1, 1, 2, 3, -1, -2])
GUARD = np.float32(-123.0)  # around an array: what a product must neither read nor write


@st.composite
def layouts(draw):
    """How a matrix lies in memory: (order, steps along rows and columns, an offset)."""
    return draw(st.sampled_from("CF")), (draw(steps), draw(steps)), (draw(st.integers(0, 3)), draw(st.integers(0, 3)))


def lay_out(values, layout):
    """(the matrix, all the memory that it lies in)."""
    order, strides, offsets = layout
    memory = np.full(
        [o + n * abs(s) + 1 for n, s, o in zip(values.shape, strides, offsets, strict=True)], GUARD, np.float32, order
    )
    lines = zip(values.shape, strides, offsets, strict=True)
    matrix = memory[tuple(slice(o, o + n * abs(s), abs(s)) for n, s, o in lines)]
    matrix = matrix[tuple(slice(None, None, -1 if s < 0 else 1) for s in strides)]
    matrix[...] = values
    return matrix, memory


@st.composite
def operands(draw):
    M, K, N = (draw(st.integers(0, 9)) for _ in range(3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return tuple(
        lay_out(rng.choice(np.array(draw(palettes), np.float32), shape), draw(layouts())) for shape in ((M, K), (K, N))
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
        allowed = gamma * magnitude + K * TINIEST
        assert np.all(np.abs(C.astype(np.float64) - finite.sum(axis=1))[usual] <= (allowed * (1 + 1e-12))[usual])
        assert np.all(np.abs(C.astype(np.float64) - reference)[usual] <= (2 * allowed * (1 + 1e-12))[usual])
        assert np.array_equal(np.isnan(reference)[sure], nan[sure])


@settings(max_examples=300, deadline=None)
@given(operands(), st.booleans(), layouts(), st.integers(1, 11))
def test_any_product_is_within_the_bound_or_the_same_inf_or_nan_and_touches_nothing_else(pair, give_out, layout, block):
    (A, memory_of_A), (B, memory_of_B) = pair
    before = memory_of_A.tobytes(), memory_of_B.tobytes()
    with np.errstate(all="ignore"):
        reference = np.matmul(A, B)
        for multiply in (*METHODS.values(), *OPTIONAL_METHODS.values(), partial(matmul_blocked, block_size=block)):
            if give_out:
                out, memory = lay_out(np.full(reference.shape, np.nan, np.float32), layout)
                C = multiply(A, B, out=out)
                assert C is out
            else:
                C = multiply(A, B)
            assert C.dtype == np.float32
            assert C.shape == reference.shape
            check(C, A, B, reference)
            assert (memory_of_A.tobytes(), memory_of_B.tobytes()) == before
            if give_out:
                out[...] = GUARD
                assert np.all(memory == GUARD)  # around the output nothing was written


@settings(max_examples=150, deadline=None)
@given(operands(), st.integers(1, 11))
def test_blocked_adds_in_the_order_of_naive_whatever_the_values(pair, block):
    (A, _), (B, _) = pair
    with np.errstate(all="ignore"):
        # Overflow and nan included: the same additions in the same order are the same bits.
        assert np.array_equal(matmul_blocked(A, B, block_size=block), matmul_naive(A, B), equal_nan=True)


@pytest.mark.parametrize("block", [1, 5, 7, 13, 64])
def test_blocks_that_fit_no_side_of_a_larger_product_change_no_bit(block):
    rng = np.random.default_rng(block)
    A, B = (
        (rng.standard_normal(shape) * 10.0 ** rng.integers(-20, 18, shape)).astype(np.float32)
        for shape in ((29, 37), (37, 23))
    )
    C = matmul_blocked(A, B, block_size=block)
    assert np.array_equal(C, matmul_naive(A, B))
    check(C, A, B, A @ B)
