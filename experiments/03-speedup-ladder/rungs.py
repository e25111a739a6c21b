"""The rungs: from the lab's loop to the BLAS, one change at a time; and side rungs that answer what people ask."""

import ctypes
import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

# Read when Numba is loaded: it compiles the lab's own source here, and SIMD is a rung of its own.
os.environ.update(NUMBA_LOOP_VECTORIZE="0", NUMBA_SLP_VECTORIZE="0")

import bench
import numpy as np
from blocks import Blocks, choose_blocks
from codegen import compile_ir, host_target
from compiled import build, host_product
from loops_ir import Loops, loops_ir
from numba import njit
from operands import Matrix
from tile import choose_tile

from labkit.caches import caches

Call = Callable[[], object]
Kind = Literal["step", "side", "other order"]

# What an interpreted rung is timed over: so many steps of the inner loop make some 0.3 s.
INTERPRETED_STEPS = 1 << 20
# The lab's loop, compiled, walks down columns of B: rows of C enough to be timed, few enough to be waited for.
COMPILED_STEPS = 1 << 26
# Blocks for the loops in the order i, k, j: 64 rows of B, 256 columns wide, are 64 KiB and live in any second level.
BLOCK_DEPTH, BLOCK_COLUMNS = 64, 256
# Larger than any matrix here: nothing is copied, nothing is cut.
EVERYTHING = 1 << 40
UNCUT = 2048


@dataclass(frozen=True)
class Rung:
    """A way to multiply, and what is new in it."""

    name: str
    title: str
    changed: str
    code: str  # of the change, as the page shows it
    # (A, B, out) -> the call that is timed.
    prepare: Callable[[Matrix, Matrix, Matrix], Call]
    kind: Kind = "step"
    steps: int = 0  # of the inner loop, that a sample of rows may take; 0: the whole product is timed
    largest: int = EVERYTHING  # N up to which it is timed

    def rows(self, n: int) -> int:
        """Rows of C that a call computes: all, or as many as `steps` allow. Rows come one after the other in it."""
        return max(1, min(n, self.steps // n**2)) if self.steps else n

    def multiply(self, A: Matrix, B: Matrix) -> Matrix:
        """C = A @ B, any shapes."""
        out = np.empty((A.shape[0], B.shape[1]), np.float32)
        found = self.prepare(np.ascontiguousarray(A), np.ascontiguousarray(B), out)()
        return found if isinstance(found, np.ndarray) else out


# --- the lab's own source, interpreted and compiled -----------------------------------------------------


def matmul_ikj(A: Matrix, B: Matrix, out: Matrix) -> Matrix:
    """The lab's loop with k and j exchanged: the innermost loop walks along rows."""
    M, K, N = A.shape[0], A.shape[1], B.shape[1]
    out[:, :] = 0
    for i in range(M):
        for k in range(K):
            for j in range(N):
                out[i, j] += A[i, k] * B[k, j]
    return out


def matmul_rows(A: Matrix, B: Matrix, out: Matrix) -> Matrix:
    """The accidental vectorisation that the lab warns of: NumPy adds whole rows."""
    out[:, :] = 0
    for i in range(A.shape[0]):
        for k in range(A.shape[1]):
            out[i] += A[i, k] * B[k]
    return out


def matmul_lists(A: list[list[float]], B: list[list[float]]) -> list[list[float]]:
    """The lab's loop over lists of Python floats: nothing has to be boxed."""
    M, K, N = len(A), len(B), len(B[0]) if B else 0
    C = [[0.0] * N for _ in range(M)]
    for i in range(M):
        for j in range(N):
            for k in range(K):
                C[i][j] += A[i][k] * B[k][j]
    return C


def _plain(function: Callable[..., object]) -> Callable[[Matrix, Matrix, Matrix], Call]:
    return lambda A, B, out: partial(function, A, B, out)


def _blocked(function: Callable[..., object]) -> Callable[[Matrix, Matrix, Matrix], Call]:
    return lambda A, B, out: partial(function, A, B, bench.BLOCK_SIZE, out)


def _lists(A: Matrix, B: Matrix, out: Matrix) -> Call:
    a, b = A.tolist(), B.tolist()
    return lambda: np.array(matmul_lists(a, b), np.float32).reshape(out.shape)


def _generated(loops: Loops) -> Callable[[Matrix, Matrix, Matrix], Call]:
    function = compile_ir(loops_ir(loops), [ctypes.c_int64] * 3 + [ctypes.c_void_p] * 3)

    def prepare(A: Matrix, B: Matrix, out: Matrix) -> Call:
        numbers = (*A.shape[:1], B.shape[1], A.shape[1], *(X.ctypes.data for X in (A, B, out)))
        held = (A, B, out)  # their addresses are among the numbers

        def call(held: Any = held) -> None:
            function(*numbers)

        return call

    return prepare


def _built(product: Callable[..., object]) -> Callable[[Matrix, Matrix, Matrix], Call]:
    return lambda A, B, out: partial(product, A, B, out, False)


def _source(function: Callable[..., object]) -> str:
    """The loops of a function, without what stands around them."""
    lines = inspect.getsource(function).splitlines()
    start = next(i for i, line in enumerate(lines) if line.strip().startswith("for "))
    kept = [line for line in lines[start:] if not line.strip().startswith("return")]
    indent = min(len(line) - len(line.lstrip()) for line in kept if line.strip())
    return "\n".join(line[indent:] for line in kept)


def _inner(lanes: int, fma: bool) -> str:
    kind = f"<{lanes} x float>" if lanes > 1 else "float"
    lines = [f"x = load {kind}, b[k, j]", f"c = load {kind}, C[i, j]"]
    lines += [f"c = fma {kind} a, x, c"] if fma else [f"p = fmul {kind} a, x", f"c = fadd {kind} c, p"]
    return "\n".join([*lines, f"store {kind} c, C[i, j]"])


# --- the table ------------------------------------------------------------------------------------------


def all_rungs() -> list[Rung]:
    """The steps from the bottom to the top, then the others. Compiles what has to be."""
    naive, blocked = inspect.unwrap(bench.matmul_naive), inspect.unwrap(bench.matmul_blocked)
    target = host_target()
    tile = choose_tile(target)
    blocks = choose_blocks(tile, caches())
    wide, bits = target.lanes, 32 * target.lanes
    uncut = build(tile, Blocks(UNCUT // 2, UNCUT // tile.columns * tile.columns, *[EVERYTHING] * 3))
    steps = [
        Rung(
            "naive", "naive, in Python", "the lab's own function", _source(naive), _plain(naive),
            steps=INTERPRETED_STEPS,
        ),
        Rung(
            "compiled", "the same source, compiled", "the interpreter is gone",
            f"matmul = njit(matmul_naive)  # these loops, as they are\n\n{_source(naive)}",
            _plain(njit(naive)), steps=COMPILED_STEPS,
        ),
        Rung(
            "unit stride", "loop order i, k, j", "the innermost loop walks along rows of B", _source(matmul_ikj),
            _generated(Loops()),
        ),
    ]  # fmt: skip
    if wide > 4:
        steps.append(
            Rung(
                "SIMD 128", "128-bit vectors", "four numbers an instruction", _inner(4, False), _generated(Loops(4))
            )
        )  # fmt: skip
    steps.append(
        Rung(
            f"SIMD {bits}", f"{bits}-bit vectors", f"{wide} numbers an instruction", _inner(wide, False),
            _generated(Loops(wide)),
        )
    )  # fmt: skip
    if target.fma:
        steps.append(
            Rung(
                "FMA", "fused multiply-add", "a multiplication and an addition in one instruction", _inner(wide, True),
                _generated(Loops(wide, fma=True)),
            )
        )  # fmt: skip
    steps += [
        Rung(
            "register tile", f"a tile of {tile.rows} x {tile.columns} in registers",
            "C stays in registers while k runs", "for i0, j0 in tiles:\n    for k in range(K):\n"
            "        for i in range(MR):      # unrolled\n            c[i, :] += A[i0 + i, k] * B[k, j0 : j0 + NR]\n"
            "    C[i0 : i0 + MR, j0 : j0 + NR] = c", _built(uncut),
        ),
        Rung(
            "packing and blocks", f"blocks of {blocks.depth} x {blocks.columns}, packed",
            "panels of A and slivers of B are copied together, in blocks that caches hold",
            "for j0, k0 in blocks:\n    for i0 in panels:        # of A: first level\n"
            "        for j in slivers:    # of B: packed, second or third level\n            tile(...)",
            _built(host_product()),
        ),
        Rung("matmul", "np.matmul", "somebody else's", "np.matmul(A, B, out=C)", _np_matmul),
    ]  # fmt: skip
    return [*steps, *_other_order(wide, target.fma), *_sides(naive, blocked)]


def _np_matmul(A: Matrix, B: Matrix, out: Matrix) -> Call:
    return partial(np.matmul, A, B, out=out)


def _other_order(wide: int, fma: bool) -> list[Rung]:
    """Cache blocks before SIMD: the same two changes to the loops in the order i, k, j, the other way round."""
    shown = f"for j0 in range(0, N, {BLOCK_COLUMNS}):\n    for k0 in range(0, K, {BLOCK_DEPTH}):\n        ..."
    return [
        Rung(
            "blocks", "i, k, j in blocks, no SIMD", "cache blocks first", shown,
            _generated(Loops(depth=BLOCK_DEPTH, columns=BLOCK_COLUMNS)), "other order",
        ),
        Rung(
            "blocks + SIMD", "i, k, j in blocks, SIMD", "then full-width vectors" + " and FMA" * fma, shown,
            _generated(Loops(wide, fma, BLOCK_DEPTH, BLOCK_COLUMNS)), "other order",
        ),
    ]  # fmt: skip


def _sides(naive: Callable[..., Any], blocked: Callable[..., Any]) -> list[Rung]:
    """What people ask."""
    return [
        Rung(
            "lists", "lists of floats, in Python", "what boxing numbers of an array costs", _source(matmul_lists),
            _lists, "side", steps=INTERPRETED_STEPS,
        ),
        Rung(
            "rows", "C[i] += A[i, k] * B[k]", "the accidental vectorisation", _source(matmul_rows), _plain(matmul_rows),
            "side", steps=INTERPRETED_STEPS * 64,
        ),
        Rung(
            "blocked", "blocked, in Python", "the lab's second method", _source(blocked), _blocked(blocked), "side",
            largest=128,
        ),
        Rung(
            "blocked compiled", "blocked, compiled", "the same source, compiled", _source(blocked),
            _blocked(njit(blocked)), "side", steps=COMPILED_STEPS,
        ),
        Rung(
            "einsum", "np.einsum", "NumPy's own loop", 'np.einsum("ik,kj->ij", A, B, out=C)',
            lambda A, B, out: partial(np.einsum, "ik,kj->ij", A, B, out=out), "side",
        ),
        Rung(
            "einsum optimized", "np.einsum, optimize=True", "it goes to the BLAS",
            'np.einsum("ik,kj->ij", A, B, out=C, optimize=True)',
            lambda A, B, out: partial(np.einsum, "ik,kj->ij", A, B, out=out, optimize=True), "side",
        ),
    ]  # fmt: skip
