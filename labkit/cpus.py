"""The CPUs that this process may run on: which they are, what they are called, which of them are fastest.

A machine may have CPUs of several kinds: performance and efficiency cores, big and little ones. What is
said of "the" CPU (caches, clock, governor) is said of the first of the fastest that are allowed.
"""

import contextlib
import os
import re
import sys
from collections.abc import Set as AbstractSet
from pathlib import Path

from labkit.system import ROOT, Sysctl, cpu_list, listed, number, sysctl_of, text, whole

CPUS = "sys/devices/system/cpu"
# CPUs of one design differ by a few per cent of capacity, as some are binned to boost higher.
_SAME_KIND = 0.9


def allowed_cpus(root: Path = ROOT) -> frozenset[int]:
    """The CPUs that this process may run on; of a recorded machine, all that it has."""
    if root != ROOT:
        found = (re.fullmatch(r"cpu([0-9]{1,9})", path.name) for path in (root / CPUS).glob("cpu*"))
        return frozenset(int(name[1]) for name in found if name) or frozenset({0})
    affinity = getattr(os, "sched_getaffinity", None)
    return frozenset(affinity(0)) if affinity else frozenset(range(os.cpu_count() or 1))


def fastest_cpus(allowed: AbstractSet[int], root: Path = ROOT) -> frozenset[int]:
    """Those of the CPUs allowed that are of the fastest kind: all of them where there is but one kind."""
    return next(iter(_kinds(allowed, root)), frozenset())


def stay_on_fastest() -> str | None:
    """Run on none but the fastest kind of the CPUs allowed from here on; says which kinds there are, if several."""
    kinds, move = several_kinds(), getattr(os, "sched_setaffinity", None)
    if kinds and move:
        with contextlib.suppress(OSError):  # a sandbox may forbid it; the kinds are said all the same
            move(0, fastest_cpus(allowed_cpus()))
    return kinds


def several_kinds(
    root: Path = ROOT, allowed: AbstractSet[int] | None = None, sysctl: Sysctl | None = None
) -> str | None:
    """Which CPUs are of which kind, if those allowed are of several; None if they are all alike."""
    kinds = [listed(kind) for kind in _kinds(allowed or allowed_cpus(root), root)]
    if len(kinds) > 1:
        return f"CPUs of {len(kinds)} kinds, the fastest first: {' and '.join(kinds)}"
    levels = whole((sysctl or sysctl_of(root))("hw.nperflevels")) or 1
    return f"CPUs of {levels} kinds, among which macOS moves threads as it likes" if levels > 1 else None


def first_cpu(root: Path = ROOT, allowed: AbstractSet[int] | None = None) -> int:
    """The CPU that stands for those allowed: the first of the fastest."""
    return min(fastest_cpus(allowed or allowed_cpus(root), root))


def _kinds(allowed: AbstractSet[int], root: Path) -> list[frozenset[int]]:
    """The CPUs allowed by kind, the fastest kind first."""
    performance = cpu_list(text(root / "sys/devices/cpu_core/cpus"))  # there on hybrid Intel CPUs alone
    if performance:
        return [frozenset(kind) for kind in (allowed & performance, allowed - performance) if kind]
    capacity = {cpu: number(root / CPUS / f"cpu{cpu}/cpu_capacity") or 0 for cpu in allowed}
    kinds: list[list[int]] = []
    for cpu in sorted(allowed, key=lambda cpu: (-capacity[cpu], cpu)):
        if kinds and capacity[cpu] >= _SAME_KIND * capacity[kinds[-1][0]]:
            kinds[-1].append(cpu)
        else:
            kinds.append([cpu])
    return [frozenset(kind) for kind in kinds]


def cpu_facts(root: Path = ROOT, cpu: int = 0) -> dict[str, str]:
    """What /proc/cpuinfo says of a CPU, or of the first one if it does not list this one."""
    blocks = []
    for block in re.split(r"\n\s*\n", text(root / "proc/cpuinfo") or ""):
        pairs = (line.partition(":") for line in block.splitlines())
        blocks.append({key.strip(): value.strip() for key, _, value in pairs})
    return next((facts for facts in blocks if facts.get("processor") == str(cpu)), blocks[0])


def cpu_name(root: Path = ROOT, sysctl: Sysctl | None = None) -> str | None:
    """The CPU's marketing name, as the operating system has it."""
    for line in (text(root / "proc/cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model") and value.strip():
            return value.strip()
    name = (sysctl or sysctl_of(root))("machdep.cpu.brand_string")
    if name or root != ROOT or sys.platform.startswith("linux"):
        return name
    import cpuinfo  # a second of CPUID probing: only where nothing else says it

    found = cpuinfo.get_cpu_info().get("brand_raw")
    return str(found) if found else None


def virtualized(root: Path = ROOT) -> tuple[bool | None, str | None]:
    """(whether a hypervisor is under us, why it is not known)."""
    flags = cpu_facts(root).get("flags")
    if flags is None:
        return None, "the CPU does not list a hypervisor flag"
    return "hypervisor" in flags.split(), None
