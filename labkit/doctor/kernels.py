"""OpenBLAS's kernels for x86-64: which a CPU could use, whether the BLAS uses it, and what it costs if not (pure)."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from statistics import median

from labkit.doctor.symptoms import Facts, Finding, Fine, NotKnown, Remedy, Verdict

CORE_TYPE = "OPENBLAS_CORETYPE"
UPGRADE = "python -m pip install --upgrade --only-binary numpy numpy"
# A factor below this is not told from chance by three pairs of processes on a machine that others use too.
MEASURABLE_FACTOR = 1.05


@dataclass(frozen=True)
class Kind:
    """A class of kernels: the CPU flags that it needs, the core type that asks for it, and which are of it."""

    name: str
    needs: frozenset[str]
    core_type: str
    kernels: frozenset[str]  # as openblas_get_corename has them, in lower case


_SSE = (
    "katmai", "coppermine", "northwood", "prescott", "banias", "atom", "core2", "penryn", "dunnington", "nehalem",
    "athlon", "opteron", "opteron_sse3", "barcelona", "bobcat", "nano",
)  # fmt: skip
_AVX = ("sandybridge", "bulldozer", "piledriver", "steamroller")  # AMD's three have FMA but no AVX2
_AVX2 = ("haswell", "zen", "excavator")
_AVX512 = ("skylakex", "cooperlake", "sapphirerapids")
# From the slowest to the fastest; the names are those of OpenBLAS's driver/others/dynamic.c, which calls the kernel
# that Prescott asks for Katmai. Nothing is guessed of a name that is not here.
KINDS = (
    Kind("SSE", frozenset({"sse2"}), "Nehalem", frozenset(_SSE)),
    Kind("AVX", frozenset({"avx"}), "Sandybridge", frozenset(_AVX)),
    Kind("AVX2", frozenset({"avx2", "fma"}), "Haswell", frozenset(_AVX2)),
    # OpenBLAS takes these only where all four flags are there.
    Kind("AVX-512", frozenset({"avx512f", "avx512bw", "avx512dq", "avx512vl"}), "SkylakeX", frozenset(_AVX512)),
)


def rank(kernel: str | None) -> int | None:
    """The place in KINDS of a kernel's class, 0 the slowest; None of a name that is not known."""
    return next((place for place, kind in enumerate(KINDS) if (kernel or "").lower() in kind.kernels), None)


def best_rank(flags: AbstractSet[str]) -> int | None:
    """The place in KINDS of the fastest class that the flags allow; None where they are not an x86-64 CPU's."""
    return max((place for place, kind in enumerate(KINDS) if kind.needs <= flags), default=None)


def better_kind(facts: Facts) -> Kind | None:
    """The class that this CPU could use, where the BLAS uses a slower one; None where it does not, or nobody knows."""
    own, best = rank(facts.blas.kernel), best_rank(facts.flags)
    return KINDS[best] if own is not None and best is not None and own < best else None


def remedy_for(facts: Facts) -> tuple[str, str] | None:
    """(the command that would mend the kernel, the core type it leaves, "" for none); None where there is no need."""
    if facts.blas.library != "openblas":
        return None
    if CORE_TYPE in facts.environment:
        return f"unset {CORE_TYPE}", ""
    better = better_kind(facts)
    return (f"export {CORE_TYPE}={better.core_type}", better.core_type) if better else None


def kernel(facts: Facts, remedy: Remedy | None = None) -> Verdict:
    """Whether the BLAS uses the kernel that this CPU could use, and with a remedy what its own one costs."""
    blas, asked, better = facts.blas, facts.environment.get(CORE_TYPE), better_kind(facts)
    if blas.library != "openblas" or not blas.kernel:
        return NotKnown("kernel", "the library does not tell")
    own = _named(blas.kernel)
    could = f", this CPU could use {better.core_type} ({better.name})" if better else ""
    helps = remedy is not None and remedy.kernel is not None and remedy.kernel.lower() != blas.kernel.lower()
    factor = median(remedy.factors) if remedy and helps else None
    if asked is not None and helps and remedy:
        without = _named(remedy.kernel)
        if not better and _is_gain(blas.kernel, remedy, factor):
            return Fine("kernel", f"{own}, asked for by {CORE_TYPE}={asked}; without it the BLAS takes {without}")
        stray = f"{CORE_TYPE}={asked} is set: the BLAS uses its {own} kernel, and takes {without} without it"
        return _slow(stray, factor, remedy)
    if asked is not None and better and not remedy:
        stray = f"{CORE_TYPE}={asked} is set: the BLAS uses its {own} kernel{could}"
        return Finding("warning", "kernel", stray, None, f"unset {CORE_TYPE}")
    if better and helps and remedy:
        if factor is not None and factor < MEASURABLE_FACTOR:
            return Fine("kernel", f"{own}{could}: tried, and not faster ({_times(remedy)})")
        return _slow(f"the BLAS does not know this CPU: it uses its {own} kernel{could}", factor, remedy)
    if better:
        why = "it was built without dynamic kernels, or before there was such a CPU"
        return Finding("warning", "kernel", f"the BLAS uses its {own} kernel{could}: {why}", None, UPGRADE)
    return Fine("kernel", own + (f"; {CORE_TYPE}={asked} is set and changes nothing" if asked is not None else ""))


def _is_gain(own: str, remedy: Remedy, factor: float | None) -> bool:
    """Whether the kernel that was asked for is the better one."""
    if factor is not None and factor < 1 / MEASURABLE_FACTOR:
        return True
    higher = (rank(own) or 0) > (rank(remedy.kernel) or 0)
    return higher and (factor is None or factor < MEASURABLE_FACTOR)


def _slow(seen: str, factor: float | None, remedy: Remedy) -> Finding:
    if factor is None:
        return Finding("warning", "kernel", seen, None, remedy.mend)
    if factor < MEASURABLE_FACTOR:
        gains = factor < 1 / MEASURABLE_FACTOR
        cost = f"{'none, it gains' if gains else 'nothing that could be measured'}: a factor of {_times(remedy)}"
        return Finding("warning", "kernel", seen, cost, remedy.mend)
    return Finding("error", "kernel", seen, f"a factor of {_times(remedy)}", remedy.mend)


def _named(kernel: str | None) -> str:
    place = rank(kernel)
    return f"{kernel} ({KINDS[place].name})" if place is not None else str(kernel)


def _times(remedy: Remedy) -> str:
    """`5.12 in np.matmul (median of 3 pairs of processes, 5.08 to 5.20)`."""
    pairs = remedy.factors
    if len(pairs) == 1:
        return f"{pairs[0]:.2f} in np.matmul (one pair of processes)"
    spread = f"median of {len(pairs)} pairs of processes, {min(pairs):.2f} to {max(pairs):.2f}"
    return f"{median(pairs):.2f} in np.matmul ({spread})"
