"""The data caches that one CPU sees, nearest first."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from labkit.machine.cpus import CPUS, first_cpu
from labkit.machine.system import ROOT, cpu_list, number, sysctl, text, whole


@dataclass
class Cache:
    """One level; `shared_by` is a number of CPUs, None if unknown."""

    level: int
    bytes: int
    shared_by: int | None


def caches(root: Path = ROOT, allowed: frozenset[int] | None = None) -> tuple[list[Cache], str | None]:
    """(data and unified caches of the first of the fastest CPUs allowed, why there are none or which are left out)."""
    folder = root / CPUS / f"cpu{first_cpu(root, allowed)}/cache"
    by_level: dict[int, Cache] = {}
    unclear = []
    for index in sorted(folder.glob("index*"), key=lambda index: (len(index.name), index.name)):
        kind, level, sharers = text(index / "type"), number(index / "level"), cpu_list(text(index / "shared_cpu_list"))
        said = re.fullmatch(r"([0-9]{1,12})([KMG]?)", (text(index / "size") or "").upper())  # `32K`, `1024K`, `32M`
        size = int(said[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[said[2]] if said else 0
        if kind in ("Data", "Unified") and level and size:
            # Of a level that is listed twice, the first is nearer to the core.
            by_level.setdefault(level, Cache(level, size, len(sharers) if sharers else None))
        elif kind != "Instruction":
            unclear.append(index.name)
    found = [by_level[level] for level in sorted(by_level)]
    if unclear:
        return found, f"/sys does not tell kind, level and size of cache {' and '.join(unclear)}"
    found = found or _of_macos(root)
    return found, None if found else "no caches are reported"


def _of_macos(root: Path) -> list[Cache]:
    """The caches of the performance cores: without `perflevel0` Apple's names mean the efficiency cores."""
    found = []
    for level, name in ((1, "l1dcachesize"), (2, "l2cachesize"), (3, "l3cachesize")):
        size = whole(sysctl(root, f"hw.perflevel0.{name}")) or whole(sysctl(root, f"hw.{name}"))
        if size:
            sharers = whole(sysctl(root, "hw.perflevel0.cpusperl2")) if level == 2 else None
            found.append(Cache(level, size, sharers or None))
    return found
