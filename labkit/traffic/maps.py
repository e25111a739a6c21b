# mypy: allow-untyped-decorators
"""Which level serves each number of B, N = 64, in caches small enough that the order of the loops matters there.

The accesses are written down anew, apart from `streams`: whole index arrays in the loops' order.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numba import njit

from labkit.gemm.build import FLOAT
from labkit.records.model import LevelMap
from labkit.traffic import called
from labkit.traffic.hierarchy import Longs, access, empty, shape
from labkit.traffic.streams import addresses

N = 64
# A row of B is 256 bytes: L1 holds 8 of them, L2 half of B, and L3 all three matrices.
CACHES = [shape(1, 2 << 10, 8), shape(2, 8 << 10, 8), shape(3, 128 << 10, 16)]
LEVELS = len(CACHES)
BLOCK = 16  # a block of B is half of L1
# The packed product's tile of C, and blocks that go with these caches: a micro-panel of A is an eighth of L1, a block
# of B half of L2.
MR, NR, KC = 4, 16, 16
NOWHERE = -1  # not an access of B
Stream = tuple[Longs, Longs, Longs]  # byte address, 1 if it is a store, and the number of B that it reads


def maps() -> list[LevelMap]:
    """One for each order of the loops, of a warm call: the level that serves most reads of each number of B."""
    found = []
    for name, parts in STREAMS.items():
        address, store, number = (np.concatenate(kind) for kind in zip(*parts(), strict=True))
        state = empty(CACHES)
        for _ in called.STATES:  # what counts is the second: the warm one
            served = _serve(state, address, store, number)
        rows = ["".join(str(level + 1) for level in row) for row in served.argmax(axis=0).reshape(N, N)]
        portions = served.sum(axis=1) / served.sum()
        found.append(LevelMap(kernel=name, rows=rows, portions=[round(float(part), 4) for part in portions]))
    return found


@njit
def _serve(state: Any, address: Any, store: Any, number: Any) -> Any:
    """(levels and memory, N x N): how often each served each number of B."""
    found = np.zeros((LEVELS + 1, N * N), np.int64)
    for at in range(len(address)):
        level = access(state, address[at], store[at])
        if number[at] >= 0:
            found[level, number[at]] += 1
    return found


def _steps(i: Longs, j: Longs, k: Longs) -> Iterator[Stream]:
    """C[i, j] += A[i, k] * B[k, j] for all of these, after C is set to zero."""
    a, b, c, _ = addresses(N)
    zeros = c + FLOAT * np.arange(N * N)
    yield zeros, np.ones_like(zeros), np.full_like(zeros, NOWHERE)
    places = [c + FLOAT * (i * N + j), a + FLOAT * (i * N + k), b + FLOAT * (k * N + j), c + FLOAT * (i * N + j)]
    stores, numbers = np.zeros((i.size, 4), np.int64), np.full((i.size, 4), NOWHERE)
    stores[:, 3], numbers[:, 2] = 1, (k * N + j).ravel()
    yield np.stack([p.ravel() for p in places], axis=1).ravel(), stores.ravel(), numbers.ravel()


def _naive() -> Iterator[Stream]:
    i, j, k = np.indices((N, N, N))
    return _steps(i, j, k)


def _ikj() -> Iterator[Stream]:
    i, k, j = np.indices((N, N, N))
    return _steps(i, j, k)


def _blocked() -> Iterator[Stream]:
    i0, j0, k0, i, j, k = np.indices((N // BLOCK,) * 3 + (BLOCK,) * 3)
    return _steps(i0 * BLOCK + i, j0 * BLOCK + j, k0 * BLOCK + k)


def _packed() -> Iterator[Stream]:
    """Blocks of KC steps; in each a micro-panel of A at a time, copied, with each one of B, copied by the first."""
    a, b, c, panel = addresses(N)
    packed, s = panel + 4096, np.arange(KC)[:, None]
    for k0 in range(0, N, KC):
        for i0 in range(0, N, MR):
            i, k = np.indices((MR, KC))
            source, target = a + FLOAT * ((i0 + i) * N + k0 + k), panel + FLOAT * (i * KC + k)
            yield _other(source, 0)
            yield _other(target, 1)
            for j0 in range(0, N, NR):
                numbers = (k0 + s) * N + j0 + np.arange(NR)
                here = packed + FLOAT * (j0 * KC + s * NR + np.arange(NR))
                if i0 == 0:
                    yield (b + FLOAT * numbers).ravel(), np.zeros(numbers.size, np.int64), numbers.ravel()
                    yield _other(here, 1)
                of_a = panel + FLOAT * (np.arange(MR) * KC + s)
                # Vectors of B are whole lines, and each of its numbers counts; then one number of each row of A.
                places = np.concatenate([here, of_a], axis=1).ravel()
                tags = np.concatenate([numbers, np.full_like(of_a, NOWHERE)], axis=1).ravel()
                yield places, np.zeros(places.size, np.int64), tags
                tile = c + FLOAT * ((i0 + np.arange(MR)[:, None]) * N + j0 + np.arange(NR))
                if k0:
                    yield _other(tile, 0)
                yield _other(tile, 1)


def _other(places: Longs, store: int) -> Stream:
    return places.ravel(), np.full(places.size, store), np.full(places.size, NOWHERE)


STREAMS = {"naive": _naive, "i-k-j": _ikj, "blocked": _blocked, "packed": _packed}
