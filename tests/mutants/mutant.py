"""A plausible bug: a sentence of what is then wrong, and a snippet of the code with what takes its place."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """One bug. Its name is unique; `old` stands once in `file`, a path in the checkout; `tests` are paths in tests/."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def room(file: str, tests: str, *bugs: tuple[str, str, str]) -> tuple[Mutant, ...]:
    """The bugs (name, old, new) of one file, and the tests that should catch them, separated by blanks."""
    return tuple(Mutant(name, file, old, new, tuple(tests.split())) for name, old, new in bugs)
