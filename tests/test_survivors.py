"""What mutants had survived until it was tested: one test or two for each, named after what would go unnoticed."""

import time

import comparing
import explain
import numpy as np
import perf_figure
import pytest
import reduction
import sanity
from agreement import ATOL, RTOL, N, check_agreement
from bench import METHODS, OPTIONAL_METHODS, make_operands, matmul_blocked, matmul_einsum, matmul_naive
from experiment import Experiment, Request, make_embedding
from made_up import DRAM, PEAK, make_sentinel, manifest, measured, rate, results, workload
from matplotlib.figure import Figure
from operands import check_product
from test_session import SHORT, Run

from labkit import pages, records, roof
from labkit.errors import LabError
from labkit.sampling import SystemClock

# --- methods and operands ---------------------------------------------------------------------------


def test_each_method_is_the_function_that_it_is_named_after():
    expected = {"naive": matmul_naive, "blocked": matmul_blocked, "einsum": matmul_einsum, "matmul": np.matmul}
    assert expected == METHODS


@pytest.mark.parametrize("size", [32, 128])
def test_a_blocked_variant_has_blocks_of_the_size_in_its_name(size):
    variant = OPTIONAL_METHODS[f"blocked_{size}"]
    assert (variant.func, variant.keywords) == (matmul_blocked, {"block_size": size})


@pytest.mark.parametrize("overlapped", ["A", "B"])
def test_an_output_that_overlaps_one_operand_alone_is_refused(overlapped):
    operands = {"A": np.ones((3, 3), np.float32), "B": np.ones((3, 3), np.float32)}
    with pytest.raises(ValueError, match="overlaps"):
        check_product(**operands, out=operands[overlapped])


# --- agreement --------------------------------------------------------------------------------------


def off_by(part):
    """A method whose errors are so large a part of |A| |B|, on operands that are no integers."""

    def multiply(A, B, out=None):
        C = A @ B
        exact = np.array_equal(A, A.round())
        return C if exact else (C + part * (np.abs(A) @ np.abs(B))).astype(np.float32)

    return {"off": multiply}


def test_the_tolerance_is_the_labs():
    assert (N, RTOL, ATOL) == (64, 1e-5, 1e-6)


def test_the_bound_is_a_part_of_the_sizes_of_what_is_added_up_and_not_of_what_is_left_of_it():
    record = check_agreement(off_by(8e-6), make_operands, seed=42).methods["off"]
    assert record.within_bound
    assert not record.allclose
    with pytest.raises(LabError, match="worst at row"):
        check_agreement(off_by(1.3e-5), make_operands, seed=42)


def test_a_product_of_integers_that_is_off_in_its_last_digit_is_not_exact():
    def multiply(A, B, out=None):
        return np.nextafter(A @ B, np.float32(np.inf))

    with pytest.raises(LabError, match="not exact"):
        check_agreement({"close": multiply}, make_operands, seed=42)


# --- counting and clocks ----------------------------------------------------------------------------


def test_the_roof_is_the_lower_of_its_two_limits():
    assert roof.attainable(1.0, 100.0, 20.0) == 20.0
    assert roof.attainable(50.0, 100.0, 20.0) == 100.0


def test_the_wall_clock_ticks_seconds():
    clock = SystemClock()
    before, started = time.monotonic(), clock.wall()
    time.sleep(0.02)
    assert clock.wall() - started + 1e-3 >= 0.02
    assert clock.wall() - started <= time.monotonic() - before + 1e-3


def test_processor_time_is_that_of_all_threads_and_none_passes_in_sleep(monkeypatch):
    clock = SystemClock()
    before = clock.cpu()
    time.sleep(0.05)
    assert clock.cpu() - before < 0.025
    monkeypatch.setattr(time, "process_time", lambda: 7.0)  # by its definition the sum over threads
    assert clock.cpu() == 7.0


# --- reduction --------------------------------------------------------------------------------------


def test_a_wide_interval_alone_makes_a_cell_noisy():
    cells = []
    for spread in (0.01, 0.15):
        sentinel, cell = measured(make_sentinel(), 1e-5), workload("matmul", 64)
        for i, r in enumerate(cell.repetitions):
            seconds = cell.flops / 80e9 * (1 + (spread if i % 2 else -spread))
            cell.repetitions[i] = type(r)(seconds, r.calls, r.cpu_over_wall, r.round)
        cells.append(reduction.reduce_cell(cell, sentinel, records.Bounded(value=2.0, low=1.9, high=2.1), cpus=2))
    assert [cell.noisy for cell in cells] == [False, True]
    assert "wide" in cells[1].notes[-1]


def test_the_projections_rate_is_its_flops_over_its_own_seconds():
    times = {"gather": 1e-6, "one_hot": 1e-5, "projection": 1e-3}
    found = reduction.reduce_embedding([measured(w, times[w.method]) for w in make_embedding(42)])
    assert (found.gather_seconds, found.one_hot_seconds) == (pytest.approx(1e-6), pytest.approx(1e-5))
    assert found.projection_gflops == pytest.approx(2 * 32 * 16 * 64 * 600 / 1e-3 / 1e9)


def test_the_speedups_interval_is_the_quotient_of_both():
    record = results(sizes="64")
    naive, matmul = record.cell("naive", 64), record.cell("matmul", 64)
    naive.gflops, matmul.gflops = rate(2.0), rate(100.0)
    found = comparing.speedup(record.cells, naive, matmul)
    assert (found.factor, found.low, found.high) == pytest.approx((50, 98 / 2.02, 101 / 1.96))


@pytest.mark.parametrize(
    ("method", "gflops", "because"),
    [
        ("naive", 0.2, "over 100 MFLOPS: an accidental vectorisation"),
        ("blocked", 0.2, "over 100 MFLOPS: an accidental vectorisation"),
        ("blocked", 0.09, "a faster interpreter"),
        ("matmul", 9.0, "under 10 GFLOPS: no real BLAS"),
    ],
)
def test_an_alarm_is_given_at_the_labs_threshold(method, gflops, because):
    record = results(sizes="128").cell(method, 128)
    record.gflops = rate(gflops)
    assert sanity.check_sanity([record])[0].because.startswith(because)


# --- session ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stall", [0.06, 0.4])
def test_a_short_cell_whose_first_call_stalled_is_visited_in_every_round_all_the_same(tmp_path, stall):
    run = Run(tmp_path / "journal.jsonl", [("matmul", 64, 1e-4, stall), *SHORT[1:]]).run()
    assert [cell.kind for cell in run.session.cells.values()] == ["short"] * 3
    stalled, other = ([r.round for r in run.repetitions()["matmul", n]] for n in (64, 128))
    assert stalled == other


# --- what is timed ----------------------------------------------------------------------------------


def test_what_is_timed_is_the_product_of_a_and_b_into_one_output(tmp_path):
    request = Request.parse("8", "naive,blocked,einsum,matmul", False, False, known=METHODS)
    cells = Experiment(request, tmp_path, 42, 64, make_operands).cells
    A, B = make_operands(8)
    timed = [cell.workload for cell in cells if cell.workload.n == 8]
    assert {w.method for w in timed} >= set(METHODS)
    for w in timed:
        assert w.call() == pytest.approx(A @ B, abs=1e-5)
        assert w.flops == 2 * 8**3
        assert w.call() is timed[0].call.keywords["out"]


def test_the_gather_and_the_one_hot_product_fetch_the_same_row_each_by_itself():
    gather, one_hot, _ = make_embedding(42)
    fetched = gather.call().copy()  # both write into one array
    one_hot.call.keywords["out"][:] = 0
    assert np.array_equal(one_hot.call(), fetched)


# --- figure and pages -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn():
    """The axes of the lab's figure, whose naive at 1024 is extrapolated from 128."""
    shown = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(perf_figure.figures, "png", lambda figure, title, data: shown.append(figure) or b"")
        perf_figure.draw(results())
    return shown[0].axes[0]


def lines(axes, marker, n):
    """The lines with this marker, or without one where it is "None", that end at this N."""
    return [line for line in axes.get_lines() if line.get_marker() == marker and list(line.get_xdata())[-1] == n]


def test_an_extrapolated_cell_is_drawn_hollow_and_a_measured_one_is_not(drawn):
    (extrapolated,), (at_128,), (matmul,) = (lines(drawn, *of) for of in (("v", 1024), ("v", 128), ("o", 1024)))
    assert extrapolated.get_markerfacecolor() == "white"
    assert at_128.get_markerfacecolor() == at_128.get_color() != "white"
    assert matmul.get_markerfacecolor() == matmul.get_color() != "white"


def test_the_line_to_an_extrapolated_cell_is_dashed_and_that_between_measured_ones_is_not(drawn):
    colour = lines(drawn, "v", 1024)[0].get_color()
    segments = {
        tuple(x.get_xdata()): x for x in drawn.get_lines() if x.get_color() == colour and len(x.get_xdata()) == 2
    }
    assert segments[64, 128].get_linestyle() == "-"
    assert segments[128, 1024].get_linestyle() == "--"


def test_the_memory_ceiling_rises_with_n_over_6_to_the_peak(drawn):
    crossover = 6 * PEAK / DRAM
    (ceiling,) = (
        x for x in drawn.get_lines()
        if len(x.get_xdata()) == 2 and x.get_xdata()[0] < x.get_xdata()[1] == pytest.approx(crossover)
    )  # fmt: skip
    assert list(ceiling.get_ydata()) == pytest.approx([x / 6 * DRAM for x in ceiling.get_xdata()])


def test_both_axes_are_logarithmic(drawn):
    assert (drawn.get_xscale(), drawn.get_yscale()) == ("log", "log")


def test_an_error_bar_reaches_from_the_low_end_of_its_interval_to_the_high_one():
    cell = results(sizes="64").cell("matmul", 64)
    cell.gflops = records.Rate(median=10.0, best=30.0, p90=25.0, low=9.0, high=20.0, interval="ci95")
    axes = Figure().subplots()
    perf_figure._draw_curve(axes, [cell], "#000000", "o")
    (bar,) = (segment for container in axes.collections for segment in container.get_segments())
    assert sorted(bar[:, 1]) == pytest.approx([9.0, 20.0])


def test_an_extrapolated_cell_of_the_pages_table_is_daggered_and_a_measured_one_is_not():
    rows = {
        line.split("|")[1].strip(): line
        for line in explain.render_page(results(), manifest()).splitlines()
        if "|" in line
    }
    naive, *_, matmul, _, _ = rows["1024"].split("|")[2:]
    assert naive.strip().endswith("†")
    assert "†" not in matmul
    assert "†" not in rows["128"]


def test_ten_minutes_are_no_part_of_an_hour():
    assert pages.duration(600) == "10 min 00 s"
    assert pages.duration(3599) == "59 min 59 s"
