"""The ladder's README.md, rendered from its record."""

from pathlib import Path

from labkit import pages
from labkit.records import Ladder, Manifest
from labkit.statistics import median

TEMPLATE = Path(__file__).resolve().parent / "page.md.j2"
# What the lab's text says each is worth.
RULES = {"interpreter": "100", "SIMD": "8", "cache blocking": "5 to 10"}


def render(ladder: Ladder, manifest: Manifest) -> str:
    """README.md of the ladder."""
    factors = {f.rung: f for f in ladder.factors}
    steps = [rung for rung in ladder.rungs if rung.kind == "step"]
    simd = [rung.name for rung in steps if rung.name.startswith("SIMD") or rung.name == "FMA"]
    return pages.render(
        TEMPLATE,
        r=ladder,
        m=manifest,
        steps=steps,
        factors=factors,
        cells={c.rung: c for c in ladder.cells if c.n == ladder.n},
        by_size={n: {c.rung: c for c in ladder.cells if c.n == n} for n in ladder.sizes},
        rungs={rung.name: rung for rung in ladder.rungs},
        other={(f.rung, f.over): f for f in ladder.other_order},
        sides={(f.rung, f.over): f for f in ladder.sides},
        simd_together=_together([factors[name].ratio for name in simd if name in factors]),
        blocking=_together(
            [factors[name].ratio for name in ("register tile", "packing and blocks") if name in factors]
        ),
        last_before_tile=steps[[rung.name for rung in steps].index("register tile") - 1].name,
        kernel_ratio={k.core_type: median(k.factors) for k in ladder.kernels},
        rules=RULES,
        gap=ladder.product / ladder.whole.ratio - 1,
    )


def _together(ratios: list[float]) -> float:
    product = 1.0
    for ratio in ratios:
        product *= ratio
    return product
