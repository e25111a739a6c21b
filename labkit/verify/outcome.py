"""What became of a demand: met, not met, or unknown, each with a reason."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from labkit.errors import printable

# A learner fixes one thing at a time; thirty lines of the same fault hide the others.
SHOWN, LONGEST = 3, 600
# One tolerance for what is derived again: text and back costs nothing, another order of summation the last digits.
SAME = 1e-6


@dataclass(frozen=True)
class Check:
    """A demand by its number and name. `passed` is None where it cannot be known; `reason` says why."""

    name: str
    passed: bool | None
    reason: str

    def __post_init__(self) -> None:
        # A reason quotes what was handed in: no control character of it reaches a terminal.
        object.__setattr__(self, "reason", printable(self.reason)[:LONGEST])


def judge(name: str, faults: Iterable[str], met: str, unknown: str = "") -> Check:
    """Not met if there are faults, of which the first few are shown; else unknown, if there is a reason; else met."""
    if found := list(dict.fromkeys(faults)):
        more = f"; and {len(found) - SHOWN} more like it" if len(found) > SHOWN else ""
        return Check(name, False, "; ".join(found[:SHOWN]) + more)
    return Check(name, None, unknown) if unknown else Check(name, True, met)


def brief(value: object) -> str:
    """A value as it is quoted."""
    return "nothing" if value is None else repr(value)[:60]


def unequal(given: Any, wanted: Any, path: str = "") -> Iterator[str]:
    """Where a JSON value is not what it should be."""
    if isinstance(given, dict) and isinstance(wanted, dict):
        for key in wanted | given:
            yield from unequal(given.get(key), wanted.get(key), f"{path} {key}".strip())
    elif isinstance(given, list) and isinstance(wanted, list):
        if len(given) != len(wanted):
            yield f"{path} has {len(given)} entries, not {len(wanted)}"
            return
        for i, (a, b) in enumerate(zip(given, wanted, strict=True)):
            yield from unequal(a, b, f"{path}[{i}]")
    elif isinstance(given, float | int) and isinstance(wanted, float):
        if not math.isclose(given, wanted, rel_tol=SAME, abs_tol=1e-15):
            yield f"{path} is {given:.6g}, not {wanted:.6g}"
    elif isinstance(given, dict) or isinstance(wanted, dict):
        yield f"{path} is {'one too many' if wanted is None else 'missing'}"
    elif given != wanted:
        yield f"{path} is {brief(given)}, not {brief(wanted)}"
