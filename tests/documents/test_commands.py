"""Every command of the documents, given as it stands in a checkout in which everything is small."""

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import small

DOCUMENTS = sorted((small.REPOSITORY / "docs").glob("*.md"))
# Instead of a command that makes environments, compiles for long or is a test itself: one that does the rest of it.
INSTEAD = {
    "make matrix": "make matrix ARGS=--redraw",
    "make ladder": "make ladder ARGS=--redraw",
    "make lint": "make --dry-run lint",
}
# The folders that a document speaks of, copies of a result.
FOLDERS = {"teacher": ("submissions/ada", "submissions/bo"), "engineer": ("before", "after")}
# What is checked and found wanting is an answer: 1 is no failure of the command.
ANSWERS = {"labkit verify": (0, 1), "make verify": (0, 2), "make doctor": (0, 2), "labkit doctor": (0, 1)}
ids = [path.stem for path in DOCUMENTS]


def blocks(text: str) -> list[str]:
    """The command lines of a document, in order."""
    return [
        line for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S) for line in block.splitlines() if line
    ]


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.make(tmp_path_factory.mktemp("documents") / "a check out")


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_every_command_of_a_document_works_as_it_stands(document: Path, checkout: Path):
    small.put_results(checkout, FOLDERS.get(document.stem, ()))
    commands = blocks(document.read_text("utf-8"))
    assert commands
    for command in commands:
        done = small.give(INSTEAD.get(command, command), checkout)
        allowed = next((statuses for words, statuses in ANSWERS.items() if words in command), (0,))
        assert done.returncode in allowed, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        assert "Traceback" not in done.stderr, command


def test_bash_completes_a_command_that_was_begun(checkout: Path):
    ask = (
        'eval "$(.venv/bin/labkit completion bash)"; COMP_WORDS=(labkit ver); COMP_CWORD=1; '
        "$(complete -p labkit | sed 's/.*-F \\([^ ]*\\).*/\\1/') labkit ver labkit; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    assert small.give(ask, checkout).stdout.split() == ["verify"]
