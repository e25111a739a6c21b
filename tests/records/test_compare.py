"""Runs side by side: what is said of them, and above all what is not."""

from dataclasses import replace

import pytest
from compared import moved, of_cpu, run

from labkit.records import io
from labkit.records.compare import TOO_FEW, RunComparison, compare


def row(record, method="matmul", n=64):
    return next(r for r in record.rows if (r.method, r.n) == (method, n))


def spoil(made, method, n, **fields):
    """The run with these fields of a cell set."""
    for name, value in fields.items():
        setattr(made.analysis.cell(method, n), name, value)
    return made


# --- differences that are, and that are not --------------------------------------------------------------


def test_each_run_is_compared_with_the_first_and_identical_runs_resolve_no_difference():
    """The second is as fast on a core with half the clock, the third is 30 % slower."""
    record = compare([run(), of_cpu(run(clock=0.5), "another CPU"), run(speed=0.7, python="3.12"), run(python="3.13")])
    for r in record.rows:
        for quantity, said in ((r.peak_fraction, ["no difference resolved", "lower"]), (r.gflops, ["slower"] * 2)):
            assert quantity[0] is None
            timed = [*said, "no difference resolved"]
            assert [a.verdict for a in quantity[1:]] == (timed if r.cells[0].samples else ["not compared"] * 3)
    for quantity in (row(record).gflops, row(record).peak_fraction):
        assert quantity[2].ratio == pytest.approx(0.7)
        assert quantity[2].low < 0.7 < quantity[2].high < 1


def test_a_fraction_of_the_first_that_may_be_lower_widens_the_ratio_upwards_only():
    runs = [run(), run(python="3.12.1")]
    runs[0].analysis.cell("matmul", 64).peak_fraction.low /= 2
    held = row(compare(runs)).peak_fraction[1]
    assert held.low > 0.95
    assert held.high > 1.9


@pytest.mark.parametrize(("samples", "said"), [(5, "not compared"), (6, "slower")])
def test_an_interval_takes_six_samples_of_each(samples, said):
    held = row(compare([run(samples=6), run(speed=0.5, samples=samples, python="3.12.1")]))
    for against in (held.gflops[1], held.peak_fraction[1]):
        assert against.ratio == pytest.approx(0.5, rel=0.02)
        assert (against.why == TOO_FEW) == (against.low is None) == (samples == 5)
    assert held.gflops[1].verdict == said


# --- noise floors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("whose", [0, 1])
def test_what_a_a_tests_or_the_repeat_json_of_either_run_show_is_no_difference(whose):
    runs = [run(), run(speed=0.88, python="3.12.1")]
    assert row(compare(runs)).gflops[1].verdict == "slower"
    runs[whose] = replace(runs[whose], repeat=moved(0.15, ("matmul", 64)))
    held = row(compare(runs))
    assert (held.gflops[1].verdict, held.gflops[1].floor_from) == ("no difference resolved", "repeat.json")
    assert held.gflops[1].floor == pytest.approx(0.15)
    assert (held.peak_fraction[1].verdict, held.peak_fraction[1].floor) == ("lower", pytest.approx(0.075))
    assert row(compare(runs), "naive").gflops[1].floor == pytest.approx(0.15)  # not repeated: the largest spread
    runs[whose] = replace(runs[whose], analysis=replace(runs[whose].analysis, noise_floor=0.2))
    held = row(compare(runs)).gflops[1]
    assert (held.verdict, held.floor, held.floor_from) == ("no difference resolved", 0.2, "A/A tests")


def test_what_runs_of_one_configuration_show_is_no_difference():
    """3.11 differs from itself by 25 %, so 3.12 cannot be told from it by 10."""
    record = compare([run("x", clock=0.8), run("y"), run("z", speed=0.7, python="3.12.1")])
    assert record.repeats == [[0, 1]]
    assert [a.verdict for a in row(record).gflops[1:]] == ["no difference resolved"] * 2
    assert row(record).gflops[2].floor == pytest.approx(0.25)
    assert row(record).gflops[2].floor_from == "runs of one configuration"
    assert row(record).peak_fraction[2].verdict == "lower"  # fractions of 3.11 stayed the same
    far = compare([run("x", clock=0.8), run("y"), run("z", speed=0.5, python="3.12.1")])
    assert row(far).gflops[2].verdict == "slower"


def test_a_cell_that_cannot_be_true_does_not_widen_the_floor():
    absurd = spoil(run("y", speed=9.0), "matmul", 64, invalid=["it cannot"])
    held = row(compare([run("x"), run("w"), absurd, of_cpu(run(speed=0.5), "another")]))
    assert (held.gflops[3].floor, held.gflops[3].verdict) == (0.0, "slower")


@pytest.mark.parametrize("unlike", [{"python": "3.12.1"}, {"dirty": True}, {"commit": None}])
def test_runs_that_may_be_of_other_things_are_no_repeats(unlike):
    runs = [run(**unlike) if "dirty" in unlike else run(), run(speed=0.8, **{k: v for k, v in unlike.items() if v})]
    for made in runs:
        made.manifest.git.commit = unlike.get("commit", made.manifest.git.commit)
    record = compare(runs)
    assert record.repeats == []
    assert row(record).gflops[1].verdict == "slower"


def test_the_notes_say_where_floors_come_from_and_of_which_runs_nothing_is_known():
    notes = "\n".join(compare([replace(run("one"), repeat=moved(0.15)), run("two", python="3.12.1")]).notes)
    assert "one: runs of the same thing differ by up to 7.5 % in fraction of peak and 15 % in GFLOPS" in notes
    assert "(repeat.json)" in notes
    assert "two: the intervals hold only what differs within a run" in notes
    both = "\n".join(compare([run("one"), run("two", clock=1 / 1.1)]).notes)
    assert "one; two: runs of the same thing differ by up to 0 % in fraction of peak and 10 % in GFLOPS" in both
    assert "unknown" not in both


# --- cells that are not compared ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "state", "why"),
    [
        ({"invalid": ["it reaches 120 % of the peak"]}, "invalid", "cannot be true: it reaches 120 % of the peak"),
        ({"flags": ["preempted"] * 6 + [None] * 6}, "withheld", "not alone on its core: 6 of 12 samples were"),
        ({"extrapolated": True, "extrapolated_from": 32}, "extrapolated", "extrapolated from N = 32"),
        (None, "missing", "not in this run"),
    ],
)
@pytest.mark.parametrize("whose", [0, 1])
def test_a_cell_that_rests_on_nothing_sound_is_shown_and_not_compared(whose, how, state, why):
    runs = [run(), run(speed=0.5, python="3.12.1")]
    if how:
        spoil(runs[whose], "matmul", 64, **how)
    else:
        cells = [c for c in runs[whose].analysis.cells if (c.method, c.n) != ("matmul", 64)]
        runs[whose] = replace(runs[whose], analysis=replace(runs[whose].analysis, cells=cells))
    held = row(compare(runs))
    assert held.cells[whose].state == state
    assert (held.cells[whose].gflops is None) == (state == "missing")
    for against in (held.gflops[1], held.peak_fraction[1]):
        assert (against.verdict, against.ratio) == ("not compared", None)
        assert against.why.startswith(("the first: " if whose == 0 else "") + why)


# --- the record --------------------------------------------------------------------------------------------


def test_a_quick_partial_noisy_or_changed_run_says_so():
    quick, cut_short = run(dirty=True), run()
    quick.results.protocol.quick = True
    quick.results.status = cut_short.results.status = "partial"  # as every quick run is
    quick = replace(quick, analysis=replace(quick.analysis, noise=["5 of 9 samples were preempted"]))
    remarks = [one.remarks for one in compare([quick, run(), cut_short]).runs]
    assert remarks[0] == ["quick run", "noisy: 5 of 9 samples were preempted", "its code had uncommitted changes"]
    assert remarks[1:] == [[], ["partial: not everything was measured"]]


def test_rows_go_from_the_product_to_the_loop_and_the_telling_one_is_the_largest_size_at_which_most_runs_are_compared():
    record = compare([run(), run(python="3.12.1")])
    assert record.methods == ["matmul", "einsum", "blocked", "naive"]
    assert len(record.rows) == len(run().analysis.cells)
    assert record.telling_row("naive").n == 128  # 1024 is extrapolated
    assert record.telling_row("matmul").n == 1024
    few = run(samples=5, python="3.12.1")
    cells = [c if c.n < 1024 else few.analysis.cell(c.method, c.n) for c in run().analysis.cells]
    mixed = replace(run(), analysis=replace(run().analysis, cells=cells))
    assert compare([run(), mixed]).telling_row("matmul").n == 128


def test_what_differs_is_named_with_a_value_for_each_run_and_read_back_as_it_was_written():
    record = compare([run(), run(speed=0.7, python="3.12.1"), of_cpu(run(), "another")])
    what, values = zip(*((d.what, d.values) for d in record.differences), strict=True)
    assert what == ("CPU", "Python")
    assert values[0] == ["a CPU", "a CPU", "another"]
    assert compare([run(), run()]).differences == []
    assert io.decode(io.encode(record), RunComparison, "comparison.json") == record
