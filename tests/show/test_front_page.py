"""The front page is written by hand: its figures are those of the record that is committed with it."""

import re

import committed
import pytest

from labkit.records import find
from labkit.show.text import answers


@pytest.fixture(scope="module")
def text() -> str:
    return (committed.root() / "README.md").read_text("utf-8")


def test_the_front_page_gives_the_four_answers_of_the_committed_record(text):
    run = find.read_run(committed.experiment(find.BENCH))
    front = " ".join(text.split())
    lines = [f"{i}. {a.question} {a.says}" for i, a in enumerate(answers(run.results, run.analysis), 1)]
    missing = [line for line in (run.results.short_name, *lines) if line not in front]
    assert not missing, "README.md does not say:\n" + "\n".join(missing)


def test_the_front_page_names_no_other_figure(text):
    """So that no figure stands there that the test above does not see."""
    answered = re.findall(r"^\d\. .*\n   .*$", text, re.M)
    for answer in answered:
        text = text.replace(answer, "")
    assert len(answered) == 4
    assert not re.findall(r"\d[\d,.]* ?(?:×|GFLOPS|GB/s|ms|µs)", text)
