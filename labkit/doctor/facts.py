"""What the doctor knows of a NumPy and its machine without timing anything, and what its rounds measured."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from labkit.machine.blas import CORE_TYPE, Blas
from labkit.machine.clocks import governor, nominal_ghz
from labkit.machine.cpus import allowed_cpus, cpu_flags
from labkit.machine.limits import cpu_quota
from labkit.machine.power import power
from labkit.machine.system import ROOT
from labkit.machine.threads import ALL_THREAD_VARIABLES

DISABLED_FEATURES = "NPY_DISABLE_CPU_FEATURES"
VARIABLES = (*ALL_THREAD_VARIABLES, CORE_TYPE, DISABLED_FEATURES)


@dataclass
class Facts:
    """Known without timing. The second of a pair says why the first is unknown."""

    blas: Blas
    environment: dict[str, str]  # those of VARIABLES that are set
    flags: frozenset[str]  # of the CPU; empty if it lists none
    cpus: int  # that the process may run on
    quota: float | None  # cores' worth of time that the control groups allow; None: no quota
    governor: tuple[str | None, str | None]
    power: tuple[str | None, str | None]  # "AC" or "battery"
    load: float | None  # runnable processes per CPU of the machine, in the minute before
    nominal_ghz: tuple[float | None, str]  # (it, its source or why it is unknown)


@dataclass
class Fix:
    """A command that would change the kernel: the kernel it leads to, and how much faster, one factor per round."""

    command: str
    kernel: str | None
    factors: list[float]


@dataclass
class Measured:
    """np.matmul in one thread, and what ran beside it; the defaults say that nothing was measured."""

    n: int = 0
    gflops: float = 0.0
    peak_gflops: float | None = None
    clock_ghz: float | None = None
    why_no_peak: str = ""
    steal: float | None = None  # fraction of the CPU time wanted meanwhile that the host took
    fix: Fix | None = None


def look(blas: Blas, environment: Mapping[str, str] = os.environ, root: Path = ROOT) -> Facts:
    """The facts, given the BLAS."""
    return Facts(
        blas=blas,
        environment={name: environment[name] for name in VARIABLES if name in environment},
        flags=cpu_flags(root),
        cpus=len(allowed_cpus(root)),
        quota=cpu_quota(root),
        governor=governor(root),
        power=power(root),
        load=_load(),
        nominal_ghz=nominal_ghz(root),
    )


def _load() -> float | None:
    try:
        return os.getloadavg()[0] / (os.cpu_count() or 1)
    except (AttributeError, OSError):  # AttributeError: Windows has none
        return None
