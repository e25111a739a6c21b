"""A comparison in the terminal, in a page, in a figure and from the command: what differs stands above the figures."""

import io
import itertools
import json
import re

import msgspec
import pytest
from made_up_runs import LISTS, of_cpu, run
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from rich.console import Console

from labkit import codec, commands
from labkit.comparison import artifacts, figure, page, tables, terminal, words
from labkit.comparison.side_by_side import compare
from labkit.records import RunComparison

CPUS = (
    "i5-8250U", "AMD EPYC 7R32", "Xeon Platinum 8481C", "Graviton2", "Apple M2 Ultra with a long name", "Ryzen 9 7950X",
    "Raspberry Pi 5", "GB10", "i7-1370p", "Core Ultra 7 155H", "EPYC 9654 96-Core", "Xeon E5-2680 v4",
)  # fmt: skip


def of(count: int) -> RunComparison:
    """So many machines, each a little slower than the one before; one lacks a method, one has an impossible cell."""
    made = [of_cpu(run(speed=1 - 0.05 * i, share=1 - 0.02 * i), cpu) for i, cpu in enumerate(CPUS[:count])]
    made[-1].results.cells = [c for c in made[-1].results.cells if c.method != "einsum"]
    made[0].results.cell("matmul", 64).invalid = ["it reaches 120 % of the roof"]
    made[1].results.cell("blocked", 128).noisy = True
    return compare(made)


@pytest.fixture(scope="module")
def two():
    return of(2)


@pytest.fixture(scope="module")
def twelve():
    return of(12)


@pytest.fixture(params=["two", "twelve"])
def record(request):
    return request.getfixturevalue(request.param)


def shown(record, columns=80):
    out = io.StringIO()
    terminal.show(record, Console(file=out, width=columns, highlight=False))
    return out.getvalue()


# --- the terminal --------------------------------------------------------------------------------------


def test_no_line_is_longer_than_80_columns_and_no_figure_is_cut(record):
    text = shown(record)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text


def test_what_differs_stands_first_then_shares_then_gflops(record):
    text = shown(record)
    places = [text.index(words) for words in ("What differs", "Share of each one's own roof", "GFLOPS, median")]
    assert places == sorted(places)
    assert text.index(CPUS[1]) < places[1]


def test_every_run_is_named_and_held_against_the_first(twelve):
    text = shown(twelve)
    assert all(cpu in text for cpu in CPUS)
    pairs = text[text.index("Share of its own roof, over that of 1 (i5-8250U)") :]
    for number in range(2, 13):
        assert re.search(rf"^np\.matmul .* {number} |^ +1024  {number} ", pairs, re.MULTILINE)


def test_marks_are_explained_where_they_appear_and_gaps_are_named(two):
    text = shown(two)
    assert "† extrapolated" in text
    assert "‡ noisy" in text
    assert "§" not in text
    assert "(invalid)" in text
    assert "missing" in text
    assert "einsum at N = 64, 128, 1024 is missing in 2" in text


def test_runs_between_which_nothing_differs_are_said_to_be_so():
    record = compare([run(), run()])
    assert words.NOTHING_DIFFERS in shown(record)
    assert words.NOTHING_DIFFERS in page.render(record, None)


def test_each_difference_says_which_runs_have_which_value():
    record = compare([run(), run(python="3.12.1"), run()])
    assert words.difference(record.differences[0]) == "3 (1, 3); 3.12.1 (2)"
    assert "3 (1, 3); 3.12.1 (2)" in shown(record)


# --- the page ------------------------------------------------------------------------------------------


def test_what_differs_stands_above_the_figure_and_the_figures(record):
    text = page.render(record, "comparison.png")
    assert text.index("## What differs") < text.index(CPUS[1], text.index("## What differs")) < text.index("![")
    assert text.index("![") < text.index("Share of each one's own roof") < text.index("GFLOPS, median")


def test_without_a_figure_the_page_names_none(two):
    assert "![" not in page.render(two, None)
    assert "comparison.json" not in page.render(two, None)


def test_the_numbers_of_the_page_are_those_of_the_record(two):
    text = page.render(two, None)
    for row in two.rows:
        for quantity in words.QUANTITIES:
            assert f"| {words.ratio(getattr(row, quantity)[1])} |" in text
            assert f"| {words.verdict(getattr(row, quantity)[1])} |" in text
        for cell in row.cells:
            for quantity in words.QUANTITIES:
                assert f"| {words.cell(cell, quantity, intervals=True)} |" in text


def test_every_run_has_its_row_for_every_method(twelve):
    table = tables.figures(twelve, "share", intervals=True)
    assert [line[1] for line in table.rows] == [str(i) for i in range(1, 13)] * 4
    assert page.markdown(table) in page.render(twelve, None)


def test_a_page_of_another_record_has_other_numbers(two):
    changed = msgspec.convert(msgspec.to_builtins(two), RunComparison)
    held = next(row for row in changed.rows if row.n == 64 and row.gflops[1].ratio).gflops[1]
    held.ratio, held.low, held.high = 7.125, 7.0, 7.25
    assert "7.125 (7.000 to 7.250)" in page.render(changed, None)


def test_every_row_of_a_table_has_as_many_entries_as_its_head(record):
    for block in re.findall(r"(?:^\|.*\n)+", page.render(record, "f.png"), re.MULTILINE):
        assert len({line.count("|") for line in block.splitlines()}) == 1, block


def test_a_bar_in_a_name_does_not_break_a_table():
    table = tables.Table("t", "l", ["a|b"], [["c|d\ne"]])
    assert page.markdown(table) == "| a\\|b |\n| --- |\n| c\\|d e |"


def test_notes_and_the_kind_of_each_interval_are_stated(record):
    text = page.render(record, None)
    assert all(note in text for note in record.notes)
    assert "exact" in text
    assert "resampled" in text


# --- how figures are written ---------------------------------------------------------------------------


def test_a_ratio_about_1_is_written_to_the_third_decimal():
    assert [words.times(x) for x in (0.9876, 1.0, 0.1234, 16.34, 0.0456)] == [
        "0.988", "1.000", "0.123", "16.3", "0.0456"
    ]  # fmt: skip


def test_the_size_that_says_most_is_the_largest_that_most_runs_measured(two):
    assert words.telling_row(two, "naive").n == 128  # 1024 is extrapolated
    assert words.telling_row(two, "matmul").n == 1024


def test_a_difference_that_rests_on_a_noisy_cell_says_so():
    made = [run(), run(speed=0.5, python="3.12.1")]
    for noisy in (0, 1):
        made[noisy].results.cell("matmul", 64).noisy = True
        held = compare(made).rows[0]
        assert words.verdict(held.gflops[1]) == "slower (noisy)"
        assert words.verdict(held.share[1]) == "no difference resolved"
        made[noisy].results.cell("matmul", 64).noisy = False
    assert words.verdict(compare(made).rows[0].gflops[1]) == "slower"


def test_a_larger_size_that_was_measured_too_seldom_says_less(two):
    made = [run(), run(python="3.12.1")]
    for one in LISTS:
        setattr(made[1].results.cell("matmul", 1024), one, getattr(made[1].results.cell("matmul", 1024), one)[:5])
    made[1].results.cell("matmul", 1024).gflops.low = 1.0
    assert words.telling_row(compare(made), "matmul").n == 128


def test_what_was_timed_says_more_than_what_was_extrapolated_though_neither_is_compared():
    made = [run(), run(python="3.12.1")]
    for n in (64, 128):
        made[1].results.cell("naive", n).marks = made[0].results.cell("naive", n).marks = ["preempted"] * 12
    assert words.telling_row(compare(made), "naive").n == 128


# --- the figure ----------------------------------------------------------------------------------------


def test_no_text_in_the_figure_overlaps_another_or_leaves_it(record):
    drawn = figure.layout(record, page.title(record))
    renderer = FigureCanvasAgg(drawn).get_renderer()
    drawn.draw(renderer)
    texts = [*drawn.texts]
    for axes in drawn.axes:
        texts += [*axes.texts, axes.title, axes._left_title, *axes.get_yticklabels()]
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in texts if t.get_text()]
    assert len(boxes) > 8 * len(record.runs)
    for (a, of_a), (b, of_b) in itertools.combinations(boxes, 2):
        assert not of_a.overlaps(of_b), (a, b)
    panels = [axes.get_window_extent(renderer) for axes in drawn.axes]
    for axes in drawn.axes:
        title = axes._left_title.get_window_extent(renderer)
        assert not any(title.overlaps(panel) for panel in panels), axes.get_title(loc="left")
    width, height = drawn.get_size_inches() * drawn.dpi
    for text, box in boxes:
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= width, text
        assert box.y1 <= height, text


def test_shares_stand_above_gflops_in_the_figure(two):
    drawn = figure.layout(two, "t")
    tops = {axes.get_title(loc="left").split("\n")[1]: axes.get_position().y1 for axes in drawn.axes}
    assert tops["% of its own roof"] > tops["GFLOPS"]
    assert tops["% of its own roof"] > tops["MFLOPS"]


def test_the_figure_carries_what_it_shows(two):
    with Image.open(io.BytesIO(figure.draw(two, "A title"))) as image:
        carried = json.loads(image.text["Description"])
    row = words.telling_row(two, "matmul")
    assert carried["runs"] == list(CPUS[:2])
    assert carried["methods"]["matmul"]["n"] == row.n
    assert carried["methods"]["matmul"]["gflops"][1][0] == row.cells[1].gflops.value
    assert carried["methods"]["einsum"]["share"][1] is None


def test_more_methods_than_a_band_has_panels_are_drawn_below(two):
    wide = msgspec.convert(msgspec.to_builtins(two), RunComparison)
    more = [msgspec.structs.replace(row, method="blocked_32") for row in wide.rows if row.method == "blocked"]
    wide.rows += more
    assert len(figure.layout(wide, "t").axes) == 10


# --- the command ---------------------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path):
    made = [of_cpu(run(), CPUS[0]), of_cpu(run(speed=0.5), CPUS[1])]
    for place, one in zip(("one", "two"), made, strict=True):
        (tmp_path / place).mkdir()
        (tmp_path / place / "results.json").write_bytes(codec.encode(one.results))
        (tmp_path / place / "manifest.json").write_bytes(codec.encode(one.manifest))
    return [str(tmp_path / "one"), str(tmp_path / "two")]


def test_the_command_prints_tables_json_or_markdown(folders, capsys):
    assert commands.main(["compare", *folders]) == 0
    assert "What differs" in capsys.readouterr().out
    assert commands.main(["compare", *folders, "--json"]) == 0
    record = codec.decode(capsys.readouterr().out.encode(), RunComparison, "stdout")
    assert [r.name for r in record.runs] == list(CPUS[:2])
    assert commands.main(["compare", *folders, "--markdown"]) == 0
    assert capsys.readouterr().out == page.render(record, None)


def test_the_command_leaves_record_figure_and_page_that_agree(folders, tmp_path, capsys):
    output = tmp_path / "new" / "folder"
    assert commands.main(["compare", *folders, "--output", str(output)]) == 0
    record = codec.read(output / artifacts.RECORD, RunComparison)
    assert (output / artifacts.PAGE).read_text() == page.render(record, artifacts.FIGURE)
    assert (output / artifacts.FIGURE).read_bytes() == figure.draw(record, page.title(record))
    assert str(tmp_path) not in (output / artifacts.RECORD).read_text() + (output / artifacts.PAGE).read_text()


def test_one_result_or_one_that_cannot_be_read_is_one_line_and_status_2(folders, tmp_path, capsys):
    assert commands.main(["compare", folders[0]]) == 2
    assert "two results or more" in capsys.readouterr().err
    assert commands.main(["compare", folders[0], str(tmp_path / "none")]) == 2
    said = capsys.readouterr().err
    assert "none" in said
    assert len(said.splitlines()) == 1
