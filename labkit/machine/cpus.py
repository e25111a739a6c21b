"""The CPUs that this process may run on: which they are, their name and flags, which of them are fastest.

A machine may have several kinds of CPU: performance and efficiency cores, big and little ones. Caches, clock and
governor are reported for the first of the fastest CPUs allowed.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from itertools import groupby
from pathlib import Path

from labkit.machine.process import cpu_of_now, run_on
from labkit.machine.system import ROOT, cpu_list, number, sysctl, text, whole

CPUS = "sys/devices/system/cpu"
# CPUs of one design differ by a few per cent of capacity, as some are binned to boost higher.
_SAME_KIND = 0.9
# What stands in /proc/cpuinfo if its CPU is not one that these programs are built for.
_OF_ANOTHER = {"aarch64": "vendor_id", **dict.fromkeys(("x86_64", "AMD64"), "CPU implementer")}


def allowed_cpus(root: Path = ROOT) -> frozenset[int]:
    """The CPUs that this process may run on; for a recorded machine, all that it has."""
    if root != ROOT:
        return frozenset(int(path.name[3:]) for path in (root / CPUS).glob("cpu[0-9]*")) or frozenset({0})
    affinity = getattr(os, "sched_getaffinity", None)
    return frozenset(affinity(0)) if affinity else frozenset(range(os.cpu_count() or 1))


def kinds_of_cpu(root: Path = ROOT, allowed: frozenset[int] | None = None) -> list[frozenset[int]]:
    """The CPUs allowed by kind, the fastest kind first."""
    allowed = allowed or allowed_cpus(root)
    performance = cpu_list(text(root / "sys/devices/cpu_core/cpus"))  # only hybrid Intel CPUs have it
    if performance:
        return [kind for kind in (allowed & performance, allowed - performance) if kind]
    capacity = {cpu: number(root / CPUS / f"cpu{cpu}/cpu_capacity") or 0 for cpu in allowed}
    if not any(capacity.values()):  # as on AMD's, whose compact cores have a lower clock
        clocks = {cpu: number(root / CPUS / f"cpu{cpu}/cpufreq/cpuinfo_max_freq") or 0 for cpu in allowed}
        capacity = clocks if all(clocks.values()) else capacity
    kinds: list[frozenset[int]] = []
    left = allowed
    while left:
        highest = max(capacity[cpu] for cpu in left)
        kinds.append(frozenset(cpu for cpu in left if capacity[cpu] >= _SAME_KIND * highest))
        left = left - kinds[-1]
    return kinds


def first_cpu(root: Path = ROOT, allowed: frozenset[int] | None = None) -> int:
    """The CPU that is reported: the first of the fastest allowed."""
    return min(kinds_of_cpu(root, allowed)[0])


def stay_on_fastest() -> str | None:
    """Run only on the fastest kind of the CPUs allowed from here on; returns `several_kinds()`."""
    kinds = several_kinds()
    if kinds:
        run_on(kinds_of_cpu()[0])
    return kinds


def stay_on_one() -> None:
    """Run on one CPU from here on, the one that the scheduler has chosen if it is of the fastest kind."""
    fastest = kinds_of_cpu()[0]
    here = cpu_of_now()
    run_on({here if here in fastest else min(fastest)})


def several_kinds(root: Path = ROOT, allowed: frozenset[int] | None = None) -> str | None:
    """Which of the CPUs allowed are of which kind; None if they are all alike."""
    kinds = [_listed(kind) for kind in kinds_of_cpu(root, allowed)]
    if len(kinds) > 1:
        return f"CPUs of {len(kinds)} kinds, the fastest first: {' and '.join(kinds)}"
    levels = [f"{count} {name}" for count, name in _levels_of_macos(root)]
    if len(levels) > 1:
        return f"CPUs of {len(levels)} kinds: {' and '.join(levels)} cores, among which macOS moves threads"
    return None


def _levels_of_macos(root: Path) -> list[tuple[int, str]]:
    """(how many, what kind) of Apple's cores, the fastest first; older systems do not name them."""
    found: list[tuple[int, str]] = []
    for usual in ("performance", "efficiency", "other"):
        level = f"hw.perflevel{len(found)}"
        if count := whole(sysctl(root, f"{level}.logicalcpu")):
            found.append((count, (sysctl(root, f"{level}.name") or usual).lower()))
    return found


def _listed(cpus: frozenset[int]) -> str:
    """`0-3,8`: the list that names these CPUs."""
    runs = [[cpu for _, cpu in run] for _, run in groupby(enumerate(sorted(cpus)), lambda pair: pair[1] - pair[0])]
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def physical_cores(root: Path = ROOT) -> int | None:
    """The machine's cores, hardware threads of one core counted once; None if unknown."""
    siblings = {text(path) for path in (root / CPUS).glob("cpu[0-9]*/topology/thread_siblings_list")} - {None, ""}
    return len(siblings) or whole(sysctl(root, "hw.physicalcpu"))


def machine(root: Path = ROOT) -> str:
    """What this Python is built for (`x86_64`); a recorded machine has it in a file, if that matters."""
    return platform.machine() if root == ROOT else text(root / "machine") or ""


def cpu_facts(root: Path = ROOT, cpu: int = 0) -> dict[str, str]:
    """/proc/cpuinfo's lines about a CPU, or about the first one if this one is not listed; none of another CPU's."""
    blocks = []
    for block in re.split(r"\n\s*\n", "" if of_the_host(machine(root), root) else text(root / "proc/cpuinfo") or ""):
        pairs = (line.partition(":") for line in block.splitlines())
        blocks.append({key.strip(): value.strip() for key, _, value in pairs})
    return next((facts for facts in blocks if facts.get("processor") == str(cpu)), blocks[0])


def cpu_flags(root: Path = ROOT, allowed: frozenset[int] | None = None) -> frozenset[str]:
    """The CPU's features as /proc/cpuinfo names them; empty if the system does not. Of an emulated one the least."""
    if of_the_host(machine(root), root):
        return frozenset({"asimd" if machine(root) == "aarch64" else "sse2"})
    facts = cpu_facts(root, first_cpu(root, allowed))
    return frozenset((facts.get("flags") or facts.get("Features") or _flags_of_macos(root)).split())


def _flags_of_macos(root: Path) -> str:
    """Of an Intel CPU, or Rosetta's, all with Linux's names for two; of Apple's those that matter to a product."""
    listed = [sysctl(root, f"machdep.cpu.{name}") for name in ("features", "leaf7_features")]
    apple = (("asimd", "hw.optional.neon"), ("sme", "hw.optional.arm.FEAT_SME"))
    flags = filter(None, listed) if any(listed) else (flag for flag, name in apple if sysctl(root, name) == "1")
    return " ".join(flags).lower().replace("avx1.0", "avx").replace("sse4.", "sse4_")


def sve_bits(root: Path = ROOT) -> int | None:
    """Bits of the vectors that a program gets on an Arm CPU with SVE; None without SVE."""
    size = number(root / "proc/sys/abi/sve_default_vector_length")  # bytes
    return 8 * size if size and "sve" in cpu_flags(root) else None


def cpu_name(root: Path = ROOT) -> str | None:
    """The CPU's marketing name, as the operating system has it; of an emulated CPU the host's."""
    listed = re.search(r"^(?:model name|Model)[ \t]*:[ \t]*(\S.*)", text(root / "proc/cpuinfo") or "", re.MULTILINE)
    name = listed[1].strip() if listed else sysctl(root, "machdep.cpu.brand_string")
    if name and of_the_host(machine(root), root):
        return f"QEMU {machine(root)} on {name}"
    if name or root != ROOT or sys.platform.startswith("linux"):
        return name
    try:
        import cpuinfo  # optional, and a second of CPUID probing: only if the system does not tell
    except ImportError:
        return None
    return cpuinfo.get_cpu_info().get("brand_raw") or None


def guest(root: Path = ROOT) -> bool | None:
    """Whether this is a virtual machine; None if neither the CPU's flags nor macOS tell."""
    flags, told = cpu_facts(root).get("flags"), sysctl(root, "kern.hv_vmm_present")
    return "hypervisor" in flags.split() if flags is not None else {"0": False, "1": True}.get(told or "")


def of_the_host(machine: str, root: Path = ROOT) -> bool:
    """Whether /proc/cpuinfo tells of another kind of CPU: QEMU shows single programs the host's as it is."""
    sign = _OF_ANOTHER.get(machine)
    return sign is not None and sign in (text(root / "proc/cpuinfo") or "")


def emulated(machine: str, root: Path = ROOT) -> str | None:
    """What translates the instructions of a Python built for this machine (`x86_64`), if anything does."""
    name = cpu_name(root) or ""
    if "VirtualApple" in name or sysctl(root, "sysctl.proc_translated") == "1":  # in a container, and on macOS
        return "Rosetta"
    return "QEMU" if "TCG" in name or of_the_host(machine, root) else None
