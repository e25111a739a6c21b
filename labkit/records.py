"""The shapes of every JSON file: one place, typed, validated on reading and on writing.

`python -m labkit.records` exports the JSON Schemas into `schemas/` beside this file.
"""

import inspect
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from labkit.errors import LabError, os_error
from labkit.statistics import IntervalKind, summarise_rates

Verdict = Literal["inside", "below", "above"]
Comparison = Literal["faster", "slower", "no difference resolved"]


class Record(msgspec.Struct, kw_only=True):
    """A JSON object. Fields that a newer version added are passed over on reading."""


class Rate(Record):
    """A sample of rates: GFLOPS, GB/s or GHz, whichever the field's name says."""

    median: float
    best: float
    p90: float
    low: float
    high: float
    interval: IntervalKind

    @classmethod
    def of(cls, values: Sequence[float]) -> "Rate":
        """The record of these rates."""
        s = summarise_rates(values)
        return cls(median=s.median, best=s.best, p90=s.p90, low=s.low, high=s.high, interval=s.interval)


class Bounded(Record):
    """A quantity with its 95 % interval."""

    value: float
    low: float
    high: float


# --- the machine and the manifest -------------------------------------------------------------------


class Cache(Record):
    level: int
    bytes: int
    shared_by: int | None


class Cores(Record):
    logical: int
    physical: int | None
    usable: int


class Blas(Record):
    library: str
    version: str | None
    kernel: str | None
    threads: int | None


class Hardware(Record):
    """`reasons` says, for each null beside it, why the machine does not tell."""

    cpu: str | None
    short_name: str
    microarchitecture: str | None
    isa: list[str]
    cores: Cores
    caches: list[Cache]
    memory_bytes: int
    governor: str | None
    power: str | None
    virtualized: bool | None
    reasons: dict[str, str]


class MachineIdentity(Record):
    """What must be the same for a roof to hold."""

    cpu: str | None
    microarchitecture: str | None
    isa: list[str]
    caches: list[Cache]
    numpy: str
    blas: str


class Git(Record):
    commit: str | None
    dirty: bool | None
    reason: str | None = None


class Manifest(Record):
    """What was run, on what, with what; the same in every experiment."""

    experiment: str
    created: str
    command: list[str]
    seed: int
    config: dict[str, Any]
    git: Git
    versions: dict[str, str]
    blas: Blas
    threads: dict[str, str | None]
    hardware: Hardware
    outputs: dict[str, str]


# --- experiments/01-roofline/kernels.json -----------------------------------------------------------


class Saturation(Record):
    """One point of the sweep over accumulators."""

    instruction_set: str
    lanes: int
    accumulators: int
    gflops: float


class Peak(Record):
    fp32_fma_gflops: Rate
    instruction_set: str
    lanes: int
    accumulators: int
    flops_per_cycle: float
    sweep: list[Saturation]


class Ceiling(Record):
    name: str
    gflops: Rate


class CoreClock(Record):
    ghz: Rate
    nominal_ghz: float | None


class Bandwidth(Record):
    """STREAM counting: the bytes that the loop names, no write-allocate."""

    level: str
    pattern: Literal["load", "copy", "triad"]
    working_set_bytes: int
    gbs: Rate


class Ridge(Record):
    level: str
    flop_per_byte: float
    gbs: float


class SentinelPeak(Record):
    """The sentinel in GB/s, and the peak in units of it: flop per byte the sentinel loads meanwhile."""

    gbs: Rate
    peak_flop_per_sentinel_byte: Bounded


class PlacedKernel(Record):
    """`intensity_high` is null where the intensity is known; otherwise it lies between the two.

    A copy does no flops: its intensity and GFLOPS are 0, and `gbs` says what it moves.
    """

    name: str
    n: int
    intensity: float
    intensity_high: float | None
    gflops: float
    gbs: float | None
    extrapolated: bool
    extrapolated_from: int | None


class Roofline(Record):
    schema: Literal["roofline/1"]
    machine: MachineIdentity
    short_name: str
    peak: Peak
    ceilings: list[Ceiling]
    clock: CoreClock
    bandwidth: list[Bandwidth]
    ridge: list[Ridge]
    sentinel: SentinelPeak
    kernels: list[PlacedKernel]
    rounds: int
    seconds: float
    notes: list[str]


# --- experiments/03-matmul-perf/results.json --------------------------------------------------------


class Protocol(Record):
    seed: int
    dtype: str
    sizes: list[int]
    methods: list[str]
    block_size: int
    warmup_calls: int
    min_repetitions: int
    min_seconds: float
    measure_all: bool
    quick: bool


class MethodAgreement(Record):
    exact_on_integers: bool
    within_bound: bool
    max_scaled_error: float
    allclose: bool
    outside_allclose: int
    elements: int
    bit_identical_to: list[str]


class WorstElement(Record):
    """The element that the literal tolerance fails by most, and why: cancellation."""

    method: str
    row: int
    column: int
    reference: float
    difference: float
    magnitude: float


class Agreement(Record):
    n: int
    rtol: float
    atol: float
    integer_shapes: list[list[int]]
    methods: dict[str, MethodAgreement]
    worst: WorstElement | None


class Share(Record):
    share: float
    low: float
    high: float


class Cell(Record):
    """A method at a size. Of an extrapolated cell nothing was timed: its rate is its base's."""

    method: str
    n: int
    flops: int
    extrapolated: bool
    extrapolated_from: int | None
    extrapolated_seconds: float | None
    calls_per_repetition: int
    seconds_per_call: list[float]
    rounds: list[int]
    total_seconds: float
    cpu_over_wall: list[float]
    gflops: Rate
    roof: Share
    noisy: bool
    notes: list[str]


class RoofSentinel(Record):
    gbs: Rate
    peak_flop_per_sentinel_byte: Bounded


class Roof(Record):
    peak_gflops: float
    dram_gbs: float
    ridge_flop_per_byte: float
    crossover_n: float
    sentinel: RoofSentinel


class Sanity(Record):
    method: str
    n: int
    extrapolated: bool
    expected: list[float]
    measured: float
    verdict: Verdict
    because: str


class Speedup(Record):
    n: int
    factor: float
    low: float
    high: float
    extrapolated: bool
    naive_seconds: float
    matmul_seconds: float


class MethodComparison(Record):
    """How many times as fast `method` is as `other`: the median of pairs taken side by side."""

    method: str
    other: str
    n: int
    ratio: float
    low: float
    high: float
    pairs: int
    interval: IntervalKind
    verdict: Comparison


class CubeLaw(Record):
    """How far T(N) = (N / m)^3 T(m) was off where both were measured: measured over predicted."""

    method: str
    n: int
    predicted_from: int
    predicted_seconds: float
    measured_seconds: float
    ratio: float


class Embedding(Record):
    vocabulary: int
    width: int
    batch: int
    tokens: int
    lookup_flops: int
    gather_seconds: float
    one_hot_seconds: float
    projection_flops: int
    projection_seconds: float
    projection_gflops: float


class Harness(Record):
    """What the run cost beyond the calls it had to make."""

    wall_seconds: float
    call_seconds: float
    roof_seconds: float
    share: float
    sessions: int


class Results(Record):
    schema: Literal["matmul-perf/1"]
    status: Literal["complete", "partial"]
    short_name: str
    protocol: Protocol
    agreement: Agreement
    cells: list[Cell]
    roof: Roof
    sanity: list[Sanity]
    speedup: Speedup | None
    speedup_measured: Speedup | None
    comparisons: list[MethodComparison]
    cube_law: list[CubeLaw]
    embedding: Embedding | None
    harness: Harness

    def cell(self, method: str, n: int) -> Cell | None:
        """The cell of a method at a size, if there is one."""
        return next((c for c in self.cells if (c.method, c.n) == (method, n)), None)


# --- reading and writing ----------------------------------------------------------------------------

T = TypeVar("T", bound=Record)


def encode(record: Record) -> bytes:
    """The record as indented JSON, after the same checks that reading makes."""
    raw = msgspec.json.encode(record)
    _check(msgspec.json.decode(raw, type=type(record)))
    return _on_one_line(msgspec.json.format(raw, indent=1)) + b"\n"


def _on_one_line(text: bytes) -> bytes:
    """Arrays of numbers on one line each: a record is read by people too."""
    return re.sub(rb"\[\n\s*([-+\d.eE,\s]+?)\n\s*\]", lambda m: b"[" + b" ".join(m[1].split()) + b"]", text)


def decode(raw: bytes, kind: type[T], name: str) -> T:
    """A record of the given kind, or a LabError that says what is wrong with the file called `name`."""
    try:
        record = msgspec.json.decode(raw, type=kind)
        _check(record)
    except (msgspec.DecodeError, ValueError) as error:
        raise LabError(f"{name} is not a valid {kind.__name__.lower()} record: {error}") from None
    return record


def read(path: Path, kind: type[T]) -> T:
    """The record in a file; a LabError if it is not there, cannot be read or is not valid."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise os_error(f"read {path.name}", error) from None
    return decode(raw, kind, path.name)


def _check(record: Record) -> None:
    """What types alone do not say: rates follow from seconds, intervals hold their medians."""
    if isinstance(record, Results):
        for cell in record.cells:
            _check_cell(cell)
    if isinstance(record, Roofline):
        rate = record.peak.fp32_fma_gflops
        if not 0 < rate.low <= rate.median <= rate.high <= rate.best:
            raise ValueError("the peak's interval does not hold its median")


def _check_cell(cell: Cell) -> None:
    name = f"{cell.method} at N={cell.n}"
    if cell.extrapolated != (not cell.seconds_per_call):
        raise ValueError(f"{name}: an extrapolated cell has no repetitions, and a measured one has some")
    if cell.flops != 2 * cell.n**3:
        raise ValueError(f"{name}: {cell.flops} flops is not 2 N^3")
    if not len(cell.seconds_per_call) == len(cell.cpu_over_wall) == len(cell.rounds):
        raise ValueError(f"{name}: repetitions, their rounds and their CPU times differ in number")
    if any(not (s > 0 and math.isfinite(s)) for s in cell.seconds_per_call):
        raise ValueError(f"{name}: a time that is not positive")
    if cell.seconds_per_call:
        best = cell.flops / min(cell.seconds_per_call) / 1e9
        if not math.isclose(best, cell.gflops.best, rel_tol=1e-9):
            raise ValueError(f"{name}: best GFLOPS {cell.gflops.best} does not follow from its seconds ({best})")
    if not cell.gflops.low <= cell.gflops.median <= cell.gflops.high:
        raise ValueError(f"{name}: the interval does not hold the median")


SCHEMAS: dict[str, type[Record]] = {"results": Results, "manifest": Manifest, "kernels": Roofline}
SCHEMA_FOLDER = Path(__file__).parent / "schemas"


def schema(kind: type[Record]) -> bytes:
    """The JSON Schema of a record."""
    made = msgspec.json.schema(kind)
    for definition in made["$defs"].values():
        if "description" in definition:
            # From Python 3.13 on docstrings are stored without their indentation, before with it.
            definition["description"] = inspect.cleandoc(definition["description"])
    return msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n"


def export_schemas(folder: Path = SCHEMA_FOLDER) -> None:
    """Write one JSON Schema a kind of file."""
    for name, kind in SCHEMAS.items():
        (folder / f"{name}.schema.json").write_bytes(schema(kind))


if __name__ == "__main__":
    export_schemas()
