"""From samples to all that is said of a run, on runs whose answer is known."""

import itertools

import made_up
import msgspec
import pytest
from made_up import PEAK, RATES, method_series, series

from labkit.records import derive
from labkit.records.derive import AGAIN, PYTHON_METHODS, SLICE
from labkit.records.model import Series


def of(*samples, sizes=(64, 128), methods=("naive", "blocked", "matmul"), **more):
    """The analysis of these series on a core that is alone, unless `readings` are given."""
    made = made_up.measurement(sizes, methods)
    made.samples = [*samples]
    for name, value in more.items():
        setattr(made, name, value)
    return derive.derive(made)


@pytest.fixture(scope="module")
def analysis():
    return derive.derive(made_up.measurement())


# --- cells ------------------------------------------------------------------------------------------------


def test_gflops_are_two_n_cubed_over_the_seconds(analysis):
    for method, n in itertools.product(("naive", "einsum", "matmul"), (64, 512)):
        cell, seconds = analysis.cell(method, n), sorted(method_series(method, n).seconds)
        middle = 2 * n**3 / ((seconds[5] + seconds[6]) / 2) / 1e9
        assert cell.gflops.median == pytest.approx(middle, rel=1e-3)
        assert cell.gflops.best == pytest.approx(2 * n**3 / seconds[0] / 1e9)
        assert (cell.gflops.low, cell.gflops.high) == pytest.approx((RATES[method] / 1.01, RATES[method] / 0.99))
        assert cell.total_seconds == pytest.approx(sum(seconds))
        assert (cell.noisy, cell.invalid, cell.notes) == (False, [], [])


def test_total_seconds_are_those_of_all_calls(analysis):
    s = method_series("matmul", 64)
    cell = of(msgspec.structs.replace(s, calls=[10] * 12)).cell("matmul", 64)
    assert cell.total_seconds == pytest.approx(10 * analysis.cell("matmul", 64).total_seconds)


def test_the_fraction_of_peak_is_the_rate_over_the_fma_rate_beside_it_in_uncontended_samples_alone(analysis):
    assert analysis.cell("matmul", 1024).peak_fraction.value == pytest.approx(RATES["matmul"] / PEAK, rel=1e-3)
    # The clock falls to half for four samples, and with it the FMA rate; a neighbour takes three others in half.
    contended, made = (1, 4, 9), made_up.readings()
    made.fma_gflops[4:9] = made.l1_gbs[4:9] = made.l2_gbs[4:9] = []
    for column, usual in (("fma_gflops", 1.0), ("l1_gbs", made_up.L1_PER_FLOP), ("l2_gbs", made_up.L2_PER_FLOP)):
        getattr(made, column)[4:4] = [usual * PEAK / 2] * 5
    for reading in contended:
        made.l1_gbs[reading] *= 0.7
    shared = [r for r in range(12) if {r, r + 1} & set(contended)]
    s = method_series("matmul", 512)
    seconds = [t * (2 if 4 <= r < 8 else 1) * (2 if r in shared else 1) for r, t in enumerate(s.seconds)]
    moved = msgspec.structs.replace(s, seconds=seconds, cpu_seconds=seconds)
    found = of(moved, readings=made)
    cell = found.cell("matmul", 512)
    assert [r for r, flag in enumerate(cell.flags) if flag == "contended"] == shared
    assert cell.peak_fraction.value == pytest.approx(RATES["matmul"] / PEAK, rel=0.02)
    assert (cell.alone.uncontended, cell.alone.samples, cell.alone.bound) == (12 - len(shared), 12, False)
    assert cell.alone.gflops.value == pytest.approx(cell.peak_fraction.value * found.roof.peak_gflops)
    assert cell.contended == pytest.approx(len(shared) / 12)
    assert cell.noisy == (cell.gflops.high - cell.gflops.low > 0.2 * cell.gflops.median)


def test_without_uncontended_samples_the_fraction_of_peak_is_a_bound_below_the_peak():
    cell = of(method_series("matmul", 512), readings=made_up.readings(contended=range(12))).cell("matmul", 512)
    assert (cell.alone.bound, cell.alone.uncontended) == (True, 0)
    assert cell.peak_fraction.low < RATES["matmul"] / PEAK < cell.peak_fraction.high <= 1.0


def test_the_roof_is_the_runs_own_and_not_that_of_the_roofline():
    made = made_up.measurement()
    made.readings = made_up.readings(fma=0.9 * PEAK)
    record = derive.results(made)
    assert record.limits.peak_gflops == PEAK
    assert record.roof.peak_gflops == pytest.approx(0.9 * PEAK)
    assert record.roof.ridge_flop_per_byte == pytest.approx(0.9 * PEAK / made_up.DRAM)
    assert record.roof.crossover_n == pytest.approx(6 * 0.9 * PEAK / made_up.DRAM)
    assert record.cell("matmul", 1024).peak_fraction.value == pytest.approx(RATES["matmul"] / (0.9 * PEAK), rel=1e-3)
    slowed = made_up.readings(contended=range(20))
    slowed.fma_gflops[:20] = [0.95 * PEAK] * 20
    assert of(method_series("matmul", 64), readings=slowed).roof.peak_gflops == PEAK  # that of the core alone


def test_a_busy_process_beside_us_moves_gflops_and_leaves_the_fraction_of_peak(analysis):
    # A third or a half of the wall time of each sample went to someone else.
    s = method_series("matmul", 512)
    longer = [t * (2 if r % 2 else 1.5) for r, t in enumerate(s.seconds)]
    cell = of(msgspec.structs.replace(s, seconds=longer)).cell("matmul", 512)
    quiet = analysis.cell("matmul", 512)
    assert cell.gflops.median < 0.8 * quiet.gflops.median
    assert cell.peak_fraction.value == pytest.approx(quiet.peak_fraction.value, rel=0.001)
    assert cell.flags == ["preempted"] * 12
    assert (cell.noisy, cell.contended) == (True, 0.0)
    assert cell.notes[0] == "12 of 12 samples were preempted"


def test_a_wide_interval_alone_makes_a_cell_noisy_and_is_noted():
    wide = [made_up.method_series("matmul", 64).seconds[0] * (1.3 if r % 2 else 1.0) for r in range(12)]
    cell = of(series("matmul", 64, wide, flops=2 * 64**3)).cell("matmul", 64)
    assert cell.noisy
    assert cell.notes == ["its interval is 26 % wide"]


def test_below_six_samples_the_interval_is_called_a_range():
    few = [method_series("matmul", 64).seconds[0]] * 5
    assert of(series("matmul", 64, few, flops=2 * 64**3)).cell("matmul", 64).gflops.interval == "range"
    assert of(series("matmul", 64, [*few, few[0]], flops=2 * 64**3)).cell("matmul", 64).gflops.interval == "ci95"


def test_a_cell_above_the_peak_is_invalid_and_so_is_what_is_extrapolated_from_it():
    found = derive.derive(made_up.measurement(gflops={"matmul": 130.0, "naive": 130.0}, up_to=128))
    assert found.cell("matmul", 1024).invalid
    assert found.cell("naive", 1024).extrapolated
    assert found.cell("naive", 1024).invalid
    assert {(c.method, c.n) for c in found.invalid if c.method == "naive"} == {("naive", 64), ("naive", 128)}
    assert "cannot be true" in found.speedup.withheld


# --- extrapolation ------------------------------------------------------------------------------------------


def test_what_is_not_measured_has_the_rate_of_the_largest_smaller_size_and_is_marked(analysis):
    cell, base = analysis.cell("naive", 1024), analysis.cell("naive", 512)
    assert (cell.extrapolated, cell.extrapolated_from) == (True, 512)
    assert (cell.seconds_per_call, cell.flags, cell.total_seconds) == ([], [], 0.0)
    assert cell.call_seconds == pytest.approx(8 * base.call_seconds)
    assert cell.gflops == base.gflops
    assert not analysis.cell("einsum", 1024).extrapolated
    found = of(method_series("naive", 128), sizes=(64, 128, 256), methods=("naive",))
    assert [(c.n, c.extrapolated_from) for c in found.cells] == [(64, 128), (128, None), (256, 128)]


def test_a_method_without_a_sample_has_no_cells():
    assert {c.method for c in of(method_series("matmul", 64)).cells} == {"matmul"}
    made = made_up.measurement()
    made.samples = [Series(name="matmul", n=64, flops=1)]
    assert derive.derive(made).cells == []


def test_the_cube_laws_error_is_measured_over_predicted():
    fast, slow = series("naive", 64, 1.0, flops=2 * 64**3), series("naive", 128, 16.0, flops=2 * 128**3)
    [law] = of(fast, slow).cube_law
    assert (law.method, law.n, law.predicted_from) == ("naive", 128, 64)
    assert law.predicted_seconds == pytest.approx(8.0, rel=1e-3)
    assert law.ratio == pytest.approx(2.0)
    assert of(series("matmul", 64, 1.0, flops=2), series("matmul", 128, 9.0, flops=2)).cube_law == []


# --- speedup -----------------------------------------------------------------------------------------------


def test_the_speedup_at_the_largest_n_is_marked_and_the_measured_one_stands_beside_it(analysis):
    whole, measured = analysis.speedup, analysis.speedup_measured
    assert (whole.n, whole.extrapolated) == (1024, True)
    assert (measured.n, measured.extrapolated) == (512, False)
    assert whole.factor == pytest.approx(80 / 0.004, rel=0.01)
    was = measured.as_it_was
    naive, matmul = analysis.cell("naive", 512).gflops, analysis.cell("matmul", 512).gflops
    expected = (matmul.median / naive.median, matmul.low / naive.high, matmul.high / naive.low)
    assert (was.factor, was.low, was.high) == pytest.approx(expected)
    assert whole.as_it_was.naive_seconds == pytest.approx(analysis.cell("naive", 1024).call_seconds)
    assert whole.as_it_was.basis == "12 samples of naive at N = 512; 12 samples of matmul at N = 1024"
    assert (whole.as_it_was.extrapolated, was.extrapolated) == (True, False)
    assert whole.withheld is measured.withheld is None


def test_a_speedup_over_slices_of_the_very_product_is_extrapolated_as_it_was_alone():
    made = made_up.measurement()
    made.samples.append(method_series("naive", 1024, "naive" + SLICE, gflops=0.005))
    found = derive.derive(made)
    assert (found.speedup.extrapolated, found.speedup.as_it_was.extrapolated) == (False, True)
    assert found.speedup.factor == pytest.approx(80 / 0.005, rel=0.01)
    assert found.speedup.as_it_was.factor == pytest.approx(80 / 0.004, rel=0.01)
    assert found.cell("naive", 1024).alone.source == "slices"


def test_a_speedup_is_not_withheld_where_samples_were_preempted():
    made = made_up.measurement()
    for s in made.samples:
        s.seconds = [1.5 * t for t in s.seconds]
    found = derive.derive(made)
    assert found.noise
    assert found.speedup.withheld is None
    assert found.speedup.factor == pytest.approx(80 / 0.004, rel=0.01)


def test_a_neighbour_that_takes_from_some_calls_moves_the_speedup_as_it_was_and_not_that_of_a_core_alone(analysis):
    made = made_up.measurement(up_to=1024)
    made.readings = made_up.readings(contended=(3, 4, 5, 6, 7))  # seven of twelve samples
    for s in made.samples:
        if s.name == "matmul":
            s.seconds = s.cpu_seconds = [t * (2 if 2 <= r <= 7 else 1) for r, t in enumerate(s.seconds)]
    found = derive.derive(made).speedup
    assert found.factor == pytest.approx(analysis.speedup.factor, rel=0.03)
    assert found.low < found.factor < found.high
    assert found.as_it_was.factor < 0.8 * found.factor


def test_there_is_no_speedup_without_both():
    assert of(method_series("matmul", 64), methods=("matmul",)).speedup is None
    found = of(method_series("matmul", 64), method_series("naive", 128), sizes=(64, 128), methods=("naive", "matmul"))
    assert found.speedup.extrapolated
    assert found.speedup_measured is None


# --- comparisons --------------------------------------------------------------------------------------------


def again(method, n, factor):
    s = method_series(method, n, method + AGAIN)
    return msgspec.structs.replace(s, seconds=[factor * t for t in s.seconds])


def test_blocked_is_compared_with_naive_on_a_core_alone():
    [found] = of(method_series("naive", 64), method_series("blocked", 64, gflops=0.0036)).comparisons
    assert (found.method, found.n, found.ratio.pairs) == ("blocked", 64, 12)
    assert found.ratio.value == pytest.approx(0.9, rel=0.01)
    assert found.ratio.low < 0.9 < found.ratio.high
    assert found.verdict == "slower"


def test_samples_of_different_rounds_make_no_pair_in_an_a_a_test():
    apart = msgspec.structs.replace(again("naive", 64, 1.0), rounds=list(range(100, 112)))
    assert of(method_series("naive", 64), apart).aa_tests == {}
    # The machine grows slower from round to round: only samples of one round tell that both are the same.
    naive = series("naive", 64, [1.0 + r for r in range(12)], flops=2 * 64**3)
    later = [2.0 + 2 * r for r in range(6, 18)]
    second = series("naive again", 64, later, flops=2 * 64**3, rounds=list(range(6, 18)))
    [found] = of(naive, second).aa_tests.values()
    assert (found.pairs, found.low, found.value, found.high) == pytest.approx((6, 0.5, 0.5, 0.5))


@pytest.mark.parametrize(
    ("factor", "verdict"), [(1.0, "slower"), (1.15, "no difference resolved"), (0.85, "no difference resolved")]
)
def test_a_difference_within_the_noise_floor_of_the_a_a_tests_is_not_resolved(factor, verdict):
    found = of(method_series("naive", 64), method_series("blocked", 64, gflops=0.0036), again("naive", 64, factor))
    assert found.aa_tests.keys() == {("naive", 64)}
    assert found.noise_floor == pytest.approx(max(factor, 1 / factor) - 1)
    assert found.comparisons[0].verdict == verdict


def test_the_second_name_of_a_method_is_no_cell_of_the_record(analysis):
    assert not {c.method for c in analysis.cells} - set(made_up.METHODS)
    assert len(analysis.aa_tests) == 2
    assert analysis.noise_floor == pytest.approx(0.0)


# --- the run as a whole -------------------------------------------------------------------------------------


def test_a_run_tells_what_took_the_core_from_more_than_a_tenth_of_its_samples(analysis):
    assert analysis.noise == []
    samples = [method_series(name, 64) for name in ("naive", "matmul")]
    cpu = [t * (0.6 if r < 6 else 1) for r, t in enumerate(samples[0].seconds)]
    preempted = msgspec.structs.replace(samples[0], cpu_seconds=cpu)
    assert of(preempted, samples[1]).noise == ["6 of 24 samples were preempted"]
    assert of(preempted, *samples[1:], *(method_series("blocked", n) for n in (64, 128, 256, 512))).noise == []
    assert of(*samples, readings=made_up.readings(contended=range(12))).noise == []  # which is told apart


@pytest.mark.parametrize(
    ("method", "gflops", "verdict", "alarm"),
    [
        ("naive", 0.2, "above", "vectorised"),
        ("blocked", 0.2, "above", "vectorised"),
        ("blocked", 0.09, "above", None),
        ("naive", 0.003, "inside", None),
        ("naive", 0.0001, "below", None),
        ("matmul", 5.0, "below", "no BLAS"),
        ("matmul", 11.0, "below", None),
        ("matmul", 30.0, "inside", None),
        ("einsum", 2.0, "below", None),
    ],
)
def test_a_cell_is_held_against_what_the_assignment_expects(method, gflops, verdict, alarm):
    [found] = of(method_series(method, 128, gflops=gflops), methods=made_up.METHODS, sizes=(128,)).expectations
    assert (found.verdict, found.alarm) == (verdict, alarm)
    assert found.cell.gflops.median == pytest.approx(gflops, rel=1e-3)


def test_the_projections_rate_is_its_flops_over_its_own_seconds(analysis):
    found = analysis.embedding
    assert (found.gather_seconds, found.one_hot_seconds) == (pytest.approx(4e-7), pytest.approx(3e-6))
    assert (found.lookup_flops, found.projection_flops) == (76_800, 39_321_600)
    assert found.projection_gflops == pytest.approx(39_321_600 / 5e-4 / 1e9)
    made = made_up.measurement()
    made.samples = [s for s in made.samples if s.name != derive.ONE_HOT]
    assert derive.derive(made).embedding is None


def test_the_record_has_what_was_derived_and_deriving_again_gives_the_same():
    made = made_up.measurement()
    record, found = derive.results(made), derive.derive(made)
    derived = (found.roof, found.cells, found.speedup, found.embedding)
    assert (record.roof, record.cells, record.speedup, record.embedding) == derived
    assert derive.results(record) == record
    assert record.samples == made.samples
    assert record.cell("matmul", 64) == found.cell("matmul", 64)
    assert record.cell("matmul", 65) is None
    assert {"naive", "blocked"} <= set(PYTHON_METHODS)
