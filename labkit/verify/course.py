"""A whole course: several submissions at a time, each in a process of its own; what many miss, and what is alike."""

import ast
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from labkit.errors import USER_ERROR, UserError
from labkit.machine.process import end_group
from labkit.verify import documents, submission
from labkit.verify.grading import Verdict
from labkit.verify.outcome import Check

# Reading and deriving takes seconds, the worker within has 90 s.
LIMIT_SECONDS = 150.0
MOST_AT_ONCE = 8
# So many sample times do not agree by chance; shorter sources are alike because there is one way to write them.
LEAST_TIMES, LEAST_NODES, MOST_SOURCE_BYTES = 5, 60, 200_000
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
ENDED = "F2 the submission can be checked"

Answer = Verdict | UserError


def verdicts(folders: Sequence[Path]) -> list[Answer]:
    """The verdict on each folder, in this order, or why it cannot be looked at; a bar on a terminal says how long."""
    bar = Progress(
        TextColumn("checked"),
        BarColumn(40),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty() or len(folders) < 2,
    )
    found: dict[int, Answer] = {}
    with bar, ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_AT_ONCE)) as pool:
        task = bar.add_task("", total=len(folders))
        asked = {pool.submit(apart, folder): i for i, folder in enumerate(folders)}
        for done in as_completed(asked):
            found[asked[done]] = done.result()
            bar.advance(task)
    return [found[i] for i in range(len(folders))]


def apart(folder: Path) -> Answer:
    """The verdict of a process of its own: whatever a submission does, there is one."""
    with tempfile.TemporaryDirectory() as own:  # also what a killed process leaves
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "labkit", "verify", "--json", "--", str(folder)],
            env={**os.environ, "TMPDIR": own, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            out, err = child.communicate(timeout=LIMIT_SECONDS)
            why = f"its check ended with status {child.returncode}"
        except subprocess.TimeoutExpired:
            out, err, why = b"", b"", f"its check did not end within {LIMIT_SECONDS:g} s"
        finally:
            end_group(child)
    try:
        return Verdict(folder, [Check(**check) for check in json.loads(out)["checks"]])
    except (ValueError, LookupError, TypeError):
        if child.returncode == USER_ERROR and err:
            return UserError(err.decode(errors="replace").strip().splitlines()[-1].removeprefix("labkit verify: "))
        return Verdict(folder, [Check(ENDED, False, f"{why}: look at what bench.py does beside computing")])


def missed(found: Sequence[Verdict]) -> list[tuple[str, int]]:
    """(check, how many miss it), the most missed first."""
    return Counter(check.name for one in found for check in one.checks if check.passed is False).most_common()


# --- what is alike -----------------------------------------------------------------------------------------


def alike(folders: Sequence[Path]) -> Iterator[str]:
    """What to ask about: the same sample times, or the same source but for names and comments."""
    marks: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for folder in folders:
        with contextlib.suppress(UserError, *submission.UNUSABLE):
            for mark in _marks(folder):
                marks[mark][str(folder)] = None
    for what, who in dict.fromkeys((what, tuple(who)) for (what, _), who in marks.items() if len(who) > 1):
        yield f"{' and '.join(who)} have {what}: ask how that came about"


def _marks(folder: Path) -> Iterator[tuple[str, str]]:
    if not folder.is_dir():
        return
    place = submission.inner(folder)
    raw = submission.read_file(place / "results.json", place)
    for times in _series(documents.document(raw)):
        yield "the same sample times", hashlib.sha256(repr(times).encode()).hexdigest()
    source = submission.read_file(place / "bench.py", place)
    if len(source) < MOST_SOURCE_BYTES and (shape := _shape(source)):
        yield "the same source but for names and comments", shape


def _series(value: Any) -> Iterator[list[float]]:
    """Every list of times of a document: fractions, no two of them alike."""
    left = [value]
    for _ in range(documents.MOST_VALUES):
        if not left:
            return
        one = left.pop()
        if isinstance(one, dict):
            left += one.values()
        elif isinstance(one, list):
            if len(one) >= LEAST_TIMES and all(isinstance(x, float) for x in one) and len(set(one)) == len(one):
                yield one
            else:
                left += [x for x in one if isinstance(x, dict | list)]


def _shape(source: bytes) -> str | None:
    """A digest of a source in which every name is a number and no text is left; None of a short one."""
    names: dict[str, str] = {}
    tree, many = ast.parse(source), 0
    for node in ast.walk(tree):
        many += 1
        for field in ("id", "arg", "name", "attr"):
            if isinstance(name := getattr(node, field, None), str):
                setattr(node, field, names.setdefault(name, str(len(names))))
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            del node.body[0]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest() if many >= LEAST_NODES else None
