"""One run: times workloads as the schedule says, journals every sample, resumes where it was stopped."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from labkit import contention
from labkit.measure import schedule
from labkit.measure.clock import Clock
from labkit.measure.core_probe import Probe, readings_of
from labkit.measure.journal import Entry, Journal, Reading, Started, WarmedUp
from labkit.measure.sampling import SAMPLE_SECONDS, Sample, Workload, calibrate, take, warm_up
from labkit.measure.schedule import Key, Requirement, Round
from labkit.show.screen import Screen

# A sample at least this long is announced on the screen before it starts.
NOTICEABLE_SECONDS = 0.5
# On a shared core short jobs are sampled on, until each has so many uncontended samples, or for so long: twice what a
# quick run takes at most, in a minute in which the core was alone a sixth of the time.
ALONE_SAMPLES, PATIENCE_SECONDS = 20, 60.0
# What a sample costs beside its calls, until this run has seen it: two dots and an FMA loop of 2 ms.
EXPECTED_BESIDE_SECONDS = 0.003


@dataclass
class Job:
    """A workload with what is asked of it."""

    workload: Workload
    requirement: Requirement
    label: str
    # Jobs of one family at one size stand side by side in time: they are compared in pairs.
    family: str
    sample_seconds: float = SAMPLE_SECONDS
    every: int = 1  # if short, it is timed once in so many rounds
    warm: bool = False
    # Decided once, after the warm-up: a single stalled reading must not change it.
    kind: Literal["short", "long"] | None = None

    @property
    def call_seconds(self) -> float:
        """Seconds a call takes, as last read or as the cost model has it."""
        assert self.workload.estimate is not None
        return self.workload.estimate

    @property
    def short(self) -> bool:
        """Whether it is timed in every round; by the cost model until it has been warmed up."""
        return self.kind == "short" if self.kind else schedule.is_short(self.call_seconds)

    @property
    def expected_seconds(self) -> float:
        """Seconds that a sample takes: some calls of a short job, one of a long one."""
        if self.kind:
            return self.workload.calls * self.call_seconds
        return max(self.sample_seconds, self.call_seconds) if self.short else self.call_seconds

    @property
    def remaining(self) -> int:
        """Samples still to take."""
        w = self.workload
        return self.requirement.remaining(len(w.samples), w.total_seconds, self.expected_seconds)

    @property
    def remaining_seconds(self) -> float:
        """Seconds still to spend, a warm-up that is still due included."""
        remaining = self.remaining
        return remaining * self.expected_seconds + (self.call_seconds if remaining and not self.warm else 0)

    @property
    def measured(self) -> bool:
        w = self.workload
        return self.requirement.met(len(w.samples), w.total_seconds)


def _size(w: Workload) -> float:
    """The N of a whole product that does as many flops: a slice is as dear at any order as at another."""
    return float((w.flops / 2) ** (1 / 3)) if w.flops else float(w.n)


class Runner:
    """Runs jobs to their requirements. `on_progress` is called between samples, never within one."""

    def __init__(
        self,
        jobs: Sequence[Job],
        journal: Journal,
        clock: Clock,
        screen: Screen,
        on_progress: Callable[["Runner"], None],
        started: float,
        seed: int,
        pilots: Mapping[str, tuple[int, float]],
        probe: Probe,
        roof_seconds: float = 0.0,
        quick: bool = False,
    ) -> None:
        """`started` is the clock's wall time when the run began; `pilots` price a name: (n, seconds of a call).

        `probe` reads the core before and after each sample. A `quick` run ends after the first pass.
        """
        self.jobs = {job.workload.key: job for job in jobs}
        self.journal, self.clock, self.screen = journal, clock, screen
        self.on_progress = on_progress
        self.started, self.pilots = started, pilots
        self.rng = np.random.default_rng(seed)
        self.round = 0
        self.warm_up_seconds = 0.0
        self.earlier_seconds = 0.0  # of earlier sessions of the same run
        self.sessions = 1
        self.roof_seconds = roof_seconds
        self.probe, self.quick = probe, quick
        self.beside_seconds = 0.0  # of this session: what readings and the journal took
        self.session_samples = 0
        self.everything = False
        self.first_pass_jobs: list[Job] = []
        self.first_pass_done = False
        self.waited_seconds = 0.0  # for the core, of this session
        self._restore(journal.entries)
        self._estimate()
        journal.write(Started(at=self.earlier_seconds, roof_seconds=roof_seconds))

    # --- what is known ---

    @property
    def began(self) -> float:
        """The clock's wall time when the run began, as if it had never been stopped; every `at` counts from here."""
        return self.started - self.earlier_seconds

    @property
    def wall_seconds(self) -> float:
        """Wall time of this and the earlier sessions of the run."""
        return self.clock.wall() - self.began

    @property
    def call_seconds(self) -> float:
        """Wall time inside warm-ups and samples."""
        return self.warm_up_seconds + sum(job.workload.total_seconds for job in self.jobs.values())

    @property
    def remaining_seconds(self) -> float:
        """What is left to do: short jobs share their rounds, long ones stand alone; readings and drawing included."""
        beside = self.beside_seconds / self.session_samples if self.session_samples else EXPECTED_BESIDE_SECONDS
        short = self._short()
        rounds = max((job.remaining * job.every for job in short), default=0)
        round_seconds = sum((job.expected_seconds + beside) / job.every for job in short)
        long = [job for job in self._in_scope() if not job.short]
        late = 0 if self.quick else sum(job.remaining for job in long if job not in self._soon())
        warm_ups = sum(job.call_seconds + 2 * job.expected_seconds for job in short if not job.warm)
        rounds += late * schedule.ROUNDS_BETWEEN
        wait = min(self._rounds_to_wait() * round_seconds, PATIENCE_SECONDS - self.waited_seconds)
        return sum(job.remaining_seconds for job in long) + rounds * round_seconds + warm_ups + wait

    @property
    def readings(self) -> list[Reading]:
        """Of the core, in this and the earlier sessions."""
        return self.probe.readings

    @property
    def complete(self) -> bool:
        return all(job.measured for job in self.jobs.values())

    @property
    def taken(self) -> int:
        """Samples taken so far."""
        return sum(len(job.workload.samples) for job in self.jobs.values())

    def _soon(self) -> list[Job]:
        """The jobs of the first pass: those that can be had in about a minute, and the cheapest of each name."""
        if self.first_pass_jobs:
            return self.first_pass_jobs
        found, seen = [], set()
        for job in sorted(self.jobs.values(), key=lambda job: job.call_seconds):
            # Whatever the cheapest of a name costs, the others are extrapolated from it.
            soon = self.everything or schedule.fits_first_pass(job.call_seconds, job.requirement)
            if job.short or job.workload.name not in seen or soon:
                found.append(job)
            seen.add(job.workload.name)
        return found

    def _in_scope(self) -> list[Job]:
        """The jobs that this run is to measure."""
        return self._soon() if self.quick else list(self.jobs.values())

    def _short(self) -> list[Job]:
        return [job for job in self.jobs.values() if job.short]

    def _restore(self, entries: Iterable[Entry]) -> None:
        readings = {entry.index: entry for entry in entries if isinstance(entry, Reading)}
        self.readings.extend(readings[i] for i in sorted(readings))
        for entry in entries:
            if not isinstance(entry, Reading):
                self.earlier_seconds = entry.at
            if isinstance(entry, Started):
                self.sessions += 1
                self.roof_seconds += entry.roof_seconds
            if isinstance(entry, WarmedUp):
                self.warm_up_seconds += entry.seconds
            if isinstance(entry, Sample):
                self.round = max(self.round, entry.round + 1)
                if job := self.jobs.get((entry.name, entry.n)):
                    job.workload.samples.append(entry)
                    job.workload.estimate = entry.seconds

    def _estimate(self) -> None:
        """Price the jobs that have not run yet: by the same name at the nearest size that has, or its pilot's."""
        for job in self.jobs.values():
            w = job.workload
            if not (job.warm or w.samples):
                same = (other for other in self.jobs.values() if other.workload.name == w.name)
                known = {_size(o.workload): o.call_seconds for o in same if o.warm or o.workload.samples}
                if not known and w.name in self.pilots:
                    n, seconds = self.pilots[w.name]
                    known = {float(n): seconds}
                w.estimate = schedule.predict_seconds(_size(w), known) or self.clock.resolution

    # --- measuring ---

    def first_pass(self, everything: bool = False) -> None:
        """Every job that can be had in about a minute, long ones spread between the rounds of short ones.

        With `everything` no job is too dear for it: all are then timed in the same rounds.
        """
        self.everything = everything
        chosen: list[Job] = []
        # A warm-up makes the price of the others of its name known: so one at a time, the cheapest first.
        while job := next((job for job in self._soon() if job not in chosen), None):
            chosen.append(job)
            self._prepare(job)
        self.first_pass_jobs = chosen
        self._meet(self.first_pass_jobs)
        if self.quick:
            self._wait_for_the_core()
        self.first_pass_done = True
        self.on_progress(self)

    def second_pass(self) -> None:
        """The dear jobs, cheapest first, with rounds of the short ones after each sample."""
        self.first_pass_done = True
        while True:
            dear = [job for job in self.jobs.values() if not job.measured and job not in self.first_pass_jobs]
            groups = self._groups(dear)
            if not groups:
                break
            group = min(groups, key=lambda keys: sum(self.jobs[key].remaining_seconds for key in keys))
            for key in group:
                self._prepare(self.jobs[key])
            times = max(self.jobs[key].remaining for key in group)
            short = [job.workload.key for job in self._short()]
            self._follow(schedule.plan_long(group, times, short, self.rng))
            self.on_progress(self)
        self._meet(list(self.jobs.values()))
        self._wait_for_the_core()

    def _groups(self, jobs: Iterable[Job]) -> dict[tuple[Key, ...], int]:
        """Jobs of one family and size together, with the samples that the neediest of them needs."""
        groups: dict[tuple[str, int], list[Job]] = {}
        for job in jobs:
            if job.remaining:
                groups.setdefault((job.family, job.workload.n), []).append(job)
        return {
            tuple(job.workload.key for job in group): max(job.remaining for job in group) for group in groups.values()
        }

    def _prepare(self, job: Job) -> None:
        """The untimed warm-up, and for a short job how many calls make a sample."""
        if job.warm or not (job.remaining or job.short):
            return
        self._announce(job, "warm-up of ")
        expected_short = job.short
        seconds = warm_up(job.workload, self.clock)
        self.warm_up_seconds += seconds
        self.journal.write(WarmedUp(self.wall_seconds, job.workload.name, job.workload.n, seconds))
        job.warm = True
        if expected_short or seconds < NOTICEABLE_SECONDS:
            # Long or short, it is read again: one warm-up, slow or stalled as first calls are, does not decide.
            calibrate(job.workload, self.clock, job.sample_seconds)
        job.kind = "short" if schedule.is_short(job.call_seconds) else "long"
        self._estimate()

    def _follow(self, plan: Iterable[Round]) -> None:
        for step in plan:
            for key in step.short:
                if self.round % self.jobs[key].every == 0:
                    self._take(self.jobs[key])
            for key in step.long:
                job = self.jobs[key]
                if job.remaining:
                    self._announce(job)
                    self._take(job)
                    self.journal.sync()
                    self.on_progress(self)
            self.round += 1
            self.journal.sync()
            self.screen.update(f"round {self.round}", self.wall_seconds, self.remaining_seconds)
            self.on_progress(self)

    def _meet(self, jobs: Sequence[Job]) -> None:
        """Rounds with the long jobs between them, until each of these jobs has what it requires.

        More than one plan is followed only when calls turn out faster than they were when calibrated.
        """
        while needy := [job for job in jobs if job.remaining]:
            rounds = max((job.remaining * job.every for job in needy if job.short), default=1)
            groups = self._groups(job for job in needy if not job.short)
            short = [job.workload.key for job in self._short()]
            self._follow(schedule.plan_rounds(short, groups, min(rounds, schedule.ROUNDS), self.rng))

    def _wait_for_the_core(self) -> None:
        """More rounds of the short jobs, while too few of their samples had the core to themselves."""
        began = self.clock.wall()
        while self.waited_seconds < PATIENCE_SECONDS and self._rounds_to_wait() > 0:
            short = [job.workload.key for job in self._short()]
            self._follow(schedule.plan_rounds(short, {}, 2, self.rng))
            self.waited_seconds = self.clock.wall() - began

    def _rounds_to_wait(self) -> float:
        """Rounds beyond what is asked, until each short job has enough uncontended samples, if it goes on as it did."""
        short = [job for job in self._short() if job.workload.samples]
        if not short:
            return 0.0
        read = readings_of(self.readings)
        state = contention.core_state(read.fma_gflops, read.l1_gbs, read.l2_gbs)
        taken = [len(job.workload.samples) for job in short]
        alone = [
            int(state.uncontended([s.probe for s in job.workload.samples if s.probe is not None]).sum())
            for job in short
        ]
        portion, rounds = (sum(alone) + 1) / (sum(taken) + 1), 0.0
        for job, many, fine in zip(short, taken, alone, strict=True):
            missing = min(ALONE_SAMPLES, many) - fine - portion * job.remaining
            if missing > 0:  # the neediest job decides: a standard deviation more than the mean
                rounds = max(rounds, (missing + missing**0.5) / portion * job.every)
        return rounds

    def _take(self, job: Job) -> None:
        before = self.clock.wall()
        known = len(self.readings)
        sample = take(job.workload, self.clock, self.round, self.began, self.probe)
        self.journal.write(*self.readings[known:], sample)
        self.beside_seconds += self.clock.wall() - before - sample.seconds * sample.calls
        self.session_samples += 1

    def _announce(self, job: Job, what: str = "") -> None:
        if job.call_seconds > NOTICEABLE_SECONDS:
            self._estimate()
            done = len(job.workload.samples)
            now = f"{what}{job.label}, sample {done + 1} of {done + job.remaining}"
            self.screen.update(now, self.wall_seconds, self.remaining_seconds, busy=job.call_seconds)
