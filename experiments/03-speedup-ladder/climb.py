"""One run of the ladder: its cells, what it found before measuring, and what it measured."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import bench
import numpy as np
import older_kernels
import roof_source
from agreement import check_agreement
from codegen import host_target
from ladder_reduction import Key, reduce_ladder
from reduction import MeasuringMachine
from rungs import Rung, all_rungs
from tile import choose_tile

from labkit import machine, pages, provenance, sampling, store, threads
from labkit.console import Screen
from labkit.records import Ladder, LadderRung, Manifest, Rate
from labkit.sampling import SENTINEL, SystemClock, Workload
from labkit.schedule import Requirement
from labkit.session import Cell, Session

LADDER = Path(__file__).resolve().parent
JOURNAL = "samples.jsonl"
PILOT_N = 32
# What a measurement depends on: a change in any of these and an unfinished run starts over.
MEASURING_CODE = (
    *sorted(LADDER.glob("*.py")),
    *(LADDER.parent / "03-matmul-perf" / name for name in ("bench.py", "operands.py")),
    *(
        provenance.REPOSITORY / "labkit" / f"{name}.py"
        for name in ("entries", "interference", "sampling", "schedule", "session", "threads")
    ),
)


class Climb:
    """The rungs at the sizes asked for, measured in the lab's own protocol."""

    def __init__(self, output: Path, sizes: tuple[int, ...]) -> None:
        threads.check_effective_threads()
        self.output, self.sizes, self.clock = output, sizes, SystemClock()
        self.started = self.clock.wall()
        self.hardware, self.blas, self.git = provenance.observe()
        self.screen = Screen(["rung", *map(str, sizes)])
        self.screen.say(f"Compiling the rungs for {self.hardware.short_name}.")
        self.rungs = all_rungs()
        self.agreement = check_agreement({r.name: r.multiply for r in self.rungs}, bench.make_operands, bench.SEED)
        self.roof = roof_source.obtain(machine.identity(self.hardware, self.blas), output, self.screen.say)
        self.sentinel = sampling.make_sentinel()
        self.rows: dict[Key, int] = {}
        self.cells = list(self._cells())

    def _cells(self) -> Iterator[Cell]:
        for n in self.sizes:
            A, B = bench.make_operands(n)
            out = np.empty((n, n), np.float32)
            for rung in self.rungs:
                if n > rung.largest:
                    continue
                rows = self.rows[rung.name, n] = rung.rows(n)
                call = rung.prepare(A[:rows], B, out[:rows])
                workload = Workload(rung.name, n, call, flops=2 * rows * n**2)
                # One family: what takes long stands side by side in time, each with all others.
                yield Cell(workload, Requirement(), f"{rung.title} at N={n}", "rungs")
        yield Cell(self.sentinel, Requirement(), "the sentinel", SENTINEL)

    def measure(self, fresh: bool) -> tuple[Ladder, Manifest]:
        """Run the cells, going on from an unfinished run of the same code on this machine; the record of it."""
        path = store.state_folder(self.output) / JOURNAL
        if fresh:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
        facts = {
            "identity": repr(machine.identity(self.hardware, self.blas)), "python": provenance.versions()["python"],
            "sizes": self.sizes,
        }  # fmt: skip
        journal = store.Journal(path, {"fingerprint": provenance.fingerprint(MEASURING_CODE, facts)})
        if journal.stale:
            self.screen.say("An unfinished run was made by other code or on another machine: starting over.")
        pilots = {r.name: self._pilot(r) for r in self.rungs}
        self.session = Session(
            self.cells, journal, self.clock, self.screen, self._show, self.started, bench.SEED, pilots
        )  # fmt: skip
        self.screen.start()
        try:
            # All in one: neighbours are compared by the rounds that they share.
            self.session.first_pass(everything=True)
        finally:
            self.screen.stop()
            journal.close()
        self.screen.say("Holding OpenBLAS to older kernels.")
        return self._reduce()

    def _pilot(self, rung: Rung) -> tuple[int, float]:
        """What a small product takes, to price the large ones."""
        A, B = bench.make_operands(PILOT_N)
        call = rung.prepare(A, B, np.empty_like(A))
        call()
        return PILOT_N, sampling.time_calls(call, 1, self.clock)[0]

    def _reduce(self) -> tuple[Ladder, Manifest]:
        tile = choose_tile(host_target())
        workloads = {c.workload.key: c.workload for c in self.cells if c.workload is not self.sentinel}
        ladder = reduce_ladder(
            [LadderRung(name=r.name, title=r.title, changed=r.changed, code=r.code, kind=r.kind) for r in self.rungs],
            self.rows, workloads, self.sentinel, self.roof, self.agreement, older_kernels.witnesses(),
            MeasuringMachine(self.hardware.cores.logical, self.clock.resolution), (tile.rows, tile.columns),
            self.hardware.short_name, self.session.wall_seconds,
        )  # fmt: skip
        config = {"sizes": list(self.sizes), "rungs": [r.name for r in self.rungs]}
        self.blas.threads = threads.effective_threads()
        return ladder, provenance.manifest(
            "03-speedup-ladder", bench.SEED, config, self.hardware, self.blas, self.git
        )  # fmt: skip

    def finish(self) -> None:
        """The artifacts are in place: the same command shall begin a new run."""
        self.session.journal.finish()

    def _show(self, session: Session) -> None:
        for cell in self.cells:
            w = cell.workload
            if w is not self.sentinel and w.repetitions and cell.measured:
                rate = Rate.of(w.rates(w.flops))
                line = f"{w.method:>18} N={w.n:<5} {pages.flops(rate.median):>12} ({pages.spread(rate)})"
                self.screen.cell(w.method, str(w.n), pages.flops(rate.median).removesuffix("LOPS"), line)
