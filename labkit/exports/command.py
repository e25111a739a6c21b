"""`labkit export FORMAT DIR` as declared."""

import argparse
from pathlib import Path
from typing import Any

from labkit.commandline import add_command

FORMATS = ("pyperf", "bencher", "csv")


def add(commands: Any) -> None:
    """Declare the command."""
    export = add_command(
        commands,
        "export",
        _run,
        says="A result in the format of another tool: pyperf, Bencher, or CSV for a spreadsheet.",
        more="",
        example="labkit export pyperf experiments/03-matmul-perf --output matmul.json",
        status="0 written, 2 it could not be",
    )
    export.add_argument("format", choices=FORMATS, help="pyperf JSON, Bencher Metric Format, or CSV")
    export.add_argument("folder", metavar="DIR", type=Path, help="a folder with results.json")
    export.add_argument("--output", type=Path, help="the file (standard output)")


def _run(arguments: argparse.Namespace) -> int:
    raise NotImplementedError
