"""The rungs: from the loop in Python to the BLAS, one change at a time; and side rungs that answer what people ask."""

import ctypes
import inspect
import os
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from labkit.gemm.blocks import Blocks, choose_blocks, other_blocks
from labkit.gemm.compiled import build, host_product
from labkit.gemm.tile import Tile, choose_tile
from labkit.ladder.loops import UNROLL, loops_ir
from labkit.machine.caches import caches
from labkit.matmul.operands import Matrix
from labkit.roofline.codegen import compile_ir, host_target

Prepare = Callable[[Matrix, Matrix, Matrix], Callable[[], object]]
Kind = Literal["step", "side", "other order", "blocks"]

# What a slow rung is timed over: so many steps of the inner loop take about 10 ms, so a sample sees one state of a
# shared core. By what does the steps: the interpreter, a compiled loop down columns of B, NumPy adding whole rows, one
# lane, 128 bits, and wider vectors.
INTERPRETED_STEPS, COLUMN_STEPS, ROW_STEPS = 1 << 15, 1 << 22, 1 << 23
SCALAR_STEPS, NARROW_STEPS, WIDE_STEPS = 1 << 24, 1 << 27, 1 << 28
# Of a product in blocks so many that all rows of a block use what a cache holds.
BLOCK_STEPS = 1 << 26
# Blocks for the loops in the order i, k, j: 64 rows of B, 256 columns wide, are 64 KiB and live in any second level.
LOOPS_KC, LOOPS_NC = 64, 256
EVERYTHING = 1 << 40  # larger than any matrix here


@dataclass(frozen=True)
class Rung:
    """A way to multiply, and what is new in it."""

    name: str
    title: str
    changed: str
    code: str  # of the change, as the page shows it
    prepare: Prepare  # (A, B, out) -> the call that is timed
    kind: Kind = "step"
    steps: int = 0  # of the inner loop, that a call may take; 0: the whole product is timed

    def part(self, n: int) -> tuple[int, int]:
        """(rows, columns) of C that a call computes: all, or as many as `steps` allow."""
        if not self.steps:
            return n, n
        rows = max(1, min(n, self.steps // n**2))
        # In the interpreter a row is too long. There strides do not matter; to a compiler they do.
        interpreted = self.steps <= INTERPRETED_STEPS
        return rows, max(1, min(n, self.steps // (n * rows))) if interpreted else n

    def multiply(self, A: Matrix, B: Matrix) -> Matrix:
        """C = A @ B, any shapes."""
        out = np.empty((A.shape[0], B.shape[1]), np.float32)
        found = self.prepare(np.ascontiguousarray(A), np.ascontiguousarray(B), out)()
        return found if isinstance(found, np.ndarray) else out


def matmul_ikj(A: Matrix, B: Matrix, out: Matrix) -> Matrix:
    """The naive loop with k and j exchanged: the innermost loop walks along rows."""
    M, K, N = A.shape[0], A.shape[1], B.shape[1]
    out[:, :] = 0
    for i in range(M):
        for k in range(K):
            for j in range(N):
                out[i, j] += A[i, k] * B[k, j]
    return out


def matmul_rows(A: Matrix, B: Matrix, out: Matrix) -> Matrix:
    """The accidental vectorisation: NumPy adds whole rows."""
    out[:, :] = 0
    for i in range(A.shape[0]):
        for k in range(A.shape[1]):
            out[i] += A[i, k] * B[k]
    return out


def matmul_lists(A: list[list[float]], B: list[list[float]]) -> list[list[float]]:
    """The naive loop over lists of Python floats: nothing has to be boxed."""
    M, K, N = len(A), len(B), len(B[0]) if B else 0
    C = [[0.0] * N for _ in range(M)]
    for i in range(M):
        for j in range(N):
            for k in range(K):
                C[i][j] += A[i][k] * B[k][j]
    return C


def _lists(A: Matrix, B: Matrix, out: Matrix) -> Callable[[], object]:
    a, b = A.tolist(), B.tolist()
    return lambda: np.array(matmul_lists(a, b), np.float32).reshape(out.shape)


def _plain(function: Callable[..., object], *more: object) -> Prepare:
    return lambda A, B, out: partial(function, A, B, out, *more)


def _einsum(**options: Any) -> Prepare:
    return lambda A, B, out: partial(np.einsum, "ik,kj->ij", A, B, out=out, **options)


def generated(lanes: int = 1, fma: bool = False, kc: int = 0, nc: int = 0) -> Prepare:
    """The loops of `loops_ir`, for the machine at hand."""
    function = compile_ir(loops_ir(lanes, fma, kc, nc), [ctypes.c_int64] * 3 + [ctypes.c_void_p] * 3)

    def prepare(A: Matrix, B: Matrix, out: Matrix) -> Callable[[], object]:
        addresses = [X.ctypes.data_as(ctypes.c_void_p) for X in (A, B, out)]  # they keep the arrays alive
        return partial(function, len(A), B.shape[1], A.shape[1], *addresses)

    return prepare


# Title of each rung, and what is new in it.
TEXTS = {
    "naive": ("naive, in Python", "the benchmark's own function"),
    "compiled": ("the same source, compiled", "no interpreter"),
    "unit stride": ("loop order i, k, j", "the innermost loop walks along rows of B"),
    "unrolled": (
        "generated, unrolled",
        f"A[i, k] is loaded once per row, and a trip of the loop takes {UNROLL} numbers",
    ),
    **{f"SIMD {32 * n}": (f"{32 * n}-bit vectors", f"{n} numbers per instruction") for n in (4, 8, 16)},
    "FMA": ("fused multiply-add", "a multiplication and an addition in one instruction"),
    "register tile": ("a tile of {tile.mr} x {tile.nr} in registers", "C stays in registers while k runs"),
    "packing and blocks": (
        "blocks of {blocks.kc} x {blocks.nc}, packed",
        "micro-panels of A and B are copied together, in blocks that caches hold",
    ),
    "matmul": ("np.matmul (the BLAS)", "the BLAS's own kernel"),
    "blocks": ("i, k, j in blocks, no SIMD", "cache blocks first"),
    "blocks + SIMD": ("i, k, j in blocks, SIMD", "then full-width vectors{and_fma}"),
    "lists": ("lists of floats, in Python", "what boxing numbers of an array costs"),
    "rows": ("C[i] += A[i, k] * B[k]", "the accidental vectorisation"),
    "blocked": ("blocked, in Python", "the benchmark's second method"),
    "blocked compiled": ("blocked, compiled", "the same source, compiled"),
    "einsum": ("np.einsum", "NumPy's own loop"),
    "einsum optimized": ("np.einsum, optimize=True", "it calls the BLAS"),
}
TILE = """\
for i0, j0 in tiles:
    for k in range(K):
        for i in range(MR):      # unrolled
            c[i, :] += A[i0 + i, k] * B[k, j0 : j0 + NR]
    C[i0 : i0 + MR, j0 : j0 + NR] = c"""
BLOCKS = """\
for j0, k0 in blocks:            # NC columns, KC steps
    for i0 in range(0, M, MC):       # micro-panels of A: first or second level
        for j in range(0, NC, NR):   # one of B, packed: second or third level
            for i in range(0, MC, MR):
                tile(...)"""
IKJ_BLOCKS = f"for j0 in range(0, N, {LOOPS_NC}):\n    for k0 in range(0, K, {LOOPS_KC}):\n        ..."


def _source(function: Callable[..., object]) -> str:
    """The loops of a function, without what stands around them."""
    lines = inspect.getsource(function).splitlines()
    start = next(i for i, line in enumerate(lines) if line.strip().startswith("for "))
    return textwrap.dedent("\n".join(line for line in lines[start:] if not line.strip().startswith("return")))


def _njit(function: Callable[..., object]) -> str:
    return f"matmul = njit({function.__name__})  # these loops, as they are\n\n{_source(function)}"


def _inner(lanes: int, fma: bool) -> str:
    kind = f"<{lanes} x float>" if lanes > 1 else "float"
    sums = [f"c = fma {kind} a, x, c"] if fma else [f"p = fmul {kind} a, x", f"c = fadd {kind} c, p"]
    return "\n".join([f"x = load {kind}, b[k, j]", f"c = load {kind}, C[i, j]", *sums, f"store {kind} c, C[i, j]"])


def uncut(tile: Tile) -> Blocks:
    """Blocks as large as the ladder's matrices, and all operands read in place: nothing is cut, nothing is copied."""
    return Blocks(tile.mr, 1024, 2048 // tile.nr * tile.nr, EVERYTHING, EVERYTHING, EVERYTHING)


def rungs_of_other_blocks() -> list[Rung]:
    """The generated product with other blocks than those that the caches' sizes tell: the search for better ones."""
    tile, levels = choose_tile(host_target()), caches()[0]
    return [
        Rung(name, name, f"MC {b.mc}, KC {b.kc}, NC {b.nc}", "", _plain(build(tile, b), False), "blocks")
        for name, b in other_blocks(tile, levels).items()
    ]


def all_rungs(naive: Callable[..., Any], blocked: Callable[..., Any], block_size: int) -> list[Rung]:
    """The steps from the bottom to the top, then the others. Compiles what has to be.

    `naive(A, B, out)` and `blocked(A, B, block_size, out)` are plain Python functions, or such functions wrapped.
    """
    # SIMD is a rung of its own, so Numba's vectoriser is off: it reads the two variables when it is loaded.
    os.environ.update(NUMBA_LOOP_VECTORIZE="0", NUMBA_SLP_VECTORIZE="0")
    from numba import njit

    naive, blocked, target = inspect.unwrap(naive), inspect.unwrap(blocked), host_target()
    tile, wide, fma = choose_tile(target), target.lanes, target.fma
    blocks = choose_blocks(tile, caches()[0])
    known = {"tile": tile, "blocks": blocks, "and_fma": " and FMA" * fma}
    unrolled = f"a = A[i, k]\nfor j in range(0, N, {UNROLL}):   # {UNROLL} numbers per trip\n"

    def rung(name: str, code: str, prepare: Prepare, steps: int = 0, kind: Kind = "side") -> Rung:
        title, changed = (words.format(**known) for words in TEXTS[name])
        return Rung(name, title, changed, code, prepare, kind, steps)

    def in_blocks(function: Callable[..., Any]) -> Prepare:
        return lambda A, B, out: partial(function, A, B, block_size, out)

    step = partial(rung, kind="step")
    other = partial(rung, kind="other order")
    return [
        step("naive", _source(naive), _plain(naive), INTERPRETED_STEPS),
        step("compiled", _njit(naive), _plain(njit(naive)), COLUMN_STEPS),
        step("unit stride", _njit(matmul_ikj), _plain(njit(matmul_ikj)), SCALAR_STEPS),
        step("unrolled", unrolled + _inner(1, False), generated(), SCALAR_STEPS),
        *(
            step(f"SIMD {32 * n}", _inner(n, False), generated(n), NARROW_STEPS if n == 4 else WIDE_STEPS)
            for n in sorted({4, wide})
        ),
        *(step("FMA", _inner(wide, True), generated(wide, True), WIDE_STEPS) for _ in range(fma)),
        step("register tile", TILE, _plain(build(tile, uncut(tile)), False)),
        step("packing and blocks", BLOCKS, _plain(host_product(), False)),
        step("matmul", "np.matmul(A, B, out=C)", _plain(np.matmul)),
        other("blocks", IKJ_BLOCKS, generated(1, False, LOOPS_KC, LOOPS_NC), BLOCK_STEPS),
        other("blocks + SIMD", IKJ_BLOCKS, generated(wide, fma, LOOPS_KC, LOOPS_NC), WIDE_STEPS),
        rung("lists", _source(matmul_lists), _lists, INTERPRETED_STEPS),
        rung("rows", _source(matmul_rows), _plain(matmul_rows), ROW_STEPS),
        rung("blocked", _source(blocked), in_blocks(blocked), INTERPRETED_STEPS),
        rung("blocked compiled", _source(blocked), in_blocks(njit(blocked)), BLOCK_STEPS),
        rung("einsum", 'np.einsum("ik,kj->ij", A, B, out=C)', _einsum(), NARROW_STEPS),
        rung("einsum optimized", 'np.einsum("ik,kj->ij", A, B, out=C, optimize=True)', _einsum(optimize=True)),
    ]
