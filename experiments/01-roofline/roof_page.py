"""The roof's README.md, rendered from its record."""

from pathlib import Path

from levels import DRAM
from roof_figure import distance
from saturation import SATURATED

from labkit import pages, roof
from labkit.records import Manifest, Roofline

TEMPLATE = Path(__file__).resolve().parent / "page.md.j2"
PATTERNS = {"load": "load", "copy": "copy", "triad": "triad", "copy_streaming": "copy, streaming stores"}
MATMUL_N = 1024


def render(roofline: Roofline, manifest: Manifest) -> str:
    """README.md of the roofline experiment."""
    kernels = {k.name: k for k in roofline.kernels}
    dram = next(ridge for ridge in roofline.ridge if ridge.level == DRAM)
    own = [s for s in roofline.peak.sweep if s.lanes == roofline.peak.lanes]
    return pages.render(
        TEMPLATE,
        r=roofline,
        m=manifest,
        peak=roofline.peak.fp32_fma_gflops,
        own=own,
        clock=roofline.clock.under_load_ghz or roofline.clock.ghz,
        by_level={r.level: {b.pattern: b for b in roofline.bandwidth if b.level == r.level} for r in roofline.ridge},
        ridges={r.level: r for r in roofline.ridge},
        patterns=PATTERNS,
        dram=dram,
        coprocessor=roof.coprocessor(roofline.machine.blas),
        saturated=SATURATED,
        kernels=kernels,
        distance=distance,
        n=MATMUL_N,
        compulsory=roof.compulsory_intensity(MATMUL_N),
        no_reuse=roof.NO_REUSE_INTENSITY,
        crossover=roof.crossover_n(roofline.peak.fp32_fma_gflops.best, dram.gbs),
    )
