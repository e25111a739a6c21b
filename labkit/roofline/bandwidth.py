"""Which working set stands for which level of memory, and what bandwidth by working-set size says of levels. Pure."""

import math
from collections.abc import Mapping, Sequence

from labkit.machine.caches import Cache

DRAM = "DRAM"
# A working set well inside its level: half of a core's own cache, a quarter of one that is shared ...
OWN_PORTION, SHARED_PORTION, OWN_LEVELS = 1 / 2, 1 / 4, 2
# ... and at most eight times the level below, which then holds little of it: a cache can be far larger than the part
# of it that this machine may use (a guest on a host with 260 MiB, say).
TIMES_BELOW = 8
# Where a level is hardly larger than the one below, something between the two.
LEAST_TIMES_BELOW, MOST_PORTION = 3 / 2, 3 / 4

DRAM_TIMES_LAST_LEVEL = 4
DRAM_LEAST, DRAM_MOST = 64 << 20, 2 << 30  # bytes
# Where no third level is reported there may be one all the same, of the system or of the host.
DRAM_UNREPORTED = 512 << 20  # bytes
SHARED_LEVEL = 3
# The arrays may take this much of the memory that the process may use, and of what of it is free.
MEMORY_PORTION, FREE_PORTION = 1 / 8, 1 / 3
UNREPORTED_L1 = 32 << 10  # bytes: what a machine that shows no levels at all is taken to have

SMALLEST = 4 << 10  # bytes
SIZES_PER_OCTAVE = 2
# A level ends where the bandwidth of larger sets falls to three quarters of it within an octave.
EDGE_FALL = 0.75
# Down to this portion of a level's bandwidth a set still counts as inside it.
INSIDE = 0.90


def memory_allowed(limit: int | None, free: int | None) -> int:
    """Bytes that the arrays may take in all, of so many that the process may use and that are free."""
    if limit is None or free is None:  # the system does not tell: no more than must be
        return DRAM_UNREPORTED
    return min(DRAM_MOST, int(limit * MEMORY_PORTION), int(free * FREE_PORTION))


def dram_bytes(caches: Sequence[Cache], allowed: int) -> int:
    """The working set that stands for DRAM: four times the last level, within what is allowed."""
    beyond = DRAM_TIMES_LAST_LEVEL * max((cache.bytes for cache in caches), default=0)
    return min(max(beyond, DRAM_LEAST if _shared(caches) else DRAM_UNREPORTED), allowed)


def _shared(caches: Sequence[Cache]) -> bool:
    return any(cache.level >= SHARED_LEVEL for cache in caches)


def level_sets(caches: Sequence[Cache], allowed: int, dram: int) -> tuple[dict[str, int], list[str]]:
    """(bytes of the working set by level, smallest first, DRAM last; notes on what is left out or in doubt).

    No set is larger than allowed. `dram` is that of DRAM.
    """
    sets: dict[str, int] = {}
    notes, below = [], 0
    for cache in sorted(caches, key=lambda c: c.level) or [Cache(1, UNREPORTED_L1, None)]:
        size = (OWN_PORTION if cache.level <= OWN_LEVELS else SHARED_PORTION) * cache.bytes
        if below:
            size = min(size, TIMES_BELOW * below)
            size = max(size, min(LEAST_TIMES_BELOW * below, MOST_PORTION * cache.bytes))
        below, name = cache.bytes, f"L{cache.level}"
        if size <= allowed:
            sets[name] = int(size)
        else:
            notes.append(f"{name} was not measured: a working set of {_mib(size)} is more than this process may use")
    sets[DRAM] = dram
    largest = max((cache.bytes for cache in caches), default=0)
    if dram < 0.9 * DRAM_TIMES_LAST_LEVEL * largest or (dram < DRAM_UNREPORTED and not _shared(caches)):
        notes.append(
            f"DRAM was measured over {_mib(dram)}, as memory allowed: part of it may be in a cache (the largest known "
            f"has {_mib(largest)})"
        )
    return sets, notes


def _mib(size: float) -> str:
    return f"{size / (1 << 20):.4g} MiB"


def sizes(largest: int) -> list[int]:
    """Working-set sizes from 4 KiB to the largest, two per octave."""
    steps = math.floor(SIZES_PER_OCTAVE * math.log2(largest / SMALLEST))
    return [round(SMALLEST * 2 ** (k / SIZES_PER_OCTAVE)) for k in range(max(0, steps) + 1)]


def read_levels(gbs: Mapping[int, float]) -> list[Cache]:
    """Caches as GB/s by working-set size (bytes) shows them: a level ends where the bandwidth falls off.

    A dip that larger sets recover from is no edge: each size counts as the best of those from it on.
    """
    ordered = sorted(gbs)
    flat = [max(gbs[size] for size in ordered[i:]) for i in range(len(ordered))]
    found: list[Cache] = []
    start, last = 0, len(flat) - SIZES_PER_OCTAVE
    while start < last:
        falls = (i for i in range(start, last) if flat[i + SIZES_PER_OCTAVE] < EDGE_FALL * flat[i])
        edge = next(falls, None)
        if edge is None:
            break
        # The last size that still has the level's bandwidth, and then down to where the fall ends.
        inside = max(i for i in range(edge, edge + SIZES_PER_OCTAVE) if flat[i] >= INSIDE * flat[edge])
        found.append(Cache(len(found) + 1, ordered[inside], None))
        start = inside + 1
        while start + 1 < len(flat) and flat[start + 1] < INSIDE * flat[start]:
            start += 1
    return found
