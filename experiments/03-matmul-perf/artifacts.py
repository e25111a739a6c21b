"""Record, draw and explain: the four artifacts are made beside the old ones and replace them together.

Drawing runs in a process of its own, so that the measuring process holds NumPy and nothing that draws.
"""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import roof_source
from experiment import AGAIN
from reduction import MeasuringMachine, reduce_results

from labkit import codec, pages, provenance, store, threads
from labkit.console import INTERRUPTED
from labkit.errors import LabError
from labkit.records import Harness, Manifest, Rate, Results

if TYPE_CHECKING:
    from experiment import Experiment

    from labkit.session import Session

LAB = Path(__file__).resolve().parent
RESULTS, MANIFEST, FIGURE, PAGE = "results.json", "manifest.json", "perf.png", "README.md"
# The repository's own front page shows this experiment's figures; it is only rewritten with the lab's own set.
FRONT_PAGE, FRONT_PAGE_TARGET = "front-page.md", "../../README.md"
# A first set must stand within 60 s of starting: it is due by then even if the first pass is not done.
FIRST_SET_SECONDS = 45.0
# Exit status of a run that is complete but has a cell that cannot be true.
INVALID = 1
# Refreshing the set may take this portion of the run.
DRAWING_PORTION = 0.01


def publish(output: Path, results: Results, manifest: Manifest) -> None:
    """Make and put in place results.json, perf.png, README.md and manifest.json with their digests."""
    with store.staging(output) as stage:
        store.write_atomically(stage / RESULTS, codec.encode(results))
        store.write_atomically(stage / MANIFEST, codec.encode(manifest))
        _draw(stage)
        manifest.outputs = {name: store.digest((stage / name).read_bytes()) for name in (RESULTS, FIGURE, PAGE)}
        store.write_atomically(stage / MANIFEST, codec.encode(manifest))
        targets = {name: name for name in (RESULTS, FIGURE, PAGE, MANIFEST)}
        if output.resolve() == LAB:
            targets[FRONT_PAGE] = FRONT_PAGE_TARGET
        store.publish(stage, output, targets)


def _draw(stage: Path) -> None:
    """Draw and render from the records in the stage; deaf to the terminal's Ctrl-C, which is ours to take."""
    done = subprocess.run(
        [sys.executable, str(LAB / "explain.py"), str(stage)],
        capture_output=True, text=True, check=False, start_new_session=True,
    )  # fmt: skip
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise LabError(f"the figure and the page could not be made: {why}")


def redraw_artifacts(output: Path) -> int:
    """Draw and render again from results.json and manifest.json; nothing is measured."""
    store.settle(output)
    results = codec.read(output / RESULTS, Results, codec.MEASURE_AGAIN)
    manifest = codec.read(output / MANIFEST, Manifest, codec.MEASURE_AGAIN)
    publish(output, results, manifest)
    print(f"Drawn again from {RESULTS}: {FIGURE} and {PAGE}")
    return 0


class Publisher:
    """Keeps the artifacts current during a run, at a bounded cost, and says how the run ended."""

    def __init__(self, experiment: "Experiment") -> None:
        self.experiment = experiment
        self.published_at: float | None = None  # the run's wall time, s
        self.cost = 0.0  # s, of the last set
        self.shown_at = 0.0

    def __call__(self, session: "Session") -> None:
        """Called between repetitions: fill the table, and publish when a set is due."""
        now = session.wall_seconds
        if now - self.shown_at > 1.0:
            self._fill_table()
            self.shown_at = now
        if self._due(session, now):
            self.publish()

    def _due(self, session: "Session", now: float) -> bool:
        if self.published_at is None:
            seen = all(cell.workload.repetitions for cell in session.first_pass_cells) and self._any_measured()
            return session.first_pass_done or (seen and now - session.earlier_seconds > FIRST_SET_SECONDS)
        return now - self.published_at > self.cost / DRAWING_PORTION

    def publish(self) -> Results:
        """Reduce what has been measured and replace the artifacts."""
        e, session = self.experiment, self.experiment.session
        assert session
        assert e.agreement
        assert e.roof
        before = session.wall_seconds
        wall, calls = session.wall_seconds, session.call_seconds
        results = reduce_results(
            request=e.request,
            protocol={"seed": e.seed, "block_size": e.block_size},
            short_name=e.hardware.short_name,
            agreement=e.agreement,
            roofline=e.roof,
            workloads=[cell.workload for cell in e.cells if cell.workload.method in e.request.methods],
            sentinel=e.sentinel,
            embedding=e.embedding,
            complete=session.complete,
            harness=Harness(
                wall_seconds=wall,
                call_seconds=calls,
                roof_seconds=session.roof_seconds,
                share=(wall - calls) / wall,
                sessions=session.sessions,
            ),
            twins=[cell.workload for cell in e.cells if cell.workload.method.endswith(AGAIN)],
            machine=MeasuringMachine(e.hardware.cores.logical, e.clock.resolution),
        )
        e.blas.threads = threads.effective_threads()
        config = {**e.request.as_config(), "warnings": e.warnings}
        manifest = provenance.manifest("03-matmul-perf", e.seed, config, e.hardware, e.blas, e.git)
        publish(e.output, results, manifest)
        for cell in results.cells:
            if cell.extrapolated:
                e.screen.cell(cell.method, str(cell.n), f"~{_brief(cell.gflops.median)}")
        self.published_at = session.wall_seconds
        self.cost = self.published_at - before
        return results

    def _any_measured(self) -> bool:
        """Whether any cell of the lab has a repetition."""
        e = self.experiment
        return any(cell.workload.repetitions for cell in e.cells if cell.workload.method in e.request.methods)

    def interrupted(self) -> int:
        """Ctrl-C: leave what was measured, say how to go on. Exit status 130."""
        e = self.experiment
        e.screen.stop()
        session = e.session
        if session is None or not e.sentinel.repetitions or not self._any_measured():
            e.screen.say("Stopped before there was anything to show: the same command goes on from here.")
            return INTERRUPTED
        taken = sum(len(cell.workload.repetitions) for cell in e.cells)
        self.publish()
        left = pages.duration(session.remaining_seconds)
        e.screen.say(
            f"Stopped with {taken} repetitions measured and about {left} to go: the same command goes on from here."
        )
        return INTERRUPTED

    def finished(self) -> int:
        """The last set, the headline, and where the files are."""
        e = self.experiment
        session = e.session
        assert session
        results = self.publish()
        session.journal.finish()
        roof_source.place_kernels(e.output)
        self._fill_table()
        say = e.screen.say
        say("")
        for row in results.sanity:
            expected = " to ".join(pages.flops(bound) for bound in row.expected)
            rate = pages.flops(row.measured) + (" (extrapolated)" if row.extrapolated else "")
            say(f"{row.method} at N={row.n}: {rate}, {row.verdict} {expected}: {row.because}")
        say("")
        for line in headline(results):
            say(line)
        harness = results.harness
        roof = f", {pages.duration(harness.roof_seconds)} of it the roof's" if harness.roof_seconds > 2 else ""
        say(
            f"Harness: {pages.percent(harness.share)} of the run's {pages.duration(harness.wall_seconds)} went beyond "
            f"the calls it had to make{roof}."
        )
        say(f"Files: {', '.join((RESULTS, FIGURE, PAGE, MANIFEST))} in {_shown(e.output)}")
        for fault in impossible(results):
            print(f"bench.py: {fault}", file=sys.stderr)
        return INVALID if impossible(results) else 0

    def _fill_table(self) -> None:
        for cell in self.experiment.cells:
            w = cell.workload
            if w.method in self.experiment.request.methods and w.repetitions:
                rate = Rate.of(w.rates(w.flops))
                many = len(w.repetitions)
                of = f"{pages.spread(rate)}, {many} repetition{'s' * (many > 1)}"
                line = f"{w.method:>8} N={w.n:<5} {pages.flops(rate.median):>12} ({of})"
                self.experiment.screen.cell(w.method, str(w.n), _brief(rate.median), line if cell.measured else None)


def _brief(gflops: float) -> str:
    """A rate in few columns: 101 GF."""
    return pages.flops(gflops).removesuffix("LOPS")


def impossible(results: Results) -> list[str]:
    """What cannot be true of the cells that were measured."""
    return [
        f"{cell.method} at N={cell.n} is invalid: {'; '.join(cell.invalid)}"
        for cell in results.cells
        if cell.invalid and not cell.extrapolated
    ]


def headline(results: Results) -> list[str]:
    """The answer in a line or two."""
    lines = []
    if results.noise.noisy:
        lines.append(f"This run is noisy: {'; '.join(results.noise.because)}, as seen by the sentinel.")
    if results.speedup and results.speedup.withheld:
        lines.append(f"The speedup is withheld, as {results.speedup.withheld}. Run it again with less beside it.")
    elif results.speedup:
        s = results.speedup
        how = " (naive extrapolated)" if s.extrapolated else ""
        lines.append(
            f"np.matmul is {pages.significant(s.factor)} times as fast as the same loop in Python at N={s.n}{how}."
        )
    matmul = max((c for c in results.cells if c.method == "matmul"), key=lambda c: c.n, default=None)
    if matmul and not matmul.invalid:
        lines.append(
            f"np.matmul reaches {pages.percent(matmul.roof.share)} of this core's measured peak of "
            f"{pages.flops(results.roof.peak_gflops)} at N={matmul.n}."
        )
    return lines


def _shown(folder: Path) -> str:
    """A folder as the user would type it from here."""
    try:
        return str(folder.resolve().relative_to(Path.cwd())) or "."
    except ValueError:
        return str(folder)
