"""Runs held against the first, as the comparison found them: a table a run, and what the verdicts stand on."""

from labkit import pages
from labkit.comparison import words
from labkit.records import Held, RunComparison
from labkit.report import looks
from labkit.report.tables import NONE, Table

HEAD = [
    "cell",
    *("share of its own roof, times the first's", "floor", "verdict"),
    *("GFLOPS, times the first's", "floor", "verdict"),
]


def tables(record: RunComparison) -> list[Table]:
    """For each run after the first: the ratio of shares, which repeats from run to run, and that of the rates."""
    first = record.runs[0].name
    made = []
    for i, run in enumerate(record.runs[1:], 1):
        rows = [
            [f"{looks.of_method(row.method).name}, N = {row.n}", *_entries(row.share[i]), *_entries(row.gflops[i])]
            for row in record.rows
        ]
        made.append(Table(f"{run.name}, held against {first}", HEAD, rows, frozenset((1, 2, 4, 5))))
    return made


def _entries(held: Held | None) -> list[str]:
    """Ratio with its interval, the floor within which nothing is called a difference, and the verdict or why none."""
    return [words.ratio(held), pages.percent(held.floor), words.verdict(held)] if held else [NONE] * 3


def notes(record: RunComparison) -> list[str]:
    """How the intervals are made, where the floors come from, and what limits each run."""
    remarks = [f"{run.name}: {'; '.join(run.remarks)}." for run in record.runs if run.remarks]
    return [*remarks, *words.METHOD.values(), *record.notes]
