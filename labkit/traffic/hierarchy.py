# mypy: allow-untyped-decorators
"""A hierarchy of set-associative caches, least recently used out first, and the lines that cross each of its borders.

A store that misses fetches its line first (write-allocate), and a line that was written goes to the level beyond when
it is driven out (write-back). There is no prefetching, which brings the same lines earlier, and some in vain.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from labkit.machine.caches import Cache, caches
from labkit.machine.cpus import CPUS, first_cpu
from labkit.machine.system import ROOT, number, text
from labkit.records.model import CacheShape

LINE_BYTES = 64  # of x86-64 and most Arm cores
# Ways where the machine does not tell, and sizes for one that reports no caches: what cores of servers have.
USUAL_WAYS, MORE_WAYS = {1: 8, 2: 8}, 16
USUAL_CACHES = [Cache(1, 32 << 10, 1), Cache(2, 1 << 20, 1), Cache(3, 32 << 20, None)]

Longs = npt.NDArray[np.int64]
# The caches in the midst of a run are one array, as compiled code likes it: the bits of an address within a line, how
# many levels there are, five numbers for each, and the tags of all sets: line << 1 | written, the last used way first.
_BITS, _LEVELS, _FIRST = 0, 1, 2
_START, _MASK, _WAYS, _FETCHED, _WRITTEN_BACK, _NUMBERS = range(6)  # where its tags begin, sets - 1, ways, lines
_NO_LINE = -2


def shapes(root: Path = ROOT) -> tuple[list[CacheShape], list[str]]:
    """(the caches of this machine to simulate, nearest first; what was assumed of them)."""
    found, why = caches(root)
    notes = [why] if why else []
    if len(found) < 2:
        found = USUAL_CACHES
        notes.append("sizes are assumed: " + ", ".join(f"L{c.level} {c.bytes >> 10} KiB" for c in found))
    folders = (root / CPUS / f"cpu{first_cpu(root)}/cache").glob("index*")
    told = {number(index / "level"): index for index in folders if text(index / "type") != "Instruction"}
    made = []
    for cache in found:
        index = told.get(cache.level, root)
        ways = number(index / "ways_of_associativity")
        if not ways:
            ways = USUAL_WAYS.get(cache.level, MORE_WAYS)
            notes.append(f"the ways of L{cache.level} are not told: {ways} are assumed")
        made.append(shape(cache.level, cache.bytes, ways, number(index / "coherency_line_size") or LINE_BYTES))
    return made, notes


def shape(level: int, size: int, ways: int, line: int = LINE_BYTES) -> CacheShape:
    """A cache of `size` bytes. Its sets are a power of two, as Valgrind asks: if need be fewer, with more ways."""
    lines = size // line
    sets = 1 << max(0, (lines // ways).bit_length() - 1)
    return CacheShape(level=level, bytes=lines // sets * sets * line, ways=lines // sets, line_bytes=line)


def empty(levels: Sequence[CacheShape]) -> Longs:
    """These caches, nearest first, with nothing in them. They have lines of one size, that of the first."""
    head = [levels[0].line_bytes.bit_length() - 1, len(levels)]
    start = len(head) + _NUMBERS * len(levels)
    for cache in levels:
        sets = cache.bytes // (cache.ways * cache.line_bytes)
        head += [start, sets - 1, cache.ways, 0, 0]
        start += sets * cache.ways
    state = np.full(start, _NO_LINE, np.int64)
    state[: len(head)] = head
    return state


def crossed(state: Longs) -> Longs:
    """(levels, 2): so far, the lines fetched into each level from beyond it, and those written back from it."""
    numbers = state[_FIRST : _FIRST + _NUMBERS * state[_LEVELS]].reshape(-1, _NUMBERS)
    return numbers[:, [_FETCHED, _WRITTEN_BACK]]


@njit(inline="always")
def access(state: Any, address: int, store: int) -> int:
    """A load (0) or store (1) at a byte address; the level that served it: 0 the nearest, the last one memory."""
    line = address >> state[_BITS]
    first = state[_FIRST + _START] + (line & state[_FIRST + _MASK]) * state[_FIRST + _WAYS]
    if state[first] >> 1 == line:
        state[first] |= store
        return 0
    return int(_look_further(state, line, store))


@njit
def _look_further(state: Any, line: int, store: int) -> Any:
    """What `access` does where the line is not the one that its set has used last."""
    written = store
    for level in range(state[_LEVELS]):
        at = _FIRST + _NUMBERS * level
        first = state[at + _START] + (line & state[at + _MASK]) * state[at + _WAYS]
        moved = line << 1 | written
        for way in range(first, first + state[at + _WAYS]):  # the line comes to the front, those before it move back
            old = state[way]
            state[way] = moved
            if old >> 1 == line:
                state[first] |= old & 1
                return level
            moved = old
        state[at + _FETCHED] += 1
        if moved & 1:
            _write_back(state, moved >> 1, level)
        written = 0  # the store itself reaches the nearest level alone
    return state[_LEVELS]


@njit
def _write_back(state: Any, line: int, level: int) -> None:
    """A written line leaves a level: for the nearest level beyond that has it, or for memory."""
    for leaves in range(level, state[_LEVELS]):
        at = _FIRST + _NUMBERS * leaves
        state[at + _WRITTEN_BACK] += 1
        at += _NUMBERS  # the next one, if there is one
        if leaves + 1 < state[_LEVELS]:
            first = state[at + _START] + (line & state[at + _MASK]) * state[at + _WAYS]
            for way in range(first, first + state[at + _WAYS]):
                if state[way] >> 1 == line:
                    state[way] |= 1
                    return


@njit
def span(state: Any, address: int, size: int, store: int) -> None:
    """An access of each line that `size` bytes touch."""
    for line in range(address >> state[_BITS], ((address + size - 1) >> state[_BITS]) + 1):
        access(state, line << state[_BITS], store)
