"""The clock of one CPU: the nominal clock, and the governor."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from labkit.machine.cpus import CPUS, cpu_facts, cpu_name, emulated, first_cpu, machine
from labkit.machine.system import ROOT, number, of_macos, sysctl, text, whole


def nominal_ghz(root: Path = ROOT, allowed: frozenset[int] | None = None) -> tuple[float | None, str]:
    """(the clock, GHz, that the CPU is sold with; where it comes from, or why it is unknown).

    It is often not the clock that the core runs at.
    """
    if translator := emulated(machine(root), root):
        return None, f"{translator} translates instructions, and shows another CPU's clock or none"
    cpu = first_cpu(root, allowed)
    folder = root / CPUS / f"cpu{cpu}"
    named = re.search(r"@\s*(\d+(?:\.\d+)?)\s*GHz", cpu_name(root) or "", flags=re.ASCII)
    maximum = f"cpuinfo_max_freq of cpu{cpu}: the maximum, as the nominal clock is unknown"
    sources = (  # the most trustworthy first: a number, its unit in Hz, where it comes from
        (number(folder / "cpufreq/base_frequency"), 1e3, f"base_frequency of cpu{cpu}"),
        (number(folder / "acpi_cppc/nominal_freq"), 1e6, f"acpi_cppc/nominal_freq of cpu{cpu}"),
        (float(named[1]) if named else None, 1e9, "the CPU's name"),
        (_counter_mhz(root, cpu), 1e6, "the rate of the time-stamp counter, from /proc/cpuinfo"),
        (number(folder / "cpufreq/cpuinfo_max_freq"), 1e3, maximum),
        (whole(sysctl(root, "hw.cpufrequency")), 1, "sysctl hw.cpufrequency"),
    )
    for value, unit, source in sources:
        # Beyond 0.1 to 10 GHz a number is garbled, or in a unit other than the documented one.
        if value and 1e8 <= value * unit <= 1e10:
            return value / (1e9 / unit), source
    return None, "neither the system nor the CPU's name tells it"


def _counter_mhz(root: Path, cpu: int) -> float | None:
    """The rate, MHz, of an x86 CPU's time-stamp counter, which ticks at the nominal clock or close to it."""
    facts = cpu_facts(root, cpu)
    flags = facts.get("flags", "").split()
    # 'cpu MHz' is the current clock if the kernel can read it, in virtual machines too; bogomips is always twice
    # the counter's rate.
    moving = "aperfmperf" in flags or (root / CPUS / f"cpu{cpu}/cpufreq").is_dir()
    name, ticks_per_cycle = ("bogomips", 2) if moving else ("cpu MHz", 1)
    rate = re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", facts.get(name, ""))
    return float(rate[0]) / ticks_per_cycle if rate and "tsc" in flags else None


def governor(root: Path = ROOT, allowed: frozenset[int] | None = None) -> tuple[str | None, str | None]:
    """(the clock governor of the first of the fastest CPUs allowed, why it is unknown)."""
    folder = root / CPUS / f"cpu{first_cpu(root, allowed)}/cpufreq"
    said = text(folder / "scaling_governor")
    if said and re.fullmatch(r"[a-z][a-z0-9_-]{0,30}", said):
        return said, None
    if of_macos(root, "sysctl", "hw.ncpu"):
        return None, "macOS has none"
    if sys.platform == "win32":
        return None, "Windows has power plans in its place, which are not read"
    if folder.is_dir():
        return None, "cpufreq does not name one"
    return None, "no cpufreq under /sys (usual in a virtual machine)"


def driver(root: Path = ROOT, allowed: frozenset[int] | None = None) -> str | None:
    """What governs that CPU's clock, such as `intel_pstate`; None if the system does not tell."""
    return text(root / CPUS / f"cpu{first_cpu(root, allowed)}/cpufreq/scaling_driver")
