"""What the doctor sees of a NumPy and its machine, and what it says of it. Data alone; the standard library alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

# --- what is seen -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Blas:
    """The library that NumPy has loaded; None of what it does not tell."""

    library: str | None
    version: str | None = None
    kernel: str | None = None
    threads: int | None = None


@dataclass(frozen=True)
class Facts:
    """What is seen without measuring. Beside a None of a pair stands why it is not known."""

    blas: Blas
    environment: Mapping[str, str]  # of vitals.VARIABLES, those that are set
    flags: frozenset[str]  # of the CPU; empty where it lists none
    cpus: int  # that the process may run on
    quota: float | None  # cores' worth of time that the control groups allow; None: as much as there is
    governor: tuple[str | None, str | None]
    power: tuple[str | None, str | None]  # "AC" or "battery"
    load: float | None  # runnable processes for each CPU of the machine, in the minute before
    nominal_ghz: tuple[float | None, str]  # (it, where it comes from or why it is not known)


@dataclass(frozen=True)
class Remedy:
    """A second kind of process, run in turn with the first: what mends it, its kernel, how much faster in each pair."""

    mend: str
    kernel: str | None
    factors: tuple[float, ...]


@dataclass(frozen=True)
class Measured:
    """np.matmul in one thread, and what ran beside it."""

    n: int
    gflops: float
    peak_gflops: float | None = None
    clock_ghz: float | None = None
    why_no_peak: str = ""
    steal: float | None = None  # of the CPU time that was wanted meanwhile
    remedy: Remedy | None = None


# --- what is said of it -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Finding:
    """Something that is wrong: what was seen, what it costs (None: not measured), the command that mends it."""

    level: Literal["error", "warning"]
    check: str
    seen: str
    cost: str | None
    mend: str


@dataclass(frozen=True)
class Fine:
    """Something that is as it should be."""

    check: str
    seen: str


@dataclass(frozen=True)
class NotKnown:
    """Something that the machine does not tell, and why: no finding."""

    check: str
    seen: str


Verdict = Finding | Fine | NotKnown
