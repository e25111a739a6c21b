"""Verdicts in the formats that graders take: Gradescope, PrairieLearn, Classroom 50, JUnit, CSV. Pure."""

import csv
import io
import json
import os
import re
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


Weights = Mapping[str, float]  # by a demand's number, "A1", or by its letter; 1 where there is none


def read_weights(path: Path) -> Weights:
    """The weights in a file, such as {"A": 2, "A5": 5, "E": 0}; a UserError if they are none."""
    try:
        weights = msgspec.json.decode(contents(path), type=dict[str, float])
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UserError(f'{path.name} has no weights such as {{"A": 2, "E": 0.5}}: {why}') from None
    if wrong := [name for name in weights if not re.fullmatch(r"[A-G]\d?", name)]:
        raise UserError(f"{path.name} has points for {printable(wrong[0])}: name demands as docs/assignment.md does")
    if any(not 0 <= weight < float("inf") for weight in weights.values()):
        raise UserError(f"{path.name} has a weight below 0: leave it out, or write 0")
    return weights


def scored(verdict: Verdict, weights: Weights) -> list[tuple[Check, bool | None, float]]:
    """(check, whether it counts as met, its weight); None counts neither way.

    What is unknown since bench.py does not run, or results.json cannot be read, counts as missed.
    """
    missed = [check for check in verdict.checks if check.passed is False]
    idle = any(c.name[:2] == "F2" or (c.name[:2] == "F1" and "bench.py" in c.reason) for c in missed)
    at_fault = {"A"} if idle else set[str]()
    if any(c.name.startswith("G1") for c in missed) and not any(c.passed for c in verdict.checks if c.name[0] == "B"):
        at_fault.add("B")
    found = []
    for check in verdict.checks:
        number = check.name.partition(" ")[0]
        weight = weights.get(number, weights.get(number[:1], 1.0))
        met = False if check.passed is None and number[:1] in at_fault else check.passed
        found.append((check, met, float(weight)))
    return found


def portion(verdict: Verdict, weights: Weights) -> float:
    """The portion of what counts that is met, from 0 to 1."""
    known = [(weight, met) for _, met, weight in scored(verdict, weights) if met is not None]
    possible = sum(weight for weight, _ in known)
    return sum(weight for weight, met in known if met) / possible if possible else 0.0


def counted(checks: Sequence[Check]) -> dict[str, int]:
    """How many are met, not met, unknown."""
    return {word: sum(check.passed is state for check in checks) for state, word in STATES.items()}


def summary(verdict: Verdict) -> str:
    """One sentence: valid or not, and how many demands are what."""
    said = f"{'a' if verdict.passed else 'not a'} valid result of the assignment"
    return f"{said} ({', '.join(f'{many} {word}' for word, many in counted(verdict.checks).items())})"


def explained(check: Check) -> str:
    """Its reason, and of what is not met why it is asked for."""
    why = "" if check.passed is not False else WHY.get(check.name.partition(" ")[0], "")
    return f"{check.reason}. {why}" if why else check.reason


def as_json(verdicts: Sequence[Verdict], weights: Weights) -> str:
    """{"passed", "checks"} of one folder; of several {"passed", "results": [{"folder", "passed", "checks"}]}."""
    results = [{"passed": v.passed, "checks": [asdict(check) for check in v.checks]} for v in verdicts]
    if len(verdicts) == 1:
        return json.dumps(results[0], indent=2)
    named = [{"folder": str(v.folder), **result} for v, result in zip(verdicts, results, strict=True)]
    return json.dumps({"passed": all(v.passed for v in verdicts), "results": named}, indent=2)


# --- of one submission, by the services that take it ------------------------------------------------------


def _said(verdict: Verdict) -> str:
    return f"This is {summary(verdict)}. What a check cannot know costs nothing."


def gradescope(verdict: Verdict, weights: Weights) -> dict[str, Any]:
    """What stands in /autograder/results/results.json: a score of 100, and each check with its own weight."""
    tests = []
    for check, met, most in scored(verdict, weights):
        said = f"{STATES[check.passed]}: {explained(check)}"
        test: dict[str, Any] = {"name": check.name, "output": said, "visibility": "visible"}
        if met is not None:
            test |= {"score": most * met, "max_score": most, "status": "passed" if met else "failed"}
        tests.append(test)
    score = round(OUT_OF * portion(verdict, weights), 2)
    return {"score": score, "output": _said(verdict), "stdout_visibility": "hidden", "tests": tests}


def prairielearn(verdict: Verdict, weights: Weights) -> dict[str, Any]:
    """What stands in /grade/results/results.json: a score from 0 to 1, and each check with its own weight."""
    tests = [
        {
            "name": check.name,
            "points": most * bool(met),
            "max_points": most * (met is not None),
            "message": STATES[check.passed],
            "output": explained(check),
        }
        for check, met, most in scored(verdict, weights)
    ]
    score = round(portion(verdict, weights), 4)
    return {"gradable": True, "score": score, "message": _said(verdict), "tests": tests}


def classroom50(verdict: Verdict, weights: Weights) -> dict[str, Any]:
    """What stands in result.json in a runner of Classroom 50, which names the submission in the environment.

    Scores are whole numbers there: weights with fractions count in hundredths. What is unknown is left out.
    """
    known = [(check, met, most) for check, met, most in scored(verdict, weights) if met is not None]
    unit = 1 if all(most.is_integer() for *_, most in known) else 100
    tests = []
    for check, met, weight in known:
        most = round(unit * weight)
        scores = {"score": most * met, "max-score": most}
        tests.append({"test-name": check.name, "passed": met, **scores, "output": check.reason})
    named = {key: os.environ.get(variable, "") for key, variable in CLASSROOM_50.items()}
    return {
        "schema": "classroom50/result/v1",
        **named,
        "review": named["review"] or named["commit"],
        "datetime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "score": sum(test["score"] for test in tests),
        "max-score": sum(test["max-score"] for test in tests),
        "tests": tests,
    }


# --- of several ------------------------------------------------------------------------------------------


def junit(verdicts: Sequence[Verdict], weights: Weights) -> str:
    """A suite for each folder and a case for each check; what is unknown is skipped."""
    suites = ElementTree.Element("testsuites", name="labkit verify")
    for verdict in verdicts:
        name, many = printable(str(verdict.folder)), counted(verdict.checks)
        suite = ElementTree.SubElement(suites, "testsuite", name=name, tests=str(len(verdict.checks)))
        suite.attrib.update(failures=str(many["not met"]), skipped=str(many["unknown"]))
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


ONE: dict[str, Callable[[Verdict, Weights], dict[str, Any]]] = {
    "gradescope": gradescope,
    "prairielearn": prairielearn,
    "classroom50": classroom50,
}
SEVERAL: dict[str, Callable[[Sequence[Verdict], Weights], str]] = {"junit": junit, "csv": spreadsheet, "json": as_json}
