"""Verdicts as a table for a terminal, as JSON, and as Markdown."""

import json
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from labkit.verify.verdict import Verdict

_WORDS = {True: "met", False: "not met", None: "not told"}
_STYLES = {True: "green", False: "bold red", None: "yellow"}


def as_json(verdicts: Sequence[Verdict]) -> str:
    """{"passed", "checks"} of one folder; of several {"passed", "results": [{"folder", "passed", "checks"}]}."""
    if len(verdicts) == 1:
        return json.dumps(_record(verdicts[0]), indent=2)
    results = [{"folder": str(v.folder), **_record(v)} for v in verdicts]
    return json.dumps({"passed": all(v.passed for v in verdicts), "results": results}, indent=2)


def _record(verdict: Verdict) -> dict[str, object]:
    checks = [{"name": c.name, "passed": c.passed, "reason": c.reason} for c in verdict.checks]
    return {"passed": verdict.passed, "checks": checks}


def headline(verdict: Verdict) -> str:
    """A verdict in a line."""
    many = {passed: sum(check.passed is passed for check in verdict.checks) for passed in _WORDS}
    said = "a valid result of the lab" if verdict.passed else "not a valid result of the lab"
    return f"{verdict.folder}: {said} ({many[True]} met, {many[False]} not met, {many[None]} could not be told)"


def show(verdicts: Sequence[Verdict], console: Console) -> None:
    """Of one folder every check; of several what is not met in each, so that thirty fit on a screen or two."""
    for verdict in verdicts:
        shown = [c for c in verdict.checks if len(verdicts) == 1 or c.passed is False]
        if shown:
            table = Table("check", "", "reason", box=None, pad_edge=False, header_style="bold")
            table.columns[0].no_wrap = table.columns[1].no_wrap = True
            for check in shown:
                word = Text(_WORDS[check.passed], style=_STYLES[check.passed])
                table.add_row(Text(check.name), word, Text(check.reason, overflow="fold"))
            console.print(table)
        console.print(Text(headline(verdict), style="bold"), soft_wrap=True)
        if shown and len(verdicts) > 1:
            console.print()
    if len(verdicts) > 1:
        valid = sum(v.passed for v in verdicts)
        console.print(Text(f"{valid} of {len(verdicts)} are valid", style="bold"))


def as_markdown(verdicts: Sequence[Verdict]) -> str:
    """A heading and a table for each folder."""
    parts = []
    if len(verdicts) > 1:
        rows = [f"| {_cell(str(v.folder))} | {_mark(v.passed)} |" for v in verdicts]
        parts.append("\n".join(["| result | verdict |", "|---|---|", *rows]))
    for verdict in verdicts:
        rows = [f"| {_cell(c.name)} | {_mark(c.passed)} | {_cell(c.reason)} |" for c in verdict.checks]
        parts.append("\n".join([f"### {_cell(headline(verdict))}", "", "| check | | reason |", "|---|---|---|", *rows]))
    return "\n\n".join(parts)


def _mark(passed: bool | None) -> str:
    return {True: "✅ met", False: "❌ not met", None: "❔ could not be told"}[passed]


def _cell(text: str) -> str:
    """A text that stays within its cell, and is no markup."""
    for letter in "\\`*_[]<>|":
        text = text.replace(letter, "\\" + letter)
    return " ".join(text.split())
