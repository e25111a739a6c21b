"""A table, and how Markdown and a terminal write it.

A cell is plain text, in which `backticks` mark code. Both escape whatever else their language would read in it,
and a line end or another control character in a cell is a space.
"""

import csv as csv_module
import io
import re
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from labkit.errors import printable

# A pipe or a file has no width: wide enough for any table.
UNLIMITED_COLUMNS = 1000
# On a narrower terminal columns would be cut to a letter or two: there each row is a paragraph.
LEAST_COLUMNS = 40
_CODE = re.compile(r"(`[^`]+`)")
_FORMULA = ("=", "+", "-", "@")  # begin what a spreadsheet computes


@dataclass(frozen=True)
class Table:
    """`align` has a letter for each column, l or r; every row has as many cells as the head."""

    title: str
    align: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def markdown(table: Table) -> str:
    """The table in GitHub's Markdown, ending with a line end."""
    lines = [[_in_markdown(cell) for cell in row] for row in (table.head, *table.rows)]
    lines.insert(1, ["---:" if side == "r" else "---" for side in table.align])
    title = f"**{_in_markdown(table.title)}**\n\n" if table.title else ""
    return title + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def csv(table: Table) -> str:
    """The table as a spreadsheet or pandas reads it; no cell is a formula."""
    written = io.StringIO()
    writer = csv_module.writer(written, lineterminator="\n")
    writer.writerows([harmless(cell) for cell in row] for row in (table.head, *table.rows))
    return written.getvalue()


def harmless(field: str | int | float) -> str | int | float:
    """A text on one line that no spreadsheet takes for a formula; a number as it is."""
    if not isinstance(field, str):
        return field
    text = " ".join(field.split())
    return f"'{text}" if text.startswith(_FORMULA) else text


def terminal(table: Table, columns: int | None = None) -> str:
    """The table as lines of text, no wider than so many columns (default: the terminal's)."""
    if columns is None:
        columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else UNLIMITED_COLUMNS
    rows = [[printable(cell.replace("`", "")) for cell in row] for row in table.rows]
    if columns < LEAST_COLUMNS:
        lines = [table.title, *(" | ".join(filter(None, row)) for row in (table.head, *rows))]
        return "\n".join(textwrap.fill(line, max(columns, 1), subsequent_indent=" ") for line in lines if line)
    shown = RichTable(title=Text(table.title) if table.title else None, title_justify="left", box=None, pad_edge=False)
    for side, cell in zip(table.align, table.head, strict=True):
        shown.add_column(Text(cell.replace("`", "")), justify="right" if side == "r" else "left")
    for row in rows:
        shown.add_row(*map(Text, row))
    console = Console(width=columns, no_color=True, highlight=False)
    with console.capture() as captured:
        console.print(shown)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _in_markdown(cell: str) -> str:
    """Escaped, code apart: there only the bar that would end the cell."""
    pieces = _CODE.split(" ".join(cell.split()))
    return "".join(
        p.replace("|", r"\|") if _CODE.fullmatch(p) else re.sub(r"([\\`*\[<&|])", r"\\\1", p) for p in pieces
    )
