"""`labkit report [DIR...]` as declared."""

import argparse
from pathlib import Path
from typing import Any

from labkit.commandline import add_command


def add(commands: Any) -> None:
    """Declare the command."""
    report = add_command(
        commands,
        "report",
        _run,
        says="One HTML file to look at, which opens from disk and fetches nothing.",
        more="With several results it is the page that compares them.",
        example="labkit report experiments/03-matmul-perf --output report.html",
        status="0 written, 2 it could not be",
    )
    report.add_argument("folders", nargs="+", metavar="DIR", type=Path, help="a folder with results.json")
    report.add_argument("--output", type=Path, default=Path("report.html"), help="the file (report.html)")
    report.add_argument("--no-doctor", action="store_true", help="leave out the findings about this Python's NumPy")


def _run(arguments: argparse.Namespace) -> int:
    raise NotImplementedError
