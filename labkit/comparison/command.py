"""`labkit compare DIR...` as declared."""

import argparse
import sys
from pathlib import Path
from typing import Any

from labkit.commandline import add_command
from labkit.errors import LabError

FEWEST = 2


def add(commands: Any) -> None:
    """Declare the command."""
    compare = add_command(
        commands,
        "compare",
        _run,
        says="Results side by side: of machines, Pythons, NumPy builds or commits.",
        more="What differs between where they come from stands first, then shares of each one's own roof.",
        example="labkit compare laptop/ desktop/ --output comparison/",
        status="0 compared, 2 a result could not be read",
    )
    compare.add_argument(
        "folders",
        nargs="+",
        metavar="DIR",
        type=Path,
        help="a folder with results.json; others are held against the first",
    )
    compare.add_argument("--output", type=Path, help="leave a page and a figure in this folder too")
    form = compare.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--markdown", action="store_true", help="print Markdown, for the summary of a CI run")


def _run(arguments: argparse.Namespace) -> int:
    if len(arguments.folders) < FEWEST:
        raise LabError("it takes two results or more to compare: name another folder")
    from labkit import codec, runs
    from labkit.comparison import artifacts, page
    from labkit.comparison.side_by_side import compare

    record = compare(runs.gather(arguments.folders))
    if arguments.output:
        artifacts.leave(arguments.output, record)
    if arguments.json:
        sys.stdout.write(codec.encode(record).decode())
    elif arguments.markdown:
        sys.stdout.write(page.render(record, figure=None))
    else:
        from rich.console import Console

        from labkit.comparison import terminal

        terminal.show(record, Console(highlight=False))
    return 0
