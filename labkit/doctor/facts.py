"""What the doctor knows of a NumPy and its machine without timing anything, and what its rounds measured."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labkit.machine.blas import CORE_TYPE, Blas
from labkit.machine.clocks import driver, governor, nominal_ghz
from labkit.machine.cpus import allowed_cpus, cpu_flags, emulated, guest, machine, physical_cores, several_kinds
from labkit.machine.limits import cpu_quota, process_limits
from labkit.machine.power import power
from labkit.machine.system import ROOT
from labkit.machine.threads import ALL_THREAD_VARIABLES

FEATURES = ("NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES")  # what NumPy's own loops may use
# Variables that change what a library does, beside the numbers of threads and CORE_TYPE.
OF_LIBRARY = {
    "mkl": ("MKL_CBWR", "MKL_DEBUG_CPU_TYPE", "MKL_ENABLE_INSTRUCTIONS", "MKL_VERBOSE"),
    "openblas": ("OPENBLAS_L2_SIZE", "OPENBLAS_BLOCK_FACTOR"),
    "blis": ("BLIS_ARCH_TYPE", "BLIS_JC_NT", "BLIS_IC_NT", "BLIS_JR_NT", "BLIS_IR_NT"),
}
LIMITS = ("MKL_THREADING_LAYER", "OMP_THREAD_LIMIT")  # of threads, whatever else is set
_OF_ALL = tuple(name for names in OF_LIBRARY.values() for name in names)
VARIABLES = (
    *ALL_THREAD_VARIABLES,
    CORE_TYPE,
    *FEATURES,
    *_OF_ALL,
    *LIMITS,
    "OMP_PROC_BIND",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
)


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
    driver: str | None = None  # of the clock
    online: int = 1  # CPUs of the machine
    physical: int | None = None  # its cores, if it tells
    kinds: str | None = None  # of its CPUs, if there are several
    virtual: bool = False
    emulated: str | None = None  # what translates this Python's instructions, if anything does
    python: str = ""
    numpy: str = ""
    threading: str | None = None  # how OpenBLAS or BLIS was built: "serial", "pthreads", "openmp"
    preloaded: bool = False  # the library stands in front of NumPy's own
    others: list[str] = field(default_factory=list)  # BLAS libraries that NumPy does not call
    openmp: list[str] = field(default_factory=list)  # runtimes that are loaded
    features: list[str] = field(default_factory=list)  # beyond its baseline, that NumPy's own loops use
    pinned_to: int | None = None  # CPUs, if importing NumPy left fewer than before
    to_be_had: int | None = None  # CPUs, if the affinity leaves out some that the process may ask for
    memory_mib: int | None = None  # of address space that the process's own limits allow
    hangs: str = ""  # what became of a process that used all threads, if it did not end by itself
    no_threads: bool = False  # the system refused to start the library's threads
    hides: str | None = None  # a file in the current folder that takes NumPy's place, or a standard module's
    broken: dict[str, Any] | None = None  # why NumPy cannot be imported, as examined._broken has it
    install: dict[str, str] = field(default_factory=lambda: {"kind": "pip", "python": "python"})


@dataclass
class Fix:
    """A command that would change something: the kernel it leads to, and how much faster, one factor per round."""

    command: str
    kernel: str | None
    factors: list[float]
    features: list[str] = field(default_factory=list)


@dataclass
class Threads:
    """The user's own number of threads, beside one: times as fast by wall time at N = `n` and at N = 100.

    `other` is a number that may be better: what sets it ("" if nothing does), and what it gains at N = `n`.
    """

    n: int
    large: float
    small: float
    other: int | None = None
    command: str = ""
    gain: float | None = None
    rivals: float | None = None  # CPUs that other programs used meanwhile: what threads seem to cost may be theirs


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
    double_gflops: float = 0.0
    busy: float | None = None  # processor time over wall time of one thread: the rest was other programs'
    products: dict[str, Any] | None = None  # {"tried", "wrong"} of products.examine
    stray: dict[str, Fix] = field(default_factory=dict)  # by variable: what a run without it gains
    threads: Threads | None = None
    faster: Fix | None = None  # the fastest of the other kernels, if asked for
    core: dict[str, Any] | None = None  # who shares the core, as beside.watch tells
    calls: list[tuple[str, float]] | None = None
    died: str = ""  # what became of the process that timed NumPy as it is, if it did not end by itself


def look(
    blas: Blas,
    environment: Mapping[str, str] = os.environ,
    root: Path = ROOT,
    seen: Mapping[str, Any] | None = None,
) -> Facts:
    """The facts, given the BLAS and what else the examined process has said of itself."""
    told = dict(seen or {})
    before, after, most = told.get("affinity", (None, None, None))
    of_python = ("python", "numpy", "threading", "preloaded", "others", "openmp", "features", "broken", "install")
    return Facts(
        blas=blas,
        environment={name: environment[name] for name in VARIABLES if name in environment},
        flags=frozenset() if told.get("translator") else cpu_flags(root),  # those of the host, which it does not see
        cpus=len(allowed_cpus(root)),
        quota=cpu_quota(root),
        governor=governor(root),
        power=power(root),
        load=_load(),
        nominal_ghz=nominal_ghz(root),
        driver=driver(root),
        online=os.cpu_count() or 1,
        physical=physical_cores(root),
        kinds=several_kinds(root),
        virtual=bool(guest(root)),
        emulated=told.get("translator") or emulated(told.get("machine") or machine(root), root),
        pinned_to=after if before and after and after < before else None,
        memory_mib=min((limit >> 20 for limit, _ in process_limits()), default=None),
        to_be_had=most if before and most and most > before else None,
        **{name: told[name] for name in of_python if name in told},
    )


def _load() -> float | None:
    try:
        return os.getloadavg()[0] / (os.cpu_count() or 1)
    except (AttributeError, OSError):  # AttributeError: Windows has none
        return None
