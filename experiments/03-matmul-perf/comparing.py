"""Cells held against each other: speedups, pairs, one method under two names, the cube law. Pure functions."""

import itertools
from collections.abc import Mapping, Sequence

from experiment import AGAIN, PYTHON_METHODS

from labkit import forensics, statistics
from labkit.records import Cell, CubeLaw, MethodComparison, SameTwice, Speedup
from labkit.sampling import Workload
from labkit.statistics import Ratio


def seconds_of(cell: Cell) -> float:
    """The median time of a call, or what the cube law makes of it."""
    return cell.flops / cell.gflops.median / 1e9


def speedup(cells: Sequence[Cell], naive: Cell | None, matmul: Cell | None) -> Speedup | None:
    """np.matmul over naive at one size. Its interval is the quotient of theirs, so a cautious one."""
    if naive is None or matmul is None:
        return None
    return Speedup(
        n=naive.n,
        factor=matmul.gflops.median / naive.gflops.median,
        low=matmul.gflops.low / naive.gflops.high,
        high=matmul.gflops.high / naive.gflops.low,
        extrapolated=naive.extrapolated or matmul.extrapolated,
        naive_seconds=seconds_of(naive),
        matmul_seconds=seconds_of(matmul),
        withheld=_why_withheld([_timed(cells, naive), _timed(cells, matmul)]),
    )


def _timed(cells: Sequence[Cell], cell: Cell) -> Cell:
    """The cell whose repetitions this one's rate comes from: itself, or what it was extrapolated from."""
    basis = (c for c in cells if (c.method, c.n) == (cell.method, cell.extrapolated_from))
    return next(basis, cell) if cell.extrapolated else cell


def _why_withheld(cells: Sequence[Cell]) -> str | None:
    """Why nothing should be said that rests on these cells; None if there is no reason."""
    for cell in cells:
        if cell.invalid:
            return f"{cell.method} at N={cell.n} cannot be true: {cell.invalid[0]}"
    for cell in cells:
        if forensics.interrupted(cell.marks):
            return f"{cell.method} at N={cell.n} did not have its core to itself: {forensics.describe(cell.marks)[0]}"
    return None


def largest_speedup(cells: Sequence[Cell], sizes: Sequence[int], measured_only: bool) -> Speedup | None:
    """The speedup at the largest size that has both methods."""
    for n in sorted(sizes, reverse=True):
        here = {c.method: c for c in cells if c.n == n and not (measured_only and c.extrapolated)}
        found = speedup(cells, here.get("naive"), here.get("matmul"))
        if found:
            return found
    return None


Times = Mapping[int, float]  # seconds a call by the round they were seen in


def times(cell: Cell) -> Times:
    """The cell's seconds a call, by round."""
    return dict(zip(cell.rounds, cell.seconds_per_call, strict=True))


def in_pairs(of_a: Times, of_b: Times) -> Ratio | None:
    """How many times as fast a is as b, from repetitions that were taken in the same round; None without any."""
    common = sorted(of_a.keys() & of_b.keys())
    return statistics.paired_ratio([of_b[r] for r in common], [of_a[r] for r in common]) if common else None


def _comparison(method: str, other: str, n: int, ratio: Ratio, floor: float) -> MethodComparison:
    return MethodComparison(
        method=method, other=other, n=n, ratio=ratio.value, low=ratio.low, high=ratio.high,
        pairs=ratio.pairs, interval=ratio.interval, verdict=statistics.verdict(ratio, floor),
    )  # fmt: skip


def compare(a: Cell, b: Cell, floor: float = 0.0) -> MethodComparison | None:
    """Cell a against cell b; a difference of no more than the floor is not resolved."""
    ratio = in_pairs(times(a), times(b))
    return _comparison(a.method, b.method, a.n, ratio, floor) if ratio else None


def same_twice(twins: Sequence[Workload], workloads: Sequence[Workload]) -> SameTwice:
    """Each method that was timed under a second name, against itself."""
    by_key = {w.key: w for w in workloads}
    found = []
    for twin in twins:
        method = twin.method.removesuffix(AGAIN)
        of_both = ({r.round: r.seconds for r in w.repetitions} for w in (twin, by_key[method, twin.n]))
        if ratio := in_pairs(*of_both):
            found.append((twin, method, ratio))
    return SameTwice(
        pairs=[_comparison(twin.method, method, twin.n, ratio, 0.0) for twin, method, ratio in found],
        floor=statistics.floor_of([ratio for *_, ratio in found]),
    )


def comparisons(cells: Sequence[Cell], floor: float) -> list[MethodComparison]:
    """Each blocked variant against naive, wherever both were measured."""
    naive = {cell.n: cell for cell in cells if cell.method == "naive"}
    others = [cell for cell in cells if cell.method in PYTHON_METHODS and cell.method != "naive" and cell.n in naive]
    found = [compare(cell, naive[cell.n], floor) for cell in others]
    return [comparison for comparison in found if comparison]


def cube_law(cells: Sequence[Cell]) -> list[CubeLaw]:
    """How far the cube law was off, from each measured size to the next larger one of a Python method."""
    found = []
    for method in PYTHON_METHODS:
        own = sorted((c for c in cells if c.method == method and not c.extrapolated), key=lambda c: c.n)
        for base, cell in itertools.pairwise(own):
            predicted = seconds_of(base) * (cell.n / base.n) ** 3
            found.append(
                CubeLaw(
                    method=method,
                    n=cell.n,
                    predicted_from=base.n,
                    predicted_seconds=predicted,
                    measured_seconds=seconds_of(cell),
                    ratio=seconds_of(cell) / predicted,
                )
            )
    return found
