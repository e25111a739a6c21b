"""Puts plausible bugs into a copy of the checkout, one at a time, and runs the tests that must catch each.

    .venv/bin/python tests/mutants/inject.py [WORD]     those whose file or name holds the word; all without one

The list is in bugs.txt beside this file. A tool like mutmut changes operators wherever there are some; it cannot be
told of these bugs. Exit status 0: all are caught. 1: some survive. 2: the list does not fit the code, or the tests
fail without any bug. It takes some seconds for each.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
BUGS = Path(__file__).with_name("bugs.txt")
LEFT_BEHIND = shutil.ignore_patterns(".git", ".venv", ".nox", ".state", "__pycache__", ".*_cache", ".hypothesis")
# A test that takes longer than this hangs, which is noticed as a failure is.
LIMIT_SECONDS = 180.0
PYTEST = ("-m", "pytest", "-p", "no:cacheprovider", "-x", "-q", "--tb=no", "-rfE")


@dataclass(frozen=True)
class Bug:
    """`old` stands once in `file`, a path in the checkout; `tests` are paths in tests/."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def misfit(self) -> str | None:
        """Why it cannot be put in; None if it can."""
        path = CHECKOUT / self.file
        found = path.read_text("utf-8").count(self.old) if path.is_file() else 0
        if found != 1:
            return f"{self.old!r} stands {found} times in {self.file} and not once"
        missing = [name for name in self.tests if not (CHECKOUT / "tests" / name).exists()]
        return f"there is no tests/{missing[0]}" if missing else None


def read(text: str) -> Iterator[Bug]:
    r"""The list: '@ file: tests' heads the bugs of a file; a name, a '-' line, a '+' line; \n stands for a line end."""
    file = name = old = ""
    tests: tuple[str, ...] = ()
    for line in text.splitlines():
        mark, rest = line[:2], line[2:].replace("\\n", "\n")
        if mark == "@ ":
            file, _, names = rest.partition(": ")
            tests = tuple(names.split())
        elif mark == "- ":
            old = rest
        elif mark in ("+ ", "+"):
            yield Bug(name, file, old, rest, tests)
        elif mark != "# " and line:
            name = line


def failure(root: Path, tests: Sequence[str]) -> str | None:
    """The first test that fails in this copy, or how else they ended; None if all pass."""
    command = [sys.executable, *PYTEST, *(f"tests/{name}" for name in tests)]
    # Compiled files are told from stale ones by size and whole seconds: a bug can have both of the code it replaces.
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return "a hang"
    if done.returncode == 0:
        return None
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return (failed or [f"exit status {done.returncode}"])[0].partition(" - ")[0]


def inject(bugs: Sequence[Bug], root: Path) -> int:
    """Try them all in this copy, a line for each; the exit status."""
    survived, sound_tests = 0, set()
    for bug in bugs:
        if bug.tests not in sound_tests and (found := failure(root, bug.tests)):
            print(f"without any bug: {found}", file=sys.stderr)
            return 2
        sound_tests.add(bug.tests)
        path = root / bug.file
        sound = path.read_text("utf-8")
        path.write_text(sound.replace(bug.old, bug.new), "utf-8")
        by = failure(root, bug.tests)
        path.write_text(sound, "utf-8")
        survived += by is None
        print(f"{bug.file}: {bug.name}: {by or 'SURVIVED ' + ' '.join(bug.tests)}", flush=True)
    print(f"{len(bugs) - survived} of {len(bugs)} bugs are caught")
    return 1 if survived else 0


def main() -> int:
    """The command line; the exit status."""
    word = " ".join(sys.argv[1:])
    bugs = [bug for bug in read(BUGS.read_text("utf-8")) if word in bug.file or word in bug.name]
    misfits = {bug: why for bug in bugs if (why := bug.misfit())}
    for bug, why in misfits.items():
        print(f"{bug.name}: {why}", file=sys.stderr)
    bugs = [bug for bug in bugs if bug not in misfits]
    if not bugs:
        print(f"no bug whose file or name holds '{word}' can be put in", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        root = Path(folder) / "copy"
        shutil.copytree(CHECKOUT, root, ignore=LEFT_BEHIND)
        return inject(bugs, root) or (2 if misfits else 0)


if __name__ == "__main__":
    sys.exit(main())
