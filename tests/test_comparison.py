"""Runs side by side: what is told of them, and above all what is not."""

import pytest
from made_up_runs import LISTS, of_cpu, repeat, run

from labkit import codec
from labkit.comparison.side_by_side import compare
from labkit.records import RunComparison


def row(record, method="matmul", n=64):
    return next(r for r in record.rows if (r.method, r.n) == (method, n))


def verdicts(record, quantity):
    return {(r.method, r.n): getattr(r, quantity)[1].verdict for r in record.rows}


# --- differences that are, and that are not ----------------------------------------------------------


def test_identical_runs_resolve_no_difference():
    record = compare([run(), run(python="3.12.1")])
    for quantity in ("share", "gflops"):
        assert set(verdicts(record, quantity).values()) == {"no difference resolved", "not compared"}
        assert all(getattr(r, quantity)[1].ratio == pytest.approx(1) for r in record.rows if r.n < 1024)


def test_a_run_30_percent_slower_with_less_of_its_roof_is_told():
    record = compare([run(), run(speed=0.7, share=0.7, python="3.12.1")])
    held = row(record)
    assert (held.gflops[1].verdict, held.share[1].verdict) == ("slower", "lower")
    assert held.gflops[1].ratio == held.share[1].ratio == pytest.approx(0.7)
    assert held.gflops[1].low < 0.7 < held.gflops[1].high < 1


def test_a_faster_run_is_told_and_it_is_the_first_that_others_are_held_against():
    record = compare([run(), run(speed=1.3, share=1.3, python="3.12.1"), run(python="3.13.0")])
    assert row(record).gflops[0] is None
    assert row(record).share[0] is None
    assert [h.verdict for h in row(record).gflops[1:]] == ["faster", "no difference resolved"]
    assert [h.verdict for h in row(record).share[1:]] == ["higher", "no difference resolved"]


def test_speed_and_share_are_told_apart():
    """Twice the clock: every GFLOPS doubles, and no share of a roof changes."""
    held = row(compare([run(), of_cpu(run(speed=2.0), "another CPU")]))
    assert (held.gflops[1].verdict, held.share[1].verdict) == ("faster", "no difference resolved")


def test_the_ratio_is_computed_from_the_seconds_and_not_from_stored_intervals():
    other = run(speed=0.7, python="3.12.1")
    cell = other.results.cell("matmul", 64)
    cell.gflops.median = cell.gflops.low = cell.gflops.high = 1000.0
    held = row(compare([run(), other]))
    assert held.gflops[1].ratio == pytest.approx(0.7)
    assert held.cells[1].gflops.value == pytest.approx(0.7 * held.cells[0].gflops.value)


def test_five_repetitions_are_too_few_to_say_and_pretend_no_interval():
    record = compare([run(), run(speed=0.5, share=0.5, repetitions=5, python="3.12.1")])
    for held in (row(record).gflops[1], row(record).share[1]):
        assert held.why == "too few repetitions to say"
        assert held.verdict == "not compared"
        assert held.low is held.high is None
        assert held.ratio == pytest.approx(0.5, rel=0.02)


def test_six_repetitions_of_each_do_say():
    record = compare([run(repetitions=6), run(speed=0.5, repetitions=6, python="3.12.1")])
    assert row(record).gflops[1].verdict == "slower"


# --- floors ------------------------------------------------------------------------------------------


def test_what_one_method_under_two_names_shows_in_either_run_is_no_difference():
    first, other = run(), run(speed=0.9, python="3.12.1")
    assert row(compare([first, other])).gflops[1].verdict == "slower"
    first.results.same_twice.floor = 0.2
    held = row(compare([first, other])).gflops[1]
    assert held.verdict == "no difference resolved"
    assert (held.floor, held.floor_from) == (0.2, "one method under two names")


def test_what_runs_of_one_configuration_show_is_no_difference():
    """3.11 differs from itself by 25 %, so 3.12 cannot differ from it by 10."""
    record = compare([run("x"), run("y", speed=1.25), run("z", speed=0.9, share=0.7, python="3.12.1")])
    assert record.repeats == [[0, 1]]
    assert [h.verdict for h in row(record).gflops[1:]] == ["no difference resolved"] * 2
    assert row(record).gflops[2].floor == pytest.approx(0.25)
    assert row(record).gflops[2].floor_from == "runs of one configuration"
    assert row(record).share[2].verdict == "lower"  # shares of 3.11 stayed the same


def test_a_cell_that_cannot_be_true_does_not_widen_what_repeats_show():
    absurd = run("y", speed=9.0)
    absurd.results.cell("matmul", 64).invalid = ["it cannot"]
    record = compare([run("x"), absurd, run("z", python="3.12.1")])
    assert row(record, "matmul", 128).gflops[2].floor == pytest.approx(8.0)
    fine = compare([run("x"), run("w"), absurd, run("z", speed=0.5, python="3.12.1")])
    assert row(fine, "matmul", 64).gflops[3].floor == 0.0
    assert row(fine, "matmul", 64).gflops[3].verdict == "slower"


def test_a_portion_far_above_what_repeats_show_is_still_told():
    record = compare([run("x"), run("y", speed=1.25), run("z", speed=0.5, python="3.12.1")])
    assert row(record).gflops[2].verdict == "slower"


@pytest.mark.parametrize("unlike", [{"python": "3.12.1"}, {"numpy": "3"}, {"dirty": True}])
def test_runs_that_may_be_of_other_things_are_no_repeats(unlike):
    record = compare([run(), run(speed=0.8, **unlike)])
    assert record.repeats == []
    assert row(record).gflops[1].verdict == "slower"


def test_runs_of_code_that_no_commit_holds_are_no_repeats_of_each_other():
    first, other = run(dirty=True), run(dirty=True, speed=0.8)
    assert compare([first, other]).repeats == []
    first.manifest.git.commit = other.manifest.git.commit = None
    first.manifest.git.dirty = other.manifest.git.dirty = None
    assert compare([first, other]).repeats == []


def beside(made, spread, n=1024):
    return type(made)(made.name, made.folder, made.results, made.manifest, None, None, repeat(spread, n))


@pytest.mark.parametrize("whose", [0, 1])
def test_what_repeat_json_beside_either_shows_is_no_difference(whose):
    runs = [run(), run(speed=0.9, share=0.9, python="3.12.1")]
    runs[whose] = beside(runs[whose], 0.15, n=64)
    held = row(compare(runs))
    assert (held.gflops[1].verdict, held.gflops[1].floor) == ("no difference resolved", 0.15)
    assert held.gflops[1].floor_from == "repeat.json"
    assert (held.share[1].verdict, held.share[1].floor) == ("lower", 0.075)


def test_a_cell_that_the_study_does_not_have_takes_its_largest_spread():
    record = compare([beside(run(), 0.15, n=1024), run(speed=0.9, python="3.12.1")])
    assert row(record, "naive", 64).gflops[1].floor == 0.15


def test_the_notes_say_where_floors_come_from_and_of_which_runs_nothing_is_known():
    record = compare([beside(run("one"), 0.15), run("two", python="3.12.1")])
    notes = "\n".join(record.notes)
    assert "one: runs of the same thing differ by up to 7.5 % in share and 15 % in GFLOPS, as repeat.json" in notes
    assert "two: one run, so the intervals are those within a run" in notes
    both = "\n".join(compare([run("one"), run("two", speed=1.1)]).notes)
    assert "one; two: runs of the same thing differ by up to 0 % in share and 10 % in GFLOPS, as its runs here" in both
    assert "not known" not in both


# --- cells that are not compared ----------------------------------------------------------------------


@pytest.mark.parametrize("speeds", [(1.0, 0.5), (0.5, 1.0)])
def test_an_extrapolated_cell_is_shown_and_never_called_a_difference(speeds):
    first, other = run(speed=speeds[0]), run(speed=speeds[1], python="3.12.1")
    held = row(compare([first, other]), "naive", 1024)
    assert [c.state for c in held.cells] == ["extrapolated"] * 2
    assert held.cells[0].gflops is not None
    assert (held.gflops[1].verdict, held.share[1].verdict) == ("not compared", "not compared")
    assert held.gflops[1].ratio is None
    assert held.gflops[1].why == "extrapolated from N=128"


def test_a_measured_cell_is_not_held_against_an_extrapolated_one():
    measured = run(python="3.12.1")
    cell, base = measured.results.cell("naive", 1024), measured.results.cell("naive", 128)
    for one in LISTS:
        setattr(cell, one, getattr(base, one))
    cell.extrapolated, cell.extrapolated_from = False, None
    held = row(compare([run(), measured]), "naive", 1024)
    assert [c.state for c in held.cells] == ["extrapolated", "measured"]
    assert held.gflops[1].why == "the first: extrapolated from N=128"


def test_a_cell_that_cannot_be_true_is_shown_as_such_and_not_compared():
    other = run(speed=0.5, python="3.12.1")
    other.results.cell("matmul", 64).invalid = ["it reaches 120 % of the roof"]
    held = row(compare([run(), other]))
    assert held.cells[1].state == "invalid"
    assert held.gflops[1].verdict == held.share[1].verdict == "not compared"
    assert held.gflops[1].why == "cannot be true: it reaches 120 % of the roof"


def test_a_cell_that_did_not_have_its_core_to_itself_is_withheld_and_not_compared():
    other = run(speed=0.5, python="3.12.1")
    other.results.cell("matmul", 64).marks = ["preempted"] * 6 + [None] * 6
    held = row(compare([run(), other]))
    assert held.cells[1].state == "withheld"
    assert held.gflops[1].verdict == "not compared"


def test_a_missing_method_is_shown_on_whichever_side_it_is_missing():
    for_it, without = run(), run(python="3.12.1")
    without.results.cells = [c for c in without.results.cells if c.method != "blocked"]
    for pair, gone in (((for_it, without), 1), ((without, for_it), 0)):
        held = row(compare(list(pair)), "blocked", 64)
        assert held.cells[gone].state == "missing"
        assert held.gflops[1].verdict == "not compared"
        assert "not in this run" in held.gflops[1].why


def test_shares_taken_at_different_statistics_are_not_compared():
    other = run(share=0.5, speed=0.5, python="3.12.1")
    other.results.roof.statistic = "90th percentile"
    record = compare([run(), other])
    assert row(record).share[1].why == "shares taken at different statistics"
    assert row(record).gflops[1].verdict == "slower"
    assert any(d.what == "shares taken at" for d in record.differences)


def test_a_share_whose_interval_reaches_down_to_nothing_is_not_compared():
    other = run(python="3.12.1")
    other.results.cell("matmul", 64).roof.low = 0.0
    held = row(compare([run(), other]))
    assert held.share[1].verdict == "not compared"
    assert held.gflops[1].verdict == "no difference resolved"


# --- the record ---------------------------------------------------------------------------------------


def test_what_differs_is_named_with_a_value_for_each_run():
    record = compare([of_cpu(run(), "first CPU"), of_cpu(run(), "second CPU")])
    assert [(d.what, d.values) for d in record.differences] == [("CPU", ["first CPU", "second CPU"])]


def test_a_quick_partial_noisy_or_changed_run_says_so():
    made, cut_short = run(dirty=True), run()
    made.results.protocol.quick = True
    made.results.status = cut_short.results.status = "partial"  # as every quick pass is
    made.results.noise.noisy, made.results.noise.because = True, ["5 of 9 repetitions were preempted"]
    record = compare([made, run(), cut_short])
    assert record.runs[0].remarks == [
        "quick pass", "noisy: 5 of 9 repetitions were preempted", "its code had changes that no commit holds"
    ]  # fmt: skip
    assert record.runs[1].remarks == []
    assert record.runs[2].remarks == ["partial: not all of it was measured"]


def test_rows_go_from_the_product_to_the_loop_and_no_cell_is_left_out():
    record = compare([run(), run(python="3.12.1")])
    assert list(dict.fromkeys(r.method for r in record.rows)) == ["matmul", "einsum", "blocked", "naive"]
    assert len(record.rows) == len(run().results.cells)


def test_the_record_is_written_and_read_back_as_it_was():
    record = compare([run(), run(speed=0.7, python="3.12.1"), of_cpu(run(), "another")])
    assert codec.decode(codec.encode(record), RunComparison, "comparison.json") == record
