"""A run in the Bencher Metric Format: {benchmark: {measure: {value, lower_value, upper_value}}}."""

import json

from labkit.errors import LabError
from labkit.exports import cells
from labkit.records import Cell
from labkit.runs import Run

Metric = dict[str, float]
NANOSECONDS = 1e9  # a second; Bencher's built-in measure latency is in nanoseconds


def export(run: Run) -> str:
    """One benchmark a cell that was timed and can be true: the format has no place to say of one that it is not."""
    kept = [cell for cell in run.results.cells if not (cell.extrapolated or cell.invalid)]
    if not kept:
        raise LabError("no cell of this result was timed and can be true: there is nothing for Bencher")
    return json.dumps({cells.name(cell): _measures(cell) for cell in kept}, indent=1) + "\n"


def remarks(run: Run) -> list[str]:
    """What the file does not hold."""
    left_out = {
        "as not timed but extrapolated": cells.of_extrapolated(run),
        "as they cannot be true": cells.of_invalid(run),
    }
    return [f"left out, {why}: {', '.join(names)}" for why, names in left_out.items() if names]


def _measures(cell: Cell) -> dict[str, Metric]:
    """By slug: `latency` in ns a call, `gflops`, and `share-of-roof`, which is 1 at the measured peak."""
    time = cells.seconds(cell)
    return {
        "latency": _metric(*(NANOSECONDS * seconds for seconds in (time.median, time.low, time.high))),
        "gflops": _metric(cell.gflops.median, cell.gflops.low, cell.gflops.high),
        "share-of-roof": _metric(cell.roof.share, cell.roof.low, cell.roof.high),
    }


def _metric(value: float, low: float, high: float) -> Metric:
    return {"value": value, "lower_value": low, "upper_value": high}
