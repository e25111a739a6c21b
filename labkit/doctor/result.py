"""What a check says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Literal

from labkit.doctor.facts import Fix

LEAST_FACTOR = 1.05  # a smaller one is within the noise of three rounds on a machine that others use too


State = Literal["error", "warning", "fine", "unknown"]


@dataclass
class Result:
    """What one check says; an error or a warning has the command that fixes it, and what it costs if measured."""

    state: State
    seen: str
    mend: str = ""
    cost: str | None = None
    check: str = ""  # its name in CHECKS


def findings(of: Iterable[Result]) -> list[Result]:
    """The errors and warnings among the results."""
    return [result for result in of if result.state in ("error", "warning")]


def times(fix: Fix, what: str = "np.matmul") -> str:
    """`5.12 in np.matmul (median of 3 pairs of processes, 5.08 to 5.20)`."""
    pairs = fix.factors
    spread = f"median of {len(pairs)} pairs of processes, {min(pairs):.2f} to {max(pairs):.2f}"
    return f"{median(pairs):.2f} in {what} ({spread if len(pairs) > 1 else 'one pair of processes'})"
