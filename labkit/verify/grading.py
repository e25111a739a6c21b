"""Verdicts in the formats that graders take: Gradescope, PrairieLearn, Classroom 50, JUnit, CSV. Pure."""

import csv
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec

from labkit.errors import UserError, printable
from labkit.records.io import contents
from labkit.show.tables import harmless
from labkit.verify.assignment import WHY
from labkit.verify.outcome import Check

STATES = {True: "met", False: "not met", None: "unknown"}
# Fields of a result of Classroom 50, and the variables in which its runner hands them over.
CLASSROOM_50 = {
    "classroom": "CLASSROOM",
    "assignment": "ASSIGNMENT",
    "submission": "SUBMISSION_TAG",
    "commit": "COMMIT_URL",
    "release": "RELEASE_URL",
    "review": "REVIEW_URL",
}
OUT_OF = 100.0  # points of a submission without a fault


@dataclass(frozen=True)
class Verdict:
    """What was found of one folder."""

    folder: Path
    checks: list[Check]

    @property
    def passed(self) -> bool:
        """Whether no demand is known to be missed."""
        return not any(check.passed is False for check in self.checks)


Weights = Mapping[str, float]  # by a demand's number, "A1", or by its letter


def read_weights(path: Path) -> Weights:
    """The weights in a file, such as {"A": 2, "A5": 5, "E": 0}; a UserError if they are none."""
    try:
        weights = msgspec.json.decode(contents(path), type=dict[str, float])
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f'{path.name} has no weights such as {{"A": 2, "E": 0.5}}: {error}') from None
    if any(not 0 <= weight < float("inf") for weight in weights.values()):
        raise UserError(f"{path.name} has a weight below 0: leave it out, or write 0")
    return weights


def weight(check: Check, weights: Weights) -> float:
    """That of its number, else of its letter, else 1."""
    number = check.name.partition(" ")[0]
    return float(weights.get(number, weights.get(number[:1], 1.0)))


def counted(verdict: Verdict) -> list[tuple[Check, bool | None]]:
    """Each check, and whether it counts as met; None counts neither way.

    What is unknown since bench.py does not run, or results.json cannot be read, counts as missed.
    """
    missed = [check for check in verdict.checks if check.passed is False]
    idle = any(c.name[:2] == "F2" or (c.name[:2] == "F1" and "bench.py" in c.reason) for c in missed)
    at_fault = {"A"} if idle else set[str]()
    if any(c.name.startswith("G1") for c in missed) and not any(c.passed for c in verdict.checks if c.name[0] == "B"):
        at_fault.add("B")
    return [
        (check, False if check.passed is None and check.name[0] in at_fault else check.passed)
        for check in verdict.checks
    ]


def portion(verdict: Verdict, weights: Weights) -> float:
    """The portion of what counts that is met, from 0 to 1."""
    known = [(weight(check, weights), met) for check, met in counted(verdict) if met is not None]
    possible = sum(w for w, _ in known)
    return sum(w for w, met in known if met) / possible if possible else 0.0


def summary(verdict: Verdict) -> str:
    """One sentence: valid or not, and how many demands are what."""
    many = {state: sum(check.passed is state for check in verdict.checks) for state in STATES}
    said = f"{'a' if verdict.passed else 'not a'} valid result of the assignment"
    return f"{said} ({many[True]} met, {many[False]} not met, {many[None]} unknown)"


def explained(check: Check) -> str:
    """Its reason, and of what is not met why it is asked for."""
    why = "" if check.passed is not False else WHY.get(check.name.partition(" ")[0], "")
    return f"{check.reason}. {why}" if why else check.reason


def as_json(verdicts: Sequence[Verdict], weights: Weights) -> str:
    """{"passed", "checks"} of one folder; of several {"passed", "results": [{"folder", "passed", "checks"}]}."""
    results: list[dict[str, Any]] = [
        {"folder": str(v.folder), "passed": v.passed, "checks": [asdict(check) for check in v.checks]} for v in verdicts
    ]
    if len(results) == 1:
        return json.dumps({key: value for key, value in results[0].items() if key != "folder"}, indent=2)
    return json.dumps({"passed": all(v.passed for v in verdicts), "results": results}, indent=2)


def gradescope(verdicts: Sequence[Verdict], weights: Weights) -> str:
    """What stands in /autograder/results/results.json: a score of 100, and each check with its own weight."""
    (verdict,) = verdicts
    tests = []
    for check, met in counted(verdict):
        said = {"name": check.name, "output": f"{STATES[check.passed]}: {explained(check)}", "visibility": "visible"}
        most = weight(check, weights)
        scored = {
            "score": most if met else 0.0,
            "max_score": most,
            "status": "passed" if met else "failed",
        }
        tests.append(said if met is None else said | scored)
    return json.dumps(
        {
            "score": round(OUT_OF * portion(verdict, weights), 2),
            "output": f"This is {summary(verdict)}. What a check cannot know costs nothing.",
            "stdout_visibility": "hidden",
            "tests": tests,
        },
        indent=2,
    )


def prairielearn(verdicts: Sequence[Verdict], weights: Weights) -> str:
    """What stands in /grade/results/results.json: a score from 0 to 1, and each check with its own weight."""
    (verdict,) = verdicts
    tests = [
        {
            "name": check.name,
            "points": weight(check, weights) if met else 0.0,
            "max_points": weight(check, weights) if met is not None else 0.0,
            "message": STATES[check.passed],
            "output": explained(check),
        }
        for check, met in counted(verdict)
    ]
    score = round(portion(verdict, weights), 4)
    said = f"This is {summary(verdict)}. What a check cannot know costs nothing."
    return json.dumps({"gradable": True, "score": score, "message": said, "tests": tests}, indent=2)


def classroom50(verdicts: Sequence[Verdict], weights: Weights) -> str:
    """What stands in result.json in a runner of Classroom 50, which names the submission in the environment.

    Scores are whole numbers there: weights with fractions count in hundredths. What is unknown is left out.
    """
    (verdict,) = verdicts
    known = [(check, met, weight(check, weights)) for check, met in counted(verdict) if met is not None]
    unit = 1 if all(w.is_integer() for _, _, w in known) else 100
    scored = [(check, met, round(unit * w)) for check, met, w in known]
    tests = [
        {
            "test-name": check.name,
            "passed": met,
            "score": most if met else 0,
            "max-score": most,
            "output": check.reason,
        }
        for check, met, most in scored
    ]
    named = {key: os.environ.get(variable, "") for key, variable in CLASSROOM_50.items()}
    return json.dumps(
        {
            "schema": "classroom50/result/v1",
            **named,
            "review": named["review"] or named["commit"],
            "datetime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "score": sum(most for _, met, most in scored if met),
            "max-score": sum(most for _, _, most in scored),
            "tests": tests,
        },
        indent=2,
    )


def junit(verdicts: Sequence[Verdict], weights: Weights) -> str:
    """A suite for each folder and a case for each check; what is unknown is skipped."""
    suites = ElementTree.Element("testsuites", name="labkit verify")
    for verdict in verdicts:
        many = {state: str(sum(check.passed is state for check in verdict.checks)) for state in STATES}
        name = printable(str(verdict.folder))
        suite = ElementTree.SubElement(
            suites, "testsuite", name=name, tests=str(len(verdict.checks)), failures=many[False], skipped=many[None]
        )
        for check in verdict.checks:
            case = ElementTree.SubElement(suite, "testcase", classname=name, name=check.name)
            if check.passed is not True:
                ElementTree.SubElement(case, "failure" if check.passed is False else "skipped", message=check.reason)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True)


def spreadsheet(verdicts: Sequence[Verdict], weights: Weights) -> str:
    """CSV: a row for each folder, a column for each check."""
    names = list(dict.fromkeys(check.name for verdict in verdicts for check in verdict.checks))
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["folder", "valid", "points", *names])
    for verdict in verdicts:
        states = {check.name: STATES[check.passed] for check in verdict.checks}
        points = round(OUT_OF * portion(verdict, weights), 2)
        row = [str(verdict.folder), "yes" if verdict.passed else "no", points, *(states.get(n, "") for n in names)]
        writer.writerow(map(harmless, row))
    return table.getvalue().rstrip("\n")


# Those of one submission, by the services that take them.
ONE: dict[str, Callable[[Sequence[Verdict], Weights], str]] = {
    "gradescope": gradescope,
    "prairielearn": prairielearn,
    "classroom50": classroom50,
}
SEVERAL: dict[str, Callable[[Sequence[Verdict], Weights], str]] = {"junit": junit, "csv": spreadsheet, "json": as_json}
