"""What runs in the examined Python: it looks at its NumPy and times it.

Each answer is a line of its own as soon as it is known, so that what was found out survives whatever comes later.
Standard library and NumPy 1.22 or newer, Python 3.9 or newer.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import sysconfig
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib.util import find_spec
from typing import Any

MARK = "labkit doctor: "  # before each answer: other lines are what the user's own files print
# The sizes by which a machine shows what it can do in time; the last is the assignment's largest.
SIZES = (64, 256, 512, 1024)
LONGEST_CALL_SECONDS = 0.4  # of processor time; a larger size is not tried: the doctor has 20 s for all
FEWEST = 2  # calls: one alone may have been interrupted
BATCH_SECONDS = 0.001  # a shorter one cannot be told from the clock; a longer one is interrupted

Product = Callable[[], object]


def main(tasks: str) -> None:
    """Do the tasks, a JSON list of [name, argument, ...], and print what each finds out."""
    host = {"python": platform.python_version(), "install": _install(_origin()), "translator": _translator()}
    say("host", host)  # first, as importing NumPy may end the process
    try:
        import numpy as np

        np.ndarray  # noqa: B018  (a file called numpy.py has none)
    except BaseException as error:  # whatever it is, it is what the user sees
        say("broken", _broken(error))
        return
    for name, *arguments in json.loads(tasks):
        TASKS[name](*arguments)


def say(name: str, value: object) -> None:
    """Print an answer, past whatever has taken the place of standard output."""
    os.write(1, f"\n{MARK}{json.dumps({name: value})}\n".encode())


def _broken(error: BaseException) -> dict[str, Any]:
    """Why NumPy cannot be imported, as the exception and NumPy's files have it."""
    origin = _origin()
    folder = os.path.dirname(origin)
    parts = [os.path.join(folder, name) for name in ("_core", "core") if os.path.isdir(os.path.join(folder, name))]
    files = [name for part in parts for name in os.listdir(part) if name.startswith("_multiarray_umath")]
    return {
        "kind": type(error).__name__,
        "text": _text(error),
        "suffix": sysconfig.get_config_var("EXT_SUFFIX") or "",
        "extensions": files,
        "shadow": origin if origin and not files else "",
    }


def _origin() -> str:
    """Where NumPy's package is; empty if nowhere."""
    try:
        found = find_spec("numpy")
    except (ImportError, ValueError):
        found = None
    return (found.origin if found else None) or ""


def _translator() -> str | None:
    """What runs this process if it is no Python: QEMU or Rosetta. Both answer for /proc/self/exe, but not for this."""
    try:
        runs = os.path.basename(os.readlink(f"/proc/self/task/{os.getpid()}/exe")).lower()
    except OSError:
        return None
    return next((name for name in ("QEMU", "Rosetta") if runs.startswith(name.lower())), None)


def _text(error: BaseException) -> str:
    """What an exception says, after what has caused it: NumPy puts guesses of its own around the cause."""
    causes = [error]
    while causes[-1].__cause__ or causes[-1].__context__:
        causes.append(causes[-1].__cause__ or causes[-1].__context__)  # type: ignore[arg-type]
    return "\n".join(str(cause) for cause in reversed(causes))


def _install(numpy: str) -> dict[str, str]:
    """{"kind": who manages this Python's packages, "python": its path, "by": the variable that leads to this NumPy}."""
    own, settings = sys.prefix != sys.base_prefix, ""
    if own and os.path.exists(os.path.join(sys.prefix, "pyvenv.cfg")):
        with open(os.path.join(sys.prefix, "pyvenv.cfg"), encoding="utf-8") as file:
            settings = file.read()
    if os.path.isdir(os.path.join(sys.prefix, "conda-meta")):
        kind = "conda"
    elif f"{os.sep}pipx{os.sep}venvs{os.sep}" in sys.prefix:
        kind = "pipx"
    elif "\nuv = " in settings:
        kind = "uv"
    elif "/dist-packages/" in numpy and not own and "/local/" not in numpy:
        kind = "debian"
    elif not own and os.path.exists(os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED")):
        kind = "managed"
    else:
        kind = "pip" if find_spec("pip") else "no pip"
    paths = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    led = os.path.abspath(numpy).startswith(tuple(os.path.join(os.path.abspath(path), "") for path in paths))
    return {"kind": kind, "python": sys.executable, "by": "PYTHONPATH" if led else ""}


def look() -> None:
    """Python, NumPy, its BLAS and what else is loaded."""
    import numpy as np

    from labkit.machine import blas

    bound = blas.bound_blas()
    others, runtimes = blas.also_loaded(bound)
    core = blas._extension()
    on = [name for name, has in getattr(core, "__cpu_features__", {}).items() if has]
    told = {
        "numpy": np.__version__,
        "blas": asdict(bound.blas),
        "threading": bound.threading,
        "preloaded": bound.preloaded,
        "others": [str(other) for other in others],
        "openmp": runtimes,
        "features": [name for name in getattr(core, "__cpu_dispatch__", []) if name in on],
        "affinity": [BEFORE, _affinity(), _affinity_to_be_had()],
        "machine": platform.machine(),
    }
    say("look", told)


def wake() -> None:
    """How many threads the BLAS uses after a product that uses them: OpenBLAS with OpenMP tells no sooner."""
    import numpy as np

    from labkit.machine import blas

    ones = np.ones((SIZES[1], SIZES[1]), np.float32)
    ones @ ones
    say("wake", blas.loaded_blas().threads)


def _affinity() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def _affinity_to_be_had() -> int | None:
    """How many CPUs there would be if this process asked for all; a control group's CPUs stay the limit."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
        return len(os.sched_getaffinity(0))
    except OSError:
        return len(before)
    finally:
        os.sched_setaffinity(0, before)


BEFORE = _affinity()  # importing NumPy may change it


def rates(seconds: float) -> None:
    """Time products for about as long: {"n", "float32", "float64", "einsum"} in GFLOPS, "busy".

    The rates are the best by the time in which this process had its core; busy is processor time over wall time.
    """
    import numpy as np

    from labkit.machine.process import processor_seconds

    def product(n: int, dtype: str = "float32", einsum: bool = False) -> Product:
        a, b = np.random.default_rng(42).random((2, n, n)).astype(dtype)
        c = np.empty((n, n), dtype)
        return (lambda: np.einsum("ik,kj->ij", a, b, out=c)) if einsum else (lambda: np.matmul(a, b, out=c))

    clock = time.process_time if processor_seconds() else time.perf_counter
    found: dict[str, float] = {}
    for n in SIZES:
        timed = time_calls(product(n), seconds / 2 if n == SIZES[-1] else 0.0, n, processor=clock)
        found.update(n=n, float32=timed["best"], busy=timed["busy"])
        say("rates", found)
        larger = SIZES[min(SIZES.index(n) + 1, len(SIZES) - 1)]
        if 2 * larger**3 / 1e9 / timed["best"] > LONGEST_CALL_SECONDS:
            break
    einsum = time_calls(product(128, einsum=True), seconds / 8, 128, processor=clock)
    double = time_calls(product(int(found["n"]), "float64"), seconds / 4, int(found["n"]), processor=clock)
    say("rates", {**found, "einsum": einsum["best"], "float64": double["best"]})


def time_calls(
    call: Product,
    seconds: float,
    n: int,
    wall: Callable[[], float] = time.perf_counter,
    processor: Callable[[], float] = time.process_time,
) -> dict[str, Any]:
    """{"best"} in GFLOPS, {"busy"} of the calls that fit in about that many seconds, two at least.

    The best counts only the time in which this process had the core, so that a busy machine does not make a healthy
    NumPy look slow.
    """
    call()  # wakes the BLAS, its buffers and the clock of the core
    own: list[float] = []
    used = took = 0.0
    until = wall() + seconds
    while len(own) < FEWEST or wall() < until:
        started, mine = wall(), processor()
        call()
        cpu, elapsed = processor() - mine, wall() - started
        own.append(min(elapsed, cpu) if cpu > 0 else elapsed)  # a second thread would use more than the wall time
        used, took = used + cpu, took + elapsed
    return {"best": 2 * n**3 / 1e9 / max(min(own), 1e-9), "busy": used / took if took > 0 else 1.0}


def turns() -> None:
    """For each line [N, seconds] of standard input: seconds a call of the product, the best in about that long."""
    import numpy as np

    operands: dict[int, Any] = {}
    for line in sys.stdin:
        n, seconds = json.loads(line)
        a, b, c = operands.setdefault(n, np.random.default_rng(42).random((3, n, n), dtype=np.float32))
        best, until = float("inf"), time.perf_counter() + seconds
        while best == float("inf") or time.perf_counter() < until:
            started, calls = time.perf_counter(), 0
            while not calls or time.perf_counter() - started < BATCH_SECONDS:
                np.matmul(a, b, out=c)
                calls += 1
            best = min(best, (time.perf_counter() - started) / calls)
        say("turn", best)


def products(seconds: float) -> None:
    """Are the products right? {"tried", "wrong": [sentence, ...]}."""
    from labkit.doctor.products import examine

    say("products", examine(seconds))


def calls() -> None:
    """What other calls cost, as factors over the fp32 product."""
    from labkit.doctor.calls import examine

    say("calls", examine())


def core(seconds: float, every: float) -> None:
    """Who shares the core, over so many seconds; an answer after each `every` seconds."""
    from labkit.doctor.beside import watch

    for answer in watch(seconds, every):
        say("core", answer)


TASKS: dict[str, Callable[..., None]] = {
    "look": look,
    "wake": wake,
    "rates": rates,
    "products": products,
    "calls": calls,
    "turns": turns,
    "core": core,
}
