"""The lab's own `main` in miniature: two methods, tiny matrices, a clock that no two readings of agree, no drawing.

Everything else is the real thing: session, journal, publisher, lock. A run takes milliseconds.
"""

import copy
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import agreement
import artifacts
import bench
import experiment
import made_up
import pytest
from rich.console import Console

from labkit import codec, provenance, sampling, schedule, statistics, store, threads
from labkit.console import Screen
from labkit.errors import LabError, os_error
from labkit.interference import NO_INTERFERENCE
from labkit.records import Manifest, Results
from labkit.sampling import SENTINEL, SystemClock, Workload
from labkit.schedule import Requirement

SETS = ("results.json", "perf.png", "README.md")
# Naive at 4 is then dear enough for the second pass.
NAIVE_SECONDS_AT_2 = 1.0
CALL_SECONDS, READING_SECONDS = 0.02, 1e-4
# A set costs a few readings of the clock: so there is one after the first pass, and one at the end.
DRAWING_PORTION = 1e-6
VERSIONS = {"python": "3.11.0", "implementation": "CPython", "numpy": "2"}


class Clock(SystemClock):
    """Moves when a workload works, each time a little longer: every repetition is known by its seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.resolution, self.interference = 1e-9, lambda: NO_INTERFERENCE
        self.restart()

    def restart(self) -> None:
        """From nothing: the same run then takes the same times."""
        self.now, self.calls = 0.0, 0

    def wall(self) -> float:
        self.now += READING_SECONDS
        return self.now

    def cpu(self) -> float:
        return self.now

    def work(self, seconds: float = 0.0) -> None:
        self.calls += 1
        self.now += CALL_SECONDS + 1e-7 * self.calls + seconds


@dataclass
class Ended:
    """How a run ended: an exit status or the one line of a refusal."""

    status: int | None
    said: str
    refusal: str | None = None
    taken: list[tuple[str, int, float]] = field(default_factory=list)  # (method, N, seconds), as the session had them


class Lab:
    """Runs `bench.main`; what it imports is patched by `patched`."""

    def __init__(self) -> None:
        self.clock, self.said = Clock(), StringIO()
        self.experiment: experiment.Experiment | None = None
        self.hardware, self.blas = made_up.manifest().hardware, made_up.manifest().blas

    def run(self, output: Path, sizes: str = "2,4", methods: str = "naive,matmul", **options: Any) -> Ended:
        """The command line; what is neither a LabError nor the system's refusal is a bug."""
        self.experiment, self.said = None, StringIO()
        asked = {"quick": False, "measure_all": False, "fresh": False, "redraw": False} | options
        try:
            ended = Ended(bench.main(sizes=sizes, methods=methods, output=output, **asked), "")
        except LabError as error:
            ended = Ended(None, "", str(error))
        except OSError as error:  # as `console.run` says it
            ended = Ended(None, "", str(os_error("go on", error)))
        ended.said, ended.taken = self.said.getvalue(), self.taken()
        return ended

    def taken(self) -> list[tuple[str, int, float]]:
        """Every repetition that the last run's session holds, those of an earlier run that it restored too."""
        cells = self.experiment.cells if self.experiment and self.experiment.session else []
        return [(*cell.workload.key, r.seconds) for cell in cells for r in cell.workload.repetitions]

    # --- what stands in for the slow parts ---

    def declare(self, *arguments: Any) -> "experiment.Experiment":
        self.experiment = _EXPERIMENT(*arguments, clock=self.clock)
        return self.experiment

    def bare(self, method: Any) -> Any:
        """The method, with the time that it takes."""

        def multiply(A: Any, B: Any, out: Any) -> Any:
            self.clock.work(NAIVE_SECONDS_AT_2 * (len(A) / 2) ** 3 if method is bench.METHODS["naive"] else 0.0)
            return _BARE(method)(A, B, out=out)

        return multiply

    def sentinel(self) -> Workload:
        return Workload(SENTINEL, 1, self.clock.work, flops=65_536, bytes=262_144)

    def embedding(self, _seed: int) -> list[Workload]:
        flops = {experiment.GATHER: 0, experiment.ONE_HOT: 76_800, experiment.PROJECTION: 39_321_600}
        return [Workload(name, 64, self.clock.work, flops=count) for name, count in flops.items()]

    def screen(self, columns: Any) -> Screen:
        return _Plain(columns, self.said)

    def observe(self) -> Any:
        return copy.deepcopy(self.hardware), copy.deepcopy(self.blas), made_up.manifest().git


class _Plain(Screen):
    """A screen that only writes lines down."""

    def __init__(self, columns: Any, said: StringIO) -> None:
        super().__init__(columns, Console(file=said))
        self.said = said

    def say(self, line: str) -> None:
        self.said.write(line + "\n")


_EXPERIMENT, _BARE = experiment.Experiment, experiment._bare


def draw(stage: Path) -> None:
    """A figure and pages that differ whenever the record does; what goes wrong is said as `artifacts` says it."""
    try:
        digest = store.digest((stage / "results.json").read_bytes()).encode()
        for name in ("perf.png", "README.md", "front-page.md"):
            with open(stage / name, "wb") as file:
                file.write(name.encode() + b" of " + digest)
    except OSError as error:
        raise LabError(f"the figure and the page could not be made: {error.strerror}") from None


@cache
def _agreement(methods: tuple[str, ...]) -> Any:
    return made_up.agreement(methods)


def patched() -> Iterator[Lab]:
    """The body of a fixture: a Lab for as long as it lasts."""
    with pytest.MonkeyPatch.context() as patch:
        lab, tiny = Lab(), Requirement(2, 0.0)
        patch.setattr(experiment, "Experiment", lab.declare)
        patch.setattr(experiment, "_bare", lab.bare)
        patch.setattr(experiment, "_process_age", lambda: 0.0)
        patch.setattr(experiment, "Screen", lab.screen)
        patch.setattr(experiment, "Requirement", lambda *_: tiny)
        patch.setattr(experiment, "EMBEDDING_REQUIREMENT", tiny)
        patch.setattr(experiment, "PILOT_N", 1)
        patch.setattr(experiment, "make_embedding", lab.embedding)
        patch.setattr(sampling, "make_sentinel", lab.sentinel)
        patch.setattr(artifacts, "DRAWING_PORTION", DRAWING_PORTION)
        # What it is for, a power cut, is not played here; and it would take most of the time.
        patch.setattr(os, "fsync", lambda _: None)
        patch.setattr(schedule, "ROUNDS_BETWEEN", 1)
        patch.setattr(statistics, "RESAMPLES", 4)
        patch.setattr(store, "SPARE_BYTES", 64)
        patch.setattr(agreement, "check_agreement", lambda methods, *_, **__: _agreement(tuple(methods)))
        patch.setattr("roof_source.obtain", lambda *_: made_up.roofline())
        patch.setattr(provenance, "observe", lab.observe)
        patch.setattr(provenance, "versions", lambda: dict(VERSIONS))
        patch.setattr(threads, "effective_threads", lambda: 1)
        patch.setattr(artifacts, "_draw", draw)
        yield lab


# --- what must hold after anything ------------------------------------------------------------------


def journals(output: Path) -> list[Path]:
    return sorted(output.glob(".state/samples-*.jsonl"))


def journalled(output: Path) -> list[tuple[str, int, float]]:
    """The repetitions that stand in the journal as whole lines: these are finished."""
    lines = [line for path in journals(output) for line in path.read_bytes().rpartition(b"\n")[0].splitlines()]
    entries = map(json.loads, lines)
    return [(e["method"], e["n"], e["seconds"]) for e in entries if e.get("kind") == "repetition"]


def assert_every_record_parses(output: Path) -> None:
    for name, kind in (("results.json", Results), ("manifest.json", Manifest)):
        if (output / name).exists():
            codec.read(output / name, kind)


def assert_of_one_piece(output: Path) -> None:
    """What drawing again would start from: if there is a set, its files belong to one another."""
    store.settle(output)
    if (output / "manifest.json").exists():
        outputs = codec.read(output / "manifest.json", Manifest).outputs
        assert outputs == {name: store.digest((output / name).read_bytes()) for name in SETS}


def assert_whole(output: Path, ended: Ended, finished: list[tuple[str, int, float]]) -> None:
    """A complete set, of one piece, with every finished repetition in it once, and nothing left lying about."""
    assert ended.status == 0, ended.refusal
    counts = Counter(ended.taken)
    assert max(counts.values()) == 1
    assert set(finished) <= set(counts), "a finished repetition was lost"
    results = codec.read(output / "results.json", Results)
    assert results.status == "complete"
    recorded = [(c.method, c.n, seconds) for c in results.cells for seconds in c.seconds_per_call]
    assert Counter(recorded) == Counter(t for t in ended.taken if t[0] in ("naive", "matmul"))
    assert all(len(set(cell.rounds)) == len(cell.rounds) for cell in results.cells)
    assert_of_one_piece(output)
    draws = store.digest((output / "results.json").read_bytes())
    assert (output / "README.md").read_text() == f"README.md of {draws}"
    left = {str(path.relative_to(output)) for path in output.rglob("*")}
    assert left == {*SETS, "manifest.json", ".state", ".state/lock"}


def one_line(refusal: str | None) -> bool:
    return bool(refusal) and "\n" not in refusal and len(refusal) < 300


def refusal_of(call: Callable[[], object], what: str) -> str | None:
    """The line with which a call is refused, None if it is not; any other exception is a bug, met at `what`."""
    try:
        call()
    except LabError as error:
        return str(error)
    except Exception as error:
        error.add_note(what)
        raise
    return None
