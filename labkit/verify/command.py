"""`labkit verify DIR...`: every demand of docs/assignment.md that can be checked, as a table or as JSON."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from labkit.errors import FINDING, USER_ERROR, UserError
from labkit.show import tables
from labkit.verify import functions, manifest, page, picture, records, submission
from labkit.verify.outcome import Check
from labkit.verify.submission import UNUSABLE, Submission

Part = Callable[[Submission], Iterable[Check]]
# From what is cheap to see to what needs the functions to run.
PARTS: tuple[Part, ...] = (manifest.checks, records.checks, functions.checks, picture.checks, page.checks)
WORDS = {True: "met", False: "NOT MET", None: "unknown"}


@dataclass(frozen=True)
class Verdict:
    """What was found of one folder."""

    folder: Path
    checks: list[Check]

    @property
    def passed(self) -> bool:
        """Whether no demand is known to be missed."""
        return not any(check.passed is False for check in self.checks)


def run(args: argparse.Namespace) -> int:
    """Print the verdicts on `args.folders`; 0 if all pass, 1 if one does not, 2 if one could not be looked at."""
    verdicts, status = [], 0
    for folder in args.folders:
        try:
            verdicts.append(verify(folder))
        except UserError as error:  # the others are looked at all the same
            print(f"labkit verify: {error}", file=sys.stderr)
            status = USER_ERROR
    if verdicts:
        print(as_json(verdicts) if args.json else as_text(verdicts, args.markdown))
    return status or (0 if all(verdict.passed for verdict in verdicts) else FINDING)


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


def as_json(verdicts: Sequence[Verdict]) -> str:
    """{"passed", "checks"} of one folder; of several {"passed", "results": [{"folder", "passed", "checks"}]}."""
    results = [
        {"folder": str(verdict.folder), "passed": verdict.passed, "checks": [asdict(check) for check in verdict.checks]}
        for verdict in verdicts
    ]
    if len(results) == 1:
        return json.dumps({key: value for key, value in results[0].items() if key != "folder"}, indent=2)
    return json.dumps({"passed": all(verdict.passed for verdict in verdicts), "results": results}, indent=2)


def as_text(verdicts: Sequence[Verdict], markdown: bool) -> str:
    """Of one folder every check; of several what is not met in each. The verdict on each is its last line."""
    parts = []
    for verdict in verdicts:
        shown = [check for check in verdict.checks if len(verdicts) == 1 or check.passed is False]
        rows = [(WORDS[check.passed], check.name, check.reason.replace("`", "'")) for check in shown]
        if rows:
            table = tables.Table("", "lll", ("", "demand", "reason"), rows)
            parts.append(tables.markdown(table) + "\n" if markdown else tables.terminal(table))
        many = {passed: sum(check.passed is passed for check in verdict.checks) for passed in WORDS}
        said = f"{'a' if verdict.passed else 'not a'} valid result of the assignment"
        parts.append(f"{verdict.folder}: {said} ({many[True]} met, {many[False]} not met, {many[None]} unknown)")
    if len(verdicts) > 1:
        parts.append(f"{sum(verdict.passed for verdict in verdicts)} of {len(verdicts)} are valid")
    return "\n".join(parts)
