"""How a number is written, wherever one is shown. Standard library only."""

import math
from collections.abc import Sequence

Units = Sequence[tuple[float, str]]  # factors and their units, the largest first

FLOPS: Units = ((1.0, "GFLOPS"), (1e-3, "MFLOPS"), (1e-6, "kFLOPS"))
SECONDS: Units = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
BYTES: Units = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B"))
# A portion below this is written as 1/25,000: so many zeros are not read.
SMALL_PORTION = 0.01
NO_PORTION = 1e-9  # what rounding leaves of a difference of none


def significant(value: float, digits: int = 3) -> str:
    """A number to so many significant digits, without an exponent: 0.00604, 101, 16,700."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    rounded = float(f"{value:.{digits}g}")
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:,.{decimals}f}"


def interval(low: float, high: float, digits: int = 3) -> str:
    """Two numbers: 16,900 to 17,000."""
    return f"{significant(low, digits)} to {significant(high, digits)}"


def _unit(value: float, units: Units, digits: int) -> tuple[float, str]:
    # By the rounded value: 0.9999 s is 1.00 s, not 1,000 ms.
    rounded = abs(float(f"{value:.{digits}g}"))
    return next((pair for pair in units if rounded >= pair[0]), units[-1])


def flops(gflops: float, digits: int = 3) -> str:
    """A rate given in GFLOPS, in the unit that suits it."""
    factor, unit = _unit(gflops, FLOPS, digits)
    return f"{significant(gflops / factor, digits)} {unit}"


def brief_flops(gflops: float) -> str:
    """The same in few columns: 101 GF."""
    return flops(gflops).removesuffix("LOPS")


def flops_interval(low: float, high: float, digits: int = 3) -> str:
    """Two rates given in GFLOPS, in the unit that suits the first: 1.5 to 6.0 MFLOPS."""
    factor, unit = _unit(low, FLOPS, digits)
    return f"{interval(low / factor, high / factor, digits)} {unit}"


def seconds(value: float, digits: int = 3) -> str:
    """A time given in seconds, in the unit that suits it."""
    factor, unit = _unit(value, SECONDS, digits)
    return f"{significant(value / factor, digits)} {unit}"


def duration(seconds: float) -> str:
    """A duration as people say it: 8 s, 4 min 10 s, 1 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def bytes_(value: float) -> str:
    """A size in bytes: 32 KiB, 1 MiB."""
    factor, unit = next((pair for pair in BYTES if value >= pair[0]), BYTES[-1])
    return f"{significant(value / factor) if value % factor else f'{value / factor:,.0f}'} {unit}"


def percent(portion: float, digits: int = 2) -> str:
    """A portion as a percentage: 0.912 is `91 %`."""
    return f"{significant(100 * portion, digits) if abs(portion) > NO_PORTION else '0'} %"


def fraction(portion: float, digits: int = 3) -> str:
    """A fraction of something: `86.1 %`, or `1/25,000` of a very small one."""
    return percent(portion, digits) if portion >= SMALL_PORTION or portion <= 0 else f"1/{significant(1 / portion, 2)}"


def times(factor: float, digits: int = 3) -> str:
    """A factor: `88.2×`."""
    return f"{significant(factor, digits)}×"


def times_interval(factor: float, low: float, high: float) -> str:
    """A factor with its interval: `88.2× (88.0 to 88.4)`."""
    return f"{times(factor)} ({interval(low, high)})"


def listed(words: Sequence[str]) -> str:
    """a, b and c."""
    return ", ".join(words[:-1]) + " and " + words[-1] if len(words) > 1 else "".join(words)


def count(many: int, noun: str) -> str:
    """1 sample, 12 samples."""
    return f"{many:,} {noun}{'' if many == 1 else 's'}"
