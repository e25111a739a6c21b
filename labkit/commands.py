"""The command line of `labkit`: what it can do. Imports wait until a command runs: the doctor goes anywhere."""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

from labkit.commandline import INTERRUPTED, MENDABLE, OneLineParser, add_command, program
from labkit.comparison import command as comparison
from labkit.errors import LabError
from labkit.exports import command as exports
from labkit.report import command as report
from labkit.verify import command as verify


def parser() -> OneLineParser:
    """The commands; each sets `run`, which takes the parsed arguments and returns the exit status."""
    top = OneLineParser(
        prog=program(),
        description="Why is np.matmul so much faster than the same loop in Python? Examine, check, compare, show.",
        epilog="example:\n  labkit doctor\n\nevery command has an example of its own: labkit COMMAND --help",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_doctor(commands)
    verify.add(commands)
    comparison.add(commands)
    report.add(commands)
    exports.add(commands)
    _add_completion(commands)
    return top


def _add_doctor(commands: Any) -> None:
    doctor = add_command(
        commands,
        "doctor",
        _doctor,
        says="Is this NumPy healthy? Its BLAS, threads, speed, and the machine.",
        more="Takes less than 20 s.",
        example="PYTHONPATH=path/to/this/repository some-python -m labkit doctor --json",
        status="0 healthy, 1 findings, 2 it could not be told",
    )
    doctor.add_argument("--json", action="store_true", help="print one JSON object")


def _doctor(arguments: argparse.Namespace) -> int:
    from labkit.doctor.consultation import main

    return main(as_json=arguments.json)


def _add_completion(commands: Any) -> None:
    completion = add_command(
        commands,
        "completion",
        _completion,
        says="Print a script that lets a shell complete these commands.",
        more="",
        example='eval "$(labkit completion bash)"',
        status="0 printed, 2 it could not be",
    )
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"), help="the shell")


def _completion(arguments: argparse.Namespace) -> int:
    import shtab

    whole = parser()
    whole.prog = "labkit"
    print(shtab.complete(whole, shell=arguments.shell))
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status. What the user can mend is one line."""
    given = parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = given.run
    try:
        status = run(given)
        sys.stdout.flush()
        return status
    except LabError as error:
        _complain(str(error))
    except ModuleNotFoundError as error:
        _complain(f"this Python has no {error.name}: run `make help` in the repository for commands that install it")
    except KeyboardInterrupt:
        _complain("stopped")
        return INTERRUPTED
    except BrokenPipeError:
        sys.stdout = None  # else the interpreter complains of it again at its end
        _complain("the reader of the output went away")
    except OSError as error:
        _complain(error.strerror or str(error))
    return MENDABLE


def _complain(line: str) -> None:
    print(f"{program()}: {line}", file=sys.stderr)
