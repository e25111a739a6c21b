"""The list of mutants holds to the code as it is: each can be put in, and the tests that it names are there."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "mutants"))

import inject
from mutant import Mutant
from mutants import MUTANTS

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDER = REPOSITORY / "tests" / "mutants"


def test_there_are_25_plausible_bugs_at_least_each_with_a_name_of_its_own():
    assert len(MUTANTS) >= 25
    assert not [name for name, count in Counter(mutant.name for mutant in MUTANTS).items() if count > 1]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_can_be_injected_into_the_code_as_it_is(mutant):
    assert inject.misfit(mutant, REPOSITORY) is None
    assert mutant.tests


@pytest.fixture
def checkout(tmp_path):
    """A checkout of one file, and one that is to test it."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "twice.py").write_text("def twice(x):\n    return x + x\n", "utf-8")
    (tmp_path / "tests" / "test_twice.py").touch()
    return tmp_path


def mutant(old, new, file="twice.py", tests=("test_twice.py",)):
    return Mutant("a name", file, old, new, tests)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (mutant("x + x", "x * x"), None),
        (mutant("x - x", "x"), "stands 0 times"),
        (mutant("x", "y"), "stands 3 times"),
        (mutant("x + x", "x + x"), "changes nothing"),
        (mutant("x + x", "x +"), "would not compile"),
        (mutant("x + x", "x", file="thrice.py"), "there is no thrice.py"),
        (mutant("x + x", "x", tests=("test_thrice.py",)), "there is no tests/test_thrice.py"),
    ],
)
def test_a_mutant_that_does_not_fit_the_code_is_told_why(checkout, made, why):
    found = inject.misfit(made, checkout)
    assert found is None if why is None else why in found


# In place of pytest, which takes a second to start.
TEST_TWICE = """
import sys

sys.path.insert(0, ".")
from twice import twice

print("FAILED tests/test_twice.py::test_it - assert 6")
sys.exit(twice(3) != 6)
"""


def test_a_mutant_is_caught_or_survives_in_a_copy_and_the_checkout_stays_as_it_is(
    checkout, tmp_path_factory, monkeypatch
):
    monkeypatch.setattr(inject, "PYTEST", ["-c", TEST_TWICE])
    before = {path: path.read_bytes() for path in checkout.rglob("*.py")}
    injector = inject.Injector(checkout, tmp_path_factory.mktemp("copies"), jobs=1)
    for _ in range(2):  # each mutant is taken out again
        assert injector.try_mutant(mutant("x + x", "x * x")).caught_by == "test_twice.py::test_it"
        assert injector.try_mutant(mutant("x + x", "2 * x")).caught_by is None
    injector.check_unmutated(["test_twice.py"])
    assert {path: path.read_bytes() for path in checkout.rglob("*.py")} == before


def test_tests_that_hang_are_ended(checkout, tmp_path_factory, monkeypatch):
    monkeypatch.setattr(inject, "PYTEST", ["-c", "import time; time.sleep(60)"])
    injector = inject.Injector(checkout, tmp_path_factory.mktemp("copies"), jobs=1)
    assert injector.run_tests(injector.copies.get(), ["test_twice.py"], limit=0.1) == (None, "")
    assert not injector.running


@pytest.mark.parametrize(
    ("status", "said", "by"),
    [
        (0, "3 passed", None),
        (1, "F\nFAILED tests/test_a.py::test_b[1-2] - assert 1 == 2\n1 failed", "test_a.py::test_b[1-2]"),
        (2, "ERROR tests/test_a.py - SyntaxError\n", "test_a.py"),
        (None, "", "the clock: a hang"),
        (-11, "", "the system: signal 11"),
    ],
)
def test_a_failure_a_hang_and_a_crash_catch_a_mutant(status, said, by):
    found = inject.verdict(MUTANTS[0], status, said)
    assert found is None if by is None else found.startswith(by)


def test_tests_that_were_never_run_are_no_verdict():
    with pytest.raises(inject.MisfitError, match="were not run"):
        inject.verdict(MUTANTS[0], 4, "ERROR: file or directory not found")


def test_the_script_lists_the_mutants_without_trying_any():
    words = [sys.executable, str(FOLDER / "inject.py"), "--list", "--only", "INDICES"]
    listed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert listed == "experiments/03-matmul-perf/bench.py: naive swaps the indices of B\n"
