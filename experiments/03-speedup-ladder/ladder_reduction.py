"""From repetitions to the ladder's record: rates, factors between neighbours, and whether they close. Pure."""

import itertools
import math
from collections.abc import Mapping, Sequence

from reduction import MeasuringMachine, reduce_noise, reduce_roof, share_of_roof

from labkit import forensics, statistics
from labkit.records import Agreement, Factor, Ladder, LadderCell, LadderRung, OlderKernel, Rate, Roofline
from labkit.sampling import Workload
from labkit.statistics import Ratio

Key = tuple[str, int]
Workloads = Mapping[Key, Workload]

# What people ask of the side rungs: how many times as fast as what, and at which order if not the ladder's.
SIDES = (
    ("lists", "naive", None), ("rows", "naive", None), ("blocked", "naive", 128),
    ("blocked compiled", "compiled", None),
    ("einsum", "naive", None), ("einsum optimized", "einsum", None), ("matmul", "einsum", None),
)  # fmt: skip
# Blocks before SIMD, and the same two changes in the chosen order.
OTHER_ORDER = (
    ("blocks", "unit stride"), ("blocks + SIMD", "blocks"), ("blocks + SIMD", "{simd}"), ("{simd}", "unit stride"),
)  # fmt: skip


def reduce_cell(w: Workload, rows: int, sentinel: Workload, roofline: Roofline, cpus: int) -> LadderCell:
    """A rung at a size."""
    marks = forensics.marks(w.repetitions, cpus, sentinel.rates_by_round(sentinel.bytes))
    gflops = Rate.of(w.rates(w.flops))
    return LadderCell(
        rung=w.method, n=w.n, rows=rows, flops=w.flops, seconds_per_call=w.seconds,
        rounds=[r.round for r in w.repetitions], marks=marks, gflops=gflops,
        roof=share_of_roof(w, sentinel, roofline.sentinel.peak_flop_per_sentinel_byte),
        noisy=forensics.noisy(marks) or forensics.wide(gflops),
    )  # fmt: skip


def factor(workloads: Workloads, rung: str, over: str, n: int) -> Factor | None:
    """One rung over another at a size, by the rounds in which both were visited; None without any."""
    if (rung, n) not in workloads or (over, n) not in workloads:
        return None
    of_rung, of_over = (workloads[name, n].rates_by_round(workloads[name, n].flops) for name in (rung, over))
    common = sorted(of_rung.keys() & of_over.keys())
    if not common:
        return None
    ratio = statistics.paired_ratio([of_rung[r] for r in common], [of_over[r] for r in common])
    return _recorded(rung, over, n, ratio)


def _recorded(rung: str, over: str, n: int, r: Ratio) -> Factor:
    return Factor(
        rung=rung, over=over, n=n, ratio=r.value, low=r.low, high=r.high, pairs=r.pairs, interval=r.interval
    )  # fmt: skip


def neighbours(workloads: Workloads, steps: Sequence[str], n: int) -> list[Factor]:
    """Each step over the one below it."""
    found = [factor(workloads, upper, lower, n) for lower, upper in itertools.pairwise(steps)]
    return [f for f in found if f]


def closes(factors: Sequence[Factor]) -> float:
    """The product of the factors: what the whole should be."""
    return math.prod(f.ratio for f in factors)


def reduce_ladder(
    rungs: Sequence[LadderRung],
    rows: Mapping[Key, int],
    workloads: Workloads,
    sentinel: Workload,
    roofline: Roofline,
    agreement: Agreement,
    kernels: Sequence[OlderKernel],
    machine: MeasuringMachine,
    tile: tuple[int, int],
    short_name: str,
    wall_seconds: float,
) -> Ladder:
    """The whole record, at the largest of the sizes."""
    sizes = sorted({n for _, n in workloads})
    n, steps = sizes[-1], [rung.name for rung in rungs if rung.kind == "step"]
    factors = neighbours(workloads, steps, n)
    whole = factor(workloads, steps[-1], steps[0], n)
    assert whole
    simd = steps[steps.index("register tile") - 1]  # the last before it: with FMA where there is one
    pairs = [(a.format(simd=simd), b.format(simd=simd), n) for a, b in OTHER_ORDER]
    sides = [(a, b, at or n) for a, b, at in SIDES]
    return Ladder(
        schema="ladder/1", short_name=short_name, n=n, sizes=sizes, tile=list(tile), agreement=agreement,
        rungs=list(rungs),
        cells=[reduce_cell(w, rows[key], sentinel, roofline, machine.cpus) for key, w in workloads.items()],
        factors=factors, product=closes(factors), whole=whole,
        other_order=[f for pair in pairs if (f := factor(workloads, *pair))],
        sides=[f for pair in sides if (f := factor(workloads, *pair))],
        kernels=list(kernels), roof=reduce_roof(roofline, sentinel), noise=reduce_noise(sentinel, machine.cpus),
        wall_seconds=wall_seconds,
    )  # fmt: skip
