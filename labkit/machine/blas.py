"""The BLAS that NumPy has loaded, and the kernels that OpenBLAS has for x86-64."""

import contextlib
import ctypes
import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from labkit.machine.system import ROOT, text

# NumPy is imported in functions, so that the thread variables can be set before it is loaded.

UNKNOWN, NO_BLAS = "unknown", "none"  # libraries that cannot be named, and NumPy built without one
CORE_TYPE = "OPENBLAS_CORETYPE"  # the variable that asks OpenBLAS for a kernel


@dataclass
class Blas:
    """A library, NO_BLAS or UNKNOWN; None for what it does not tell."""

    library: str
    version: str | None
    kernel: str | None
    threads: int | None

    def __str__(self) -> str:
        kernel = f"({self.kernel})" if self.kernel else None
        return " ".join(filter(None, (self.library, self.version, kernel)))


def loaded_blas() -> Blas:
    """The BLAS that NumPy has loaded: by threadpoolctl if it is installed, else by its own functions, else by NumPy's
    build. Imports NumPy.
    """
    import numpy as np

    np.ones((2, 2), np.float32) @ np.ones((2, 2), np.float32)
    return _by_threadpoolctl() or _by_symbols(_libraries(Path(np.__file__).parent)) or _by_build()


def _by_threadpoolctl() -> Blas | None:
    try:
        from threadpoolctl import threadpool_info  # optional

        pool = next(pool for pool in threadpool_info() if pool["user_api"] == "blas")
        return Blas(pool["internal_api"], pool.get("version"), pool.get("architecture"), pool["num_threads"])
    except (ImportError, KeyError, StopIteration, OSError):  # missing, of another age, or no BLAS that it knows
        return None


def _by_symbols(libraries: Iterable[Path]) -> Blas | None:
    """OpenBLAS, asked through its own functions, as SciPy's wheels name them, NumPy's older ones or distributions."""
    for path, prefix, suffix in product(libraries, ("scipy_", ""), ("64_", "_64", "")):
        with contextlib.suppress(OSError, AttributeError):  # it cannot be opened, or has no such function
            library = ctypes.CDLL(str(path))
            names = (f"{prefix}openblas_get_{what}{suffix}" for what in ("config", "corename", "num_threads"))
            config, core, threads = map(library.__getitem__, names)
            config.restype = core.restype = ctypes.c_char_p
            words = (config() or b"").decode(errors="replace").split()  # "OpenBLAS 0.3.31 DYNAMIC_ARCH ..."
            kernel = (core() or b"").decode(errors="replace") or None
            return Blas("openblas", words[1] if len(words) > 1 else None, kernel, threads() or None)
    return None


def _libraries(package: Path) -> list[Path]:
    """The libraries that may be the BLAS: those loaded, or if that is unknown those in the wheel of NumPy's package."""
    maps = text(ROOT / "proc/self/maps")
    found = [Path(name) for name in dict.fromkeys(re.findall(r" (/.*)$", maps or "", re.MULTILINE))]
    if maps is None:
        found = [*package.parent.glob("numpy.libs/*"), *package.glob(".dylibs/*")]
    return [path for path in found if "blas" in path.name.lower()]


def _by_build() -> Blas:
    """What NumPy was built with, if what is loaded does not tell."""
    import numpy as np

    entry = np.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {})
    name = str(entry.get("name") or UNKNOWN).lower()
    return Blas(name if entry.get("found", True) else NO_BLAS, entry.get("version") or None, None, None)


@dataclass
class KernelClass:
    """A class of OpenBLAS's kernels: the CPU flags that it needs, the core type that asks for it, its members."""

    name: str
    needs: set[str]
    core_type: str
    kernels: str  # as openblas_get_corename has them, in lower case


_AVX512 = {"avx512f", "avx512bw", "avx512dq", "avx512vl"}  # OpenBLAS needs all four
_SSE = """katmai coppermine northwood prescott banias atom core2 penryn dunnington nehalem
          athlon opteron opteron_sse3 barcelona bobcat nano"""
# From the slowest to the fastest. The names are those of OpenBLAS's driver/others/dynamic.c, which calls the kernel
# that Prescott asks for Katmai. A name that is not here has no class. AMD's three with AVX have FMA but no AVX2.
KERNEL_CLASSES = (
    KernelClass("SSE", {"sse2"}, "Nehalem", _SSE),
    KernelClass("AVX", {"avx"}, "Sandybridge", "sandybridge bulldozer piledriver steamroller"),
    KernelClass("AVX2", {"avx2", "fma"}, "Haswell", "haswell zen excavator"),
    KernelClass("AVX-512", _AVX512, "SkylakeX", "skylakex cooperlake sapphirerapids"),
)


def kernel_class(kernel: str | None) -> KernelClass | None:
    """The class of a kernel; None if its name is not known."""
    return next((found for found in KERNEL_CLASSES if (kernel or "").lower() in found.kernels.split()), None)


def best_class(flags: AbstractSet[str]) -> KernelClass | None:
    """The fastest class that a CPU with these flags can use; None if they are not an x86-64 CPU's."""
    return next((found for found in reversed(KERNEL_CLASSES) if found.needs <= flags), None)
