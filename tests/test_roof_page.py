"""The roof's page and its two figures, on records that are made up."""

import io
import itertools
import json

import made_up
import msgspec
import numpy as np
import pytest
import roof_figure
import roof_page
import staircase_figure
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from labkit.records import Cache, Ceiling


def full_record():
    record = made_up.roofline()
    record.kernels = [
        made_up.kernel(
            "memcpy", 1 << 26, 0.0, intensity=0.0, gbs=15.0, roof="DRAM", share=0.75, low=0.7, high=0.8
        ),
        made_up.kernel("dot", 10**6, 4.5, roof="DRAM", share=0.9, low=0.88, high=0.92),
        made_up.kernel("naive", 1024, 0.004, intensity_high=1024 / 6, extrapolated=True, extrapolated_from=64),
        made_up.kernel("blocked", 1024, 0.0041, intensity_high=1024 / 6, extrapolated=True, extrapolated_from=64),
        made_up.kernel("einsum", 1024, 12.0, intensity=0.6, intensity_high=1024 / 6),
        made_up.kernel("matmul", 1024, 90.0, intensity=4.5, intensity_high=1024 / 6),
    ]  # fmt: skip
    return record


def render(record):
    return roof_page.render(record, made_up.manifest())


def data(png: bytes):
    return json.loads(Image.open(io.BytesIO(png)).text["Description"])


def test_the_page_has_the_records_numbers():
    text = render(full_record())
    flowing = " ".join(text.split())
    for said in (
        "with fewer than 5.0 flop a byte",  # 100 / 20
        "at most 100 GFLOPS", "most 20.0 GB/s", "32.0 flop a cycle: 2.00 vector instructions",
        "one chain alone gives 12.5 GFLOPS, a step every 4.0 cycles", "4.0 x 2.0 = 8.0 chains",
        "480 visits of 500 µs", "beside the peak's loop at 3.12 GHz",
        "The system states 2.50 GHz (made up): the core is **boosted**, 26 % above it",
        "would have been 80.0 GFLOPS, 20 % too low",
        "| naive at N = 1024 | 4.00 MFLOPS † ", "1/25,000 of the peak", "90 % of DRAM",
        "*1 : 0* | *1 : 1* | *2 : 1* | *1 : 1*", "already from N = 30",
    ):  # fmt: skip
        assert said in flowing, said
    assert "None" not in text
    assert "\n\n\n" not in text.replace("\n\n\n**", "")


def test_a_wrong_roof_is_called_so_before_anything_else_is_said():
    record = full_record()
    assert "wrong" not in render(record)
    record.faults = ["dot reaches 150 %"]
    before_the_figure = render(record).partition("![")[0]
    assert "**This roof is wrong.**" in before_the_figure
    assert "dot reaches 150 %" in before_the_figure


@pytest.mark.parametrize(("verdict", "words"), [("throttled", "**throttled**"), ("as stated", "at its stated clock")])
def test_the_page_says_how_the_clock_compares(verdict, words):
    record = full_record()
    record.clock.verdict = verdict
    assert words in render(record)


def test_a_machine_that_states_no_clock_is_not_compared_with_one():
    record = full_record()
    record.clock.nominal_ghz = record.clock.verdict = record.clock.peak_from_nominal_gflops = None
    record.clock.nominal_from = "the machine does not say"
    text = render(record)
    assert "states no clock to compare it with (the machine does not say)" in text
    assert "too low" not in text


def test_levels_read_off_the_staircase_are_said_to_be_so():
    record = full_record()
    assert "The verticals are the cache sizes that the system reports" in render(record)
    record.levels_from = "staircase"
    assert "reports no caches: the 1 levels are where the staircase falls" in render(record)


def test_adds_beside_the_multiply_adds_are_said_to_gain_or_not():
    record = full_record()
    assert "this core has units for them" in render(record)
    record.ceilings[3].gflops = made_up.rate(80.0)
    assert "gain nothing on this core" in render(record)


def test_a_core_without_hardware_fma_is_spoken_of_as_one():
    record = full_record()
    record.peak.fma, record.peak.instruction_set = False, "AVX"
    record.ceilings = record.ceilings[:2]
    text = render(record)
    assert "chains of multiplications and additions" in text
    assert "multiply-adds that never" not in text
    roof_figure.draw(record)


def test_notes_of_what_is_missing_stand_among_what_is_not_known():
    record = full_record()
    record.notes = ["DRAM was measured over too little"]
    assert "- Note: DRAM was measured over too little.\n" in render(record)


def test_a_record_without_kernels_and_with_few_levels_is_rendered_and_drawn_all_the_same():
    record = made_up.roofline()
    record.bandwidth = [b for b in record.bandwidth if b.level == "DRAM"]
    record.ridge = record.ridge[1:]
    record.levels, record.ceilings, record.peak.latency_cycles = [], [], None
    assert "None" not in render(record)
    roof_figure.draw(record)
    staircase_figure.draw(record)


def test_the_figure_carries_its_data():
    record = full_record()
    drawn = data(roof_figure.draw(record))
    assert drawn["peak_gflops"] == made_up.PEAK
    assert drawn["levels"] == {"L1": made_up.L1, "DRAM": made_up.DRAM}
    assert drawn["ceilings"] == {c.name: c.gflops.best for c in record.ceilings}
    assert drawn["kernels"]["dot"]["gflops"] == 4.5
    assert drawn["kernels"]["matmul"]["intensity"] == [4.5, 1024 / 6]


def test_the_staircase_carries_its_data_and_the_reported_sizes():
    record = full_record()
    record.levels.append(Cache(level=2, bytes=1 << 20, shared_by=1))
    drawn = data(staircase_figure.draw(record))
    assert drawn["staircase"] == {str(s.working_set_bytes): s.gbs.best for s in record.staircase}
    assert drawn["verticals"] == {"L1": 32 << 10, "L2": 1 << 20}
    assert drawn["chains"] == [[s.lanes, s.accumulators, s.gflops] for s in record.peak.sweep]


@pytest.mark.parametrize(("peak", "slowest"), [(6.0, 0.0007), (20.0, 0.0015), (100.0, 0.004), (178.0, 0.004)])
@pytest.mark.parametrize(
    "levels",
    [(200, 99, 66, 24), (442, 144, 30, 21), (275, 113, 89, 31), (60, 20), (100, 12, 6), (300, 200, 130, 90, 60)],
)
def test_no_two_texts_of_the_figure_overlap(levels, peak, slowest, monkeypatch):
    """Whatever the machine: labels of levels, ceilings and kernels keep clear of each other and of the edges."""
    record = full_record()
    scale = peak / made_up.PEAK
    for rate in [record.peak.fp32_fma_gflops, *(c.gflops for c in record.ceilings)]:
        rate.best *= scale
    names = [*(f"L{k}" for k in range(1, len(levels))), "DRAM"]
    ridge = record.ridge[0].__class__
    levels = [scale * gbs for gbs in levels]  # those of a core of 100 GFLOPS
    record.ridge = [ridge(level=n, gbs=g, flop_per_byte=peak / g) for n, g in zip(names, levels, strict=True)]
    for kernel in record.kernels:
        if kernel.roof == "DRAM":
            kernel.gflops, kernel.gbs = 0.9 * 0.25 * levels[-1], kernel.gbs and 0.75 * levels[-1]
        elif kernel.name in ("einsum", "matmul"):
            kernel.gflops *= scale
        else:
            kernel.gflops = slowest
    drawn = []
    monkeypatch.setattr(roof_figure.figures, "png", lambda figure, name, data: drawn.append(figure) or b"")
    roof_figure.draw(record)
    FigureCanvasAgg(drawn[0]).draw()
    corners = [(text.get_text(), _corners(text)) for text in drawn[0].axes[0].texts]
    assert len(corners) >= len(levels) + 6
    width, height = drawn[0].canvas.get_width_height()
    for i, (name, box) in enumerate(corners):
        assert all(0 <= x <= width and 0 <= y <= height for x, y in box), name
        for other, another in corners[i + 1 :]:
            assert not _overlap(box, another), (name, other)


def test_no_two_texts_of_the_staircase_overlap_and_no_label_is_cut(monkeypatch):
    """Two widths whose curves end in one line, as on a core that does a wide instruction in two halves."""
    record = full_record()
    narrow = [msgspec.structs.replace(s, lanes=16, instruction_set="AVX-512") for s in record.peak.sweep]
    record.peak.sweep += narrow
    drawn = []
    monkeypatch.setattr(staircase_figure.figures, "png", lambda figure, name, data: drawn.append(figure) or b"")
    staircase_figure.draw(record)
    roof_figure.draw(record)
    for figure in drawn:
        FigureCanvasAgg(figure).draw()
        width, height = figure.canvas.get_width_height()
        for axes in figure.axes:
            texts = [*axes.texts, axes.yaxis.label, axes.xaxis.label, axes.title]
            legend = axes.get_legend()
            texts += legend.get_texts() if legend else []
            boxes = [text.get_window_extent() for text in texts if text.get_text()]
            assert all(box.x0 > 0 and box.y0 > 0 and box.x1 < width and box.y1 < height for box in boxes)
            if figure is drawn[0]:
                assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_a_core_that_needs_neither_fma_nor_the_widest_vectors_for_its_peak_is_said_to():
    record = full_record()
    record.ceilings = [Ceiling(name=name, gflops=made_up.rate(made_up.PEAK / 1.02)) for name in ("256-bit", "no FMA")]
    text = render(record)
    assert "a wider instruction in two halves" in text
    assert "this core has units for each" in text
    assert "two halves" not in render(full_record())


def _corners(text):
    """The four corners of a text as it stands, turned about its anchor."""
    angle = np.deg2rad(text.get_rotation())
    text.set_rotation(0)
    box = text.get_window_extent()
    x, y = text.get_transform().transform(text.get_position())
    along, up = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    around = ((box.x0, box.y0), (box.x1, box.y0), (box.x1, box.y1), (box.x0, box.y1))
    return [tuple(np.array([x, y]) + (px - x) * along + (py - y) * up) for px, py in around]


def _overlap(a, b):
    """Whether two convex quadrangles overlap: no side of either separates them."""
    for one, two in ((a, b), (b, a)):
        for k in range(4):
            (x0, y0), (x1, y1) = one[k], one[(k + 1) % 4]
            # The corners run anticlockwise: what lies inside is left of every side.
            if all((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) <= 0 for x, y in two):
                return False
    return True
