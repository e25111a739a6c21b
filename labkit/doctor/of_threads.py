"""The check of the number of threads, from what is known and measured to what is wrong (pure)."""

from __future__ import annotations

import math
import re

from labkit.doctor.facts import LIMITS, Facts, Measured
from labkit.doctor.install import THREADED, install
from labkit.doctor.of_numpy import FATAL, library
from labkit.doctor.reasons import FOR_NO_THREADS, NO_THREADS
from labkit.doctor.result import LEAST_FACTOR, Result, State, findings
from labkit.machine.threads import ALL_THREAD_VARIABLES, VARIABLES_OF

# A call with threads that is slower than this over one thread is one that they cost.
LEAST_SLOWDOWN = 1.3
FEW_RIVALS = 0.15  # CPUs that other programs use: more, and they may be what slows threads
# What all CPUs must gain before one thread is called too few.
LEAST_GAIN = 1.15


def obeyed(facts: Facts) -> tuple[str, ...]:
    """The variables that set this library's number of threads, the first that is set before the others."""
    if facts.threading == "serial":
        return ()
    names = VARIABLES_OF.get(facts.blas.library, ALL_THREAD_VARIABLES)
    if facts.blas.library == "openblas" and facts.threading == "openmp":
        names = ("OMP_NUM_THREADS",)  # older builds ignore the others, and newer ones obey this one too
    return names


def asked_threads(facts: Facts) -> dict[str, int]:
    """The numbers of threads that variables ask for."""
    asked = {}
    for name in ALL_THREAD_VARIABLES:  # OpenMP takes one number per nested level; what is no number asks for nothing
        count = re.match(r"\s*0*([1-9][0-9]{0,8})\s*(,|$)", facts.environment.get(name, ""))
        if count:
            asked[name] = int(count[1])
    return asked


def variable_of(facts: Facts) -> str:
    """The variable that sets this library's number of threads: one that is set, else the first that it obeys."""
    names = obeyed(facts) or ("OMP_NUM_THREADS",)
    return next((name for name in names if name in facts.environment), names[0])


def room(facts: Facts) -> int:
    """How many threads there are CPUs and CPU time for."""
    return min(facts.cpus, math.ceil(facts.quota)) if facts.quota else facts.cpus


def threads(facts: Facts, measured: Measured) -> Result:
    """Whether there are more threads than CPUs and CPU time for, or too few, or such as cost more than they gain."""
    effective, cpus, most, asked = facts.blas.threads, facts.cpus, room(facts), asked_threads(facts)
    names, timed = obeyed(facts), measured.threads
    variable = variable_of(facts) if names else None

    settings = ", ".join(f"{name}={count}" for name, count in asked.items()) or "no variable asks for a number"
    has = f"{settings}; the BLAS uses {effective or 'an unknown number'}, on {cpus} CPU{'s' if cpus != 1 else ''}"
    has += f" of {facts.online}" if facts.online > cpus else ""
    has += f" and a quota of {facts.quota:g} of their time" if facts.quota else ""
    if facts.no_threads or NO_THREADS in measured.died:
        return Result("error", f"{NO_THREADS}; {has}", FOR_NO_THREADS, measured.died or None)
    limits = [name for name in LIMITS if name in facts.environment]
    died = facts.hangs or (measured.died if FATAL.match(measured.died) else "")
    if died and measured.gflops and (effective or 0) <= most:
        seen = f"with one thread np.matmul works, and as it is set the process {died}: {has}"
        return Result("error", seen, f"unset {' '.join(limits)}" if limits else f"export {variable_of(facts)}=1")
    if facts.pinned_to:
        seen = f"importing NumPy pins this process to {facts.pinned_to} of {cpus} CPUs"
        named = "OMP_PROC_BIND" if "OMP_PROC_BIND" in facts.environment else "OPENBLAS_MAIN_FREE"
        return Result("error", seen, f"unset {named}" if named == "OMP_PROC_BIND" else f"export {named}=1")
    if effective and effective > most and asked.get(variable or "") != most:  # else code sets them, see below
        mend = timed.command if timed and timed.command else f"export {variable}={most}"
        cost = None
        if timed and timed.gain:
            cost = f"a factor of {timed.gain:.2f} at N = {timed.n}, with {timed.other}; at N = 100 they are "
            cost += (
                f"{1 / timed.small:.3g} times slower than one"
                if timed.small < 1 / LEAST_SLOWDOWN
                else "no slower than one"
            )
        return Result("error", f"too many threads: {has}", mend, cost)
    if facts.to_be_had and timed and (timed.gain or 0.0) >= LEAST_GAIN:
        seen = f"the affinity of this process leaves it {cpus} of {facts.to_be_had} CPUs: {has}"
        cost = f"a factor of {timed.gain:.2f} at N = {timed.n}, with {timed.other} threads"
        return Result("warning", seen, f"{timed.command}  # or start it without taskset or numactl", cost)
    greedy = [name for name, count in asked.items() if count > most]
    if greedy and facts.threading != "serial":
        mend = " ".join(["export", *(f"{name}={most}" for name in greedy)])
        return Result("warning", f"more threads asked for than there is room for: {has}", mend)
    if effective and variable and effective > asked.get(variable, effective):
        mend = "python -v -c 'import numpy' 2>&1 | grep -i sitecustomize  # look for code that sets threads"
        return Result("warning", f"more threads than were asked for: {has}", mend)
    return _by_timing(facts, measured, has)


def _by_timing(facts: Facts, measured: Measured, has: str) -> Result:
    """What the timing says of a number of threads for which there is room."""
    timed, effective = measured.threads, facts.blas.threads
    state: State = "fine" if effective else "unknown"
    if findings([library(facts, measured)]):  # one cause is one finding
        return Result(state, has)
    if effective == 1 and room(facts) > 1 and facts.threading == "serial":
        mend = THREADED if facts.install["kind"] == "debian" else install(facts)
        seen = f"one thread is used of {room(facts)} CPUs: the library was built without threads"
        return Result("warning", seen, mend)
    if not timed or not effective:
        return Result(state, has)
    gain, cost = timed.gain or 0.0, f"a factor of {timed.gain or 0.0:.2f} at N = {timed.n}, with {timed.other} threads"
    if gain >= LEAST_GAIN and (timed.other or 0) > effective:
        seen = f"{effective} thread{'s are' if effective > 1 else ' is'} used of {room(facts)} CPUs: {has}"
        return Result("warning", seen, timed.command, cost)
    alone = timed.rivals is None or timed.rivals < FEW_RIVALS or timed.rivals + effective <= facts.online
    unjudged = Result(state, f"{has}; not judged by timing, as other programs use {timed.rivals or 0.0:.1f} CPUs")
    if effective == 1:
        return Result(state, has) if alone or not timed.other else unjudged
    by = f"{has}: {timed.large:.2f} times as fast as one at N = {timed.n}, {timed.small:.2f} times at N = 100"
    if gain >= LEAST_FACTOR and (timed.other or effective) < effective and alone:
        return Result("warning", f"{effective} threads share {timed.other} cores: {has}", timed.command, cost)
    if timed.small < 1 / LEAST_SLOWDOWN and alone:
        seen = f"{effective} threads make N = 100 {1 / timed.small:.1f} times slower here; {by}"
        mend = f"export {variable_of(facts)}=1  # if your matrices are small"
        return Result("warning", seen, mend, f"a factor of {1 / timed.small:.2f} at N = 100")
    if timed.large < LEAST_FACTOR and not alone:
        return unjudged
    if timed.large < LEAST_FACTOR:
        mend = f"export {variable_of(facts)}=1  # or look what holds them back: taskset -cp $$"
        return Result("warning", f"{effective} threads are no faster than one: {by}", mend)
    return Result(state, by)
