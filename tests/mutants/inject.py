"""Injects each mutant into a copy of the checkout and runs the tests that should catch it.

`python tests/mutants/inject.py [--only WORD] [--list] [--jobs 2]`. Exit status 0: all are caught. 1: some survive.
2: the list does not fit the code, or the tests fail without any mutant.
"""

import argparse
import ast
import contextlib
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from mutant import Mutant
from mutants import MUTANTS

CHECKOUT = Path(__file__).resolve().parents[2]
# The longest file of tests takes some ten seconds. What takes so long hangs, which is noticed as a failure is.
LIMIT_SECONDS = 60.0
# The tests of every mutant, one file after the other.
UNMUTATED_LIMIT_SECONDS = 900.0
MOST_JOBS = 2
INTERRUPTED = 130
# Compiled files are told from stale ones by size and whole seconds: a mutant can have both of the code it replaces.
# Hypothesis draws the same examples each time, so that a mutant is caught today if it was yesterday.
ENVIRONMENT = {"PYTHONDONTWRITEBYTECODE": "1"}
PYTEST = (
    "-m",
    "pytest",
    "-o",
    "addopts=",
    "-p",
    "no:cacheprovider",
    "--hypothesis-seed=0",
    "-x",
    "-q",
    "--tb=no",
    "-rfE",
)
PASSED, FAILED, NOT_IMPORTED = 0, 1, 2  # what pytest returns


class MisfitError(Exception):
    """The list and the code do not belong together; its message is the whole explanation."""


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant."""

    mutant: Mutant
    caught_by: str | None  # None: it survived
    seconds: float

    def __str__(self) -> str:
        by = f"caught by {self.caught_by}" if self.caught_by else f"SURVIVED {' '.join(self.mutant.tests)}"
        return f"{self.seconds:5.1f} s  {self.mutant.file}: {self.mutant.name}: {by}"


def misfit(mutant: Mutant, root: Path) -> str | None:
    """Why this mutant cannot be injected; None if it can."""
    path = root / mutant.file
    if not path.is_file():
        return f"there is no {mutant.file}"
    text = path.read_text("utf-8")
    if (found := text.count(mutant.old)) != 1:
        return f"{mutant.old!r} stands {found} times in {mutant.file} and not once"
    if mutant.new == mutant.old:
        return "it changes nothing"
    if path.suffix == ".py":
        try:
            ast.parse(mutate(mutant, text))
        except SyntaxError as error:
            return f"{mutant.file} would not compile: {error.msg}, line {error.lineno}"
    missing = [name for name in mutant.tests if not (root / "tests" / name).is_file()]
    return f"there is no tests/{missing[0]}" if missing else None


def mutate(mutant: Mutant, text: str) -> str:
    """The file's text with the mutant in it."""
    return text.replace(mutant.old, mutant.new)


def copy_checkout(checkout: Path, target: Path) -> None:
    """The files of the checkout, tracked or new, without what git ignores; outside git all but environments."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=checkout, capture_output=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        ignored = shutil.ignore_patterns(".git", ".venv", ".state", "__pycache__", ".*_cache", ".hypothesis")
        shutil.copytree(checkout, target, ignore=ignored)
        return
    for name in listed.stdout.decode().split("\0"):
        if name and (checkout / name).is_file():  # a tracked file may have been deleted
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(checkout / name, target / name)


class Injector:
    """Copies of the checkout, one a job, in which mutants are tried."""

    def __init__(self, checkout: Path, folder: Path, jobs: int) -> None:
        self.copies: queue.SimpleQueue[Path] = queue.SimpleQueue()
        self.running: set[subprocess.Popen[str]] = set()
        for job in range(jobs):
            copy_checkout(checkout, folder / f"copy{job}")
            self.copies.put(folder / f"copy{job}")

    def run_tests(self, root: Path, tests: Sequence[str], limit: float) -> tuple[int | None, str]:
        """(what pytest returned, what it said); None in place of the first if it took longer than the limit."""
        process = subprocess.Popen(
            [sys.executable, *PYTEST, *(f"tests/{name}" for name in tests)],
            cwd=root, env={**os.environ, **ENVIRONMENT}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        self.running.add(process)
        try:
            said, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            _kill(process)
            return None, process.communicate()[0]
        finally:
            self.running.discard(process)
        return process.returncode, said

    def check_unmutated(self, tests: Sequence[str]) -> None:
        """A MisfitError if the tests fail as they are: what they then say of a mutant means nothing."""
        root = self.copies.get()
        status, said = self.run_tests(root, tests, UNMUTATED_LIMIT_SECONDS)
        self.copies.put(root)
        if status != PASSED:
            raise MisfitError(f"the tests fail without any mutant: {_first_failure(said)}")

    def try_mutant(self, mutant: Mutant) -> Outcome:
        """Write the mutant into a copy, run its tests, and take it out again."""
        root, started = self.copies.get(), time.monotonic()
        path = root / mutant.file
        sound = path.read_bytes()
        try:
            path.write_text(mutate(mutant, sound.decode()), encoding="utf-8")
            status, said = self.run_tests(root, mutant.tests, LIMIT_SECONDS)
        finally:
            path.write_bytes(sound)
            self.copies.put(root)
        return Outcome(mutant, verdict(mutant, status, said), time.monotonic() - started)

    def stop(self) -> None:
        """End the tests that still run."""
        for process in list(self.running):
            _kill(process)


def verdict(mutant: Mutant, status: int | None, said: str) -> str | None:
    """What caught the mutant, by how its tests ended; None if it survived, a MisfitError if they were never run."""
    if status is None:
        return f"the clock: a hang of {LIMIT_SECONDS:.0f} s"
    if status < 0:
        return f"the system: signal {-status}"
    if status in (FAILED, NOT_IMPORTED):
        return _first_failure(said)
    if status == PASSED:
        return None
    raise MisfitError(f"{mutant.name}: its tests were not run: {_first_failure(said)}")


def _first_failure(said: str) -> str:
    """The name of the first test that failed, or else the last line."""
    if found := re.search(r"^(?:FAILED|ERROR) (?:tests/)?(.+?)(?: - .*)?$", said, re.MULTILINE):
        return found[1]
    return (said.strip().splitlines() or ["nothing was said"])[-1]


def _kill(process: subprocess.Popen[str]) -> None:
    """End a process and its children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def inject(mutants: Sequence[Mutant], jobs: int) -> int:
    """Try them all, a line for each; the exit status."""
    for mutant in mutants:
        if why := misfit(mutant, CHECKOUT):
            raise MisfitError(f"{mutant.name}: {why}")
    started, survivors = time.monotonic(), 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(jobs) as pool:
        injector = Injector(CHECKOUT, Path(folder), jobs)
        try:
            injector.check_unmutated(sorted({name for mutant in mutants for name in mutant.tests}))
            for done in as_completed([pool.submit(injector.try_mutant, mutant) for mutant in mutants]):
                print(done.result(), flush=True)
                survivors += done.result().caught_by is None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            injector.stop()
            raise
    caught = len(mutants) - survivors
    print(f"{caught} of {len(mutants)} mutants caught, {survivors} survived: {time.monotonic() - started:.0f} s")
    return 1 if survivors else 0


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Inject plausible bugs into a copy of the checkout and test it.")
    parser.add_argument("--only", metavar="WORD", default="", help="mutants whose name or file holds this word")
    parser.add_argument("--list", action="store_true", help="name the mutants and try none")
    parser.add_argument("--jobs", type=int, choices=range(1, MOST_JOBS + 1), default=1, help="mutants at a time")
    options = parser.parse_args()
    word = options.only.lower()
    chosen = [mutant for mutant in MUTANTS if word in mutant.name.lower() or word in mutant.file.lower()]
    if options.list:
        for mutant in chosen:
            print(f"{mutant.file}: {mutant.name}")
        return 0
    try:
        if not chosen:
            raise MisfitError(f"no mutant's name or file holds '{options.only}'")
        return inject(chosen, options.jobs)
    except MisfitError as error:
        print(f"inject.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("inject.py: stopped", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
