"""Which BLAS NumPy has loaded, by each of the three ways to find out, and which kernels a CPU can use."""

import sys

import numpy as np
import pytest

from labkit.machine import blas


@pytest.fixture
def openblas():
    found = blas._by_threadpoolctl()
    if found is None or found.library != "openblas":
        pytest.skip("this NumPy has no OpenBLAS")
    return found


def test_openblas_s_own_functions_say_what_threadpoolctl_says_loaded_or_in_the_wheel(openblas, monkeypatch):
    assert blas.loaded_blas() == openblas
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    assert blas.loaded_blas() == openblas
    monkeypatch.setattr(blas, "text", lambda path: None)  # no /proc/self/maps
    assert blas.loaded_blas().kernel in (openblas.kernel, None)


def test_a_threadpoolctl_of_another_age_is_done_without(monkeypatch):
    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: [{"prefix": "libopenblas"}])
    assert blas._by_threadpoolctl() is None


def test_libraries_that_cannot_be_opened_or_are_no_openblas_tell_nothing(tmp_path):
    (tmp_path / "libblas.so").write_bytes(b"no library")
    assert blas._by_symbols([tmp_path / "libblas.so", tmp_path / "libopenblas.so"]) is None


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
