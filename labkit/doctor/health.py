"""Is this NumPy healthy? From what was seen of it and of its machine to what is wrong (pure)."""

import math
import re

from labkit.doctor.kernels import CORE_TYPE, UPGRADE, kernel, remedy_for
from labkit.doctor.symptoms import Blas, Facts, Finding, Fine, Measured, NotKnown, Remedy, Verdict

__all__ = ["Blas", "Facts", "Finding", "Fine", "Measured", "NotKnown", "Remedy", "preflight", "remedy_for", "verdicts"]

DISABLED_FEATURES = "NPY_DISABLE_CPU_FEATURES"
# By library, the variables that tell it how many threads to use; of those that are set it obeys the first.
THREAD_VARIABLES = {
    "openblas": ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"),
    "mkl": ("MKL_NUM_THREADS", "OMP_NUM_THREADS"),
    "blis": ("BLIS_NUM_THREADS", "OMP_NUM_THREADS"),
    "accelerate": ("VECLIB_MAXIMUM_THREADS",),
}
ALL_THREAD_VARIABLES = tuple(dict.fromkeys(name for names in THREAD_VARIABLES.values() for name in names))
VARIABLES = (*ALL_THREAD_VARIABLES, CORE_TYPE, DISABLED_FEATURES)
REINSTALL = "python -m pip install --force-reinstall --only-binary numpy numpy"
UNKNOWN = "unknown"  # what the patient calls a library that it cannot name
_PLAIN_BLAS = ("netlib", "reference", "blas", "cblas", "refblas")

# A BLAS that is written for its CPU reaches 75 to 95 % of the peak at N = 1024, one of a class below about half.
LEAST_SHARE = 0.5
# Where the peak is not known: GFLOPS that a product without a BLAS stays below, by ten times, and one with it seldom.
LEAST_GFLOPS = 10.0
THROTTLED = 0.95  # of the nominal clock; the probe reads a steady one to 1 %
MOST_STEAL = 0.03  # of the CPU time that was wanted; a quiet guest loses less than 1 %
MOST_LOAD = 2.0  # runnable processes a CPU: above it each gets less than half of one


def preflight(facts: Facts) -> list[Finding]:
    """What is wrong before anything is measured, and would be in every number of a run. Nothing is timed."""
    found = (kernel(facts), features(facts), quota(facts), governor(facts), power(facts))
    return [verdict for verdict in found if isinstance(verdict, Finding)]


def verdicts(facts: Facts, measured: Measured) -> list[Verdict]:
    """Every check: first the library, then what it is given, then the machine."""
    of_library = [library(facts, measured), kernel(facts, measured.remedy), speed(facts, measured), features(facts)]
    of_machine = [governor(facts), power(facts), clock(facts, measured), steal(measured), load(facts)]
    return [*of_library, threads(facts), quota(facts), *of_machine]


# --- the library ------------------------------------------------------------------------------------


def library(facts: Facts, measured: Measured) -> Verdict:
    """Whether there is a BLAS, and one that is written for speed."""
    blas = facts.blas
    if blas.library is None:
        seen = "NumPy was built without a BLAS: np.matmul is a plain loop"
        return Finding("error", "library", seen, None, REINSTALL)
    if blas.library == UNKNOWN:
        return NotKnown("library", "neither NumPy nor what it has loaded tells which BLAS it is")
    named = " ".join(filter(None, (blas.library, blas.version)))
    # The name alone may be that of an interface which a faster library stands behind.
    if blas.library in _PLAIN_BLAS and isinstance(speed(facts, measured), Finding):
        return Finding("error", "library", f"{named} is the reference BLAS, written for no CPU", None, REINSTALL)
    return Fine("library", named)


def speed(facts: Facts, measured: Measured) -> Verdict:
    """Whether np.matmul makes of one core what a BLAS makes of it."""
    rate, peak = measured.gflops, measured.peak_gflops
    seen = f"{rate:.3g} GFLOPS in np.matmul at N = {measured.n}, one thread"
    if not peak:
        if rate < LEAST_GFLOPS:
            return Finding("warning", "speed", f"{seen}: hardly the work of a BLAS", None, REINSTALL)
        return NotKnown("speed", f"{seen}; the peak is not known: {measured.why_no_peak}")
    seen = f"{seen}: {rate / peak:.0%} of the {peak:.3g} that the core can do"
    if rate / peak >= LEAST_SHARE:
        return Fine("speed", seen)
    cost = f"a factor of {peak / rate:.3g} to the measured peak"
    slow_kernel = kernel(facts, measured.remedy)
    mend = slow_kernel.mend if isinstance(slow_kernel, Finding) else UPGRADE if facts.blas.kernel else REINSTALL
    return Finding("error", "speed", seen, cost, mend)


def features(facts: Facts) -> Verdict:
    """Whether NumPy's own loops may use what the CPU has."""
    disabled = facts.environment.get(DISABLED_FEATURES, "").strip()
    if disabled:
        seen = f"{DISABLED_FEATURES} is set: NumPy's own loops, np.einsum among them, do without {disabled}"
        return Finding("warning", "features", seen, None, f"unset {DISABLED_FEATURES}")
    return Fine("features", "no CPU feature is kept from NumPy")


# --- what it is given -------------------------------------------------------------------------------


def threads(facts: Facts) -> Verdict:
    """Whether more threads are asked for, or run, than there are CPUs and CPU time for."""
    name = facts.blas.library or ""
    variables = THREAD_VARIABLES.get(name, ALL_THREAD_VARIABLES)
    asked = {variable: _count(facts.environment.get(variable)) for variable in ALL_THREAD_VARIABLES}
    asked = {variable: count for variable, count in asked.items() if count}
    said = ", ".join(f"{variable}={count}" for variable, count in asked.items()) or "no variable asks for a number"
    effective = facts.blas.threads
    room = min(facts.cpus, math.ceil(facts.quota) if facts.quota else facts.cpus)
    of_quota = f" and a quota of {facts.quota:g} of their time" if facts.quota else ""
    has = f"{said}; the BLAS uses {effective or 'a number it does not tell'}, on {_plural(facts.cpus, 'CPU')}{of_quota}"
    obeyed = next((variable for variable in variables if variable in asked), variables[0])
    if effective and effective > room:
        return Finding("error", "threads", f"too many threads: {has}", None, f"export {obeyed}={room}")
    greedy = [variable for variable, count in asked.items() if count and count > room]
    if greedy:
        mend = " ".join(["export", *(f"{variable}={room}" for variable in greedy)])
        return Finding("warning", "threads", f"more threads asked for than there is room for: {has}", None, mend)
    wanted = asked.get(obeyed)
    if effective and wanted and effective > wanted:
        mend = "python -v -c 'import numpy' 2>&1 | grep -i sitecustomize  # look for code that sets threads"
        return Finding("warning", "threads", f"more threads than were asked for: {has}", None, mend)
    return (Fine if effective else NotKnown)("threads", has)


def _count(said: str | None) -> int | None:
    """A number of threads as the variables give it (OpenMP takes one a nested level); None of anything else."""
    number = re.match(r"\s*([0-9]{1,9})\s*(,|$)", said or "")
    return int(number[1]) if number else None


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("s" if count != 1 else "")


def quota(facts: Facts) -> Verdict:
    """Whether a control group stops the process for a part of the time."""
    if facts.quota is not None and facts.quota < 1:
        seen = f"the control group allows {facts.quota:g} of one core: the process is stopped for the rest of the time"
        return Finding("warning", "quota", seen, None, "docker update --cpus=1 CONTAINER")
    return Fine("quota", "none" if facts.quota is None else f"{facts.quota:g} cores' worth of time")


# --- the machine ------------------------------------------------------------------------------------


def governor(facts: Facts) -> Verdict:
    """Whether the clock is left at its highest between calls."""
    name, why = facts.governor
    if name is None:
        return NotKnown("governor", why or "the system does not tell")
    if name == "performance":
        return Fine("governor", name)
    seen = f"the clock governor is {name}: the clock may be low when a call begins"
    return Finding("warning", "governor", seen, None, "sudo cpupower frequency-set --governor performance")


def power(facts: Facts) -> Verdict:
    """Whether the machine is on the mains."""
    supply, why = facts.power
    if supply == "battery":
        seen = "the machine runs on its battery: its clock is held down"
        return Finding("warning", "power", seen, None, "plug in the charger")
    return Fine("power", supply) if supply else NotKnown("power", why or "the system does not tell")


def clock(facts: Facts, measured: Measured) -> Verdict:
    """Whether the clock under load is the one that the CPU is sold with, or more."""
    ghz, (nominal, source) = measured.clock_ghz, facts.nominal_ghz
    if not ghz:
        return NotKnown("clock", measured.why_no_peak or "it was not measured")
    if not nominal:
        return NotKnown("clock", f"{ghz:.2f} GHz measured; the nominal clock is not known: {source}")
    seen = f"{ghz:.2f} GHz measured, {nominal:.2f} GHz nominal ({source})"
    if ghz >= THROTTLED * nominal:
        return Fine("clock", seen)
    mend = "sudo turbostat --quiet --interval 1  # watch clock, temperature and power limit: cool it, or let it rest"
    return Finding(
        "warning", "clock", f"throttled: {seen}", f"a factor of {nominal / ghz:.2f} to the nominal clock", mend
    )


def steal(measured: Measured) -> Verdict:
    """Whether the host ran other guests while this one wanted to run."""
    if measured.steal is None:
        return NotKnown("steal", "the system does not tell what a host takes")
    seen = f"the host took {measured.steal:.1%} of the CPU time meanwhile"
    if measured.steal <= MOST_STEAL:
        return Fine("steal", seen)
    mend = "vmstat 1  # wait until column st is 0, or move to a host that is less full"
    return Finding("warning", "steal", seen, f"a factor of {1 / max(1 - measured.steal, 0.01):.2f}", mend)


def load(facts: Facts) -> Verdict:
    """Whether so much else runs that a program here gets less than half of a core, whatever NumPy makes of it."""
    if facts.load is None:
        return NotKnown("load", "the system does not tell a load average")
    seen = f"a load of {facts.load:.2f} for each CPU before this began"
    if facts.load <= MOST_LOAD:
        return Fine("load", seen)
    mend = "top  # see what runs, and ask again when it is over"
    return Finding("warning", "load", f"{seen}: a program gets less than half of a core", None, mend)
