"""The README pages: functions of records alone, which return Markdown. Sentences stand in templates/, tables here."""

import math
import re
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import jinja2

from labkit import contention, quality
from labkit.records.derive import Analysis, core_of
from labkit.records.find import Run
from labkit.records.model import (
    Factor,
    Ladder,
    LadderCell,
    LadderRung,
    Manifest,
    Rate,
    Repeat,
    Roofline,
    Traffic,
)
from labkit.records.spread import pythons, spreads, versions
from labkit.roofline import model
from labkit.roofline.derive import SATURATED
from labkit.roofline.kernels import (
    COPY,
    DOT,
    MATMUL_N,
    NEGLIGIBLE_BYTES,
    PlacedKernel,
    delivered,
    nearest_limit,
)
from labkit.show import numbers, text
from labkit.show.numbers import bytes_, flops, fraction, interval, listed, percent, seconds, significant, times
from labkit.show.tables import Table, markdown
from labkit.show.text import cell_name, method_name

FMA_SETS = {"fma", "asimd", "neon"}
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

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("labkit.show"),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    autoescape=False,
)
_TEMPLATES.filters.update({name: write for name, write in vars(numbers).items() if callable(write)})
_TEMPLATES.globals.update(text=text, model=model, interval=interval, method_name=method_name, log=math.log)


def _render(template: str, **names: Any) -> str:
    """A page from its template, with one empty line where it leaves several."""
    return re.sub(r"\n{3,}", "\n\n", _TEMPLATES.get_template(template).render(**names)).rstrip() + "\n"


def _table(align: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; nothing of no rows."""
    return markdown(Table("", align, head, rows)) if rows else ""


# --- the benchmark -------------------------------------------------------------------------------------


def evidence(run: Run) -> list[str]:
    """What each of the four answers rests on; the ladder's factors and the bytes stand there where there are any."""
    r, a = run.results, run.analysis
    names: dict[str, Any] = {
        "r": r,
        "a": a,
        "ladder": run.ladder,
        "traffic": _traffic(run),
        "ladder_steps": _ladder_steps(run.ladder) if run.ladder else "",
        "factors": text.factors(r, a),
        "best": text.most_telling(a),
        "fma": not FMA_SETS.isdisjoint(run.manifest.hardware.isa),
        "laws": {law.method: law for law in a.cube_law}.values(),  # the last of each method
    }
    found = [
        _render("answers.md.j2", which=i, **names) if answer.state == "given" else ""
        for i, answer in enumerate(text.answers(r, a))
    ]
    return [*found[:-1], f"{found[-1]}\n{_blocked(a)}"]


def matmul_page(run: Run, answered: bool = False) -> str:
    """The page of a result; `answered`: without its picture and the answers, which stand before it."""
    r, a = run.results, run.analysis
    return _render(
        "matmul.md.j2",
        r=r,
        a=a,
        m=run.manifest,
        evidence=[] if answered else evidence(run),
        repeat=run.repeat,
        notes=text.notes(r, a),
        rates=_rates(run),
        answers=text.answers(r, a),
        agreement=_agreement(run),
        expected=_expected(a),
        disturbed=_disturbed(a),
        aa_tests=_aa_tests(a),
        states=_states(a),
        whole_calls=_whole_calls(a),
        between=contention.BETWEEN_PROCESSES,
    )


def _traffic(run: Run) -> dict[str, Any] | None:
    """What the third and the fourth answer say of the bytes that moved; None where these were not counted."""
    if not (run.traffic and run.roofline):
        return None
    n, gbs = max(run.results.protocol.sizes), {r.level: r.gbs for r in run.roofline.ridge}
    warm, cold = (run.traffic.kernel("matmul", n, state) for state in ("warm", "cold"))
    loops = [run.traffic.kernel(name, n) for name in ("naive", "blocked")]
    if not (warm and cold and all(loops)):
        return None
    line, levels = run.traffic.caches[0].line_bytes, delivered(warm, run.roofline)
    naive, blocked = (
        {d.level: d.bytes / line / n**3 for d in delivered(k, run.roofline)} for k in loops if k
    )  # cache lines per step, by the level that delivers them

    def nanoseconds(lines: Mapping[str, float]) -> float:
        return sum(count * line / gbs[level] for level, count in lines.items() if level in gbs)

    return {
        "warm": [d for d in levels if d.intensity],
        "all": len(levels),
        "cold": delivered(cold, run.roofline)[-1],
        "by": warm.instrument,
        "kernel": warm.blas_kernel,
        "levels": [(level, naive[level], blocked[level]) for level in naive],
        "naive_ns": nanoseconds(naive),
        "blocked_ns": nanoseconds(blocked),
    }


def _ladder_steps(ladder: Ladder) -> str:
    titles = {rung.name: rung.title for rung in ladder.rungs}
    rows = [[titles[f.rung], numbers.times_interval(f.ratio, f.low, f.high)] for f in ladder.factors]
    return _table("lr", ["one change", "factor over the step before (95 %)"], rows)


def _rates(run: Run) -> str:
    a, methods = run.analysis, run.results.protocol.methods
    rows = []
    for n in run.results.protocol.sizes:
        row = [str(n)]
        for method in methods:
            cell = a.cell(method, n)
            mark = "" if not cell else " †" if cell.extrapolated else " ‡" if cell.noisy else ""
            row.append(flops(cell.gflops.median) + mark + " (invalid)" * bool(cell.invalid) if cell else "-")
        rows.append(row)
    head = ["N", *map(method_name, methods)]
    return _table("r" * len(head), head, rows)


def _states(a: Analysis) -> str:
    """Each cell on a core alone."""
    rows = []
    for c in a.cells:
        least = "≥ " * c.alone.bound
        counted = f"{c.alone.uncontended} of {c.alone.samples} {c.alone.source}"
        part = text.estimate(c.peak_fraction)
        rows.append([method_name(c.method), str(c.n), least + flops(c.alone.gflops.value), least + part, counted])
    head = ["", "N", "rate", "fraction of peak (95 %)", "uncontended"]
    return _table("lrrrr", head, rows)


def _whole_calls(a: Analysis) -> str:
    rows = [[method_name(w.method), str(w.n), str(w.calls), significant(w.ratio)] for w in a.whole_calls]
    return _table("lrrr", ["", "N", "uncontended whole calls", "their rate over that of slices"], rows)


def _blocked(a: Analysis) -> str:
    rows = []
    for c in a.comparisons:
        r, pair = c.ratio, f"{method_name(c.method)} over {method_name('naive')}"
        verdict = c.verdict if r.interval == "ci95" else "too few pairs to say"
        rows.append([pair, str(c.n), times(r.value), interval(r.low, r.high), str(r.pairs), verdict])
    return _table("lrrrrl", ["", "N", "speed", "95 % interval", "pairs", "verdict"], rows)


def _agreement(run: Run) -> str:
    rows = []
    for name, found in run.results.agreement.methods.items():
        passed = ("yes" if fine else "no" for fine in (found.exact_on_integers, found.within_bound))
        error = f"{found.max_scaled_error:.1e}" if found.max_scaled_error else "0"
        same = listed([method_name(other) for other in found.bit_identical_to]) or "no other"
        rows.append([method_name(name), *passed, error, f"{found.outside_allclose} of {found.elements:,}", same])
    head = ["", "exact on integers", "within the bound", "largest error", "outside `np.allclose`", "same bits as"]
    return _table("lllrrl", head, rows)


def _expected(a: Analysis) -> str:
    rows = []
    for e in a.expectations:
        cell, expected = cell_name(e.cell.method, e.cell.n), numbers.flops_interval(e.low, e.high, 2)
        measured = flops(e.cell.gflops.median) + " †" * e.cell.extrapolated
        rows.append([cell, measured, expected, e.verdict, text.expectation(e)])
    return _table("lrrll", ["", "measured", "expected", "", "because"], rows)


def _disturbed(a: Analysis) -> str:
    """Noisy cells and those with too few samples for an interval."""
    rows = []
    for c in a.cells:
        few = ["too few samples for an interval"] if c.gflops.interval == "range" else []
        if not c.extrapolated and (c.noisy or few):
            rows.append([cell_name(c.method, c.n), str(len(c.seconds_per_call)), "; ".join([*c.notes, *few])])
    return _table("lrl", ["", "samples", "what limits it"], rows)


def _aa_tests(a: Analysis) -> str:
    rows = [
        [cell_name(*key), significant(r.value, 4), interval(r.low, r.high, 4), str(r.pairs)]
        for key, r in a.aa_tests.items()
    ]
    return _table("lrrr", ["against itself", "ratio", "95 % interval", "pairs"], rows)


# --- the roofline --------------------------------------------------------------------------------------


def roofline_page(
    roofline: Roofline, manifest: Manifest, kernels: Sequence[PlacedKernel], traffic: Traffic | None = None
) -> str:
    """The peak, the bandwidths, where kernels stand, and what they move where that was counted."""
    samples = next(s for s in roofline.samples if s.name == "peak")
    own = [s.gflops for s in roofline.peak.sweep if s.lanes == roofline.peak.lanes and s.accumulators == 1]
    return _render(
        "roofline.md.j2",
        r=roofline,
        m=manifest,
        peak=roofline.peak.fp32_fma_gflops,
        peak_samples=len(samples.seconds),
        sample_seconds=median(s * c for s, c in zip(samples.seconds, samples.calls, strict=True)),
        one_chain=own[0] if own else None,
        instructions=roofline.peak.steps_per_cycle * (1 if roofline.peak.fma else 2),
        highest={c.name: c.gflops.best / roofline.peak.fp32_fma_gflops.best for c in roofline.ceilings},
        ceilings=_ceilings(roofline),
        bandwidths=_bandwidths(roofline),
        found={(b.level, b.pattern): b for b in roofline.bandwidth},
        kernels=_kernels(kernels),
        traffic=traffic,
        moved=_moved(traffic) if traffic else "",
        limits=_limits(roofline, kernels, traffic) if traffic else [],
        cores=_cores(roofline),
        by_name={kernel.name: kernel for kernel in kernels},
        saturated=SATURATED,
        n=MATMUL_N,
    )


def _cores(roofline: Roofline) -> str:
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


def _moved(traffic: Traffic) -> str:
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


def _limits(roofline: Roofline, kernels: Sequence[PlacedKernel], traffic: Traffic) -> list[dict[str, Any]]:
    """What stops each product whose traffic is known: the limit that it is nearest to, and what each level needs."""
    found = []
    for k in kernels:
        if moved := traffic.kernel(k.name, k.n):
            levels = [d for d in delivered(moved, roofline) if d.intensity and math.isfinite(d.gbs)]
            took = moved.flops / k.gflops / 1e9
            limit, part = nearest_limit(k.gflops, k.fraction, levels)
            alone = {d.level: d.bytes / d.gbs / 1e9 for d in levels}  # s, at the level's best rate
            alone["the arithmetic"] = moved.flops / roofline.peak.fp32_fma_gflops.best / 1e9
            nearest = next((d for d in levels if d.level == limit), None)
            found.append(
                {
                    "name": k.name,
                    "limit": limit,
                    "part": part,
                    "takes": [(d.level, d.bytes / took / 1e9, d.gbs) for d in levels],  # GB/s at its rate, and at most
                    "took": took,
                    "alone": listed([f"{seconds(need, 2)} for {what}" for what, need in alone.items()]),
                    "in_turn": sum(alone.values()),
                    "row": nearest.bytes / k.n if nearest else 0.0,  # bytes for each row of C
                }
            )
    return found


def _ceilings(roofline: Roofline) -> str:
    peak, full = roofline.peak.fp32_fma_gflops, "FMA" if roofline.peak.fma else "multiply and add"
    found = {CEILINGS[c.name]: c.gflops for c in roofline.ceilings} | {f"{full}, full width: the peak": peak}
    rows = []
    for name, rate in found.items():
        usual = f"{significant(rate.median)} ({interval(rate.low, rate.high)})"
        rows.append([name, significant(rate.best), usual, percent(rate.best / peak.best, 3)])
    return _table("lrrr", ["in-core ceiling", "GFLOPS, best", "median (95 % interval)", "of the peak"], rows)


def _bandwidths(roofline: Roofline) -> str:
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


def _kernels(kernels: Sequence[PlacedKernel]) -> str:
    known = {COPY: lambda n: f"`np.copyto` of {bytes_(n)}", DOT: lambda n: f"`np.dot` of {n:,}"}
    rows = []
    for k in kernels:
        name = known[k.name](k.n) if k.name in known else cell_name(k.name, k.n)
        rate = f"{significant(k.gbs)} GB/s" if k.gbs is not None else flops(k.gflops)
        high = f" to {significant(k.intensity_high)}" if k.intensity_high else ""
        rows.append([name, rate + " †" * k.extrapolated, significant(k.intensity, 2) + high, text.distance(k)])
    return _table("lrrl", ["kernel", "rate", "intensity, flop/byte", "reaches"], rows)


# --- the ladder ----------------------------------------------------------------------------------------


def ladder_page(ladder: Ladder, manifest: Manifest) -> str:
    """The gap between the loop and the BLAS, one change at a time."""
    n, factors_by_rung = ladder.n, {f.rung: f for f in ladder.factors}
    rungs = [rung for rung in ladder.rungs if rung.kind == "step"]
    cells = {cell.rung: cell for cell in ladder.cells if cell.n == n}
    rates = {(cell.rung, cell.n): flops(cell.alone.gflops.value) for cell in ladder.cells}
    over_n = [[str(size), *(rates.get((rung.name, size), "-") for rung in rungs)] for size in ladder.sizes]
    simd = math.prod(f.ratio for f in ladder.factors if f.rung.startswith("SIMD") or f.rung == "FMA")
    blocking = math.prod(f.ratio for f in ladder.factors if f.rung in ("register tile", "packing and blocks"))
    rules = [
        ["no interpreter", "100×", times(factors_by_rung["compiled"].ratio)],
        ["SIMD", "8×", times(simd)],
        ["cache blocking", "5 to 10×", f"{times(blocking)} (registers and caches together)"],
    ]
    if ladder.on_all_cores:
        shared = quality.wide(ladder.on_all_cores.gflops)
        told = "unknown: the cores were shared" if shared else times(ladder.on_all_cores.factor.value)
        rules.append(["threads", "4×", told])
    return _render(
        "ladder.md.j2",
        r=ladder,
        m=manifest,
        contended=core_of(ladder).contended,
        factor=_factor,
        factors=factors_by_rung,
        rungs=rungs,
        cells=cells,
        steps=_steps(rungs, cells, factors_by_rung),
        instructions=_instructions(ladder),
        simd=simd,
        other_order=_factors(ladder, ladder.other_order),
        before=next((f for f in ladder.other_order if f.rung == "blocks"), None),
        after=next((f for f in ladder.other_order if f.rung == "blocks + SIMD" and f.over != "blocks"), None),
        sides=_factors(ladder, ladder.sides),
        rivals=_rivals(ladder),
        beside=_factors(ladder, ladder.beside),
        own=_own(ladder),
        own_rungs=[rung for rung in ladder.rungs if rung.kind == "own"],
        rules=_table("lrr", ["", "the assignment says", "this machine"], rules),
        over_n=_table("r" * (len(rungs) + 1), ["N", *(rung.title for rung in rungs)], over_n),
    )


def _factor(f: Factor) -> str:
    """88.2× (88.0 to 88.4)."""
    return numbers.times_interval(f.ratio, f.low, f.high) + ", a range" * (f.interval == "range")


def _steps(rungs: Sequence[LadderRung], cells: Mapping[str, LadderCell], factors: Mapping[str, Factor]) -> str:
    rows = []
    for rung in rungs:
        cell = cells[rung.name]
        rate = cell.alone.gflops.value
        took = seconds(2 * cell.n**3 / rate / 1e9) + " †" * (cell.portion < 1)
        factor = _factor(factors[rung.name]) if rung.name in factors else ""
        part = fraction(cell.peak_fraction.value, 2)
        rows.append([rung.title, rung.changed, took, flops(rate) + " ‡" * cell.noisy, factor, part])
    return _table("llrrrr", ["rung", "what changed", "one product", "rate", "factor (95 %)", "of the peak"], rows)


def _instructions(ladder: Ladder) -> str:
    """Instructions per step of the inner loop, beside the time that a step takes."""
    counted, rows = ladder.instructions.per_step if ladder.instructions else {}, []
    for rung in ladder.rungs:
        cell, count = ladder.cell(rung.name, ladder.n), counted.get(rung.name)
        if cell and count:
            rows.append([rung.title, significant(count), seconds(2 / cell.alone.gflops.value / 1e9)])
    return _table("lrr", ["rung", "instructions per step", f"time per step, N = {ladder.n}"], rows)


def _factors(ladder: Ladder, found: Sequence[Factor]) -> str:
    rungs = {rung.name: rung for rung in ladder.rungs}
    rows = [[rungs[f.rung].title, rungs[f.over].title, str(f.n), rungs[f.rung].changed, _factor(f)] for f in found]
    return _table("llrlr", ["rung", "over", "N", "what it is", "factor (95 %)"], rows)


def _rivals(ladder: Ladder) -> str:
    """The generated product over np.matmul and each rival, at each size."""
    titles = {rung.name: rung for rung in ladder.rungs}
    found = {(f.over, f.n): f for f in ladder.rivals}
    rows = []
    for over in dict.fromkeys(name for name, _ in found):
        rung, at = titles[over], [found.get((over, n)) for n in ladder.sizes]
        about = "" if rung.kind == "step" else rung.changed
        rows.append([rung.title, about, *(times(f.ratio) if f else "-" for f in at)])
    return _table("ll" + "r" * len(ladder.sizes), ["over", "", *(f"N = {n}" for n in ladder.sizes)], rows)


def _own(ladder: Ladder) -> str:
    """What was expected of each rung of one's own, and what it is beside its neighbours."""
    rungs, rows = {rung.name: rung for rung in ladder.rungs}, []
    for f in ladder.own:
        rung, cell = rungs[f.rung], ladder.cell(f.rung, f.n)
        expected = times(rung.expected) if rung.expected and f.over == rung.over else ""
        rate = flops(cell.alone.gflops.value) if cell else "-"
        rows.append([rung.title, rate, rungs[f.over].title, expected, _factor(f)])
    return _table("lrlrr", ["rung", "rate", "over", "expected", "measured (95 %)"], rows)


# --- repeated runs -------------------------------------------------------------------------------------


def repeat_page(repeat: Repeat) -> str:
    """What moves and what stays from run to run, and from Python to Python."""
    head = ["cell", "GFLOPS", "fraction of peak", "GFLOPS, busy", "fraction of peak, busy"]
    rows = []
    for s in spreads(repeat.runs):
        busy = ("-" if shift is None else f"{100 * shift:+.1f} %" for shift in (s.gflops_busy, s.peak_fraction_busy))
        rows.append([cell_name(s.method, s.n), percent(s.gflops), percent(s.peak_fraction), *busy])
    return _render(
        "repeat.md.j2",
        r=repeat,
        m=repeat.manifest,
        summary=text.repeat_summary(repeat),
        alone=sum(run.beside == "nothing" for run in repeat.runs),
        busy=any(run.beside != "nothing" for run in repeat.runs),
        spreads=_table("lrrrr", head, rows),
        pythons=_pythons(repeat),
        versions=versions(repeat.runs),
    )


def _pythons(repeat: Repeat) -> str:
    rows = []
    for p in pythons(repeat.runs):
        few = f"{numbers.count(p.ratio.pairs, 'run')}: too few to say"
        ratio = numbers.times_interval(p.ratio.value, p.ratio.low, p.ratio.high)
        rows.append([cell_name(p.method, p.n), p.python, ratio, p.verdict if p.ratio.interval == "ci95" else few])
    head = ["cell", "Python", f"fraction of peak over that of {versions(repeat.runs)[0]}", "verdict"]
    return _table("llrl", head, rows)
