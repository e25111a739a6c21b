"""Made-up runs of the lab to hold against each other, as if read from folders."""

import copy
from functools import cache
from pathlib import Path

import made_up
import msgspec

from labkit.records import Git, Rate, Repeat, RepeatedCell, RepeatedRun, Results, Share, Spread
from labkit.runs import Run

COMMIT = "0123456789abcdef"
# One entry a repetition in each cell.
LISTS = (
    "seconds_per_call", "rounds", "cpu_over_wall", "voluntary_switches", "involuntary_switches", "steal_seconds",
    "sentinel_gbs", "marks",
)  # fmt: skip


@cache
def _results() -> Results:
    return made_up.results()


def run(
    name: str = "a CPU",
    speed: float = 1.0,
    share: float = 1.0,
    repetitions: int = 12,
    dirty: bool = False,
    **versions: str,
) -> Run:
    """A run so many times as fast as the usual one, with so many times its shares; `versions` are the manifest's."""
    results = copy.deepcopy(_results())
    for cell in results.cells:
        for one in LISTS:
            setattr(cell, one, getattr(cell, one)[:repetitions])
        cell.seconds_per_call = [seconds / speed for seconds in cell.seconds_per_call]
        rates = [cell.flops / s / 1e9 for s in cell.seconds_per_call] or [speed * cell.gflops.median]
        cell.gflops = Rate.of(rates)
        cell.roof = Share(share=share * cell.roof.share, low=share * cell.roof.low, high=share * cell.roof.high)
    manifest = made_up.manifest()
    manifest.git = Git(commit=COMMIT, dirty=dirty)
    manifest.versions |= versions
    return Run(name, Path(name), results, manifest, None, None)


def of_cpu(made: Run, cpu: str) -> Run:
    """The run as of another CPU, which is its name too."""
    manifest, results = copy.deepcopy(made.manifest), msgspec.structs.replace(made.results, short_name=cpu)
    manifest.hardware.cpu = manifest.hardware.short_name = cpu
    return Run(cpu, Path(cpu), results, manifest, made.roofline, made.ladder, made.repeat)


def repeat(spread: float, n: int = 1024) -> Repeat:
    """A study in which np.matmul at one size moved by so much, in GFLOPS, and in share by half of it."""
    moved = Spread(method="matmul", n=n, gflops=spread, share=spread / 2, gflops_busy_shift=None, share_busy_shift=None)
    return Repeat(
        schema="repeat/1",
        short_name="a CPU",
        runs=[RepeatedRun(beside="nothing", noisy=False, wall_seconds=30.0)] * 2,
        cells=[RepeatedCell(method="matmul", n=n, gflops=[80.0, 81.0], share=[0.8, 0.81])],
        spreads=[moved],
        share_spread_limit=0.03,
        share_busy_limit=0.05,
        repeats=True,
        repeats_when_busy=None,
        manifest=made_up.manifest(),
    )
