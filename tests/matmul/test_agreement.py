"""The gate before any timing: right methods pass, wrong ones are named with their worst element."""

import numpy as np
import pytest
from bench import METHODS, make_operands

from labkit.errors import UserError
from labkit.matmul.agreement import ATOL, INTEGER_SHAPES, RTOL, N, check_agreement


@pytest.fixture(scope="module")
def agreement():
    return check_agreement(METHODS, make_operands, seed=42)


def test_the_four_methods_agree_at_the_assignments_tolerance(agreement):
    assert (agreement.n, agreement.rtol, agreement.atol) == (N, RTOL, ATOL) == (64, 1e-5, 1e-6)
    for record in agreement.methods.values():
        assert record.exact_on_integers
        assert record.within_bound
        assert record.max_scaled_error < 1e-6
        assert record.elements == N * N
        assert record.allclose == (record.outside_allclose == 0)
    assert agreement.methods["einsum"].bit_identical_to == ["naive", "blocked"]


def test_integers_are_tried_where_no_block_fits():
    assert any(size % 64 and size % 32 for shape in INTEGER_SHAPES for size in shape)


def wrong(change):
    return {"wrong": lambda A, B, out=None: change(A, B)}


def edge(A, B):
    C = A @ B
    if C.shape[0] % 64:
        C[-1] = 0
    return C


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda A, B: (A @ B) * np.float32(1.001), "worst at row"),
        (lambda A, B: A @ B.T if A.shape == B.T.shape else A @ B, "worst at row"),
        (lambda A, B: np.full((A.shape[0], B.shape[1]), np.nan, np.float32), "worst at row"),
        (lambda A, B: A.astype(np.float64) @ B.astype(np.float64), "not exact"),
        (lambda A, B: (A @ B) + np.float32(2e-5), "not exact"),
        (lambda A, B: np.nextafter(A @ B, np.float32(np.inf)), "not exact"),
        (edge, "not exact"),
    ],
)
def test_a_method_that_is_off_stops_the_run_before_anything_is_timed(change, says):
    with pytest.raises(UserError, match=rf"^wrong .*{says}.*nothing was timed$") as caught:
        check_agreement(wrong(change), make_operands, seed=42)
    assert "\n" not in str(caught.value)


def test_the_worst_element_is_named_by_its_place():
    def off(A, B):
        C = A @ B
        if not np.array_equal(A, A.round()):
            C[7, 13] += 1
        return C

    with pytest.raises(UserError, match="at row 7, column 13"):
        check_agreement(wrong(off), make_operands, seed=42)


def off_by(part):
    """A method whose errors are so large a part of |A| |B|, on operands that are no integers."""

    def multiply(A, B):
        C = A @ B
        exact = np.array_equal(A, A.round())
        return C if exact else (C + part * (np.abs(A) @ np.abs(B))).astype(np.float32)

    return wrong(multiply)


def test_the_bound_is_a_part_of_what_is_added_up_and_not_of_what_cancellation_leaves_of_it():
    found = check_agreement(off_by(8e-6), make_operands, seed=42)
    record = found.methods["wrong"]
    assert record.within_bound
    assert not record.allclose
    assert found.worst.method == "wrong"
    assert abs(found.worst.reference) < 0.1 * found.worst.magnitude
    assert found.worst.difference > ATOL + RTOL * abs(found.worst.reference)
    with pytest.raises(UserError, match="worst at row"):
        check_agreement(off_by(1.3e-5), make_operands, seed=42)
