"""Page and figure follow the record: every number in them is the record's, whatever the run had."""

import io
import itertools
import json
import re

import explain
import made_up
import perf_figure
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def full():
    return made_up.results()


def page(results):
    return explain.render_page(results, made_up.manifest())


def test_the_page_answers_the_four_questions_with_the_records_numbers(full):
    text = page(full)
    for question in "1234":
        assert f"**{question}. " in text
    assert "20,000×" in text  # 80 / 0.004
    assert "4,000×" in text  # einsum over naive
    assert "reaches 80.0 % (" in text  # the share of the roof
    assert "N/6 = 171" in text
    assert "it is slower" in text  # blocked, 2.5 % behind in every pair


def test_the_page_says_what_is_extrapolated_and_where_from(full):
    assert "naive at 1024 from 128" in page(full)


def test_the_prose_follows_the_data(monkeypatch):
    monkeypatch.setitem(made_up.RATES, "blocked", 0.006)
    monkeypatch.setitem(made_up.RATES, "matmul", 2.0)
    text = page(made_up.results())
    assert "Here, yes" in text
    assert "BLAS adds nothing" in text
    assert "no real BLAS" in text


@pytest.mark.parametrize("methods", [",".join(c) for k in (1, 2, 3) for c in itertools.combinations(made_up.RATES, k)])
def test_a_run_without_some_methods_still_makes_a_page_and_a_figure(methods):
    results = made_up.results(sizes="64", methods=methods)
    assert "undefined" not in page(results).lower()
    assert "None" not in page(results)
    explain.render_front_page(results, made_up.manifest())
    if methods in ("naive", "matmul"):
        perf_figure.draw(results)


def test_an_unfinished_run_and_a_quick_one_say_so():
    assert "an unfinished run" in page(made_up.results(complete=False))
    assert "a quick pass" in page(made_up.results(complete=False, quick=True))
    assert "unfinished" not in page(made_up.results())


def test_a_noisy_run_says_so_at_the_top_and_withholds_what_rests_on_disturbed_repetitions():
    results = made_up.results()
    results.noise.noisy, results.noise.because = True, ["9 of 12 repetitions were preempted"]
    results.speedup.withheld = "matmul at N=1024 did not have its core to itself"
    text = page(results)
    assert text.index("**This run is noisy**") < text.index("| N |")
    assert "9 of 12 repetitions were preempted" in text
    assert "This run does not say, as matmul at N=1024 did not have its core to itself." in text
    front = explain.render_front_page(results, made_up.manifest())
    assert "20,000" not in front
    assert "20,000×** as fast" not in text


def test_a_cell_that_cannot_be_true_is_named_with_its_reason_and_marked_in_the_table_and_the_figure():
    results = made_up.results()
    cell = results.cell("matmul", 1024)
    cell.invalid = ["it reaches 120 % of the roof (105 % or more)"]
    text = page(results)
    assert "`matmul` at N = 1024 cannot be true: it reaches 120 % of the roof" in text
    assert f"{explain.pages.flops(cell.gflops.median)} (invalid)" in text
    drawn = json.loads(Image.open(io.BytesIO(perf_figure.draw(results))).text["Description"])
    assert [p["invalid"] for p in drawn["curves"]["matmul"]] == [False, False, True]


def test_a_noisy_cell_looks_unlike_a_quiet_and_an_extrapolated_one():
    quiet, noisy = made_up.results(), made_up.results()
    noisy.cell("matmul", 128).noisy = True
    assert perf_figure.draw(quiet) != perf_figure.draw(noisy)
    drawn = json.loads(Image.open(io.BytesIO(perf_figure.draw(noisy))).text["Description"])
    assert [p["noisy"] for p in drawn["curves"]["matmul"]] == [False, True, False]


def test_the_page_states_the_floor_below_which_it_speaks_of_no_difference():
    results = made_up.results()
    results.same_twice.floor = 0.0123
    assert "below 1.2 % is spoken of here" in page(results)


def test_a_change_in_the_record_changes_the_page(full):
    before = page(full)
    other = made_up.results(sizes="64,128,512")
    assert page(other) != before


def test_pages_have_no_stray_template_syntax_or_double_blank_lines(full):
    for text in (page(full), explain.render_front_page(full, made_up.manifest())):
        assert not re.search(r"{{|}}|{%|%}", text)
        assert "\n\n\n" not in text
        assert text.endswith("\n")


def test_a_table_row_has_as_many_cells_as_its_head(full):
    rows = [line for line in page(full).splitlines() if line.startswith("|")]
    for row, below in itertools.pairwise(rows):
        if set(below) <= set("|-: "):
            head = row
            assert below.count("|") == head.replace("\\|", "").count("|")


def test_the_figure_carries_its_title_its_curves_and_the_roof(full):
    image = Image.open(io.BytesIO(perf_figure.draw(full)))
    data = json.loads(image.text["Description"])
    assert image.text["Title"] == "Matmul performance on a CPU, fp32, single-threaded"
    assert set(data["curves"]) == set(made_up.RATES)
    assert data["roof"]["peak_gflops"] == full.roof.peak_gflops
    assert [p["extrapolated"] for p in data["curves"]["naive"]] == [False, False, True]
    for cell in full.cells:
        assert {"n": cell.n, "gflops": cell.gflops.median}.items() <= data["curves"][cell.method].pop(0).items()
    assert image.width >= 1600


def test_drawing_the_same_record_twice_gives_the_same_bytes(full):
    assert perf_figure.draw(full) == perf_figure.draw(full)


def test_every_known_method_has_a_look_of_its_own():
    from bench import METHODS, OPTIONAL_METHODS

    assert set(perf_figure.LOOKS) == {*METHODS, *OPTIONAL_METHODS}
    assert len({look[:2] for look in perf_figure.LOOKS.values()}) == len(perf_figure.LOOKS)
