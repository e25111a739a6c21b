"""One run: visits cells as the schedule says, journals every repetition, goes on where it was stopped."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np

from labkit import schedule
from labkit.console import Screen
from labkit.entries import Entry, Started, Taken, WarmedUp
from labkit.errors import LabError
from labkit.interference import Interference
from labkit.sampling import SENTINEL, VISIT_SECONDS, Clock, Repetition, Workload, calibrate, take, warm_up
from labkit.schedule import Key, Requirement, Round
from labkit.store import Journal

# A repetition at least this long is worth its own line on the screen before it starts.
NOTICEABLE_SECONDS = 0.5


@dataclass
class Cell:
    """A workload with what is asked of it."""

    workload: Workload
    requirement: Requirement
    label: str
    # Cells of one family at one size stand side by side in time: they are compared in pairs.
    family: str
    visit_seconds: float = VISIT_SECONDS
    warm: bool = False
    # Decided once, when the cell has been warmed up: a single stalled reading must not change its kind.
    kind: Literal["short", "long"] | None = None

    @property
    def call_seconds(self) -> float:
        """Seconds a call takes, as last read or as the cost model has it."""
        assert self.workload.estimate is not None
        return self.workload.estimate

    @property
    def short(self) -> bool:
        """Whether it is visited in every round; by the cost model until it has been warmed up."""
        return self.kind == "short" if self.kind else schedule.is_short(self.call_seconds)

    @property
    def repetition_seconds(self) -> float:
        """Seconds a repetition takes: a visit of a short cell, a call of a long one."""
        if self.kind:
            return self.workload.calls * self.call_seconds
        return max(self.visit_seconds, self.call_seconds) if self.short else self.call_seconds

    @property
    def remaining(self) -> int:
        """Repetitions still to take."""
        w = self.workload
        return self.requirement.remaining(len(w.repetitions), w.total_seconds, self.repetition_seconds)

    @property
    def remaining_seconds(self) -> float:
        """Seconds still to spend, a warm-up that is still due included."""
        remaining = self.remaining
        return remaining * self.repetition_seconds + (self.call_seconds if remaining and not self.warm else 0)

    @property
    def measured(self) -> bool:
        w = self.workload
        return self.requirement.met(len(w.repetitions), w.total_seconds)


class Session:
    """Runs cells to their requirements. `on_progress` is called between repetitions, never within one."""

    def __init__(
        self,
        cells: Sequence[Cell],
        journal: Journal,
        clock: Clock,
        screen: Screen,
        on_progress: Callable[["Session"], None],
        started: float,
        seed: int,
        pilots: Mapping[str, tuple[int, float]],
        roof_seconds: float = 0.0,
    ) -> None:
        self.cells = {cell.workload.key: cell for cell in cells}
        self.journal, self.clock, self.screen = journal, clock, screen
        self.on_progress = on_progress
        self.started = started
        self.rng = np.random.default_rng(seed)
        self.round = 0
        self.warm_up_seconds = 0.0
        self.earlier_seconds = 0.0
        self.sessions = 1
        self.roof_seconds = roof_seconds
        self.first_pass_cells: list[Cell] = []
        self.first_pass_done = False
        self._restore(journal.entries)
        self.pilots = pilots
        self._estimate()
        self._record(Started(at=0.0, roof_seconds=roof_seconds))

    # --- what is known ---

    @property
    def wall_seconds(self) -> float:
        """Wall time of this and the earlier sessions of the run."""
        return self.earlier_seconds + self.clock.wall() - self.started

    @property
    def call_seconds(self) -> float:
        """Wall time inside warm-ups and repetitions."""
        return self.warm_up_seconds + sum(cell.workload.total_seconds for cell in self.cells.values())

    @property
    def remaining_seconds(self) -> float:
        """What is left to do: short cells share their rounds, long ones stand alone."""
        rounds = max((cell.remaining for cell in self._short()), default=0)
        round_seconds = sum(cell.repetition_seconds for cell in self._short())
        between = sum(cell.remaining for cell in self.cells.values() if not cell.short) * schedule.ROUNDS_BETWEEN
        long = sum(cell.remaining_seconds for cell in self.cells.values() if not cell.short)
        return long + (rounds + between / 2 * self.first_pass_done) * round_seconds

    @property
    def complete(self) -> bool:
        return all(cell.measured for cell in self.cells.values())

    def _short(self) -> list[Cell]:
        return [cell for cell in self.cells.values() if cell.short]

    # --- the journal ---

    def _restore(self, entries: Iterable[Mapping[str, Any]]) -> None:
        last = 0.0
        for number, raw in enumerate(entries, 2):  # line 1 is the header
            try:
                entry = msgspec.convert(raw, Entry)
            except msgspec.ValidationError as error:
                raise LabError(
                    f"{self.journal.path.name} is damaged at line {number} ({error}): start over with --fresh"
                ) from None
            if isinstance(entry, Started):
                self.sessions += 1
                self.roof_seconds += entry.roof_seconds
                self.earlier_seconds += last
            last = entry.at
            if isinstance(entry, WarmedUp):
                self.warm_up_seconds += entry.seconds
            if isinstance(entry, Taken):
                self.round = max(self.round, entry.round + 1)
                cell = self.cells.get((entry.method, entry.n))
                if cell:
                    came_between = Interference(entry.voluntary, entry.involuntary, entry.steal_seconds)
                    repetition = Repetition(entry.seconds, entry.calls, entry.cpu_over_wall, entry.round, came_between)
                    cell.workload.repetitions.append(repetition)
                    cell.workload.estimate = repetition.seconds
        self.earlier_seconds += last

    def _record(self, entry: Entry) -> None:
        self.journal.write([msgspec.to_builtins(entry)])

    @property
    def _at(self) -> float:
        """Wall time of this session so far, s."""
        return self.clock.wall() - self.started

    # --- measuring ---

    def _estimate(self) -> None:
        """Price the cells that have not run yet: by the same method at the nearest size that has, or its pilot's."""
        for cell in self.cells.values():
            w = cell.workload
            if not (cell.warm or w.repetitions):
                same = (other for other in self.cells.values() if other.workload.method == w.method)
                known = {o.workload.n: o.call_seconds for o in same if o.warm or o.workload.repetitions}
                if not known and w.method in self.pilots:
                    known = dict([self.pilots[w.method]])
                w.estimate = schedule.predict_seconds(w.n, known) or self.clock.resolution

    def first_pass(self, everything: bool = False) -> None:
        """Every cell that can be had in about a minute, long ones spread between the rounds of short ones.

        With `everything` no cell is too dear for it: all are then visited in the same rounds.
        """
        seen: set[str] = set()
        for cell in sorted(self.cells.values(), key=lambda c: c.call_seconds):
            method = cell.workload.method
            # The cheapest cell of a method belongs here whatever it costs: the others are extrapolated from it.
            soon = everything or schedule.fits_first_pass(cell.call_seconds, cell.requirement)
            if cell.short or method not in seen or soon:
                self.first_pass_cells.append(cell)
                self._prepare(cell)
            seen.add(method)
        self._meet(self.first_pass_cells)
        self.first_pass_done = True
        self.on_progress(self)

    def second_pass(self) -> None:
        """The dear cells, cheapest first, with rounds of the short ones after each visit."""
        self.first_pass_done = True
        while True:
            dear = [cell for cell in self.cells.values() if not cell.measured and cell not in self.first_pass_cells]
            groups = self._groups(dear)
            if not groups:
                break
            group = min(groups, key=lambda keys: sum(self.cells[key].remaining_seconds for key in keys))
            for key in group:
                self._prepare(self.cells[key])
            visits = max(self.cells[key].remaining for key in group)
            short = [c.workload.key for c in self._short()]
            beside = [key for key in short if key[0] == SENTINEL]
            self._follow(schedule.plan_long(group, visits, short, beside, self.rng))
            self.on_progress(self)
        self._meet(list(self.cells.values()))

    def _groups(self, cells: Iterable[Cell]) -> dict[tuple[Key, ...], int]:
        """Cells of one family and size together, with the visits that the neediest of them needs."""
        groups: dict[tuple[str, int], list[Cell]] = {}
        for cell in cells:
            if cell.remaining:
                groups.setdefault((cell.family, cell.workload.n), []).append(cell)
        return {
            tuple(cell.workload.key for cell in group): max(cell.remaining for cell in group)
            for group in groups.values()
        }

    def _prepare(self, cell: Cell) -> None:
        """The untimed warm-up, and for a short cell how many calls make a repetition."""
        if cell.warm or not (cell.remaining or cell.short):
            return
        self._announce(cell, "warm-up of ")
        expected_short = cell.short
        seconds = warm_up(cell.workload, self.clock)
        self.warm_up_seconds += seconds
        self._record(WarmedUp(at=self._at, method=cell.workload.method, n=cell.workload.n, seconds=seconds))
        cell.warm = True
        if expected_short or seconds < NOTICEABLE_SECONDS:
            # Long or short, it is read again: one warm-up, slow or stalled as first calls are, does not decide.
            calibrate(cell.workload, self.clock, cell.visit_seconds)
        cell.kind = "short" if schedule.is_short(cell.call_seconds) else "long"
        self._estimate()

    def _follow(self, plan: Iterable[Round]) -> None:
        for step in plan:
            for key in step.short:
                self._take(self.cells[key])
            for key in step.long:
                cell = self.cells[key]
                if cell.remaining:
                    self._announce(cell)
                    self._take(cell)
                    self.journal.sync()
                    self.on_progress(self)
            self.round += 1
            self.journal.sync()
            self.screen.update(f"round {self.round}", self.wall_seconds, self.remaining_seconds)
            self.on_progress(self)

    def _meet(self, cells: Sequence[Cell]) -> None:
        """Rounds with the long cells between them, until each of these cells has what it requires.

        More than one plan is followed only when calls turn out faster than they were when calibrated.
        """
        while needy := [cell for cell in cells if cell.remaining]:
            rounds = max((cell.remaining for cell in needy if cell.short), default=1)
            groups = self._groups(cell for cell in needy if not cell.short)
            short = [cell.workload.key for cell in self._short()]
            self._follow(schedule.plan_rounds(short, groups, min(rounds, schedule.ROUNDS), self.rng))

    def _take(self, cell: Cell) -> None:
        r = take(cell.workload, self.clock, self.round)
        w = cell.workload
        between = r.interference
        self._record(
            Taken(
                at=self._at, method=w.method, n=w.n, round=r.round, calls=r.calls, seconds=r.seconds,
                cpu_over_wall=r.cpu_over_wall, voluntary=between.voluntary, involuntary=between.involuntary,
                steal_seconds=between.steal_seconds,
            )
        )  # fmt: skip

    def _announce(self, cell: Cell, what: str = "") -> None:
        if cell.call_seconds > NOTICEABLE_SECONDS:
            self._estimate()
            done = len(cell.workload.repetitions)
            now = f"{what}{cell.label}, repetition {done + 1} of {done + cell.remaining}"
            self.screen.update(now, self.wall_seconds, self.remaining_seconds, busy=cell.call_seconds)
