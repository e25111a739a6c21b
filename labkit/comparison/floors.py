"""What is no difference: how far things that are the same were seen to differ, and where that was seen. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from labkit import pages
from labkit.records import Cell, FloorSource
from labkit.runs import Run, provenance

Quantity = Literal["share", "gflops"]
Key = tuple[str, int]  # method, order of the matrices


@dataclass(frozen=True)
class Floor:
    """A portion, and what was seen to differ by it."""

    portion: float
    source: FloorSource


@dataclass(frozen=True)
class Spreads:
    """How far runs of the same thing differ, by cell: portions, of which a cell that is not there takes the largest."""

    source: FloorSource
    share: Mapping[Key, float]
    gflops: Mapping[Key, float]

    def at(self, key: Key, quantity: Quantity) -> float:
        """The portion for this cell."""
        known: Mapping[Key, float] = getattr(self, quantity)
        return known.get(key, self.largest(quantity))

    def largest(self, quantity: Quantity) -> float:
        """The largest of any cell; 0 where nothing is known."""
        return max(getattr(self, quantity).values(), default=0.0)


def floor(key: Key, quantity: Quantity, runs: Sequence[Run], spreads: Sequence[Sequence[Spreads]]) -> Floor:
    """The floor of a verdict on these runs: the largest portion that was seen, within them or between their repeats."""
    within = Floor(max(run.results.same_twice.floor for run in runs), "one method under two names")
    between = [Floor(s.at(key, quantity), s.source) for known in spreads for s in known]
    return max([within, *between], key=lambda f: f.portion)


# --- between runs -----------------------------------------------------------------------------------


def repeats(runs: Sequence[Run]) -> list[list[int]]:
    """Indices of those runs that nothing in their manifests tells apart, in groups of two or more."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for i, run in enumerate(runs):
        if configuration := _configuration(run):
            groups.setdefault(configuration, []).append(i)
    return [group for group in groups.values() if len(group) > 1]


def _configuration(run: Run) -> tuple[str, ...] | None:
    """All that a manifest says of what was run; None where it does not say which code that was."""
    git = run.manifest.git
    if git.commit is None or git.dirty:
        return None
    return git.commit, *provenance(run.results, run.manifest).values()


def known_spreads(runs: Sequence[Run]) -> list[list[Spreads]]:
    """For each run how far runs of the same thing differ, as its repeats here and the repeat.json beside it show."""
    found: list[list[Spreads]] = [[] for _ in runs]
    for group in repeats(runs):
        for i in group:
            found[i].append(between([runs[k] for k in group]))
    for run, known in zip(runs, found, strict=True):
        if run.repeat:
            cells = run.repeat.spreads
            share, gflops = ({(s.method, s.n): getattr(s, q) for s in cells} for q in ("share", "gflops"))
            known.append(Spreads("repeat.json", share, gflops))
    return found


def between(runs: Sequence[Run]) -> Spreads:
    """How far these runs of the same thing differ: largest over smallest, less one, wherever two or more measured."""
    cells: dict[Key, list[Cell]] = {}
    for run in runs:
        for cell in run.results.cells:
            if not (cell.extrapolated or cell.invalid):
                cells.setdefault((cell.method, cell.n), []).append(cell)
    several = {key: found for key, found in cells.items() if len(found) > 1}
    return Spreads(
        "runs of one configuration",
        {key: _apart([cell.roof.share for cell in found]) for key, found in several.items()},
        {key: _apart([cell.gflops.median for cell in found]) for key, found in several.items()},
    )


def _apart(values: Sequence[float]) -> float:
    return max(values) / min(values) - 1


# --- in words ---------------------------------------------------------------------------------------


def notes(runs: Sequence[Run], spreads: Sequence[Sequence[Spreads]]) -> list[str]:
    """Where the floors come from, and of which runs it is not known how far the same thing differs from run to run."""
    largest = max(run.results.same_twice.floor for run in runs)
    said = [
        f"Within a run one method under two names differed by up to {pages.percent(largest)}: that is no difference."
    ]
    by_source: dict[tuple[str, str, str], list[str]] = {}
    for run, known in zip(runs, spreads, strict=True):
        for s in known:
            moved = (s.source, pages.percent(s.largest("share")), pages.percent(s.largest("gflops")))
            by_source.setdefault(moved, []).append(run.name)
    for (source, share, gflops), names in by_source.items():
        seen = "as repeat.json beside it says" if source == "repeat.json" else "as its runs here show"
        said.append(
            f"{_listed(names)}: runs of the same thing differ by up to {share} in share and {gflops} in GFLOPS, "
            f"{seen}. What lies within that is no difference."
        )
    single = [run.name for run, known in zip(runs, spreads, strict=True) if not known]
    if single:
        said.append(
            f"{_listed(single)}: one run{' each' * (len(single) > 1)}, so the intervals are those within a run. "
            "How far another run of the same thing would differ is not known."
        )
    return said


def _listed(names: Sequence[str]) -> str:
    return "; ".join(names)
