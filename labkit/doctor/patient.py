"""The NumPy that is examined, in a process of its own: which BLAS it has loaded, and how fast that multiplies.

    python patient.py [SECONDS]     prints one JSON object; with SECONDS it times np.matmul for about so long

It needs the standard library and NumPy alone, and is run by the interpreter that is examined: `labkit` need not be
importable there.
"""

import ctypes
import json
import platform
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

N = 1024  # the largest size of the lab: three matrices of 4 MiB
# A product at this size is 64 times shorter, and tells how long one at N would take.
FORERUNNER_N = 256
# Above this (seconds a call at N) the forerunner's rate is told instead, lest the doctor's 20 s run out.
LONGEST_CALL_SECONDS = 4.0
# The best of as many calls, unless one of them takes a second: at that length a call is not disturbed by chance.
LEAST_CALLS, LONG_SECONDS = 3, 1.0
# How OpenBLAS's functions are called: as SciPy's wheels build it, as NumPy's older ones did, as distributions do.
_PREFIXES, _SUFFIXES = ("scipy_", ""), ("64_", "_64", "")

UNKNOWN = "unknown"  # a library that cannot be named; None is said where there is none

# A clock of processor time that ticks as seldom as Windows's (16 ms) cannot time a product of 20 ms.
FINE_SECONDS = 1e-5

Product = Callable[[], object]
Clock = Callable[[], float]


def main(arguments: list[str]) -> dict[str, Any]:
    """What is printed: {"python", "numpy", "library", "version", "kernel", "threads"}, and {"n", "gflops", "calls"}.

    Where NumPy cannot be had it is {"error"}.
    """
    try:
        import numpy as np
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "numpy":
            return {"error": "NumPy is not installed for this Python"}
        first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        return {"error": f"NumPy cannot be imported ({first.strip()})"}
    said: dict[str, Any] = {"python": platform.python_version(), "numpy": np.__version__, **loaded_blas()}
    return said | (best_rate(float(arguments[0]), _products, processor=_processor_clock()) if arguments else {})


# --- which BLAS -------------------------------------------------------------------------------------


def loaded_blas() -> dict[str, Any]:
    """{"library", "version", "kernel", "threads"}; None of what cannot be told."""
    return _by_threadpoolctl() or _by_symbols(_loaded_libraries()) or _by_build()


def _by_threadpoolctl() -> dict[str, Any] | None:
    try:
        from threadpoolctl import threadpool_info

        pool = next(pool for pool in threadpool_info() if pool["user_api"] == "blas")
        return {
            "library": pool["internal_api"],
            "version": pool.get("version"),
            "kernel": pool.get("architecture"),
            "threads": pool["num_threads"],
        }
    except (ImportError, KeyError, StopIteration, OSError):  # not there, of another age, or no BLAS that it knows
        return None


def _by_symbols(libraries: Iterator[Path]) -> dict[str, Any] | None:
    """The same of an OpenBLAS, asked by its own functions."""
    for path in libraries:
        try:
            library = ctypes.CDLL(str(path))
        except OSError:
            continue
        for prefix, suffix in ((prefix, suffix) for prefix in _PREFIXES for suffix in _SUFFIXES):
            name = f"{prefix}openblas_get_{{}}{suffix}".format
            if all(hasattr(library, name(what)) for what in ("config", "corename", "num_threads")):
                config, core, threads = (library[name(what)] for what in ("config", "corename", "num_threads"))
                config.restype = core.restype = ctypes.c_char_p
                words = (config() or b"").decode(errors="replace").split()
                return {
                    "library": "openblas",
                    "version": words[1] if len(words) > 1 else None,  # "OpenBLAS 0.3.31 DYNAMIC_ARCH ..."
                    "kernel": (core() or b"").decode(errors="replace") or None,
                    "threads": threads(),
                }
    return None


def _loaded_libraries() -> Iterator[Path]:
    """The libraries that may be the BLAS: those loaded, or where that is not told those of NumPy's wheel."""
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        import numpy

        package = Path(numpy.__file__).parent
        paths = [path for folder in (package.parent / "numpy.libs", package / ".dylibs") for path in folder.glob("*")]
    else:
        paths = [Path(fields[5]) for fields in (line.split(maxsplit=5) for line in lines) if len(fields) == 6]
    return (path for path in dict.fromkeys(paths) if "blas" in path.name.lower())


def _by_build() -> dict[str, Any]:
    """What NumPy was built with, where what is loaded does not say."""
    import numpy as np

    try:
        built: Any = np.show_config(mode="dicts")
    except TypeError:  # before NumPy 1.25 it can only print
        built = None
    entry = built.get("Build Dependencies", {}).get("blas", {}) if isinstance(built, dict) else {}
    name = str(entry.get("name") or UNKNOWN).lower()
    without = name == "none" or not entry.get("found", True)
    return {"library": None if without else name, "version": entry.get("version"), "kernel": None, "threads": None}


# --- how fast ---------------------------------------------------------------------------------------


def best_rate(
    seconds: float,
    product_of: Callable[[int], Product],
    clock: Clock = time.perf_counter,
    processor: Clock | None = None,
) -> dict[str, Any]:
    """{"n", "gflops", "calls"}: the best of the calls that fit in about so many seconds, and of at least one.

    With a clock of processor time the rate is that of the time the core was this process's own: a busy machine does
    not make a healthy NumPy look slow.
    """
    own: list[float] = []

    def timed(call: Product) -> float:
        started, mine = clock(), processor() if processor else 0.0
        call()
        used = processor() - mine if processor else 0.0
        wall = clock() - started
        own.append(min(wall, used) if used > 0 else wall)  # a second thread would use more than the wall time
        return wall

    forerunner = product_of(FORERUNNER_N)
    timed(forerunner)  # wakes the BLAS, its buffers and the clock of the core
    short = timed(forerunner)
    too_long = short * (N / FORERUNNER_N) ** 3 > LONGEST_CALL_SECONDS
    n, call = (FORERUNNER_N, forerunner) if too_long else (N, product_of(N))
    own.clear()
    took = [timed(call)]
    while sum(took) < seconds or (len(took) < LEAST_CALLS and max(took) < LONG_SECONDS):
        took.append(timed(call))
    return {"n": n, "gflops": 2 * n**3 / max(min(own), 1e-9) / 1e9, "calls": len(took)}


def _processor_clock() -> Clock | None:
    """The clock of processor time, where it is fine enough to time one product by."""
    fine = time.get_clock_info("process_time").resolution <= FINE_SECONDS
    return time.process_time if fine else None


def _products(n: int) -> Product:
    import numpy as np

    a, b = np.random.default_rng(42).random((2, n, n), dtype=np.float32)
    c = np.empty((n, n), dtype=np.float32)
    return lambda: np.matmul(a, b, out=c)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:])))
