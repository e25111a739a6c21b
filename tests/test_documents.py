"""The documents: they begin with what one wants to do, and what they point at is there.

Their commands are given one by one by tests/documents.
"""

import re
from pathlib import Path

import pytest

from labkit.commands import parser
from labkit.provenance import REPOSITORY

DOCUMENTS = sorted((REPOSITORY / "docs").glob("*.md"))
PAGES = [*DOCUMENTS, REPOSITORY / "README.md.j2", REPOSITORY / "fleet" / "README.md"]
OF_TARGET = {
    "bench": "experiments/03-matmul-perf/bench.py",
    "ladder": "experiments/03-speedup-ladder/ladder.py",
    "roofline": "experiments/01-roofline/roofline.py",
    "matrix": "experiments/03-matmul-perf/matrix.py",
    "repeat": "experiments/03-matmul-perf/repeat.py",
    "mutants": "tests/mutants/inject.py",
    "report": "labkit/report/command.py",
    "test": None,
}
ids = [path.stem for path in DOCUMENTS]


def test_the_four_readers_have_a_document_each():
    assert ids == ["developing", "engineer", "learner", "teacher"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_a_document_begins_with_what_one_wants_to_do(document: Path):
    lines = [line for line in document.read_text("utf-8").splitlines() if line]
    assert lines[0].startswith("# For ")
    assert lines[1] == "| I want to | then |"


def slug(heading: str) -> str:
    """The anchor of a heading, as the usual renderers make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}-{page.stem}")
def test_every_link_leads_to_something(page: Path):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path) if path else page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.M)
            assert anchor in map(slug, headings), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}-{page.stem}")
def test_every_make_target_and_option_that_a_page_names_is_there(page: Path):
    makefile = (REPOSITORY / "Makefile").read_text()
    for target, arguments in re.findall(r"\bmake ([a-z]+)(?: ARGS=(\"[^\"]*\"|\S+))?[`\s]", page.read_text("utf-8")):
        if target in ("it", "what", "of", "with", "made", "the", "their"):
            continue
        assert re.search(rf"^{target}:", makefile, re.M), target
        source = OF_TARGET.get(target)
        for option in re.findall(r"--[a-z-]+", arguments) if source else ():
            written = (REPOSITORY / source).read_text()
            assert option in written or f"{option[2:].replace('-', '_')}:" in written, (target, option)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}-{page.stem}")
def test_every_command_of_labkit_that_a_page_names_is_there(page: Path):
    known = parser()._subparsers._group_actions[0].choices  # argparse has no public way to ask
    for name, rest in re.findall(r"\blabkit ([a-z]+)\b([^`\n]*)", page.read_text("utf-8")):
        if name not in known:
            assert name in ("and", "once", "on", "puts"), name
            continue
        for option in re.findall(r"(?<!\S)--[a-z-]+", rest):
            assert option in known[name].format_help(), (name, option)


def test_the_front_page_leads_to_each_document():
    front = (REPOSITORY / "README.md.j2").read_text("utf-8")
    assert all(f"docs/{path.name}" in front for path in DOCUMENTS)


def test_the_makefiles_help_names_every_target():
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = set(re.search(r"^\.PHONY: (.*)$", makefile, re.M)[1].split()) - {"help"}
    assert targets <= set(re.findall(r"echo 'make ([a-z-]+)", makefile))


@pytest.mark.parametrize("command", ["doctor", "verify", "compare", "report", "export", "completion"])
def test_every_command_of_labkit_shows_an_example(command, capsys):
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([command, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "example:\n" in said
    assert "exit status:" in said
    assert max(map(len, said.splitlines())) <= 80


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_a_shell_can_be_taught_to_complete_every_command(shell, capsys):
    from labkit.commands import main

    assert main(["completion", shell]) == 0
    said = capsys.readouterr().out
    assert all(word in said for word in ("doctor", "verify", "compare", "report", "export"))
