"""What every format asks of a cell: its name, its time with an interval, and where its run was made."""

from dataclasses import dataclass

from labkit import statistics
from labkit.records import Cell
from labkit.runs import Run, provenance


@dataclass(frozen=True)
class Seconds:
    """A call: the median of the repetitions, s, and the interval that belongs to it."""

    median: float
    low: float
    high: float


def name(cell: Cell) -> str:
    """A cell as a benchmark is called, the same in every run."""
    return f"{cell.method} N={cell.n}"


def seconds(cell: Cell) -> Seconds:
    """The time of a call; of an extrapolated cell as it follows from its rate."""
    if cell.extrapolated:
        rate = cell.gflops
        return Seconds(*(cell.flops / gflops / 1e9 for gflops in (rate.median, rate.high, rate.low)))
    low, high, _ = statistics.median_interval(cell.seconds_per_call)
    return Seconds(statistics.median(cell.seconds_per_call), low, high)


def source(run: Run) -> dict[str, str]:
    """Where a run comes from, as texts: the machine, Python, NumPy, the BLAS, the commit; no host, no user."""
    facts = provenance(run.results, run.manifest)
    wanted = ("CPU", "system", "Python", "NumPy", "BLAS", "BLAS kernel", "commit", "protocol", "status")
    return {what: facts[what] for what in wanted}


def of_extrapolated(run: Run) -> list[str]:
    """The cells that were not timed."""
    return [name(cell) for cell in run.results.cells if cell.extrapolated]


def of_invalid(run: Run) -> list[str]:
    """The timed cells that cannot be true."""
    return [name(cell) for cell in run.results.cells if cell.invalid and not cell.extrapolated]
