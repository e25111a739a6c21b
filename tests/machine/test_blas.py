"""Which BLAS NumPy is bound to, what else is loaded, and which kernels a CPU can use."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from labkit.machine import blas


@pytest.fixture
def openblas():
    """NumPy's own, as threadpoolctl has it: another implementation of the same question."""
    threadpoolctl = pytest.importorskip("threadpoolctl")
    blas.loaded_blas()
    pools = [pool for pool in threadpoolctl.threadpool_info() if pool["internal_api"] == "openblas"]
    if len(pools) != 1:
        pytest.skip("this NumPy has no OpenBLAS, or there are several")
    return pools[0]


def test_the_library_that_numpy_is_bound_to_says_what_threadpoolctl_says_of_it(openblas):
    bound = blas.bound_blas()
    assert (bound.blas.library, bound.blas.kernel) == ("openblas", openblas["architecture"])
    assert (bound.blas.threads, bound.threading) == (openblas["num_threads"], openblas["threading_layer"])
    assert (bound.blas.version or "").startswith(openblas["version"])
    assert os.path.samefile(bound.path, openblas["filepath"])
    assert not bound.preloaded
    assert blas.also_loaded(bound)[0] == []


def test_where_the_system_does_not_tell_what_is_bound_the_library_in_the_wheel_is_asked(openblas, monkeypatch):
    monkeypatch.setattr(blas, "_where", lambda extension, symbol: (None, False))
    found = blas.bound_blas().blas
    assert (found.library, found.kernel) in (("openblas", openblas["architecture"]), ("scipy-openblas", None))


def test_another_openblas_is_reported_beside_numpy_s_and_never_in_its_place(openblas, tmp_path):
    if not os.path.exists("/proc/self/maps"):
        pytest.skip("this system does not list what is loaded")
    other = tmp_path / "libopenblas_of_scipy.so"
    environment = {**os.environ, "LD_LIBRARY_PATH": os.path.dirname(openblas["filepath"])}  # of what it needs itself
    shutil.copy(openblas["filepath"], other)
    code = (
        "import ctypes, numpy, sys; ctypes.CDLL(sys.argv[1]); from labkit.machine import blas; b = blas.bound_blas(); "
    )
    code += "print(b.path); print(len(blas.also_loaded(b)[0]))"
    command = [sys.executable, "-c", code, other]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    path, count = done.stdout.splitlines()
    assert os.path.samefile(path, openblas["filepath"])
    assert count == "1"


@pytest.mark.parametrize(
    ("name", "contents", "library", "version"),
    [
        ("blas/libblas.so.3.11.0", b"xerbla_", "netlib", "3.11.0"),
        ("atlas/libblas.so.3.10.3", b"xerbla_ ATL_dgemm", "atlas", "3.10.3"),
        ("blis-serial/libblas.so.3", b"xerbla_ BLIS_NUM_THREADS", "blis", None),
        ("libsomething.so", b"xerbla_", blas.UNKNOWN, None),
        ("libblas.so.3", b"nothing", blas.UNKNOWN, None),
        ("Accelerate.framework/Versions/A/Accelerate", b"", "accelerate", None),
    ],
)
def test_a_library_that_has_no_function_to_ask_is_known_by_its_file(tmp_path, name, contents, library, version):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(contents)
    found = blas.asked(str(path), preloaded=False).blas
    assert (found.library, found.version) == (library, version)


@pytest.mark.parametrize(
    "name",
    ["cblas_sgemm", "cblas_sgemm64_", "cblas_sgemm_64", "scipy_cblas_sgemm64_", "cblas_sgemm$NEWLAPACK$ILP64"],
)
def test_the_product_s_name_is_read_from_the_extension_as_each_build_has_it(tmp_path, name):
    extension = tmp_path / "_multiarray_umath.so"
    for before in (b"", b"_"):  # macOS puts an underscore before every name
        extension.write_bytes(b"\0cblas_sgemv\0" + before + name.encode() + b"\0cblas_dgemm\0")
        assert blas._product_symbol(extension) == name
    extension.write_bytes(b"\0cblas_sgemv\0")
    assert blas._product_symbol(extension) is None


def test_openmp_runtimes_are_told_from_libraries_that_only_begin_like_them():
    names = [
        "libgomp.so.1",
        "libiomp5.so",
        "libomp.dylib",
        "libomp140.x86_64.dll",
        "libgomp-a34b3233.so.1",
        "libompi.so",
    ]
    found = [blas._OPENMP_FILE.match(name) for name in names]
    assert [match and match[0] for match in found] == ["libgomp", "libiomp5", "libomp", None, "libgomp", None]


@pytest.mark.parametrize(
    ("built", "library"),
    [
        ({"name": "accelerate", "found": True, "version": "unknown"}, "accelerate"),
        ({"name": "none"}, blas.NO_BLAS),
        ({"name": "blas", "found": False}, blas.NO_BLAS),
        ({"name": "blas", "version": "3.9.0"}, "blas"),
        ({}, blas.UNKNOWN),
    ],
)
def test_a_library_that_tells_nothing_is_what_numpy_was_built_with(monkeypatch, built, library):
    monkeypatch.setattr(np, "show_config", lambda mode: {"Build Dependencies": {"blas": built}})
    found = blas._by_build()
    assert (found.library, found.kernel, found.threads) == (library, None, None)


AVX2 = {"sse2", "avx", "avx2", "fma"}
AVX512 = AVX2 | {"avx512f", "avx512bw", "avx512dq", "avx512vl"}


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        (AVX512, "AVX-512"), (AVX512 - {"avx512vl"}, "AVX2"), (AVX2, "AVX2"), (AVX2 - {"fma"}, "AVX"),
        ({"sse2"}, "SSE"), ({"asimd"}, None), (set(), None),
    ],
)  # fmt: skip
def test_the_best_class_of_kernels_needs_every_flag_of_it(flags, name):
    best = blas.best_class(flags)
    assert (best.name if best else None) == name


def test_every_core_type_is_a_kernel_of_its_own_class_and_a_name_that_is_not_known_has_none():
    for found in blas.KERNEL_CLASSES:
        assert blas.kernel_class(found.core_type) is found
    assert blas.kernel_class("Zen9") is blas.kernel_class(None) is None


ACCELERATE = (
    "/System/Library/Frameworks/Accelerate.framework/Versions/A/Frameworks/vecLib.framework/Versions/A/libBLAS.dylib"
)


def test_accelerate_is_known_though_macos_has_no_file_of_it(monkeypatch):
    monkeypatch.setattr(blas, "_where", lambda *_: (ACCELERATE, False))
    assert str(blas.loaded_blas()) == "accelerate"


@pytest.mark.parametrize(
    ("said", "may"),
    [
        ("accelerate None None Apple M2", True),
        ("unknown None None Apple processor", True),  # as early systems and virtual machines name it
        ("accelerate None None Intel(R) Core(TM) i7-9750H CPU @ 2.60GHz", False),
        ("accelerate", True),  # of an unknown CPU
        ("openblas 0.3.31 VORTEXM4 Apple M4 Pro", True),
        ("openblas 0.3.31 NEOVERSEN1 Apple M4 Pro", False),
        ("openblas 0.3.31 ARMV9SME None", True),
        ("openblas 0.3.31 (Haswell)", False),
        ("Apple M1 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1", True),  # which names no library
        ("2.1.0 performance i5-8250U", False),
        ("", False),
    ],
)
def test_a_matrix_unit_is_known_by_the_library_and_the_cpu_and_ruled_out_on_intel(said, may):
    assert blas.has_matrix_unit(said) == may
