"""Is this NumPy healthy? The checks, from what is known and measured to what is wrong (pure)."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal

from labkit.doctor.facts import DISABLED_FEATURES, Facts, Fix, Measured
from labkit.machine.blas import CORE_TYPE, KERNEL_CLASSES, NO_BLAS, UNKNOWN, KernelClass, best_class, kernel_class
from labkit.machine.threads import ALL_THREAD_VARIABLES, VARIABLES_OF

# A BLAS written for its CPU reaches 75 to 95 % of the peak at N = 1024, one of a lower class less than half.
LEAST_FRACTION = 0.5
# If the peak is unknown: GFLOPS that a product without a BLAS stays below by ten times, and one with it seldom.
LEAST_GFLOPS = 10.0
LEAST_FACTOR = 1.05  # a smaller one is within the noise of three rounds on a machine that others use too
THROTTLED = 0.95  # of the nominal clock; the probe reads a steady one to 1 %
MOST_STEAL = 0.03  # of the CPU time wanted; a quiet guest loses less than 1 %
MOST_LOAD = 1.0  # runnable processes per CPU: above it some wait for one
REINSTALL = "python -m pip install --force-reinstall --only-binary numpy numpy"
UPGRADE = "python -m pip install --upgrade --only-binary numpy numpy"
_PLAIN_BLAS = ("netlib", "reference", "blas", "cblas", "refblas")


@dataclass
class Result:
    """What one check says; an error or a warning has the command that fixes it, and what it costs if measured."""

    state: Literal["error", "warning", "fine", "unknown"]
    seen: str
    mend: str = ""
    cost: str | None = None
    check: str = ""  # its name in CHECKS


def results(facts: Facts, measured: Measured) -> list[Result]:
    """Every check's result."""
    return [replace(check(facts, measured), check=check.__name__) for check in CHECKS]


def findings(of: Iterable[Result]) -> list[Result]:
    """The errors and warnings among the results."""
    return [result for result in of if result.state in ("error", "warning")]


def preflight(facts: Facts) -> list[Result]:
    """What is wrong before anything is measured, and would be in every number of a run. Nothing is timed."""
    return [found for found in findings(results(facts, Measured())) if found.check in PREFLIGHT]


def library(facts: Facts, measured: Measured) -> Result:
    """Whether there is a BLAS, and one that is written for speed."""
    named = f"{facts.blas.library} {facts.blas.version or ''}".strip()
    if facts.blas.library == NO_BLAS:
        return Result("error", "NumPy was built without a BLAS: np.matmul is a plain loop", REINSTALL)
    if facts.blas.library == UNKNOWN:
        return Result("unknown", "neither NumPy nor the libraries it has loaded name the BLAS")
    # The name alone may be that of an interface with a faster library behind it.
    if facts.blas.library in _PLAIN_BLAS and findings([speed(facts, measured)]):
        return Result("error", f"{named} is the reference BLAS, not optimised for any CPU", REINSTALL)
    return Result("fine", named)


def speed(facts: Facts, measured: Measured) -> Result:
    """Whether np.matmul reaches the fraction of peak that a BLAS reaches."""
    rate, peak = measured.gflops, measured.peak_gflops
    seen = f"{rate:.3g} GFLOPS in np.matmul at N = {measured.n}, one thread"
    if not peak:
        if rate < LEAST_GFLOPS:
            return Result("warning", f"{seen}: too slow for a BLAS", REINSTALL)
        return Result("unknown", f"{seen}; the peak is unknown: {measured.why_no_peak}")
    seen = f"{seen}: {rate / peak:.0%} of the core's peak of {peak:.3g}"
    if rate / peak >= LEAST_FRACTION:
        return Result("fine", seen)
    mend = kernel(facts, measured).mend or (UPGRADE if facts.blas.kernel else REINSTALL)
    return Result("error", seen, mend, f"a factor of {peak / rate:.3g} to the measured peak")


def features(facts: Facts, _: Measured) -> Result:
    disabled = facts.environment.get(DISABLED_FEATURES, "").strip()
    if not disabled:
        return Result("fine", "NumPy may use every CPU feature")
    seen = f"{DISABLED_FEATURES} is set: NumPy's own loops, such as np.einsum's, do not use {disabled}"
    return Result("warning", seen, f"unset {DISABLED_FEATURES}")


def fix_for(facts: Facts) -> tuple[str, str] | None:
    """(the command that would fix the kernel, the core type it leaves, "" for none); None if there is no need."""
    better = _better_class(facts)
    if facts.blas.library == "openblas" and CORE_TYPE in facts.environment:
        return f"unset {CORE_TYPE}", ""
    if facts.blas.library == "openblas" and better:
        return f"export {CORE_TYPE}={better.core_type}", better.core_type
    return None


def kernel(facts: Facts, measured: Measured) -> Result:
    """Whether the BLAS uses the kernel that this CPU could use, and with a measured fix what its own one costs."""
    name, asked, better, fix = facts.blas.kernel, facts.environment.get(CORE_TYPE), _better_class(facts), measured.fix
    if facts.blas.library != "openblas" or not name:
        return Result("unknown", "the library does not name its kernel")
    own, could = _with_class(name), f", this CPU could use {better.core_type} ({better.name})" if better else ""
    uses, stray = f"the BLAS uses its {own} kernel", f"{CORE_TYPE}={asked} is set"
    if fix and fix.kernel and fix.kernel.lower() != name.lower():
        factor, cost, other = median(fix.factors), f"a factor of {_times(fix)}", _with_class(fix.kernel)
        if asked is None:
            if factor < LEAST_FACTOR:
                return Result("fine", f"{own}{could}: tried, and not faster ({_times(fix)})")
            seen = f"the BLAS does not know this CPU: it uses its {own} kernel{could}"
            return Result("error", seen, fix.command, cost)
        gains = factor < 1 / LEAST_FACTOR
        if not better and (gains or (factor < LEAST_FACTOR and _rank(name) > _rank(fix.kernel))):
            return Result("fine", f"{own}, asked for by {CORE_TYPE}={asked}; without it the BLAS uses {other}")
        seen = f"{stray}: {uses}, and {other} without it"
        if factor >= LEAST_FACTOR:
            return Result("error", seen, fix.command, cost)
        return Result("warning", seen, fix.command, f"{'none, it gains' if gains else 'nothing measurable'}: {cost}")
    if better and asked is not None and not fix:
        return Result("warning", f"{stray}: {uses}{could}", f"unset {CORE_TYPE}")
    if better:
        why = "it was built without dynamic kernels, or is older than this CPU"
        return Result("warning", f"{uses}{could}: {why}", UPGRADE)
    return Result("fine", own if asked is None else f"{own}; {stray} and changes nothing")


def _better_class(facts: Facts) -> KernelClass | None:
    """The class that this CPU could use if the BLAS uses a lower one; None if not, or if either is unknown."""
    own, best = kernel_class(facts.blas.kernel), best_class(facts.flags)
    return best if own and best and KERNEL_CLASSES.index(own) < KERNEL_CLASSES.index(best) else None


def _rank(kernel: str) -> int:
    known = kernel_class(kernel)
    return KERNEL_CLASSES.index(known) if known else 0


def _with_class(kernel: str) -> str:
    known = kernel_class(kernel)
    return f"{kernel} ({known.name})" if known else kernel


def _times(fix: Fix) -> str:
    """`5.12 in np.matmul (median of 3 pairs of processes, 5.08 to 5.20)`."""
    pairs = fix.factors
    spread = f"median of {len(pairs)} pairs of processes, {min(pairs):.2f} to {max(pairs):.2f}"
    return f"{median(pairs):.2f} in np.matmul ({spread if len(pairs) > 1 else 'one pair of processes'})"


def threads(facts: Facts, _: Measured) -> Result:
    """Whether more threads are asked for, or run, than there are CPUs and CPU time for."""
    effective, cpus = facts.blas.threads, facts.cpus
    asked = {}
    for name in ALL_THREAD_VARIABLES:  # OpenMP takes one number per nested level; what is no number asks for nothing
        count = re.match(r"\s*0*([1-9][0-9]{0,8})\s*(,|$)", facts.environment.get(name, ""))
        if count:
            asked[name] = int(count[1])
    variables = VARIABLES_OF.get(facts.blas.library, ALL_THREAD_VARIABLES)
    obeyed = next((name for name in variables if name in asked), variables[0])
    room = min(cpus, math.ceil(facts.quota)) if facts.quota else cpus
    greedy = [name for name, count in asked.items() if count > room]

    settings = ", ".join(f"{name}={count}" for name, count in asked.items()) or "no variable asks for a number"
    has = f"{settings}; the BLAS uses {effective or 'an unknown number'}, on {cpus} CPU{'s' if cpus != 1 else ''}"
    has += f" and a quota of {facts.quota:g} of their time" if facts.quota else ""
    if effective and effective > room:
        return Result("error", f"too many threads: {has}", f"export {obeyed}={room}")
    if greedy:
        mend = " ".join(["export", *(f"{name}={room}" for name in greedy)])
        return Result("warning", f"more threads asked for than there is room for: {has}", mend)
    if effective and effective > asked.get(obeyed, effective):
        mend = "python -v -c 'import numpy' 2>&1 | grep -i sitecustomize  # look for code that sets threads"
        return Result("warning", f"more threads than were asked for: {has}", mend)
    return Result("fine" if effective else "unknown", has)


def quota(facts: Facts, _: Measured) -> Result:
    if facts.quota is not None and facts.quota < 1:
        seen = f"the control group allows {facts.quota:g} of one core: the process is stopped for the rest of the time"
        return Result("warning", seen, "docker update --cpus=1 CONTAINER")
    return Result("fine", "none" if facts.quota is None else f"{facts.quota:g} cores' worth of time")


def governor(facts: Facts, _: Measured) -> Result:
    name, why = facts.governor
    if name is None or name == "performance":
        return Result("fine", name) if name else Result("unknown", str(why))
    seen = f"the clock governor is {name}: the clock may be low when a call begins"
    return Result("warning", seen, "sudo cpupower frequency-set --governor performance")


def power(facts: Facts, _: Measured) -> Result:
    supply, why = facts.power
    if supply == "battery":
        return Result("warning", "the machine runs on its battery: its clock is held down", "plug in the charger")
    return Result("fine", supply) if supply else Result("unknown", str(why))


def clock(facts: Facts, measured: Measured) -> Result:
    ghz, (nominal, source) = measured.clock_ghz, facts.nominal_ghz
    if not ghz:
        return Result("unknown", measured.why_no_peak)
    if not nominal:
        return Result("unknown", f"{ghz:.2f} GHz measured; the nominal clock is unknown: {source}")
    seen = f"{ghz:.2f} GHz measured, {nominal:.2f} GHz nominal ({source})"
    if ghz >= THROTTLED * nominal:
        return Result("fine", seen)
    mend = "sudo turbostat --quiet --interval 1  # watch clock, temperature and power limit: cool it, or let it rest"
    return Result("warning", f"throttled: {seen}", mend, f"a factor of {nominal / ghz:.2f} to the nominal clock")


def steal(_: Facts, measured: Measured) -> Result:
    if measured.steal is None:
        return Result("unknown", "the system does not count the time that a host takes")
    seen = f"the host took {measured.steal:.1%} of the CPU time meanwhile"
    if measured.steal <= MOST_STEAL:
        return Result("fine", seen)
    mend = "vmstat 1  # wait until column st is 0, or move to a host that is less full"
    return Result("warning", seen, mend, f"a factor of {1 / max(1 - measured.steal, 0.01):.2f}")


def load(facts: Facts, _: Measured) -> Result:
    if facts.load is None:
        return Result("unknown", "the system does not tell a load average")
    seen = f"a load of {facts.load:.2f} per CPU before this began"
    if facts.load <= MOST_LOAD:
        return Result("fine", seen)
    seen += ": more programs want to run than there are CPUs"
    return Result("warning", seen, "top  # see what runs, ask again later")


CHECKS = (library, kernel, speed, features, threads, quota, governor, power, clock, steal, load)
PREFLIGHT = ("kernel", "features", "quota", "governor", "power")
