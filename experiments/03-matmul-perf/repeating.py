"""From several quick runs to what moves and what stays. Pure."""

from collections.abc import Mapping

from labkit import statistics
from labkit.records import Manifest, Repeat, RepeatedCell, RepeatedRun, Results, Spread

# What is to repeat: the compiled products from the size on at which a call's overhead no longer counts.
METHODS, SIZES = ("einsum", "matmul"), (256, 512, 1024)
# The share of the roof repeats within this over runs one after the other, and beside a busy process within that.
SHARE_SPREAD_LIMIT, SHARE_BUSY_LIMIT = 0.03, 0.05
BUSY = "busy"


def reduce_repeat(results: Mapping[str, Results], short_name: str, manifest: Manifest) -> Repeat:
    """The record of these runs, by name; the one called `busy` ran beside a busy process."""
    cells = [
        _cell(results, method, n)
        for method in METHODS
        for n in SIZES
        if all(r.cell(method, n) for r in results.values())
    ]
    spreads = [_spread(cell, BUSY in results) for cell in cells]
    shifts = [abs(s.share_busy_shift) for s in spreads if s.share_busy_shift is not None]
    return Repeat(
        schema="repeat/1",
        short_name=short_name,
        runs=[
            RepeatedRun(
                beside="a busy process" if name == BUSY else "nothing",
                noisy=r.noise.noisy,
                wall_seconds=r.harness.wall_seconds,
            )
            for name, r in results.items()
        ],
        cells=cells,
        spreads=spreads,
        share_spread_limit=SHARE_SPREAD_LIMIT,
        share_busy_limit=SHARE_BUSY_LIMIT,
        repeats=all(s.share <= SHARE_SPREAD_LIMIT for s in spreads),
        repeats_when_busy=max(shifts) <= SHARE_BUSY_LIMIT if shifts else None,
        manifest=manifest,
    )


def _cell(results: Mapping[str, Results], method: str, n: int) -> RepeatedCell:
    found = [cell for r in results.values() if (cell := r.cell(method, n))]
    return RepeatedCell(
        method=method, n=n, gflops=[c.gflops.median for c in found], share=[c.roof.share for c in found]
    )


def _spread(cell: RepeatedCell, busy: bool) -> Spread:
    """The spread of the runs alone; the last is the busy one if there is one."""
    alone = slice(None, -1) if busy else slice(None)
    return Spread(
        method=cell.method,
        n=cell.n,
        gflops=spread(cell.gflops[alone]),
        share=spread(cell.share[alone]),
        gflops_busy_shift=cell.gflops[-1] / statistics.median(cell.gflops[alone]) - 1 if busy else None,
        share_busy_shift=cell.share[-1] / statistics.median(cell.share[alone]) - 1 if busy else None,
    )


def spread(values: list[float]) -> float:
    """(max - min) / median."""
    return (max(values) - min(values)) / statistics.median(values)
