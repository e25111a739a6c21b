"""Other libraries and other kernels: which are tried, and what becomes of those that do not run here."""

from typing import ClassVar

import pytest

from labkit.errors import UserError
from labkit.ladder import rivals
from labkit.machine.blas import CORE_TYPE, Blas

AVX2 = frozenset({"sse2", "avx", "avx2", "fma"})


class FakeApart:
    """A process that reports the kernel that it was asked for, as a build without Zen's does."""

    closed: ClassVar[list[str]] = []
    fails: ClassVar[tuple[str, ...]] = ()

    def __init__(self, spec):
        self.spec, core = spec, spec.settings.get(CORE_TYPE, "SkylakeX")
        self.facts = {"kernel": {"Zen": "Haswell"}.get(core, core)}

    def wait(self):
        if self.spec.name in self.fails:
            raise UserError(f"{self.spec.title} was ended by SIGILL")
        return self

    def close(self):
        self.closed.append(self.spec.name)


@pytest.fixture
def start(monkeypatch):
    def run(library="openblas", flags=AVX2, fails=()):
        monkeypatch.setattr(rivals, "Apart", FakeApart)
        monkeypatch.setattr(rivals, "installed", lambda: iter([rivals.Spec("MKL", "MKL", "c")]))
        monkeypatch.setattr(rivals, "loaded_blas", lambda: Blas(library, "0.3", "Haswell", 1))
        monkeypatch.setattr(rivals, "cpu_flags", lambda: flags)
        monkeypatch.setattr(FakeApart, "fails", fails)
        monkeypatch.setattr(FakeApart, "closed", [])
        found, left_out = rivals.start()
        return [apart.spec.name for apart in found], left_out

    return run


def test_every_kernel_that_the_cpu_can_run_is_a_rung_once_and_none_beyond(start):
    assert start() == (["MKL", "OpenBLAS Nehalem", "OpenBLAS Sandybridge", "OpenBLAS Haswell"], [])
    assert FakeApart.closed == ["OpenBLAS Zen"]  # the same kernel


def test_what_does_not_run_here_is_left_out_and_said(start):
    names, left_out = start(fails=("MKL", "OpenBLAS Sandybridge"))
    assert names == ["OpenBLAS Nehalem", "OpenBLAS Haswell"]
    assert left_out == ["MKL was ended by SIGILL", "OpenBLAS held to Sandybridge was ended by SIGILL"]


def test_another_library_or_another_kind_of_cpu_has_no_such_kernels(start):
    assert start(library="mkl") == (["MKL"], [])
    assert start(flags=frozenset({"asimd"})) == (["MKL", "OpenBLAS ARMV8", "OpenBLAS NEOVERSEN1"], [])
