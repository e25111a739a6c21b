"""The lab as declared: which cells, what each must reach, what is extrapolated; and the run over them."""

import contextlib
import inspect
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import roof_source
from operands import Matrix, Method

from labkit import machine, provenance, sampling, store
from labkit.console import Screen
from labkit.doctor import health, vitals
from labkit.errors import LabError
from labkit.records import Agreement, Blas, Roofline
from labkit.roof import matmul_flops
from labkit.sampling import SystemClock, Workload
from labkit.schedule import MIN_REPETITIONS, MIN_SECONDS, Requirement
from labkit.session import Cell, Session

# Methods that run in the interpreter: each other's pair, and too slow for the largest sizes.
PYTHON_METHODS = ("naive", "blocked", "blocked_32", "blocked_128")
# From this N on a pure-Python product takes minutes a call: extrapolated unless --measure-all.
EXTRAPOLATED_FROM_N = 1024
# With --measure-all one repetition of such a cell is enough; it is recorded as such.
MEASURE_ALL_REQUIREMENT = Requirement(repetitions=1, seconds=0.0)
# What pure-Python products are extrapolated from when no size was asked for that is soon measured.
BASIS_N = 128
# A product small enough to price a method before its first warm-up.
PILOT_N, PILOT_CALLS = 32, 5

# One method under two names: what their difference is, is no difference. The second name ends so.
TWINS, AGAIN = ("naive", "matmul"), "_again"

# The lab's anchor: an embedding of 600 tokens by 64, and the vocabulary projection of a batch.
VOCABULARY, WIDTH, BATCH, TOKENS = 600, 64, 32, 16
GATHER, ONE_HOT, PROJECTION = "gather", "one_hot", "projection"
EMBEDDING_VISIT_SECONDS = 0.003
EMBEDDING_REQUIREMENT = Requirement(seconds=0.2)

LAB = Path(__file__).resolve().parent
# What a measurement depends on: a change in any of these and an unfinished run starts over.
MEASURING_CODE = (
    *(LAB / name for name in ("bench.py", "operands.py", "experiment.py")),
    *(
        provenance.REPOSITORY / "labkit" / f"{name}.py"
        for name in ("entries", "interference", "sampling", "schedule", "session", "threads")
    ),
)


@dataclass(frozen=True)
class Request:
    """What the command line asks for."""

    sizes: tuple[int, ...]
    methods: Mapping[str, Method]
    quick: bool
    measure_all: bool

    @classmethod
    def parse(cls, sizes: str, methods: str, quick: bool, measure_all: bool, known: Mapping[str, Method]) -> "Request":
        """Read the options; a LabError says what they take."""
        words = [word.strip() for word in sizes.split(",")]
        if not all(word.isascii() and word.isdigit() and int(word) >= 1 for word in words):
            raise LabError(f"--sizes takes whole numbers of at least 1, like 64,128; got '{sizes}'")
        orders = tuple(sorted({int(word) for word in words}))
        needed, limit = sum(3 * 4 * n**2 for n in orders), machine.memory_limit()
        if needed > limit // 2:
            raise LabError(
                f"--sizes {sizes}: A, B and C take {needed / 2**30:.1f} GiB of the "
                f"{limit / 2**30:.1f} GiB here; choose smaller ones"
            )
        names = list(dict.fromkeys(word.strip() for word in methods.split(",")))
        unknown = [name for name in names if name not in known]
        if unknown:
            raise LabError(f"--methods knows {', '.join(known)}; got '{unknown[0]}'")
        return cls(orders, {name: known[name] for name in known if name in names}, quick, measure_all)

    def extrapolated(self, method: str, n: int) -> bool:
        """Whether this cell is to be extrapolated even in a complete run."""
        return method in PYTHON_METHODS and n >= EXTRAPOLATED_FROM_N and not self.measure_all

    def measured_cells(self) -> Iterator[tuple[str, int]]:
        """The cells to be measured, with a basis for extrapolations that would have none in the first minute."""
        for method in self.methods:
            sizes = [n for n in self.sizes if not self.extrapolated(method, n)]
            if method in PYTHON_METHODS and all(n > BASIS_N for n in sizes):
                yield method, BASIS_N
            for n in sizes:
                yield method, n

    def twins(self) -> Iterator[tuple[str, int]]:
        """The methods to be timed under a second name as well, each at its smallest size."""
        for method in TWINS:
            sizes = [n for name, n in self.measured_cells() if name == method]
            if sizes:
                yield method, min(sizes)

    def requirement(self, method: str, n: int) -> Requirement:
        """What makes a cell measured."""
        if method in PYTHON_METHODS and n >= EXTRAPOLATED_FROM_N:
            return MEASURE_ALL_REQUIREMENT
        return Requirement(MIN_REPETITIONS, MIN_SECONDS)

    def as_config(self) -> dict[str, object]:
        """The request as the manifest has it."""
        return {
            "sizes": list(self.sizes), "methods": list(self.methods),
            "quick": self.quick, "measure_all": self.measure_all,
        }  # fmt: skip


@dataclass
class Experiment:
    """One run of the lab: its cells, what it found before measuring, and what it measured."""

    request: Request
    output: Path
    seed: int
    block_size: int
    make_operands: Callable[[int], tuple[Matrix, Matrix]]
    clock: sampling.Clock = field(default_factory=SystemClock)
    roof_seconds: float = 0.0

    def __post_init__(self) -> None:
        self.started = self.clock.wall() - _process_age()
        self.hardware, self.blas, self.git = provenance.observe()
        self.identity = machine.identity(self.hardware, self.blas)
        self.screen = Screen(["method", *map(str, self.request.sizes)])
        self.screen.rows = {method: {} for method in self.request.methods}
        self.agreement: Agreement | None = None
        self.roof: Roofline | None = None
        self.sentinel = sampling.make_sentinel()
        self.embedding = make_embedding(self.seed)
        self.cells = list(self._cells())
        self.session: Session | None = None
        self.warnings = preflight(self.blas)
        for warning in self.warnings:
            self.screen.say(f"Warning: {warning}")

    def _cells(self) -> Iterator[Cell]:
        operands: dict[int, tuple[Matrix, Matrix, Matrix]] = {}
        named = [(method, n, method) for method, n in self.request.measured_cells()]
        named += [(method, n, method + AGAIN) for method, n in self.request.twins()]
        for method, n, name in named:
            if n not in operands:
                A, B = self.make_operands(n)
                operands[n] = (A, B, np.empty((n, n), dtype=np.float32))
            A, B, C = operands[n]
            # What is timed is the method's own body: its operands have been checked by then.
            call = partial(_bare(self.request.methods[method]), A, B, out=C)
            workload = Workload(name, n, call, flops=matmul_flops(n))
            family = "python" if method in PYTHON_METHODS else method
            yield Cell(workload, self.request.requirement(method, n), f"{name} at N={n}", family)
        yield Cell(self.sentinel, Requirement(), "the sentinel", sampling.SENTINEL)
        for workload in self.embedding:
            yield Cell(
                workload,
                EMBEDDING_REQUIREMENT,
                f"the {workload.method}",
                "embedding",
                EMBEDDING_VISIT_SECONDS,
            )

    def find_roof(self) -> None:
        """The roof of this machine: from its record, or measured now."""
        before = self.clock.wall()
        self.roof = roof_source.obtain(self.identity, self.output, self.screen.say)
        self.roof_seconds = self.clock.wall() - before

    def measure(self, on_progress: Callable[[Session], None], fresh: bool) -> None:
        """Run the cells, going on from an unfinished run of the same request on the same code and machine."""
        key = store.digest(json.dumps(self.request.as_config()).encode())[:8]
        path = store.state_folder(self.output) / f"samples-{key}.jsonl"
        if fresh:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
        facts = {
            "identity": repr(self.identity), "python": provenance.versions()["python"],
            "seed": self.seed, "block_size": self.block_size,
        }  # fmt: skip
        header = {"fingerprint": provenance.fingerprint(MEASURING_CODE, facts)}
        pilots = self._pilots()
        journal = store.Journal(path, header)
        if journal.stale:
            self.screen.say("An unfinished run was made by other code or on another machine: starting over.")
        self.session = Session(
            self.cells,
            journal,
            self.clock,
            self.screen,
            on_progress,
            self.started,
            self.seed,
            pilots,
            self.roof_seconds,
        )
        taken = sum(len(cell.workload.repetitions) for cell in self.cells)
        if taken:
            self.screen.say(f"Going on from an unfinished run: {taken} repetitions are already measured.")
        self.screen.start()
        try:
            self.session.first_pass()
            if not self.request.quick:
                self.session.second_pass()
        finally:
            self.screen.stop()
            journal.close()

    def _pilots(self) -> dict[str, tuple[int, float]]:
        """What one small product of each method takes, to price the large ones."""
        A, B = self.make_operands(PILOT_N)
        prices = {}
        for name, method in self.request.methods.items():
            multiply = partial(method, A, B)
            # The least of a few: one call that was held up would make every size of it look dear.
            prices[name] = (PILOT_N, min(sampling.time_calls(multiply, 1, self.clock)[0] for _ in range(PILOT_CALLS)))
            prices[name + AGAIN] = prices[name]
        return prices


def preflight(library: Blas) -> list[str]:
    """Where machine or NumPy depart from what the lab asks for, by the doctor's own checks; nothing is timed."""
    facts = vitals.look(health.Blas(library.library, library.version, library.kernel, library.threads))
    return [f"{finding.seen}; {finding.mend}" for finding in health.preflight(facts)]


def _bare(method: Method) -> Method:
    """The method's own body, without the check of its operands."""
    if isinstance(method, partial):
        return partial(inspect.unwrap(method.func), *method.args, **method.keywords)
    bare: Method = inspect.unwrap(method)
    return bare


def make_embedding(seed: int) -> list[Workload]:
    """The embedding lookup as a gather and as a product with a one-hot vector, and the projection x @ E.T."""
    rng = np.random.default_rng(seed)
    E = rng.standard_normal((VOCABULARY, WIDTH)).astype(np.float32)
    x = rng.standard_normal((BATCH * TOKENS, WIDTH)).astype(np.float32)
    token = VOCABULARY // 2
    one_hot = np.zeros(VOCABULARY, dtype=np.float32)
    one_hot[token] = 1
    row, logits = np.empty(WIDTH, dtype=np.float32), np.empty((BATCH * TOKENS, VOCABULARY), dtype=np.float32)
    return [
        Workload(GATHER, WIDTH, partial(E.take, token, axis=0, out=row, mode="clip")),
        Workload(ONE_HOT, WIDTH, partial(np.matmul, one_hot, E, out=row), flops=2 * VOCABULARY * WIDTH),
        Workload(
            PROJECTION,
            WIDTH,
            partial(np.matmul, x, E.T, out=logits),
            flops=2 * BATCH * TOKENS * WIDTH * VOCABULARY,
        ),
    ]


def _process_age() -> float:
    """Seconds since this process started: what Python and the imports took counts too."""
    return max(0.0, time.time() - float(psutil.Process().create_time()))
