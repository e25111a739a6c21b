"""From samples to all that is said of a run, on runs whose answer is known."""

import itertools

import made_up
import msgspec
import pytest
from made_up import PEAK, RATES, method_series, reference, series

from labkit.records import derive
from labkit.records.derive import AGAIN, PYTHON_METHODS, REFERENCE
from labkit.records.model import Series


def changed(measurement, name, n, **columns):
    """The measurement with columns of one series replaced."""
    for i, s in enumerate(measurement.samples):
        if (s.name, s.n) == (name, n):
            measurement.samples[i] = msgspec.structs.replace(s, **columns)
    return measurement


def of(*samples, sizes=(64, 128), methods=("naive", "blocked", "matmul"), **more):
    """The analysis of these series beside an undisturbed reference kernel."""
    made = made_up.measurement(sizes, methods)
    made.samples = [*samples] if any(s.name == REFERENCE for s in samples) else [*samples, reference()]
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


def test_the_fraction_of_peak_goes_through_the_reference_kernel_with_the_intervals_of_both(analysis):
    # (cell / reference) here times (reference / peak) from the roofline: 80 / 50 / 2 flop a reference byte.
    fraction = analysis.cell("matmul", 1024).peak_fraction
    assert fraction.value == pytest.approx(RATES["matmul"] / PEAK, rel=1e-3)
    assert fraction.low < fraction.value < fraction.high
    assert fraction.low <= 1.001 * RATES["matmul"] / made_up.REFERENCE_GBS / 2.02
    assert fraction.high >= 0.999 * RATES["matmul"] / made_up.REFERENCE_GBS / 1.98


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


def test_samples_on_a_slowed_core_are_told_by_the_reference_of_their_own_round():
    slow = [t * (2 if r in (3, 7) else 1) for r, t in enumerate(reference().seconds)]
    shifted = msgspec.structs.replace(reference(), seconds=slow, cpu_seconds=slow)
    analysis = of(method_series("matmul", 64), shifted)
    cell = analysis.cell("matmul", 64)
    assert [r for r, flag in enumerate(cell.flags) if flag] == [3, 7]
    assert cell.contended == pytest.approx(2 / 12)
    assert analysis.flags[REFERENCE, 32768].count("slowed") == 2
    assert not analysis.noise.noisy


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


def test_a_method_without_a_sample_and_a_run_without_a_reference_have_no_cells():
    assert {c.method for c in of(method_series("matmul", 64)).cells} == {"matmul"}
    made = made_up.measurement()
    made.samples = [s for s in made.samples if s.name != REFERENCE]
    assert derive.derive(made).cells == []
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
    naive, matmul = analysis.cell("naive", 512).gflops, analysis.cell("matmul", 512).gflops
    found = (measured.factor, measured.low, measured.high)
    expected = (matmul.median / naive.median, matmul.low / naive.high, matmul.high / naive.low)
    assert found == pytest.approx(expected)
    assert whole.naive_seconds == pytest.approx(analysis.cell("naive", 1024).call_seconds)
    assert whole.basis == "12 samples of naive at N=512; 12 samples of matmul at N=1024"
    assert whole.withheld is measured.withheld is None


@pytest.mark.parametrize("cell", [("matmul", 1024), ("naive", 512)])
def test_a_speedup_is_withheld_if_what_it_rests_on_did_not_have_its_core_to_itself(cell):
    made = made_up.measurement()
    own = next(s for s in made.samples if (s.name, s.n) == cell)
    found = derive.derive(changed(made, *cell, cpu_seconds=[0.97 * s for s in own.seconds]))
    expected = f"{cell[0]} at N={cell[1]} did not have its core to itself: 12 of 12 samples were preempted"
    assert found.speedup.withheld == expected
    assert found.speedup_measured.withheld == (expected if cell[1] == 512 else None)


def test_there_is_no_speedup_without_both():
    assert of(method_series("matmul", 64), methods=("matmul",)).speedup is None
    found = of(method_series("matmul", 64), method_series("naive", 128), sizes=(64, 128), methods=("naive", "matmul"))
    assert found.speedup.extrapolated
    assert found.speedup_measured is None


# --- comparisons --------------------------------------------------------------------------------------------


def again(method, n, factor):
    s = method_series(method, n, method + AGAIN)
    return msgspec.structs.replace(s, seconds=[factor * t for t in s.seconds])


def test_blocked_is_compared_with_naive_in_pairs_of_one_round():
    [found] = of(method_series("naive", 64), method_series("blocked", 64)).comparisons
    assert (found.method, found.other, found.n, found.pairs) == ("blocked", "naive", 64, 12)
    assert found.ratio == pytest.approx(0.0039 / 0.004)
    assert found.verdict == "slower"


def test_samples_of_different_rounds_make_no_pair():
    apart = msgspec.structs.replace(method_series("blocked", 64), rounds=list(range(100, 112)))
    assert of(method_series("naive", 64), apart).comparisons == []
    # The machine grows slower from round to round: only samples of one round tell what blocking costs.
    naive = series("naive", 64, [1.0 + r for r in range(12)], flops=2 * 64**3)
    later = series("blocked", 64, [2.0 + 2 * r for r in range(6, 18)], flops=2 * 64**3, rounds=list(range(6, 18)))
    [found] = of(naive, later).comparisons
    assert (found.pairs, found.low, found.ratio, found.high) == pytest.approx((6, 0.5, 0.5, 0.5))


@pytest.mark.parametrize(
    ("factor", "verdict"), [(1.0, "slower"), (1.05, "no difference resolved"), (0.95, "no difference resolved")]
)
def test_a_difference_within_the_noise_floor_of_the_a_a_tests_is_not_resolved(factor, verdict):
    found = of(method_series("naive", 64), method_series("blocked", 64), again("naive", 64, factor))
    assert [(t.method, t.other, t.n) for t in found.aa_tests] == [("naive again", "naive", 64)]
    assert found.noise_floor == pytest.approx(max(factor, 1 / factor) - 1)
    assert found.comparisons[0].verdict == verdict


def test_the_second_name_of_a_method_is_no_cell_of_the_record(analysis):
    assert not {c.method for c in analysis.cells} - set(made_up.METHODS)
    assert len(analysis.aa_tests) == 2
    assert analysis.noise_floor == pytest.approx(0.0)


# --- the run as a whole -------------------------------------------------------------------------------------


def test_the_run_is_noisy_when_its_reference_kernel_was_disturbed(analysis):
    assert (analysis.noise.noisy, analysis.noise.samples, analysis.noise.because) == (False, 12, [])
    made = made_up.measurement()
    cpu = [t * (0.6 if r < 2 else 1) for r, t in enumerate(reference().seconds)]
    noise = derive.derive(changed(made, REFERENCE, 32768, cpu_seconds=cpu)).noise
    assert (noise.noisy, noise.because) == (True, ["2 of 12 samples were preempted"])


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
    assert (record.cells, record.speedup, record.embedding) == (found.cells, found.speedup, found.embedding)
    assert derive.derive(record) == found
    assert record.samples == made.samples
    assert record.cell("matmul", 64) == found.cell("matmul", 64)
    assert record.cell("matmul", 65) is None
    assert {"naive", "blocked"} <= set(PYTHON_METHODS)
