"""One table, two ways to write it: nothing in a cell may break the table or the page around it."""

import re

import pytest

from labkit.show.tables import Table, markdown, terminal

EVIL = "a | b <script>`x|y`</script> [link](there) *bold*\nnext & \\"
TABLE = Table("Rates", "lr", ["method", "`N` = 64"], [["`naive`", "4.0"], [EVIL, "5"]])


def cells(line: str) -> list[str]:
    return re.split(r"(?<!\\)\|", line.strip().strip("|"))


def test_markdown_keeps_the_number_of_columns_and_aligns_them():
    lines = markdown(TABLE).splitlines()
    assert lines[0] == "**Rates**"
    assert lines[3] == "| --- | ---: |"
    assert all(len(cells(line)) == 2 for line in lines[2:])
    assert lines[4] == "| `naive` | 4.0 |"


def test_markdown_of_a_hostile_cell_is_that_text_once_rendered():
    markdown_it = pytest.importorskip("markdown_it")
    rendered = markdown_it.MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown(TABLE))
    assert "<script>" not in rendered
    assert "<a " not in rendered
    assert "<em>" not in rendered
    assert "a | b &lt;script&gt;<code>x|y</code>&lt;/script&gt; [link](there) *bold* next &amp; \\</td>" in rendered


def test_a_terminal_shows_text_without_markup_within_its_width():
    lines = terminal(TABLE, columns=40).splitlines()
    assert lines[0] == "Rates"
    assert max(map(len, lines)) <= 40
    assert "naive" in lines[2]
    assert "`" not in "".join(lines)
    assert "[link](there)" in terminal(TABLE, columns=200)
