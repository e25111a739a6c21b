"""Operands of every order and stride, the bound that a product must keep, and products of other machines' tiles."""

from functools import cache
from pathlib import Path

import numpy as np
from blocks import Blocks
from compiled import build
from tile import Tile

LADDER = Path(__file__).resolve().parents[2] / "experiments" / "03-speedup-ladder"
UNIT_ROUNDOFF = 2.0**-24
# As AVX-512, AVX2, SSE and NEON have them; the last two are no CPU's, and have edges everywhere.
TILES = {
    "14x32": Tile(14, 2, 16, True, "v"), "6x16": Tile(6, 2, 8, True, "x"), "5x8 mul+add": Tile(5, 2, 4, False, "x"),
    "9x12": Tile(9, 3, 4, True, "x"), "2x4": Tile(2, 1, 4, True, "x"), "3x8 mul+add": Tile(3, 2, 4, False, "x"),
}  # fmt: skip
# So small that small matrices have several of them, and operands are packed.
SLIVERS, SMALL_BYTES = 2, 512


@cache
def product(name):
    """The product of that tile in blocks so small that small matrices have several of them, and operands are packed."""
    tile = TILES[name]
    return build(
        tile,
        Blocks(depth=16, columns=SLIVERS * tile.columns, near=64, small=SMALL_BYTES, in_lines=4 * SMALL_BYTES, uses=1),
    )


def in_order(X, order):
    """The same numbers in another place: `C`, `F`, `reversed`, `sliced` (with gaps), `odd bytes`."""
    if order == "C":
        return np.ascontiguousarray(X)
    if order == "F":
        return np.asfortranarray(X)
    if order == "reversed":
        return np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1]
    if order == "sliced":
        large = np.full((2 * X.shape[0] + 1, 3 * X.shape[1] + 2), np.nan, dtype=np.float32)
        part = large[1 : 2 * X.shape[0] + 1 : 2, 2 : 3 * X.shape[1] + 2 : 3]
        part[:] = X
        return part
    if order == "odd bytes":
        raw = np.zeros(X.nbytes + 1, dtype=np.uint8)
        odd = raw[1:].view(np.float32).reshape(X.shape)
        odd[:] = X
        return odd
    raise AssertionError(order)


ORDERS = ("C", "F", "reversed", "sliced", "odd bytes")


def within_bound(C, A, B, more=0):
    """Whether |C - A B| <= g_K |A||B|, against float64; `more` roundings beyond the K of a product."""
    k = (A.shape[1] + more) * UNIT_ROUNDOFF
    A, B = A.astype(np.float64), B.astype(np.float64)
    return bool(np.all(np.abs(C - A @ B) <= k / (1 - k) * (np.abs(A) @ np.abs(B))))


def drawn(m, k, n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((m, k), dtype=np.float32), rng.standard_normal((k, n), dtype=np.float32)


def whole_numbers(m, k, n, seed=0):
    """Matrices of small integers: every sum is exact in fp32."""
    rng = np.random.default_rng(seed)
    return rng.integers(-8, 9, (m, k)).astype(np.float32), rng.integers(-8, 9, (k, n)).astype(np.float32)
