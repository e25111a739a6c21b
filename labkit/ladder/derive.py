"""From a ladder's samples to rates, and to the factor of each step. Pure."""

from dataclasses import asdict

from labkit import quality
from labkit.contention import CoreState
from labkit.records.derive import alone, core_of, quotient, roof_of
from labkit.records.model import Factor, Ladder, LadderCell, LadderMeasurement, Rate, Series

# Side rungs, and what they are held against.
SIDES = [(name, "naive") for name in ("lists", "rows", "blocked")] + [("blocked compiled", "compiled")]
SIDES += [("einsum", "naive"), ("einsum optimized", "einsum"), ("matmul", "einsum")]


def derive(m: LadderMeasurement) -> Ladder:
    """The record with everything that follows from its samples; the factors are those at its largest order."""
    series, core = {(s.name, s.n): s for s in m.samples if s.seconds}, core_of(m)
    cells = {key: _cell(s, core, m.cpus) for key, s in series.items()}
    steps = [rung.name for rung in m.rungs if rung.kind == "step"]

    def factors(*wanted: tuple[str, str]) -> list[Factor]:
        """One rung over another on a core alone; those that were not both timed are left out."""
        found = []
        for rung, over in wanted:
            a, b = cells.get((rung, m.n)), cells.get((over, m.n))
            if a and b:
                ratio = asdict(quotient(a.alone, b.alone))
                found.append(Factor(rung=rung, over=over, n=m.n, ratio=ratio.pop("value"), **ratio))
        return found

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
