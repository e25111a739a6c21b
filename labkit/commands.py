"""The command line of `python -m labkit`, with the standard library alone: it runs in any environment."""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from labkit.errors import LabError

PROGRAM = "python -m labkit"
MENDABLE, INTERRUPTED = 2, 130  # exit statuses: one line says what to do; 128 + SIGINT, as shells have it


class OneLineParser(argparse.ArgumentParser):
    """A parser whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        """Say it and end."""
        print(f"{self.prog}: {message}; see {self.prog} --help", file=sys.stderr)
        raise SystemExit(MENDABLE)


def parser() -> OneLineParser:
    """The commands; each sets `run`, which takes the parsed arguments and returns the exit status."""
    top = OneLineParser(
        prog=PROGRAM, description="What the matmul lab can tell of the Python that runs this.", allow_abbrev=False
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_doctor(commands)
    return top


def _add_doctor(commands: Any) -> None:
    says = "Is this NumPy healthy? Its BLAS, threads, speed, and the machine."
    doctor = commands.add_parser(
        "doctor",
        help=says,
        description=f"{says} Takes less than 20 s.",
        epilog="exit status: 0 healthy, 1 findings, 2 it could not be told.  "
        "example: PYTHONPATH=path/to/this/repository some-python -m labkit doctor --json",
        allow_abbrev=False,
    )
    doctor.add_argument("--json", action="store_true", help="print one JSON object")
    doctor.set_defaults(run=_doctor)


def _doctor(arguments: argparse.Namespace) -> int:
    from labkit.doctor.consultation import main

    return main(as_json=arguments.json)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status. What the user can mend is one line."""
    given = parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = given.run
    try:
        status = run(given)
        sys.stdout.flush()
        return status
    except LabError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print(f"{PROGRAM}: stopped", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stdout = None  # else the interpreter complains of it again at its end
        print(f"{PROGRAM}: the reader of the output went away", file=sys.stderr)
    except OSError as error:
        print(f"{PROGRAM}: {error.strerror or error}", file=sys.stderr)
    return MENDABLE
