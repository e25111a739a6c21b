"""The documents point at what is there. Their commands are given one by one by tests/documents."""

import re
import runpy
from pathlib import Path

import pytest

from labkit.cli import parser

REPOSITORY = Path(__file__).resolve().parents[2]
GUIDES = [REPOSITORY / "docs" / f"{reader}.md" for reader in ("learner", "teacher", "engineer", "developing")]
PAGES = [
    *GUIDES,
    REPOSITORY / "README.md",
    REPOSITORY / "docs" / "assignment.md",
    REPOSITORY / "docs" / "systems.md",
    REPOSITORY / "fleet" / "README.md",
]
TARGETS = {*runpy.run_path(str(REPOSITORY / "run.py"))["TARGETS"], "help"}
KNOWN = parser()._subparsers._group_actions[0].choices  # argparse has no public way to ask
OF_BENCH = "--sizes --methods --quick --measure-all --fresh --redraw --output"


every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}-{page.stem}")


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_a_guide_begins_with_what_its_reader_wants_to_do_and_the_front_page_leads_to_it(guide):
    lines = [line for line in guide.read_text("utf-8").splitlines() if line]
    assert lines[0].startswith("# For the ")
    assert lines[1] == "| I want to | then |"
    assert f"(docs/{guide.name})" in (REPOSITORY / "README.md").read_text("utf-8")


def slug(heading: str) -> str:
    """The anchor of a heading, as the usual renderers make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@every_page
def test_every_link_leads_to_something(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path) if path else page
        assert file.exists(), target
        if anchor:
            assert anchor in map(slug, re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.M)), target


@every_page
def test_every_command_and_option_that_a_page_names_is_there(page):
    text = page.read_text("utf-8")
    for target, arguments in re.findall(r"(?:^ *|`)make ([a-z-]+)(?: ARGS=(\"[^\"]*\"|\S+))?(?=[`\s])", text, re.M):
        assert target in TARGETS, target
        options = KNOWN[target].format_help() if target in KNOWN else OF_BENCH if target == "bench" else arguments
        for option in re.findall(r"--[a-z-]+", arguments):
            assert option in options, (target, option)
    for name, rest in re.findall(r"(?:`|bin/|-m )labkit ([a-z]+)\b([^`\n]*)", text):
        assert name in KNOWN, name
        for option in re.findall(r"(?<!\S)--[a-z-]+", rest):
            assert option in KNOWN[name].format_help(), (name, option)


def test_every_file_that_the_guide_for_developers_names_is_there():
    text = (REPOSITORY / "docs" / "developing.md").read_text("utf-8")
    for path in re.findall(r"`((?:labkit|tests|docs|experiments)/[\w./-]*)`", text):
        assert (REPOSITORY / path).exists(), path
    drawn = re.search(r"^    declare   .*?(?=\n\n)", text, re.M | re.S)[0]
    for path in re.findall(r"(?:\b[a-z]+/[\w.]*|\b[a-z]+\.py)", drawn):
        assert any((REPOSITORY / "labkit" / room / path).exists() for room in ("", "records", "show")), path
