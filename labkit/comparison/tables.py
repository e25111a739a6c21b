"""The tables of a comparison as texts, which the terminal and the page each set in their own way."""

from collections.abc import Iterator
from dataclasses import dataclass

from labkit import pages
from labkit.comparison import words
from labkit.comparison.floors import Quantity
from labkit.records import RunComparison

# Longer names leave no room for the figures in 80 columns: then the number alone stands for the run.
LABEL_COLUMNS = 16


@dataclass(frozen=True)
class Table:
    """A heading, the columns' heads, rows of texts; `align` has a letter a column: l for words, r for figures."""

    title: str
    align: str
    head: list[str]
    rows: list[list[str]]

    @property
    def texts(self) -> Iterator[str]:
        """Every entry."""
        return (text for row in self.rows for text in row)


def labels(record: RunComparison) -> list[str]:
    """What stands for each run in a table: its number, and its name if all are short."""
    short = all(len(run.name) <= LABEL_COLUMNS for run in record.runs)
    return [f"{i} {run.name}" if short else str(i) for i, run in enumerate(record.runs, 1)]


def figures(record: RunComparison, quantity: Quantity, intervals: bool) -> Table:
    """Every cell: a row for each method and run, a column for each size."""
    sizes, rows = sorted({row.n for row in record.rows}), []
    for method in words.methods(record):
        by_size = {row.n: row for row in record.rows if row.method == method}
        for i in range(len(record.runs)):
            texts = [words.cell(by_size[n].cells[i], quantity, intervals) if n in by_size else "-" for n in sizes]
            rows.append([words.method_name(method) if i == 0 else "", str(i + 1), *texts])
    return Table(words.TITLES[quantity], "ll" + "r" * len(sizes), ["", "run", *(f"N={n}" for n in sizes)], rows)


def at_telling_sizes(record: RunComparison, quantity: Quantity) -> Table:
    """A row for each run, a column for each method at the size that says most of it."""
    telling = [words.telling_row(record, method) for method in words.methods(record)]
    rows = [[label, *(words.cell(r.cells[i], quantity) for r in telling)] for i, label in enumerate(labels(record))]
    head = [f"{words.method_name(row.method)}\nN={row.n}" for row in telling]
    return Table(words.TITLES[quantity], "l" + "r" * len(head), ["run", *head], rows)


def by_size(record: RunComparison, quantity: Quantity, method: str) -> Table:
    """One method: a row for each run, a column for each size."""
    own = [row for row in record.rows if row.method == method]
    rows = [[label, *(words.cell(row.cells[i], quantity) for row in own)] for i, label in enumerate(labels(record))]
    title = f"{words.TITLES[quantity]}: {words.method_name(method)}"
    return Table(title, "l" + "r" * len(own), ["run", *(f"N={row.n}" for row in own)], rows)


def pairs(record: RunComparison, quantity: Quantity, names: bool) -> Table:
    """Each run held against the first: with two runs at every size, with more at the size that says most.

    Runs stand by number, or by their `names` too, which 80 columns have no room for.
    """
    several = words.several(record)
    shown = [words.telling_row(record, method) for method in words.methods(record)] if several else record.rows
    title = f"{words.RATIO_TITLES[quantity]}, over that of 1 ({record.runs[0].name})"
    head, align = ["", "N", "run", "ratio (95 %)", "floor", "verdict"], "lrllrl"
    rows, before = [], ""
    for row in shown:
        for i, held in enumerate(getattr(row, quantity), 1):
            if held:
                method, who = words.method_name(row.method), f"{i} {record.runs[i - 1].name}" if names else str(i)
                figures_ = [words.ratio(held), pages.percent(held.floor), words.verdict(held)]
                rows.append([method if method != before else "", str(row.n), who, *figures_])
                before = method
    if several:
        return Table(title, align, head, rows)
    return Table(title, align[:2] + align[3:], head[:2] + head[3:], [row[:2] + row[3:] for row in rows])
