"""The benchmark as declared: which workloads, what each must reach, and what is extrapolated."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from labkit.errors import UserError
from labkit.machine.limits import memory_limit
from labkit.matmul.operands import Matrix, Method
from labkit.measure.runner import Job
from labkit.measure.sampling import Arena, Workload
from labkit.measure.schedule import MIN_SAMPLES, MIN_SECONDS, Requirement
from labkit.records.derive import (
    AGAIN,
    BATCH,
    GATHER,
    ONE_HOT,
    PROJECTION,
    PYTHON_METHODS,
    SLICE,
    TOKENS,
    VOCABULARY,
    WIDTH,
)

# From this N on a pure-Python product takes minutes a call: extrapolated unless --measure-all.
EXTRAPOLATED_FROM_N = 1024
# With --measure-all one sample of such a cell is enough; it is recorded as such.
MEASURE_ALL_REQUIREMENT = Requirement(samples=1, seconds=0.0)
# A compiled product that takes long needs more samples than the fewest: on a shared core some of them are to be alone.
COMPILED_SAMPLES = 16
# What pure-Python products are extrapolated from when no size was asked for that is soon measured.
BASIS_N = 128
# Methods that are timed under a second name as well: an A/A test.
TWICE = ("naive", "matmul")
# Steps of the inner loop in a slice, which takes about 10 ms: in the interpreter, and compiled. A product of this many
# or fewer is its own.
SLICE_STEPS = {**dict.fromkeys(PYTHON_METHODS, 1 << 15), "einsum": 1 << 27}
# Enough slices to find the core alone in some of them, in every other round.
SLICE_REQUIREMENT, SLICE_EVERY = Requirement(samples=50, seconds=0.0), 2
EMBEDDING_SAMPLE_SECONDS = 0.003
EMBEDDING_REQUIREMENT = Requirement(seconds=0.2)

Operands = Callable[[int], tuple[Matrix, Matrix]]


@dataclass(frozen=True)
class Benchmark:
    """What bench.py declares. `make_operands` gives A and B of an order N, float32."""

    script: Path
    methods: Mapping[str, Method]
    optional_methods: Mapping[str, Method]
    sizes: tuple[int, ...]
    make_operands: Operands
    seed: int
    block_size: int


@dataclass(frozen=True)
class Request:
    """What the command line asks for."""

    sizes: tuple[int, ...]
    methods: Mapping[str, Method]
    quick: bool
    measure_all: bool

    @classmethod
    def parse(cls, sizes: str, methods: str, quick: bool, measure_all: bool, known: Mapping[str, Method]) -> "Request":
        """Read the options; a UserError says what they take."""
        names = list(dict.fromkeys(word.strip() for word in methods.split(",")))
        unknown = [name for name in names if name not in known]
        if unknown:
            raise UserError(f"--methods knows {', '.join(known)}; got '{unknown[0]}'")
        return cls(parse_sizes(sizes), {name: known[name] for name in known if name in names}, quick, measure_all)

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

    def requirement(self, method: str, n: int) -> Requirement:
        """What makes a cell measured."""
        if method in PYTHON_METHODS and n >= EXTRAPOLATED_FROM_N:
            return MEASURE_ALL_REQUIREMENT
        return Requirement(MIN_SAMPLES if method in PYTHON_METHODS else COMPILED_SAMPLES, MIN_SECONDS)

    def as_config(self) -> dict[str, object]:
        """The request as the manifest has it."""
        return {
            "sizes": list(self.sizes),
            "methods": list(self.methods),
            "quick": self.quick,
            "measure_all": self.measure_all,
        }


def parse_sizes(sizes: str) -> tuple[int, ...]:
    """Orders N from `64,128`, ascending; a UserError says what is taken, or that memory does not suffice."""
    words = [word.strip() for word in sizes.split(",")]
    if not all(word.isascii() and word.isdigit() and len(word) < 10 and int(word) >= 1 for word in words):
        raise UserError(f"--sizes takes whole numbers of at least 1, like 64,128; got '{sizes}'")
    orders = tuple(sorted({int(word) for word in words}))
    needed, limit = sum(3 * 4 * n**2 for n in orders), memory_limit()
    if limit is not None and needed > limit // 2:
        raise UserError(
            f"--sizes {sizes}: A, B and C take {needed / 2**30:.1f} GiB of the {limit / 2**30:.1f} GiB here; "
            "choose smaller ones"
        )
    return orders


def jobs(request: Request, make_operands: Operands, seed: int) -> list[Job]:
    """Everything that is timed: methods at sizes, A/A tests, slices, the embedding."""
    cells = [(method, n, method) for method, n in request.measured_cells()]
    sliced = [(m, n) for m in request.methods for n in request.sizes if n**3 > SLICE_STEPS.get(m, n**3)]
    orders = sorted({n for _, n, _ in cells} | {n for _, n in sliced})
    arena = Arena(3 * len(orders), sum(3 * n * n for n in orders))
    operands: dict[int, tuple[Matrix, Matrix, Matrix]] = {}
    for n in orders:
        A, B, C = operands[n] = tuple(arena.square(n, which) for which in range(3))  # type: ignore[assignment]
        A[:], B[:] = make_operands(n)
    for method in TWICE:
        if sizes := [n for name, n, _ in cells if name == method]:
            cells.append((method, min(sizes), method + AGAIN))
    found = []
    for method, n, name in cells:
        A, B, C = operands[n]
        # What is timed is the method's own body: its operands have been checked by then.
        workload = Workload(name, n, partial(bare(request.methods[method]), A, B, out=C), flops=2 * n**3)
        family = "python" if method in PYTHON_METHODS else method
        found.append(Job(workload, request.requirement(method, n), f"{name} at N = {n}", family))
    for method, n in sliced:
        workload = slices(method, bare(request.methods[method]), operands[n], seed)
        label = f"slices of {method} at N = {n}"
        found.append(Job(workload, SLICE_REQUIREMENT, label, "slices", every=SLICE_EVERY))
    for workload in embedding(seed):
        label = f"the {workload.name}"
        found.append(Job(workload, EMBEDDING_REQUIREMENT, label, "embedding", EMBEDDING_SAMPLE_SECONDS))
    return found


def slices(name: str, method: Method, operands: tuple[Matrix, Matrix, Matrix], seed: int) -> Workload:
    """A long product in slices: the same loops over a few rows and columns of the very matrices.

    A call of seconds sees the core both shared and alone; a slice of 10 ms mostly sees one of the two. Of a blocked
    product a slice is some rows of one block, with whole columns and steps; of einsum, whole rows. They lie all over
    the matrices.
    """
    A, B, C = operands
    n, most, rng = len(A), SLICE_STEPS[name], np.random.default_rng(seed)
    in_blocks = name.startswith("blocked")
    if in_blocks:
        block = inspect.signature(method).parameters["block_size"].default
        columns = steps = min(block, n)
        rows = max(1, min(steps, most // steps**2))
    else:
        columns = max(1, min(n, most // n))
        rows, steps = max(1, min(n, most // (n * columns))), n

    def start(size: int, width: int) -> int:
        """Where a piece of so many of n begins: in a block on its edge, or a whole number of pieces further."""
        return int(rng.integers(n // size)) * size + int(rng.integers(max(1, size // width))) * width

    def call() -> object:
        if in_blocks:
            i, j, k = start(steps, rows), start(columns, columns), start(steps, steps)
        else:
            i, j, k = int(rng.integers(n - rows + 1)), int(rng.integers(n - columns + 1)), 0
        return method(
            A[i : i + rows, k : k + steps], B[k : k + steps, j : j + columns], out=C[i : i + rows, j : j + columns]
        )

    return Workload(name + SLICE, n, call, flops=2 * rows * columns * steps)


def bare(method: Method) -> Method:
    """The method's own body, without the check of its operands."""
    if isinstance(method, partial):
        return partial(inspect.unwrap(method.func), *method.args, **method.keywords)
    body: Method = inspect.unwrap(method)
    return body


def embedding(seed: int) -> list[Workload]:
    """The embedding lookup as a gather and as a product with a one-hot vector, and the projection x @ E.T."""
    rng = np.random.default_rng(seed)
    E = rng.standard_normal((VOCABULARY, WIDTH)).astype(np.float32)
    x = rng.standard_normal((BATCH * TOKENS, WIDTH)).astype(np.float32)
    token = VOCABULARY // 2
    one_hot = np.zeros(VOCABULARY, dtype=np.float32)
    one_hot[token] = 1
    row, logits = np.empty(WIDTH, dtype=np.float32), np.empty((BATCH * TOKENS, VOCABULARY), dtype=np.float32)
    lookup, project = 2 * VOCABULARY * WIDTH, 2 * BATCH * TOKENS * WIDTH * VOCABULARY
    return [
        Workload(GATHER, WIDTH, partial(E.take, token, axis=0, out=row, mode="clip")),
        Workload(ONE_HOT, WIDTH, partial(np.matmul, one_hot, E, out=row), flops=lookup),
        Workload(PROJECTION, WIDTH, partial(np.matmul, x, E.T, out=logits), flops=project),
    ]
