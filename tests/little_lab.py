"""The benchmark in miniature: two methods, tiny matrices, a clock that no two readings of agree, no drawing.

Everything else is the real thing: runner, journal, records, lock. A run takes milliseconds.
"""

import copy
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import bench
import made_up
import pytest
from fake_clock import FakeProbe
from rich.console import Console

from labkit import doctor
from labkit.errors import UserError, os_error
from labkit.machine import threads
from labkit.matmul import declare, run
from labkit.matmul.declare import Benchmark, Request
from labkit.measure import journal, schedule
from labkit.measure.sampling import Workload
from labkit.measure.schedule import Requirement
from labkit.records import io, provenance
from labkit.records.derive import GATHER, ONE_HOT, PROJECTION
from labkit.records.model import Git, Manifest, Results
from labkit.show.screen import Screen

OUTPUTS = ("results.json", "perf.png", "README.md")
# Naive at 4 is then dear enough for the second pass.
NAIVE_SECONDS_AT_2 = 1.0
CALL_SECONDS, READING_SECONDS = 0.02, 1e-4
# A set costs a few readings of the clock: so there is one after the first pass, and one at the end.
DRAWING_PORTION = 1e-6
VERSIONS = {"python": "3.11.0", "implementation": "CPython", "numpy": "2"}


class Clock:
    """Moves when a workload works, each time a little longer: every sample is known by its seconds."""

    resolution = 1e-9

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """From nothing: the same run then takes the same times."""
        self.now, self.calls = 0.0, 0

    def wall(self) -> float:
        self.now += READING_SECONDS
        return self.now

    def cpu(self) -> float:
        return self.now

    def steal(self) -> float | None:
        return None

    def work(self, seconds: float = 0.0) -> None:
        self.calls += 1
        self.now += CALL_SECONDS + 2e-6 * self.calls + seconds


@dataclass
class Ended:
    """How a run ended: an exit status or the one line of a refusal."""

    status: int | None
    said: str
    refusal: str | None = None
    taken: list[tuple[str, int, float]] = field(default_factory=list)  # (name, N, seconds), as the runner had them


class Lab:
    """Runs the benchmark; what it imports is patched by `patched`."""

    def __init__(self) -> None:
        self.clock, self.said = Clock(), StringIO()
        self.started: run.BenchmarkRun | None = None
        self.hardware, self.blas = made_up.hardware(), made_up.blas()
        self.seed, self.block_size = 42, 64

    def run(self, output: Path, sizes: str = "2,4", methods: str = "naive,matmul", **options: bool) -> Ended:
        """What the command does; what is neither a UserError nor the system's refusal is a bug."""
        self.started, self.said = None, StringIO()
        request = Request.parse(sizes, methods, options.get("quick", False), False, bench.METHODS)
        script = Path(bench.__file__)
        benchmark = Benchmark(script, bench.METHODS, {}, bench.SIZES, bench.make_operands, self.seed, self.block_size)
        try:
            ended = Ended(run.run(benchmark, request, output, options.get("fresh", False)), "")
        except UserError as error:
            ended = Ended(None, "", str(error))
        except OSError as error:  # as the command line says it
            ended = Ended(None, "", str(os_error("go on", error)))
        ended.said, ended.taken = self.said.getvalue(), self.taken()
        return ended

    def samples(self) -> list[tuple[str, int, Any]]:
        """Every sample that the last run's runner holds, those of an earlier run that it restored too."""
        jobs = self.started.jobs if self.started and self.started.runner else []
        return [(*job.workload.key, s) for job in jobs for s in job.workload.samples]

    def taken(self) -> list[tuple[str, int, float]]:
        return [(name, n, s.seconds) for name, n, s in self.samples()]

    # --- what stands in for the slow parts ---

    def start(self, *arguments: Any) -> "run.BenchmarkRun":
        self.started = _RUN(*arguments, clock=self.clock)
        return self.started

    def bare(self, method: Any) -> Any:
        """The method, with the time that it takes."""

        def multiply(A: Any, B: Any, out: Any) -> Any:
            self.clock.work(NAIVE_SECONDS_AT_2 * (len(A) / 2) ** 3 if method is bench.METHODS["naive"] else 0.0)
            return _BARE(method)(A, B, out=out)

        return multiply

    def embedding(self, _seed: int) -> list[Workload]:
        flops = {GATHER: 0, ONE_HOT: 76_800, PROJECTION: 39_321_600}
        return [Workload(name, 64, self.clock.work, flops=count) for name, count in flops.items()]

    def screen(self, *columns: Any) -> Screen:
        return Screen(*columns, console=Console(file=self.said, width=1000))

    def observe(self) -> Any:
        git = Git(commit="0" * 40, dirty=False)
        return provenance.Observed(copy.deepcopy(self.hardware), copy.deepcopy(self.blas), git)


_RUN, _BARE = run.BenchmarkRun, declare.bare


def draw(output: Path) -> None:
    """A figure and a page that differ whenever the record does, put in place as the real ones are."""
    manifest = io.read(output / io.MANIFEST, Manifest)
    record = (output / io.RESULTS).read_bytes()
    made = {name: f"{name} of {io.digest(record)}".encode() for name in OUTPUTS[1:]}
    manifest.outputs = {name: io.digest(data) for name, data in {io.RESULTS: record, **made}.items()}
    io.write_all(output, {**made, io.MANIFEST: io.encode(manifest)})


@cache
def _agreement(methods: tuple[str, ...]) -> Any:
    return made_up.agreement(methods)


def patched() -> Iterator[Lab]:
    """The body of a fixture: a Lab for as long as it lasts."""
    with pytest.MonkeyPatch.context() as patch:
        lab, tiny = Lab(), Requirement(2, 0.0)
        patch.setattr(run, "BenchmarkRun", lab.start)
        patch.setattr(run, "Screen", lab.screen)
        patch.setattr(run, "CoreProbe", FakeProbe)
        patch.setattr(run, "seconds_since_start", lambda: 0.0)
        patch.setattr(run, "obtain", lambda *_: made_up.limits())
        patch.setattr(run, "check_agreement", lambda methods, *_: _agreement(tuple(methods)))
        patch.setattr(run, "draw", draw)
        patch.setattr(run, "DRAWING_PORTION", DRAWING_PORTION)
        patch.setattr(run, "PILOT_N", 1)
        patch.setattr(declare, "bare", lab.bare)
        patch.setattr(declare, "Requirement", lambda *_: tiny)
        patch.setattr(declare, "EMBEDDING_REQUIREMENT", tiny)
        patch.setattr(declare, "embedding", lab.embedding)
        # What it is for, a power cut, is not played here; and it would take most of the time.
        patch.setattr(os, "fsync", lambda _: None)
        patch.setattr(journal, "MEASURING_ROOMS", ())  # whose code may be edited while these tests run
        patch.setattr(schedule, "ROUNDS_BETWEEN", 1)
        patch.setattr(io, "SPARE_BYTES", 64)
        patch.setattr(doctor, "preflight_warnings", lambda _: [])
        patch.setattr(provenance, "observe", lab.observe)
        patch.setattr(provenance, "versions", lambda: dict(VERSIONS))
        patch.setattr(provenance, "loaded_blas", made_up.blas)
        patch.setattr(threads, "check_effective_threads", lambda: None)
        yield lab


# --- what must hold after anything ------------------------------------------------------------------


def journals(output: Path) -> list[Path]:
    return sorted(output.glob(".state/samples-*.jsonl"))


def journalled(output: Path) -> list[tuple[str, int, float]]:
    """The samples that stand in the journal as whole lines: these are finished."""
    lines = [line for path in journals(output) for line in path.read_bytes().rpartition(b"\n")[0].splitlines()]
    entries = map(json.loads, lines)
    return [(e["name"], e["n"], e["seconds"]) for e in entries if e.get("kind") == "sample"]


def assert_every_record_parses(output: Path) -> None:
    for name, kind in (("results.json", Results), ("manifest.json", Manifest)):
        if (output / name).exists():
            io.read(output / name, kind)


def recorded(output: Path) -> list[tuple[str, int, float]]:
    """The samples in the record."""
    return [(s.name, s.n, t) for s in io.read(output / "results.json", Results).samples for t in s.seconds]


def assert_whole(output: Path, ended: Ended, finished: list[tuple[str, int, float]]) -> None:
    """A complete set, of one piece, with every finished sample in it once, and nothing left lying about."""
    assert ended.status == 0, ended.refusal
    counts = Counter(ended.taken)
    assert max(counts.values()) == 1
    assert set(finished) <= set(counts), "a finished sample was lost"
    results = io.read(output / "results.json", Results)
    assert results.status == "complete"
    assert Counter(recorded(output)) == counts
    assert all(len(set(s.rounds)) == len(s.rounds) for s in results.samples)
    outputs = io.read(output / "manifest.json", Manifest).outputs
    assert outputs == {name: io.digest((output / name).read_bytes()) for name in OUTPUTS}
    draws = io.digest((output / "results.json").read_bytes())
    assert (output / "README.md").read_text() == f"README.md of {draws}"
    left = {str(path.relative_to(output)) for path in output.rglob("*")}
    assert left == {*OUTPUTS, "manifest.json", ".state", ".state/lock"}
