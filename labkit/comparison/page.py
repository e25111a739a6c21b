"""The page of a comparison, rendered from its record alone."""

from pathlib import Path

from labkit import pages
from labkit.comparison import tables, words
from labkit.comparison.tables import Table
from labkit.records import RunComparison

HERE = Path(__file__).resolve().parent


def title(record: RunComparison) -> str:
    """The heading of page and figure."""
    return f"{len(record.runs)} results side by side"


def render(record: RunComparison, figure: str | None) -> str:
    """The page; with the name of a figure if there is one beside it."""
    return _template("comparison.md.j2", record, title=title(record), figure=figure)


def differences(record: RunComparison) -> str:
    """What differs between the manifests, as Markdown."""
    return _template("differences.md.j2", record)


def measured(record: RunComparison) -> str:
    """The tables of what was measured, as Markdown."""
    return _template("tables.md.j2", record)


def _template(name: str, record: RunComparison, **more: str | None) -> str:
    figures = [tables.figures(record, quantity, intervals=True) for quantity in words.QUANTITIES]
    return pages.render(
        HERE / name,
        r=record,
        words=words,
        markdown=markdown,
        figures=figures,
        pairs=[tables.pairs(record, quantity, names=True) for quantity in words.QUANTITIES],
        legend=words.legend(text for table in figures for text in table.texts),
        **more,
    )


def markdown(table: Table) -> str:
    """The table in Markdown: figures to the right."""
    rule = ["---:" if letter == "r" else "---" for letter in table.align]
    return "\n".join(
        "| " + " | ".join(_escaped(text) for text in row) + " |" for row in (table.head, rule, *table.rows)
    )


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
