"""Runs of one Python, pooled; and the Pythons held against each other. Pure."""

from collections.abc import Mapping, Sequence

import msgspec

from labkit import statistics
from labkit.comparison import floors
from labkit.comparison.side_by_side import compare
from labkit.records import Cell, Git, Rate, Repeat, RunComparison, Share
from labkit.runs import Run


def compare_pythons(rounds: Mapping[str, Sequence[Run]], git: Git, repeat: Repeat | None) -> RunComparison:
    """Each Python's runs, the oldest Python first, pooled and held against that one's.

    How far the same thing differs from run to run is seen from round to round, and in `repeat`, the study on this
    machine. `git` is the checkout that the runs' copy of the lab was made of.
    """
    named = {version: [_placed(run, version, git, repeat) for run in runs] for version, runs in rounds.items()}
    pooled = [pool(runs) for runs in named.values()]
    spreads = floors.known_spreads(pooled)
    for known, runs in zip(spreads, named.values(), strict=True):
        if len(runs) > 1:
            known.append(floors.between(runs))
    return compare(pooled, spreads)


def _placed(run: Run, version: str, git: Git, repeat: Repeat | None) -> Run:
    manifest = msgspec.structs.replace(run.manifest, git=git)
    return Run(f"Python {version}", run.folder, run.results, manifest, run.roofline, run.ladder, repeat)


def pool(runs: Sequence[Run]) -> Run:
    """These runs of the same thing as one: every repetition of theirs."""
    first = runs[0]
    pooled = {(cell.method, cell.n): _pooled_cell(runs, cell) for cell in first.results.cells}
    for cell in pooled.values():
        base = pooled.get((cell.method, cell.extrapolated_from or 0))
        if cell.extrapolated and base:  # its rate is its base's, so that of the base's pool
            cell.gflops, cell.roof = base.gflops, base.roof
    results = msgspec.structs.replace(
        first.results,
        cells=list(pooled.values()),
        same_twice=max((run.results.same_twice for run in runs), key=lambda twice: twice.floor),
        noise=max((run.results.noise for run in runs), key=lambda noise: noise.noisy),
    )
    return Run(first.name, first.folder, results, first.manifest, first.roofline, first.ladder, first.repeat)


def _pooled_cell(runs: Sequence[Run], cell: Cell) -> Cell:
    """The cell with the repetitions of every run that measured it: one that cannot be true in any cannot be here.

    Its share is the median of theirs, with an interval as wide as all of theirs together.
    """
    found = [c for run in runs if (c := run.results.cell(cell.method, cell.n)) and not c.extrapolated]
    if len(found) < 2:
        return msgspec.structs.replace(found[0] if found else cell)  # a copy: what was read stays as it is
    seconds = [s for c in found for s in c.seconds_per_call]
    shares = [c.roof for c in found]
    middle = statistics.median([share.share for share in shares])
    return msgspec.structs.replace(
        found[0],
        seconds_per_call=seconds,
        marks=[mark for c in found for mark in c.marks],
        gflops=Rate.of([cell.flops / s / 1e9 for s in seconds]),
        roof=Share(share=middle, low=min(s.low for s in shares), high=max(s.high for s in shares)),
        noisy=any(c.noisy for c in found),
        invalid=[why for c in found for why in c.invalid],
    )
