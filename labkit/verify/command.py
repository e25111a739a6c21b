"""`labkit verify DIR...` as declared."""

import argparse
import io
import sys
from pathlib import Path
from typing import Any

from labkit.commandline import MENDABLE, add_command, program
from labkit.errors import LabError

VALID, NOT_VALID = 0, 1  # exit statuses


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
    from rich.console import Console

    from labkit.verify import presenting
    from labkit.verify.verdict import verify

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without a mark for "met" is no reason to end
    verdicts, unread = [], False
    for folder in arguments.folders:
        try:
            verdicts.append(verify(folder))
        except LabError as error:  # the others are looked at all the same
            print(f"{program()} verify: {error}", file=sys.stderr)
            unread = True
    if verdicts and arguments.json:
        print(presenting.as_json(verdicts))
    elif verdicts and arguments.markdown:
        print(presenting.as_markdown(verdicts))
    elif verdicts:
        console = Console(highlight=False)
        with console.capture() as shown:  # printed by Python, as it is Python that notices when nobody reads on
            presenting.show(verdicts, console)
        print(shown.get(), end="")
    if unread:
        return MENDABLE
    return VALID if all(verdict.passed for verdict in verdicts) else NOT_VALID
