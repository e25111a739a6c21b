"""What this process is allowed: memory and CPU time, by its control groups and its own limits."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TextIO

from labkit.machine.system import ROOT, number, of_macos, text, whole

CGROUPS = "sys/fs/cgroup"
# NumPy with its BLAS, LLVM and matplotlib, loaded: MiB of address space.
LEAST_ADDRESS_SPACE_MIB = 600


def require_address_space(name: str, say: TextIO) -> None:
    """Go on if the process's own limit lets NumPy, its BLAS and LLVM be loaded; else one line and exit status 2."""
    allowed = min((limit >> 20 for limit, _ in process_limits()), default=LEAST_ADDRESS_SPACE_MIB)
    if allowed < LEAST_ADDRESS_SPACE_MIB:
        needed = f"{LEAST_ADDRESS_SPACE_MIB} are needed: raise it (ulimit -v)"
        print(f"{name}: {allowed} MiB of memory is too little, {needed}", file=say)
        sys.exit(2)


def memory_limit(root: Path = ROOT) -> int | None:
    """Bytes that this process may use: the machine's memory, or a limit if that is less; None if unknown."""
    return _least(machine_memory()[0], *(limit for limit, _ in _memory_limits(root)))


def memory_available(root: Path = ROOT) -> int | None:
    """Bytes of `memory_limit` still to be had: free on the machine, and within every limit; None if unknown."""
    return _least(machine_memory()[1], *(max(0, limit - used) for limit, used in _memory_limits(root)))


def _least(*amounts: int | None) -> int | None:
    return min((amount for amount in amounts if amount is not None), default=None)


def machine_memory() -> tuple[int | None, int | None]:
    """(total, available) bytes of the running machine; None if unknown."""
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        total = os.sysconf("SC_PHYS_PAGES") * page
    except (AttributeError, OSError, ValueError):  # Windows
        return None, None
    available = re.search(r"^MemAvailable:\s*([0-9]+) kB", text(ROOT / "proc/meminfo") or "", re.MULTILINE)
    if available:
        return total, int(available[1]) << 10
    # macOS: pages that are free, or can be freed without writing them out. Rosetta's own pages are smaller ones.
    said = of_macos(ROOT, "vm_stat") or ""
    pages = re.findall(r"^Pages (?:free|inactive|speculative):\s*([0-9]+)\.", said, re.MULTILINE)
    size = re.search(r"page size of ([0-9]+) bytes", said)
    return total, sum(map(int, pages)) * int(size[1]) if size else None


def cpu_quota(root: Path = ROOT) -> float | None:
    """Cores' worth of CPU time that the control groups allow; None if they set no quota."""
    quotas = []
    for folder in _cgroups(root, "cpu"):
        version_1 = " ".join(text(folder / f"cpu.cfs_{name}_us") or "" for name in ("quota", "period"))
        for said in (text(folder / "cpu.max") or "", version_1):
            times = [whole(time) for time in said.split()]
            if len(times) == 2 and times[0] and times[1]:
                quotas.append(times[0] / times[1])
    return min(quotas, default=None)


def _memory_limits(root: Path) -> list[tuple[int, int]]:
    """(bytes, how many are in use) of every limit: the process's own, and those of control groups of version 2."""
    found = process_limits()
    for folder in _cgroups(root, "memory"):
        limit = number(folder / "memory.max")
        if limit:
            # Files read once and not since count as used, but are given back on demand.
            cached = re.search(r"^inactive_file ([0-9]{1,19})$", text(folder / "memory.stat") or "", re.MULTILINE)
            used = (number(folder / "memory.current") or 0) - (int(cached[1]) if cached else 0)
            found.append((limit, max(0, used)))
    return found


def process_limits() -> list[tuple[int, int]]:
    """(bytes, how many of them are in use) of the process's own limits (`ulimit -v`, `ulimit -d`), if it has any."""
    try:
        import resource  # Windows has no such limits
    except ImportError:
        return []
    # size resident shared text lib data dt, in pages. Elsewhere than on Linux the use is unknown and counted as none.
    pages = [whole(field) or 0 for field in (text(ROOT / "proc/self/statm") or "").split()] or [0] * 7
    both = ((resource.RLIMIT_AS, pages[0]), (resource.RLIMIT_DATA, pages[5]))
    soft = [(resource.getrlimit(kind)[0], used * resource.getpagesize()) for kind, used in both]
    return [(limit, used) for limit, used in soft if limit != resource.RLIM_INFINITY]


def _cgroups(root: Path, controller: str) -> set[Path]:
    """The folders of the process's own control group and of its ancestors; paths that do not exist do no harm.

    The root of a mount always counts: in a container it may be the process's own group, while /proc/self/cgroup has
    the path that the group has outside.
    """
    base = root / CGROUPS
    folders = {base, base / "unified", base / controller}
    for line in (text(root / "proc/self/cgroup") or "").splitlines():
        controllers, _, path = line.partition(":")[2].partition(":")
        if controllers == "":  # version 2; mounted as `unified` if version 1 is mounted too
            mounts = {".", "unified"}
        else:
            mounts = {controllers, controller} if controller in controllers.split(",") else set()
        parts = path.strip("/").split("/")
        if ".." not in parts:  # else a group above the mount, which cannot be seen from here
            folders |= {base.joinpath(mount, *parts[:depth]) for mount in mounts for depth in range(len(parts) + 1)}
    return folders
