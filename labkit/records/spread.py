"""How far runs of the same thing differ from run to run, and how far Pythons do. Pure."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from labkit import stats
from labkit.records.derive import PYTHON_METHODS, Key
from labkit.records.find import Run
from labkit.records.model import Estimate, RepeatedCell, RepeatedRun
from labkit.stats import Ratio, Verdict

# The fraction of peak is meant to repeat within the first from run to run, and within the second beside a busy process.
FRACTION_LIMIT, FRACTION_BUSY_LIMIT = 0.03, 0.05

Beside = Literal["nothing", "a busy process"]


@dataclass(frozen=True)
class Spread:
    """A cell over runs of one Python: the largest figure over the smallest, less one.

    `..._busy` is how far the run beside a busy process lies from the median of the others; None without such a run.
    """

    method: str
    n: int
    gflops: float
    peak_fraction: float
    gflops_busy: float | None = None
    peak_fraction_busy: float | None = None


@dataclass(frozen=True)
class PythonRatio:
    """A cell under one Python over the same under the oldest: medians of its fraction of peak over runs.

    The machine drifts from run to run, and GFLOPS with it. Six runs of each give an interval.
    """

    method: str
    n: int
    python: str
    ratio: Ratio
    verdict: Verdict


def repeated(run: Run, beside: Beside = "nothing", least_n: int = 0) -> RepeatedRun:
    """What of a run is meant to repeat: timed loops in Python, and compiled products from this order on."""
    speedup = run.analysis.speedup
    return RepeatedRun(
        beside=beside,
        python=run.manifest.versions.get("python", ""),
        contended=run.analysis.core.contended,
        wall_seconds=run.results.harness.wall_seconds,
        speedup=Estimate(value=speedup.factor, low=speedup.low, high=speedup.high) if speedup else None,
        cells=[
            RepeatedCell(method=c.method, n=c.n, gflops=c.gflops.median, peak_fraction=c.peak_fraction)
            for c in run.analysis.cells
            if not (c.extrapolated or c.invalid) and (c.method in PYTHON_METHODS or c.n >= least_n)
        ],
    )


def spreads(runs: Sequence[RepeatedRun]) -> list[Spread]:
    """The spread of each cell that two runs or more under one Python have; the largest of any Python."""
    found = []
    for key in _keys(runs):
        by_python = [_figures(_alone(runs, python), key) for python in versions(runs)]
        several = [figures for figures in by_python if len(figures) > 1]
        if several:
            gflops, fraction = (max(_apart([f[i] for f in figures]) for figures in several) for i in (0, 1))
            found.append(Spread(*key, gflops, fraction, *_busy(runs, key)))
    return found


def coverage(runs: Sequence[RepeatedRun]) -> tuple[int, int]:
    """In how many cases, of how many, a run's interval of a fraction of peak holds the median over runs of its kind."""
    held = []
    for key, python in itertools.product(_keys(runs), versions(runs)):
        own = [c.peak_fraction for run in _alone(runs, python) for c in run.cells if (c.method, c.n) == key]
        if len(own) > 1:
            center = median(e.value for e in own)
            held += [e.low <= center <= e.high for e in own]
    return sum(held), len(held)


def pythons(runs: Sequence[RepeatedRun]) -> list[PythonRatio]:
    """Each cell under each Python over the oldest Python; empty of one Python alone."""
    first, *others = versions(runs)
    found = []
    for key in _keys(runs):
        base, *rest = ([f for _, f in _figures(_alone(runs, python), key)] for python in (first, *others))
        for python, fractions in zip(others, rest, strict=True):
            if base and fractions:
                ratio = stats.ratio_of_medians(fractions, base)
                found.append(PythonRatio(*key, python, ratio, stats.verdict(ratio)))
    return found


def versions(runs: Sequence[RepeatedRun]) -> list[str]:
    """The Pythons of the runs, the oldest first."""
    return sorted({run.python for run in runs}, key=lambda v: [int(x) for x in re.findall(r"\d+", v)])


def _apart(values: Sequence[float]) -> float:
    return max(values) / min(values) - 1


def _busy(runs: Sequence[RepeatedRun], key: Key) -> tuple[float | None, float | None]:
    """How far GFLOPS and fraction of the run beside a busy process lie from the medians of those under its Python."""
    for run in runs:
        here, others = _figures([run], key), _figures(_alone(runs, run.python), key)
        if run.beside != "nothing" and here and others:
            gflops, fraction = (here[0][i] / median(f[i] for f in others) - 1 for i in (0, 1))
            return gflops, fraction
    return None, None


def _alone(runs: Sequence[RepeatedRun], python: str) -> list[RepeatedRun]:
    """The runs under this Python that had the machine to themselves."""
    return [run for run in runs if run.python == python and run.beside == "nothing"]


def _figures(runs: Sequence[RepeatedRun], key: Key) -> list[tuple[float, float]]:
    """GFLOPS and fraction of peak of a cell, in each of the runs that have it."""
    return [(c.gflops, c.peak_fraction.value) for run in runs for c in run.cells if (c.method, c.n) == key]


def _keys(runs: Sequence[RepeatedRun]) -> list[Key]:
    return list(dict.fromkeys((cell.method, cell.n) for run in runs for cell in run.cells))
