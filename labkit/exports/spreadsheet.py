"""A run as CSV: a row a cell, units in the names of the columns, the same machine and versions in every row."""

import csv
import io

from labkit.errors import LabError
from labkit.exports import cells
from labkit.records import Cell
from labkit.runs import Run

Field = str | int | float
# A text that begins so is a formula to a spreadsheet; behind an apostrophe it is the text that it was.
_FORMULA = ("=", "+", "-", "@")


def export(run: Run) -> str:
    """The table, a header first, numbers with a point whatever the locale; a LabError if there are no cells."""
    of_run = {f"run_{what.lower().replace(' ', '_')}": text for what, text in cells.source(run).items()}
    of_run["run_created"] = run.manifest.created
    rows = [{**_row(cell), **of_run} for cell in run.results.cells]
    if not rows:
        raise LabError("this result has no cells: there is nothing to make a table of")
    table = io.StringIO()
    writer = csv.DictWriter(table, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows({column: _harmless(field) for column, field in row.items()} for row in rows)
    return table.getvalue()


def remarks(run: Run) -> list[str]:
    """Nothing: a table says of each cell whether it is extrapolated, noisy or invalid."""
    return []


def _row(cell: Cell) -> dict[str, Field]:
    time = cells.seconds(cell)
    return {
        "method": cell.method,
        "n": cell.n,
        "flops": cell.flops,
        "seconds_per_call_median": time.median,
        "seconds_per_call_low": time.low,
        "seconds_per_call_high": time.high,
        "gflops_median": cell.gflops.median,
        "gflops_low": cell.gflops.low,
        "gflops_high": cell.gflops.high,
        "gflops_best": cell.gflops.best,
        "interval": "95 % of the median" if cell.gflops.interval == "ci95" else "range",
        "share_of_roof": cell.roof.share,
        "share_of_roof_low": cell.roof.low,
        "share_of_roof_high": cell.roof.high,
        "repetitions": len(cell.seconds_per_call),
        "calls_per_repetition": cell.calls_per_repetition,
        "timed_seconds": cell.total_seconds,
        "extrapolated": _yes_or_no(cell.extrapolated),
        "extrapolated_from_n": cell.extrapolated_from or "",
        "noisy": _yes_or_no(cell.noisy),
        "invalid": "; ".join(cell.invalid),
        "notes": "; ".join(cell.notes),
    }


def _yes_or_no(so: bool) -> str:
    return "yes" if so else "no"


def _harmless(field: Field) -> Field:
    """A text on one line that no spreadsheet takes for a formula; a number as it is."""
    if not isinstance(field, str):
        return field
    text = " ".join(field.split())
    return f"'{text}" if text.startswith(_FORMULA) else text
