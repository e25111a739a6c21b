"""Made-up measurements: what tests reduce, draw and render, with no clock involved."""

import copy
from functools import cache, partial

from agreement import check_agreement
from bench import METHODS, make_operands
from experiment import AGAIN, Request, make_embedding
from reduction import MeasuringMachine, reduce_results

from labkit.records import (
    Agreement,
    Bandwidth,
    Blas,
    Bounded,
    Cache,
    Ceiling,
    CoreClock,
    Cores,
    Git,
    Hardware,
    Harness,
    MachineIdentity,
    Manifest,
    Peak,
    PlacedKernel,
    Rate,
    Results,
    Ridge,
    Roofline,
    Saturation,
    SentinelPeak,
    Stair,
)
from labkit.roof import matmul_flops
from labkit.sampling import Repetition, Workload, make_sentinel

# GFLOPS of a machine that never was.
RATES = {"naive": 0.004, "blocked": 0.0039, "einsum": 16.0, "matmul": 80.0}
PEAK, L1, DRAM, SENTINEL_GBS = 100.0, 300.0, 20.0, 50.0
CEILINGS = {"scalar": 12.5, "128-bit": 49.0, "no FMA": 50.0, "FMA + ADD": 120.0}
MACHINE = MeasuringMachine(cpus=2, clock_resolution=1e-9)


def rate(value: float) -> Rate:
    return Rate(median=value, best=1.02 * value, p90=1.01 * value, low=0.98 * value, high=1.01 * value, interval="ci95")


def bandwidth(level: str, pattern: str, gbs: float, working_set: int) -> Bandwidth:
    loads, stores = {"load": (1, 0), "copy": (1, 1), "triad": (2, 1), "copy_streaming": (1, 1)}[pattern]
    return Bandwidth(
        level=level, pattern=pattern, loads=loads, stores=stores, working_set_bytes=working_set, gbs=rate(gbs),
        p10=0.8 * gbs,
    )  # fmt: skip


def kernel(name: str, n: int, gflops: float, **more) -> PlacedKernel:
    """A kernel that answers to the peak, unless told otherwise."""
    usual = {
        "intensity": 0.25, "intensity_high": None, "gbs": None, "roof": "peak", "share": gflops / PEAK,
        "low": 0.98 * gflops / PEAK, "high": 1.02 * gflops / PEAK, "extrapolated": False, "extrapolated_from": None,
        "source": "roof",
    }  # fmt: skip
    return PlacedKernel(name=name, n=n, gflops=gflops, **{**usual, **more})


def roofline() -> Roofline:
    """A core of 100 GFLOPS with a level of cache and DRAM, and nothing placed under its roof."""
    identity = MachineIdentity(cpu="a CPU", microarchitecture="one", isa=[], caches=[], numpy="2", blas="b")
    levels = {"L1": (L1, 16 << 10), "DRAM": (DRAM, 1 << 27)}
    return Roofline(
        schema="roofline/1",
        machine=identity,
        short_name="a CPU",
        peak=Peak(
            fp32_fma_gflops=Rate(median=98.0, best=PEAK, p90=99.0, low=97.0, high=98.5, interval="ci95"),
            instruction_set="AVX2 + FMA",
            lanes=8,
            accumulators=10,
            fma=True,
            flops_per_cycle=32.0,
            latency_cycles=4.0,
            steps_per_cycle=2.0,
            saturates_at=8,
            sweep=[
                Saturation(instruction_set="AVX2 + FMA", lanes=8, accumulators=n, gflops=min(12.5 * n, PEAK))
                for n in (1, 2, 4, 8, 10)
            ],
        ),
        ceilings=[Ceiling(name=name, gflops=rate(value)) for name, value in CEILINGS.items()],
        clock=CoreClock(
            ghz=rate(3.1), under_load_ghz=rate(3.06), nominal_ghz=2.5, nominal_from="made up", verdict="boosted",
            peak_from_nominal_gflops=80.0,
        ),
        levels=[Cache(level=1, bytes=32 << 10, shared_by=1)],
        levels_from="reported",
        bandwidth=[
            bandwidth(level, pattern, portion * gbs, size)
            for level, (gbs, size) in levels.items()
            for pattern, portion in (("load", 0.8), ("copy", 0.9), ("triad", 1 / 1.02))
        ]
        + [bandwidth("DRAM", "copy_streaming", 0.95 * DRAM, 1 << 27)],
        staircase=[
            Stair(working_set_bytes=4096 << k, gbs=rate(0.8 * (L1 if k < 4 else DRAM))) for k in range(16)
        ],
        ridge=[Ridge(level=level, flop_per_byte=PEAK / gbs, gbs=gbs) for level, (gbs, _) in levels.items()],
        sentinel=SentinelPeak(
            gbs=rate(SENTINEL_GBS), peak_flop_per_sentinel_byte=Bounded(value=2.0, low=1.98, high=2.02)
        ),
        kernels=[],
        rounds=60,
        seconds=10.0,
        notes=[],
        faults=[],
    )  # fmt: skip


def measured(workload: Workload, seconds: float, repetitions: int = 12) -> Workload:
    """The workload with repetitions that alternate 1 % about `seconds`, one a round."""
    for round_ in range(repetitions):
        wobble = 1.01 if round_ % 2 else 0.99
        workload.repetitions.append(Repetition(seconds * wobble, 1, 1.0, round_))
    return workload


def workload(method: str, n: int, repetitions: int = 12, name: str | None = None) -> Workload:
    flops = matmul_flops(n)
    return measured(Workload(name or method, n, partial(int), flops=flops), flops / RATES[method] / 1e9, repetitions)


@cache
def agreement(methods: tuple[str, ...]) -> Agreement:
    """What the lab's own functions agree on: found once, as it takes them a second."""
    return check_agreement({name: METHODS[name] for name in methods}, make_operands, seed=42)


def results(
    sizes: str = "64,128,1024", methods: str = "naive,blocked,einsum,matmul", complete: bool = True, quick: bool = False
) -> Results:
    request = Request.parse(sizes, methods, quick, False, known=METHODS)
    embedding = [measured(w, 1e-6) for w in make_embedding(42)]
    sentinel = make_sentinel()
    return reduce_results(
        request=request,
        protocol={"seed": 42, "block_size": 64},
        short_name="a CPU",
        agreement=copy.deepcopy(agreement(tuple(request.methods))),
        roofline=roofline(),
        workloads=[workload(method, n) for method, n in request.measured_cells()],
        twins=[workload(method, n, name=method + AGAIN) for method, n in request.twins()],
        machine=MACHINE,
        sentinel=measured(sentinel, sentinel.bytes / SENTINEL_GBS / 1e9),
        embedding=embedding,
        complete=complete,
        harness=Harness(wall_seconds=600.0, call_seconds=580.0, roof_seconds=10.0, share=20 / 600, sessions=1),
    )


def manifest() -> Manifest:
    hardware = Hardware(
        cpu="a CPU",
        short_name="a CPU",
        microarchitecture=None,
        isa=[],
        cores=Cores(logical=2, physical=None, usable=2),
        caches=[],
        memory_bytes=1 << 30,
        governor=None,
        power=None,
        virtualized=None,
        reasons={"governor": "no cpufreq", "power": "no battery", "virtualized": "not said"},
    )
    return Manifest(
        experiment="03-matmul-perf",
        created="2026-01-01T00:00:00+00:00",
        command=["bench.py"],
        seed=42,
        config={"warnings": [], "visits_of_the_peak": 480, "turns": 8, "visit_seconds": 0.0005},
        git=Git(commit=None, dirty=None, reason="made up"),
        versions={"python": "3", "numpy": "2", "llvmlite": "0"},
        blas=Blas(library="openblas", version=None, kernel=None, threads=1),
        threads={"OMP_NUM_THREADS": "1"},
        hardware=hardware,
        outputs={},
    )
