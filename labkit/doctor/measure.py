"""np.matmul timed as it is and as it would be fixed, and the peak beside it, each in a process of its own.

They take turns in rounds, so that what the machine does meanwhile affects all of them alike.
"""

import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from time import monotonic

from labkit.doctor import probe
from labkit.doctor.checks import fix_for
from labkit.doctor.facts import Facts, Fix, Measured
from labkit.doctor.probe import REPOSITORY, Probe, positive
from labkit.errors import UserError
from labkit.machine.blas import CORE_TYPE
from labkit.machine.system import ROOT, cpu_ticks, text
from labkit.machine.threads import ALL_THREAD_VARIABLES

ROUNDS = 3  # the fewest with a median that one disturbed round does not move
MATMUL_SECONDS = 0.4  # some 17 products on a core with AVX-512, one without a BLAS
# No round begins later. The slowest one (the plain loop of a NumPy without a BLAS) takes 6 s more.
LAST_START_SECONDS = 5.0
PEAK_PATIENCE_SECONDS = 6.0  # the probe takes 0.8 s, and longer if the machine is busy
# These say where the examined Python finds its packages; another Python must not look there.
FOREIGN = ("PYTHONPATH", "PYTHONHOME")


def measure(known: Facts, environment: Mapping[str, str] = os.environ) -> Measured:
    """The rounds, reduced. A UserError if np.matmul cannot be timed as it is; what else fails is unknown."""
    as_it_is = {**environment, **dict.fromkeys(ALL_THREAD_VARIABLES, "1")}
    bare = {name: value for name, value in as_it_is.items() if name != CORE_TYPE}
    fix = fix_for(known)
    fixed = bare | ({CORE_TYPE: fix[1]} if fix and fix[1] else {})
    pythons, why_no_peak = pythons_with_llvm(), "run `make doctor` in the repository once to have it measured"
    rounds: list[Probe] = []
    pairs: list[tuple[Probe, Probe]] = []  # as it is, as it would be fixed
    peaks: list[tuple[float, float]] = []
    before, started = cpu_ticks(text(ROOT / "proc/stat") or ""), monotonic()
    while len(rounds) < ROUNDS and (not rounds or monotonic() - started < LAST_START_SECONDS):
        rounds.append(probe.ask(as_it_is, MATMUL_SECONDS))
        if fix:
            try:
                pairs.append((rounds[-1], probe.ask(fixed, MATMUL_SECONDS)))
            except UserError:  # a kernel that this CPU cannot run after all: the cost stays unknown
                fix = None
        while pythons:
            try:
                peaks.append(_peak(pythons[0], bare))
                break
            except UserError as error:  # a Python that fails is not tried again
                why_no_peak = f"the probe of the peak {error}"
                del pythons[0]
    best = max(rounds, key=lambda mine: (mine.n, mine.gflops))
    factors = [other.gflops / mine.gflops for mine, other in pairs]
    return Measured(
        n=best.n,
        gflops=best.gflops,
        peak_gflops=max((gflops for gflops, _ in peaks), default=None),
        clock_ghz=max((ghz for _, ghz in peaks), default=None),
        why_no_peak=why_no_peak,
        steal=steal_between(before, cpu_ticks(text(ROOT / "proc/stat") or "")),
        fix=Fix(fix[0], pairs[0][1].blas.kernel, factors) if fix and pairs else None,
    )


def steal_between(before: list[int] | None, after: list[int] | None) -> float | None:
    """The fraction of the CPU time wanted between two readings of `cpu_ticks` that the host took; None if unknown."""
    if before is None or after is None:
        return None
    spent = [end - start for start, end in zip(before, after, strict=True)]
    wanted = sum(spent) - spent[3] - spent[4]  # without idle and iowait
    return max(0.0, spent[7] / wanted) if wanted > 0 else None


def pythons_with_llvm() -> list[str]:
    """Who may measure the peak: this Python if it has LLVM, and the repository's own."""
    found = [sys.executable] if find_spec("llvmlite") else []
    own = [str(REPOSITORY / ".venv" / place) for place in ("bin/python", "Scripts/python.exe")]
    return list(dict.fromkeys(found + [python for python in own if os.access(python, os.X_OK)]))


def _peak(python: str, environment: Mapping[str, str]) -> tuple[float, float]:
    """(GFLOPS, GHz) of one core at its peak; a UserError if the command does not tell."""
    kept = {name: value for name, value in environment.items() if python == sys.executable or name not in FOREIGN}
    found = probe.run([python, "-m", "labkit", "roofline", "--probe"], kept, PEAK_PATIENCE_SECONDS)
    try:
        return positive(found["fp32_fma_gflops"]), positive(found["clock_ghz"])
    except (KeyError, TypeError, ValueError):
        raise UserError("printed nonsense") from None
