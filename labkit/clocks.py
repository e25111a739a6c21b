"""The clock of one CPU: what it is sold with, and who governs it."""

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path

from labkit.cpus import CPUS, cpu_facts, cpu_name, first_cpu
from labkit.system import ROOT, Sysctl, number, sysctl_of, text, whole

_CREDIBLE_GHZ = (0.1, 10.0)  # beyond these a number is garbled, or in a unit other than the documented one


def nominal_ghz(
    root: Path = ROOT, allowed: AbstractSet[int] | None = None, sysctl: Sysctl | None = None
) -> tuple[float | None, str]:
    """(the clock, GHz, that the CPU is sold with; where it comes from, or why it is not known).

    It is often not the clock that the core runs at.
    """
    lowest, highest = _CREDIBLE_GHZ
    for ghz, source in _told(root, first_cpu(root, allowed), sysctl or sysctl_of(root)):
        if ghz is not None and lowest <= ghz <= highest:
            return ghz, source
    return None, "neither the system nor the CPU's name tells it"


def _told(root: Path, cpu: int, sysctl: Sysctl) -> Iterator[tuple[float | None, str]]:
    """(GHz, where it comes from), the most trustworthy source first."""
    folder = root / CPUS / f"cpu{cpu}"
    yield _scaled(number(folder / "cpufreq/base_frequency"), 1e6), f"base_frequency of cpu{cpu}"
    yield _scaled(number(folder / "acpi_cppc/nominal_freq"), 1e3), f"acpi_cppc/nominal_freq of cpu{cpu}"
    named = re.search(r"@\s*(\d+(?:\.\d+)?)\s*GHz", cpu_name(root, sysctl) or "", flags=re.ASCII)
    yield float(named[1]) if named else None, "the CPU's name"
    yield _counter_ghz(root, cpu), "the rate of the time-stamp counter, from /proc/cpuinfo"
    yield (
        _scaled(number(folder / "cpufreq/cpuinfo_max_freq"), 1e6),
        f"cpuinfo_max_freq of cpu{cpu}: the maximum, as no nominal clock is told",
    )
    yield _scaled(whole(sysctl("hw.cpufrequency")), 1e9), "sysctl hw.cpufrequency"


def _scaled(value: int | None, unit: float) -> float | None:
    return value / unit if value else None


def _counter_ghz(root: Path, cpu: int) -> float | None:
    """The rate, GHz, of an x86 CPU's time-stamp counter, which ticks at the nominal clock or close to it."""
    facts = cpu_facts(root, cpu)
    flags = facts.get("flags", "").split()
    if "tsc" not in flags:
        return None
    # 'cpu MHz' is the clock of the moment where the kernel can tell that one, in virtual machines too;
    # bogomips is twice the counter's rate at all times.
    moving = "aperfmperf" in flags or (root / CPUS / f"cpu{cpu}/cpufreq").is_dir()
    name, ticks_per_cycle = ("bogomips", 2) if moving else ("cpu MHz", 1)
    said = facts.get(name, "")
    return float(said) / ticks_per_cycle / 1e3 if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", said) else None


def governor(
    root: Path = ROOT, allowed: AbstractSet[int] | None = None, sysctl: Sysctl | None = None
) -> tuple[str | None, str | None]:
    """(the clock governor of the first of the fastest CPUs allowed, why it is not known)."""
    folder = root / CPUS / f"cpu{first_cpu(root, allowed)}/cpufreq"
    said = text(folder / "scaling_governor")
    if said and re.fullmatch(r"[a-z][a-z0-9_-]{0,30}", said):
        return said, None
    if (sysctl or sysctl_of(root))("hw.ncpu"):
        return None, "macOS has none"
    if folder.is_dir():
        return None, "cpufreq does not name one"
    return None, "no cpufreq under /sys (usual in a virtual machine)"
