"""The roofline in words and numbers: its limits, and the kernels under them."""

from labkit import pages
from labkit.records import PlacedKernel, Roofline
from labkit.report import looks
from labkit.report.tables import NONE, Table, share


def roofs(name: str, line: Roofline) -> Table:
    """The limits: the peak, the ceilings in the core, the levels of memory."""
    peak = line.peak.fp32_fma_gflops
    rows = [[f"peak, {line.peak.instruction_set}", pages.flops(peak.best), pages.spread(peak), NONE]]
    rows += [[c.name, pages.flops(c.gflops.best), pages.spread(c.gflops), NONE] for c in line.ceilings]
    rows += [
        [r.level, f"{pages.significant(r.gbs)} GB/s", NONE, f"{pages.significant(r.flop_per_byte, 2)} flop a byte"]
        for r in line.ridge
    ]
    head = ["limit", "best", "95 % interval of the median", "ridge"]
    return Table(f"The limits: {name}", head, rows, frozenset((1, 2, 3)))


def kernels(name: str, line: Roofline) -> Table:
    """The kernels under them."""
    rows = [
        [f"{looks.of_method(k.name).name}, N = {k.n:,}", rate(k), intensity(k), reaches(k), between(k), _source(k)]
        for k in line.kernels
    ]
    head = ["kernel", "rate", "flop a byte", "reaches", "interval of the share", "measured by"]
    return Table(f"Kernels under the roof: {name}", head, rows, frozenset((1, 2, 3, 4)))


def rate(kernel: PlacedKernel) -> str:
    """A kernel's rate, and from where it is extrapolated if it is."""
    done = f"{pages.significant(kernel.gbs)} GB/s" if kernel.gbs is not None else pages.flops(kernel.gflops)
    return done + (f" (extrapolated from N = {kernel.extrapolated_from})" if kernel.extrapolated else "")


def intensity(kernel: PlacedKernel) -> str:
    """Flop a byte: a figure, or the two between which it lies."""
    low = pages.significant(kernel.intensity, 2)
    return low if kernel.intensity_high is None else f"{low} to {pages.significant(kernel.intensity_high)}"


def reaches(kernel: PlacedKernel) -> str:
    """How much of the limit that it answers to: `58 % of L3`."""
    return f"{share(kernel.share, 2)} of {'the peak' if kernel.roof == 'peak' else kernel.roof}"


def between(kernel: PlacedKernel) -> str:
    """The interval of that share."""
    return f"{share(kernel.low)} to {share(kernel.high)}"


def _source(kernel: PlacedKernel) -> str:
    return {"lab": "the lab", "roof": "the roof's own run"}[kernel.source]
