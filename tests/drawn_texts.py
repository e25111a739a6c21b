"""What a figure writes, and whether any of it covers other text or a marker."""

import itertools
from unittest import mock

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from labkit.show import canvas


def drawn(figure):
    """(text, its box in pixels) of everything that is written when the figure is drawn."""
    found, draw = {}, Text.draw

    def recording(self, renderer):
        draw(self, renderer)
        found[id(self)] = self

    agg = FigureCanvasAgg(figure)
    with mock.patch.object(Text, "draw", recording):
        figure.draw_without_rendering()  # what is written where does not need the picture
    shown = [text for text in found.values() if text.get_text().strip() and text.get_visible()]
    return [(text.get_text(), canvas.extent(text, agg.get_renderer())) for text in shown]


def overlaps(drawing):
    """What covers what: pairs of texts, and texts with a marker in them."""
    figure = drawing.figure
    boxes = [(said, box.padded(-1.0)) for said, box in drawn(figure)]
    boxes = [(said, box) for said, box in boxes if box.width > 0 and box.height > 0]
    found = [f"{a!r} on {b!r}" for (a, x), (b, y) in itertools.combinations(boxes, 2) if x.overlaps(y)]
    found += [f"{said!r} is cut off" for said, box in boxes if box.x0 < -2 or box.x1 > figure.bbox.x1 + 2]
    for axes in figure.axes:
        for line in axes.lines:
            if line.get_marker() in ("None", "", None) or line.get_transform() != axes.transData:
                continue
            for x, y in axes.transData.transform(line.get_xydata()):
                found += [f"{said!r} on a marker" for said, box in boxes if box.contains(x, y)]
    return found
