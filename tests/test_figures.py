"""The look of every figure: labels apart and legible, data carried in the file."""

import io
import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from labkit import figures
from labkit.figures import ink, label_ends, new_figure, png, spread_apart

places = st.lists(st.floats(-1e4, 1e4), max_size=12)
gaps = st.floats(0.1, 100)
COLOURS = (figures.BLUE, figures.ORANGE, figures.GREEN, figures.VERMILION, figures.PURPLE, figures.SKY, figures.YELLOW)
TOLERANCE = 1e-6


@settings(deadline=None)
@given(places, gaps)
def test_moved_positions_keep_their_order_and_stand_a_gap_apart(positions, gap):
    moved = spread_apart(positions, gap)
    order = sorted(range(len(positions)), key=lambda i: positions[i])
    for lower, upper in itertools.pairwise(order):
        assert moved[upper] - moved[lower] >= gap - TOLERANCE


@settings(deadline=None)
@given(places, gaps)
def test_positions_that_are_apart_already_are_not_moved(positions, gap):
    moved = spread_apart(positions, gap)
    for i, at in enumerate(positions):
        if all(abs(at - other) > gap * len(positions) for k, other in enumerate(positions) if k != i):
            assert moved[i] == pytest.approx(at, abs=TOLERANCE)


@settings(deadline=None)
@given(places, gaps)
def test_positions_are_not_moved_further_than_need_be(positions, gap):
    """The least-squares answer, block by block: no block could split, and each sits on its members' mean."""
    moved = spread_apart(positions, gap)
    order = sorted(range(len(positions)), key=lambda i: positions[i])
    block = []
    for i, following in itertools.zip_longest(order, order[1:]):
        block.append(i)
        if following is not None and moved[following] - moved[i] <= gap + TOLERANCE:
            continue
        pulls = [moved[k] - positions[k] for k in block]
        assert sum(pulls) == pytest.approx(0, abs=len(block) * TOLERANCE)
        assert all(sum(pulls[:k]) <= TOLERANCE * len(block) for k in range(len(block)))  # lower ones pushed down
        block = []


def test_two_that_coincide_move_half_a_gap_each():
    assert spread_apart([5.0, 5.0], 2.0) == [4.0, 6.0]
    assert spread_apart([5.0, 100.0, 5.0], 2.0) == [4.0, 100.0, 6.0]
    assert spread_apart([], 2.0) == []


def test_a_push_that_reaches_the_next_label_moves_that_one_too():
    assert spread_apart([0.0, 0.0, 1.5], 2.0) == pytest.approx([-1.5, 0.5, 2.5])
    # Three at 3 spread to 1, 3, 5; the first of them then meets the one at 0.
    assert spread_apart([0.0, 3.0, 3.0, 3.0], 2.0) == pytest.approx([-0.75, 1.25, 3.25, 5.25])


def contrast_with_white(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 1.05 / (sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True)) + 0.05)


@pytest.mark.parametrize("colour", [*COLOURS, figures.BLACK, figures.GREY])
def test_text_in_every_colour_can_be_read_on_white(colour):
    assert contrast_with_white(ink(colour)) >= 4.5


def test_no_two_curves_share_a_colour_or_an_ink():
    assert len(set(COLOURS)) == len({ink(colour) for colour in COLOURS}) == 7


def drawn():
    figure, axes = new_figure(left=0.1, right=0.7)
    axes.set_xscale("log")
    axes.set_yscale("log")
    ends = [(1024, y, f"label {i}", COLOURS[i]) for i, y in enumerate((50.0, 51.0, 50.5, 0.004))]
    for x, y, _, colour in ends:
        axes.plot([64, x], [y, y], color=colour)
    axes.set_xlim(50, 1200)
    axes.set_ylim(0.001, 200)
    label_ends(figure, axes, ends)
    return figure, axes


def test_labels_at_curve_ends_do_not_overlap_even_where_the_curves_do():
    figure, axes = drawn()
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    boxes = [text.get_window_extent(renderer) for text in axes.texts]
    assert len(boxes) == 4
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    centres = sorted((box.y0 + box.y1) / 2 * 72 / figures.DPI for box in boxes)
    assert np.diff(centres)[1:] == pytest.approx(figures.LABEL_GAP_POINTS, abs=0.3)  # moved no further than need be
    assert all(box.x0 > axes.transData.transform((1024, 1))[0] for box in boxes)  # to the right of the ends


def test_the_file_carries_its_title_and_the_data_of_its_curves():
    data = {"matmul": [[64, 55.0], [128, 80.5]], "µ": None}
    with Image.open(io.BytesIO(png(drawn()[0], "A title", data))) as image:
        assert image.text["Title"] == "A title"
        assert json.loads(image.text["Description"]) == data
        assert "Software" not in image.text
        assert image.size == (figures.WIDTH_INCHES * figures.DPI, figures.HEIGHT_INCHES * figures.DPI)


def test_the_same_record_is_drawn_to_the_same_bytes():
    assert png(drawn()[0], "t", {"b": 1, "a": 2}) == png(drawn()[0], "t", {"a": 2, "b": 1})
