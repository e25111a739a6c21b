"""A comparison in the terminal, as Markdown and from the command: what differs stands above the figures."""

import csv
import io as text_io
import json
import re
from argparse import Namespace
from dataclasses import replace

import made_up
import pytest
from compared import of_cpu, run
from PIL import Image

from labkit import comparison
from labkit.comparison import against, cell_text, page, ratio_text, terminal, values, verdict_text
from labkit.errors import UserError
from labkit.records import io
from labkit.records.compare import RunComparison, compare

CPUS = ("i5-8250U", "AMD EPYC 7R32", "Xeon Platinum 8481C", "Graviton2", "Apple M2 Ultra with a | long name")


def of(count: int) -> RunComparison:
    """So many machines, each slower than the one before; the last lacks a method, the first has an impossible cell."""
    made = [of_cpu(run(speed=1 - 0.05 * i), cpu) for i, cpu in enumerate(CPUS[:count])]
    cells = [c for c in made[-1].analysis.cells if c.method != "einsum"]
    made[-1] = replace(made[-1], analysis=replace(made[-1].analysis, cells=cells))
    made[0].analysis.cell("matmul", 64).invalid = ["it reaches 120 % of the peak"]
    made[1].analysis.cell("blocked", 128).noisy = True
    return compare(made)


@pytest.fixture(params=[2, 5])
def record(request):
    return of(request.param)


@pytest.mark.parametrize("written", [terminal, page])
def test_what_differs_stands_first_then_fractions_then_gflops_and_numbers_are_the_records(record, written):
    text = " ".join(written(record).split())
    places = [text.index(words) for words in ("hat differs", f"{CPUS[1]} (2)", "Fraction of peak", "GFLOPS")]
    assert places == sorted(places)
    shown = record.rows if len(record.runs) == 2 else [record.telling_row(m) for m in record.methods]
    for row in shown:
        for held in (*row.peak_fraction[1:], *row.gflops[1:]):
            assert ratio_text(held) in text
            assert verdict_text(held) in text
    for row in record.rows:
        for cell in row.cells:
            assert cell_text(cell, "gflops", intervals=written is page) in text
    assert all(note in text for note in (*record.notes, *comparison.METHODS))


@pytest.mark.parametrize("written", [terminal, page])
def test_marks_and_missing_or_impossible_cells_are_explained(written):
    text = written(of(2))
    for words in ("† extrapolated", "‡ noisy", "(invalid)", "missing", "not in this run"):
        assert words in text
    assert "§" not in text
    assert comparison.NOTHING_DIFFERS not in text
    assert comparison.NOTHING_DIFFERS in written(compare([run("a"), run("b")]))


def test_no_line_of_two_runs_needs_more_than_80_columns(monkeypatch):
    monkeypatch.setattr("labkit.show.tables.UNLIMITED_COLUMNS", 80)
    shown = [table for q in comparison.NAMES for table in (values(of(2), q), against(of(2), q))]
    for text in map(comparison.tables.terminal, shown):
        assert max(map(len, text.splitlines())) <= 80
        assert "…" not in text


def test_every_table_of_the_page_is_whole(record):
    for block in re.findall(r"(?:^\|.*\n)+", page(record, "f.png"), re.MULTILINE):
        assert len({re.sub(r"\\\|", "", line).count("|") for line in block.splitlines()}) == 1, block


@pytest.mark.parametrize("quantity", comparison.NAMES)
def test_two_runs_are_compared_at_every_size_and_more_at_the_size_that_says_most(quantity):
    assert len(against(of(2), quantity).rows) == 12
    rows = against(of(5), quantity).rows
    assert [(method, n, number) for method, n, number, *_ in rows[:5]] == [
        *(("`np.matmul`", "1024", run) for run in "2345"),
        ("`einsum`", "1024", "2"),
    ]
    assert len(rows) == 16


def test_a_ratio_about_1_is_written_to_the_third_decimal():
    held = compare([run(), run(speed=0.5, python="3.12.1")]).rows[0].gflops[1]
    for ratio, text in ((0.9876, "0.988"), (1.0, "1.000"), (0.1234, "0.123"), (16.34, "16.3"), (0.0456, "0.0456")):
        held.ratio, held.low = ratio, None
        assert ratio_text(held) == text


@pytest.mark.parametrize("noisy", [0, 1])
def test_a_difference_that_rests_on_a_noisy_cell_says_so(noisy):
    made = [run(), run(speed=0.5, python="3.12.1"), run(python="3.13.0")]
    assert verdict_text(compare(made).rows[0].gflops[1]) == "slower"
    made[noisy].analysis.cell("matmul", 64).noisy = True
    row = compare(made).rows[0]
    assert [verdict_text(held) for held in row.gflops[1:]] == ["slower (noisy)", "no difference resolved"]


# --- the command -------------------------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path):
    made = [of_cpu(run(), CPUS[0]), of_cpu(run(speed=0.5), CPUS[1])]
    names = ("one", "two")
    return [made_up.write(tmp_path / n, m.results, m.manifest) for n, m in zip(names, made, strict=True)]


def command(folders, output=None, json=False, markdown=False, csv=False, since="", all=False):
    forms = {"json": json, "markdown": markdown, "csv": csv}
    return comparison.run(Namespace(folders=folders, output=output, since=since, all=all, **forms))


def test_the_command_prints_tables_json_or_markdown_and_leaves_files_that_agree(folders, tmp_path, capsys):
    output = tmp_path / "new" / "folder"
    assert command(folders, output=output) == 0
    record = io.read(output / "comparison.json", RunComparison)
    assert [r.name for r in record.runs] == ["one", "two"]
    assert capsys.readouterr().out == terminal(record)
    assert command(folders, json=True) == 0
    assert capsys.readouterr().out == (output / "comparison.json").read_text()
    assert command(folders, markdown=True) == 0
    assert capsys.readouterr().out == page(record)
    assert (output / "comparison.md").read_text() == page(record, "comparison.png")
    with Image.open(text_io.BytesIO((output / "comparison.png").read_bytes())) as image:
        shown = json.loads(image.text["Description"])["values"]
    assert record.telling_row("matmul").cells[1].gflops.median in [value["x"] for value in shown]
    assert str(tmp_path) not in (output / "comparison.json").read_text() + (output / "comparison.md").read_text()


def test_one_result_or_one_that_cannot_be_read_is_an_error_that_names_it(folders, tmp_path):
    with pytest.raises(UserError, match="two results or more"):
        command(folders[:1])
    with pytest.raises(UserError, match=r"none: cannot read results\.json"):
        command([folders[0], tmp_path / "none"])
    with pytest.raises(UserError, match=r"none: .*; .*nor this: cannot read results\.json"):
        command([*folders, tmp_path / "none", tmp_path / "nor this"])


@pytest.mark.parametrize("word", ["tomorrow", "2026-13-01", "20260131"])
def test_what_is_no_date_is_refused(folders, word):
    with pytest.raises(UserError, match="is no date"):
        command(folders, since=word)


# --- a fleet -----------------------------------------------------------------------------------------------

SCREEN_LINES, SCREEN_COLUMNS = 40, 120


@pytest.fixture
def nodes(tmp_path):
    """Forty nodes and what each measured on two days; node07 is slow on the second."""
    for i in range(40):
        for day in ("2026-01-01", "2026-01-02"):
            made = run(speed=(0.7 if (i, day) == (7, "2026-01-02") else 1 + 0.003 * (i % 4)))
            made.manifest.created = f"{day}T00:00:00+00:00"
            made_up.write(tmp_path / "nodes" / f"node{i:02}" / day, made.results, made.manifest)
    return [tmp_path / "nodes"]


def test_forty_nodes_fit_on_a_screen_the_slow_one_first_and_the_status_says_that_there_is_one(nodes, capsys):
    assert command(nodes) == 1
    text = capsys.readouterr().out
    assert len(text.splitlines()) <= SCREEN_LINES
    assert re.findall("node[0-9]+", text) == ["node07"]
    assert text.index("node07") < text.index("allowed")
    assert command(nodes, all=True) == 1
    assert set(re.findall("node[0-9]+", capsys.readouterr().out)) == {f"node{i:02}" for i in range(40)}


def test_a_fleet_as_csv_has_a_row_for_each_node_and_no_column_twice(nodes, folders, capsys):
    command(nodes, csv=True)
    head, *rows = csv.reader(text_io.StringIO(capsys.readouterr().out))
    assert [row[0] for row in rows] == [f"node{i:02}" for i in range(40)]
    assert len(set(head)) == len(head)
    assert float(rows[7][head.index("np.matmul, times the others")]) == pytest.approx(0.7, rel=0.01)
    with pytest.raises(UserError, match="--csv takes 4 nodes"):
        command(folders, csv=True)


def test_since_a_date_what_changed_on_which_node_is_told_and_without_runs_of_several_days_are_named(nodes, capsys):
    command(nodes, since="2026-01-01")
    assert re.search(r"2026-01-02 +node07 +np\.matmul +0\.6\d", capsys.readouterr().out)
    (nodes[0] / "node03" / "2026-01-02" / "results.json").unlink()
    command(nodes)
    assert "of 2 days: 2026-01-01 (1), 2026-01-02 (39)" in capsys.readouterr().out
