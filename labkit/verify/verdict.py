"""Every check of one submission, in the order in which a reader asks."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from labkit.verify import figure, files, functions, laws, page, protocol, rates, sources, submission
from labkit.verify.outcome import Check, holds
from labkit.verify.submission import Submission

# From what is cheap to see to what needs the functions to run.
ROOMS: tuple[Callable[[Submission], Iterable[Check]], ...] = (
    files.checks,
    protocol.checks,
    rates.checks,
    laws.checks,
    sources.checks,
    functions.checks,
    figure.checks,
    page.checks,
)


@dataclass(frozen=True)
class Verdict:
    """What was found of one folder."""

    folder: Path
    checks: list[Check]

    @property
    def passed(self) -> bool:
        """Whether no requirement is known to be missed."""
        return holds(self.checks)


def verify(folder: Path, rooms: Iterable[Callable[[Submission], Iterable[Check]]] = ROOMS) -> Verdict:
    """The verdict on a folder; a LabError if it cannot be looked at."""
    given = submission.read(folder)
    return Verdict(folder, [check for room in rooms for check in room(given)])
