"""The tables of the pages: Markdown, from records alone. Templates call them as `tables.NAME`."""

import math
from collections.abc import Sequence
from statistics import median
from typing import Literal

from labkit import quality
from labkit.records.derive import Analysis
from labkit.records.model import Factor, Ladder, Rate, Repeat, Results, Roofline, Traffic
from labkit.records.spread import pythons as pythons_of
from labkit.records.spread import spreads as spreads_of
from labkit.records.spread import versions
from labkit.roofline.kernels import COPY, DOT, MATMUL_N, NEGLIGIBLE_BYTES, PlacedKernel
from labkit.show import numbers, text
from labkit.show.numbers import bytes_, flops, fraction, interval, listed, percent, seconds, significant, times
from labkit.show.tables import Table, markdown
from labkit.show.text import cell_name, method_name

CEILINGS = {
    "scalar": "scalar: no vectors",
    "128-bit": "128-bit vectors",
    "256-bit": "256-bit vectors",
    "no FMA": "no FMA: full width, a multiply and an add in place of each FMA",
    "FMA + ADD": "FMA + ADD: full width, with adds beside the FMAs",
}

# Which rungs of the ladder touch the lines that a kernel of the record of traffic does.
RUNGS = {
    "naive": "naive, in Python and compiled",
    "i-k-j": "loop order i, k, j; unrolled; vectors; FMA",
    "i-k-j blocks": "i, k, j in blocks",
    "blocked": "blocked, in Python and compiled",
    "register tile": "a tile in registers",
    "packed": "blocks, packed",
    "generated": "blocks, packed",
    "matmul": "np.matmul",
    "einsum": "np.einsum",
}


def _table(align: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; nothing of no rows."""
    return markdown(Table("", align, head, rows)) if rows else ""


# --- the benchmark -----------------------------------------------------------------------------------


def rates(r: Results, a: Analysis) -> str:
    """Median GFLOPS by wall time."""
    methods, rows = r.protocol.methods, []
    for n in r.protocol.sizes:
        row = [str(n)]
        for method in methods:
            cell = a.cell(method, n)
            mark = "" if not cell else " †" if cell.extrapolated else " ‡" if cell.noisy else ""
            row.append(flops(cell.gflops.median) + mark + " (invalid)" * bool(cell.invalid) if cell else "-")
        rows.append(row)
    head = ["N", *map(method_name, methods)]
    return _table("r" * len(head), head, rows)


def states(a: Analysis) -> str:
    """Each cell on a core alone."""
    rows = []
    for c in a.cells:
        least = "≥ " * c.alone.bound
        counted = f"{c.alone.uncontended} of {c.alone.samples} {c.alone.source}"
        part = text.estimate(c.peak_fraction)
        rows.append([method_name(c.method), str(c.n), least + flops(c.alone.gflops.value), least + part, counted])
    head = ["", "N", "rate", "fraction of peak (95 %)", "uncontended"]
    return _table("lrrrr", head, rows)


def whole_calls(a: Analysis) -> str:
    rows = [[method_name(w.method), str(w.n), str(w.calls), significant(w.ratio)] for w in a.whole_calls]
    return _table("lrrr", ["", "N", "uncontended whole calls", "their rate over that of slices"], rows)


def blocked(a: Analysis) -> str:
    rows = []
    for c in a.comparisons:
        r, pair = c.ratio, f"{method_name(c.method)} over {method_name('naive')}"
        verdict = c.verdict if r.interval == "ci95" else "too few pairs to say"
        rows.append([pair, str(c.n), times(r.value), interval(r.low, r.high), str(r.pairs), verdict])
    return _table("lrrrrl", ["", "N", "speed", "95 % interval", "pairs", "verdict"], rows)


def agreement(r: Results) -> str:
    rows = []
    for name, found in r.agreement.methods.items():
        passed = ("yes" if fine else "no" for fine in (found.exact_on_integers, found.within_bound))
        error = f"{found.max_scaled_error:.1e}" if found.max_scaled_error else "0"
        same = listed([method_name(other) for other in found.bit_identical_to]) or "no other"
        rows.append([method_name(name), *passed, error, f"{found.outside_allclose} of {found.elements:,}", same])
    head = ["", "exact on integers", "within the bound", "largest error", "outside `np.allclose`", "same bits as"]
    return _table("lllrrl", head, rows)


def expected(a: Analysis) -> str:
    rows = []
    for e in a.expectations:
        cell, expected = cell_name(e.cell.method, e.cell.n), numbers.flops_interval(e.low, e.high, 2)
        measured = flops(e.cell.gflops.median) + " †" * e.cell.extrapolated
        rows.append([cell, measured, expected, e.verdict, text.expectation(e)])
    return _table("lrrll", ["", "measured", "expected", "", "because"], rows)


def disturbed(a: Analysis) -> str:
    """Noisy cells and those with too few samples for an interval."""
    rows = []
    for c in a.cells:
        few = ["too few samples for an interval"] if c.gflops.interval == "range" else []
        if not c.extrapolated and (c.noisy or few):
            rows.append([cell_name(c.method, c.n), str(len(c.seconds_per_call)), "; ".join([*c.notes, *few])])
    return _table("lrl", ["", "samples", "what limits it"], rows)


def aa_tests(a: Analysis) -> str:
    rows = [
        [cell_name(*key), significant(r.value, 4), interval(r.low, r.high, 4), str(r.pairs)]
        for key, r in a.aa_tests.items()
    ]
    return _table("lrrr", ["against itself", "ratio", "95 % interval", "pairs"], rows)


# --- the roofline ------------------------------------------------------------------------------------


def cores(roofline: Roofline) -> str:
    """Peak and bandwidth over the number of cores, and their factors over those of one."""
    rows, one = [], roofline.cores[:1]
    for several in roofline.cores:
        row = [str(several.cores)]
        for rates, alone in ((several.gflops, one[0].gflops), (several.gbs, one[0].gbs)):
            rate = Rate.of(rates)
            row += [f"{significant(rate.median)} ({interval(rate.low, rate.high)})", times(rate.median / median(alone))]
        rows.append(row)
    return _table(
        "rrrrr", ["cores", "FMA, GFLOPS (95 %)", "over one", "loads from DRAM, GB/s (95 %)", "over one"], rows
    )


def moved(traffic: Traffic) -> str:
    """What a call at N = 1024 fetches into each cache, warm and cold."""
    caches, rows = [f"L{cache.level}" for cache in traffic.caches], []
    for k in traffic.kernels:
        if k.n == MATMUL_N:
            told = {
                level: f"{bytes_(size)}: {significant(k.flops / size, 2)}" if size > NEGLIGIBLE_BYTES else "none"
                for level, size in k.bytes.items()
            }
            cells = (told.get(level, "-") for level in caches)
            rows.append([f"`{k.kernel}`", RUNGS.get(k.kernel, ""), k.state, k.instrument, *cells])
    head = ["", "rungs of the ladder", "call", "by", *(f"into {level}" for level in caches)]
    return _table("llll" + "r" * len(caches), head, rows)


def ceilings(roofline: Roofline) -> str:
    peak, full = roofline.peak.fp32_fma_gflops, "FMA" if roofline.peak.fma else "multiply and add"
    found = {CEILINGS[c.name]: c.gflops for c in roofline.ceilings} | {f"{full}, full width: the peak": peak}
    rows = []
    for name, rate in found.items():
        usual = f"{significant(rate.median)} ({interval(rate.low, rate.high)})"
        rows.append([name, significant(rate.best), usual, percent(rate.best / peak.best, 3)])
    return _table("lrrr", ["in-core ceiling", "GFLOPS, best", "median (95 % interval)", "of the peak"], rows)


def bandwidths(roofline: Roofline) -> str:
    found = {(b.level, b.pattern): b for b in roofline.bandwidth}
    patterns = {b.pattern: f"{b.pattern} ({b.loads}:{b.stores})" for b in roofline.bandwidth}
    rows = []
    for ridge in roofline.ridge:
        own = [found.get((ridge.level, p)) for p in patterns]
        size = next(b.working_set_bytes for b in own if b)
        cells = (f"{significant(b.gbs.best)} ({significant(b.gbs.median)})" if b else "" for b in own)
        rows.append([ridge.level, bytes_(size), *cells, significant(ridge.gbs), significant(ridge.flop_per_byte, 2)])
    loops = [head.replace("copy_streaming", "copy, streaming stores") for head in patterns.values()]
    head = ["level", "working set", *loops, "limit", "ridge, flop/byte"]
    return _table("l" + "r" * (len(head) - 1), head, rows)


def kernels(kernels: Sequence[PlacedKernel]) -> str:
    known = {COPY: lambda n: f"`np.copyto` of {bytes_(n)}", DOT: lambda n: f"`np.dot` of {n:,}"}
    rows = []
    for k in kernels:
        name = known[k.name](k.n) if k.name in known else cell_name(k.name, k.n)
        rate = f"{significant(k.gbs)} GB/s" if k.gbs is not None else flops(k.gflops)
        high = f" to {significant(k.intensity_high)}" if k.intensity_high else ""
        rows.append([name, rate + " †" * k.extrapolated, significant(k.intensity, 2) + high, text.distance(k)])
    return _table("lrrl", ["kernel", "rate", "intensity, flop/byte", "reaches"], rows)


# --- the ladder --------------------------------------------------------------------------------------


def ladder_steps(ladder: Ladder) -> str:
    titles = {rung.name: rung.title for rung in ladder.rungs}
    rows = [[titles[f.rung], numbers.times_interval(f.ratio, f.low, f.high)] for f in ladder.factors]
    return _table("lr", ["one change", "factor over the step before (95 %)"], rows)


def factor(f: Factor) -> str:
    """88.2× (88.0 to 88.4)."""
    return numbers.times_interval(f.ratio, f.low, f.high) + ", a range" * (f.interval == "range")


def steps(ladder: Ladder) -> str:
    """Each step at the largest size: what changed, and what it made of the time and the rate."""
    factors, rows = {f.rung: f for f in ladder.factors}, []
    for rung in ladder.rungs:
        cell = ladder.cell(rung.name, ladder.n)
        if rung.kind == "step" and cell:
            rate = cell.alone.gflops.value
            took = seconds(2 * cell.n**3 / rate / 1e9) + " †" * (cell.portion < 1)
            told = factor(factors[rung.name]) if rung.name in factors else ""
            part = fraction(cell.peak_fraction.value, 2)
            rows.append([rung.title, rung.changed, took, flops(rate) + " ‡" * cell.noisy, told, part])
    return _table("llrrrr", ["rung", "what changed", "one product", "rate", "factor (95 %)", "of the peak"], rows)


def instructions(ladder: Ladder) -> str:
    """Instructions per step of the inner loop, beside the time that a step takes."""
    counted, rows = ladder.instructions.per_step if ladder.instructions else {}, []
    for rung in ladder.rungs:
        cell, count = ladder.cell(rung.name, ladder.n), counted.get(rung.name)
        if cell and count:
            rows.append([rung.title, significant(count), seconds(2 / cell.alone.gflops.value / 1e9)])
    return _table("lrr", ["rung", "instructions per step", f"time per step, N = {ladder.n}"], rows)


def factors(ladder: Ladder, found: Sequence[Factor]) -> str:
    rungs = {rung.name: rung for rung in ladder.rungs}
    rows = [[rungs[f.rung].title, rungs[f.over].title, str(f.n), rungs[f.rung].changed, factor(f)] for f in found]
    return _table("llrlr", ["rung", "over", "N", "what it is", "factor (95 %)"], rows)


def over_each_n(ladder: Ladder, found: Sequence[Factor], side: Literal["rung", "over"]) -> str:
    """Factors at each size; a row for each of what stands on one side of them."""
    titles = {rung.name: rung for rung in ladder.rungs}
    by_cell = {(getattr(f, side), f.n): f for f in found}
    rows = []
    for name in dict.fromkeys(name for name, _ in by_cell):
        rung, at = titles[name], [by_cell.get((name, n)) for n in ladder.sizes]
        about = "" if rung.kind == "step" else rung.changed
        rows.append([rung.title, about, *(times(f.ratio) if f else "-" for f in at)])
    return _table("ll" + "r" * len(ladder.sizes), [side, "", *(f"N = {n}" for n in ladder.sizes)], rows)


def own(ladder: Ladder) -> str:
    """What was expected of each rung of one's own, and what it is beside its neighbours."""
    rungs, rows = {rung.name: rung for rung in ladder.rungs}, []
    for f in ladder.own:
        rung, cell = rungs[f.rung], ladder.cell(f.rung, f.n)
        expected = times(rung.expected) if rung.expected and f.over == rung.over else ""
        rate = flops(cell.alone.gflops.value) if cell else "-"
        rows.append([rung.title, rate, rungs[f.over].title, expected, factor(f)])
    return _table("lrlrr", ["rung", "rate", "over", "expected", "measured (95 %)"], rows)


def rules(ladder: Ladder) -> str:
    """The assignment's rules of thumb beside what was measured."""
    factors = {f.rung: f.ratio for f in ladder.factors}
    blocking = math.prod(factors.get(name, 1.0) for name in ("register tile", "packing and blocks"))
    rows = [
        ["no interpreter", "100×", times(factors["compiled"])],
        ["SIMD", "8×", times(simd(ladder))],
        ["cache blocking", "5 to 10×", f"{times(blocking)} (registers and caches together)"],
    ]
    if ladder.on_all_cores:
        shared = quality.wide(ladder.on_all_cores.gflops)
        told = "unknown: the cores were shared" if shared else times(ladder.on_all_cores.factor.value)
        rows.append(["threads", "4×", told])
    return _table("lrr", ["", "the assignment says", "this machine"], rows)


def simd(ladder: Ladder) -> float:
    """What wider vectors and multiply-adds make together."""
    return math.prod(f.ratio for f in ladder.factors if f.rung.startswith("SIMD") or f.rung == "FMA")


def over_n(ladder: Ladder) -> str:
    """The rate of each step at each size."""
    rungs = [rung for rung in ladder.rungs if rung.kind == "step"]
    rates = {(cell.rung, cell.n): flops(cell.alone.gflops.value) for cell in ladder.cells}
    rows = [[str(n), *(rates.get((rung.name, n), "-") for rung in rungs)] for n in ladder.sizes]
    return _table("r" * (len(rungs) + 1), ["N", *(rung.title for rung in rungs)], rows)


# --- repeated runs -----------------------------------------------------------------------------------


def spreads(repeat: Repeat) -> str:
    """How far each cell moves from run to run, and beside a busy process."""
    rows = []
    for s in spreads_of(repeat.runs):
        busy = ("-" if shift is None else f"{100 * shift:+.1f} %" for shift in (s.gflops_busy, s.peak_fraction_busy))
        rows.append([cell_name(s.method, s.n), percent(s.gflops), percent(s.peak_fraction), *busy])
    head = ["cell", "GFLOPS", "fraction of peak", "GFLOPS, busy", "fraction of peak, busy"]
    return _table("lrrrr", head, rows)


def pythons(repeat: Repeat) -> str:
    rows = []
    for p in pythons_of(repeat.runs):
        few = f"{numbers.count(p.ratio.pairs, 'run')}: too few to say"
        ratio = numbers.times_interval(p.ratio.value, p.ratio.low, p.ratio.high)
        rows.append([cell_name(p.method, p.n), p.python, ratio, p.verdict if p.ratio.interval == "ci95" else few])
    head = ["cell", "Python", f"fraction of peak over that of {versions(repeat.runs)[0]}", "verdict"]
    return _table("llrl", head, rows)
