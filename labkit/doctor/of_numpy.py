"""The checks of NumPy and its BLAS, from what is known and measured to what is wrong (pure)."""

from __future__ import annotations

import re
from statistics import median

from labkit.doctor.facts import FEATURES, OF_LIBRARY, Facts, Measured
from labkit.doctor.install import install, unset
from labkit.doctor.reasons import why_broken
from labkit.doctor.result import LEAST_FACTOR, Result, State, findings, times
from labkit.machine.blas import (
    CORE_TYPE,
    KERNEL_CLASSES,
    MATRIX_UNIT,
    NO_BLAS,
    UNKNOWN,
    KernelClass,
    best_class,
    has_matrix_unit,
    kernel_class,
)

# A BLAS written for its CPU reaches 75 to 95 % of the peak at N = 1024, one of a lower class less than half.
LEAST_FRACTION = 0.5
# If the peak is unknown: GFLOPS that a product without a BLAS stays below by ten times, and one with it seldom.
LEAST_GFLOPS, LEAST_N = 10.0, 256
DOUBLE = 2.0  # a vector holds half as many numbers of fp64 as of fp32: half the peak
FATAL = re.compile("was ended by|hung|ended with|used")  # not one that others kept from its time
_PLAIN_BLAS = ("netlib", "reference", "blas", "cblas", "refblas")


def imported(facts: Facts, _: Measured) -> Result:
    """Whether NumPy can be imported, from the current folder too."""
    if facts.broken:
        return Result("error", *why_broken(facts))
    if facts.hides:
        seen = f"{facts.hides} in the current folder hides another module: from here NumPy cannot be imported"
        return Result("error", seen, f"mv {facts.hides} my_{facts.hides}")
    return Result("fine", f"NumPy {facts.numpy}".strip())


def product(facts: Facts, measured: Measured) -> Result:
    """Whether np.matmul is right."""
    told = measured.products
    if not told:
        return Result("unknown", "no product was checked" + (f": the process {measured.died}" if measured.died else ""))
    if told["wrong"]:
        more = f" (and {len(told['wrong']) - 1} more kinds)" if len(told["wrong"]) > 1 else ""
        mend = unset(facts, CORE_TYPE, "LD_PRELOAD", again=False)
        return Result("error", f"wrong products: {told['wrong'][0]}{more}", mend, "results that are wrong")
    return Result("fine", f"{told['tried']} products of many shapes are right")


def library(facts: Facts, measured: Measured) -> Result:
    """Whether there is a BLAS, and one that is written for speed."""
    named = f"{facts.blas.library} {facts.blas.version or ''}".strip()
    if facts.blas.library == NO_BLAS:
        return Result("error", "NumPy was built without a BLAS: np.matmul is a plain loop", install(facts))
    if facts.blas.library == UNKNOWN:
        return Result("unknown", "neither NumPy nor the libraries it has loaded name the BLAS")
    # The name alone may be that of an interface with a faster library behind it.
    if facts.blas.library in _PLAIN_BLAS and findings([speed(facts, measured)]):
        return Result("error", f"{named} is the reference BLAS, not optimised for any CPU", install(facts))
    if facts.blas.library == "atlas" and findings([speed(facts, measured)]):
        return Result("error", f"{named} was tuned on another CPU when it was built", install(facts))
    return Result("fine", f"{named} ({facts.threading})" if facts.threading else named)


def others(facts: Facts, _: Measured) -> Result:
    """Whether another library stands in front of NumPy's own, or starts threads beside it."""
    if len(set(facts.openmp)) > 1:
        names = " and ".join(sorted(set(facts.openmp)))
        seen = f"{names} are loaded: each OpenMP runtime starts its own threads, and together they may hang"
        gnu = facts.blas.library == "mkl" and "libgomp" in facts.openmp
        mend = "export MKL_THREADING_LAYER=GNU" if gnu else "export OMP_NUM_THREADS=1"
        mend = "unset LD_PRELOAD" if "LD_PRELOAD" in facts.environment else mend
        return Result("warning", seen, mend)
    if facts.preloaded and "LD_PRELOAD" in facts.environment:
        seen = f"{facts.blas} is preloaded, and takes the place of the library that NumPy came with"
        return Result("warning", seen, "unset LD_PRELOAD")
    if facts.others:
        return Result("fine", f"NumPy calls {facts.blas}; also loaded, with threads of their own: {facts.others}")
    return Result("fine", "no other BLAS is loaded with NumPy")


def speed(facts: Facts, measured: Measured) -> Result:
    """Whether np.matmul reaches the fraction of peak that a BLAS reaches."""
    rate, peak = measured.gflops, measured.peak_gflops
    if not rate:
        seen = f"np.matmul was not timed: the process {measured.died or 'was not run'}"
        if FATAL.match(measured.died):
            return Result("error", seen, unset(facts, CORE_TYPE, "LD_PRELOAD", again=False))
        return Result("unknown", seen)
    seen = f"{rate:.3g} GFLOPS in np.matmul at N = {measured.n}, one thread"
    if not peak:
        if rate < LEAST_GFLOPS and measured.n >= LEAST_N:
            return Result("warning", f"{seen}: too slow for a BLAS", install(facts))
        return Result("unknown", f"{seen}; the peak is unknown: {measured.why_no_peak}")
    seen = f"{seen}: {rate / peak:.0%} of the core's peak of {peak:.3g}"
    if rate > peak and "sse2" not in facts.flags and has_matrix_unit(str(facts.blas)):
        return Result("fine", f"{seen}: {facts.blas} uses {MATRIX_UNIT}")
    if rate / peak >= LEAST_FRACTION:
        return Result("fine", seen)
    mend = others(facts, measured).mend if facts.preloaded else ""
    mend = (
        mend
        or variables(facts, measured).mend
        or kernel(facts, measured).mend
        or install(facts, again=not facts.blas.kernel)
    )
    return Result("error", seen, mend, f"a factor of {peak / rate:.3g} to the measured peak")


def double(facts: Facts, measured: Measured) -> Result:
    """The same of fp64, NumPy's default type."""
    rate = measured.double_gflops
    if not rate:
        return Result("unknown", "the product of fp64 was not timed")
    seen = f"{rate:.3g} GFLOPS in fp64"
    if not measured.peak_gflops:
        return Result("unknown", f"{seen}; the peak is unknown")
    peak = measured.peak_gflops / DOUBLE
    seen = f"{seen}: {rate / peak:.0%} of {peak:.3g}, half of the peak in fp32"
    if rate / peak >= LEAST_FRACTION or findings([speed(facts, measured)]):  # one cause is one finding
        return Result("fine" if rate / peak >= LEAST_FRACTION else "unknown", seen)
    return Result("error", seen, install(facts, again=False), f"a factor of {peak / rate:.3g} to half of the peak")


def variables(facts: Facts, measured: Measured) -> Result:
    """Whether a variable of the library slows it: by a run without it."""
    named = [name for name in OF_LIBRARY.get(facts.blas.library.partition(" ")[0], ()) if name in facts.environment]
    if not named:
        return Result("fine", "none that changes what the library does")
    told = []
    for name in named:
        fix, said = measured.stray.get(name), f"{name}={facts.environment[name]} is set"
        if fix is None:
            told.append(Result("warning", said, f"unset {name}"))
            continue
        factor = median(fix.factors)
        state: State = "error" if factor >= LEAST_FACTOR else "fine"
        effect = (
            ": np.matmul is slower with it"
            if factor >= LEAST_FACTOR
            else " and changes nothing"
            if factor > 1 / LEAST_FACTOR
            else " and helps"
        )
        told.append(Result(state, said + effect, fix.command if state == "error" else "", f"a factor of {times(fix)}"))
    return min(told, key=lambda result: ("error", "warning", "fine").index(result.state))


def features(facts: Facts, measured: Measured) -> Result:
    """Whether NumPy's own loops are kept from features of the CPU: by those of a run without the variable."""
    name = next((name for name in FEATURES if facts.environment.get(name, "").strip()), None)
    if name is None:
        return Result("fine", "NumPy may use every CPU feature")
    seen, fix = f"{name}={facts.environment[name]} is set", measured.stray.get(name)
    lost = sorted(set(fix.features) - set(facts.features)) if fix else None
    if lost == []:
        return Result("fine", f"{seen}, and NumPy {facts.numpy} uses the same features with and without it")
    without = " ".join(lost or [facts.environment[name]])
    seen += f": NumPy's own loops, such as np.einsum's, do not use {without}"
    factor = median(fix.factors) if fix else None
    cost = f"a factor of {times(fix, 'np.einsum')}" if fix else None
    if factor is not None and factor < LEAST_FACTOR:
        cost = f"nothing measurable in np.einsum: {cost}"
    return Result("warning", seen, f"unset {name}", cost)


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
        return Result("fine", name) if name else Result("unknown", "the library does not name its kernel")
    own, could = _with_class(name), f", this CPU could use {better.core_type} ({better.name})" if better else ""
    uses, stray = f"the BLAS uses its {own} kernel", f"{CORE_TYPE}={asked} is set"
    if fix and fix.kernel and fix.kernel.lower() != name.lower():
        factor, cost, other = median(fix.factors), f"a factor of {times(fix)}", _with_class(fix.kernel)
        if asked is None:
            if factor < LEAST_FACTOR:
                return Result("fine", f"{own}{could}: tried, and not faster ({times(fix)})")
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
        return Result("warning", f"{uses}{could}: {why}", install(facts, again=False))
    faster = measured.faster
    if faster and min(faster.factors) >= LEAST_FACTOR:
        seen = f"{uses}, and its {_with_class(faster.kernel or '')} kernel is faster here"
        return Result("warning", seen, faster.command, f"a factor of {times(faster)}")
    tried = f"; the fastest other one is {faster.kernel}: {times(faster)}" if faster else ""
    return Result("fine", (own if asked is None else f"{own}; {stray} and changes nothing") + tried)


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
