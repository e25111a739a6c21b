"""What a figure writes, and whether any of it overlaps: by the turned outlines of the texts as they are drawn."""

import itertools
from unittest import mock

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text


def drawn(figure):
    """(text, its four corners in pixels) of everything that is written when the figure is drawn."""
    found, draw = {}, Text.draw

    def recording(self, renderer):
        draw(self, renderer)
        if self.get_text().strip() and self.get_visible():
            found[id(self)] = self, self.get_text(), corners(self, renderer)

    with mock.patch.object(Text, "draw", recording):
        FigureCanvasAgg(figure).draw()
    return [(text, outline) for _, text, outline in found.values()]


def corners(text, renderer):
    """The outline of a text, which may be turned about its anchor."""
    angle, turned = text.get_rotation(), text.get_rotation() % 90
    if turned:
        text.set_rotation(0)
    box = Text.get_window_extent(text, renderer)  # of the text alone, without the line to its curve
    text.set_rotation(angle)
    points = np.array([[box.x0, box.y0], [box.x1, box.y0], [box.x1, box.y1], [box.x0, box.y1]])
    if turned:
        anchor, a = text.get_transform().transform(text.get_position()), np.radians(angle)
        points = (points - anchor) @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]) + anchor
    return points


def overlap(a, b, slack=1.0):
    """Whether two convex outlines share more than `slack` pixels: no line separates them."""
    for one, other in itertools.permutations((a, b)):
        for start, end in zip(one, np.roll(one, -1, axis=0), strict=True):
            across = np.array([start[1] - end[1], end[0] - start[0]]) / np.hypot(*(end - start))
            if (one @ across).min() >= (other @ across).max() - slack:
                return False
            if (other @ across).min() >= (one @ across).max() - slack:
                return False
    return True


def overlapping(figure):
    """Pairs of texts that cover each other, and texts that leave the figure."""
    texts = drawn(figure)
    pairs = [(a, b) for (a, p), (b, q) in itertools.combinations(texts, 2) if overlap(p, q)]
    width, height = figure.bbox.width, figure.bbox.height
    outside = [t for t, p in texts if p.min() < 0 or p[:, 0].max() > width or p[:, 1].max() > height]
    return pairs + outside
