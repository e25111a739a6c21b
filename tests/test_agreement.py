"""The gate before any timing: right methods pass, wrong ones are named with their worst element."""

import numpy as np
import pytest
from agreement import N, check_agreement
from bench import METHODS, make_operands

from labkit.errors import LabError


@pytest.fixture(scope="module")
def agreement():
    return check_agreement(METHODS, make_operands, seed=42)


def test_the_four_methods_agree(agreement):
    for record in agreement.methods.values():
        assert record.exact_on_integers
        assert record.within_bound
        assert record.max_scaled_error < 1e-6


def test_naive_blocked_and_einsum_have_the_same_bits_and_matmul_has_not(agreement):
    assert agreement.methods["einsum"].bit_identical_to == ["naive", "blocked"]
    assert agreement.methods["matmul"].bit_identical_to == []


def test_the_literal_tolerance_is_counted_and_its_worst_element_is_one_of_cancellation(agreement):
    naive = agreement.methods["naive"]
    assert naive.elements == N * N
    assert naive.allclose == (naive.outside_allclose == 0)
    if agreement.worst:
        assert abs(agreement.worst.reference) < 0.1 * agreement.worst.magnitude


def wrong(change):
    def multiply(A, B, out=None):
        return change(A, B)

    return multiply


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda A, B: (A @ B) * np.float32(1.001), "worst at row"),
        (lambda A, B: A @ B.T if A.shape == B.T.shape else A @ B, "worst at row"),
        (lambda A, B: np.full((A.shape[0], B.shape[1]), np.nan, np.float32), "worst at row"),
        (lambda A, B: A.astype(np.float64) @ B.astype(np.float64), "not exact"),
        (lambda A, B: (A @ B) + np.float32(2e-5), "not exact"),
    ],
)
def test_a_method_that_is_off_stops_the_run(change, says):
    with pytest.raises(LabError, match=says) as caught:
        check_agreement({"wrong": wrong(change)}, make_operands, seed=42)
    assert "wrong" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_method_that_fails_only_where_no_block_fits_is_caught():
    def multiply(A, B, out=None):
        C = A @ B
        if C.shape[0] % 64:
            C[-1] = 0
        return C

    with pytest.raises(LabError, match="exact"):
        check_agreement({"edge": multiply}, make_operands, seed=42)
