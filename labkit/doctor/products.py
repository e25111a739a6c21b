"""Are NumPy's products right? Each against NumPy's own loop, which never calls a BLAS. Runs in the examined Python."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

# (M, K, N): odd and even, tiny, one row, one column, a long K, and large enough to be cut up among threads.
SHAPES = (
    *((1, 7, 5), (3, 3, 3), (17, 31, 13), (63, 65, 67), (1, 300, 129), (129, 300, 1), (33, 2000, 17)),
    *((128, 128, 128), (255, 257, 129), (111, 47, 127), (300, 310, 520), (1025, 130, 1030)),
)
RANDOM = 160  # then random shapes up to this: some faults are those of a remainder, or are there only now and then
LONGEST = 400  # columns of A up to which A.T @ A is tried: it has K squared elements
INTEGERS = 8  # |x| up to this: every partial sum of K < 2^18 terms is exact in fp32
WEIGHTS = 1000  # with random weights up to this, the errors of a row do not add up to nothing
ROWS = 16  # that are compared element by element: those in which an error is, or random ones
WAITED = 4  # so many times as long by the clock, where others take the core
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
    if a.shape[1] <= LONGEST:
        yield "A.T @ A", "A'A", lambda: a.T @ a
    yield "A.T @ B", "AB", lambda: at.T @ b
    yield "A @ B.T", "AB", lambda: a @ bt.T
    yield "A.T @ B.T", "AB", lambda: at.T @ bt.T
    yield "A @ x", "Ax", lambda: a @ b[:, 0]
    yield "x @ B", "xB", lambda: a[0] @ b
    yield "A[::2, ::2] @ B", "AB", lambda: wide[::2, ::2] @ b
    yield "A[3:, 3:] @ B", "AB", lambda: cut[3:, 3:] @ b
    yield "np.matmul(A, B, out=C)", "AB", lambda: np.matmul(a, b, out=out)


def _times(a: Matrix, b: Matrix) -> Matrix:
    """The product in fp64 by NumPy's own loop."""
    subscripts = "ik,k->i" if b.ndim == 1 else "ik,kj->ij"
    return np.einsum(subscripts, a.astype(float), b.astype(float), optimize=False)


def _wrong(found: Matrix, a: Matrix, b: Matrix, exact: bool, draw: Any) -> tuple[int, int, float]:
    """(elements of a product that are off, how many were compared, the largest error).

    Integers must come out exactly: each row's weighted sum is compared first, which takes N squared steps and not N
    cubed. Others must lie within the bound of any order of summation, 2 g_K |A||B|, in some rows.
    """
    found = found.reshape(len(a), b.shape[1])
    if exact:
        weights = draw.integers(1, WEIGHTS, b.shape[1])
        rows = np.flatnonzero(~(_times(found, weights) == _times(a, _times(b, weights))))[:ROWS]
    else:
        rows = draw.permutation(len(a))[:ROWS]
    if not len(rows):
        return 0, found.size, 0.0
    error = abs(found[rows] - _times(a[rows], b))
    unit = 0.0 if exact else float(np.finfo(found.dtype).eps) / 2 * a.shape[1]
    bound = 2 * unit / (1 - unit) * _times(abs(a[rows]), abs(b))
    return int((~(error <= bound)).sum()), error.size, float(np.max(error))  # nan is off too


def _groups(draw: Any) -> Iterator[tuple[tuple[int, ...], str, bool]]:
    """(shape, dtype, whether of integers): those of SHAPES, then random ones without end."""
    kinds = [(dtype, exact) for dtype in ("float32", "float64") for exact in (True, False)]
    yield from ((shape, *kind) for shape in SHAPES for kind in kinds)
    while True:
        yield (tuple(int(size) for size in draw.integers(1, RANDOM, 3)), *kinds[draw.integers(len(kinds))])


def examine(seconds: float, clock: Callable[[], float] = time.thread_time) -> dict[str, Any]:
    """{"tried": how many products, "wrong": a sentence for each kind that is}, in so many seconds of this thread."""
    draw, started, began = np.random.default_rng(42), clock(), time.monotonic()
    wrong: dict[str, str] = {}
    tried = 0
    for shape, dtype, exact in _groups(draw):
        a, b = (
            (draw.integers(-INTEGERS, INTEGERS + 1, size) if exact else draw.standard_normal(size)).astype(dtype)
            for size in (shape[:2], shape[1:])
        )
        # The two matrices that are multiplied; a vector is a matrix of one row or column.
        factors = {"AB": (a, b), "AA'": (a, a.T), "A'A": (a.T, a), "Ax": (a, b[:, :1]), "xB": (a[:1], b)}
        for what, which, product in _cases(a, b):
            if (clock() - started > seconds or time.monotonic() - began > WAITED * seconds) and tried:
                return {"tried": tried, "wrong": list(wrong.values())}
            tried += 1
            with np.errstate(all="ignore"):  # what is not finite is counted
                off, of, error = _wrong(product(), *factors[which], exact, draw)
            kind = f"{dtype} {what}"
            if off and kind not in wrong:
                said = f"{kind} (M, K, N = {', '.join(map(str, shape))}): {off} of {of} elements are off"
                wrong[kind] = f"{said}, by up to {error:.3g}" if np.isfinite(error) else f"{said}, some not finite"
    raise AssertionError("there are random groups without end")
