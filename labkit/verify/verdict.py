"""Every check of one submission, in the order in which a reader asks."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from labkit.verify import figure, files, functions, laws, page, protocol, rates, sources, submission
from labkit.verify.outcome import Check, holds, not_met
from labkit.verify.submission import Submission

Room = Callable[[Submission], Iterable[Check]]
# From what is cheap to see to what needs the functions to run.
ROOMS: tuple[Room, ...] = (
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


def verify(folder: Path, rooms: Iterable[Room] = ROOMS) -> Verdict:
    """The verdict on a folder; a LabError if it cannot be looked at."""
    given = submission.read(folder)
    return Verdict(folder, [check for room in rooms for check in _guarded(room, given)])


def _guarded(room: Room, given: Submission) -> Iterator[Check]:
    """A room's checks; one more that is not met if what was handed in is such that the room cannot go on."""
    try:
        yield from room(given)
    except (ArithmeticError, ValueError, TypeError, LookupError, AttributeError, MemoryError, RecursionError) as error:
        name = room.__module__.rpartition(".")[2]
        yield not_met(f"{name}, judged", f"what was handed in cannot be judged: {type(error).__name__}: {error}"[:300])
