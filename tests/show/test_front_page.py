"""The front page is written by hand: its figures are those of the committed record."""

import re
from pathlib import Path

import pytest

from labkit.records import find
from labkit.show.text import answers

REPOSITORY = Path(__file__).resolve().parents[2]
FRONT = REPOSITORY / "README.md"


@pytest.fixture(scope="module")
def run() -> find.Run:
    return find.read_run(REPOSITORY / "experiments" / find.BENCH)


def test_the_front_page_gives_the_four_answers_of_the_committed_record(run):
    front = " ".join(FRONT.read_text("utf-8").split())
    lines = [f"{i}. {a.question} {a.says}" for i, a in enumerate(answers(run.results, run.analysis), 1)]
    missing = [line for line in (run.results.short_name, *lines) if line not in front]
    assert not missing, "README.md does not say:\n" + "\n".join(missing)


def test_the_front_page_names_no_other_figure():
    """So that no figure stands there that the test above does not see."""
    text = FRONT.read_text("utf-8")
    answered = re.findall(r"^\d\. .*\n   .*$", text, re.M)
    for answer in answered:
        text = text.replace(answer, "")
    assert len(answered) == 4
    assert not re.findall(r"\d[\d,.]* ?(?:×|GFLOPS|GB/s|ms|µs)", text)
