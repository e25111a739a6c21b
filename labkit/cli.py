"""The command line: one tree of commands, one table of errors. What a command needs is imported when it runs."""

from __future__ import annotations

import argparse
import importlib
import io
import re
import signal
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from labkit.errors import INTERRUPTED, USER_ERROR, UserError, os_error, printable
from labkit.machine.limits import require_address_space
from labkit.machine.threads import require_one_thread

COLUMNS = 79
PROGRAM = "labkit"
# Commands that measure: one thread, and memory enough to load LLVM, are seen to before NumPy is loaded.
MEASURING = ("roofline", "ladder", "gemm", "repeat", "traffic")

GRADERS = ("gradescope", "prairielearn", "classroom50", "junit", "csv", "markdown", "json")
RECORDS = ("results", "kernels", "ladder", "repeat", "manifest", "traffic")
SIZES = "64,128,256,512,1024"
TRAFFIC_SIZES = "64,100,128,200,256,500,512,1000,1024"  # powers of two, and sizes beside them

MINE = "rungs of your own: my.py:matmul (of A, B and out), libmine.so:sgemm (CBLAS's arguments)"

Run = Callable[[argparse.Namespace], int]
Option = tuple[str, dict[str, Any]]  # a name, and argparse's keywords


class OneLineParser(argparse.ArgumentParser):
    """A parser whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        """Say it and end."""
        print(f"{self.prog}: {' '.join(message.split())}; see {self.prog} --help", file=sys.stderr)
        raise SystemExit(USER_ERROR)


def flag(name: str, says: str) -> Option:
    return name, {"action": "store_true", "help": says}


def output(default: str) -> Option:
    return "--output", {"type": Path, "help": f"where the artifacts go (default: {default})"}


def folders(says: str) -> Option:
    return "folders", {"nargs": "+", "metavar": "DIR", "type": Path, "help": says}


REDRAW = flag("--redraw", "draw and render from the records alone")
JSON, MARKDOWN = flag("--json", "print JSON"), flag("--markdown", "print Markdown, for the summary of a CI run")


@dataclass(frozen=True)
class Command:
    """A command: the function that runs it, what it does, an example of its arguments, its options.

    `forms` exclude each other. Exit statuses: 0 done, 2 could not run, and `status` where there are more.
    """

    target: str  # "module:function", which takes the parsed arguments and returns the exit status
    says: str
    example: str
    options: tuple[Option, ...]
    forms: tuple[Option, ...] = ()
    status: str = "0 done"


COMMANDS = {
    "roofline": Command(
        "labkit.roofline.measure:run",
        "Measure what one core can do: fp32 peak, bandwidths, clock.",
        "--probe",
        (flag("--probe", "print peak and clock as JSON, in about a second"), REDRAW, output("experiments/01-roofline")),
    ),
    "ladder": Command(
        "labkit.ladder.run:run",
        "Rebuild the gap from the loop to the BLAS, one change at a time.",
        "--sizes 64,256",
        (
            ("--sizes", {"default": SIZES, "help": "orders N, separated by commas; factors are those at the largest"}),
            ("--mine", {"nargs": "+", "default": [], "metavar": "RUNG", "help": MINE}),
            ("--start", {"type": Path, "metavar": "DIR", "help": "write an exercise of five rungs into this folder"}),
            flag("--fresh", "start over: forget an unfinished run"),
            REDRAW,
            output("experiments/03-speedup-ladder"),
        ),
    ),
    "gemm": Command(
        "labkit.gemm.versus:run_command",
        "Time the generated product beside np.matmul and the FMA peak.",
        "--sizes 256,1024",
        (
            ("--rounds", {"type": int, "default": 100, "help": "samples of each, per size; at least 9"}),
            ("--sizes", {"default": "", "help": "orders N, separated by commas; all if empty"}),
        ),
    ),
    "repeat": Command(
        "labkit.repeat:run",
        "Repeat the quick run: what moves, what stays. Also under several Pythons.",
        "--runs 3",
        (
            ("--runs", {"type": int, "help": "quick runs, about a minute each (default: 5; with --pythons 6 of each)"}),
            ("--pythons", {"default": "", "help": "versions separated by commas, or all: each run under each of them"}),
            REDRAW,
            output("experiments/03-matmul-perf"),
        ),
    ),
    "traffic": Command(
        "labkit.traffic.measure:run",
        "Count bytes that cross each cache, simulated and under Valgrind.",
        "--sizes 64,256",
        (
            ("--sizes", {"default": TRAFFIC_SIZES, "help": f"orders N, by commas (default: {TRAFFIC_SIZES})"}),
            output("experiments/01-roofline"),
        ),
    ),
    "doctor": Command(
        "labkit.doctor.report:run_command",
        "Is this NumPy healthy? Checks its BLAS, threads and speed, and the machine, in under 20 s.",
        "--python /usr/bin/python3",
        (
            ("--python", {"metavar": "PATH", "default": "", "help": "the Python whose NumPy is examined"}),
            flag("--thorough", "try other kernels and watch the core for longer, in under a minute"),
            flag("--calls", "also time calls that do not reach the BLAS"),
        ),
        (JSON, flag("--report", "print a block for a bug report"), flag("--watch", "show live who shares the core")),
        status="0 healthy, 1 findings",
    ),
    "verify": Command(
        "labkit.verify.command:run",
        "Is this a valid result of the assignment? It runs the submission's code and is no sandbox.",
        "experiments/03-matmul-perf",
        (
            folders("a folder or a zip with results.json"),
            ("--output", {"type": Path, "help": "a file (default: standard output)"}),
            ("--weights", {"type": Path, "help": 'points by demand, for --format, in a JSON file: {"A": 2, "A5": 5}'}),
            flag("--watch", "check again whenever a file changes"),
        ),
        (JSON, MARKDOWN, ("--format", {"choices": GRADERS, "metavar": "FORMAT", "help": ", ".join(GRADERS)})),
        status="0 all met, 1 something is not met",
    ),
    "compare": Command(
        "labkit.comparison:run",
        "Compare results of machines, Pythons, NumPy builds or commits. Of a fleet it finds the slow nodes.",
        "laptop/ desktop/ --output comparison/",
        (
            folders("a folder with results.json, or of such"),
            ("--output", {"type": Path, "help": "leave a page and a figure in this folder too"}),
            ("--since", {"metavar": "DATE", "default": "", "help": "what changed on nodes since, as in 2026-01-31"}),
            flag("--all", "of a fleet, every node"),
        ),
        (JSON, MARKDOWN, flag("--csv", "print a row for each node of a fleet")),
        status="0 done, 1 a node is slower than others of its CPU",
    ),
    "report": Command(
        "labkit.show.html:run",
        "Make one HTML file to explore: answers, figures, tables.",
        "experiments/03-matmul-perf --output report.html",
        (
            folders("a folder with results.json"),
            ("--label", {"action": "append", "default": [], "metavar": "NAME", "help": "a name for each DIR"}),
            ("--output", {"type": Path, "default": Path("report.html"), "help": "(default: report.html)"}),
        ),
    ),
    "export": Command(
        "labkit.export:run",
        "Write a result in the format of another tool.",
        "experiments/03-matmul-perf --format csv",
        (
            ("folder", {"metavar": "DIR", "type": Path, "help": "a folder with results.json"}),
            ("--format", {"choices": ("pyperf", "bencher", "csv"), "required": True, "help": "the format"}),
            ("--output", {"type": Path, "help": "a file (default: standard output)"}),
        ),
    ),
    "redraw": Command(
        "labkit.show.artifacts:run",
        "Draw figures and pages of an experiment again, from its records.",
        "experiments/01-roofline",
        (
            folders("an experiment's folder"),
            ("--unlocked", {"action": "store_true", "help": argparse.SUPPRESS}),
        ),
    ),
    "schema": Command(
        "labkit.records.schema:run",
        "Print the JSON Schema of a record.",
        "results",
        (("record", {"choices": RECORDS, "help": "the record"}),),
    ),
    "completion": Command(
        "labkit.cli:complete",
        "Print a script that lets a shell complete these commands.",
        "bash",
        (("shell", {"choices": ("bash", "zsh", "tcsh"), "help": "the shell"}),),
    ),
}

# The commands by what one wants, as --help lists them.
GROUPS = {
    "measure": ("roofline", "ladder", "gemm", "repeat", "traffic"),
    "check and compare": ("doctor", "verify", "compare"),
    "show and pass on": ("report", "export", "redraw", "schema", "completion"),
}


def parser() -> OneLineParser:
    """The commands; each sets `run`, which takes the parsed arguments and returns the exit status."""
    layout: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
    top = OneLineParser(
        prog=PROGRAM,
        description="Why is np.matmul so much faster than a loop in Python, and what is the limit?",
        epilog=f"{_listed()}\n\n{PROGRAM} COMMAND --help explains a command and gives an example.",
        **layout,
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True, help="one of those below")
    for name, command in COMMANDS.items():
        end = f"example:\n  {PROGRAM} {name} {command.example}\n\nexit status: {command.status}, 2 could not run"
        said = textwrap.fill(command.says, COLUMNS)
        added = commands.add_parser(name, description=said, epilog=end, **layout)
        added.set_defaults(run=_later(command.target), name=name)
        for option, how in command.options:
            added.add_argument(option, **how)
        forms = added.add_mutually_exclusive_group() if command.forms else added
        for option, how in command.forms:
            forms.add_argument(option, **how)
    return top


def _listed() -> str:
    lines = []
    for want, names in GROUPS.items():
        brief = {name: re.split(r"(?<=[.?]) ", COMMANDS[name].says)[0].rstrip(".") for name in names}
        lines += [f"{want}:", *(f"  {name:<11} {says}" for name, says in brief.items()), ""]
    return "\n".join(lines).rstrip()


def _later(target: str) -> Run:
    module, _, name = target.partition(":")

    def run(arguments: argparse.Namespace) -> int:
        if arguments.name in MEASURING:
            require_address_space(f"{PROGRAM} {arguments.name}", say=sys.stderr)
            require_one_thread(say=sys.stderr)  # a BLAS reads its thread count when NumPy loads it
        status: int = getattr(importlib.import_module(module), name)(arguments)
        return status

    return run


def complete(arguments: argparse.Namespace) -> int:
    """Print the completion script of a shell."""
    import shtab  # needed here alone

    print(shtab.complete(parser(), shell=arguments.shell))
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status."""
    given = parser().parse_args(arguments)
    run: Run = given.run
    return guarded(PROGRAM, lambda: run(given))


def guarded(program: str, run: Callable[[], int]) -> int:
    """Run it: what the user can fix is one line and exit status 2, Ctrl-C and a polite kill are 130."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a letter is no reason to end

    def complain(line: str, status: int = USER_ERROR) -> int:
        print(printable(f"{program}: {line}"), file=sys.stderr)
        return status

    try:
        status = run()
        sys.stdout.flush()
        return status
    except UserError as error:
        return complain(str(error))
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == PROGRAM:  # a fault of our own
            raise
        return complain(
            f"this Python has no {error.name}: 'python run.py COMMAND' in the repository installs what COMMAND needs"
        )
    except KeyboardInterrupt:
        return complain("stopped", INTERRUPTED)
    except MemoryError:
        return complain("there is not enough memory: allow this process more of it")
    except BrokenPipeError:
        sys.stdout = None  # else the interpreter complains of it again at its end
        return complain("the reader of the output went away")
    except OSError as error:
        return complain(str(os_error("go on", error)))
