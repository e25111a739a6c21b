"""From a ladder's samples to rates, and to the factor of each step. Pure."""

from dataclasses import asdict

from labkit import quality, stats
from labkit.contention import CoreState
from labkit.records.derive import alone, core_of, quotient, roof_of
from labkit.records.model import (
    AllCores,
    Estimate,
    Factor,
    Ladder,
    LadderCell,
    LadderMeasurement,
    LadderRung,
    OnAllCores,
    Rate,
    Series,
)

# Side rungs, and what they are held against.
SIDES = [(name, "naive") for name in ("lists", "rows", "blocked")] + [("blocked compiled", "compiled")]
SIDES += [("einsum", "naive"), ("einsum optimized", "einsum"), ("matmul", "einsum")]


GENERATED = "packing and blocks"  # the step that is the generated product


def derive(m: LadderMeasurement) -> Ladder:
    """The record with everything that follows from its samples; the factors are those at its largest order."""
    series, core = {(s.name, s.n): s for s in m.samples if s.seconds}, core_of(m)
    cells = {key: _cell(s, core, m.cpus) for key, s in series.items()}
    steps = [rung.name for rung in m.rungs if rung.kind == "step"]

    def factors(*wanted: tuple[str, str], n: int = m.n) -> list[Factor]:
        """One rung over another on a core alone; those that were not both timed are left out."""
        found = []
        for rung, over in wanted:
            a, b = cells.get((rung, n)), cells.get((over, n))
            if a and b:
                ratio = asdict(quotient(a.alone, b.alone))
                found.append(Factor(rung=rung, over=over, n=n, ratio=ratio.pop("value"), **ratio))
        return found

    def neighbours(rung: LadderRung) -> list[str]:
        """What the rung names, and of the steps the fastest that is slower and the slowest that is faster."""
        rates = {name: cells[name, m.n].alone.gflops.value for name in (*steps, rung.name) if (name, m.n) in cells}
        own = rates.pop(rung.name, 0.0)
        below = max((name for name in rates if rates[name] <= own), key=rates.__getitem__, default="")
        above = min((name for name in rates if rates[name] > own), key=rates.__getitem__, default="")
        return list(dict.fromkeys(filter(None, (rung.over, below, above))))

    others = [rung for rung in m.rungs if rung.kind in ("rival", "kernel", "own")]
    rivals = ["matmul", *(rung.name for rung in others if rung.kind != "own")]
    blocks = [rung.name for rung in m.rungs if rung.kind == "blocks"]
    # Blocks before SIMD, and the same two changes in the order of the ladder.
    scalar = steps[next(i for i, name in enumerate(steps) if name.startswith("SIMD")) - 1]
    simd = steps[steps.index("register tile") - 1]
    return Ladder(
        **{name: getattr(m, name) for name in LadderMeasurement.__struct_fields__},
        roof=roof_of(core, m.limits),
        cells=list(cells.values()),
        factors=factors(*zip(steps[1:], steps, strict=False)),
        whole=factors((steps[-1], steps[0]))[0],
        other_order=factors(("blocks", scalar), ("blocks + SIMD", "blocks"), ("blocks + SIMD", simd), (simd, scalar)),
        sides=factors(*SIDES),
        beside=factors(*((rung.name, "matmul") for rung in others)),
        # Without a rival the last step says it all.
        rivals=[f for n in m.sizes for f in factors(*((GENERATED, rival) for rival in rivals), n=n) if rivals[1:]],
        blocks=[f for n in m.sizes for f in factors(*((name, GENERATED) for name in blocks), n=n)],
        own=factors(*((rung.name, over) for rung in others if rung.kind == "own" for over in neighbours(rung))),
        on_all_cores=_on_all_cores(m.all_cores) if m.all_cores else None,
    )


def _on_all_cores(a: AllCores) -> OnAllCores:
    factor, fraction = (Estimate.of(stats.paired_ratio(a.gflops, over)) for over in (a.one_gflops, a.peak_gflops))
    return OnAllCores(
        gflops=Rate.of(a.gflops), peak_gflops=Rate.of(a.peak_gflops), factor=factor, peak_fraction=fraction
    )


def _cell(s: Series, core: CoreState, cpus: int) -> LadderCell:
    gflops, (fraction, on_its_own) = Rate.of(s.rates), alone(s, core)
    return LadderCell(
        rung=s.name,
        n=s.n,
        portion=s.flops / (2 * s.n**3),
        gflops=gflops,
        peak_fraction=fraction,
        alone=on_its_own,
        noisy=quality.noisy(quality.flags(s, cpus, core)) or quality.wide(gflops),
    )
