"""The README pages: functions of records alone, which return Markdown. Sentences stand in templates/."""

import math
import re
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import jinja2

from labkit import contention
from labkit.machine.hardware import products_beside_the_core
from labkit.records.derive import core_of
from labkit.records.find import Run
from labkit.records.model import Ladder, Manifest, Repeat, Roofline, Traffic
from labkit.records.spread import versions
from labkit.roofline import model
from labkit.roofline.derive import SATURATED
from labkit.roofline.kernels import MATMUL_N, PlacedKernel, delivered, nearest_limit
from labkit.show import numbers, page_tables, text
from labkit.show.numbers import interval, listed, seconds
from labkit.show.text import method_name

FMA_SETS = {"fma", "asimd", "neon"}
LEAST_GROWN = 0.8  # of the peak of as many cores: clocks fall by a tenth or two where all cores are busy


def templates(escape: bool) -> jinja2.Environment:
    """The files of templates/; with `escape` what is filled in is text, and no markup of HTML."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("labkit.show"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=escape,
    )


_TEMPLATES = templates(escape=False)
_TEMPLATES.filters.update({name: write for name, write in vars(numbers).items() if callable(write)})
_TEMPLATES.globals.update(tables=page_tables, text=text, model=model, contention=contention)
_TEMPLATES.globals.update(interval=interval, method_name=method_name, log=math.log)


def _render(template: str, **names: Any) -> str:
    """A page from its template, with one empty line where it leaves several."""
    return re.sub(r"\n{3,}", "\n\n", _TEMPLATES.get_template(template).render(**names)).rstrip() + "\n"


def evidence(run: Run) -> list[str]:
    """What each of the four answers rests on; the ladder's factors and the bytes stand there where there are any."""
    r, a = run.results, run.analysis
    names: dict[str, Any] = {
        "r": r,
        "a": a,
        "ladder": run.ladder,
        "traffic": _traffic(run),
        "best": text.most_telling(a),
        "fma": not FMA_SETS.isdisjoint(run.manifest.hardware.isa),
        "laws": {law.method: law for law in a.cube_law}.values(),  # the last of each method
    }
    found = [
        _render("answers.md.j2", which=i, **names) if answer.state == "given" else ""
        for i, answer in enumerate(text.answers(r, a))
    ]
    return [*found[:-1], f"{found[-1]}\n{page_tables.blocked(a)}"]


def matmul_page(run: Run, answered: bool = False) -> str:
    """The page of a result; `answered`: without its picture and the answers, which stand before it."""
    about: dict[str, Any] = {"r": run.results, "a": run.analysis, "m": run.manifest, "repeat": run.repeat}
    return _render("matmul.md.j2", evidence=[] if answered else evidence(run), **about)


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


def roofline_page(
    roofline: Roofline, manifest: Manifest, kernels: Sequence[PlacedKernel], traffic: Traffic | None = None
) -> str:
    """The peak, the bandwidths, where kernels stand, and what they move where that was counted."""
    samples = next(s for s in roofline.samples if s.name == "peak")
    own = [s.gflops for s in roofline.peak.sweep if s.lanes == roofline.peak.lanes and s.accumulators == 1]
    return _render(
        "roofline.md.j2",
        beside_the_core=products_beside_the_core(roofline.machine),
        r=roofline,
        m=manifest,
        peak_samples=len(samples.seconds),
        sample_seconds=median(s * c for s, c in zip(samples.seconds, samples.calls, strict=True)),
        one_chain=own[0] if own else None,
        instructions=roofline.peak.steps_per_cycle * (1 if roofline.peak.fma else 2),
        highest={c.name: c.gflops.best / roofline.peak.fp32_fma_gflops.best for c in roofline.ceilings},
        found={(b.level, b.pattern): b for b in roofline.bandwidth},
        kernels=kernels,
        traffic=traffic,
        limits=_limits(roofline, kernels, traffic) if traffic else [],
        by_name={kernel.name: kernel for kernel in kernels},
        saturated=SATURATED,
        n=MATMUL_N,
        grown=_too_little_grown(roofline),
    )


def _too_little_grown(roofline: Roofline) -> float | None:
    """The peak of all cores over that of one, where it is less than their number lets expect."""
    if not roofline.cores:
        return None
    one, all_of_them = (median(several.gflops) for several in (roofline.cores[0], roofline.cores[-1]))
    return all_of_them / one if all_of_them < LEAST_GROWN * roofline.cores[-1].cores * one else None


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


def ladder_page(ladder: Ladder, manifest: Manifest) -> str:
    """The gap between the loop and the BLAS, one change at a time."""
    blocks_after = (f for f in ladder.other_order if f.rung == "blocks + SIMD" and f.over != "blocks")
    return _render(
        "ladder.md.j2",
        r=ladder,
        m=manifest,
        contended=core_of(ladder).contended,
        factors={f.rung: f for f in ladder.factors},
        naive=ladder.cell("naive", ladder.n),
        before=next((f for f in ladder.other_order if f.rung == "blocks"), None),
        after=next(blocks_after, None),
    )


def repeat_page(repeat: Repeat) -> str:
    """What moves and what stays from run to run, and from Python to Python."""
    alone = [run.beside == "nothing" for run in repeat.runs]
    return _render("repeat.md.j2", r=repeat, m=repeat.manifest, alone=alone, versions=versions(repeat.runs))
