"""Operands of every order and stride, the bound of a product's error, and products of the tiles the host can run."""

from functools import cache

import numpy as np
from targets import HOST

from labkit.gemm.blocks import Blocks
from labkit.gemm.compiled import build
from labkit.gemm.tile import Tile, choose_tile

UNIT_ROUNDOFF = 2.0**-24
HOST_TILE = choose_tile(HOST)
# As AVX-512, AVX2, AVX, SSE and NEON have them, and some that no CPU has, with edges everywhere.
_SHAPES = [(14, 2, 16, True), (6, 2, 8, True), (5, 2, 8, False), (5, 2, 4, False), (9, 3, 4, True), (2, 1, 4, True)]
_TILES = [Tile(*shape, HOST_TILE.register_class) for shape in [*_SHAPES, (3, 2, 4, False)]]
TILES = {
    f"{tile.mr}x{tile.nr}{'' if tile.fma else ' mul+add'}": tile
    for tile in _TILES
    if tile.lanes <= HOST.lanes and tile.fma <= HOST.fma and tile.registers <= HOST.registers
}
# So small that small matrices have several of them, and operands are packed.
PANELS, SMALL_BYTES = 2, 512


@cache
def product(name):
    """The product of that tile in blocks so small that small matrices have several of them, and operands are packed."""
    tile = TILES[name]
    return build(tile, Blocks(2 * tile.mr, 16, PANELS * tile.nr, 64, SMALL_BYTES, 4 * SMALL_BYTES, in_place_uses=1))


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
    raw = np.zeros(X.nbytes + 1, dtype=np.uint8)
    odd = raw[1:].view(np.float32).reshape(X.shape)
    odd[:] = X
    return odd


ORDERS = ("C", "F", "reversed", "sliced", "odd bytes")


def within_bound(C, A, B, more=0):
    """Whether |C - A B| <= g_K |A||B|, against float64; `more` roundings beyond the K of a product."""
    k = (A.shape[1] + more) * UNIT_ROUNDOFF
    A, B = A.astype(np.float64), B.astype(np.float64)
    return bool(np.all(np.abs(C - A @ B) <= k / (1 - k) * (np.abs(A) @ np.abs(B))))


def exact(A, B):
    """A @ B of matrices of small integers."""
    return (A.astype(np.float64) @ B.astype(np.float64)).astype(np.float32)


def drawn(m, k, n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((m, k), dtype=np.float32), rng.standard_normal((k, n), dtype=np.float32)


def whole_numbers(m, k, n, seed=0):
    """Matrices of small integers: every sum is exact in fp32."""
    rng = np.random.default_rng(seed)
    return rng.integers(-8, 9, (m, k)).astype(np.float32), rng.integers(-8, 9, (k, n)).astype(np.float32)
