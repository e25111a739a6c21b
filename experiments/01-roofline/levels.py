"""Which working set stands for which level of memory, and what a staircase of bandwidths says of levels. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from labkit.records import Cache, Stair

# A working set well inside its level: half of a core's own cache, a quarter of one that is shared ...
OWN_PORTION, SHARED_PORTION, OWN_LEVELS = 1 / 2, 1 / 4, 2
# ... no larger than eight times the level below, which then holds little of it: a cache can be far larger
# than the part of it that this machine may use (a guest on a host with 260 MiB, say).
TIMES_BELOW = 8
# Where a level is hardly larger than the one below, something between the two.
LEAST_TIMES_BELOW, MOST_PORTION = 3 / 2, 3 / 4

DRAM = "DRAM"
DRAM_TIMES_LAST_LEVEL = 4
DRAM_LEAST, DRAM_MOST = 64 << 20, 2 << 30  # bytes
# Where no third level is reported there may be one all the same, of the system or of the host.
DRAM_UNREPORTED = 512 << 20  # bytes
SHARED_LEVEL = 3
# The roof may take this much of the memory that the process may use, and of what of it is free.
MEMORY_PORTION, FREE_PORTION = 1 / 8, 1 / 3
UNREPORTED_L1 = 32 << 10  # bytes: what a machine that shows no levels at all is taken to have

STAIR_LEAST = 4 << 10  # bytes
STAIRS_PER_OCTAVE = 2
# A level ends where the bandwidth of larger sets falls to three quarters of it within an octave.
EDGE_FALL = 0.75
# Up to this portion of a level's bandwidth a set is still counted as inside it.
INSIDE = 0.90


@dataclass(frozen=True)
class WorkingSets:
    """Bytes in all for each level that is measured, smallest first, DRAM last; and what is to be said of them."""

    sets: dict[str, int]
    notes: list[str]


def memory_for_probes(limit: int, free: int) -> int:
    """Bytes that the roof's arrays may take in all."""
    return min(DRAM_MOST, int(limit * MEMORY_PORTION), int(free * FREE_PORTION))


def dram_bytes(caches: Sequence[Cache], allowed: int) -> int:
    """The working set that stands for DRAM: four times the last level, within what is allowed."""
    beyond = DRAM_TIMES_LAST_LEVEL * max((cache.bytes for cache in caches), default=0)
    shared = any(cache.level >= SHARED_LEVEL for cache in caches)
    return min(max(beyond, DRAM_LEAST if shared else DRAM_UNREPORTED), allowed)


def working_sets(caches: Sequence[Cache], allowed: int, dram: int | None = None) -> WorkingSets:
    """A working set for each level, and for DRAM, none of them larger than allowed; what is left out is noted.

    `dram` is that of DRAM where the caches themselves are only read off a staircase.
    """
    sets, notes, below = {}, [], 0
    for cache in sorted(caches, key=lambda c: c.level) or [Cache(level=1, bytes=UNREPORTED_L1, shared_by=None)]:
        portion = OWN_PORTION if cache.level <= OWN_LEVELS else SHARED_PORTION
        size = portion * cache.bytes
        if below:
            size = min(size, TIMES_BELOW * below)
            size = max(size, min(LEAST_TIMES_BELOW * below, MOST_PORTION * cache.bytes))
        if size > allowed:
            notes.append(
                f"L{cache.level} was not measured: a working set of {_mib(size)} is more than this process may use"
            )
        else:
            sets[f"L{cache.level}"] = int(size)
        below = cache.bytes
    last = max((cache.bytes for cache in caches), default=0)
    sets[DRAM] = dram or dram_bytes(caches, allowed)
    if sets[DRAM] < 0.9 * DRAM_TIMES_LAST_LEVEL * last:
        notes.append(
            f"DRAM was measured over {_mib(sets[DRAM])}, as memory allowed: less than {DRAM_TIMES_LAST_LEVEL} times "
            f"the last cache of {_mib(last)}, so a part of it may be that cache's"
        )
    elif not any(cache.level >= SHARED_LEVEL for cache in caches) and sets[DRAM] < DRAM_UNREPORTED:
        notes.append(
            f"DRAM was measured over {_mib(sets[DRAM])}, as memory allowed: a cache that the machine does not report "
            "may hold a part of it"
        )
    return WorkingSets(sets, notes)


def _mib(size: float) -> str:
    return f"{size / (1 << 20):.4g} MiB"


def stair_sizes(largest: int) -> list[int]:
    """Working sets from 4 KiB to the largest, two an octave."""
    steps = math.floor(STAIRS_PER_OCTAVE * math.log2(largest / STAIR_LEAST))
    return [round(STAIR_LEAST * 2 ** (k / STAIRS_PER_OCTAVE)) for k in range(max(0, steps) + 1)]


def read_levels(stairs: Sequence[Stair]) -> list[Cache]:
    """Caches as the staircase shows them: where the bandwidth falls off, from the fastest level on.

    A dip that larger sets recover from is no edge: each stair counts as the best of those from it on.
    """
    ordered = sorted(stairs, key=lambda s: s.working_set_bytes)
    best = [s.gbs.best for s in ordered]
    flat = [max(best[i:]) for i in range(len(best))]
    found: list[Cache] = []
    start = 0
    while start < len(flat) - STAIRS_PER_OCTAVE:
        edge = next(
            (
                i
                for i in range(start, len(flat) - STAIRS_PER_OCTAVE)
                if flat[i + STAIRS_PER_OCTAVE] < EDGE_FALL * flat[i]
            ),
            None,
        )
        if edge is None:
            break
        # The last stair that still has the level's bandwidth, and then down to where the fall ends.
        inside = max(i for i in range(edge, edge + STAIRS_PER_OCTAVE) if flat[i] >= INSIDE * flat[edge])
        found.append(Cache(level=len(found) + 1, bytes=ordered[inside].working_set_bytes, shared_by=None))
        start = inside + 1
        while start + 1 < len(flat) and flat[start + 1] < INSIDE * flat[start]:
            start += 1
    return found


def level_of(working_set: int, caches: Sequence[Cache], measured: Sequence[str]) -> str:
    """The level that a working set of so many bytes lives in, among those measured."""
    for cache in sorted(caches, key=lambda c: c.level):
        if working_set <= cache.bytes and f"L{cache.level}" in measured:
            return f"L{cache.level}"
    return DRAM
