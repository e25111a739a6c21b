"""The shapes of every JSON file: samples and metadata, and beside them what `derive` made of them."""

from collections.abc import Sequence
from functools import reduce
from operator import add
from statistics import median
from typing import Annotated, Any, Literal

import msgspec

from labkit.machine.blas import Blas
from labkit.machine.caches import Cache
from labkit.machine.hardware import Hardware, MachineIdentity
from labkit.stats import Bounded, IntervalKind, Ratio, median_interval

Flag = Literal["preempted", "stolen", "second thread", "contended"]
Count = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
Amount = Annotated[int, msgspec.Meta(ge=0, lt=2**62)]  # flops or bytes
Seconds = Annotated[float, msgspec.Meta(ge=0, lt=1e9)]
CallSeconds = Annotated[float, msgspec.Meta(gt=1e-15, lt=1e9)]
Positive = Annotated[float, msgspec.Meta(gt=1e-300)]


# Of a series, and of a record. np.matmul at N = 64, called until a second is over, has 50,000; that many take seconds.
MOST_SAMPLES, MOST_IN_ALL = 60_000, 250_000
MOST_LEVELS = 20  # of a config, which has two; what writes and shows one calls itself for each


class Record(msgspec.Struct, kw_only=True):
    """A JSON object. Fields that a newer version added are ignored on reading."""


class Rate(Record):
    """A sample of rates in GFLOPS, GB/s or GHz: its median with an interval, and its best."""

    median: float
    best: float
    low: float
    high: float
    interval: IntervalKind

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.median <= self.high <= self.best:
            raise ValueError("an interval does not hold its median, or passes the best rate")

    @classmethod
    def of(cls, values: Sequence[float]) -> "Rate":
        """The summary of these rates."""
        low, high, kind = median_interval(values)
        return cls(median=median(values), best=max(values), low=low, high=high, interval=kind)

    @property
    def estimate(self) -> "Estimate":
        return Estimate(value=self.median, low=self.low, high=self.high)


class Estimate(Record):
    """A quantity with its 95 % interval."""

    value: Positive
    low: Positive
    high: Positive

    @classmethod
    def of(cls, ratio: Ratio) -> "Estimate":
        return cls(value=ratio.value, low=ratio.low, high=ratio.high)

    @property
    def bounded(self) -> Bounded:
        return self.value, self.low, self.high


class Series(Record, omit_defaults=True):
    """Every sample of one workload, in columns: one entry a sample.

    `seconds` and `cpu_seconds` are wall and processor time of one call, `calls` how many calls a sample has, `rounds`
    the round it was taken in (equal rounds make a pair), `steal_seconds` what the hypervisor took from all CPUs
    meanwhile (null where it is not told), `at` when it ended, in seconds since the run began, `probe` the reading of
    the core before it (the next one is that after it). The last three may be empty.
    """

    name: str
    n: Annotated[int, msgspec.Meta(ge=1, lt=2**53)]
    flops: Amount = 0  # of a call
    bytes: Amount = 0  # of a call
    rounds: list[Count] = []
    calls: list[Count] = []
    seconds: list[CallSeconds] = []
    cpu_seconds: list[Seconds] = []
    steal_seconds: list[Seconds | None] = []
    at: list[Seconds] = []
    probe: list[Count] = []

    def __post_init__(self) -> None:
        columns = (self.rounds, self.calls, self.cpu_seconds, self.steal_seconds, self.at, self.probe)
        if any(len(column) not in (0, len(self.seconds)) for column in columns):
            raise ValueError(f"the columns of {self.name} at {self.n} differ in length")

    @property
    def amount(self) -> int:
        """What a call does: its flops, or the bytes it moves."""
        return self.flops or self.bytes

    @property
    def rates(self) -> list[float]:
        """GFLOPS (GB/s where there are no flops) by wall time, one a sample."""
        return [self.amount / s / 1e9 for s in self.seconds]

    @property
    def cpu_rates(self) -> list[float]:
        """The same by processor time: time in which others had the core does not count.

        Nor does more than wall time: a second thread does not make a call longer.
        """
        seconds = [min(s, c) if c > 0 else s for s, c in zip(self.seconds, self.cpu_seconds, strict=True)]
        return [self.amount / s / 1e9 for s in seconds]

    @property
    def total_seconds(self) -> float:
        """Wall time in timed calls."""
        # Not by sum(), which rounds otherwise from Python 3.12 on: a record is derived again under any Python.
        return reduce(add, (s * calls for s, calls in zip(self.seconds, self.calls, strict=True)), 0.0)


class Readings(Record):
    """The state of the core between samples, in columns: rates by processor time, of the FMA loop and of two dots."""

    fma_gflops: list[Positive]
    l1_gbs: list[Positive]
    l2_gbs: list[Positive]

    def __post_init__(self) -> None:
        if not len(self.fma_gflops) == len(self.l1_gbs) == len(self.l2_gbs):
            raise ValueError("the columns of the readings differ in length")


def _check_samples(samples: Sequence[Series], readings: Readings) -> None:
    """A ValueError unless all these series have what is needed to rate, to pair and to flag their samples."""
    many = [len(s.seconds) for s in samples]
    if max(many, default=0) > MOST_SAMPLES or sum(many) > MOST_IN_ALL:
        raise ValueError(f"a series has {max(many):,} samples, of {sum(many):,}: take several calls as one sample")
    for s in samples:
        if s.seconds and not (s.rounds and s.calls and s.cpu_seconds and s.at and s.probe):
            raise ValueError(f"{s.name} at {s.n} lacks the rounds, calls, times or readings of its samples")
        if not (s.amount or s.name == "gather"):  # this one only moves a row
            raise ValueError(f"{s.name} at {s.n} lacks the flops or bytes of a call")
        if max(s.probe, default=0) + 1 >= len(readings.fma_gflops):
            raise ValueError("a sample names a reading that is not there")


# --- manifest.json: the same in every experiment -------------------------------------------------------


class Git(Record):
    commit: str | None
    dirty: bool | None
    reason: str | None = None


class Manifest(Record):
    """What was run, on what, with what."""

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

    def __post_init__(self) -> None:
        level: list[Any] = [self.config]
        for _ in range(MOST_LEVELS):
            level = [
                one
                for value in level
                for one in (value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())
            ]
        if level:
            raise ValueError(f"its config has more than {MOST_LEVELS} levels")


# --- experiments/01-roofline/kernels.json --------------------------------------------------------------


class PeakLoop(Record):
    """The loop that the peak was measured with. Without `fma` a step is a multiply and an add."""

    instruction_set: str
    lanes: int
    accumulators: int
    fma: bool


class Saturation(Record):
    """One point of the sweep over accumulators."""

    instruction_set: str
    lanes: int
    accumulators: int
    gflops: float


class Peak(Record):
    """`latency_cycles`: what one chain alone waits for each step; `steps_per_cycle`: how many a full core does."""

    fp32_fma_gflops: Rate  # `best` is the best of the rounds and of the sweep
    instruction_set: str
    lanes: int
    accumulators: int
    fma: bool
    flops_per_cycle: float
    latency_cycles: float | None
    steps_per_cycle: float
    saturates_at: int
    sweep: list[Saturation]


class Ceiling(Record):
    name: str
    gflops: Rate


class CoreClock(Record):
    """`ghz` by a chain of additions alone, `under_load_ghz` by one beside the peak's own loop."""

    ghz: Rate
    under_load_ghz: Rate | None
    nominal_ghz: float | None
    nominal_from: str
    verdict: Literal["as stated", "boosted", "throttled"] | None
    peak_from_nominal_gflops: float | None


class Bandwidth(Record):
    """STREAM counting: the bytes that the loop names, no write-allocate; `loads` to `stores`."""

    level: str
    pattern: Literal["load", "copy", "triad", "copy_streaming"]
    loads: int
    stores: int
    working_set_bytes: int
    gbs: Rate


class WorkingSet(Record):
    """The load bandwidth of one working-set size."""

    working_set_bytes: int
    gbs: Rate


class Ridge(Record):
    level: str
    flop_per_byte: float
    gbs: float


class CoreReference(Record):
    """The core alone: bytes that a dot product out of each level loads in the time of a flop of the peak's loop.

    Another tenant of the core lowers both. `contended` is the portion of the readings in which it was not alone.
    """

    l1_byte_per_flop: Positive
    l2_byte_per_flop: Positive
    contended: float


class SeveralCores(Record):
    """So many cores at once: GFLOPS of their FMA loops and GB/s of their loads from DRAM, one figure a round."""

    cores: Annotated[int, msgspec.Meta(ge=1, lt=2**20)]
    gflops: list[Positive]
    gbs: list[Positive]


class RooflineMeasurement(Record):
    """What was timed, and what must be known to read it. `samples` by name:

    "peak", "clock", "clock under load", "dot in L1", "dot in L2", "memcpy", "dot", "einsum", "matmul"; "ceiling NAME";
    "sweep LANESxACCUMULATORS", "sweep clock"; "LEVEL PATTERN", as in "L1 load"; "working set" (one series a size, `n`
    in bytes). A clock's flops are cycles. To keep the file small, series hold the wall seconds of a call alone, but for
    the peak and the two dots, which show the state of the core.
    """

    schema: Literal["roofline/2"]
    machine: MachineIdentity
    short_name: str
    loop: PeakLoop
    instruction_sets: dict[str, str]  # by lanes, of the sweep
    levels: list[Cache]
    levels_from: Literal["reported", "bandwidth"]
    nominal_ghz: float | None
    nominal_from: str
    rounds: int
    seconds: float
    notes: list[str]
    samples: list[Series]
    cores: list[SeveralCores] = []


class Roofline(RooflineMeasurement, kw_only=True):
    """With what `labkit.roofline.derive` made of the samples."""

    peak: Peak
    ceilings: list[Ceiling]
    clock: CoreClock
    bandwidth: list[Bandwidth]
    working_sets: list[WorkingSet]
    ridge: list[Ridge]
    reference: CoreReference
    faults: list[str]  # why this roofline cannot be right

    def __post_init__(self) -> None:
        if not any(ridge.level == "DRAM" for ridge in self.ridge):
            raise ValueError("the roofline has no bandwidth of DRAM")


# --- experiments/03-matmul-perf/results.json -----------------------------------------------------------


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
    clock_resolution_seconds: float


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


class Limits(Record):
    """What a run takes from the roofline. `bounds_matmul` is false where np.matmul may use a matrix unit.

    The bytes per flop are those of `CoreReference`.
    """

    peak_gflops: Positive
    dram_gbs: Positive
    l1_byte_per_flop: Positive
    l2_byte_per_flop: Positive
    bounds_matmul: bool


class Roof(Record):
    """The roof over a run: the FMA peak beside its own samples, and the bandwidth of DRAM from the roofline."""

    peak_gflops: Positive
    dram_gbs: Positive
    ridge_flop_per_byte: Positive
    crossover_n: Positive


class Alone(Record):
    """A cell on a core that it has to itself: GFLOPS under the run's roof, so that peak_fraction is their quotient.

    `uncontended` of `samples` were alone, of the calls themselves or of slices of them. `bound`: too few were, and the
    interval holds all that can be said.
    """

    gflops: Estimate
    uncontended: int
    samples: int
    source: Literal["calls", "slices"]
    bound: bool


class Cell(Record):
    """A method at a size. Of an extrapolated cell no whole call was timed: its rate is its base's.

    `gflops` is as it was, by wall time; `alone` and `peak_fraction` are of a core that is not shared. `flags` has one
    entry a sample: what disturbed it, if anything did. `contended` is the portion of samples on a shared core.
    `invalid` says why the cell cannot be true.
    """

    method: str
    n: int
    extrapolated: bool
    extrapolated_from: int | None
    seconds_per_call: list[float]
    total_seconds: float
    gflops: Rate
    peak_fraction: Estimate
    contended: float
    noisy: bool
    flags: list[Flag | None]
    invalid: list[str]
    notes: list[str]
    alone: Alone

    @property
    def flops(self) -> int:
        return 2 * self.n**3

    @property
    def call_seconds(self) -> float:
        """The median time of a call, or what the cube law makes of it."""
        return self.flops / self.gflops.median / 1e9


class Speedup(Record):
    """Of a core alone, where the run tells; `as_it_was` is then the quotient of the median rates by wall time.

    `basis` is what it rests on; `withheld` says why a page does not state it.
    """

    n: int
    factor: float
    low: float
    high: float
    extrapolated: bool
    basis: str
    naive_seconds: float
    matmul_seconds: float
    withheld: str | None
    as_it_was: "Speedup | None" = None


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
    sessions: int

    @property
    def share(self) -> float:
        return (self.wall_seconds - self.call_seconds) / self.wall_seconds


class Measurement(Record):
    """What was timed, and what must be known to read it.

    `samples`: a series for each method at each size; "METHOD slice"; "METHOD again" (an A/A test); "gather", "one_hot",
    "projection". `cpus` share the steal time that the system counts.
    """

    schema: Literal["matmul-perf/2"]
    status: Literal["complete", "partial"]
    short_name: str
    cpus: int
    protocol: Protocol
    agreement: Agreement
    limits: Limits
    harness: Harness
    samples: list[Series]
    readings: Readings

    def __post_init__(self) -> None:
        _check_samples(self.samples, self.readings)


class Results(Measurement, kw_only=True):
    """With what `labkit.records.derive` made of the samples, for readers that want the numbers alone."""

    roof: Roof
    cells: list[Cell]
    speedup: Speedup | None
    embedding: Embedding | None

    def cell(self, method: str, n: int) -> Cell | None:
        """The cell of a method at a size, if there is one."""
        return next((c for c in self.cells if (c.method, c.n) == (method, n)), None)


# --- experiments/03-matmul-perf/repeat.json ------------------------------------------------------------


class RepeatedCell(Record):
    """A cell of one run."""

    method: str
    n: int
    gflops: float
    peak_fraction: Estimate


class RepeatedRun(Record):
    """One quick run, alone or beside a process that kept another CPU busy, under one Python."""

    beside: Literal["nothing", "a busy process"]
    python: str
    contended: float
    wall_seconds: float
    speedup: Estimate | None
    cells: list[RepeatedCell]


class Repeat(Record):
    """What moves and what stays when the same command is run again and again on one machine."""

    schema: Literal["repeat/2"]
    short_name: str
    runs: list[RepeatedRun]
    left_out: dict[str, str]  # Pythons that were asked for and could not be measured, and why
    manifest: Manifest


# --- experiments/03-speedup-ladder/results.json --------------------------------------------------------


class LadderRung(Record, omit_defaults=True):
    """One way to multiply. `kind`: a step of the ladder, one of the other order, or a side rung; the last step but one
    with other blocks; another library, another kernel of OpenBLAS, or a function of one's own.

    Of the last the file may name a rung that it is held `over`, and the factor that was `expected`.
    """

    name: str
    title: str
    changed: str
    code: str
    kind: Literal["step", "other order", "side", "blocks", "rival", "kernel", "own"]
    over: str = ""
    expected: float | None = None


class LadderCell(Record):
    """A rung at a size. A call computes a `portion` of the product; `gflops` is as it was, the rest of a core alone."""

    rung: str
    n: int
    portion: float
    gflops: Rate
    peak_fraction: Estimate
    alone: Alone
    noisy: bool


class Factor(Record):
    """How many times as fast `rung` is as `over` alone; `pairs`: uncontended samples of the one with fewer."""

    rung: str
    over: str
    n: int
    ratio: float
    low: float
    high: float
    pairs: int
    interval: IntervalKind


class Instructions(Record):
    """Instructions per step of the inner loop, by rung, as Valgrind counts them; `note` says what ran there."""

    per_step: dict[str, Positive]
    note: str


class AllCores(Record):
    """np.matmul on so many cores in rounds: GFLOPS of the FMA loop on all of them, of np.matmul on all and on one."""

    cores: Annotated[int, msgspec.Meta(ge=2, lt=2**20)]
    n: int
    peak_gflops: list[Positive]
    gflops: list[Positive]
    one_gflops: list[Positive]

    def __post_init__(self) -> None:
        if not len(self.peak_gflops) == len(self.gflops) == len(self.one_gflops) > 0:
            raise ValueError("the columns of all cores differ in length, or are empty")


class OnAllCores(Record):
    """What follows from them: the rate, its factor over that of one core, and the fraction of the peak of all."""

    gflops: Rate
    peak_gflops: Rate
    factor: Estimate
    peak_fraction: Estimate


class LadderMeasurement(Record):
    """What was timed: a series for each rung at each size."""

    schema: Literal["ladder/2"]
    short_name: str
    cpus: int
    n: int
    sizes: list[int]
    tile: list[int]  # MR, NR
    agreement: Agreement
    rungs: list[LadderRung]
    limits: Limits
    wall_seconds: float
    samples: list[Series]
    readings: Readings
    all_cores: AllCores | None = None
    left_out: list[str] = []  # rivals that are installed and do not run here, and why
    instructions: Instructions | None = None

    def __post_init__(self) -> None:
        _check_samples(self.samples, self.readings)


class Ladder(LadderMeasurement, kw_only=True):
    """With what `labkit.ladder.derive` made of the samples. `whole` is the last step over the first.

    `beside`: rivals, other kernels and rungs of one's own over np.matmul. `rivals`: the generated product over each of
    them, and over np.matmul, at every size. `blocks`: with other blocks over the chosen ones, at every size. `own`: a
    rung of one's own over what its file names, and over the steps that are next to it in speed.
    """

    roof: Roof
    cells: list[LadderCell]
    factors: list[Factor]
    whole: Factor
    other_order: list[Factor]
    sides: list[Factor]
    beside: list[Factor] = []
    rivals: list[Factor] = []
    blocks: list[Factor] = []
    own: list[Factor] = []
    on_all_cores: OnAllCores | None = None

    def cell(self, rung: str, n: int) -> LadderCell | None:
        """The cell of a rung at a size, if there is one."""
        return next((c for c in self.cells if (c.rung, c.n) == (rung, n)), None)


# --- experiments/01-roofline/traffic.json --------------------------------------------------------------


class CacheShape(Record):
    """A cache as it is simulated. Its sets are a power of two: if need be fewer than it has, with more ways."""

    level: Annotated[int, msgspec.Meta(ge=1, lt=10)]
    bytes: Annotated[int, msgspec.Meta(ge=1, lt=2**53)]
    ways: Annotated[int, msgspec.Meta(ge=1, lt=2**53)]
    line_bytes: Annotated[int, msgspec.Meta(ge=1, lt=2**16)]


class KernelTraffic(Record):
    """The bytes that one call moves. "cold": nothing of the operands is in a cache; "warm": after a call before it.

    `bytes`: by level, fetched into it from beyond. `write_back_bytes`: by level, written back from it; empty where the
    instrument does not tell. `portion` of the rows of i were simulated and stand for all. `counts` of the processor.
    """

    kernel: str
    n: Annotated[int, msgspec.Meta(ge=1, lt=2**53)]
    instrument: Literal["counters", "valgrind", "simulation"]
    state: Literal["warm", "cold"]
    flops: Amount
    bytes: dict[str, Amount]
    write_back_bytes: dict[str, Amount] = {}
    portion: float = 1.0
    blas_kernel: str | None = None  # that np.matmul ran, where it is not the machine's own
    counts: dict[str, Amount] = {}

    @property
    def intensity(self) -> dict[str, float | None]:
        """flop/byte at each level, of what is fetched into it; None where nothing is."""
        return {level: self.flops / size if size else None for level, size in self.bytes.items()}


class LevelMap(Record):
    """Which level serves the numbers of B, N x N, in one order of the loops.

    `rows` of B: a digit for each number, of the level that serves most of its reads. `portions` of all reads of B: by
    level, nearest first, at last from memory.
    """

    kernel: str
    rows: list[str]
    portions: list[float]


class Traffic(Record):
    """The bytes that cross each level, by each instrument: what it knows, or why it is missing.

    `tile` (MR, NR) and `blocks` (KC, NC) are those of the simulated packed product.
    """

    schema: Literal["traffic/1"]
    short_name: str
    machine: MachineIdentity
    caches: list[CacheShape]
    notes: list[str]  # what was assumed of the caches
    instruments: dict[str, str]
    tile: list[int]
    blocks: list[int]
    seconds: Seconds
    kernels: list[KernelTraffic]
    maps: list[LevelMap] = []
    map_caches: list[CacheShape] = []  # small ones, of which the maps tell

    def kernel(self, name: str, n: int, state: Literal["warm", "cold"] = "warm") -> KernelTraffic | None:
        """What moved in a call of this kernel at this N, by the first instrument that tells."""
        return next((k for k in self.kernels if (k.kernel, k.n, k.state) == (name, n, state)), None)
