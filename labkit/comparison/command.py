"""`labkit compare DIR...` as declared."""

import argparse
from pathlib import Path
from typing import Any

from labkit.commandline import add_command


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
    compare.add_argument("folders", nargs="+", metavar="DIR", type=Path, help="a folder with results.json")
    compare.add_argument("--output", type=Path, help="leave a page and a figure in this folder too")
    form = compare.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--markdown", action="store_true", help="print Markdown")


def _run(arguments: argparse.Namespace) -> int:
    raise NotImplementedError
