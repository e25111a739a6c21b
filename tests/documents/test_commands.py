"""Every command of the documents, given as it stands in a checkout in which everything is small."""

import re
from pathlib import Path

import pytest
import small_checkout

DOCUMENTS = sorted((small_checkout.REPOSITORY / "docs").glob("*.md"))
# Instead of a command that makes environments, compiles for long or is a test itself: one that does the rest of it.
INSTEAD = {
    "make ladder": "make ladder ARGS=--redraw",
    'make ladder ARGS="--mine my-ladder/*.py --output my-ladder"': "make ladder ARGS=--redraw",
    "make rivals": "make --dry-run rivals",
    "make repeat": "make repeat ARGS=--redraw",
    'make repeat ARGS="--runs 6 --pythons 3.11,3.12"': "make repeat ARGS=--redraw",
    "make lint": "make --dry-run lint",
    "make traffic": "make --dry-run traffic",
}
# The folders that a document speaks of.
FOLDERS = {"teacher": ("submissions/ada", "submissions/bo"), "engineer": ("before", "after")}
# What is checked and found wanting is an answer, not a failure of the command.
ANSWERS = {"labkit verify": (0, 1), "make verify": (0, 2), "make doctor": (0, 2), "labkit doctor": (0, 1)}
ANSWERS["doctor.pyz --report"] = (0, 1)
ANSWERS["my-ladder/step1"] = (2,)  # before the reader has written the factor that is expected


def blocks(text: str) -> list[str]:
    """The command lines of a document, in order."""
    found = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
    return [line for block in found for line in block.splitlines() if line]


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_checkout.make(tmp_path_factory.mktemp("documents") / "a check out")


@pytest.mark.parametrize(
    "document", [path for path in DOCUMENTS if blocks(path.read_text("utf-8"))], ids=lambda p: p.stem
)
def test_every_command_of_a_document_works_as_it_stands(document: Path, checkout: Path):
    small_checkout.put_results(checkout, FOLDERS.get(document.stem, ()))
    for command in blocks(document.read_text("utf-8")):
        done = small_checkout.give(INSTEAD.get(command, command), checkout)
        allowed = next((statuses for words, statuses in ANSWERS.items() if words in command), (0,))
        assert done.returncode in allowed, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        assert "Traceback" not in done.stderr, command


def test_bash_completes_a_command_that_was_begun(checkout: Path):
    ask = (
        'eval "$(.venv/bin/labkit completion bash)"; COMP_WORDS=(labkit ver); COMP_CWORD=1; '
        "$(complete -p labkit | sed 's/.*-F \\([^ ]*\\).*/\\1/') labkit ver labkit; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    assert small_checkout.give(ask, checkout).stdout.split() == ["verify"]
