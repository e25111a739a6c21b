"""What products cost that never reach the BLAS, or reach it by a detour. Runs in the examined Python."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

N = 256
SECONDS = 0.05  # for each
STACK = 8  # order of the matrices of a stack of small ones


def examine() -> list[tuple[str, float]]:
    """(call, its time for each flop over that of the fp32 product), by the best of the calls that fit in 50 ms."""
    a, b = np.random.default_rng(42).random((2, N, N), dtype=np.float32)
    whole_a, whole_b = (x.astype(np.int64) for x in (a * 8, b * 8))
    small = np.random.default_rng(1).random((2, N * N // STACK**2, STACK, STACK), dtype=np.float32)
    wide, double = np.zeros((2 * N, 2 * N), np.float32), b.astype(np.float64)
    reduced = N // 4  # for what is a hundred times slower or more
    few = np.s_[:reduced, :reduced]
    listed: list[tuple[str, Callable[[], Any], float]] = [
        ("float32", lambda: a @ b, N**3),
        ("float64", _times(a, b, np.float64), N**3),
        ("complex64 (four times the flops)", _times(a, b, np.complex64), N**3),
        ("float32 @ float64 (converted first)", lambda: a @ double, N**3),
        ("A.T @ B", lambda: a.T @ b, N**3),
        ("A[::2, ::2] @ B", lambda: wide[::2, ::2] @ b, N**3),
        ("A[:, ::-1] @ B", lambda: a[:, ::-1] @ b, N**3),
        (f"a stack of {STACK} by {STACK}", lambda: small[0] @ small[1], small[0].size * STACK),
        ("einsum('ik,kj->ij')", lambda: np.einsum("ik,kj->ij", a, b), N**3),
        ("einsum(..., optimize=True)", lambda: np.einsum("ik,kj->ij", a, b, optimize=True), N**3),
        ("int64", lambda: whole_a[few] @ whole_b[few], reduced**3),
        ("int8", _times(whole_a[few], whole_b[few], np.int8), reduced**3),
        ("float16", _times(a[few], b[few], np.float16), reduced**3),
        ("bool", _times(a[few] > 0.5, b[few] > 0.5, np.bool_), reduced**3),
        ("longdouble", _times(a[few], b[few], np.longdouble), reduced**3),
        ("object", _times(a[few], b[few], object), reduced**3),
    ]
    each = [(name, _best(call) / flops) for name, call, flops in listed]
    return [(name, seconds / each[0][1]) for name, seconds in each]


def _times(a: Any, b: Any, dtype: Any) -> Callable[[], Any]:
    x, y = a.astype(dtype), b.astype(dtype)
    return lambda: x @ y


def _best(call: Callable[[], Any]) -> float:
    call()
    took: list[float] = []
    until = time.perf_counter() + SECONDS
    while not took or time.perf_counter() < until:
        started = time.perf_counter()
        call()
        took.append(time.perf_counter() - started)
    return max(min(took), 1e-9)
