"""What became of a requirement: met, not met, or not to be told, each with a reason."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """A named requirement. `passed` is None where it could not be told; `reason` says why, and what to do."""

    name: str
    passed: bool | None
    reason: str

    def __post_init__(self) -> None:
        # A reason quotes what was handed in: nothing of it is to reach a terminal as a command.
        object.__setattr__(self, "reason", "".join(c if c.isprintable() else " " for c in self.reason))


def met(name: str, reason: str) -> Check:
    """The requirement holds."""
    return Check(name, True, reason)


def not_met(name: str, reason: str) -> Check:
    """It does not."""
    return Check(name, False, reason)


def unknown(name: str, reason: str) -> Check:
    """It could not be told."""
    return Check(name, None, reason)


def of_faults(name: str, faults: list[str], otherwise: str) -> Check:
    """Not met if there are faults, of which the first few are said; met otherwise."""
    if not faults:
        return met(name, otherwise)
    more = f"; and {len(faults) - _SAID} more like it" if len(faults) > _SAID else ""
    return not_met(name, "; ".join(faults[:_SAID]) + more)


# A learner mends one thing at a time; thirty lines of the same fault hide the others.
_SAID = 3


def holds(checks: list[Check]) -> bool:
    """Whether a result is valid: no requirement is known to be missed."""
    return not any(check.passed is False for check in checks)
