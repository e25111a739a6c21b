# mypy: allow-untyped-decorators
"""The addresses that matrix products touch, in their order, through simulated caches. A B = C, fp32, N x N.

The loops are those of `bench.py` and of the ladder's rungs: vectors touch the same lines as single numbers do. `packed`
is the generated product (`labkit.gemm.driver`). A run over some rows of i may stand for the whole.
"""

from collections.abc import Sequence
from math import gcd
from typing import Any

import numpy as np
from numba import njit

from labkit.gemm.blocks import Blocks
from labkit.gemm.build import FLOAT, LINE
from labkit.gemm.driver import PAGE, workspace
from labkit.gemm.thin import ROWS, most_columns
from labkit.gemm.tile import Tile
from labkit.ladder.rungs import LOOPS_KC, LOOPS_NC
from labkit.measure.sampling import PAGE_BYTES, Arena
from labkit.records.model import CacheShape
from labkit.traffic.hierarchy import Longs, access, crossed, empty, span

BLOCK = 64  # rows, columns and steps of a block: the benchmark's block_size
# Steps of the inner loop that are simulated of a call: about a second. Up to N = 256 they are all.
MOST_STEPS = 1 << 25
FEWEST_UNITS = 2  # the first, which finds other caches than the rest do, and one of those
SEED = 42  # of the rows that are drawn: evenly spaced ones could fall into the same places of a cache


@njit
def _step(state: Any, a: int, b: int, c: int) -> None:
    """C[i, j] += A[i, k] * B[k, j], as Python and compilers order it."""
    access(state, c, 0)
    access(state, a, 0)
    access(state, b, 0)
    access(state, c, 1)


@njit
def _ijk(state: Any, a: int, b: int, c: int, n: int, start: int, stop: int, block: int) -> None:
    row = FLOAT * n
    for j0 in range(0, n, block):
        for k0 in range(0, n, block):
            for i in range(start, stop):
                for j in range(j0, min(j0 + block, n)):
                    for k in range(k0, min(k0 + block, n)):
                        _step(state, a + i * row + FLOAT * k, b + k * row + FLOAT * j, c + i * row + FLOAT * j)


@njit
def _ikj(state: Any, a: int, b: int, c: int, n: int, start: int, stop: int, block: int) -> None:
    row, together = FLOAT * n, gcd(n, LINE // FLOAT)  # numbers side by side in a line of B and in one of C: one access
    columns = n if block == n else LOOPS_NC
    for j0 in range(0, n, columns):
        for k0 in range(0, n, block):
            for i in range(start, stop):
                for k in range(k0, min(k0 + block, n)):
                    for j in range(j0, min(j0 + columns, n), together):
                        _step(state, a + i * row + FLOAT * k, b + k * row + FLOAT * j, c + i * row + FLOAT * j)


# With the rows of i that belong together, and the steps of k in a block; 0: all, for rows and without blocks.
LOOPS: dict[str, tuple[Any, int, int]] = {
    "naive": (_ijk, 1, 0),
    "i-k-j": (_ikj, 1, 0),
    "i-k-j blocks": (_ikj, 0, LOOPS_KC),
    "blocked": (_ijk, BLOCK, BLOCK),
}


def addresses(n: int) -> tuple[int, int, int, int]:
    """Where A, B and C begin, as the benchmark's Arena lays them out, and the page after them. Bytes."""
    starts, free = [], Arena.HUGE_BYTES
    for offset in Arena.OFFSETS:
        starts.append(free + offset)
        free = -(-(starts[-1] + FLOAT * n * n) // PAGE_BYTES) * PAGE_BYTES
    return starts[0], starts[1], starts[2], free


def simulate(name: str, n: int, levels: Sequence[CacheShape], most_steps: int = MOST_STEPS) -> tuple[Longs, float]:
    """(lines that a cold and a warm call of one of LOOPS move, the portion of the rows of i that was simulated).

    (2, levels, 2): cold, with nothing of the operands in a cache, and warm, after that; for each level, nearest first,
    fetched into it and written back from it. Of about `most_steps` of the N^3 steps every access is simulated: of the
    first rows, and of others, drawn, that stand for the rest. Of the rest each line is touched once.
    """
    loop, unit, block = LOOPS[name]
    unit = unit or n
    a, b, c, _ = addresses(n)
    row, (first, *later) = FLOAT * n, range(0, n, unit)
    units = min(1 + len(later), max(FEWEST_UNITS, most_steps // (unit * n * n)))
    rng = np.random.default_rng(SEED)
    chosen = {int(rng.choice(part)) for part in np.array_split(later, units - 1)} if units > 1 else set()
    rows = sum(min(unit, n - start) for start in chosen)
    state, found = empty(levels), []
    for _ in ("cold", "warm"):
        before = crossed(state)
        span(state, c, row * n, 1)  # C[:, :] = 0
        loop(state, a, b, c, n, first, min(unit, n), block or n)
        total = (crossed(state) - before).astype(float)
        for start in later:
            before, stop = crossed(state), min(start + unit, n)
            # A row that is counted finds the caches as the one before it leaves them.
            if start in chosen or (unit == 1 and stop in chosen):
                loop(state, a, b, c, n, start, stop, block or n)
                total += (crossed(state) - before) * (start in chosen) * (n - unit) / rows
            else:
                span(state, c + start * row, (stop - start) * row, 1)
                span(state, a + start * row, (stop - start) * row, 0)
                span(state, b, n * row, 0)
        found.append(total)
    return np.rint(found).astype(np.int64), (min(unit, n) + rows) / n


# --- the generated product ----------------------------------------------------------------------------


def simulate_packed(n: int, levels: Sequence[CacheShape], tile: Tile, blocks: Blocks) -> tuple[Longs, float]:
    """The same of `labkit.gemm.matmul`, all of it. A vector is one access, and prefetches are none."""
    (a, b, c, panel), row = addresses(n), FLOAT * n
    padded, packed = panel + workspace(tile, blocks)[0], panel + sum(workspace(tile, blocks)[:2])
    a_in_place = row <= blocks.a_in_place_stride or n <= blocks.in_place_uses * tile.nr
    aligned = (b | row) % LINE == 0 and row % PAGE != 0
    most = blocks.b_in_place_aligned_bytes if aligned else blocks.b_in_place_bytes
    b_in_place = n * row <= max(most, blocks.b_in_place_bytes) or n <= blocks.in_place_uses * tile.mr
    left = n % tile.nr if n % tile.nr <= most_columns(tile) else 0
    thin = n <= blocks.in_place_uses * tile.mr
    kc, nc = _evenly(n, min(blocks.thin_kc, blocks.kc) if thin else blocks.kc, 1), _evenly(n - left, blocks.nc, tile.nr)
    sizes = (blocks.mc, tile.mr, tile.nr, tile.lanes, tile.widths[0], kc, nc)
    state, found = empty(levels), []
    for _ in ("cold", "warm"):
        if left:
            _dots(state, a, b, c, n, left, _evenly(n, blocks.kc, 1), FLOAT * tile.lanes, packed)
        _packed(state, a, b, c, n, left, sizes, (a_in_place, b_in_place), (panel, padded, packed))
        found.append(crossed(state))
    return np.array([found[0], found[1] - found[0]]), 1.0


def _evenly(total: int, most: int, multiple: int) -> int:
    """The length of blocks, as the driver cuts them: as few as possible, nearly equal."""
    share = -(-total // -(-total // most))
    return -(-share // multiple) * multiple


@njit
def _dots(state: Any, a: int, b: int, c: int, n: int, left: int, kc: int, vector: int, packed: int) -> None:
    """The last columns, too few for a tile."""
    row, j0 = FLOAT * n, n - left
    for k0 in range(0, n, kc):
        size = FLOAT * min(kc, n - k0)
        length = size | LINE
        for j in range(left):
            for at in range(0, size, FLOAT):
                access(state, b + (k0 + at // FLOAT) * row + FLOAT * (j0 + j), 0)
                access(state, packed + j * length + at, 1)
        for i in range(0, n, ROWS):
            rows = min(ROWS, n - i)
            for at in range(0, size, vector):
                for r in range(rows):
                    span(state, a + (i + r) * row + FLOAT * k0 + at, min(vector, size - at), 0)
                for j in range(left):
                    span(state, packed + j * length + at, min(vector, size - at), 0)
            for r in range(rows):
                span(state, c + (i + r) * row + FLOAT * j0, FLOAT * left, 1)


@njit
def _packed(state: Any, a: int, b: int, c: int, n: int, left: int, sizes: Any, in_place: Any, places: Any) -> None:
    (mc, mr, nr, lanes, narrowest, kc, nc), (a_in_place, b_in_place), (panel, padded, packed) = sizes, in_place, places
    row, width = FLOAT * n, FLOAT * nr
    for j0 in range(0, n - left, nc):
        for k0 in range(0, n, kc):
            steps, columns = min(kc, n - k0), min(nc, n - left - j0)
            apart = ((FLOAT * steps + LINE - 1) & -LINE) | LINE
            for i0 in range(0, n, mc):
                together = min(mc, n - i0)
                a_here = a + i0 * row + FLOAT * k0
                if not a_in_place:
                    for i in range(together):
                        _copy(state, a_here + i * row, panel + i * apart, FLOAT * steps, FLOAT * lanes)
                a_from, a_row = (a_here, row) if a_in_place else (panel, apart)
                for s in range((columns + nr - 1) // nr):
                    wide = min(nr, columns - s * nr)
                    there, here = b + k0 * row + FLOAT * (j0 + s * nr), packed + s * width * steps
                    b_from, b_row = (there, row) if b_in_place and wide == nr else (here, width)
                    if i0 == 0 and b_from == here:
                        _pack_b(state, there, row, here, width, steps, wide, nr)
                    # The kernel's width.
                    taken = narrowest if wide <= narrowest else (wide + lanes - 1) // lanes * lanes
                    for i in range(0, together, mr):
                        rows, add = min(mr, together - i), k0 > 0
                        c_here = c + (i0 + i) * row + FLOAT * (j0 + s * nr)
                        for k in range(steps):
                            span(state, b_from + k * b_row, FLOAT * taken, 0)
                            for r in range(rows):
                                access(state, a_from + (i + r) * a_row + FLOAT * k, 0)
                        _tile(state, c_here, row, padded, width, rows, FLOAT * wide, FLOAT * taken, add)


@njit
def _tile(state: Any, c: int, row: int, padded: int, width: int, rows: int, wide: int, taken: int, add: bool) -> None:
    """The sums of a tile, so many bytes wide, to C: itself, or from where it is padded."""
    if wide == width:
        for i in range(rows * add):
            span(state, c + i * row, width, 0)
        for i in range(rows):
            span(state, c + i * row, width, 1)
        return
    for i in range(rows):
        span(state, padded + i * width, taken, 1)
    for i in range(rows):
        span(state, padded + i * width, wide, 0)
        if add:
            span(state, c + i * row, wide, 0)
        span(state, c + i * row, wide, 1)


@njit
def _copy(state: Any, source: int, target: int, size: int, vector: int) -> None:
    for at in range(0, size, vector):
        span(state, source + at, min(vector, size - at), 0)
        span(state, target + at, min(vector, size - at), 1)


@njit
def _pack_b(state: Any, source: int, row: int, target: int, width: int, steps: int, columns: int, nr: int) -> None:
    if columns == nr:
        for k in range(steps):
            _copy(state, source + k * row, target + k * width, width, width)
        return
    for j in range(nr):  # a narrow one column by column, with zeros beyond
        for k in range(steps):
            if j < columns:
                access(state, source + k * row + FLOAT * j, 0)
            access(state, target + k * width + FLOAT * j, 1)
