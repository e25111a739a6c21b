"""The shapes of every JSON file, in one place and typed. `codec` reads and writes them."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from labkit.forensics import Mark
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
    quota: float | None = None  # cores' worth of CPU time that a container grants; null without a quota


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
    """`best` is the best of the rounds and of the sweep. The rest is what the two say of the core.

    `latency_cycles` is what one chain alone waits for each step, `steps_per_cycle` how many a core full of
    chains does; their product is how many chains it takes to fill it. Without `fma` a step is a multiply and an add.
    """

    fp32_fma_gflops: Rate
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
    """`ghz` by a chain of additions alone, `under_load_ghz` by one beside the peak's own loop.

    `peak_from_nominal_gflops` is what a peak derived from the clock that the system states would have been.
    """

    ghz: Rate
    under_load_ghz: Rate | None
    nominal_ghz: float | None
    nominal_from: str
    verdict: Literal["as stated", "boosted", "throttled"] | None
    peak_from_nominal_gflops: float | None


class Bandwidth(Record):
    """STREAM counting: the bytes that the loop names, no write-allocate. For each store, `loads` to `stores`."""

    level: str
    pattern: Literal["load", "copy", "triad", "copy_streaming"]
    loads: int
    stores: int
    working_set_bytes: int
    gbs: Rate
    p10: float


class Stair(Record):
    """The load bandwidth of one working set."""

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

    A copy does no flops: its intensity and GFLOPS are 0, and `gbs` says what it moves. `roof` names the limit that
    the kernel answers to, `share` is its median over that limit's best, and `low` and `high` bound the share.
    """

    name: str
    n: int
    intensity: float
    intensity_high: float | None
    gflops: float
    gbs: float | None
    roof: str
    share: float
    low: float
    high: float
    extrapolated: bool
    extrapolated_from: int | None
    source: Literal["roof", "lab"]


class Roofline(Record):
    """`levels` are the caches as reported or, where none are, as the staircase shows them (`levels_from`)."""

    schema: Literal["roofline/1"]
    machine: MachineIdentity
    short_name: str
    peak: Peak
    ceilings: list[Ceiling]
    clock: CoreClock
    levels: list[Cache]
    levels_from: Literal["reported", "staircase"]
    bandwidth: list[Bandwidth]
    staircase: list[Stair]
    ridge: list[Ridge]
    sentinel: SentinelPeak
    kernels: list[PlacedKernel]
    rounds: int
    seconds: float
    notes: list[str]
    faults: list[str]


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


class Share(Record):
    share: float
    low: float
    high: float


class Cell(Record):
    """A method at a size. Of an extrapolated cell nothing was timed: its rate is its base's.

    The lists have one entry a repetition: its seconds a call, its round, its CPU over wall time, how often it was
    switched off the core (of its own accord or not), the steal time of the whole machine meanwhile, the sentinel's
    rate in its round, and what disturbed it, if anything did. `invalid` says why the cell cannot be true.
    """

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
    voluntary_switches: list[int]
    involuntary_switches: list[int]
    steal_seconds: list[float | None]
    sentinel_gbs: list[float | None]
    marks: list[Mark | None]
    gflops: Rate
    roof: Share
    noisy: bool
    invalid: list[str]
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
    # Of what each share is the ratio; records made before it was stated had the first.
    statistic: Literal["90th percentile", "mean of the fastest hundredth"] = "90th percentile"


class Sanity(Record):
    method: str
    n: int
    extrapolated: bool
    expected: list[float]
    measured: float
    verdict: Verdict
    because: str


class Speedup(Record):
    """`withheld` says why a page does not state the factor: its repetitions did not have the core to themselves."""

    n: int
    factor: float
    low: float
    high: float
    extrapolated: bool
    naive_seconds: float
    matmul_seconds: float
    withheld: str | None


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


class SameTwice(Record):
    """One method under two names, in pairs like any comparison: what is seen here is no difference.

    `floor` is the largest portion by which the two names differed; comparisons within it are not resolved.
    """

    pairs: list[MethodComparison]
    floor: float


class Noise(Record):
    """Whether the run as a whole was disturbed: how many of the sentinel's visits bear which mark."""

    noisy: bool
    visits: int
    marks: dict[Mark, int]
    because: list[str]


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
    noise: Noise
    same_twice: SameTwice
    comparisons: list[MethodComparison]
    cube_law: list[CubeLaw]
    embedding: Embedding | None
    harness: Harness

    def cell(self, method: str, n: int) -> Cell | None:
        """The cell of a method at a size, if there is one."""
        return next((c for c in self.cells if (c.method, c.n) == (method, n)), None)


# --- experiments/03-matmul-perf/repeat.json ---------------------------------------------------------


class RepeatedCell(Record):
    """A cell over the runs: its median GFLOPS and its share of the roof, one figure a run."""

    method: str
    n: int
    gflops: list[float]
    share: list[float]


class RepeatedRun(Record):
    """One quick run: beside nothing of ours, or beside a process that kept another core busy."""

    beside: Literal["nothing", "a busy process"]
    noisy: bool
    wall_seconds: float


class Spread(Record):
    """Of the runs beside nothing, (max - min) / median; `busy_shift`: how far the busy run lies from their median."""

    method: str
    n: int
    gflops: float
    share: float
    gflops_busy_shift: float | None
    share_busy_shift: float | None


class Repeat(Record):
    """What moves and what stays when the same command is run again and again on one machine."""

    schema: Literal["repeat/1"]
    short_name: str
    runs: list[RepeatedRun]
    cells: list[RepeatedCell]
    spreads: list[Spread]
    share_spread_limit: float
    share_busy_limit: float
    repeats: bool
    repeats_when_busy: bool | None
    manifest: Manifest


# --- experiments/03-speedup-ladder/results.json -----------------------------------------------------


class LadderRung(Record):
    """One way to multiply. `kind`: a step of the ladder, one of the other order, or a side rung."""

    name: str
    title: str
    changed: str
    code: str
    kind: Literal["step", "other order", "side"]


class LadderCell(Record):
    """A rung at a size. `rows` of C's `n` are computed in a call; its rate is that of these rows."""

    rung: str
    n: int
    rows: int
    flops: int
    seconds_per_call: list[float]
    rounds: list[int]
    marks: list[Mark | None]
    gflops: Rate
    roof: Share
    noisy: bool


class Factor(Record):
    """How many times as fast `rung` is as `over`: the median of pairs taken in the same rounds."""

    rung: str
    over: str
    n: int
    ratio: float
    low: float
    high: float
    pairs: int
    interval: IntervalKind


class OlderKernel(Record):
    """np.matmul at the ladder's order with OpenBLAS held to another kernel, in pairs of processes with its own."""

    core_type: str
    kernel: str
    gflops: float
    factors: list[float]


class Ladder(Record):
    """`product` is that of the factors of all steps, `whole` the last step over the first, in pairs of its own."""

    schema: Literal["ladder/1"]
    short_name: str
    n: int
    sizes: list[int]
    tile: list[int]
    agreement: Agreement
    rungs: list[LadderRung]
    cells: list[LadderCell]
    factors: list[Factor]
    product: float
    whole: Factor
    other_order: list[Factor]
    sides: list[Factor]
    kernels: list[OlderKernel]
    roof: Roof
    noise: Noise
    wall_seconds: float

    def cell(self, rung: str, n: int) -> LadderCell | None:
        """The cell of a rung at a size, if there is one."""
        return next((c for c in self.cells if (c.rung, c.n) == (rung, n)), None)


# --- comparison.json: results side by side ----------------------------------------------------------


FloorSource = Literal["one method under two names", "runs of one configuration", "repeat.json"]


class Differing(Record):
    """Something in which the manifests differ: one text a run."""

    what: str
    values: list[str]


class ComparedRun(Record):
    """A result by the name that tells it from the others; `remarks` say what limits it (partial, quick, noisy)."""

    name: str
    short_name: str
    created: str
    peak_gflops: float
    remarks: list[str]


class ComparedCell(Record):
    """A cell of one run. `why` says what keeps it from being compared; of a missing one that is all there is.

    `withheld`: its repetitions did not have their core to themselves.
    """

    state: Literal["measured", "extrapolated", "withheld", "invalid", "missing"]
    repetitions: int
    gflops: Bounded | None
    interval: IntervalKind | None
    share: Share | None
    noisy: bool
    why: str | None


class Held(Record):
    """A run held against the first named: its figure over that one's, or why there is no ratio or no interval.

    A ratio above 1: faster, or a higher share of its own roof. `floor` is the portion within which nothing is called
    a difference, and `floor_from` what was seen to differ by so much though it is the same. `noisy`: a cell of the
    two is.
    """

    ratio: float | None
    low: float | None
    high: float | None
    floor: float
    floor_from: FloorSource
    noisy: bool
    verdict: Literal["faster", "slower", "higher", "lower", "no difference resolved", "not compared"]
    why: str | None


class ComparedRow(Record):
    """A method at a size: one cell a run; shares and GFLOPS held against the first run's, null for that one itself."""

    method: str
    n: int
    cells: list[ComparedCell]
    share: list[Held | None]
    gflops: list[Held | None]


class RunComparison(Record):
    """Results side by side, each run after the first held against it. `repeats`: indices of runs of one configuration.

    `notes` say where the floors come from, and what is not known.
    """

    schema: Literal["comparison/1"]
    runs: list[ComparedRun]
    differences: list[Differing]
    repeats: list[list[int]]
    rows: list[ComparedRow]
    notes: list[str]


# --- experiments/03-matmul-perf/matrix.json ---------------------------------------------------------


class LeftOut(Record):
    """A Python that was found and not measured, and why."""

    python: str
    why: str


class Matrix(Record):
    """The quick protocol under each Python of a machine, the oldest first; `rounds` runs of each, pooled."""

    schema: Literal["matrix/1"]
    short_name: str
    rounds: int
    left_out: list[LeftOut]
    comparison: RunComparison
    manifest: Manifest
