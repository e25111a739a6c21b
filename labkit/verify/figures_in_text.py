"""The figures that a page states: a number, how exactly it is written, and its unit. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["times", "GFLOPS", "percent", "seconds", "flop/byte", "GB/s"]

_NUMBER = r"(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?:e(?P<exponent>[+-]?\d+))?"
# A unit after the number: what it is, and what one of it is in GFLOPS, %, s, flop a byte or GB/s.
_UNITS: tuple[tuple[str, Kind, float], ...] = (
    (r"(?:×|x\b|✕)(?!\s*[\d(])", "times", 1.0),
    (r"-?\s*times\b|-?\s*fold\b", "times", 1.0),
    (r"TFLOPS\b|TFLOP/s", "GFLOPS", 1e3),
    (r"GFLOPS\b|GFLOP/s", "GFLOPS", 1.0),
    (r"MFLOPS\b|MFLOP/s", "GFLOPS", 1e-3),
    (r"kFLOPS\b|kFLOP/s", "GFLOPS", 1e-6),
    (r"%|per ?cent\b", "percent", 1.0),
    (r"flops?\s*(?:/|a|per)\s*byte\b", "flop/byte", 1.0),
    (r"GB/s", "GB/s", 1.0),
    (r"min(?:utes?)?\b", "seconds", 60.0),
    (r"(?:ms|milliseconds?)\b", "seconds", 1e-3),
    (r"(?:µs|μs|us|microseconds?)\b", "seconds", 1e-6),
    (r"(?:ns|nanoseconds?)\b", "seconds", 1e-9),
    (r"(?:s|sec|seconds?)\b", "seconds", 1.0),
)
_BEFORE = re.compile(r"(?:factor|speed-?up)\s+(?:of|is|:|=)?\s*(?:about|around|roughly|~|≈)?\s*\W{0,3}$", re.IGNORECASE)
_FINDER = re.compile(r"(?<![\w.,])" + _NUMBER + r"(?![\d])", re.IGNORECASE)
_UNIT_FINDERS = [(re.compile(r"\s*\W{0,2}?(?:" + unit + ")", re.IGNORECASE), kind, one) for unit, kind, one in _UNITS]


@dataclass(frozen=True)
class Stated:
    """A figure of a page in the base unit of its kind; `half` is half of its last written digit."""

    text: str
    kind: Kind
    value: float
    half: float
    digits: int  # significant ones, as written

    def is_one_of(self, values: Iterable[float], slack: float = 0.0) -> bool:
        """Whether it is one of these values as it is rounded, or within a portion `slack` of one."""
        return any(abs(self.value - v) <= max(1.001 * self.half, slack * abs(v)) for v in values)


def stated(text: str) -> Iterator[Stated]:
    """The figures with a unit in a text."""
    for found in _FINDER.finditer(text):
        written = found["number"].replace(",", "")
        exponent = int(found["exponent"] or 0)
        if abs(exponent) > 30 or len(written) > 30:
            continue
        after = text[found.end() : found.end() + 40]
        for finder, kind, one in _UNIT_FINDERS:
            unit = finder.match(after)
            if unit:
                yield _figure(found[0] + unit[0], written, exponent, kind, one)
                break
        else:
            if _BEFORE.search(text[max(0, found.start() - 40) : found.start()]):
                yield _figure(found[0], written, exponent, "times", 1.0)


def _figure(text: str, written: str, exponent: int, kind: Kind, one: float) -> Stated:
    whole, _, decimals = written.partition(".")
    digits = (whole + decimals).lstrip("0")
    if not decimals:
        # Trailing zeros of a whole number may be rounding: 16,900 is known to the hundreds.
        digits = digits.rstrip("0")
        last = 10 ** (len(whole) - len(whole.rstrip("0")))
    else:
        last = 10.0 ** -len(decimals)
    scale = one * 10.0**exponent
    return Stated(" ".join(text.split()), kind, float(written) * scale, last / 2 * scale, len(digits))
