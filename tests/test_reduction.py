"""From repetitions to the record: rates, shares, extrapolations, comparisons."""

import comparing
import made_up
import msgspec
import pytest
import reduction
from bench import METHODS
from experiment import Request

from labkit import codec, records
from labkit.errors import LabError
from labkit.interference import Interference
from labkit.sampling import Repetition


@pytest.fixture(scope="module")
def results():
    return made_up.results()


def test_gflops_are_two_n_cubed_over_the_median_seconds(results):
    for cell in results.cells:
        if not cell.extrapolated:
            ordered = sorted(cell.seconds_per_call)
            middle = (ordered[5] + ordered[6]) / 2
            assert cell.gflops.median == pytest.approx(2 * cell.n**3 / middle / 1e9, rel=1e-3)
            assert cell.gflops.best == pytest.approx(2 * cell.n**3 / ordered[0] / 1e9)


def test_pure_python_at_1024_is_extrapolated_by_the_cube_law_and_marked(results):
    cell, base = results.cell("naive", 1024), results.cell("naive", 128)
    assert cell.extrapolated
    assert cell.extrapolated_from == 128
    assert cell.seconds_per_call == []
    assert cell.extrapolated_seconds == pytest.approx(8**3 * comparing.seconds_of(base))
    assert not results.cell("einsum", 1024).extrapolated


def test_the_share_of_the_roof_is_the_quotient_of_two_ratios_to_the_sentinel(results):
    # cell / sentinel here, times sentinel / peak there: 80 / 50 / 2 flop a sentinel byte.
    share = results.cell("matmul", 1024).roof
    assert share.share == pytest.approx(80 / 50 / 2.0, rel=1e-3)
    assert share.low < share.share < share.high
    assert share.high / share.low > 1.02 / 0.98 * 0.98  # the roof's own interval is in it


def test_the_speedup_at_the_largest_n_says_that_it_is_extrapolated_and_the_measured_one_stands_beside_it(results):
    assert (results.speedup.n, results.speedup.extrapolated) == (1024, True)
    assert (results.speedup_measured.n, results.speedup_measured.extrapolated) == (128, False)
    assert results.speedup.factor == pytest.approx(80 / 0.004, rel=0.01)
    assert results.speedup.low < results.speedup.factor < results.speedup.high


def test_the_crossover_is_six_peak_over_bandwidth(results):
    assert results.roof.crossover_n == pytest.approx(6 * made_up.PEAK / made_up.DRAM)
    assert results.roof.ridge_flop_per_byte == pytest.approx(made_up.PEAK / made_up.DRAM)


def test_blocked_is_compared_with_naive_in_pairs_of_one_round():
    a, b = (reduction_cell(made_up.workload(name, 64)) for name in ("blocked", "naive"))
    comparison = comparing.compare(a, b)
    assert comparison.ratio == pytest.approx(0.0039 / 0.004)
    assert (comparison.verdict, comparison.pairs) == ("slower", 12)


def test_repetitions_of_different_rounds_make_no_pair():
    naive, blocked = made_up.workload("naive", 64), made_up.workload("blocked", 64)
    blocked.repetitions = [msgspec_shift(r, 100) for r in blocked.repetitions]
    assert comparing.compare(reduction_cell(blocked), reduction_cell(naive)) is None


def msgspec_shift(r, by):
    return Repetition(r.seconds, r.calls, r.cpu_over_wall, r.round + by)


def reduction_cell(workload):
    sentinel = made_up.make_sentinel()
    made_up.measured(sentinel, 1e-5)
    return reduction.reduce_cell(workload, sentinel, records.Bounded(value=2.0, low=1.9, high=2.1), cpus=2)


def test_a_preempted_or_doubled_repetition_is_noted_and_many_make_the_cell_noisy():
    quiet, noisy = made_up.workload("matmul", 64), made_up.workload("matmul", 64)
    noisy.repetitions[:3] = [Repetition(r.seconds, 1, 0.5, r.round) for r in noisy.repetitions[:3]]
    noisy.repetitions[3] = Repetition(noisy.repetitions[3].seconds, 1, 1.9, 3)
    assert not reduction_cell(quiet).noisy
    cell = reduction_cell(noisy)
    assert cell.noisy
    assert cell.notes == ["3 of 12 repetitions were preempted", "1 of 12 repetitions had a second thread"]


def test_a_busy_process_beside_us_moves_gflops_and_leaves_the_share_of_the_roof():
    quiet, busy = made_up.workload("matmul", 512), made_up.workload("matmul", 512)
    # Half the wall time of every other visit went to someone else.
    busy.repetitions = [
        Repetition(2 * r.seconds, 1, 0.5, r.round) if r.round % 2 else r for r in busy.repetitions
    ]  # fmt: skip
    a, b = reduction_cell(quiet), reduction_cell(busy)
    assert b.gflops.median < 0.8 * a.gflops.median
    assert b.roof.share == pytest.approx(a.roof.share, rel=0.001)
    assert b.noisy
    assert b.marks == [None, "preempted"] * 6


def test_the_record_says_of_each_repetition_what_came_between_it_and_its_core():
    workload = made_up.workload("matmul", 64)
    workload.repetitions[1] = Repetition(
        workload.repetitions[1].seconds, 1, 1.0, 1, interference=Interference(1, 2, 0.25)
    )
    cell = reduction_cell(workload)
    assert cell.voluntary_switches[:3] == [0, 1, 0]
    assert cell.involuntary_switches[:3] == [0, 2, 0]
    assert cell.steal_seconds[:3] == [None, 0.25, None]
    assert cell.marks[:3] == [None, "stolen", None]
    assert len(cell.sentinel_gbs) == 12
    assert cell.sentinel_gbs[0] == pytest.approx(2 * 131072 / 1e-5 / 0.99 / 1e9)


def test_the_run_is_noisy_when_its_sentinel_was_disturbed():
    sentinel = made_up.measured(made_up.make_sentinel(), 1e-5)
    assert not reduction.reduce_noise(sentinel, cpus=2).noisy
    sentinel.repetitions[:2] = [Repetition(r.seconds, 1, 0.6, r.round) for r in sentinel.repetitions[:2]]
    noise = reduction.reduce_noise(sentinel, cpus=2)
    assert (noise.noisy, noise.visits, noise.marks) == (True, 12, {"preempted": 2})
    assert noise.because == ["2 of 12 repetitions were preempted"]


def test_a_cell_above_the_roof_is_invalid_in_the_record_and_so_is_what_is_extrapolated_from_it(monkeypatch):
    monkeypatch.setitem(made_up.RATES, "matmul", 130.0)
    monkeypatch.setitem(made_up.RATES, "naive", 130.0)
    results = made_up.results()
    assert results.cell("matmul", 1024).invalid
    assert results.cell("naive", 1024).extrapolated
    assert results.cell("naive", 1024).invalid
    assert "cannot be true" in results.speedup.withheld


def test_below_six_repetitions_the_interval_is_called_a_range():
    assert reduction_cell(made_up.workload("matmul", 64, repetitions=5)).gflops.interval == "range"
    assert reduction_cell(made_up.workload("matmul", 64, repetitions=6)).gflops.interval == "ci95"


def test_the_cube_laws_error_is_measured_over_predicted():
    slow = made_up.measured(made_up.Workload("naive", 128, int, flops=2 * 128**3), 16.0)
    fast = made_up.measured(made_up.Workload("naive", 64, int, flops=2 * 64**3), 1.0)
    [law] = comparing.cube_law([reduction_cell(fast), reduction_cell(slow)])
    assert law.ratio == pytest.approx(2.0)
    assert law.predicted_seconds == pytest.approx(8.0, rel=1e-3)


def test_what_is_not_measured_yet_is_extrapolated_and_the_run_is_partial():
    results = made_up.results(sizes="64,512,1024", complete=False)
    assert results.status == "partial"
    request = Request.parse("64,128,256", "naive", False, False, known=METHODS)
    cells = reduction.complete_cells([reduction_cell(made_up.workload("naive", 64))], request)
    assert [(c.n, c.extrapolated_from) for c in cells] == [(64, None), (128, 64), (256, 64)]


def test_the_record_survives_being_written_and_read(results):
    assert codec.decode(codec.encode(results), records.Results, "results.json") == results


@pytest.mark.parametrize("field", ["low", "high"])
def test_a_record_with_an_edited_interval_is_refused(results, field):
    raw = msgspec.json.decode(codec.encode(results))
    raw["cells"][0]["gflops"][field] = 0 if field == "high" else 1e6
    with pytest.raises(LabError, match=r"results\.json"):
        codec.decode(msgspec.json.encode(raw), records.Results, "results.json")


@pytest.mark.parametrize(
    ("method", "gflops", "verdict", "says"),
    [
        ("naive", 0.2, "above", "accidental vectorisation"),
        ("naive", 0.003, "inside", "as the lab expects"),
        ("naive", 0.0001, "below", "slower"),
        ("matmul", 5.0, "below", "no real BLAS"),
        ("matmul", 30.0, "inside", "as the lab expects"),
        ("matmul", 400.0, "above", "SIMD"),
        ("einsum", 2.0, "below", "without BLAS"),
    ],
)
def test_the_labs_table_is_checked_and_says_why(monkeypatch, method, gflops, verdict, says):
    monkeypatch.setitem(made_up.RATES, method, gflops)
    cell = reduction_cell(made_up.workload(method, 128))
    [row] = reduction.check_sanity([cell])
    assert row.verdict == verdict
    assert says in row.because
