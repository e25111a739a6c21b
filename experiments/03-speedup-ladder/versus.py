"""The generated product beside np.matmul and the peak loop of the roof, in permuted rounds, one thread."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
_ROOMS = [HERE, HERE.parent / "01-roofline", HERE.parent / "03-matmul-perf", HERE.parents[1]]
sys.path[:0] = [str(room) for room in _ROOMS if str(room) not in sys.path]
if __name__ == "__main__":
    from labkit.threads import require_one_thread

    require_one_thread(say=sys.stderr)  # a BLAS reads its thread count when NumPy loads it, below

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import numpy as np
import typer
from codegen import host_target
from gemm import matmul
from probes import peak_probe

from labkit.sampling import Clock, SystemClock, Workload, aligned, calibrate, take
from labkit.statistics import Ratio, paired_ratio, share_of_standard

SEED = 42
FEWEST_ROUNDS = 9


@dataclass(frozen=True)
class Goal:
    """A product of (m x k) by (k x n), and what is wanted of it."""

    m: int
    k: int
    n: int
    ratio: float  # at least so many times as fast as np.matmul
    share: float | None  # of the FMA peak, at least

    @property
    def flops(self) -> int:
        return 2 * self.m * self.k * self.n

    def __str__(self) -> str:
        return str(self.n) if self.m == self.k == self.n else f"{self.m} x {self.k} x {self.n}"


# The two sizes that are no power of two, and the lab's projection on its vocabulary, stand for products as they come.
GOALS = [
    Goal(64, 64, 64, 0.9, None), Goal(128, 128, 128, 1.0, None), Goal(256, 256, 256, 1.0, None),
    Goal(512, 512, 512, 1.05, 0.95), Goal(1024, 1024, 1024, 1.05, 0.95), Goal(2048, 2048, 2048, 1.05, 0.95),
    Goal(1000, 1000, 1000, 1.0, 0.95), Goal(1025, 1025, 1025, 1.0, 0.95), Goal(512, 64, 600, 1.0, None),
]  # fmt: skip


def peak_workload() -> Workload:
    """The roof's FMA loop: enough chains to hide the latency of any core, in registers that this one has."""
    target = host_target()
    return peak_probe(target, target.lanes, target.registers * 3 // 4, target.fma, "peak")


def compare(goal: Goal, peak: Workload, rounds: int, clock: Clock) -> tuple[Ratio, Ratio, Ratio]:
    """(times np.matmul's speed, share of the peak, np.matmul's share), on the same operands and the same out."""
    rng = np.random.default_rng(SEED)
    A = aligned(goal.m * goal.k).reshape(goal.m, goal.k)
    B = aligned(goal.k * goal.n).reshape(goal.k, goal.n)
    C = aligned(goal.m * goal.n).reshape(goal.m, goal.n)
    for X in (A, B):
        X[:] = rng.standard_normal(X.shape, dtype=np.float32)
    ours = Workload("gemm", goal.n, partial(matmul, A, B, C), goal.flops)
    theirs = Workload("np.matmul", goal.n, partial(np.matmul, A, B, out=C), goal.flops)
    peak.repetitions.clear()
    cells = [ours, theirs, peak]
    for cell in cells:
        cell.call()
        calibrate(cell, clock)
    for round_ in range(rounds):
        for place in rng.permutation(len(cells)):
            take(cells[place], clock, round_)
    rates = [cell.rates_by_round(cell.flops) for cell in cells]
    return (
        paired_ratio(theirs.seconds, ours.seconds),
        share_of_standard(rates[0], rates[2]),
        share_of_standard(rates[1], rates[2]),
    )


def main(
    rounds: Annotated[int, typer.Option(min=FEWEST_ROUNDS, help="Visits to each of the three, a size.")] = 15,
    only: Annotated[str, typer.Option(help="Sizes N, with commas between; all if empty.")] = "",
) -> None:
    """Times np.matmul's speed (median of pairs), and shares of the FMA peak (90th percentiles over the same rounds)."""
    wanted = {int(size) for size in only.split(",") if size}
    peak, clock = peak_workload(), SystemClock()
    print(f"{'N':>14}  {'x np.matmul':>11}  {'95 % interval':>15}  goal  share of peak  goal  np.matmul's share")
    for goal in GOALS:
        if wanted and goal.n not in wanted:
            continue
        ratio, share, theirs = compare(goal, peak, rounds, clock)
        interval = f"{ratio.low:.3f} to {ratio.high:.3f}"
        aim = "    " if goal.share is None else f"{goal.share:.2f}"
        print(
            f"{goal!s:>14}  {ratio.value:11.3f}  {interval:>15}  {goal.ratio:.2f}  {share.value:13.3f}  {aim}"
            f"  {theirs.value:17.3f}",
            flush=True,
        )


if __name__ == "__main__":
    typer.run(main)
