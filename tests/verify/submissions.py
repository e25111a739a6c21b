"""A made-up result that every check should pass, and copies of it with one thing wrong."""

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from artifacts import publish
from bench import METHODS, make_operands
from experiment import AGAIN, Request, make_embedding
from made_up import MACHINE, RATES, SENTINEL_GBS, agreement, manifest, roofline
from reduction import reduce_results

from labkit import store
from labkit.records import Harness
from labkit.roof import matmul_flops
from labkit.sampling import Repetition, Workload, make_sentinel
from labkit.verify import functions, submission
from labkit.verify.outcome import Check
from labkit.verify.verdict import ROOMS

LAB = Path(__file__).resolve().parents[2] / "experiments" / "03-matmul-perf"
SIZES = "64,128,256,512,1024"
REPETITIONS = 8
SHORT = 0.13  # s a repetition, so that eight of them make a second
# Of large products it is enough that one test waits to see whether they return.
CALLED = partial(functions.checks, busy_seconds=0.0)
STATIC = tuple(room for room in ROOMS if room is not functions.checks)
Edit = Callable[[Any], object]


def make(folder: Path, measure_all: bool) -> Path:
    """The valid result: rates that never were, with a spread; with `measure_all` nothing is extrapolated."""
    rng = np.random.default_rng(1)
    request = Request.parse(SIZES, "naive,blocked,einsum,matmul", False, measure_all, known=METHODS)

    def timed(workload: Workload, seconds: float) -> Workload:
        calls = max(1, math.ceil(SHORT / seconds))
        for round_ in range(REPETITIONS):
            workload.repetitions.append(Repetition(seconds * float(rng.normal(1, 0.004)), calls, 0.999, round_))
        return workload

    def cell(method: str, n: int, name: str | None = None) -> Workload:
        flops = matmul_flops(n)
        return timed(Workload(name or method, n, partial(int), flops=flops), flops / RATES[method] / 1e9)

    sentinel = make_sentinel()
    results = reduce_results(
        request=request, protocol={"seed": 42, "block_size": 64}, short_name="a CPU",
        agreement=agreement(tuple(request.methods)), roofline=roofline(),
        workloads=[cell(method, n) for method, n in request.measured_cells()],
        twins=[cell(method, n, method + AGAIN) for method, n in request.twins()], machine=MACHINE,
        sentinel=timed(sentinel, sentinel.bytes / SENTINEL_GBS / 1e9),
        embedding=[timed(w, 1e-6 + w.flops / RATES["matmul"] / 1e9) for w in make_embedding(42)], complete=True,
        harness=Harness(wall_seconds=600.0, call_seconds=580.0, roof_seconds=10.0, share=20 / 600, sessions=1),
    )  # fmt: skip
    made = manifest()
    made.threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    folder.mkdir(parents=True)
    publish(folder, results, made)
    shutil.rmtree(folder / store.STATE)
    for source in LAB.glob("*.py"):
        shutil.copy(source, folder)
    return folder


def sign(folder: Path) -> None:
    """Make the manifest's digests those of the files as they are."""
    record = json.loads((folder / "manifest.json").read_text())
    record["outputs"] = {name: store.digest((folder / name).read_bytes()) for name in record["outputs"]}
    (folder / "manifest.json").write_text(json.dumps(record))


@dataclass
class Doctored:
    """A copy of the valid result to be changed."""

    folder: Path
    made: dict[str, Any] = field(default_factory=dict)

    def edit(self, name: str, change: Edit, signed: bool = True) -> "Doctored":
        """Change a JSON record in place, or replace it by what `change` returns."""
        record = json.loads((self.folder / name).read_text())
        replaced = change(record)
        (self.folder / name).write_text(json.dumps(replaced if isinstance(replaced, dict) else record))
        if signed:
            sign(self.folder)
        return self

    def write(self, name: str, text: str | bytes, signed: bool = True) -> "Doctored":
        """Replace a file."""
        (self.folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
        if signed and (self.folder / "manifest.json").exists():
            sign(self.folder)
        return self

    def replace(self, name: str, old: str, new: str, times: int = 1) -> "Doctored":
        """Change a text file where it says `old`."""
        text = (self.folder / name).read_text("utf-8")
        assert text.count(old) >= times, (old, text)
        return self.write(name, text.replace(old, new))

    def checks(self, *rooms: Callable[..., Any]) -> dict[str, Check]:
        """What is found, without calling the functions unless that room is named."""
        given = submission.read(self.folder)
        return {check.name: check for room in rooms or STATIC for check in room(given)}


def refused(doctored: Doctored, name: str, *words: str, rooms: tuple[Callable[..., Any], ...] = ()) -> None:
    """The check of this name is not met, for a reason that has these words."""
    given = submission.read(doctored.folder)
    check = next(check for room in rooms or STATIC for check in room(given) if check.name == name)
    assert check.passed is False, check
    assert all(word in check.reason for word in words), check.reason


def cell(record: dict[str, Any], method: str, n: int) -> dict[str, Any]:
    """A cell of results.json."""
    return next(c for c in record["cells"] if (c["method"], c["n"]) == (method, n))


def retime(one: dict[str, Any], seconds: list[float]) -> None:
    """Give a cell other times, and every figure of its own that follows from them."""
    from labkit.statistics import summarise_rates

    summary = summarise_rates([one["flops"] / s / 1e9 for s in seconds])
    one["seconds_per_call"], one["total_seconds"] = seconds, one["calls_per_repetition"] * sum(seconds)
    one["gflops"] = {name: getattr(summary, name) for name in ("median", "best", "p90", "low", "high", "interval")}


def scale(one: dict[str, Any], factor: float) -> None:
    """A cell that took `factor` times as long."""
    retime(one, [s * factor for s in one["seconds_per_call"]])
    one["roof"] = {name: value / factor for name, value in one["roof"].items()}


OF_EACH = ("seconds_per_call", "rounds", "cpu_over_wall", "voluntary_switches", "involuntary_switches", "steal_seconds",
           "sentinel_gbs", "marks")  # fmt: skip


def keep(one: dict[str, Any], repetitions: int) -> None:
    """Only the first so many repetitions of a cell, in every list."""
    for name in OF_EACH:
        one[name] = one[name][:repetitions]


__all__ = ["Doctored", "cell", "keep", "make", "make_operands", "refused", "retime", "scale", "sign"]
