"""`labkit export FORMAT DIR`: one result, written in the format of another tool."""

import argparse
import sys
from pathlib import Path
from typing import Any

from labkit.commandline import add_command, program

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
    from labkit.exports import bencher, pyperf, spreadsheet
    from labkit.runs import gather

    made_by = {"pyperf": pyperf, "bencher": bencher, "csv": spreadsheet}[arguments.format]
    (run,) = gather([arguments.folder])
    text = made_by.export(run)
    for remark in made_by.remarks(run):
        print(f"{program()} export: {remark}", file=sys.stderr)
    _write(text.encode(), arguments.output)
    return 0


def _write(data: bytes, output: Path | None) -> None:
    """To standard output, or into a file that is replaced in one step; a pipe or a device is written into."""
    from labkit import store
    from labkit.errors import os_error

    if output is None:
        sys.stdout.buffer.write(data)
    elif output.exists() and not output.is_file():
        try:
            output.write_bytes(data)
        except OSError as error:
            raise os_error(f"write {output.name}", error) from None
    else:
        store.write_atomically(output.resolve(), data)
