"""What this process is allowed: memory and CPU time, by its control groups and its own limits."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from labkit.system import ROOT, number, text, whole

CGROUPS = "sys/fs/cgroup"
# NumPy with its BLAS, LLVM and matplotlib, loaded: bytes of address space.
LEAST_ADDRESS_SPACE = 600 << 20


@dataclass(frozen=True)
class Allowance:
    """A limit on memory and how much of it is in use, bytes."""

    limit: int
    used: int


def require_address_space(name: str, say: TextIO, own: Sequence[Allowance] | None = None) -> None:
    """Go on if the process's own limit lets NumPy, its BLAS and LLVM be loaded; else one line and exit status 2."""
    limit = min((a.limit for a in (process_allowances() if own is None else own)), default=LEAST_ADDRESS_SPACE)
    if limit < LEAST_ADDRESS_SPACE:
        least, allowed = LEAST_ADDRESS_SPACE >> 20, limit >> 20
        print(f"{name}: {allowed} MiB of memory is too little, {least} are needed: raise it (ulimit -v)", file=say)
        sys.exit(2)


def memory_limit(root: Path = ROOT, own: Sequence[Allowance] | None = None) -> int:
    """Bytes that this process may use: the machine's memory, or a limit where that is less."""
    import psutil

    return min([int(psutil.virtual_memory().total), *(a.limit for a in _allowances(root, own))])


def memory_available(root: Path = ROOT, own: Sequence[Allowance] | None = None) -> int:
    """Bytes of `memory_limit` that can still be had: free on the machine, and within every limit."""
    import psutil

    left = (a.limit - a.used for a in _allowances(root, own))
    return max(0, min([int(psutil.virtual_memory().available), *left]))


def cpu_quota(root: Path = ROOT) -> float | None:
    """Cores' worth of CPU time that the control groups allow; None where they set no quota."""
    quotas = []
    for folder in _cgroups(root, "cpu"):
        version_2 = (text(folder / "cpu.max") or "").split()
        version_1 = [text(folder / name) for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")]
        for said in (version_2, version_1):
            granted, period = (whole(time) for time in said) if len(said) == 2 else (None, None)
            if granted and period:
                quotas.append(granted / period)
    return min(quotas, default=None)


def _allowances(root: Path, own: Sequence[Allowance] | None) -> list[Allowance]:
    """Every limit on memory that holds: those of the control groups and of the process itself."""
    found = list(process_allowances() if own is None else own)
    for folder in _cgroups(root, "memory"):
        for limit_name, used_name, cache in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            limit = number(folder / limit_name)
            if limit:  # version 2 writes "max" for none, version 1 a number near 2^63, which never is the least
                # Files read once and not since count as used, and yet are given back on demand.
                used = (number(folder / used_name) or 0) - _statistic(folder, cache)
                found.append(Allowance(limit=limit, used=max(0, used)))
    return found


def _statistic(folder: Path, name: str) -> int:
    """Bytes that memory.stat tells under a name; 0 where it does not."""
    lines = (line.split() for line in (text(folder / "memory.stat") or "").splitlines())
    return next((whole(line[1]) or 0 for line in lines if len(line) == 2 and line[0] == name), 0)


def process_allowances() -> list[Allowance]:
    """The process's own limits (`ulimit -v`, `ulimit -d`), where it has any."""
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return []
    import psutil  # here and not above: the doctor asks for the quota where psutil need not be

    memory = psutil.Process().memory_info()
    kinds = ((resource.RLIMIT_AS, memory.vms), (resource.RLIMIT_DATA, getattr(memory, "data", memory.rss)))
    soft = ((resource.getrlimit(kind)[0], used) for kind, used in kinds)
    return [Allowance(limit=limit, used=used) for limit, used in soft if limit != resource.RLIM_INFINITY]


def _cgroups(root: Path, controller: str) -> list[Path]:
    """The folders of the process's own control group and of its ancestors, in both versions.

    The root of a mount always counts: in a container it may be the process's own group, while
    /proc/self/cgroup names the path that the group has outside. Paths that do not exist say nothing.
    """
    base = root / CGROUPS
    folders = dict.fromkeys((base, base / "unified", base / controller))
    for mount, path in _memberships(root, controller):
        parts = path.strip("/").split("/")
        if ".." in parts:  # a group above the mount, which cannot be seen from here
            parts = []
        folders |= {base.joinpath(mount, *parts[:depth]): None for depth in range(len(parts) + 1)}
    return list(folders)


def _memberships(root: Path, controller: str) -> Iterator[tuple[str, str]]:
    """(mount below /sys/fs/cgroup, path below the mount) of each group that the process is in."""
    for line in (text(root / "proc/self/cgroup") or "").splitlines():
        controllers, _, path = line.partition(":")[2].partition(":")
        if controllers == "":  # version 2, which stands beside version 1 as `unified` if both are mounted
            yield from ((mount, path) for mount in (".", "unified"))
        elif controller in controllers.split(","):
            yield from ((mount, path) for mount in {controllers, controller})
