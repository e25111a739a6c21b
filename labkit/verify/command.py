"""`labkit verify DIR...` as declared."""

import argparse
from pathlib import Path
from typing import Any

from labkit.commandline import add_command


def add(commands: Any) -> None:
    """Declare the command."""
    verify = add_command(
        commands,
        "verify",
        _run,
        says="Is this a valid result of the lab? Each requirement, checked by name.",
        more="Invariants are graded, never speed.",
        example="labkit verify submissions/*",
        status="0 every result holds, 1 one does not, 2 it could not be looked at",
    )
    verify.add_argument("folders", nargs="+", metavar="DIR", type=Path, help="a folder with results.json and the rest")
    form = verify.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--markdown", action="store_true", help="print Markdown, for the summary of a CI run")


def _run(arguments: argparse.Namespace) -> int:
    raise NotImplementedError
