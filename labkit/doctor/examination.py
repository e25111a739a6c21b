"""np.matmul timed as it is and as it would be mended, and the peak beside it, each in a process of its own.

They take turns, so that what the machine does meanwhile meets all of them alike.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from labkit.doctor import peak, processes, vitals
from labkit.doctor.health import ALL_THREAD_VARIABLES, Blas, Facts, Measured, Remedy, remedy_for
from labkit.doctor.kernels import CORE_TYPE
from labkit.doctor.processes import Run, last_object, positive
from labkit.errors import LabError
from labkit.system import ROOT

PATIENT = Path(__file__).resolve().parent / "patient.py"
ROUNDS = 3  # the fewest with a median that one disturbed round does not move
MATMUL_SECONDS = 0.4  # some 17 products on a core with AVX-512, one without a BLAS
# No round begins after this. The slowest one (the plain loop of a NumPy without a BLAS) takes 6 s more.
LAST_START_SECONDS = 5.0
PATIENCE_SECONDS = 10.0  # for a process; on a machine that is not hung the slowest takes 5 s


@dataclass(frozen=True)
class Patient:
    """What a NumPy said of itself, and of a product where it was asked to time one."""

    python: str
    numpy: str
    blas: Blas
    n: int = 0
    gflops: float = 0.0


def ask(run: Run, environment: Mapping[str, str], seconds: float | None = None) -> Patient:
    """Look at NumPy in a process of its own; with seconds, time np.matmul for about so long.

    A LabError if it cannot be looked at.
    """
    # -P: not its folder first on the path, where labkit's own `statistics` would stand in for Python's.
    command = [sys.executable, "-P", str(PATIENT), *([] if seconds is None else [str(seconds)])]
    try:
        said = last_object(run(command, environment, PATIENCE_SECONDS))
    except (LabError, ValueError) as error:
        became = str(error) if isinstance(error, LabError) else "printed nonsense"
        hint = f"; {CORE_TYPE} is set and may be why: unset it" if CORE_TYPE in environment else ""
        raise LabError(f"the process that looks at NumPy {became}{hint}") from None
    if "error" in said:
        raise LabError(str(said["error"]))
    try:
        library, version, kernel = (_told(said[name], str) for name in ("library", "version", "kernel"))
        blas = Blas(library, version, kernel, _told(said["threads"], int))
        patient = Patient(str(said["python"]), str(said["numpy"]), blas)
        return patient if seconds is None else replace(patient, n=int(said["n"]), gflops=positive(said["gflops"]))
    except (KeyError, TypeError, ValueError):
        raise LabError("the process that looks at NumPy printed nonsense") from None


def _told(value: Any, kind: type) -> Any:
    return value if isinstance(value, kind) and value else None


def measure(
    facts: Facts,
    environment: Mapping[str, str] = os.environ,
    run: Run = processes.run,
    probes: Sequence[Sequence[str]] | None = None,
    clock: Callable[[], float] = time.monotonic,
    root: Path = ROOT,
) -> Measured:
    """The rounds, reduced. A LabError if np.matmul cannot be timed as it is; what else fails is not known."""
    as_it_is = {**environment, **dict.fromkeys(ALL_THREAD_VARIABLES, "1")}
    bare = {name: value for name, value in as_it_is.items() if name != CORE_TYPE}
    remedy = remedy_for(facts)
    mended = bare | ({CORE_TYPE: remedy[1]} if remedy and remedy[1] else {})
    top = peak.Peak(run, peak.commands() if probes is None else probes, bare)
    pairs: list[tuple[Patient, Patient | None]] = []
    before, started = vitals.stolen(root), clock()
    while len(pairs) < ROUNDS and (not pairs or clock() - started < LAST_START_SECONDS):
        mine, other = ask(run, as_it_is, MATMUL_SECONDS), None
        if remedy:
            try:
                other = ask(run, mended, MATMUL_SECONDS)
            except LabError:  # a kernel that this CPU cannot run after all: what it would cost stays unknown
                remedy = None
        pairs.append((mine, other))
        top.look()
    best = max((mine for mine, _ in pairs), key=lambda mine: (mine.n, mine.gflops))
    others = [(mine, other) for mine, other in pairs if other]
    factors = tuple(other.gflops / mine.gflops for mine, other in others)
    return Measured(
        n=best.n,
        gflops=best.gflops,
        peak_gflops=top.gflops,
        clock_ghz=top.ghz,
        why_no_peak=top.why,
        steal=vitals.steal_between(before, vitals.stolen(root)),
        remedy=Remedy(remedy[0], others[0][1].blas.kernel, factors) if remedy and others else None,
    )
