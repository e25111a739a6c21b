"""How every command of `labkit` is declared and ends: help with an example, errors of one line (standard library)."""

import argparse
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

MODULE = "python -m labkit"
COLUMNS = 79
MENDABLE, INTERRUPTED = 2, 130  # exit statuses: one line says what to do; 128 + SIGINT, as shells have it


def program() -> str:
    """What the user typed: `labkit`, or `python -m labkit`."""
    return "labkit" if Path(sys.argv[0]).stem == "labkit" else MODULE


class OneLineParser(argparse.ArgumentParser):
    """A parser whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        """Say it and end."""
        print(f"{self.prog}: {' '.join(message.split())}; see {self.prog} --help", file=sys.stderr)
        raise SystemExit(MENDABLE)


def add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], says: str, more: str, example: str, status: str
) -> OneLineParser:
    """A subcommand: `says` in a line what it does, `more` in some, an `example` to copy, its exit statuses."""
    command: OneLineParser = commands.add_parser(
        name,
        help=says,
        description=textwrap.fill(f"{says} {more}".strip(), COLUMNS),
        epilog=f"example:\n  {example}\n\nexit status: {status}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.set_defaults(run=run)
    return command
