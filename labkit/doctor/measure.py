"""np.matmul timed as it is and as it would be fixed, and the peak beside it, each in a process of its own.

They take turns in rounds, so that what the machine does meanwhile affects all of them alike.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from statistics import median
from time import monotonic
from typing import Any

from labkit.doctor import probe
from labkit.doctor.facts import FEATURES, LIMITS, OF_LIBRARY, Facts, Fix, Measured, Threads
from labkit.doctor.of_numpy import fix_for
from labkit.doctor.of_threads import asked_threads, obeyed, room
from labkit.doctor.probe import REPOSITORY, Ran, Task, positive
from labkit.doctor.turns import LARGE, SMALL, Setting, on_cpus, take_turns
from labkit.errors import UserError
from labkit.machine.blas import CORE_TYPE, KERNEL_CLASSES, best_class
from labkit.machine.cpus import allowed_cpus
from labkit.machine.system import ROOT, cpu_ticks, text
from labkit.machine.threads import ALL_THREAD_VARIABLES

ROUNDS = 3  # the fewest with a median that one disturbed round does not move
RATES: Task = ("rates", 0.4)  # seconds; some 9 products on a core with AVX-512
PRODUCTS: Task = ("products", 0.6)  # seconds of processor time, once as it is and once in one thread
BUDGET_SECONDS, THOROUGH_SECONDS = 8.5, 22.0  # for the rounds; the core is watched after them
CORE_SECONDS, THOROUGH_CORE_SECONDS, LEAST_CORE_SECONDS = 5.0, 30.0, 1.5
ALL_SECONDS, THOROUGH_ALL_SECONDS = 15.0, 53.0  # where others take most of the machine, the core is watched for less
TURNS_SECONDS = 3.5  # for threads in turns; a quiet machine needs three
LEAST_SECONDS = 3.0  # that a process gets by the clock; its work takes one
# No round begins later.
LAST_START_SECONDS = 5.0
PEAK_PATIENCE_SECONDS = 3.0  # of processor time; the probe takes 0.8 s
# These say where the examined Python finds its packages; another Python must not look there.
FOREIGN = ("PYTHONPATH", "PYTHONHOME")
# Of the classes of kernels, those worth a try beside the chosen one: the two fastest that the CPU can run.
KERNELS_TRIED = {"AVX2": ("Haswell", "Zen"), "AVX-512": ("SkylakeX", "Cooperlake", "Sapphirerapids")}


class Rounds:
    """The processes of one measurement: which Python, which environment, and how much time is left for them."""

    def __init__(self, known: Facts, environment: Mapping[str, str], python: str, budget: float) -> None:
        self.known, self.python, self.environment = known, python, dict(environment)
        self.one_thread = {**environment, **dict.fromkeys(ALL_THREAD_VARIABLES, "1")}
        self._ends = monotonic() + budget

    @property
    def left(self) -> float:
        """Seconds."""
        return self._ends - monotonic()

    def run(self, environment: Mapping[str, str], *tasks: Task, seconds: float = probe.PATIENCE_SECONDS) -> Ran:
        """Do the tasks in a process with this environment, within what is left."""
        return probe.examine(environment, tasks, self.python, seconds, max(LEAST_SECONDS, self.left))

    def trial(self, change: Mapping[str, str | None], beside: Mapping[str, Any], key: str) -> tuple[Ran, float] | None:
        """(what a process with these variables said, how much faster it was in `key` than what is beside)."""
        changed = {name: value for name, value in {**self.one_thread, **change}.items() if value is not None}
        ran = self.run(changed, ("look",), RATES)
        try:
            return ran, positive(ran.answers["rates"][key]) / positive(beside[key])
        except (KeyError, TypeError, ValueError):  # such as a kernel that this CPU cannot run after all
            return None


def measure(
    known: Facts,
    environment: Mapping[str, str] = os.environ,
    python: str = sys.executable,
    thorough: bool = False,
    calls: bool = False,
    cpus: frozenset[int] | None = None,
) -> Measured:
    """All that is measured, reduced; what fails stays unknown, and takes nothing else with it.

    `cpus` are the user's own, if this process has kept to some of them.
    """
    rounds = Rounds(known, environment, python, THOROUGH_SECONDS if thorough else BUDGET_SECONDS)
    ends = monotonic() + (THOROUGH_ALL_SECONDS if thorough else ALL_SECONDS)
    found = Measured()
    before = cpu_ticks(text(ROOT / "proc/stat") or "")
    # The limit is of the time of all threads together, which wait for one another at full speed.
    at_once = max(1, min(known.blas.threads or 1, len(cpus or allowed_cpus())))
    as_it_is = Ran("", "", known.hangs)
    if not known.hangs:
        with on_cpus(cpus):
            as_it_is = rounds.run(rounds.environment, PRODUCTS, seconds=at_once * probe.PATIENCE_SECONDS)
    found.died = as_it_is.died
    found.products = as_it_is.answers.get("products")
    one = _in_rounds(rounds, found)
    found.threads = None if known.hangs else _threads(rounds, cpus)
    if thorough:
        found.faster = _faster(rounds, one)
    found.steal = steal_between(before, cpu_ticks(text(ROOT / "proc/stat") or ""))
    alone = max(LEAST_CORE_SECONDS, min(THOROUGH_CORE_SECONDS if thorough else CORE_SECONDS, ends - monotonic()))
    tasks: list[Task] = [("core", alone, 1.0), *([("calls",)] if calls else [])]
    ran = probe.examine(rounds.one_thread, tasks, python, alone + 3, alone + 8)
    found.core, found.calls = ran.answers.get("core"), ran.answers.get("calls")
    return found


def _in_rounds(rounds: Rounds, found: Measured) -> dict[str, Any]:
    """One thread as it is, without what may be wrong, and the peak, in turns. The best rates as it is."""
    fix, stray = fix_for(rounds.known), list(_stray(rounds.known))
    pythons, found.why_no_peak = pythons_with_llvm(), "run `make doctor` in the repository once to have it measured"
    bare = {name: value for name, value in rounds.one_thread.items() if name != CORE_TYPE}
    best: dict[str, Any] = {}
    peaks: list[tuple[float, float]] = []
    busy: list[float] = []
    started = monotonic()
    for number in range(ROUNDS):
        if number and (monotonic() - started > LAST_START_SECONDS or rounds.left < LAST_START_SECONDS):
            break
        ran = rounds.run(rounds.one_thread, RATES, *([PRODUCTS] if number == 0 else []))
        mine = ran.answers.get("rates")
        if number == 0:
            _add(found, ran)
        if not mine:
            found.died = found.died or ran.died
            break
        busy.append(mine["busy"])
        if (mine["n"], mine["float32"]) > (best.get("n", 0), best.get("float32", 0.0)):
            best = {**mine, "float64": max(mine.get("float64", 0.0), best.get("float64", 0.0))}
        if fix:
            tried = rounds.trial({CORE_TYPE: fix[1] or None}, mine, "float32")
            if tried:
                kernel = tried[0].answers["look"]["blas"]["kernel"]
                found.fix = found.fix or Fix(fix[0], kernel, [])
                found.fix.factors.append(tried[1])
            else:
                fix = None
        for name in list(stray):
            tried = rounds.trial({name: None}, mine, "einsum" if name in FEATURES else "float32")
            if tried:
                without = found.stray.setdefault(name, Fix(f"unset {name}", None, []))
                without.factors.append(tried[1])
                without.features = tried[0].answers["look"]["features"]
            else:
                stray.remove(name)
        while pythons:
            try:
                peaks.append(_peak(pythons[0], bare, rounds.left))
                break
            except UserError as error:  # a Python that fails is not tried again
                found.why_no_peak = f"the probe of the peak {error}"
                del pythons[0]
    found.n, found.gflops = int(best.get("n", 0)), float(best.get("float32", 0.0))
    found.double_gflops = float(best.get("float64", 0.0))
    found.busy = max(busy, default=None)
    found.peak_gflops = max((gflops for gflops, _ in peaks), default=None)
    found.clock_ghz = max((ghz for _, ghz in peaks), default=None)
    return best


def _add(found: Measured, ran: Ran) -> None:
    """The products of one thread beside those as it is."""
    told, before = ran.answers.get("products"), found.products
    if told and before:
        wrong = [*before["wrong"], *(f"{said}, with one thread" for said in told["wrong"])]
        told = {"tried": before["tried"] + told["tried"], "wrong": wrong}
    found.products = told or before


def _stray(known: Facts) -> Iterator[str]:
    """The variables that are set and may slow something, without CORE_TYPE."""
    library = known.blas.library.partition(" ")[0]
    yield from (name for name in (*OF_LIBRARY.get(library, ()), *FEATURES) if name in known.environment)


def _threads(rounds: Rounds, cpus: frozenset[int] | None) -> Threads | None:
    """The user's number of threads beside one, and beside a number that may be better, by wall time in turns."""
    known = rounds.known
    if not known.blas.threads or known.threading == "serial":
        return None
    settings = [Setting(rounds.one_thread), *([Setting(rounds.environment, cpus)] if known.blas.threads > 1 else [])]
    better, command = _better_number(known), ""
    if known.to_be_had and known.blas.threads <= room(known):
        better, command = known.to_be_had, f"taskset -pc 0-{known.online - 1} $$"
        settings.append(Setting(rounds.environment, frozenset(range(known.online))))
    elif better:
        # What this build obeys is found out by trying: a variable that is set, the others, or to unset what limits it.
        tries = [(f"export {name}={better}", {name: str(better)}) for name in obeyed(known)]
        tries.sort(key=lambda pair: not asked_threads(known).keys() & pair[1].keys())
        tries += [(f"unset {name}", {name: ""}) for name in LIMITS if name in known.environment]
        for tried, change in tries:
            changed = {name: value for name, value in {**rounds.environment, **change}.items() if value}
            with on_cpus(cpus):
                look = rounds.run(changed, ("look",)).answers.get("look")
            if look and look["blas"]["threads"] == better:
                settings.append(Setting(changed, cpus))
                command = tried
                break
    turns, rivals = take_turns(settings, rounds.python, max(1.5, min(TURNS_SECONDS, rounds.left)))
    # More threads than CPUs wait for one another however free the machine is, so that their best turn is luck.
    reduce = median if known.blas.threads > room(known) else min
    one, *other = [{n: (reduce if n in LARGE else min)(seconds) for n, seconds in mine.items()} for mine in turns]
    own = other.pop(0) if known.blas.threads > 1 else one
    sizes = set(LARGE).intersection(one, own, *other)
    if not sizes or len(settings) == 1:
        return None
    slow, fast = (own, other[0]) if other else (one, own)
    n = max(sizes, key=lambda n: slow[n] / fast[n])
    gain = own[n] / other[0][n] if other else None
    used = known.blas.threads  # a larger factor than there are threads is other programs', who slowed one thread
    if gain and better and better > used:
        gain = min(gain, better / used)
    return Threads(n, min(one[n] / own[n], used), one[SMALL] / own[SMALL], better, command, gain, rivals)


def _better_number(known: Facts) -> int | None:
    """A number of threads that may be better than the one in use."""
    effective, most = known.blas.threads, room(known)
    if effective is None or effective > most or (effective == 1 and most > 1):
        return most if effective else None
    if known.physical and effective > known.physical and known.cpus == known.online:
        return known.physical
    return None


def _faster(rounds: Rounds, one: Mapping[str, Any]) -> Fix | None:
    """The fastest of OpenBLAS's other kernels that this CPU can run, in pairs with the chosen one."""
    known, best = rounds.known, best_class(rounds.known.flags)
    if known.blas.library != "openblas" or not best or not one or CORE_TYPE in known.environment:
        return None
    found: dict[str, Fix] = {}
    classes = KERNEL_CLASSES[: KERNEL_CLASSES.index(best) + 1]
    names = [name for kind in classes for name in KERNELS_TRIED.get(kind.name, ())]
    for _ in range(ROUNDS):
        mine = rounds.run(rounds.one_thread, RATES).answers.get("rates", one)
        for name in names:
            tried = rounds.trial({CORE_TYPE: name}, mine, "float32")
            kernel = tried[0].answers["look"]["blas"]["kernel"] if tried else None
            if tried and kernel and kernel != known.blas.kernel:
                found.setdefault(name, Fix(f"export {CORE_TYPE}={name}", kernel, [])).factors.append(tried[1])
    full = [fix for fix in found.values() if len(fix.factors) == ROUNDS]
    return max(full, key=lambda fix: median(fix.factors), default=None)


def steal_between(before: list[int] | None, after: list[int] | None) -> float | None:
    """The fraction of the CPU time wanted between two readings of `cpu_ticks` that the host took; None if unknown."""
    if before is None or after is None:
        return None
    spent = [after[i] - before[i] for i in range(8)]
    wanted = sum(spent) - spent[3] - spent[4]  # without idle and iowait
    return max(0.0, spent[7] / wanted) if wanted > 0 else None


def pythons_with_llvm() -> list[str]:
    """Who may measure the peak: this Python if it has LLVM, and the repository's own."""
    if not REPOSITORY.is_dir():  # one file, without the loop
        return []
    found = [sys.executable] if find_spec("llvmlite") and find_spec("labkit.roofline") else []
    own = [str(REPOSITORY / ".venv" / place) for place in ("bin/python", "Scripts/python.exe")]
    return list(dict.fromkeys(found + [python for python in own if os.access(python, os.X_OK)]))


def _peak(python: str, environment: Mapping[str, str], left: float) -> tuple[float, float]:
    """(GFLOPS, GHz) of one core at its peak; a UserError if the command does not tell."""
    kept = {name: value for name, value in environment.items() if python == sys.executable or name not in FOREIGN}
    if REPOSITORY.name not in ("site-packages", "dist-packages"):  # else it finds labkit anyway
        kept["PYTHONPATH"] = os.pathsep.join([*filter(None, [kept.get("PYTHONPATH")]), str(REPOSITORY)])
    ran = probe.run(
        [python, "-P", "-m", "labkit", "roofline", "--probe"], kept, PEAK_PATIENCE_SECONDS, max(LEAST_SECONDS, left)
    )
    try:
        found = probe.last_object(ran.out)
        return positive(found["fp32_fma_gflops"]), positive(found["clock_ghz"])
    except (KeyError, TypeError, ValueError):
        raise UserError(ran.died or "printed nonsense") from None
