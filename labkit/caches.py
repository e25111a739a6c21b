"""The data caches that one CPU sees, nearest first."""

import re
from collections.abc import Set as AbstractSet
from pathlib import Path

from labkit.cpus import CPUS, first_cpu
from labkit.records import Cache
from labkit.system import ROOT, Sysctl, cpu_list, number, sysctl_of, text, whole


def caches(root: Path = ROOT, allowed: AbstractSet[int] | None = None, sysctl: Sysctl | None = None) -> list[Cache]:
    """Data and unified caches of the first of the fastest CPUs allowed; empty where none are reported."""
    return caches_and_why(root, allowed, sysctl)[0]


def caches_and_why(
    root: Path = ROOT, allowed: AbstractSet[int] | None = None, sysctl: Sysctl | None = None
) -> tuple[list[Cache], str | None]:
    """(the caches, why there are none or which are left out)."""
    folder = root / CPUS / f"cpu{first_cpu(root, allowed)}/cache"
    indices = sorted(folder.glob("index*"), key=lambda index: (len(index.name), index.name))
    data = [index for index in indices if text(index / "type") != "Instruction"]
    if not data:
        found = _of_macos(sysctl or sysctl_of(root))
        return found, None if found else "no caches are reported"
    found, unclear = [], []
    for index in data:
        cache = _read(index)
        if cache is None:
            unclear.append(index.name)
        # A level that is listed twice is the one nearer to the core.
        elif all(other.level != cache.level for other in found):
            found.append(cache)
    why = f"/sys does not tell kind, level and size of cache {' and '.join(unclear)}" if unclear else None
    return sorted(found, key=lambda cache: cache.level), why


def _read(index: Path) -> Cache | None:
    level, size = number(index / "level"), parse_size(text(index / "size") or "")
    if not level or not size or text(index / "type") not in ("Data", "Unified"):
        return None
    sharers = cpu_list(text(index / "shared_cpu_list"))
    return Cache(level=level, bytes=size, shared_by=len(sharers) if sharers else None)


def parse_size(said: str) -> int | None:
    """`32K`, `1024K`, `32M` in bytes; None of what is not a size."""
    parts = re.fullmatch(r"([0-9]{1,12})([KMG]?)", said.upper())
    return int(parts[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[parts[2]] if parts else None


def _of_macos(sysctl: Sysctl) -> list[Cache]:
    """The caches of the performance cores: without `perflevel0` Apple's names mean the efficiency cores."""
    found = []
    for level, name in ((1, "l1dcachesize"), (2, "l2cachesize"), (3, "l3cachesize")):
        size = whole(sysctl(f"hw.perflevel0.{name}")) or whole(sysctl(f"hw.{name}"))
        sharers = whole(sysctl("hw.perflevel0.cpusperl2")) if level == 2 else None
        if size:
            found.append(Cache(level=level, bytes=size, shared_by=sharers or None))
    return found
