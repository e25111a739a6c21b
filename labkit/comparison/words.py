"""How a comparison is said, in the terminal and in a page alike. Functions of the record alone."""

from collections import defaultdict
from collections.abc import Iterable

from labkit import pages
from labkit.comparison.floors import Quantity
from labkit.records import ComparedCell, ComparedRow, Differing, Held, RunComparison

# What stands behind a figure that is not to be trusted as others are; the lab's own page has the first two.
MARKS = {"extrapolated": " †", "noisy": " ‡", "withheld": " §"}
LEGEND = {
    "†": "extrapolated by the cube law, so never compared",
    "‡": "noisy",
    "§": "not alone on its core, so never compared",
}
QUANTITIES: tuple[Quantity, ...] = ("share", "gflops")  # the share first: of the two it is what repeats
TITLES: dict[Quantity, str] = {"share": "Share of each one's own roof", "gflops": "GFLOPS, median"}
RATIO_TITLES: dict[Quantity, str] = {"share": "Share of its own roof", "gflops": "GFLOPS"}
# How the intervals of ratios are made: which are exact, and which are not.
METHOD = {
    "share": "The intervals of shares are resampled over rounds, and a ratio's combines two of them.",
    "gflops": "The interval of a ratio of GFLOPS is exact, and cautious: the quotient of two order-statistic intervals "
    "of the medians, which together hold with 95 % confidence.",
}
NOTHING_DIFFERS = "Nothing differs between the manifests but the time."
SMALL_SHARE = 0.01


def method_name(method: str) -> str:
    """The method as people call it."""
    return "np.matmul" if method == "matmul" else method


def several(record: RunComparison) -> bool:
    """Whether there are more runs than the first and one to hold against it."""
    return len(record.runs) > 2


def difference(d: Differing) -> str:
    """The values in which runs differ, each with the numbers of the runs that have it."""
    who: dict[str, list[str]] = defaultdict(list)
    for number, value in enumerate(d.values, 1):
        who[value].append(str(number))
    return "; ".join(f"{value} ({', '.join(numbers)})" for value, numbers in who.items())


def cell(found: ComparedCell, quantity: Quantity, intervals: bool = False) -> str:
    """A figure with the mark of what limits it, and its interval if that is wanted."""
    bounded = found.share if quantity == "share" else found.gflops
    if bounded is None:
        return "missing"
    value = bounded.share if found.share is bounded else found.gflops.value if found.gflops else 0.0
    scale, unit = (100.0, " %") if quantity == "share" else (1.0, "")
    # The loop's share is some thousandths of a per cent: two digits of it say all.
    digits = 2 if quantity == "share" and value < SMALL_SHARE else 3
    text = pages.significant(scale * value, digits) + unit
    if intervals and found.state == "measured":
        low, high = (pages.significant(scale * end, digits) for end in (bounded.low, bounded.high))
        text += f" ({low} to {high})"
    if found.state == "invalid":
        return f"{text} (invalid)"
    return text + MARKS.get(found.state, MARKS["noisy"] if found.noisy else "")


def ratio(held: Held) -> str:
    """The ratio with its interval, as far as either is known."""
    if held.ratio is None:
        return "-"
    if held.low is None or held.high is None:
        return times(held.ratio)
    return f"{times(held.ratio)} ({times(held.low)} to {times(held.high)})"


def times(factor: float) -> str:
    """A ratio: about 1 it is the third decimal that tells, elsewhere the third digit."""
    return f"{factor:.3f}" if 0.1 <= factor < 10 else pages.significant(factor)


def verdict(held: Held) -> str:
    """What may be said of the run, or why nothing may; a difference that rests on a noisy cell says so."""
    noisy = held.noisy and held.verdict not in ("no difference resolved", "not compared")
    return held.why or held.verdict + " (noisy)" * noisy


def said(held: Held) -> str:
    """Ratio and verdict as part of a sentence."""
    return (f"{ratio(held)}, " if held.ratio is not None else "") + verdict(held)


def gaps(record: RunComparison) -> list[str]:
    """Which cells only some of the runs have."""
    sizes: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in record.rows:
        without = [str(i) for i, c in enumerate(row.cells, 1) if c.state == "missing"]
        if without:
            sizes[row.method, ", ".join(without)].append(str(row.n))
    return [f"{method_name(m)} at N = {', '.join(ns)} is missing in {who}" for (m, who), ns in sizes.items()]


def legend(texts: Iterable[str]) -> list[str]:
    """The marks that appear in these texts, each with its meaning."""
    shown = "".join(texts)
    return [f"{mark} {meaning}" for mark, meaning in LEGEND.items() if mark in shown]


def methods(record: RunComparison) -> list[str]:
    """The methods in the order of the rows."""
    return list(dict.fromkeys(row.method for row in record.rows))


def telling_row(record: RunComparison, method: str) -> ComparedRow:
    """The row that says most of a method: the largest size at which the most runs can be held against the first."""
    own = [row for row in record.rows if row.method == method]

    def says(row: ComparedRow) -> tuple[int, int, int, int]:
        told = sum(held is not None and held.verdict != "not compared" for held in row.gflops)
        measured = sum(cell.state == "measured" for cell in row.cells)
        return told, measured, sum(cell.repetitions > 0 for cell in row.cells), row.n

    return max(own, key=says)
