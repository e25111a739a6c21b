"""Is a function a product that may be timed? float32, right, its operands left alone, nothing beyond them, one thread.

A UserError says what it is not. A function that leaves its operands' memory does not come back: the process ends.
"""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from labkit.errors import UserError
from labkit.ladder.guard import guarded
from labkit.matmul.agreement import check_agreement
from labkit.matmul.operands import Matrix
from labkit.measure.clock import SystemClock
from labkit.measure.sampling import time_calls
from labkit.traffic.called import SEED, operands

Multiply = Callable[[Matrix, Matrix, Matrix], object]  # A, B, and room for C
# (M, K, N): neither fits a block, a tile or a vector.
GUARDED_SHAPES = ((1, 1, 1), (5, 3, 7), (17, 33, 19), (66, 70, 65))
# Long enough to be seen running, and a product that is worth dividing among threads.
WATCHED_SECONDS, WATCHED_N, WATCHED_CALLS = 0.1, 256, 2000
LOOK_SECONDS = 0.0002
# Processor time over wall time that one thread cannot use, clocks' ticks included.
ONE_THREAD = 1.3
TASKS = Path("/proc/self/task")  # Linux: an entry a thread


def product(multiply: Multiply, A: Matrix, B: Matrix, room: Matrix | None = None) -> Matrix:
    """C: what the function returns, or where that is nothing what it has written into the room for C.

    A UserError unless it is a float32 matrix of the product's shape.
    """
    C = np.empty((len(A), B.shape[1]), np.float32) if room is None else room
    C[:] = np.nan
    try:
        found = multiply(A, B, C)
    except Exception as error:
        raise UserError(f"raises {type(error).__name__} ({str(error).splitlines()[0] if str(error) else ''})") from None
    if found is None or found is C:
        return C
    if not isinstance(found, np.ndarray) or found.shape != C.shape:
        seen = f"an array of shape {found.shape}" if isinstance(found, np.ndarray) else f"a {type(found).__name__}"
        raise UserError(f"returns {seen} and not C, whose shape is {C.shape}")
    if found.dtype != np.float32:
        raise UserError(f"returns {found.dtype} and not float32")
    return found


def check(name: str, multiply: Multiply, threads: int | None) -> None:
    """All but the guard pages. `threads` is what its library says that it uses, where it says."""
    check_agreement({name: lambda A, B: product(multiply, A, B)}, lambda n: operands(n)[:2], SEED)
    _check_operands(multiply)
    if (threads or 1) > 1 or _threads(multiply):
        raise UserError("runs several threads, and one is measured")


def _check_operands(multiply: Multiply) -> None:
    """They are as they were, and C is neither a part of them nor an older result."""
    A, B, _ = operands(WATCHED_N // 8)
    before = A.copy(), B.copy()
    first = product(multiply, A, B)
    kept = first.copy()
    if not all(np.array_equal(X, was) for X, was in zip((A, B), before, strict=True)):
        raise UserError("writes into A or B")
    if np.shares_memory(first, A) or np.shares_memory(first, B):
        raise UserError("returns memory of A or B as C")
    A *= 2  # in the same place: what remembers a result by its operands' addresses is found
    second = product(multiply, A, B)
    if not np.array_equal(second, 2 * kept):
        raise UserError("gives an older result where A has changed in place")
    if not np.array_equal(first, kept):
        raise UserError("returns the same memory for every product")


def check_guarded(multiply: Multiply) -> None:
    """Products whose operands lie flush against pages that may not be touched."""
    for M, K, N in GUARDED_SHAPES:
        for at_end in (True, False):
            A, B, C = (guarded(*shape, at_end) for shape in ((M, K), (K, N), (M, N)))
            A[:], B[:] = 1, 2
            if not (product(multiply, A, B, C) == 2 * K).all():
                raise UserError(f"is wrong for matrices of {M} x {K} and {K} x {N}")


def _threads(multiply: Multiply) -> bool:
    """Whether a thread of the function's was seen while it ran, or the processor time of one."""
    A, B, C = operands(WATCHED_N)
    done, seen = threading.Event(), threading.Event()

    def look() -> None:
        while not done.wait(LOOK_SECONDS):
            running = len(os.listdir(TASKS)) if TASKS.is_dir() else threading.active_count()
            if running > 2:  # the one that runs the function, and this one
                seen.set()

    watch = threading.Thread(target=look)
    watch.start()
    wall = cpu = 0.0
    clock, until = SystemClock(), time.perf_counter() + WATCHED_SECONDS
    for _ in range(WATCHED_CALLS):
        took = time_calls(lambda: multiply(A[:32], B, C[:32]), 1, clock)
        wall, cpu = wall + took[0], cpu + took[1]
        if time.perf_counter() > until:
            break
    done.set()
    watch.join()
    return seen.is_set() or cpu > ONE_THREAD * wall
