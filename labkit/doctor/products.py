"""Are NumPy's products right? Each against NumPy's own loop, which never calls a BLAS. Runs in the examined Python."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

# (M, K, N): odd and even, tiny, one row, one column, a long K, and large enough to be cut up among threads.
SHAPES = (
    *((1, 7, 5), (3, 3, 3), (17, 31, 13), (63, 65, 67), (1, 300, 129), (129, 300, 1), (64, 2000, 33)),
    *((128, 128, 128), (255, 257, 129), (200, 200, 200)),
)
MOST = 20  # times that all of it is done: some faults are there only now and then
INTEGERS = 8  # |x| up to this: every partial sum of K < 2^18 terms is exact in fp32
Matrix = Any


def _cases(a: Matrix, b: Matrix) -> Iterator[tuple[str, str, Callable[[], Matrix]]]:
    """(what, which product it is, how to get it) of every routine that a BLAS has for one."""
    at, bt = np.ascontiguousarray(a.T), np.ascontiguousarray(b.T)
    wide = np.zeros((2 * len(a), 2 * a.shape[1]), a.dtype)
    wide[::2, ::2] = a
    cut = np.zeros((len(a) + 3, a.shape[1] + 3), a.dtype)
    cut[3:, 3:] = a
    out = np.full((len(a), b.shape[1]), np.nan, a.dtype)  # what is there must not be added to
    yield "A @ B", "AB", lambda: a @ b
    yield "A @ A.T", "AA'", lambda: a @ a.T
    yield "A.T @ A", "A'A", lambda: a.T @ a
    yield "A.T @ B", "AB", lambda: at.T @ b
    yield "A @ B.T", "AB", lambda: a @ bt.T
    yield "A.T @ B.T", "AB", lambda: at.T @ bt.T
    yield "A @ x", "Ax", lambda: a @ b[:, 0]
    yield "x @ B", "xB", lambda: a[0] @ b
    yield "A[::2, ::2] @ B", "AB", lambda: wide[::2, ::2] @ b
    yield "A[3:, 3:] @ B", "AB", lambda: cut[3:, 3:] @ b
    yield "np.matmul(A, B, out=C)", "AB", lambda: np.matmul(a, b, out=out)


def _operands(which: str, a: Matrix, b: Matrix) -> tuple[str, Matrix, Matrix]:
    """einsum's subscripts and what they multiply."""
    return {
        "AB": ("ik,kj->ij", a, b),
        "AA'": ("ik,jk->ij", a, a),
        "A'A": ("ki,kj->ij", a, a),
        "Ax": ("ik,k->i", a, b[:, 0]),
        "xB": ("k,kj->j", a[0], b),
    }[which]


def _expected(which: str, exact: bool, a: Matrix, b: Matrix) -> tuple[Matrix, Matrix]:
    """(the product by NumPy's own loop in fp64, how far any other may be from it)."""
    subscripts, left, right = _operands(which, a.astype(float), b.astype(float))
    product = np.einsum(subscripts, left, right, optimize=False)
    if exact:
        return product, 0.0
    unit = float(np.finfo(a.dtype).eps) / 2 * (len(a) if which == "A'A" else a.shape[1])
    return product, 2 * unit / (1 - unit) * np.einsum(subscripts, abs(left), abs(right), optimize=False)


def examine(seconds: float, clock: Callable[[], float] = time.process_time) -> dict[str, Any]:
    """{"tried": how many products, "wrong": a sentence for each kind that is}, in so much processor time, permuted.

    Integers must come out exactly, others within the bound of any order of summation: 2 g_K |A||B|.
    """
    draw, started = np.random.default_rng(42), clock()
    cases = []
    for group in ((shape, dtype, exact) for shape in SHAPES for dtype in ("float32", "float64") for exact in (0, 1)):
        shape, dtype, exact = group
        a, b = (
            (draw.integers(-INTEGERS, INTEGERS + 1, size) if exact else draw.standard_normal(size)).astype(dtype)
            for size in (shape[:2], shape[1:])
        )
        cases += [(group, a, b, *case) for case in _cases(a, b)]
    known: dict[Any, tuple[Matrix, Matrix]] = {}
    wrong: dict[str, str] = {}
    tried = 0
    for index in (int(i) for _ in range(MOST) for i in draw.permutation(len(cases))):
        if clock() - started > seconds and tried:
            break
        (shape, dtype, exact), a, b, what, which, product = cases[index]
        key = (*cases[index][0], which)
        if key not in known:
            known[key] = _expected(which, bool(exact), a, b)
        expected, bound = known[key]
        tried += 1
        found = product()
        off = ~(abs(found - expected) <= bound)  # nan is off too
        kind = f"{dtype} {what}"
        if off.any() and kind not in wrong:
            worst = float(np.max(abs(found - expected)))
            m, k, n = shape
            said = f"{kind} (M, K, N = {m}, {k}, {n}): {int(off.sum())} of {off.size} elements are off"
            wrong[kind] = f"{said}, by up to {worst:.3g}" if np.isfinite(worst) else f"{said}, some of them not finite"
    return {"tried": tried, "wrong": list(wrong.values())}
