"""The look of every figure: size, colours, labels, and the data embedded in the file."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart by readers with any of the common colour deficiencies.
BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, YELLOW, BLACK = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#222222",
)  # fmt: skip
GREY = "#666666"
# Text needs more contrast with white (4.5 to 1) than a thick line does.
_INK = {
    ORANGE: "#8A5F00",
    GREEN: "#007A59",
    VERMILION: "#B04E00",
    PURPLE: "#9C4A79",
    SKY: "#2475A8",
    YELLOW: "#756C00",
}
# A README shows about 900 px: 9 in at 200 dpi is sharp there, and 10 pt reads as 10 px or more.
WIDTH_INCHES, HEIGHT_INCHES, DPI = 9.0, 5.8, 200
PALE_PORTION = 0.35
# The least distance between two labels at a curve's end, in points.
LABEL_GAP_POINTS = 13.0

_STYLE: dict[str, Any] = {
    "font.size": 11.0,
    "axes.titlesize": 13.0,
    "axes.labelsize": 11.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "font.family": "DejaVu Sans",
}
matplotlib.rcParams.update(_STYLE)  # type: ignore[arg-type]  # its stub lists every key as a literal


def ink(colour: str) -> str:
    """The shade of a colour to write in."""
    return _INK.get(colour, colour)


def pale(colour: str) -> str:
    """The colour, most of it white: the inside of a marker that is not to be trusted as much as others."""
    red, green, blue = (1 - PALE_PORTION * (1 - part) for part in to_rgb(colour))
    return str(to_hex((red, green, blue)))


def new_figure(**margins: float) -> tuple[Figure, Axes]:
    """A figure with one pair of axes in the house's look, within margins given as portions of its size."""
    figure = Figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES), dpi=DPI)
    axes = figure.subplots()
    figure.subplots_adjust(**margins)
    return figure, axes


def spread_apart(positions: Sequence[float], gap: float) -> list[float]:
    """Positions moved as little as need be so that neighbours stand `gap` apart; order kept.

    Neighbours that are too close form a block, centred on the mean of what its members wanted.
    """
    order = sorted(range(len(positions)), key=lambda i: positions[i])
    blocks: list[list[int]] = []

    def places(block: list[int]) -> list[float]:
        middle = sum(positions[i] for i in block) / len(block)
        return [middle + gap * (k - (len(block) - 1) / 2) for k in range(len(block))]

    for index in order:
        blocks.append([index])
        while len(blocks) > 1 and places(blocks[-1])[0] - places(blocks[-2])[-1] < gap:
            last = blocks.pop()
            blocks[-1].extend(last)
    moved = [0.0] * len(positions)
    for block in blocks:
        for i, place in zip(block, places(block), strict=True):
            moved[i] = place
    return moved


def label_ends(figure: Figure, axes: Axes, labels: Sequence[tuple[float, float, str, str]]) -> None:
    """Labels (x, y, text, colour) to the right of curve ends, moved apart vertically so that none overlap."""
    axes.get_xlim(), axes.get_ylim()  # settles limits that were left to the data
    points_per_pixel = 72.0 / figure.dpi
    wanted = [float(axes.transData.transform((x, y))[1]) * points_per_pixel for x, y, _, _ in labels]
    for (x, y, text, colour), at, to in zip(labels, wanted, spread_apart(wanted, LABEL_GAP_POINTS), strict=True):
        axes.annotate(
            text, (x, y), xytext=(9, to - at), textcoords="offset points", color=ink(colour), va="center",
            fontweight="bold", fontsize=10, annotation_clip=False,
        )  # fmt: skip


def png(figure: Figure, title: str, data: Mapping[str, Any]) -> bytes:
    """The figure as a PNG that carries its title and the data of its curves."""
    buffer = io.BytesIO()
    described = json.dumps(data, sort_keys=True)
    figure.savefig(buffer, format="png", metadata={"Title": title, "Description": described, "Software": None})
    return buffer.getvalue()
