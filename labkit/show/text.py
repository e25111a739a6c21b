"""Sentences that more than one place says: a terminal, a page, a report. Functions of records alone.

A sentence is Markdown with `code` and **bold** and nothing else; `plain` takes both away for a terminal.
"""

from dataclasses import dataclass
from typing import Literal

from labkit import quality
from labkit.machine.blas import MATRIX_UNIT as _MATRIX_UNIT
from labkit.records.derive import PYTHON_METHODS, Analysis, Comparison, Expectation
from labkit.records.model import Estimate, Harness, Ladder, Manifest, Repeat, Results, Roofline
from labkit.records.spread import FRACTION_BUSY_LIMIT, FRACTION_LIMIT, coverage, spreads
from labkit.roofline.alone import PEAK
from labkit.roofline.kernels import PlacedKernel
from labkit.show.numbers import (
    count,
    duration,
    flops,
    fraction,
    interval,
    listed,
    percent,
    seconds,
    significant,
    times,
    times_interval,
)

# The core was shared for a portion of the run that a page tells from here on.
TELLING_CONTENTION = 0.1
# The time that the roofline took is told apart from this on, s.
TELLING_ROOF_SECONDS = 2.0
EXPECTATIONS = {
    "vectorised": "over 100 MFLOPS: NumPy works on whole rows in the inner loop",
    "no BLAS": "under 10 GFLOPS: no real BLAS, or a throttled clock; "
    "see `np.show_config()`, `OPENBLAS_CORETYPE` and the clock governor",
    "inside": "as expected",
    "interpreted above": "a faster interpreter or core than the assignment assumes",
    "interpreted below": "a slower or busy core: the interpreter alone decides this rate",
    "einsum above": "a wider or faster core than the assignment assumes",
    "einsum below": "NumPy's own loop, without BLAS: the assignment assumes that einsum calls BLAS",
    "matmul above": "wider SIMD or a faster clock than the assignment assumes",
    "matrix unit": "a matrix unit beside the core's vectors",
    "matmul below": "narrower SIMD, a slower clock or a busy core, but still a real BLAS",
}

MATRIX_UNIT = f"`np.matmul` may use {_MATRIX_UNIT}; the FMA peak is that of the vectors."


def method_name(method: str) -> str:
    """The method as people call it, as code."""
    return "`np.matmul`" if method == "matmul" else f"`{method}`"


def cell_name(method: str, n: int) -> str:
    """`naive` at N = 64."""
    return f"{method_name(method)} at N = {n}"


def plain(sentence: str) -> str:
    """The sentence without its marks, for a terminal."""
    return sentence.replace("`", "").replace("**", "")


def estimate(e: Estimate) -> str:
    """A fraction with its interval: `86.1 % (85.9 to 86.2)`, or `1/25,000` of a very small one."""
    told = fraction(e.value)
    return f"{told} ({interval(100 * e.low, 100 * e.high)})" if told.endswith("%") else told


def distance(kernel: PlacedKernel) -> str:
    """How much of its limit a kernel reaches: `58 % of L3`, `1/51,000 of the peak`."""
    return f"{fraction(kernel.fraction, 2)} of {'the peak' if kernel.limit == PEAK else kernel.limit}"


# --- the four answers of the assignment, E1 to E4 ------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """A sentence that can be quoted alone; it begins with the number, unless the run lacks a method or is disturbed."""

    question: str
    says: str
    state: Literal["given", "withheld", "missing"] = "given"


def answers(results: Results, analysis: Analysis) -> list[Answer]:
    """All four, in order."""
    return [_speedup(analysis), _interpreter(results, analysis), _fraction(results, analysis), _blocked(analysis)]


def _speedup(analysis: Analysis) -> Answer:
    question, s = "How much faster is `np.matmul`?", analysis.speedup
    if s is None:
        return Answer(question, "This run does not have both `naive` and `np.matmul`.", "missing")
    if s.withheld:
        return Answer(question, f"Withheld: {s.withheld}.", "withheld")
    much = times(s.factor)
    if any(cell.alone.bound for cell in analysis.cells if cell.n == s.n and cell.method in ("naive", "matmul")):
        much = f"{times(s.low)} to {times(s.high)}"
    rest = f"`np.matmul` takes {seconds(s.matmul_seconds)}, the loop in Python {seconds(s.naive_seconds)}"
    return Answer(question, f"**{much}**: {rest}{', extrapolated,' * s.extrapolated} at N = {s.n}.")


def factors(results: Results, analysis: Analysis) -> tuple[float, float] | None:
    """How many times as fast einsum is as naive, and np.matmul as einsum, at the largest size, if it has all three."""
    cells = [analysis.cell(method, max(results.protocol.sizes)) for method in ("naive", "einsum", "matmul")]
    rates = [cell.alone.gflops.value for cell in cells if cell]
    return (rates[1] / rates[0], rates[2] / rates[1]) if len(rates) == 3 else None


def _interpreter(results: Results, analysis: Analysis) -> Answer:
    question, n = "How much of it is the interpreter, and how much is BLAS?", max(results.protocol.sizes)
    found = factors(results, analysis)
    if not found:
        return Answer(question, "This run does not have all of `naive`, `einsum` and `np.matmul`.", "missing")
    if analysis.speedup and analysis.speedup.withheld:
        return Answer(question, "Withheld, for the same reason.", "withheld")
    compiled, blas = found
    einsum = analysis.cell("einsum", n)
    least, most = ("at least ", "at most ") if einsum and einsum.alone.bound else ("", "")
    rest = f"{most}**{times(blas)}** more by the BLAS" if blas > 1 else "nothing more by the BLAS"
    says = f"{least.capitalize()}**{times(compiled)}** by compiling the loop (`einsum`), {rest}, at N = {n}."
    return Answer(question, says)


def _fraction(results: Results, analysis: Analysis) -> Answer:
    question, n = "How close to the roofline is `np.matmul`?", max(results.protocol.sizes)
    cell = analysis.cell("matmul", n)
    if cell is None:
        return Answer(question, "This run does not have `np.matmul`.", "missing")
    if cell.invalid:
        return Answer(question, f"Withheld: `np.matmul` at N = {n} cannot be true, as {cell.invalid[0]}.", "withheld")
    part = f"At least {fraction(cell.peak_fraction.low)}" if cell.alone.bound else fraction(cell.peak_fraction.value)
    rate = f"{significant(cell.alone.gflops.value)} of {flops(results.roof.peak_gflops)}"
    if cell.peak_fraction.low > 1:  # a matrix unit's
        rate = f"{flops(cell.alone.gflops.value)}, the core's vectors at most {flops(results.roof.peak_gflops)},"
    return Answer(question, f"**{part}** of the FMA peak: `np.matmul` reaches {rate} at N = {n}.")


def most_telling(analysis: Analysis) -> Comparison | None:
    """Blocked over naive at the largest size with pairs enough for an interval; failing that, at the largest at all."""
    pairs = [c for c in analysis.comparisons if c.method == "blocked"]
    return max(pairs, key=lambda c: (c.ratio.interval == "ci95", c.n), default=None)


def _blocked(analysis: Analysis) -> Answer:
    question, best = "Does `blocked` beat `naive` in Python?", most_telling(analysis)
    if not best:
        return Answer(question, "This run has no pairs of the two.", "missing")
    says = {"faster": "yes, it is faster", "slower": "no, it is slower"}.get(best.verdict, "no difference is resolved")
    return Answer(question, f"**{times(best.ratio.value)}** the speed of `naive`: {says}, at N = {best.n}.")


# --- the benchmark -------------------------------------------------------------------------------------


def notes(results: Results, analysis: Analysis) -> list[tuple[str, str]]:
    """What limits this result, the worst first: a few words to set in bold, and a sentence."""
    found = [
        ("Invalid", f"{cell_name(c.method, c.n)} cannot be true: {'; '.join(c.invalid)}.") for c in analysis.invalid
    ]
    if results.status == "partial":
        quick = results.protocol.quick
        says = "what was not measured is extrapolated and marked."
        resumes = "" if quick else " The same command resumes."
        found.append(("This is a quick run" if quick else "This is an unfinished run", says + resumes))
    if analysis.core.contended > TELLING_CONTENTION:
        says = "the answers rest on the other samples."
        found.append((f"The core was shared {percent(analysis.core.contended, 2)} of the time", says))
    if not results.limits.bounds_matmul and any(cell.method == "matmul" for cell in analysis.cells):
        found.append(("The FMA peak does not bound `np.matmul` here", MATRIX_UNIT))
    if analysis.noise:
        found.append(("This run was disturbed", f"{'; '.join(analysis.noise)}."))
    return found


def headline(results: Results, analysis: Analysis) -> list[str]:
    """The end of a run: the four answers, a line each, then whether rates are as expected, then what limits them."""
    found = enumerate(answers(results, analysis), 1)
    lines = [f"{number}. {answer.says}" for number, answer in found if answer.state != "missing"]
    if analysis.expectations:
        lines.append(_expected(analysis))
    return [plain(line) for line in (*lines, *(f"{head}: {says}" for head, says in notes(results, analysis)))]


def _expected(analysis: Analysis) -> str:
    """How many rates are outside the ranges of the assignment; an alarm says which and why."""
    outside, many = [e for e in analysis.expectations if e.verdict != "inside"], len(analysis.expectations)
    if not outside:
        return f"All {many} rates are in the assignment's ranges."
    alarms = {e.alarm: e for e in outside if e.alarm}.values()  # the last of each kind: at the largest size
    said = [f"{cell_name(e.cell.method, e.cell.n)}: {expectation(e)}." for e in alarms]
    return " ".join([f"{len(outside)} of {many} rates are outside the assignment's ranges.", *said])


def expectation(e: Expectation) -> str:
    """Why a rate is inside, above or below what the assignment expects."""
    kind = "interpreted" if e.cell.method in PYTHON_METHODS else e.cell.method
    if kind == "matmul" and e.cell.peak_fraction.low > 1 and not e.cell.invalid:
        return EXPECTATIONS["matrix unit"]
    return EXPECTATIONS[e.alarm or ("inside" if e.verdict == "inside" else f"{kind} {e.verdict}")]


def harness(h: Harness) -> str:
    """What a run took, and how much of it beyond the calls it had to make."""
    roof = f", {duration(h.roof_seconds)} of it for the roofline" if h.roof_seconds > TELLING_ROOF_SECONDS else ""
    sessions = f" in {h.sessions} sessions" if h.sessions > 1 else ""
    return f"The run took {duration(h.wall_seconds)}{sessions}; {percent(h.share)} was overhead{roof}."


# --- the roofline, the ladder, repeated runs -----------------------------------------------------------


def roofline_summary(roofline: Roofline) -> list[str]:
    """The roofline in two lines, and what limits it."""
    peak, dram = roofline.peak, next(ridge for ridge in roofline.ridge if ridge.level == "DRAM")
    clock = roofline.clock.under_load_ghz or roofline.clock.ghz
    return [
        f"Peak of one core: {flops(peak.fp32_fma_gflops.best)} in fp32 ({peak.instruction_set}, "
        f"{significant(peak.flops_per_cycle)} flops per cycle at {significant(clock.best)} GHz).",
        f"DRAM: {significant(dram.gbs)} GB/s; the ridge is at {significant(dram.flop_per_byte, 2)} flop/byte.",
        *(f"Wrong: {fault}." for fault in roofline.faults),
        *(f"Note: {note}." for note in roofline.notes),
    ]


def ladder_summary(ladder: Ladder) -> list[str]:
    """Each step's factor, the whole, and what rungs of one's own are beside others."""
    titles = {rung.name: rung.title for rung in ladder.rungs}
    width = max(len(titles[f.rung]) for f in ladder.factors)
    return [
        *(f"{titles[f.rung]:<{width}}  {times_interval(f.ratio, f.low, f.high)}" for f in ladder.factors),
        f"Together np.matmul is {times(ladder.whole.ratio)} as fast as naive at N = {ladder.n}.",
        *(f"{titles[f.rung]} over {titles[f.over]}: {times_interval(f.ratio, f.low, f.high)}" for f in ladder.own),
        *filter(None, [plain(all_cores(ladder))]),
        *(f"Left out: {why}." for why in ladder.left_out),
    ]


def passed(ladder: Ladder, chosen: str | None) -> str:
    """Which kernel OpenBLAS chose, whether another is faster here, and what the rebuilt product has passed.

    Nothing where no other kernel was timed and np.matmul is not slower than the step before it.
    """
    kernels = {rung.name: rung.title for rung in ladder.rungs if rung.kind == "kernel"}
    faster = max((f for f in ladder.beside if f.rung in kernels and f.low > 1), key=lambda f: f.ratio, default=None)
    ahead = [kernels[f.over] for f in ladder.rivals if f.n == ladder.n and f.over in kernels and f.low <= 1]
    says = [f"The kernel that OpenBLAS chose is {chosen}."] if kernels and chosen else []
    if faster:
        factor = times_interval(faster.ratio, faster.low, faster.high)
        says.append(f"{kernels[faster.rung]} is faster here: {factor}.")
    if ladder.factors[-1].high < 1:
        slower = "`np.matmul` is slower than the step before it"
        whom = "OpenBLAS with each of its kernels" if kernels else "it"
        says.append(
            f"{slower}, but not {listed(ahead)}." if ahead else f"{slower}: what was rebuilt has passed {whom}."
        )
    return " ".join(says)


def blocks(ladder: Ladder) -> str:
    """Whether other blocks make the generated product faster than the chosen ones, at the largest size."""
    faster = [f for f in ladder.blocks if f.n == ladder.n and f.low > 1]
    if not faster:
        return f"At N = {ladder.n} none of them is shown to be faster."
    found = (f"{f.rung}, {times_interval(f.ratio, f.low, f.high)}" for f in faster)
    return f"Faster here at N = {ladder.n}: {listed(list(found))}."


def all_cores(ladder: Ladder) -> str:
    """What np.matmul makes of all cores."""
    found, measured = ladder.on_all_cores, ladder.all_cores
    if not (found and measured):
        return ""
    factor = times_interval(found.factor.value, found.factor.low, found.factor.high)
    if quality.wide(found.gflops):
        factor = f"between {times(found.factor.low)} and {times(found.factor.high)}"
    return (
        f"On {measured.cores} cores `np.matmul` is {factor} as fast as on one, at N = {measured.n}: "
        f"{flops(found.gflops.median)}, {fraction(found.peak_fraction.value)} of {flops(found.peak_gflops.median)}, "
        "the FMA peak of all of them."
    )


def repeat_summary(repeat: Repeat) -> list[str]:
    """Whether runs of the same command repeat, in a line or two."""
    found = spreads(repeat.runs)
    if not found:
        return ["There are too few runs to compare."]
    alone, most = sum(run.beside == "nothing" for run in repeat.runs), max(s.peak_fraction for s in found)
    lines = [
        f"Fractions of peak {'repeat' if most <= FRACTION_LIMIT else 'do not repeat as they should'}: "
        f"over {count(alone, 'run')} they differ by up to {percent(most)} "
        f"(wanted: {percent(FRACTION_LIMIT, 1)} at most), GFLOPS by up to {percent(max(s.gflops for s in found))}."
    ]
    speedups = [run.speedup.value for run in repeat.runs if run.speedup]
    if speedups:
        lines.append(f"The speedup was {interval(min(speedups), max(speedups))}×.")
    shared = [run.contended for run in repeat.runs]
    lines.append(f"The core was shared {interval(100 * min(shared), 100 * max(shared), 2)} % of the time.")
    held, cases = coverage(repeat.runs)
    lines.append(f"The 95 % intervals of single runs hold the median of all runs in {held} of {cases} cases.")
    shifts = [abs(s.peak_fraction_busy) for s in found if s.peak_fraction_busy is not None]
    if shifts:
        lines.append(
            f"Beside a busy process fractions of peak shift by up to {percent(max(shifts))} "
            f"(wanted: {percent(FRACTION_BUSY_LIMIT, 1)} at most)."
        )
    return lines


# --- where a record comes from -------------------------------------------------------------------------


def machine(manifest: Manifest, *packages: str) -> str:
    """The machine and the software, these packages too; the clock governor and the power supply."""
    hardware, blas, versions = manifest.hardware, manifest.blas, manifest.versions
    virtual = ", a virtual machine" if hardware.virtualized else ""
    threads = count(blas.threads, "thread") if blas.threads is not None else "an unknown number of threads"
    library = " ".join(filter(None, (blas.library, blas.version)))
    software = [f"Python {versions['python']}", f"NumPy {versions['numpy']}"]
    software += [f"{name} {versions[name]}" for name in packages if name in versions]
    governor, power = (
        value or "unknown, " + hardware.reasons.get(key, "no reason given")
        for key, value in (("governor", hardware.governor), ("power", hardware.power))
    )
    return (
        f"{hardware.cpu or 'CPU not named by the system'}{virtual}. {listed(software)}; {library} (kernel "
        f"{blas.kernel or 'unknown'}), {threads}. Clock governor: {governor}. Power: {power}."
    )
