"""How numbers and sentences are written: the same figure must read the same on every page and in the terminal."""

import re

import drawn_texts
import made_up
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit import comparison
from labkit.ladder import derive as ladder_derive
from labkit.records import derive
from labkit.records.compare import compare
from labkit.roofline.kernels import place
from labkit.show import numbers, pages, text
from labkit.show.figures import ladder, perf, roofline


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (numbers.significant(0.0060412), "0.00604"),
        (numbers.significant(16_712), "16,700"),
        (numbers.significant(9_999), "10,000"),
        (numbers.significant(-2.345, 2), "-2.3"),
        (numbers.significant(float("nan")), "nan"),
        (numbers.flops(0.9999), "1.00 GFLOPS"),
        (numbers.flops(2e-5), "20.0 kFLOPS"),
        (numbers.brief_flops(101.0), "101 GF"),
        (numbers.flops_interval(0.0036, 0.0038), "3.60 to 3.80 MFLOPS"),
        (numbers.seconds(9e-6), "9.00 µs"),
        (numbers.duration(59.6), "1 min 00 s"),
        (numbers.duration(3599.7), "1 h 00 min"),
        (numbers.bytes_(6 << 20), "6 MiB"),
        (numbers.bytes_(3 << 29), "1.50 GiB"),
        (numbers.percent(0.912), "91 %"),
        (numbers.percent(2e-16), "0 %"),
        (numbers.fraction(0.861), "86.1 %"),
        (numbers.fraction(0.00004), "1/25,000"),
        (numbers.fraction(0.0), "0 %"),
        (numbers.times(16_912), "16,900×"),
        (numbers.listed(["a", "b", "c"]), "a, b and c"),
        (numbers.count(1, "sample") + numbers.count(1200, "sample"), "1 sample1,200 samples"),
        (text.plain("**16×** by `np.matmul`"), "16× by np.matmul"),
    ],
)
def test_a_number_is_written_in_the_unit_and_digits_that_suit_it(written, expected):
    assert written == expected


@settings(deadline=None)
@given(st.floats(1e-9, 1e12), st.integers(1, 5))
def test_what_is_written_is_within_half_a_unit_of_the_last_digit(value, digits):
    written = numbers.significant(value, digits)
    assert re.fullmatch(r"\d{1,3}(,\d{3})*(\.\d+)?", written)
    assert float(written.replace(",", "")) == pytest.approx(value, rel=0.5001 * 10 ** (1 - digits))


def test_a_run_ends_with_the_four_answers_a_line_each_and_no_marks():
    results = made_up.results(up_to=1024)
    lines = text.headline(results, derive.derive(results))
    assert [line[:2] for line in lines[:4]] == ["1.", "2.", "3.", "4."]
    assert "20,000×" in lines[0]
    assert "4,000×" in lines[1]
    assert "5.00×" in lines[1]
    assert "80.0 %" in lines[2]
    assert "0.975×" in lines[3]
    assert lines[4].startswith("2 of 8 rates are outside")
    assert max(map(len, lines[:5])) <= 80  # of a terminal
    assert not re.search(r"[`*]", " ".join(lines))
    alarmed = made_up.results(gflops={"naive": 0.2, "matmul": 5.0})
    line = text.headline(alarmed, derive.derive(alarmed))[4]
    assert line.startswith("5 of 8 rates are outside")  # and each alarm once, rather than every rate
    assert line.count("over 100 MFLOPS") == line.count("no real BLAS") == 1


def test_what_a_run_cannot_tell_is_left_out_of_its_end_and_what_is_withheld_is_not():
    results = made_up.results(methods=("matmul",))
    assert text.headline(results, derive.derive(results))[0].startswith("3.")
    run = made_up.measurement()
    for series in run.samples:  # another process had the core for most of the time
        series.cpu_seconds = [0.5 * s for s in series.seconds]
    said = text.headline(made_up.derive.results(run), derive.derive(run))
    assert said[0].startswith("1. Withheld: ")
    assert "276 of 276 samples were preempted" in said[-1]


def test_the_ends_of_the_other_commands_state_their_records_numbers():
    roofline = made_up.roofline()
    roofline.faults = ["dot reaches 150 % of the L2 limit"]
    peak, dram, wrong = text.roofline_summary(roofline)
    assert "101 GFLOPS" in peak
    assert "20.2 GB/s; the ridge is at 5.0 flop/byte" in dram
    assert "Wrong: dot reaches 150 %" in wrong
    *factors, whole = text.ladder_summary(made_up.ladder())
    assert factors[0].split()[:2] == ["compiled", "100×"]
    assert "20,000×" in whole
    alone, speedup, shared, held, busy = text.repeat_summary(made_up.repeat())
    assert "over 5 runs they differ by up to 0 % (wanted: 3 % at most), GFLOPS by up to 1.0 %" in alone
    assert "20,000" in speedup
    assert "20 to 20 %" in shared
    assert "in 60 of 60 cases" in held
    assert busy.startswith("Beside a busy process")
    assert text.repeat_summary(made_up.repeat(runs=1, busy=False)) == ["There are too few runs to compare."]


def test_a_product_on_a_matrix_unit_is_no_fault_and_the_page_says_why_it_stands_above_the_peak():
    run = made_up.run(made_up.on_matrix_unit())
    assert run.analysis.invalid == []
    page = pages.matmul_page(run)
    assert page.index("matrix unit") < page.index("## The four answers")
    assert "**900 %** of the FMA peak: `np.matmul` reaches 900 GFLOPS, the core's vectors at most 100 GFLOPS" in page
    for says in (
        "keeps a tile of C in registers",
        "wider SIMD",
        "where arithmetic is the limit",
        "memory is the limit only",
    ):
        assert says not in page, says
    assert "matrix unit" not in pages.matmul_page(made_up.run())
    assert "may run on a matrix unit" in comparison.page(compare([run, made_up.run()])).splitlines()[2]
    measured = made_up.ladder_measurement()
    measured.limits.bounds_matmul = False
    climbed = ladder_derive.derive(measured)
    assert "may use a matrix unit" in pages.ladder_page(climbed, made_up.manifest("03-speedup-ladder"))
    core = made_up.roofline()
    core.machine.blas, core.machine.cpu = "accelerate None None", "Apple M4 Pro"
    kernels = place(core, run.results)
    assert "bound every program that uses no matrix unit." in pages.roofline_page(core, made_up.manifest(), kernels)
    for drawn in (perf.draw([run]), ladder.draw(climbed), roofline.draw(core, kernels)):
        assert any("matrix unit" in words for words, _ in drawn_texts.drawn(drawn.figure)), drawn.title
        assert drawn_texts.overlaps(drawn) == []
