"""The NumPy of this Python, examined in a process of its own: its BLAS, and how fast it multiplies.

`ask` starts the process, `examine` is what runs in it. Both need the standard library and NumPy only.
"""

import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from labkit.errors import UserError
from labkit.machine.blas import CORE_TYPE, Blas, loaded_blas

REPOSITORY = Path(__file__).resolve().parents[2]  # if labkit is not installed
N = 1024  # the assignment's largest size: three matrices of 4 MiB
# A product of this size is 64 times shorter, and shows how long one of size N would take.
PILOT_N = 256
# If a call of size N would take longer, the pilot's rate is reported: the doctor has 20 s.
LONGEST_CALL_SECONDS = 4.0
# A clock of processor time that ticks more rarely (Windows: 16 ms) cannot time a product of 20 ms.
FINE_SECONDS = 1e-5
PATIENCE_SECONDS = 10.0  # for the process, whose slowest product takes 5 s
IN_THE_PROCESS = "import json, sys; from labkit.doctor.probe import examine; print(json.dumps(examine(*sys.argv[1:])))"


@dataclass
class Probe:
    """What the process reported; n and gflops are 0 if nothing was timed."""

    python: str
    numpy: str
    blas: Blas
    n: int = 0
    gflops: float = 0.0


def ask(environment: Mapping[str, str], seconds: float | None = None) -> Probe:
    """Examine NumPy in a process with this environment; with seconds, time np.matmul for about as long.

    A UserError if it cannot be examined.
    """
    # -P: nothing in the current folder may hide a module of the standard library.
    command = [sys.executable, "-P", "-c", IN_THE_PROCESS, *([] if seconds is None else [str(seconds)])]
    try:
        found = run(command, _with_labkit(environment), PATIENCE_SECONDS)
    except UserError as error:
        hint = f"; {CORE_TYPE} is set and may be the reason: unset it" if CORE_TYPE in environment else ""
        raise UserError(f"the process that examines NumPy {error}{hint}") from None
    if "error" in found:
        raise UserError(str(found["error"]))
    try:
        probe = Probe(found["python"], found["numpy"], Blas(**found["blas"]))
        if seconds is not None:
            probe.n, probe.gflops = int(found["n"]), positive(found["gflops"])
        return probe
    except (KeyError, TypeError, ValueError):
        raise UserError("the process that examines NumPy printed nonsense") from None


def _with_labkit(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment, in which the process can import labkit from a checkout too."""
    if REPOSITORY.name in ("site-packages", "dist-packages"):  # installed: found anyway
        return dict(environment)
    path = [*filter(None, [environment.get("PYTHONPATH")]), str(REPOSITORY)]
    return {**environment, "PYTHONPATH": os.pathsep.join(path)}


def run(command: Sequence[str], environment: Mapping[str, str], seconds: float) -> dict[str, Any]:
    """The JSON object on the last line that a command prints, after whatever a sitecustomize prints.

    A UserError if it dies, hangs or prints none: its message continues a sentence that names the command.
    """
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, timeout=seconds, stdin=subprocess.DEVNULL, check=False
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"hung, and was ended after {seconds:g} s") from None
    except OSError as error:
        raise UserError(f"could not be started ({error.strerror})") from None
    if done.returncode < 0:
        raise UserError(f"was ended by {signal.Signals(-done.returncode).name}")
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise UserError(f"ended with status {done.returncode}" + (f" ({lines[-1].strip()})" if lines else ""))
    try:
        return dict(json.loads(done.stdout.decode(errors="replace").strip().splitlines()[-1]))
    except (IndexError, TypeError, ValueError):
        raise UserError("printed nonsense") from None


def positive(value: Any) -> float:
    """A finite number above 0; a ValueError or TypeError for anything else."""
    if not 0 < float(value) < float("inf"):
        raise ValueError("not a positive number")
    return float(value)


# --- in the process ---------------------------------------------------------------------------------


def examine(seconds: str = "") -> dict[str, Any]:
    """{"python", "numpy", "blas"}, with seconds also {"n", "gflops"}; {"error"} if NumPy cannot be imported."""
    try:
        import numpy as np  # whether it can be imported is a question here
    except ImportError as error:
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), "no reason given")
        return {"error": f"NumPy cannot be imported ({first})"}

    def product(n: int) -> Callable[[], object]:
        a, b = np.random.default_rng(42).random((2, n, n), dtype=np.float32)
        c = np.empty((n, n), dtype=np.float32)
        return lambda: np.matmul(a, b, out=c)

    found = {"python": platform.python_version(), "numpy": np.__version__, "blas": asdict(loaded_blas())}
    fine = time.get_clock_info("process_time").resolution <= FINE_SECONDS
    clock = time.process_time if fine else time.perf_counter
    return found | (best_rate(float(seconds), product, processor=clock) if seconds else {})


def best_rate(
    seconds: float,
    product_of: Callable[[int], Callable[[], object]],
    wall: Callable[[], float] = time.perf_counter,
    processor: Callable[[], float] = time.process_time,
) -> dict[str, Any]:
    """{"n", "gflops"}: the best of the calls that fit in about that many seconds, at least one.

    The rate counts only the time in which this process had the core, so that a busy machine does not make a healthy
    NumPy look slow.
    """

    def timed() -> float:
        started, mine = wall(), processor()
        call()
        used, took = processor() - mine, wall() - started
        return min(took, used) if used > 0 else took  # a second thread would use more than the wall time

    n, call = PILOT_N, product_of(PILOT_N)
    call()  # wakes the BLAS, its buffers and the clock of the core
    started = wall()
    call()
    if (wall() - started) * (N / PILOT_N) ** 3 <= LONGEST_CALL_SECONDS:
        n, call = N, product_of(N)
    until, took = wall() + seconds, [timed()]
    while wall() < until:
        took.append(timed())
    return {"n": n, "gflops": 2 * n**3 / max(min(took), 1e-9) / 1e9}
