"""Instructions per step of the inner loop, as Valgrind counts them: equal from run to run, whatever the machine does.

`python -m labkit.ladder.instructions` is what runs there: it prints the names of the rungs in the order in which it
calls them, and marks each call as `labkit.traffic.called` does.
"""

import contextlib
import gc
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from labkit.ladder.rungs import all_rungs
from labkit.machine.system import printed, text
from labkit.matmul import source
from labkit.records import find
from labkit.records.model import CacheShape, Instructions
from labkit.roofline.codegen import host_target
from labkit.traffic import valgrind
from labkit.traffic.called import begin_counting, operands

# An interpreted step is some thousand instructions, so few steps tell; a compiled loop needs rows as long as real ones.
INTERPRETED_N, COMPILED_N = 24, 256
DIGITS = 3
LANES_THERE = 8  # Valgrind's CPU has AVX2
WITHOUT_AVX512 = " Valgrind knows no AVX-512: from FMA on it runs vectors of 256 bits, and the BLAS's kernel for them."
# Python, Numba and LLVM load and compile there at a fraction of their speed.
LIMIT_SECONDS = 600.0
# Callgrind simulates two caches beside its count: any will do.
UNUSED = CacheShape(level=1, bytes=1 << 15, ways=8, line_bytes=64)


def possible() -> bool:
    """Whether there is a Valgrind."""
    return shutil.which("valgrind") is not None


def measure() -> Instructions | None:
    """By rung; None where Valgrind is not installed, or does not come to an end."""
    if not possible():
        return None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = valgrind.start(["-m", "labkit.ladder.instructions"], UNUSED, UNUSED, folder)
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                run.wait(LIMIT_SECONDS)
        finally:
            run.kill()  # if it has not ended
            run.wait()
        counted, steps = valgrind.events(folder), json.loads(text(folder / "said") or "{}")
    if run.returncode or len(counted) < 2 * len(steps) or not steps:
        return None
    calls = (part["Ir"] for part in counted[1::2])  # those at even places are what lies between two calls
    return Instructions(
        per_step={
            name: float(f"{ir / count:.{DIGITS}g}") for (name, count), ir in zip(steps.items(), calls, strict=False)
        },
        note=f"Instructions are counted by {printed('valgrind', '--version')}, at N = {INTERPRETED_N} in Python and "
        f"{COMPILED_N} else." + WITHOUT_AVX512 * (host_target().lanes > LANES_THERE),
    )


def main() -> None:
    """Call every rung, a second time between two marks."""
    bench = source.load(find.experiment(find.BENCH) / "bench.py")
    rungs = all_rungs(bench.matmul_naive, bench.matmul_blocked, bench.BLOCK_SIZE)
    calls = []
    for rung in rungs:
        n = INTERPRETED_N if rung.name in ("naive", "blocked", "lists") else COMPILED_N
        rows, columns = rung.part(n)
        A, B, C = operands(n)
        call = rung.prepare(A[:rows], B[:, :columns], C[:rows, :columns])
        call()  # compiles
        calls.append((rung.name, rows * columns * n, call))
    print(json.dumps({name: count for name, count, _ in calls}), flush=True)
    gc.disable()
    begin_counting()
    for _, _, call in calls:
        os.getppid()
        call()
        os.getppid()


if __name__ == "__main__":
    main()
