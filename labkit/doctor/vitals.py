"""What a look at the machine tells the doctor: CPU, quota, governor, power, load, steal. Nothing is timed.

Standard library alone; the root of the file system can be passed in, so that tests read recorded machines.
"""

import os
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path

from labkit.clocks import governor, nominal_ghz
from labkit.cpus import allowed_cpus, cpu_facts, first_cpu
from labkit.doctor.health import VARIABLES
from labkit.doctor.symptoms import Blas, Facts
from labkit.limits import cpu_quota
from labkit.power import power
from labkit.system import ROOT, cpu_ticks, text


def look(
    blas: Blas,
    environment: Mapping[str, str] = os.environ,
    root: Path = ROOT,
    allowed: AbstractSet[int] | None = None,
) -> Facts:
    """The facts, with a BLAS that somebody else has looked at."""
    cpus = allowed or allowed_cpus(root)
    return Facts(
        blas=blas,
        environment={name: environment[name] for name in VARIABLES if name in environment},
        flags=frozenset(cpu_facts(root, first_cpu(root, cpus)).get("flags", "").split()),
        cpus=len(cpus),
        quota=cpu_quota(root),
        governor=governor(root, cpus),
        power=power(root),
        load=load(root),
        nominal_ghz=nominal_ghz(root, cpus),
    )


def load(root: Path = ROOT) -> float | None:
    """Runnable processes for each CPU of the machine, averaged over the last minute.

    Of the machine, not of those allowed: the average counts what runs on any of them.
    """
    if root != ROOT or not hasattr(os, "getloadavg"):
        return None
    try:
        return os.getloadavg()[0] / (os.cpu_count() or 1)
    except OSError:
        return None


def stolen(root: Path = ROOT) -> tuple[int, int] | None:
    """Ticks of CPU time that (the host took for others, were wanted in all) since the start; None where not told."""
    ticks = cpu_ticks(text(root / "proc/stat") or "")
    if ticks is None:
        return None
    *_, idle, iowait, _irq, _softirq, steal = ticks
    return steal, sum(ticks) - idle - iowait


def steal_between(before: tuple[int, int] | None, after: tuple[int, int] | None) -> float | None:
    """The share of the CPU time wanted between two looks that the host took."""
    if before is None or after is None or after[1] <= before[1]:
        return None
    return max(0.0, (after[0] - before[0]) / (after[1] - before[1]))
