"""`labkit report [DIR...]`: read the runs, ask the doctor, write the page."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.commandline import add_command

if TYPE_CHECKING:
    from labkit.report.opinion import Opinion


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
    from labkit import runs, store
    from labkit.comparison.side_by_side import compare
    from labkit.report import page
    from labkit.report.vega import scripts

    several = runs.gather(arguments.folders)
    doctor = None if arguments.no_doctor else _asked()
    data = page.render(several, compare(several) if len(several) > 1 else None, doctor, scripts()).encode()
    store.write_atomically(arguments.output, data)
    print(f"Written: {arguments.output}, {len(data) / 1e6:.1f} MB, {', '.join(run.name for run in several)}")
    return 0


def _asked() -> "Opinion | str":
    """The doctor's opinion, or why there is none: a page without it is better than no page."""
    from labkit.errors import LabError
    from labkit.report import opinion

    try:
        return opinion.ask()
    except LabError as error:
        return str(error)
