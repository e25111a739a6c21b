"""`labkit verify DIR...`: each demand of docs/assignment.md that can be checked, as a table or as a grader takes it."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from labkit.errors import FINDING, USER_ERROR, UserError, printable
from labkit.records.io import write_atomically
from labkit.show import tables
from labkit.verify import course, functions, grading, manifest, page, picture, records, submission
from labkit.verify.grading import Verdict
from labkit.verify.outcome import Check
from labkit.verify.submission import UNUSABLE, Submission

Part = Callable[[Submission], Iterable[Check]]
# From what is cheap to see to what needs the functions to run.
PARTS: tuple[Part, ...] = (manifest.checks, records.checks, functions.checks, picture.checks, page.checks)
WATCH_SECONDS = 1.0
WORDS = {True: "met", False: "NOT MET", None: "unknown"}


def run(args: argparse.Namespace) -> int:
    """Print the verdicts on `args.folders`, or write them to `args.output`, in `args.format`.

    0 if all pass, 1 if one does not, 2 if one could not be looked at.
    """
    chosen = args.format or ("json" if args.json else "markdown" if args.markdown else "text")
    if chosen in grading.ONE and len(args.folders) > 1:
        raise UserError(f"--format {chosen} takes one folder: a service checks each submission alone")
    weights = grading.read_weights(args.weights) if args.weights else {}
    if args.watch:
        return _watch(args.folders)
    apart = args.format or len(args.folders) > 1
    answers = course.verdicts(args.folders) if apart else [_looked_at(args.folders[0])]
    verdicts = [answer for answer in answers if isinstance(answer, Verdict)]
    for answer in answers:  # the others are looked at all the same
        if isinstance(answer, UserError):
            print(f"labkit verify: {printable(str(answer))}", file=sys.stderr)
    if verdicts:
        text = _written(chosen, verdicts, weights)
        if args.output:
            write_atomically(args.output.resolve(), f"{text}\n".encode())
        else:
            print(text)
    if len(verdicts) < len(answers):
        return USER_ERROR
    return 0 if all(verdict.passed for verdict in verdicts) else FINDING


def _written(chosen: str, verdicts: Sequence[Verdict], weights: grading.Weights) -> str:
    if chosen in grading.ONE:
        return json.dumps(grading.ONE[chosen](verdicts[0], weights), indent=2)
    if chosen in grading.SEVERAL:
        return grading.SEVERAL[chosen](verdicts, weights)
    return as_text(verdicts, chosen == "markdown")


def _looked_at(folder: Path) -> Verdict | UserError:
    try:
        return verify(folder)
    except UserError as error:
        return error


def _watch(folders: Sequence[Path]) -> int:
    """Check a folder again whenever a file in it changes, until Ctrl-C."""
    before = None
    while True:
        files = [path for folder in folders for path in sorted(folder.glob("*"))]
        now = [(path, path.stat().st_mtime_ns) for path in files if path.is_file()]
        if now != before:
            before = now
            print(as_text([verify(folder) for folder in folders], markdown=False), flush=True)
            print("\nIt is checked again when a file changes; Ctrl-C ends this.", flush=True)
        time.sleep(WATCH_SECONDS)


def verify(folder: Path) -> Verdict:
    """The verdict on a folder; a UserError if it cannot be looked at."""
    with submission.opened(folder) as given:
        return Verdict(folder, [check for part in PARTS for check in _guarded(part, given)])


def _guarded(part: Part, given: Submission) -> Iterator[Check]:
    """A part's checks; one that is not met if what was handed in is such that the part cannot go on."""
    try:
        yield from part(given)
    except UNUSABLE as error:
        name = part.__module__.rpartition(".")[2]
        yield Check(f"{name} can be judged", False, f"what was handed in cannot be: {type(error).__name__}: {error}")


def as_text(verdicts: Sequence[Verdict], markdown: bool) -> str:
    """Of one folder every check; of several what is not met in each. The verdict on each is its last line."""
    parts = []
    for verdict in verdicts:
        shown = [check for check in verdict.checks if len(verdicts) == 1 or check.passed is False]
        rows = [(WORDS[check.passed], check.name, grading.explained(check).replace("`", "'")) for check in shown]
        if rows:
            table = tables.Table("", "lll", ("", "demand", "reason"), rows)
            parts.append(tables.markdown(table) + "\n" if markdown else tables.terminal(table))
        parts.append(f"{printable(str(verdict.folder))}: {grading.summary(verdict)}")
    if len(verdicts) > 1:
        write = tables.markdown if markdown else tables.terminal
        if most := [(name, str(many)) for name, many in course.missed(verdicts)]:
            parts += ["", write(tables.Table("", "lr", ("demand", "missed by"), most)), ""]
        parts += [printable(line) for line in course.alike([verdict.folder for verdict in verdicts])]
        parts.append(f"{sum(verdict.passed for verdict in verdicts)} of {len(verdicts)} are valid")
    return "\n".join(parts)
