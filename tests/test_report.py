"""The page: what it says of which records, and with which reserve."""

from dataclasses import replace
from pathlib import Path

import made_up
import pytest
from made_up_report import HOSTILE, opinion, seen, several, specs, whole, with_cell
from made_up_runs import of_cpu, run

from labkit import pages, runs
from labkit.comparison import words
from labkit.comparison.side_by_side import compare
from labkit.report import side_by_side


@pytest.fixture(scope="module")
def one():
    return seen([whole()], opinion())


@pytest.fixture(scope="module")
def three():
    return seen(several())


# --- one run ----------------------------------------------------------------------------------------


def test_every_median_and_its_interval_stands_in_the_page(one):
    for cell in whole().results.cells:
        assert pages.flops(cell.gflops.median) in one.text
        assert f"{pages.significant(100 * cell.roof.low)} to {pages.significant(100 * cell.roof.high)} %" in one.text


def test_the_answer_is_stated_with_its_size_and_its_share_of_the_core(one):
    results = whole().results
    assert f"np.matmul is {pages.significant(results.speedup.factor)} times" in one.text
    assert "of what fp32 multiply-adds can reach on one core" in one.text
    assert "The highest peak seen is 100 GFLOPS" in one.text


def test_the_roof_and_the_ladder_stand_in_tables_too(one):
    made = whole()
    for ridge in made.roofline.ridge:
        assert f"{pages.significant(ridge.gbs)} GB/s" in one.text
    for factor in made.ladder.factors:
        assert f"x {pages.significant(factor.ratio)} (" in one.text
    for ceiling in made.roofline.ceilings:
        assert pages.flops(ceiling.gflops.best) in one.text
    assert "12.0 GB/s" in one.text
    assert "extrapolated from N = 128" in one.text
    assert "1 row of C" in one.text
    assert f"the product of the factors is {pages.significant(made.ladder.product, 4)}" in one.text


def test_sanity_agreement_pairs_and_embedding_are_told(one):
    results = whole().results
    for row in results.sanity:
        assert row.because in one.text
    for agreement in results.agreement.methods.values():
        assert f"largest error {agreement.max_scaled_error:.1e}" in one.text
    for pair in results.comparisons:
        assert f"N = {pair.n} {pages.significant(pair.ratio)}" in one.text
    assert pages.seconds(results.embedding.gather_seconds) in one.text
    assert "no difference below" in one.text


def test_provenance_is_complete_and_says_why_something_is_not_known(one):
    manifest = whole().manifest
    for text in (*manifest.versions.values(), manifest.created, manifest.git.commit, "OMP_NUM_THREADS=1"):
        assert text in one.text
    assert "not known: no cpufreq" in one.text


def test_outputs_stand_with_their_digests():
    made = whole()
    made.manifest.outputs = {"perf.png": "ac28" * 16}
    assert f"perf.png {'ac28' * 16}" in seen([made]).text


def test_the_doctor_tells_what_was_seen_what_it_costs_and_what_mends_it(one):
    for text in ("Warning: threads", "<b>OMP_NUM_THREADS</b> asks for 64", "half the speed", "unset OMP_NUM_THREADS"):
        assert text in one.text
    assert "the machine that made this page" in one.text
    assert "no battery is reported" in one.text


def test_a_healthy_numpy_is_called_healthy():
    assert "It is healthy." in seen([run()], replace(opinion(), findings=[])).text


def test_a_doctor_who_could_not_tell_is_quoted():
    assert "the doctor took longer than 60 s" in seen([run()], "the doctor took longer than 60 s").text


def test_a_doctor_who_was_not_asked_is_not_quoted():
    said = seen([run()]).text
    assert "was not asked" in said
    assert "healthy" not in said


# --- what limits a figure ---------------------------------------------------------------------------


def test_a_withheld_speedup_is_not_stated():
    made = run()
    made.results.speedup.withheld = "9 of 11 repetitions lost their core to the hypervisor"
    said = seen([made]).text
    assert "The speedup is withheld, as 9 of 11 repetitions lost their core" in said
    assert "np.matmul is" not in said


def test_an_extrapolated_speedup_says_so_and_adds_the_measured_one():
    made = run()
    assert made.results.speedup.extrapolated
    said = seen([made]).text
    assert "The loop's time is extrapolated there by the cube law." in said
    assert "At N = 128, the largest size at which both were really run" in said


def test_a_run_without_both_methods_states_no_speedup():
    made = run()
    made.results.speedup = None
    assert "so it states no speedup" in seen([made]).text


def test_a_measured_speedup_is_not_called_extrapolated():
    made = run()
    made.results.speedup.extrapolated = False
    assert "extrapolated there" not in seen([made]).text


def test_an_invalid_cell_is_named_and_takes_the_share_from_the_answer():
    made = with_cell(whole(), "matmul", 1024, invalid=["above its roof"])
    read = seen([made])
    assert "Invalid: matmul at N = 1024 cannot be true: above its roof." in read.text
    assert "so its share of the core's peak is not stated" in read.text
    assert "multiply-adds can reach" not in read.text
    assert "✕" in read.text
    assert [row["n"] for row in specs(read)["lab"]["datasets"]["invalid"]] == [1024, 1024]


def test_a_noisy_cell_is_marked_pale_and_said_to_be_noisy():
    made = with_cell(whole(), "matmul", 1024, noisy=True, notes=["3 of 12 repetitions were preempted"])
    read = seen([made])
    assert "That cell is noisy." in read.text
    assert "noisy: 3 of 12 repetitions were preempted" in read.text
    rows = [r for r in specs(read)["lab"]["datasets"]["cells"] if (r["method"], r["n"]) == ("matmul", 1024)]
    assert all(0 < row["opacity"] < 1 for row in rows)


def test_extrapolated_cells_are_hollow_with_dashed_lines(one):
    data = specs(one)["lab"]["datasets"]
    hollow = {(r["method"], r["n"]) for r in data["cells"] if r["opacity"] == 0}
    assert hollow == {(c.method, c.n) for c in whole().results.cells if c.extrapolated} != set()
    dashed = {(r["method"], r["n2"]) for r in data["segments"] if r["dash"] != [1, 0]}
    assert dashed == hollow
    assert "none, from N = 128" in one.text


def test_a_partial_and_noisy_run_says_so_before_its_answer():
    made = run()
    made.results.status, made.results.protocol.quick = "partial", True
    made.results.noise.noisy, made.results.noise.because = True, ["40 of 164 were preempted"]
    made.manifest.config["warnings"] = ["two sizes are not the lab's"]
    said = seen([made]).text
    answer = said.index("np.matmul is")
    assert said.index("This is a quick pass") < answer
    assert said.index("40 of 164 were preempted") < answer
    assert said.index("Not the lab's protocol: two sizes are not the lab's") < answer


def test_a_product_on_a_unit_of_its_own_is_no_measure_of_the_core():
    made = run()
    assert "unit of its own" not in seen([made]).text
    made.manifest.blas.library = "accelerate"
    assert "It runs on a unit of its own" in seen([made]).text


# --- what may be missing ----------------------------------------------------------------------------


def test_without_a_roof_or_a_ladder_beside_it_the_page_says_so():
    read = seen([run("the bare one")])
    assert "the bare one: no roofline of the same machine" in read.text
    assert "the bare one: no ladder of the same machine" in read.text
    assert set(specs(read)) == {"lab"}


def test_with_both_nothing_is_said_to_be_missing(one):
    assert "beside this run" not in one.text
    assert set(specs(one)) == {"lab", "roofline", "ladder"}


def test_a_run_of_one_method_at_one_size_can_be_shown():
    made = run()
    results = made_up.results("64", "matmul")
    read = seen([replace(made, results=results)])
    assert len(specs(read)["lab"]["datasets"]["cells"]) == 2  # a row a unit
    assert "so it states no speedup" in read.text


# --- several ----------------------------------------------------------------------------------------


def test_what_differs_stands_above_the_figures(three):
    ids = [attrs.get("id") for _, attrs in three.elements]
    assert ids.index("differs") < ids.index("answer") < ids.index("figure-lab")
    assert "CPython 3.13.1" in three.text or "3.13.1" in three.text
    assert "a slower CPU" in three.text


def test_runs_that_do_not_differ_are_called_repetitions():
    assert "repetitions of each other" in seen([run("a"), run("b")]).text


def test_one_run_is_compared_with_nothing(one):
    assert "What differs" not in one.text
    assert "Side by side" not in one.text


def test_the_comparison_shows_ratio_floor_and_verdict(three):
    record = compare(several())
    assert "a slower CPU, held against a CPU" in three.text
    assert {held.verdict for row in record.rows for held in row.gflops if held} >= {"slower", "faster"}
    row = next(r for r in record.rows if (r.method, r.n) == ("matmul", 1024))
    for i, table in enumerate(side_by_side.tables(record), 1):
        shown = next(entries for entries in table.rows if entries[0] == "np.matmul, N = 1024")
        assert table.caption.startswith(record.runs[i].name)
        assert shown[1].startswith(f"{row.share[i].ratio:.3f} (")
        assert shown[3:5] == [row.share[i].verdict, words.ratio(row.gflops[i])]
        assert all(entry in three.text for entry in shown)
    for note in record.notes:
        assert note.split(HOSTILE)[0] in three.text


def test_each_run_has_its_colour_and_is_a_choice_and_methods_keep_their_shapes(three):
    rows = specs(three)["lab"]["datasets"]["cells"]
    assert len({(r["run"], r["colour"]) for r in rows}) == 3 == len({r["colour"] for r in rows})
    assert len({(r["method"], r["shape"]) for r in rows}) == 4 == len({r["shape"] for r in rows})
    values = [a["value"] for a in three.all("input") if a["name"] == "run" and a["type"] == "checkbox"]
    assert values == [r.name for r in several()]


def test_roof_and_ladder_are_shown_one_run_at_a_time_of_those_that_have_them(three):
    radios = [a for a in three.all("input") if a["name"] == "run" and a["type"] == "radio"]
    assert [a["value"] for a in radios] == ["a CPU", HOSTILE] * 2
    assert ["checked" in a for a in radios] == [True, False] * 2


def test_the_committed_result_can_be_shown_whole():
    lab = Path(__file__).resolve().parents[1] / "experiments" / "03-matmul-perf"
    made = runs.gather([lab])
    read = seen(made)
    assert pages.significant(made[0].results.speedup.factor) in read.text


def test_the_same_run_from_another_cpu_is_another_colour_not_another_shape():
    read = seen([run("a"), of_cpu(run(), "b")])
    rows = specs(read)["lab"]["datasets"]["cells"]
    assert len({r["shape"] for r in rows if r["method"] == "matmul"}) == 1
