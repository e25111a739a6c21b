"""The figures that a page states: a number, how exactly it is written, and its unit. Pure."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

Kind = Literal["times", "GFLOPS", "percent", "seconds", "flop/byte", "GB/s"]

# What may stand between groups of three digits: each country has its own. A comma or a point may be decimal, too.
_GROUPING = ",.'\u2019_ \u00a0\u2009\u202f"
_NUMBER = rf"\d{{1,3}}(?:[{_GROUPING}]\d{{3}})+(?:[.,]\d{{1,12}})?(?!\d)|\d{{1,30}}(?:[.,]\d{{1,30}})?"
_EXPONENT = r"(?:e([+-]?\d{1,2})(?!\d)|\s?[×x·*]\s?10\s?(?:\^\s?\{?(\d{1,2})\}?|([⁰¹²³⁴-⁹]{1,2})))"
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
# A unit after the number: what it is, and what one of it is in GFLOPS, %, s, flop a byte or GB/s.
_UNITS: tuple[tuple[str, Kind, float], ...] = (
    (r"(?:k|thousand|mille|mil|tausend)\s?-?(?:×|x\b|times\b|fold\b|mal\b|fois\b|veces\b)", "times", 1e3),
    (r"(?:×|x\b|✕)(?!\s*[\d(])", "times", 1.0),
    (r"-?\s?(?:times|fold|mal|fois|veces)\b", "times", 1.0),
    (r"TFLOPS\b|TFLOP/s", "GFLOPS", 1e3),
    (r"GFLOPS\b|GFLOP/s", "GFLOPS", 1.0),
    (r"MFLOPS\b|MFLOP/s", "GFLOPS", 1e-3),
    (r"kFLOPS\b|kFLOP/s", "GFLOPS", 1e-6),
    (r"%|per ?cent\b", "percent", 1.0),
    (r"flops?\s?(?:/|a|per)\s?byte\b|F(?:LOPs?)?/B\b|floating[- ]point operations (?:a|per) byte\b", "flop/byte", 1.0),
    (r"GB/s", "GB/s", 1.0),
    (r"min(?:utes?)?\b", "seconds", 60.0),
    (r"(?:ms|milliseconds?)\b", "seconds", 1e-3),
    (r"(?:µs|μs|us|microseconds?)\b", "seconds", 1e-6),
    (r"(?:ns|nanoseconds?)\b", "seconds", 1e-9),
    (r"(?:s|sec|seconds?)\b", "seconds", 1.0),
)
# A word before the number that makes it a factor, whatever follows.
_BEFORE = re.compile(
    r"(?:factor|speed-?up|ratio|multiplier)\W{0,3}(?:of|is|:|=)?\W{0,3}(?:about|roughly)?\W{0,3}$", re.I
)
_FINDER = re.compile(rf"(?<![\w.,])({_NUMBER})(?:{_EXPONENT})?", re.I)
_UNIT_FINDERS = [(re.compile(r"[\s*_~()]{0,3}(?:" + unit + ")", re.I), kind, one) for unit, kind, one in _UNITS]
# How far before and after a number its words are looked for, in letters.
_NEAR = 40


@dataclass(frozen=True)
class Reading:
    """A number as it may be meant: its value, half of its last written digit, and its significant digits."""

    value: float
    half: float
    digits: int


@dataclass(frozen=True)
class Stated:
    """A figure of a page, in the base unit of its kind. 20.000 may be twenty or twenty thousand: two readings."""

    text: str
    kind: Kind
    readings: tuple[Reading, ...]

    @property
    def value(self) -> float:
        """Its largest reading."""
        return max(reading.value for reading in self.readings)

    @property
    def digits(self) -> int:
        """Significant digits, in the reading that has the fewest."""
        return min(reading.digits for reading in self.readings)

    def about(self, values: Iterable[float], slack: float) -> bool:
        """Whether it is within a portion `slack` of one of these values, or one of them as it is rounded."""
        known = list(values)
        return any(abs(r.value - v) <= max(1.001 * r.half, slack * abs(v)) for r in self.readings for v in known)

    def is_one_of(self, ordered: Sequence[float]) -> bool:
        """Whether it is one of these values, given in ascending order, as it is rounded."""
        for reading in self.readings:
            at = bisect_left(ordered, reading.value - 1.001 * reading.half)
            if at < len(ordered) and ordered[at] <= reading.value + 1.001 * reading.half:
                return True
        return False


def plain(text: str) -> str:
    """A text without what LaTeX and Markdown put around its numbers."""
    text = re.sub(r"\\(?:text|mathrm|mathbf)\s?\{([^{}]{0,100})\}", r"\1", text)
    text = text.replace("{,}", ",").replace("\\times", "×").replace("\\cdot", "·").replace("\\%", "%")
    return re.sub(r"\\[,;: ]", " ", text).replace("$", " ").replace("**", "")


def stated(text: str) -> Iterator[Stated]:
    """The figures with a unit in a text."""
    text = plain(text)
    for found in _FINDER.finditer(text):
        exponent = int(found[2] or found[3] or (found[4] or "0").translate(_SUPERSCRIPTS))
        after = text[found.end() : found.end() + _NEAR]
        for finder, kind, one in _UNIT_FINDERS:
            unit = finder.match(after)
            if unit:
                yield Stated(" ".join((found[0] + unit[0]).split()), kind, _readings(found[1], exponent, one))
                break
        else:
            # `2 × 10^4` states a factor by itself.
            if found[3] or found[4] or _BEFORE.search(text[max(0, found.start() - _NEAR) : found.start()]):
                yield Stated(found[0].strip(), "times", _readings(found[1], exponent, 1.0))


def _readings(written: str, exponent: int, one: float) -> tuple[Reading, ...]:
    scale = one * 10.0**exponent
    whole = re.split(rf"[{_GROUPING}]", written)
    if len(whole) == 1:
        return (_reading(written, "", scale),)
    decimal = written[len(whole[0])] in ",." and len(whole) == 2
    grouped = whole[0][0] != "0" and len(whole[0]) <= 3 and all(len(group) == 3 for group in whole[1:-1])
    found = []
    if decimal:
        found.append(_reading(whole[0], whole[1], scale))
    if grouped and len(whole[-1]) == 3 and len({written[i] for i in _separators(whole)}) == 1:
        found.append(_reading("".join(whole), "", scale))
    elif grouped and len(whole) > 2:  # 16,900.5
        found.append(_reading("".join(whole[:-1]), whole[-1], scale))
    if written[len(whole[0])].isspace():  # two numbers side by side, of which the last has the unit
        found.append(_reading(whole[-1], "", scale))
    return tuple(found) or (_reading("".join(whole), "", scale),)


def _separators(whole: Sequence[str]) -> Iterator[int]:
    """Where the separators of a number stand in it."""
    ends = [0]
    for group in whole[:-1]:
        ends.append(ends[-1] + len(group) + 1)
    yield from (after - 1 for _, after in pairwise(ends))


def _reading(whole: str, decimals: str, scale: float) -> Reading:
    digits = (whole + decimals).lstrip("0")
    last = 10.0 ** -len(decimals)
    if not decimals:
        # Trailing zeros of a whole number may be rounding: 16,900 is known to the hundreds.
        digits = digits.rstrip("0")
        last = 10.0 ** (len(whole) - len(whole.rstrip("0"))) if whole.strip("0") else 1.0
    return Reading(float(f"{whole}.{decimals or 0}") * scale, last / 2 * scale, len(digits))
