"""What a method and a kernel look like in every figure: a colour that the page's style sheet knows, and a shape."""

from dataclasses import dataclass

# Shapes as SVG paths in the square from -1 to 1: Vega and the page's legends draw the same ones.
CIRCLE = "M 0 -1 A 1 1 0 1 1 0 1 A 1 1 0 1 1 0 -1 Z"
SQUARE = "M -0.85 -0.85 L 0.85 -0.85 L 0.85 0.85 L -0.85 0.85 Z"
UP, DOWN = "M 0 -1 L 1 0.8 L -1 0.8 Z", "M 0 1 L 1 -0.8 L -1 -0.8 Z"
LEFT, RIGHT = "M -1 0 L 0.8 -1 L 0.8 1 Z", "M 1 0 L -0.8 -1 L -0.8 1 Z"
PLUS = (
    "M -0.35 -1 L 0.35 -1 L 0.35 -0.35 L 1 -0.35 L 1 0.35 L 0.35 0.35 L 0.35 1 L -0.35 1 L -0.35 0.35 "
    "L -1 0.35 L -1 -0.35 L -0.35 -0.35 Z"
)
DIAMOND = "M 0 -1 L 1 0 L 0 1 L -1 0 Z"
CROSS = "M -1 -1 L 1 1 M 1 -1 L -1 1"
SOLID = (1, 0)  # as a dash: pixels on and off

# Okabe and Ito's colours, as variables: the style sheet has a shade of each for light paper and for dark.
BLUE, GREEN, SKY, VERMILION, PURPLE, ORANGE, YELLOW, INK, SOFT, PAPER = (
    f"var(--{name})"
    for name in ("blue", "green", "sky", "vermilion", "purple", "orange", "yellow", "ink", "soft", "paper")
)
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, YELLOW)


@dataclass(frozen=True)
class Look:
    """How something is named and drawn: a marker of a shape or, with a dash (pixels on and off), a line."""

    name: str
    colour: str
    shape: str = CIRCLE
    dash: tuple[int, ...] = ()


_METHODS = {
    "matmul": Look("np.matmul", BLUE, CIRCLE),
    "einsum": Look("einsum", GREEN, SQUARE),
    "einsum_optimized": Look("einsum, optimized", SKY, PLUS),
    "blocked": Look("blocked", VERMILION, UP),
    "naive": Look("naive", PURPLE, DOWN),
    "blocked_32": Look("blocked, 32", ORANGE, LEFT),
    "blocked_128": Look("blocked, 128", YELLOW, RIGHT),
    "memcpy": Look("np.copyto", SOFT, DIAMOND),
    "dot": Look("np.dot", ORANGE, PLUS),
}
_LEVELS = {
    "L1": Look("L1", SKY, dash=SOLID),
    "L2": Look("L2", GREEN, dash=(9, 3)),
    "L3": Look("L3", ORANGE, dash=(9, 3, 2, 3)),
    "L4": Look("L4", VERMILION, dash=(3, 3)),
    "DRAM": Look("DRAM", INK, dash=SOLID),
}


def of_method(method: str) -> Look:
    """A method or a kernel; one that is not known here is drawn in grey under its own name."""
    return _METHODS.get(method, Look(method, SOFT, DIAMOND))


def of_level(level: str) -> Look:
    """A level of memory."""
    return _LEVELS.get(level, Look(level, SOFT, dash=(2, 2)))


def of_run(name: str, place: int) -> Look:
    """A run among several, by its place."""
    return Look(name, COLOURS[place % len(COLOURS)])
