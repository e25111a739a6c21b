"""The roof's README.md, rendered from its record."""

from pathlib import Path

import roof_figure

from labkit import pages
from labkit.records import Manifest, Roofline

TEMPLATE = Path(__file__).resolve().parent / "page.md.j2"
draw = roof_figure.draw


def render(roofline: Roofline, manifest: Manifest) -> str:
    """README.md of the roofline experiment."""
    patterns = ("load", "copy", "triad")
    levels = [(ridge, {b.pattern: b for b in roofline.bandwidth if b.level == ridge.level}) for ridge in roofline.ridge]
    own = [s for s in roofline.peak.sweep if s.lanes == roofline.peak.lanes]
    dram = next(ridge for ridge in roofline.ridge if ridge.level == "DRAM")
    return pages.render(
        TEMPLATE,
        r=roofline,
        m=manifest,
        levels=levels,
        patterns=patterns,
        sweep=own,
        dram=dram,
        matmul=next((k for k in roofline.kernels if k.name == "matmul"), None),
        naive=next((k for k in roofline.kernels if k.name == "naive"), None),
        from_nominal=roofline.peak.flops_per_cycle * roofline.clock.nominal_ghz if roofline.clock.nominal_ghz else None,
    )
