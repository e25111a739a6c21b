"""A comparison on a terminal of 80 columns."""

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from labkit.comparison import tables, words
from labkit.comparison.tables import Table
from labkit.records import RunComparison

# With more runs than this the sizes of each method would fill screens: one size a method then.
RUNS_WITH_EVERY_SIZE = 4
WRAPPED = ("verdict", "run")


def show(record: RunComparison, console: Console) -> None:
    """What differs first, then shares of each one's own roof, GFLOPS, and each run held against the first."""
    console.print(_legend(record))
    if record.differences:
        console.print(_differences(record))
    else:
        console.print(f"\n{words.NOTHING_DIFFERS}")
    few = len(record.runs) <= RUNS_WITH_EVERY_SIZE
    if few:
        shown = [tables.figures(record, quantity, intervals=False) for quantity in words.QUANTITIES]
    else:
        shown = [tables.at_telling_sizes(record, quantity) for quantity in words.QUANTITIES]
        shown.append(tables.by_size(record, "share", words.methods(record)[0]))
    for table in shown:
        console.print(_set(table))
    for line in (*words.legend(text for table in shown for text in table.texts), *words.gaps(record)):
        console.print(Text(f"  {line}", style="dim"))
    for quantity in words.QUANTITIES:
        console.print(_set(tables.pairs(record, quantity, names=False)))
    console.print()
    for note in (*record.notes, *words.METHOD.values()):
        console.print(Text(note))


def _legend(record: RunComparison) -> RichTable:
    table = RichTable(box=None, pad_edge=False, show_header=False)
    for number, run in enumerate(record.runs, 1):
        remarks = f" ({'; '.join(run.remarks)})" if run.remarks else ""
        table.add_row(str(number), Text(run.name) + Text(remarks, style="dim"))
    return table


def _differences(record: RunComparison) -> RichTable:
    table = _headed("What differs")
    table.show_header = False
    table.add_column(no_wrap=True)
    table.add_column()
    for d in record.differences:
        table.add_row(Text(d.what), Text(words.difference(d)))
    return table


def _headed(title: str) -> RichTable:
    return RichTable(
        box=None, pad_edge=False, title=f"\n{title}", title_justify="left", title_style="bold", header_style="dim"
    )


def _set(shown: Table) -> RichTable:
    """The table with its figures to the right; only a verdict may take more than a line."""
    table = _headed(shown.title)
    for head, letter in zip(shown.head, shown.align, strict=True):
        table.add_column(head, justify="right" if letter == "r" else "left", no_wrap=head not in WRAPPED)
    for row in shown.rows:
        table.add_row(*map(Text, row))
    return table
