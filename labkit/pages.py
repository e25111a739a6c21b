"""README pages rendered from records, and how a number is written in one."""

import math
from pathlib import Path
from typing import Any

import jinja2

from labkit.records import Rate


def significant(value: float, digits: int = 3) -> str:
    """A number to so many significant digits, without an exponent: 0.00604, 101, 16,700."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    rounded = float(f"{value:.{digits}g}")
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:,.{decimals}f}"


def _scaled(value: float, units: list[tuple[float, str]], digits: int) -> str:
    # By the rounded value: 0.9999 s is 1.00 s, not 1,000 ms.
    rounded = abs(float(f"{value:.{digits}g}"))
    factor, unit = next(((f, u) for f, u in units if rounded >= f), units[-1])
    return f"{significant(value / factor, digits)} {unit}"


def flops(gflops: float, digits: int = 3) -> str:
    """A rate given in GFLOPS, in the unit that suits it."""
    return _scaled(gflops, [(1.0, "GFLOPS"), (1e-3, "MFLOPS"), (1e-6, "kFLOPS")], digits)


def seconds(value: float, digits: int = 3) -> str:
    """A time given in seconds, in the unit that suits it."""
    return _scaled(value, [(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")], digits)


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
    units = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
    factor, unit = next(((f, u) for f, u in units if value >= f), (1, "B"))
    return f"{significant(value / factor) if value % factor else f'{value / factor:,.0f}'} {unit}"


def percent(share: float, digits: int = 2) -> str:
    """A share as a percentage: 0.912 is `91 %`."""
    return f"{significant(100 * share, digits)} %"


def spread(rate: Rate) -> str:
    """An interval of a rate, in the unit of its median."""
    units = ((1.0, "GFLOPS"), (1e-3, "MFLOPS"), (1e-6, "kFLOPS"))
    factor, unit = next((pair for pair in units if rate.median >= pair[0]), units[-1])
    return f"{significant(rate.low / factor)} to {significant(rate.high / factor)} {unit}"


FILTERS = {
    "sig": significant,
    "flops": flops,
    "seconds": seconds,
    "bytes": bytes_,
    "percent": percent,
    "duration": duration,
    "spread": spread,
}


def render(template: Path, **records: Any) -> str:
    """A page from its template and its records; a name that the template does not know is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters.update(FILTERS)
    return environment.get_template(template.name).render(**records)
