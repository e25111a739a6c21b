"""What a verifier reads of the records: the fields that the lab's design fixes. The rest may be there or not.

`python -m labkit.verify.shapes` exports their JSON Schema, for whoever writes a bench.py from nothing.
"""

from pathlib import Path
from typing import Any

import msgspec

from labkit.codec import schema
from labkit.records import Blas, CubeLaw, Git, MethodAgreement, Record, Share


class Rate(Record):
    """Rates, GFLOPS."""

    median: float
    best: float
    p90: float
    low: float
    high: float
    interval: str


class Cell(Record):
    """A method at a size. None where a result of another make does not say."""

    method: str
    n: int
    flops: int
    extrapolated: bool
    extrapolated_from: int | None
    calls_per_repetition: int
    seconds_per_call: list[float]
    total_seconds: float
    cpu_over_wall: list[float]
    gflops: Rate
    roof: Share
    noisy: bool
    notes: list[str]
    extrapolated_seconds: float | None = None
    rounds: list[int] | None = None
    voluntary_switches: list[int] | None = None
    involuntary_switches: list[int] | None = None
    steal_seconds: list[float | None] | None = None
    sentinel_gbs: list[float | None] | None = None
    marks: list[str | None] | None = None
    invalid: list[str] = msgspec.field(default_factory=list)

    @property
    def name(self) -> str:
        """As a reason speaks of it."""
        return f"{self.method} at N={self.n}"


class Protocol(Record):
    """How it was measured. min_seconds in s."""

    seed: int
    dtype: str
    sizes: list[int]
    methods: list[str]
    block_size: int
    warmup_calls: int
    min_repetitions: int
    min_seconds: float
    quick: bool = False
    measure_all: bool = False
    clock_resolution_seconds: float | None = None


class Agreement(Record):
    """The gate before anything was timed."""

    n: int
    rtol: float
    atol: float
    methods: dict[str, MethodAgreement]


class Bounded(Record):
    """A value; its interval, where it is said."""

    value: float
    low: float | None = None
    high: float | None = None


class SentinelRate(Record):
    """GB/s."""

    median: float
    p90: float


class Sentinel(Record):
    """The transfer standard of the shares."""

    gbs: SentinelRate
    peak_flop_per_sentinel_byte: Bounded | float


class Roof(Record):
    """GFLOPS, GB/s, flop a byte; N."""

    peak_gflops: float
    dram_gbs: float
    ridge_flop_per_byte: float
    crossover_n: float
    sentinel: Sentinel

    @property
    def peak_per_byte(self) -> float:
        """Flop at the peak for each byte that the sentinel loads meanwhile."""
        given = self.sentinel.peak_flop_per_sentinel_byte
        return given.value if isinstance(given, Bounded) else given


class Sanity(Record):
    """A rate beside the lab's rough range, GFLOPS."""

    method: str
    n: int
    expected: list[float]
    measured: float
    verdict: str


class Speedup(Record):
    """np.matmul over naive."""

    n: int
    factor: float
    extrapolated: bool
    naive_seconds: float
    matmul_seconds: float
    withheld: str | None = None


class Embedding(Record):
    """The lab's anchor; times in s."""

    vocabulary: int
    width: int
    batch: int
    tokens: int
    lookup_flops: int
    gather_seconds: float
    one_hot_seconds: float
    projection_flops: int
    projection_gflops: float
    projection_seconds: float | None = None


class Comparison(Record):
    """A ratio of two methods' rates at a size, from pairs."""

    method: str
    other: str
    n: int
    ratio: float
    low: float
    high: float
    pairs: int
    verdict: str


class Results(Record):
    """results.json."""

    schema: str
    status: str
    protocol: Protocol
    agreement: Agreement
    cells: list[Cell]
    roof: Roof
    sanity: list[Sanity]
    speedup: Speedup | None
    embedding: Embedding | None
    short_name: str | None = None
    speedup_measured: Speedup | None = None
    comparisons: list[Comparison] = msgspec.field(default_factory=list)
    cube_law: list[CubeLaw] = msgspec.field(default_factory=list)

    def cell(self, method: str, n: int) -> Cell | None:
        """The cell of a method at a size, if there is one."""
        return next((c for c in self.cells if (c.method, c.n) == (method, n)), None)

    @property
    def measured(self) -> list[Cell]:
        """The cells that were timed."""
        return [cell for cell in self.cells if not cell.extrapolated]


class Hardware(Record):
    """What the manifest says of the machine. `reasons` says why a null is one."""

    cpu: str | None
    governor: str | None
    power: str | None
    reasons: dict[str, str] = msgspec.field(default_factory=dict)
    short_name: str | None = None


class Manifest(Record):
    """manifest.json."""

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


SCHEMA_FILE = Path(__file__).with_name("submission.schema.json")

if __name__ == "__main__":
    SCHEMA_FILE.write_bytes(schema(Results))
