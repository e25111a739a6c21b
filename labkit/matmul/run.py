"""One run of the benchmark: measure, and keep the artifacts current meanwhile at a bounded cost.

Drawing runs in a process of its own, so that the measuring process holds NumPy and nothing that draws.
"""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

from labkit import doctor
from labkit.errors import FINDING, INTERRUPTED, UserError
from labkit.machine import threads
from labkit.machine.process import seconds_since_start
from labkit.matmul import declare
from labkit.matmul.agreement import check_agreement
from labkit.matmul.declare import Benchmark, Request
from labkit.measure import journal, sampling
from labkit.measure.clock import Clock, SystemClock
from labkit.measure.core_probe import CoreProbe, readings_of
from labkit.measure.journal import Journal
from labkit.measure.runner import Runner
from labkit.measure.schedule import MIN_SAMPLES, MIN_SECONDS
from labkit.records import derive, io, provenance
from labkit.records.derive import AGAIN
from labkit.records.model import Harness, Measurement, Protocol, Rate, Results
from labkit.roofline.obtain import obtain
from labkit.show import numbers, text
from labkit.show.screen import Screen

EXPERIMENT = "03-matmul-perf"
# A first set must stand within 60 s of starting: it is due by then even if the first pass is not done.
FIRST_SET_SECONDS = 45.0
# Refreshing the set may take this portion of the run.
DRAWING_PORTION = 0.01
# A product small enough to price a method before its first warm-up.
PILOT_N, PILOT_CALLS = 32, 5


def run(benchmark: Benchmark, request: Request, output: Path, fresh: bool) -> int:
    """Measure what is asked for into `output`; the exit status."""
    with io.locked(output):
        io.check_writable(output, Results)
        threads.check_effective_threads()
        started = BenchmarkRun(benchmark, request, output)
        try:
            started.measure(fresh)
        except KeyboardInterrupt:
            return started.interrupted()
        return started.finished()


class BenchmarkRun:
    """What a run found before measuring, what it measures, and what it leaves."""

    def __init__(self, benchmark: Benchmark, request: Request, output: Path, clock: Clock | None = None) -> None:
        self.benchmark, self.request, self.output = benchmark, request, output
        self.clock: Clock = clock or SystemClock()
        self.started = self.clock.wall() - seconds_since_start()
        self.observed = provenance.observe()
        self.screen = Screen(["method", *map(str, request.sizes)], request.methods)
        self.warnings = doctor.preflight_warnings(self.observed.blas)
        for warning in self.warnings:
            self.screen.say(f"Warning: {warning}")
        self.agreement = check_agreement(request.methods, benchmark.make_operands, benchmark.seed)
        before = self.clock.wall()
        self.limits = obtain(self.observed.identity, output, self.screen.say)
        self.roof_seconds = self.clock.wall() - before
        self.jobs = declare.jobs(request, benchmark.make_operands, benchmark.seed)
        self.runner: Runner | None = None
        self.published_at: float | None = None  # the run's wall time, s
        self.drawing_seconds = 0.0
        self.shown_at = 0.0

    # --- measure ---

    def measure(self, fresh: bool) -> None:
        """Run the jobs, resuming an unfinished run of the same request on the same code and machine."""
        key = io.digest(json.dumps(self.request.as_config()).encode())[:8]
        path = io.state_folder(self.output) / f"samples-{key}.jsonl"
        if fresh:
            journal.forget(path)
        facts = {
            "machine": repr(self.observed.identity),
            "python": provenance.versions()["python"],
            "seed": self.benchmark.seed,
            "block_size": self.benchmark.block_size,
        }
        log = Journal(path, journal.fingerprint(self.benchmark.script, facts))
        if log.stale:
            self.screen.say("An unfinished run was made by other code or on another machine: starting over.")
        probe = CoreProbe(self.clock)
        self.runner = Runner(
            self.jobs,
            log,
            self.clock,
            self.screen,
            self._on_progress,
            self.started,
            self.benchmark.seed,
            self._pilots(),
            probe,
            self.roof_seconds,
            self.request.quick,
        )
        if self.runner.taken:
            self.screen.say(f"Resuming an unfinished run: {self.runner.taken} samples are already measured.")
        self.screen.start()
        try:
            self.runner.first_pass()
            if not self.request.quick:
                self.runner.second_pass()
        finally:
            self.screen.stop()
            probe.close()
            log.close()

    def _pilots(self) -> dict[str, tuple[int, float]]:
        """What one small product of each method takes, to price the large ones."""
        A, B = self.benchmark.make_operands(PILOT_N)
        prices = {}
        for name, method in self.request.methods.items():
            multiply = partial(method, A, B)
            # The least of a few: one call that was held up would make every size of it look dear.
            prices[name] = (PILOT_N, min(sampling.time_calls(multiply, 1, self.clock)[0] for _ in range(PILOT_CALLS)))
            prices[name + AGAIN] = prices[name]
        return prices

    def measurement(self, runner: Runner) -> Measurement:
        """The record so far."""
        return Measurement(
            schema="matmul-perf/2",
            status="complete" if runner.complete else "partial",
            short_name=self.observed.hardware.short_name,
            cpus=self.observed.hardware.cores.logical,
            protocol=Protocol(
                seed=self.benchmark.seed,
                dtype="float32",
                sizes=list(self.request.sizes),
                methods=list(self.request.methods),
                block_size=self.benchmark.block_size,
                warmup_calls=1,
                min_repetitions=MIN_SAMPLES,
                min_seconds=MIN_SECONDS,
                measure_all=self.request.measure_all,
                quick=self.request.quick,
                clock_resolution_seconds=self.clock.resolution,
            ),
            agreement=self.agreement,
            limits=self.limits,
            harness=Harness(
                wall_seconds=runner.wall_seconds,
                call_seconds=runner.call_seconds,
                roof_seconds=runner.roof_seconds,
                sessions=runner.sessions,
            ),
            samples=[job.workload.series() for job in self.jobs if job.workload.samples],
            readings=readings_of(runner.readings),
        )

    # --- keep the artifacts current ---

    def _on_progress(self, runner: Runner) -> None:
        """Between samples: fill the table, and publish when a set is due."""
        now = runner.wall_seconds
        if now - self.shown_at > 1.0:
            self._fill_table()
            self.shown_at = now
        if self._due(runner, now):
            try:
                self.publish(runner)
            except UserError as error:  # the last set decides: what is measured until then stays in the journal
                self.screen.say(f"Not published, and measuring goes on: {error}")
                self.published_at, self.drawing_seconds = now, max(self.drawing_seconds, 1.0)

    def _due(self, runner: Runner, now: float) -> bool:
        if self.published_at is None:
            seen = all(job.workload.samples for job in runner.first_pass_jobs) and self._any_measured()
            return runner.first_pass_done or (seen and now - runner.earlier_seconds > FIRST_SET_SECONDS)
        return now - self.published_at > self.drawing_seconds / DRAWING_PORTION

    def publish(self, runner: Runner) -> Results:
        """Record what has been measured, and have the figure and the page made from it."""
        before = runner.wall_seconds
        results = derive.results(self.measurement(runner))
        config = {**self.request.as_config(), "warnings": self.warnings}
        manifest = provenance.manifest(EXPERIMENT, self.benchmark.seed, config, self.observed)
        record = io.encode(results)
        manifest.outputs = {io.RESULTS: io.digest(record)}
        io.write_all(self.output, {io.RESULTS: record, io.MANIFEST: io.encode(manifest)})
        draw(self.output)
        for cell in results.cells:
            if cell.extrapolated:
                self.screen.cell(cell.method, str(cell.n), f"~{numbers.brief_flops(cell.gflops.median)}")
        self.published_at = runner.wall_seconds
        self.drawing_seconds = self.published_at - before
        return results

    def _any_measured(self) -> bool:
        """Whether any cell of the benchmark has a sample."""
        names = {job.workload.name for job in self.jobs if job.workload.samples}
        return not names.isdisjoint(self.request.methods)

    def _fill_table(self) -> None:
        for job in self.jobs:
            w = job.workload
            if w.name in self.request.methods and w.samples:
                rate, many = Rate.of(w.series().rates), len(w.samples)
                of = f"{numbers.flops_interval(rate.low, rate.high)}, {many} sample{'s' * (many > 1)}"
                line = f"{w.name:>8} N = {w.n:<5} {numbers.flops(rate.median):>12} ({of})"
                self.screen.cell(w.name, str(w.n), numbers.brief_flops(rate.median), line if job.measured else None)

    # --- end ---

    def interrupted(self) -> int:
        """Ctrl-C: leave what was measured, say how to go on."""
        runner = self.runner
        if runner is None or not self._any_measured():
            self.screen.say("Stopped before there was anything to show: the same command resumes.")
            return INTERRUPTED
        self.publish(runner)
        left = numbers.duration(runner.remaining_seconds)
        self.screen.say(f"Stopped with {runner.taken} samples and about {left} to go: the same command resumes.")
        return INTERRUPTED

    def finished(self) -> int:
        """The last set, the headline, and where the files are."""
        runner = self.runner
        assert runner
        results = self.publish(runner)
        runner.journal.finish()
        self._fill_table()
        analysis = derive.derive(results)
        for line in ["", *text.headline(results, analysis), text.harness(results.harness)]:
            self.screen.say(line)
        self.screen.say(f"In {shown(self.output)}: {', '.join((io.PAGE, 'perf.png', io.RESULTS, io.MANIFEST))}")
        for cell in analysis.invalid:
            print(f"bench.py: {cell.method} at N = {cell.n} is invalid: {'; '.join(cell.invalid)}", file=sys.stderr)
        return FINDING if analysis.invalid else 0


def draw(output: Path) -> None:
    """Draw and render from the records; deaf to the terminal's Ctrl-C, which is the measuring process's to take."""
    command = [sys.executable, "-P", "-m", "labkit", "redraw", "--unlocked", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, start_new_session=True)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UserError(f"the figure and the page could not be made: {why}")


def shown(folder: Path) -> str:
    """A folder as the user would type it from here."""
    try:
        return str(folder.resolve().relative_to(Path.cwd())) or "."
    except ValueError:
        return str(folder)
