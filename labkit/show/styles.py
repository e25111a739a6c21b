"""How things look, wherever they are shown: one table of colours and markers, and their names."""

import re
from dataclasses import dataclass

from matplotlib.colors import to_hex, to_rgb

# Okabe and Ito's palette, told apart by readers with any of the common colour deficiencies.
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, YELLOW, BLACK = "#CC79A7", "#56B4E9", "#F0E442", "#222222"
GREY, GRID, WHITE = "#666666", "#DDDDDD", "#FFFFFF"
# The variable that a colour is in the HTML report, its shade for text on white (which needs a contrast of 4.5 to 1,
# more than a thick line does), and its shade on dark paper.
_SHADES = {
    BLUE: ("blue", BLUE, "#4FAAE6"),
    ORANGE: ("orange", "#8A5F00", "#E69F00"),
    GREEN: ("green", "#007A59", "#1FBF92"),
    VERMILION: ("vermilion", "#B04E00", "#F07B26"),
    PURPLE: ("purple", "#9C4A79", "#DC93BA"),
    SKY: ("sky", "#2475A8", "#8CCFF6"),
    YELLOW: ("yellow", "#756C00", "#F0E442"),
    BLACK: ("ink", BLACK, "#ECECEC"),
    GREY: ("soft", GREY, "#B0B4BA"),
    GRID: ("line", GRID, "#3A3E45"),
    WHITE: ("paper", WHITE, "#16181C"),
}
PALE_PORTION = 0.35
_GLYPHS = {"o": "●", "s": "■", "P": "✚", "^": "▲", "v": "▼", "<": "◀", ">": "▶", "D": "◆", "X": "✖", "": "━"}


@dataclass(frozen=True)
class Style:
    """How something is named and drawn: its colour, and its marker in Matplotlib's notation."""

    name: str
    colour: str
    marker: str = "o"

    @property
    def glyph(self) -> str:
        """The marker as a character."""
        return _GLYPHS[self.marker]


# Colour and marker both tell these apart. In the order of a legend: the fastest first.
METHODS = {
    "matmul": Style("np.matmul", BLUE, "o"),
    "einsum": Style("einsum", GREEN, "s"),
    "einsum_optimized": Style("einsum opt.", SKY, "P"),
    "blocked": Style("blocked", VERMILION, "^"),
    "naive": Style("naive", PURPLE, "v"),
    "blocked_32": Style("blocked 32", ORANGE, "<"),
    "blocked_128": Style("blocked 128", YELLOW, ">"),
    "memcpy": Style("np.copyto", GREY, "D"),
    "dot": Style("np.dot", VERMILION, "X"),
}
# Orders of the loops, as bytes are counted.
LOOPS = {
    "naive": Style("naive", PURPLE, "v"),
    "i-k-j": Style("i, k, j", ORANGE, "D"),
    "blocked": Style("blocked", VERMILION, "^"),
    "packed": Style("packed", GREEN, "s"),
}
LEVELS = {"L1": SKY, "L2": GREEN, "L3": ORANGE, "L4": VERMILION, "DRAM": BLACK}
# What has no colour of its own takes them in this order.
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, YELLOW)


def of_method(method: str) -> Style:
    """A method or a kernel; one that is not in the table is drawn in grey under its own name."""
    return METHODS.get(method, Style(method, GREY, "D"))


def ink(colour: str) -> str:
    """The shade of a colour to write in."""
    return _SHADES[colour][1]


def pale(colour: str) -> str:
    """The colour, most of it white: the inside of a marker that is to be trusted less than others."""
    red, green, blue = (1 - PALE_PORTION * (1 - part) for part in to_rgb(colour))
    return to_hex((red, green, blue)).upper()


# --- in the HTML report ---------------------------------------------------------------------------------


def variables() -> str:
    """Every colour as a CSS variable. On light paper it is the ink: thin lines and text can both be seen."""
    return " ".join(f"--{name}: light-dark({light}, {dark});" for name, light, dark in _SHADES.values())


def themed(drawn: str) -> str:
    """A drawing, or a colour alone, whose colours follow the theme."""
    return re.sub(r"#[0-9a-fA-F]{6}\b", lambda found: _VARIABLES.get(found[0].upper(), found[0]), drawn)


# The shades come last: a pale one that is another's ink is that ink.
_VARIABLES = {
    "#000000": "var(--ink)",
    **{
        pale(colour): f"color-mix(in srgb, var(--{name}) {100 * PALE_PORTION:.0f}%, var(--paper))"
        for colour, (name, *_) in _SHADES.items()
    },
    **{shade: f"var(--{name})" for colour, (name, light, _) in _SHADES.items() for shade in (colour, light)},
}
