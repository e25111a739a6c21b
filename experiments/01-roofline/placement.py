"""Kernels on the roof: at which intensity each stands, which limit it answers to, and whether it stands below it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from levels import DRAM, level_of

from labkit import codec, machine, sampling
from labkit.errors import LabError
from labkit.records import Cell, MachineIdentity, Manifest, PlacedKernel, Rate, Results, Roofline
from labkit.roof import NO_REUSE_INTENSITY, compulsory_intensity, coprocessor, matmul_flops, proven_intensity
from labkit.sampling import Workload

if TYPE_CHECKING:
    from probes import Windows

DOT_N, MATMUL_N = 1_000_000, 1024
# What an interpreted product is measured at where the lab has no record of it: its rate hardly depends on N.
SMALL_N = 64
COPY = "memcpy"
FLOAT = 4  # bytes
PEAK = "peak"
METHODS = ("naive", "blocked", "einsum", "matmul")


# --- what is measured here --------------------------------------------------------------------------


def numpy_kernels(windows: "Windows", seed: int) -> list[Workload]:
    """NumPy's own at the left of the roof: a copy through DRAM, and a dot product of 10^6."""
    rng = np.random.default_rng(seed)

    def copy() -> None:
        source, target = windows.next_halves()
        np.copyto(target, source)

    half = windows.bytes // 2
    x, y = sampling.aligned(DOT_N), sampling.aligned(DOT_N)
    for vector in (x, y):
        vector[:] = rng.standard_normal(DOT_N, dtype=np.float32)
    return [
        Workload(COPY, half, copy, bytes=2 * half),
        Workload("dot", DOT_N, partial(np.dot, x, y), flops=2 * DOT_N),
    ]


def lab_methods() -> list[Workload]:
    """The lab's own functions: compiled ones at N = 1024, interpreted ones at a size that can be waited for."""
    import inspect
    import sys

    from roofline import LAB

    sys.path.append(str(LAB))
    import bench

    found = []
    for name, n in zip(METHODS, (SMALL_N, SMALL_N, MATMUL_N, MATMUL_N), strict=True):
        A, B = bench.make_operands(n)
        call = partial(inspect.unwrap(bench.METHODS[name]), A, B, out=np.empty_like(A))
        found.append(Workload(name, n, call, flops=matmul_flops(n)))
    return found


def place(w: Workload, roofline: Roofline) -> PlacedKernel:
    """A workload measured beside the roof: its median rate, as a share of the limit it answers to."""
    rate = Rate.of(w.rates(w.flops or w.bytes))
    intensity, high = 0.0, None
    if w.method in METHODS:
        intensity, high = bounds(rate.median, MATMUL_N, dram_gbs(roofline))
        roof, limit = PEAK, roofline.peak.fp32_fma_gflops.best
    elif w.flops:
        intensity = w.flops / (2 * FLOAT * w.n)
        roof, gbs = bandwidth_at(2 * FLOAT * w.n, roofline)
        limit = min(roofline.peak.fp32_fma_gflops.best, intensity * gbs)
    else:
        roof, limit = DRAM, dram_gbs(roofline)
    small = w.method in METHODS and w.n != MATMUL_N
    return PlacedKernel(
        name=w.method, n=MATMUL_N if small else w.n, intensity=intensity, intensity_high=high,
        gflops=rate.median if w.flops else 0.0, gbs=rate.median if w.bytes else None,
        roof=roof, share=rate.median / limit, low=rate.low / limit, high=rate.high / limit,
        extrapolated=small, extrapolated_from=w.n if small else None, source="roof",
    )  # fmt: skip


def bounds(gflops: float, n: int, dram: float) -> tuple[float, float]:
    """The two honest intensities of a product: no reuse at all or what its rate proves, and compulsory traffic."""
    return max(NO_REUSE_INTENSITY, proven_intensity(gflops, dram)), compulsory_intensity(n)


def dram_gbs(roofline: Roofline) -> float:
    """The roof of DRAM, GB/s."""
    return next(r.gbs for r in roofline.ridge if r.level == DRAM)


def bandwidth_at(working_set: int, roofline: Roofline) -> tuple[str, float]:
    """(level, GB/s) that bounds a kernel whose data take so many bytes: its level's, or its stairs' if higher."""
    by_level = {r.level: r.gbs for r in roofline.ridge}
    level = level_of(working_set, roofline.levels, list(by_level))
    near = [s.gbs.best for s in roofline.staircase if 0.7 <= s.working_set_bytes / working_set <= 1.45]
    return level, max([by_level[level], *near])


# --- what the lab has measured ----------------------------------------------------------------------


@dataclass(frozen=True)
class LabRecord:
    """What the lab left, where it is of this machine."""

    results: Results
    manifest: Manifest


def read_lab(folder: Path, identity: MachineIdentity) -> LabRecord | None:
    """The lab's record if there is a whole one of this very machine, NumPy and BLAS."""
    try:
        results = codec.read(folder / "results.json", Results)
        manifest = codec.read(folder / "manifest.json", Manifest)
    except LabError:
        return None
    if machine.identity(manifest.hardware, manifest.blas, manifest.versions["numpy"]) != identity or not results.cell(
        "matmul", MATMUL_N
    ):
        return None
    return LabRecord(results, manifest)


def from_lab(lab: LabRecord, roofline: Roofline) -> list[PlacedKernel]:
    """The lab's cells at N = 1024: rate over rate, as they are drawn. The lab's own shares go through the sentinel."""
    cells = (lab.results.cell(method, MATMUL_N) for method in METHODS)
    return [_from_cell(cell, roofline) for cell in cells if cell]


def _from_cell(cell: Cell, roofline: Roofline) -> PlacedKernel:
    low, high = bounds(cell.gflops.median, cell.n, dram_gbs(roofline))
    peak = roofline.peak.fp32_fma_gflops.best
    return PlacedKernel(
        name=cell.method, n=cell.n, intensity=low, intensity_high=high, gflops=cell.gflops.median, gbs=None,
        roof=PEAK, share=cell.gflops.median / peak, low=cell.gflops.low / peak, high=cell.gflops.high / peak,
        extrapolated=cell.extrapolated, extrapolated_from=cell.extrapolated_from, source="lab",
    )  # fmt: skip


def with_lab(kernels: Sequence[PlacedKernel], lab: LabRecord | None, roofline: Roofline) -> list[PlacedKernel]:
    """The kernels, those of the lab in place of what was measured here."""
    taken = {k.name: k for k in from_lab(lab, roofline)} if lab else {}
    return [k for k in kernels if k.name not in taken] + list(taken.values())


# --- the check --------------------------------------------------------------------------------------


def above_roof(roofline: Roofline) -> list[str]:
    """What stands above the limit it answers to by more than its interval: such a roof is wrong."""
    faults = [
        f"{k.name} at n = {k.n} reaches {100 * k.share:.0f} % ({100 * k.low:.0f} to {100 * k.high:.0f} %) "
        f"of the {k.roof} limit"
        for k in roofline.kernels
        if k.low > 1 and not (k.name == "matmul" and coprocessor(roofline.machine.blas))
    ]
    best = roofline.peak.fp32_fma_gflops.best
    faults += [
        f"the {c.name} ceiling, {c.gflops.low:.1f} GFLOPS or more, lies above the peak of {best:.1f}"
        for c in roofline.ceilings
        if c.name != "FMA + ADD" and c.gflops.low > best
    ]
    return faults
