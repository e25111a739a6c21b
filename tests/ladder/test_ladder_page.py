"""The ladder's page and figure follow the record."""

import io
import itertools
import json
import re

import ladder_figure
import ladder_page
import made_ladder
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image


def page(ladder):
    return ladder_page.render(ladder, made_ladder.manifest())


@pytest.fixture(scope="module")
def text():
    return page(made_ladder.ladder())


def test_the_page_closes_the_gap_and_gives_every_factor_with_its_interval(text):
    assert "21,000 times" in text
    assert "The product of the factors" in text or "the product of the factors is 21,000" in text
    for factor in made_ladder.ladder().factors:
        assert f"x {ladder_page.pages.significant(factor.ratio)} (" in text


def test_the_prose_follows_the_data():
    assert "what was rebuilt has passed it" in page(made_ladder.ladder())
    assert "what was rebuilt has passed it" not in page(made_ladder.ladder(matmul=100.0))
    assert "caches matter more, the faster the arithmetic" in page(made_ladder.ladder())
    other = page(made_ladder.ladder(**{"blocks + SIMD": 24.0}))
    assert "the caches feed that loop either way" in other
    assert "is not earned back" in page(made_ladder.ladder(**{"blocks + SIMD": 21.0}))


def test_what_was_timed_over_a_part_of_the_rows_is_marked(text):
    (row,) = [line for line in text.splitlines() if line.startswith("| the naive rung")]
    assert "†" in row
    (row,) = [line for line in text.splitlines() if line.startswith("| the compiled rung")]
    assert "†" not in row


def test_pages_have_no_stray_template_syntax_or_double_blank_lines(text):
    assert not re.search(r"{{|}}|{%|%}|None|undefined", text)
    assert "\n\n\n" not in text


def test_a_machine_without_openblas_has_no_table_of_older_kernels():
    ladder = made_ladder.ladder()
    ladder.kernels = []
    assert "OPENBLAS_CORETYPE" not in page(ladder)


def test_the_figure_carries_its_bars_factors_and_curves():
    ladder = made_ladder.ladder()
    data = json.loads(Image.open(io.BytesIO(ladder_figure.draw(ladder))).text["Description"])
    assert set(data["bars"]) == set(made_ladder.STEPS)
    assert data["factors"]["compiled / naive"][0] == pytest.approx(100)
    assert data["curves"]["FMA"] == [[n, pytest.approx(24, rel=1e-3)] for n in made_ladder.SIZES]
    assert data["peak_gflops"] == ladder.roof.peak_gflops


@pytest.mark.parametrize("matmul", [84.0, 99.0, 2.0])
def test_no_two_texts_of_the_bars_overlap_and_none_is_cut(matmul, monkeypatch):
    drawn = []
    monkeypatch.setattr(ladder_figure.figures, "png", lambda figure, name, data: drawn.append(figure) or b"")
    ladder_figure.draw(made_ladder.ladder(matmul=matmul))
    FigureCanvasAgg(drawn[0]).draw()
    width, height = drawn[0].canvas.get_width_height()
    bars, curves = drawn[0].axes
    boxes = [t.get_window_extent() for t in (*bars.texts, *bars.get_yticklabels(), bars.xaxis.label)]
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height for box in boxes)
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    assert bars.xaxis.label.get_window_extent().x1 < curves.xaxis.label.get_window_extent().x0
    label = curves.yaxis.label.get_window_extent()
    assert label.x0 > max(t.get_window_extent().x1 for t in bars.texts)
