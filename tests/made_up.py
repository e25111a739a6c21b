"""Records of a machine that never was: what tests derive, draw and render, with no clock involved."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from labkit.ladder import derive as ladder_derive
from labkit.machine.blas import Blas
from labkit.machine.caches import Cache
from labkit.machine.hardware import Cores, Hardware, identity
from labkit.records import derive, io
from labkit.records.find import Run
from labkit.records.model import (
    Agreement,
    AllCores,
    CacheShape,
    Estimate,
    Git,
    Harness,
    KernelTraffic,
    Ladder,
    LadderMeasurement,
    LadderRung,
    LevelMap,
    Limits,
    Manifest,
    Measurement,
    MethodAgreement,
    PeakLoop,
    Protocol,
    Readings,
    Repeat,
    RepeatedCell,
    RepeatedRun,
    Results,
    Roofline,
    RooflineMeasurement,
    Series,
    Traffic,
    WorstElement,
)
from labkit.roofline import derive as roofline_derive

# GFLOPS.
RATES = {
    "naive": 0.004,
    "blocked": 0.0039,
    "blocked_32": 0.0038,
    "blocked_128": 0.0037,
    "einsum": 16.0,
    "einsum_optimized": 75.0,
    "matmul": 80.0,
}
METHODS = ("naive", "blocked", "einsum", "matmul")
SIZES = (64, 128, 256, 512, 1024)
PEAK, L1, DRAM = 100.0, 300.0, 20.0
# Of the two dot products beside the samples, byte/flop.
L1_PER_FLOP, L2_PER_FLOP = 0.25, 0.8
READINGS = 200
CEILINGS = {"scalar": 12.5, "128-bit": 49.0, "no FMA": 50.0, "FMA + ADD": 120.0}
SAMPLES = 12


def series(name: str, n: int, seconds: float | Sequence[float], flops: int = 0, bytes: int = 0, **more: Any) -> Series:
    """Samples that alternate 1 % about `seconds`, or these, one a round, undisturbed."""
    if isinstance(seconds, float):
        seconds = [seconds * (1.01 if r % 2 else 0.99) for r in range(SAMPLES)]
    usual = {
        "rounds": list(range(len(seconds))),
        "calls": [1] * len(seconds),
        "cpu_seconds": list(seconds),
        "steal_seconds": [0.0] * len(seconds),
        "at": [0.5 * r for r in range(len(seconds))],
        "probe": list(range(len(seconds))),
    }
    return Series(name=name, n=n, flops=flops, bytes=bytes, seconds=list(seconds), **{**usual, **more})


def method_series(method: str, n: int, name: str | None = None, gflops: float | None = None) -> Series:
    """A method at a size, at its made-up rate."""
    flops = 2 * n**3
    return series(name or method, n, flops / (gflops or RATES[method]) / 1e9, flops)


def readings(fma: float = PEAK, contended: Sequence[int] = ()) -> Readings:
    """A core that is alone but at these readings."""
    shared = [0.7 if i in contended else 1.0 for i in range(READINGS)]
    return Readings(
        fma_gflops=[fma] * READINGS,
        l1_gbs=[L1_PER_FLOP * PEAK * part for part in shared],
        l2_gbs=[L2_PER_FLOP * PEAK * part for part in shared],
    )


def agreement(methods: Sequence[str] = METHODS) -> Agreement:
    """The Python loops and einsum have the same bits; np.matmul has its own."""
    same = [m for m in methods if not m.endswith("matmul")]
    outside = {m: 0 if m == "matmul" else 2 for m in methods}
    found = {
        m: MethodAgreement(
            exact_on_integers=True,
            within_bound=True,
            max_scaled_error=0.0 if m == "matmul" else 1.5e-7,
            allclose=outside[m] == 0,
            outside_allclose=outside[m],
            elements=4096,
            bit_identical_to=[o for o in same if o != m] if m in same else [],
        )
        for m in methods
    }
    worst = WorstElement(method="naive", row=22, column=57, reference=0.088, difference=3.8e-6, magnitude=42.1)
    return Agreement(
        n=64, rtol=1e-5, atol=1e-6, integer_shapes=[[64, 64, 64], [65, 33, 70]], methods=found, worst=worst
    )


def limits() -> Limits:
    return Limits(
        peak_gflops=PEAK, dram_gbs=DRAM, l1_byte_per_flop=L1_PER_FLOP, l2_byte_per_flop=L2_PER_FLOP, bounds_matmul=True
    )


def measurement(
    sizes: Sequence[int] = SIZES,
    methods: Sequence[str] = METHODS,
    quick: bool = False,
    complete: bool = True,
    gflops: Mapping[str, float] | None = None,
    up_to: int = 512,
) -> Measurement:
    """A run; the Python methods were timed up to the size `up_to`, the others everywhere."""
    gflops = {**RATES, **(gflops or {})}
    timed = [(m, n) for m in methods for n in sizes if n <= up_to or m not in derive.PYTHON_METHODS]
    samples = [method_series(m, n, gflops=gflops[m]) for m, n in timed]
    smallest = {m: min(n for other, n in timed if other == m) for m, _ in timed if m in ("naive", "matmul")}
    samples += [method_series(m, n, m + derive.AGAIN, gflops[m]) for m, n in smallest.items()]
    samples += [
        series(derive.GATHER, 64, 4e-7),
        series(derive.ONE_HOT, 64, 3e-6, flops=76_800),
        series(derive.PROJECTION, 64, 5e-4, flops=39_321_600),
    ]
    return Measurement(
        schema="matmul-perf/2",
        status="complete" if complete else "partial",
        short_name="a CPU",
        cpus=2,
        protocol=Protocol(
            seed=42,
            dtype="float32",
            sizes=list(sizes),
            methods=list(methods),
            block_size=64,
            warmup_calls=1,
            min_repetitions=6,
            min_seconds=1.0,
            measure_all=False,
            quick=quick,
            clock_resolution_seconds=1e-9,
        ),
        agreement=agreement(methods),
        limits=limits(),
        readings=readings(),
        harness=Harness(wall_seconds=600.0, call_seconds=590.0, roof_seconds=0.0, sessions=1),
        samples=samples,
    )


def on_matrix_unit() -> Measurement:
    """A run whose np.matmul passes the peak by far, on a machine that lets it."""
    found = measurement(gflops={"matmul": 9 * PEAK})
    found.limits.bounds_matmul = False
    return found


def results(*args: Any, **kwargs: Any) -> Results:
    """The record of such a run, with what follows from it."""
    return derive.results(measurement(*args, **kwargs))


def hardware() -> Hardware:
    return Hardware(
        cpu="a CPU",
        short_name="a CPU",
        microarchitecture="one",
        isa=["avx2", "fma"],
        cores=Cores(logical=2, physical=2, usable=2),
        caches=[Cache(1, 32 << 10, 1), Cache(2, 512 << 10, 1), Cache(3, 32 << 20, 2)],
        memory_bytes=16 << 30,
        governor="performance",
        power="AC",
        virtualized=False,
        reasons={},
    )


def blas() -> Blas:
    return Blas("openblas", "0.3.31", "Haswell", 1)


def manifest(experiment: str = "03-matmul-perf", outputs: Mapping[str, bytes] | None = None, **more: Any) -> Manifest:
    usual: dict[str, Any] = {
        "experiment": experiment,
        "created": "2026-01-01T00:00:00+00:00",
        "command": ["bench.py"],
        "seed": 42,
        "config": {"warnings": []},
        "git": Git(commit="0" * 40, dirty=False),
        "versions": {"python": "3.11.7", "implementation": "CPython", "numpy": "2.4.6", "system": "Linux x86_64"},
        "blas": blas(),
        "threads": dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
        "hardware": hardware(),
        "outputs": {name: io.digest(data) for name, data in (outputs or {}).items()},
    }
    return Manifest(**{**usual, **more})


def run(record: Results | Measurement | None = None, name: str = "", **more: Any) -> Run:
    """A result as readers have it; roofline, ladder and repeat may be given."""
    if not isinstance(record, Results):
        record = derive.results(record or measurement())
    made = manifest()
    return replace(
        Run(name or record.short_name, Path("a folder"), record, derive.derive(record), made),
        **{"roofline": None, **more},
    )


def write(folder: Path, record: Results | None = None, made: Manifest | None = None, **others: bytes) -> Path:
    """results.json and a manifest that names it, as a run leaves them, and other files by name."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {io.RESULTS: io.encode(record or results()), **others}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    made = copy.deepcopy(made) if made else manifest()
    made.outputs = {name: io.digest(data) for name, data in files.items()}
    (folder / io.MANIFEST).write_bytes(io.encode(made))
    return folder


# --- the roofline ---------------------------------------------------------------------------------------


def roofline_measurement(dram: float = DRAM) -> RooflineMeasurement:
    """A core of 100 GFLOPS with one level of cache, and DRAM."""

    def at(name: str, n: int, rate: float, flops: int = 0, bytes: int = 0) -> Series:
        return series(name, n, (flops or bytes) / rate / 1e9, flops, bytes)

    levels = {"L1": (L1, 16 << 10), "DRAM": (dram, 1 << 27)}
    patterns = {"load": 0.8, "copy": 0.9, "triad": 1.0}
    samples = [
        at("peak", 10, PEAK, 1_600_000),
        at("clock", 1, 3.1, 500_000),
        at("clock under load", 10, 3.125, 500_000),
        at("dot in L1", 16 << 10, L1_PER_FLOP * PEAK, bytes=1 << 18),
        at("dot in L2", 256 << 10, L2_PER_FLOP * PEAK, bytes=1 << 18),
        *(at(f"ceiling {name}", 8, rate, 1_600_000) for name, rate in CEILINGS.items()),
        at("sweep clock", 1, 3.125, 500_000),
        *(at(f"sweep 8x{n}", n, min(12.5 * n, PEAK), 1_600_000) for n in (1, 2, 4, 8, 10)),
        *(
            at(f"{level} {pattern}", size, portion * gbs, bytes=1 << 22)
            for level, (gbs, size) in levels.items()
            for pattern, portion in patterns.items()
        ),
        at("DRAM copy_streaming", 1 << 27, 0.95 * dram, bytes=1 << 22),
        *(at("working set", 4096 << k, 0.8 * (L1 if k < 4 else dram), bytes=1 << 22) for k in range(16)),
        at("memcpy", 4 << 20, 0.7 * dram, bytes=1 << 23),
        at("dot", 1_000_000, 4.0, flops=2_000_000),
        method_series("einsum", 1024),
        method_series("matmul", 1024),
    ]
    return RooflineMeasurement(
        schema="roofline/2",
        machine=identity(hardware(), blas(), "2.4.6"),
        short_name="a CPU",
        loop=PeakLoop(instruction_set="AVX2 + FMA", lanes=8, accumulators=10, fma=True),
        instruction_sets={"8": "AVX2 + FMA"},
        levels=[Cache(1, 32 << 10, 1)],
        levels_from="reported",
        nominal_ghz=2.5,
        nominal_from="made up",
        rounds=SAMPLES,
        seconds=10.0,
        notes=[],
        samples=samples,
    )


def roofline(dram: float = DRAM) -> Roofline:
    return roofline_derive.derive(roofline_measurement(dram))


# --- the ladder -----------------------------------------------------------------------------------------

# GFLOPS of each rung, and its kind.
RUNGS = {
    "naive": (0.004, "step"),
    "compiled": (0.4, "step"),
    "unit stride": (3.7, "step"),
    "unrolled": (4.0, "step"),
    "SIMD 128": (14.0, "step"),
    "SIMD 256": (25.0, "step"),
    "FMA": (26.0, "step"),
    "register tile": (60.0, "step"),
    "packing and blocks": (88.0, "step"),
    "matmul": (80.0, "step"),
    "blocks": (5.0, "other order"),
    "blocks + SIMD": (28.0, "other order"),
    "lists": (0.018, "side"),
    "rows": (1.0, "side"),
    "blocked": (0.0039, "side"),
    "blocked compiled": (0.45, "side"),
    "einsum": (16.0, "side"),
    "einsum optimized": (75.0, "side"),
    "twice KC": (87.0, "blocks"),
}


# Rungs in processes of their own: two rivals, two kernels of OpenBLAS, and the steps of the exercise.
OTHERS = {
    "MKL": (70.0, "rival"),
    "newest OpenBLAS": (79.0, "rival"),
    "OpenBLAS Haswell": (84.0, "kernel"),
    "OpenBLAS SkylakeX": (80.0, "kernel"),
    "wrapper": (79.9, "own"),
    "step1_loop_order": (3.6, "own"),
}


def ladder_measurement(
    sizes: Sequence[int] = (64, 128, 1024), others: Sequence[str] = (), cores: int = 1
) -> LadderMeasurement:
    """With these of `OTHERS`, and np.matmul on so many cores."""
    beside = {name: OTHERS[name] for name in others}
    rungs = [
        LadderRung(name=name, title=name, changed=f"what {name} changes", code="for i in range(M): ...", kind=kind)
        for name, (_, kind) in (RUNGS | beside).items()
    ]
    for rung in rungs:
        if rung.name.startswith("step"):
            rung.over, rung.expected = "compiled", 8.0
    return LadderMeasurement(
        schema="ladder/2",
        short_name="a CPU",
        cpus=2,
        n=max(sizes),
        sizes=list(sizes),
        tile=[6, 16],
        agreement=agreement(list(RUNGS)),
        rungs=rungs,
        limits=limits(),
        readings=readings(),
        wall_seconds=150.0,
        samples=[
            *(
                series(name, n, 2 * n**3 / gflops / 1e9, 2 * n**3)
                for n in sizes
                for name, (gflops, _) in (RUNGS | beside).items()
            ),
        ],
        all_cores=all_cores(cores) if cores > 1 else None,
    )


def all_cores(cores: int) -> AllCores:
    """Nine rounds: np.matmul reaches 78 GFLOPS on one core and four fifths of that on each of all."""
    columns = {"peak_gflops": PEAK * cores, "gflops": 78.0 * 0.8 * cores, "one_gflops": 78.0}
    return AllCores(
        cores=cores, n=1024, **{name: [rate * (1 + k / 1e3) for k in range(9)] for name, rate in columns.items()}
    )


def ladder() -> Ladder:
    return ladder_derive.derive(ladder_measurement())


# --- traffic --------------------------------------------------------------------------------------------

# Bytes that a step of each kernel fetches into L1, L2 and L3.
BYTES_PER_STEP = {
    "naive": (64.0, 64.0, 0.01),
    "blocked": (64.0, 0.25, 0.01),
    "i-k-j": (4.0, 4.0, 0.01),
    "packed": (0.5, 0.3, 0.01),
    "einsum": (4.0, 4.0, 0.01),
    "matmul": (0.5, 0.05, 0.01),
}


def traffic(sizes: Sequence[int] = (64, 512, 1000, 1024)) -> Traffic:
    """Warm calls fetch nothing from memory."""
    return Traffic(
        schema="traffic/1",
        short_name="a CPU",
        machine=identity(hardware(), blas(), "2.4.6"),
        caches=[
            CacheShape(level=level, bytes=size, ways=8, line_bytes=64)
            for level, size in ((1, 32 << 10), (2, 512 << 10), (3, 32 << 20))
        ],
        notes=[],
        instruments={"counters": "not available here", "valgrind": "lines", "simulation": "lines"},
        tile=[6, 16],
        blocks=[256, 512],
        seconds=1.0,
        kernels=[
            KernelTraffic(
                kernel=name,
                n=n,
                instrument="valgrind" if name in ("matmul", "einsum") else "simulation",
                state=state,
                flops=2 * n**3,
                bytes={"L1": int(l1 * n**3), "L2": int(l2 * n**3), "L3": int(l3 * n**3) if state == "cold" else 0},
                blas_kernel="Haswell" if name == "matmul" else None,
            )
            for name, (l1, l2, l3) in BYTES_PER_STEP.items()
            for n in sizes
            for state in ("warm", "cold")
        ],
        maps=[
            LevelMap(kernel=name, rows=["3" + "1" * 7 + "2" * 8] * 16, portions=[0.4375, 0.5, 0.0625, 0.0])
            for name in ("naive", "i-k-j", "blocked", "packed")
        ],
        map_caches=[
            CacheShape(level=level, bytes=size, ways=8, line_bytes=64)
            for level, size in ((1, 2 << 10), (2, 8 << 10), (3, 128 << 10))
        ],
    )


# --- repeated runs --------------------------------------------------------------------------------------


def repeat(runs: int = 5, busy: bool = True, pythons: Sequence[str] = ("3.11.7",)) -> Repeat:
    """Runs one after the other, 1 % apart, and one beside a busy process."""

    def one(i: int, python: str, beside: Any) -> RepeatedRun:
        wobble = 1 + 0.01 * (i % 2)
        cells = [
            RepeatedCell(
                method=m,
                n=n,
                gflops=RATES[m] * wobble,
                peak_fraction=Estimate(value=RATES[m] / PEAK, low=0.99 * RATES[m] / PEAK, high=1.01 * RATES[m] / PEAK),
            )
            for m in METHODS
            for n in (256, 512, 1024)
        ]
        speedup = Estimate(value=20_000.0, low=19_800.0, high=20_300.0)
        return RepeatedRun(beside=beside, python=python, contended=0.2, wall_seconds=40.0, speedup=speedup, cells=cells)

    made = [one(i, python, "nothing") for i in range(runs) for python in pythons]
    made += [one(0, pythons[0], "a busy process")] if busy else []
    return Repeat(schema="repeat/2", short_name="a CPU", runs=made, left_out={}, manifest=manifest("repeat"))
