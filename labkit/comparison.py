"""`labkit compare`: runs side by side in the terminal, as Markdown, as JSON, or as a page and a figure in a folder."""

import argparse
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence

from labkit.errors import UserError
from labkit.records import io
from labkit.records.compare import Against, ComparedCell, Quantity, RunComparison, compare
from labkit.records.find import gather
from labkit.show import fleet, numbers, tables
from labkit.show.tables import Table
from labkit.show.text import method_name
from labkit.stats import FEWEST_TO_JUDGE

RECORD, FIGURE, PAGE = "comparison.json", "comparison.png", "comparison.md"
# The first of the two repeats better from run to run.
NAMES: dict[Quantity, str] = {"peak_fraction": "Fraction of peak", "gflops": "GFLOPS"}
# What follows a figure that is not to be trusted as others are, and what it means.
MARKS = {"extrapolated": "†", "noisy": "‡", "withheld": "§", "invalid": "(invalid)"}
LEGEND = {
    "†": "extrapolated by the cube law, so not compared",
    "‡": "noisy",
    "§": "not alone on its core, so not compared",
}
# How the intervals are made: which are exact, and which are not.
METHODS = (
    "The interval of a ratio of GFLOPS is exact and conservative: the quotient of two order-statistic intervals of "
    "the medians, which together hold with 95 % confidence.",
    "The intervals of fractions of peak hold the scatter within a run and from process to process. "
    "The interval of a ratio combines two of them.",
)
NOTHING_DIFFERS = "Nothing but the time differs between the manifests."
TELLING_SIZES = (
    "Each method is compared at the size that says most: the largest at which the most runs can be compared. "
    "comparison.json has all sizes."
)


def run(args: argparse.Namespace) -> int:
    """The command: `args.folders`, `args.since`, `args.output` (None: no files), `args.all`, and one form of output.

    1 where a node is slower than its kind allows.
    """
    found = gather(args.folders, since=args.since)
    if len(found) < 2:
        raise UserError("compare takes two results or more: name another folder")
    newest = list({run.name: run for run in found}.values()) if args.since else found
    record = compare(newest, found if args.since else ())
    if args.csv and not record.fleet:
        raise UserError(
            f"--csv takes {FEWEST_TO_JUDGE} nodes of one CPU or more: labkit export has a row for each cell"
        )
    encoded = io.encode(record)
    if args.output:
        from labkit.show import canvas  # Matplotlib takes a moment to load, and nothing else here needs it
        from labkit.show.figures import comparison as figure

        with io.locked(args.output):
            drawn = canvas.png(figure.draw(record))
            io.write_all(args.output, {RECORD: encoded, FIGURE: drawn, PAGE: page(record, FIGURE).encode()})
        print(f"In {args.output}: {PAGE}, {FIGURE}, {RECORD}", file=sys.stderr)
    forms = {
        "json": lambda: encoded.decode(),
        "markdown": lambda: page(record),
        "csv": lambda: tables.csv(fleet.nodes(record)),
    }
    asked = next((form for form in forms if getattr(args, form)), None)
    sys.stdout.write(forms[asked]() if asked else terminal(record, args.all))
    return int(bool(record.fleet and any(one.ratio.value < 1 for one in record.fleet.outliers)))


def page(
    record: RunComparison, image: str | None = None, write: Callable[[Table], str] = tables.markdown, every: bool = True
) -> str:
    """The comparison as Markdown, with a figure if its file is named; without `every` a fleet on one screen."""
    drawn = [f"![{_title(record)}]({image})\n"] if image else []
    parts = fleet.page(record, write, every) if record.fleet else _with_first(record, write)
    if record.fleet and every and record.differences:
        parts += ["\n## What differs\n", write(differing(record))]
    head = [f"# {_title(record)}\n", *([f"<!-- Rendered from {RECORD}. -->\n"] if image else [])]
    return "\n".join([*head, *parts[:1], *drawn, *parts[1:], ""])


def _title(record: RunComparison) -> str:
    return f"{len(record.runs)} runs side by side"


def _with_first(record: RunComparison, write: Callable[[Table], str]) -> list[str]:
    """What differs, and all that follows: what was measured, and each run over the first."""
    shown = [values(record, quantity, intervals=write is tables.markdown) for quantity in NAMES]
    return [
        "\n".join(
            [
                *(
                    f"{i}. {r.name}" + f" ({'; '.join(r.remarks)})" * bool(r.remarks)
                    for i, r in enumerate(record.runs, 1)
                ),
                "\n## What differs\n",
                write(differing(record)) if record.differences else f"{NOTHING_DIFFERS}\n",
            ]
        ),
        "## What was measured\n",
        *map(write, shown),
        *(f"- {line}" for line in legend(shown)),
        f"\n## Each run compared with 1 ({record.runs[0].name})\n",
        *(write(against(record, quantity)) for quantity in NAMES),
        *(f"- {note}" for note in (*record.notes, *METHODS, *([TELLING_SIZES] if len(record.runs) > 2 else []))),
        *fleet.changed(record, write),
    ]


def terminal(record: RunComparison, every: bool = False) -> str:
    """The same for a terminal: without intervals, as lines are short there; of a fleet what fits on a screen."""
    text = page(record, write=lambda table: tables.terminal(table) + "\n", every=every)
    return re.sub("^#+ ", "", text, flags=re.MULTILINE)


# --- tables, in which a run stands by its number -------------------------------------------------------


def differing(record: RunComparison) -> Table:
    """What differs between the manifests: each value, and the runs that have it; of many nodes only how many."""
    rows = []
    for difference in record.differences:
        who: dict[str, list[str]] = defaultdict(list)
        for number, value in enumerate(difference.values, 1):
            who[value].append(record.runs[number - 1].name if record.fleet else str(number))
        told = {
            value: f"{len(runs)} nodes" if record.fleet and len(runs) > fleet.MOST_NAMED else ", ".join(runs)
            for value, runs in who.items()
        }
        rows.append([difference.what, "; ".join(f"{value} ({of})" for value, of in told.items())])
    return Table("", "ll", ["what", "each value (and the runs that have it)"], rows)


def values(record: RunComparison, quantity: Quantity, intervals: bool = False) -> Table:
    """Every cell: a row for each method and run, a column for each size."""
    sizes, rows = sorted({row.n for row in record.rows}), []
    for method in record.methods:
        by_size = {row.n: row for row in record.rows if row.method == method}
        for i in range(len(record.runs)):
            texts = [cell_text(by_size[n].cells[i], quantity, intervals) if n in by_size else "-" for n in sizes]
            rows.append([method_name(method), str(i + 1), *texts])
    title = NAMES[quantity] + (", with 95 % intervals" if intervals else "")
    return Table(title, "ll" + "r" * len(sizes), ["", "run", *(f"N = {n}" for n in sizes)], rows)


def against(record: RunComparison, quantity: Quantity) -> Table:
    """Each run over the first: of two runs at every size, of more at the size that says most of each method."""
    shown = [record.telling_row(m) for m in record.methods] if len(record.runs) > 2 else record.rows
    rows = [
        [method_name(row.method), str(row.n), str(i), ratio_text(held), numbers.percent(held.floor), verdict_text(held)]
        for row in shown
        for i, held in enumerate(getattr(row, quantity), 1)
        if held
    ]
    title = f"{NAMES[quantity]}, times that of 1 ({record.runs[0].name})"
    return Table(title, "lrllrl", ["", "N", "run", "ratio (95 %)", "noise floor", "verdict"], rows)


def legend(shown: Sequence[Table]) -> list[str]:
    """The marks that appear in these tables, each with its meaning."""
    texts = "".join(text for table in shown for row in table.rows for text in row)
    return [f"{mark} {meaning}" for mark, meaning in LEGEND.items() if mark in texts]


# --- entries of the tables -----------------------------------------------------------------------------


def cell_text(cell: ComparedCell, quantity: Quantity, intervals: bool = False) -> str:
    """A figure with the mark of what limits it, and its interval if that is wanted."""
    figure = cell.figure(quantity)
    if figure is None:
        return "missing"
    write = numbers.significant if quantity == "gflops" else numbers.fraction
    text = write(figure.value)
    if intervals and cell.state == "measured":
        text += f" ({write(figure.low)} to {write(figure.high)})"
    mark = MARKS.get("noisy" if cell.noisy and cell.state == "measured" else cell.state, "")
    return f"{text} {mark}".strip()


def ratio_text(held: Against) -> str:
    """The ratio with its interval, as far as either is known. About 1 it is the third decimal that tells."""
    value, low, high = (
        "-" if r is None else f"{r:.3f}" if 0.1 <= r < 10 else numbers.significant(r)
        for r in (held.ratio, held.low, held.high)
    )
    return value if held.low is None else f"{value} ({low} to {high})"


def verdict_text(held: Against) -> str:
    """What may be said of the run, or why nothing may; a difference that rests on a noisy cell says so."""
    noisy = held.noisy and held.verdict not in ("no difference resolved", "not compared")
    return held.why or held.verdict + " (noisy)" * noisy
