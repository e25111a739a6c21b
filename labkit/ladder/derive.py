"""From a ladder's samples to rates, to the factor of each step, and to whether the factors close. Pure."""

import math
from dataclasses import asdict

from labkit import quality
from labkit.records.derive import REFERENCE, paired, peak_fraction
from labkit.records.model import Factor, Ladder, LadderCell, LadderMeasurement, Rate, Series

# Side rungs, and what they are held against.
SIDES = [(name, "naive") for name in ("lists", "rows", "blocked")] + [("blocked compiled", "compiled")]
SIDES += [("einsum", "naive"), ("einsum optimized", "einsum"), ("matmul", "einsum")]
LARGEST = {"blocked": 128}  # the order up to which a rung is timed, if not all


def derive(m: LadderMeasurement) -> Ladder:
    """The record with everything that follows from its samples; the factors are those at its largest order."""
    series = {(s.name, s.n): s for s in m.samples if s.seconds and s.name != REFERENCE}
    reference = next(s for s in m.samples if s.name == REFERENCE)
    steps = [rung.name for rung in m.rungs if rung.kind == "step"]

    def factors(*wanted: tuple[str, str]) -> list[Factor]:
        """One rung over another, by the rounds in which both were timed; those without any are left out."""
        found = []
        for rung, over in wanted:
            n = LARGEST.get(rung, m.n)
            a, b = series.get((rung, n)), series.get((over, n))
            if a and b and (r := paired(a, b)):
                ratio = asdict(r)
                found.append(Factor(rung=rung, over=over, n=n, ratio=ratio.pop("value"), **ratio))
        return found

    each = factors(*zip(steps[1:], steps, strict=False))
    # Blocks before SIMD, and the same two changes in the order of the ladder.
    scalar = steps[next(i for i, name in enumerate(steps) if name.startswith("SIMD")) - 1]
    simd = steps[steps.index("register tile") - 1]
    return Ladder(
        **{name: getattr(m, name) for name in LadderMeasurement.__struct_fields__},
        cells=[_cell(s, reference, m) for s in series.values()],
        factors=each,
        product=math.prod(f.ratio for f in each),
        whole=factors((steps[-1], steps[0]))[0],
        other_order=factors(("blocks", scalar), ("blocks + SIMD", "blocks"), ("blocks + SIMD", simd), (simd, scalar)),
        sides=factors(*SIDES),
    )


def _cell(s: Series, reference: Series, m: LadderMeasurement) -> LadderCell:
    gflops, flags = Rate.of(s.rates), quality.flags(s, m.cpus, reference.by_round())
    return LadderCell(
        rung=s.name,
        n=s.n,
        rows=s.flops // (2 * s.n**2),
        gflops=gflops,
        peak_fraction=peak_fraction(s, reference, m.roof),
        noisy=quality.noisy(flags) or quality.wide(gflops),
    )
