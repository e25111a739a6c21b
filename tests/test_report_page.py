"""The page as a document: nothing breaks out of it, its structure, and the rows that its figures are drawn from."""

import itertools
import re

import pytest
from made_up_report import HOSTILE, VEGA, Seen, opinion, roofline, seen, several, specs, whole, with_cell
from made_up_runs import run

from labkit.comparison.side_by_side import compare
from labkit.records import Share
from labkit.report import looks, page


@pytest.fixture(scope="module")
def one():
    return seen([whole()], opinion())


@pytest.fixture(scope="module")
def three():
    return seen(several())


# --- hostile records, and what must not be there ----------------------------------------------------


def test_a_hostile_name_stays_a_name(three):
    assert not three.all("img")
    assert len(three.scripts) == 3
    assert HOSTILE in three.text
    assert any(r["run"] == HOSTILE for r in specs(three)["lab"]["datasets"]["cells"])
    assert "<" not in three.scripts[0]


@pytest.mark.parametrize("text", ["</script><img>", "</ScRiPt ><img>", "<!--<script>"])
def test_a_script_cannot_be_ended_or_kept_open_by_what_stands_in_it(text):
    read = Seen(page.render([run()], None, None, f"const a = '{text}';"))
    assert not read.all("img")
    assert read.scripts[1].startswith("const a = ")
    assert len(read.scripts) == 3
    assert "<!--" not in read.scripts[1]


def test_the_policy_allows_the_two_scripts_by_their_digests_and_nothing_from_anywhere(one):
    policy = next(a["content"] for a in one.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert policy.count("'sha256-") == 2
    assert "unsafe-eval" not in policy
    assert "http" not in policy
    assert "script-src 'unsafe-inline'" not in policy


def test_nothing_in_the_page_is_fetched_or_names_a_path(three):
    html = page.render(several(), compare(several()), opinion(), VEGA)
    assert "http://" not in html
    assert "https://" not in html
    assert not re.search(r"/(home|root|tmp|work|usr)/", html)
    assert not [a for _, a in three.elements if "src" in a or a.get("href", "#")[0] != "#"]


def test_the_page_is_the_same_whenever_it_is_made():
    assert page.render([whole()], None, opinion(), VEGA) == page.render([whole()], None, opinion(), VEGA)


# --- structure --------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["one", "three"])
def test_headings_are_in_order_and_there_is_one_first(which, request):
    levels = [int(tag[1]) for tag, _ in request.getfixturevalue(which).elements if re.fullmatch(r"h\d", tag)]
    assert levels.count(1) == 1 == levels[0]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_every_table_has_a_caption_and_scopes(three):
    tags = [tag for tag, _ in three.elements]
    assert tags.count("table") == tags.count("caption") > 20
    assert all(a.get("scope") in ("col", "row") for a in three.all("th"))


def test_every_figure_is_told_in_words_and_every_link_leads_somewhere(one):
    plots = [a for a in one.all("div") if a.get("class") == "plot"]
    assert len(plots) == 3
    assert all(a["role"] == "img" and len(a["aria-label"]) > 80 for a in plots)
    ids = {a["id"] for _, a in one.elements if "id" in a}
    assert {a["href"][1:] for a in one.all("a")} <= ids


def test_every_control_has_a_label_and_every_group_a_legend(three):
    tags = [tag for tag, _ in three.elements]
    assert tags.count("fieldset") == tags.count("legend")
    assert tags.count("input") == tags.count("label")


# --- rows -------------------------------------------------------------------------------------------


def test_the_rows_of_the_roof_are_those_of_its_record():
    line = roofline()
    read = seen([whole()])
    data = specs(read)["roofline"]["datasets"]
    assert [(r["x2"], r["y2"]) for r in data["levels"]] == [(r.flop_per_byte, 100.0) for r in line.ridge]
    product = next(r for r in data["kernels"] if r["kernel"] == "matmul")
    assert (product["x"], product["x2"], product["y"]) == (4.0, 171.0, 80.0)
    copied = next(r for r in data["kernels"] if r["kernel"] == "memcpy")
    assert copied["y"] == pytest.approx(12.0 * copied["x"])
    assert len(data["ceilings"]) == len(line.ceilings)


def test_the_rows_of_the_ladder_step_from_rate_to_rate():
    made = whole()
    rows = specs(seen([made]))["ladder"]["datasets"]["rungs"]
    rates = [made.ladder.cell(r.name, made.ladder.n).gflops.median for r in made.ladder.rungs if r.kind == "step"]
    assert [r["x"] for r in rows] == rates
    assert [r["before"] for r in rows[1:]] == rates[:-1]
    # np.matmul is slower than the rung before it, in this record.
    assert [r["colour"] for r in rows[1:]] == [looks.BLUE] * (len(rows) - 2) + [looks.VERMILION]


def test_an_interval_that_reaches_down_to_0_ends_where_a_logarithmic_axis_can_show_it():
    made = with_cell(whole(), "matmul", 64, roof=Share(share=0.5, low=0.0, high=0.9))
    rows = specs(seen([made]))["lab"]["datasets"]["cells"]
    low = next(r["low"] for r in rows if (r["method"], r["n"], r["unit"]) == ("matmul", 64, "share"))
    assert 0 < low < 0.01


def test_roof_lines_meet_at_the_crossover_in_both_units():
    made = whole()
    bounds = specs(seen([made]))["lab"]["datasets"]["bounds"]
    for unit, peak in (("GFLOPS", 100.0), ("share", 1.0)):
        memory, flat = (next(r for r in bounds if (r["unit"], r["kind"]) == (unit, k)) for k in ("memory", "peak"))
        assert memory["n2"] == flat["n"] == made.results.roof.crossover_n
        assert memory["y2"] == flat["y"] == pytest.approx(peak)
        assert memory["y"] / memory["n"] == pytest.approx(memory["y2"] / memory["n2"])
