"""The BLAS that NumPy is bound to, what other libraries are loaded, and the kernels that OpenBLAS has for x86-64."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import re
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.machine.system import ROOT, text

# NumPy is imported in functions, so that the thread variables can be set before it is loaded.

UNKNOWN, NO_BLAS = "unknown", "none"  # libraries that cannot be named, and NumPy built without one
CORE_TYPE = "OPENBLAS_CORETYPE"  # the variable that asks OpenBLAS for a kernel
# By openblas_get_parallel(): how OpenBLAS was built decides which variables it obeys.
THREADINGS = ("serial", "pthreads", "openmp")
# Where np.matmul may run on a matrix unit beside the core's vectors, whose peak then bounds it no more.
MATRIX_UNIT = "a matrix unit beside the core's vectors (AMX of Apple's CPUs, SME from the M4 on)"
_SME_KERNELS = re.compile(r"\b(vortexm4|armv9sme)\b", re.ASCII)  # of OpenBLAS


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


@dataclass
class Bound:
    """The library that NumPy calls; `threading` is one of THREADINGS if known, `preloaded` if it was put before NumPy's
    own."""

    blas: Blas
    threading: str | None = None
    preloaded: bool = False
    path: str = ""  # for this process only: it is shown and recorded nowhere


def has_matrix_unit(said: str) -> bool:
    """Whether products may run on a MATRIX_UNIT, by texts that name the BLAS and the CPU: known or not to be ruled out.

    Accelerate uses Apple's; on an Intel CPU it has none. OpenBLAS uses it in its kernels for SME alone.
    """
    said = said.lower()
    if _SME_KERNELS.search(said):
        return True
    apple, other = re.search(r"\bapple (m\d|processor)", said), re.search(r"blas(?!_num_threads)", said)
    return ("intel" not in said or bool(apple)) if "accelerate" in said else bool(apple and not other)


def loaded_blas() -> Blas:
    """The BLAS that NumPy calls. Imports NumPy."""
    return bound_blas().blas


def bound_blas() -> Bound:
    """The library whose product NumPy's own extension is bound to, else the one in its wheel, else what it was built
    with. Imports NumPy.
    """
    import numpy as np

    np.ones((2, 2), np.float32) @ np.ones((2, 2), np.float32)
    extension = Path(_extension().__file__ or "")
    symbol = _product_symbol(extension)
    path, preloaded = _where(extension, symbol) if symbol else (None, False)
    # A product within the extension itself was linked into it. No file need be there: macOS keeps its own in a cache.
    if path and path != os.path.realpath(extension):
        return asked(path, preloaded)
    package = Path(np.__file__).parent
    for bundled in [*package.parent.glob("numpy.libs/*"), *package.glob(".dylibs/*")]:
        if "blas" in bundled.name.lower():  # where the system does not tell what is bound: Windows
            return asked(str(bundled), False)
    return Bound(_by_build())


def _extension() -> Any:
    """NumPy's compiled module that calls the BLAS; its package has been renamed in NumPy 2."""
    try:
        return importlib.import_module("numpy._core._multiarray_umath")
    except ImportError:
        return importlib.import_module("numpy.core._multiarray_umath")


def _product_symbol(extension: Path) -> str | None:
    """The name under which an extension asks for the fp32 product; None if it asks for none."""
    try:
        found = re.search(rb"\0_?((?:scipy_)?cblas_sgemm(?:64_|_64|\$[A-Z0-9$]+)?)\0", extension.read_bytes())
    except OSError:
        return None
    return found[1].decode() if found else None


class _Origin(ctypes.Structure):
    """dladdr's Dl_info."""

    _fields_ = (
        ("file", ctypes.c_char_p),
        ("base", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
    )


def _where(extension: Path, symbol: str) -> tuple[str | None, bool]:
    """(the library that has the symbol, whether it was loaded ahead of NumPy's own), as the system's linker has it."""
    for own, preloaded in ((None, True), (str(extension), False)):  # what is global comes first, as with LD_PRELOAD
        with contextlib.suppress(OSError, AttributeError, TypeError):  # TypeError: Windows opens no None
            function, origin = ctypes.CDLL(own)[symbol], _Origin()
            address = ctypes.cast(function, ctypes.c_void_p)
            if ctypes.CDLL(None).dladdr(address, ctypes.byref(origin)) and origin.file:
                return os.path.realpath(os.fsdecode(origin.file)), preloaded
    return None, False


def asked(path: str, preloaded: bool = False) -> Bound:
    """A library, asked through its own functions, else known by what is written in its file."""
    for ask in (_openblas, _mkl, _blis, _flexiblas):
        with contextlib.suppress(OSError, AttributeError):  # it cannot be opened, or has no such function
            blas, threading = ask(path)
            return Bound(blas, threading, preloaded, path)
    return Bound(*_by_file(path), preloaded, path)


def _openblas(path: str) -> tuple[Blas, str | None]:
    """As SciPy's wheels name its functions, NumPy's older ones, or distributions."""
    library = ctypes.CDLL(path)
    for affix in ("scipy_{}64_", "{}64_", "scipy_{}", "{}", "{}_64"):
        if hasattr(library, affix.format("openblas_get_config")):
            break
    names = ("config", "corename", "num_threads", "parallel")
    config, core, threads, parallel = (library[affix.format(f"openblas_get_{what}")] for what in names)
    config.restype = core.restype = ctypes.c_char_p
    words = (config() or b"").decode(errors="replace").split()  # "OpenBLAS 0.3.31 DYNAMIC_ARCH ..."
    kernel = (core() or b"").decode(errors="replace") or None
    kind = parallel()
    threading = THREADINGS[kind] if kind in range(len(THREADINGS)) else None
    return Blas("openblas", words[1] if len(words) > 1 else None, kernel, threads() or None), threading


def _mkl(path: str) -> tuple[Blas, str | None]:
    library, said = ctypes.CDLL(path), ctypes.create_string_buffer(200)
    library.mkl_get_version_string(said, len(said))
    version = re.search(
        rb"Version (\d[\w.]*)", said.value
    )  # "... Math Kernel Library Version 2026.2-Product Build ..."
    return Blas("mkl", version[1].decode() if version else None, None, library.mkl_get_max_threads()), None


def _blis(path: str) -> tuple[Blas, str | None]:
    """Distributions hide BLIS's own functions in libblas, and have them in a libblis beside it."""
    beside = sorted(str(other) for other in Path(path).parent.glob("libblis.*"))
    library = ctypes.CDLL(path)
    if not hasattr(library, "bli_info_get_version_str") and "blis" in path.lower() and beside:
        library = ctypes.CDLL(beside[0])
    version, kernel = library.bli_info_get_version_str, library.bli_arch_string
    version.restype = kernel.restype = ctypes.c_char_p
    threads, enabled = library.bli_thread_get_num_threads, library.bli_info_get_enable_openmp
    threads.restype = enabled.restype = ctypes.c_int64
    threading = "openmp" if enabled() else "pthreads" if library.bli_info_get_enable_pthreads() else "serial"
    architecture = (kernel(library.bli_arch_query_id()) or b"").decode(errors="replace")
    return Blas("blis", (version() or b"").decode() or None, architecture or None, max(1, threads())), threading


def _flexiblas(path: str) -> tuple[Blas, str | None]:
    """A switch between libraries: the one behind it does the work."""
    library, name = ctypes.CDLL(path), ctypes.create_string_buffer(64)
    library.flexiblas_current_backend(name, len(name))
    return Blas(f"flexiblas with {name.value.decode(errors='replace').lower()}", None, None, None), None


# Names in the files of libraries that have no function to ask; whichever has none of them is the reference BLAS.
_SIGNATURES = ((b"BLIS_NUM_THREADS", "blis"), (b"armpl", "armpl"), (b"nvpl_", "nvpl"), (b"ATL_", "atlas"))


def _by_file(path: str) -> tuple[Blas, str | None]:
    if "/Accelerate.framework/" in path or "/vecLib.framework/" in path:
        return Blas("accelerate", None, None, None), None
    try:
        contents = Path(path).read_bytes()
    except OSError:
        return Blas(UNKNOWN, None, None, None), None
    version = re.search(r"\.so\.(\d+\.\d+[.\d]*)$", path)
    library = next((name for signature, name in _SIGNATURES if signature in contents), None)
    if library is None and not (b"xerbla" in contents and re.match(r"lib(c?blas|refblas)\b", Path(path).name)):
        return Blas(UNKNOWN, None, None, None), None
    blas = Blas(library or "netlib", version[1] if version else None, None, None if library else 1)
    return blas, None if library else "serial"


def _by_build() -> Blas:
    """What NumPy was built with, if what is loaded does not tell."""
    import numpy as np

    try:
        entry: dict[str, Any] = dict(np.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {}))
    except TypeError:  # before NumPy 1.26
        built: Callable[[str], dict[str, list[str]]] = np.__config__.get_info  # type: ignore[attr-defined]
        names = [name for kind in ("blas_ilp64_opt", "blas_opt") for name in built(kind).get("libraries", [])]
        entry = {"name": names[0] if names else NO_BLAS}
    name = str(entry.get("name") or UNKNOWN).lower()
    return Blas(name if entry.get("found", True) else NO_BLAS, entry.get("version") or None, None, None)


_BLAS_FILE = re.compile(r"lib(?:\w*blas\w*|mkl_rt|blis\w*|s?atlas|tatlas|armpl\w*)\b", re.ASCII)
_OPENMP_FILE = re.compile(r"lib(?:[gi]?omp5?)\b(?!\w)", re.ASCII)


def also_loaded(bound: Bound) -> tuple[list[Blas], list[str]]:
    """(other BLAS libraries that this process has loaded, its OpenMP runtimes by name)."""
    paths = dict.fromkeys(re.findall(r" (/.*)$", text(ROOT / "proc/self/maps") or "", re.MULTILINE))
    # What the bound library needs itself is not another one: a libblas in front of a libopenblas beside it.
    own = os.path.dirname(bound.path)
    others = [p for p in paths if _BLAS_FILE.match(os.path.basename(p)) and os.path.dirname(os.path.realpath(p)) != own]
    runtimes = [found[0] for found in map(_OPENMP_FILE.match, map(os.path.basename, paths)) if found]
    found = [other for other in (asked(path, False).blas for path in others) if other.library != UNKNOWN]
    # ATLAS is two libraries in two folders; SciPy's OpenBLAS may well be the same version as NumPy's.
    return [other for other in found if other != bound.blas or other.library == "openblas"], runtimes


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
