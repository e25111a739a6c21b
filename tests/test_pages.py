"""How a number is written in a page, and how a page is rendered."""

import re

import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit import pages
from labkit.records import Rate


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.0060412, 3, "0.00604"), (101.4, 3, "101"), (16_712, 3, "16,700"), (1.0, 3, "1.00"), (99.94, 3, "99.9"),
        (1_234_567, 2, "1,200,000"), (9_999, 3, "10,000"), (-2.345, 2, "-2.3"), (0, 3, "0"), (3.0, 1, "3"),
    ],
)  # fmt: skip
def test_a_number_is_written_to_its_significant_digits_without_an_exponent(value, digits, text):
    assert pages.significant(value, digits) == text


@settings(deadline=None)
@given(st.floats(1e-9, 1e12), st.integers(1, 5))
def test_what_is_written_is_within_half_a_unit_of_the_last_significant_digit(value, digits):
    text = pages.significant(value, digits)
    assert re.fullmatch(r"\d{1,3}(,\d{3})*(\.\d+)?", text)
    assert float(text.replace(",", "")) == pytest.approx(value, rel=0.5001 * 10 ** (1 - digits))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_written_so_rather_than_crashing_the_page(value):
    assert pages.significant(value) == f"{value}"


@pytest.mark.parametrize(
    ("gflops", "text"),
    [
        (87.25, "87.2 GFLOPS"),
        (1.0, "1.00 GFLOPS"),
        (0.0037, "3.70 MFLOPS"),
        (2e-5, "20.0 kFLOPS"),
        (5e-8, "0.0500 kFLOPS"),
    ],
)
def test_a_rate_is_written_in_the_unit_that_suits_it(gflops, text):
    assert pages.flops(gflops) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(570.0, "570 s"), (1.5, "1.50 s"), (0.0121, "12.1 ms"), (9e-6, "9.00 µs"), (4e-8, "40.0 ns"), (2e-10, "0.200 ns")],
)
def test_a_time_is_written_in_the_unit_that_suits_it(value, text):
    assert pages.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.2, "0 s"), (8.4, "8 s"), (59.6, "1 min 00 s"), (250, "4 min 10 s"), (3599.7, "1 h 00 min"),
        (3900, "1 h 05 min"), (36_000, "10 h 00 min"),
    ],
)  # fmt: skip
def test_a_duration_is_written_as_people_say_it(value, text):
    assert pages.duration(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(1, "1 B"), (32 << 10, "32 KiB"), (1 << 20, "1 MiB"), (6 << 20, "6 MiB"), (3 << 29, "1.50 GiB")]
)
def test_a_size_is_written_in_powers_of_two(value, text):
    assert pages.bytes_(value) == text


def test_a_share_is_a_percentage_of_two_digits():
    assert (pages.percent(0.912), pages.percent(0.0000412)) == ("91 %", "0.0041 %")


def rate(low, median, high):
    return Rate(median=median, best=high, p90=high, low=low, high=high, interval="ci95")


def test_both_ends_of_an_interval_are_written_in_the_unit_of_its_median():
    assert pages.spread(rate(0.9, 1.1, 1.2)) == "0.900 to 1.20 GFLOPS"
    assert pages.spread(rate(0.0036, 0.0037, 0.0038)) == "3.60 to 3.80 MFLOPS"


@pytest.fixture
def render(tmp_path):
    def write(template, **names):
        (tmp_path / "page.md.j2").write_text(template)
        return pages.render(tmp_path / "page.md.j2", **names)

    return write


def test_a_page_is_its_template_with_its_records_filled_in(render):
    assert render("At N = {{ n }}: {{ rate|flops }}.\n", n=64, rate=50.0) == "At N = 64: 50.0 GFLOPS.\n"


def test_a_name_that_no_record_has_is_an_error_and_not_a_gap_in_the_page(render):
    with pytest.raises(jinja2.UndefinedError):
        render("{{ speedup }}")


def test_lines_of_logic_leave_no_empty_lines_and_the_last_line_end_is_kept(render):
    assert render("a\n  {% if yes %}\nb\n  {% endif %}\nc\n", yes=True) == "a\nb\nc\n"


def test_a_page_is_markdown_and_its_signs_are_not_escaped(render):
    assert render("{{ text }}\n", text="a < b & `c`") == "a < b & `c`\n"


@pytest.mark.parametrize("name", pages.FILTERS)
def test_every_filter_can_be_used_in_a_template(render, name):
    value = rate(1.0, 2.0, 3.0) if name == "spread" else 2.0
    assert render("{{ value|" + name + " }}", value=value)
