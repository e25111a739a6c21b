"""A made-up run of the ladder: rates of a machine that never was, with no clock involved."""

import made_up
from ladder_reduction import reduce_ladder

from labkit.records import LadderRung, OlderKernel
from labkit.sampling import Repetition, Workload

# GFLOPS at any N.
STEPS = {
    "naive": 0.004, "compiled": 0.4, "unit stride": 4.0, "SIMD 128": 12.0, "SIMD 256": 20.0, "FMA": 24.0,
    "register tile": 60.0, "packing and blocks": 90.0, "matmul": 84.0,
}  # fmt: skip
OTHERS = {
    "blocks": 4.2, "blocks + SIMD": 36.0, "lists": 0.02, "rows": 1.0, "blocked": 0.0039, "blocked compiled": 0.5,
    "einsum": 15.0, "einsum optimized": 82.0,
}  # fmt: skip
SIZES = (64, 128, 1024)


def workload(name: str, n: int, gflops: float, rows: int, rounds: int = 12) -> Workload:
    """Repetitions that wobble by 1 % from round to round, all rungs together."""
    flops = 2 * rows * n**2
    made = Workload(name, n, int, flops=flops)
    for round_ in range(rounds):
        seconds = flops / gflops / 1e9 * (1.01 if round_ % 2 else 0.99)
        made.repetitions.append(Repetition(seconds, 1, 1.0, round_))
    return made


def rungs() -> list[LadderRung]:
    def kind(name):
        return "step" if name in STEPS else "other order" if name.startswith("blocks") else "side"

    return [
        LadderRung(
            name=name, title=f"the {name} rung", changed=f"what {name} changes", code=f"{name}()", kind=kind(name)
        )
        for name in (*STEPS, *OTHERS)
    ]  # fmt: skip


def ladder(**rates):
    """The record; rates given by rung replace the usual ones."""
    of_all = {**STEPS, **OTHERS, **rates}
    keys = [(name, n) for name in of_all for n in SIZES if name != "blocked" or n <= 128]
    rows = {(name, n): 1 if name in ("naive", "lists") else n for name, n in keys}
    workloads = {(name, n): workload(name, n, of_all[name], rows[name, n]) for name, n in rows}
    sentinel = made_up.make_sentinel()
    return reduce_ladder(
        rungs(), rows, workloads, made_up.measured(sentinel, sentinel.bytes / made_up.SENTINEL_GBS / 1e9),
        made_up.roofline(), made_up.agreement(("naive", "matmul")),
        [OlderKernel(core_type="Nehalem", kernel="Nehalem", gflops=20.0, factors=[0.24, 0.25, 0.23])],
        made_up.MACHINE, (6, 16), "a CPU", 100.0,
    )  # fmt: skip


def manifest():
    made = made_up.manifest()
    made.versions["numba"] = "0"
    return made
