"""np.matmul held to older kernels: which are tried, and what becomes of those that do not run."""

import pytest

from labkit.doctor import probe
from labkit.doctor.probe import Probe
from labkit.errors import UserError
from labkit.ladder import older_kernels
from labkit.ladder.older_kernels import ROUNDS
from labkit.machine.blas import CORE_TYPE, Blas

GFLOPS = {None: 100.0, "Nehalem": 25.0, "Sandybridge": 50.0, "Haswell": 110.0, "SkylakeX": 100.0}
AVX2 = frozenset({"sse2", "avx", "avx2", "fma"})


class Machine:
    """Processes that report what they were asked to be."""

    def __init__(self, library="openblas", fails=()):
        self.library, self.fails, self.asked = library, fails, []

    def __call__(self, environment, seconds=None):
        core = environment.get(CORE_TYPE)
        self.asked.append((core, environment.get("OPENBLAS_NUM_THREADS")))
        if core in self.fails:
            raise UserError("was ended by SIGILL")
        return Probe("3", "2", Blas(self.library, "0.3", core or "SkylakeX", 1), 1024, GFLOPS[core])


@pytest.fixture
def measure(monkeypatch):
    def run(machine, flags=AVX2):
        monkeypatch.setattr(probe, "ask", machine)
        monkeypatch.setattr(older_kernels, "cpu_flags", lambda: flags)
        return older_kernels.measure()

    return run


def test_every_class_that_the_cpu_can_run_is_tried_in_turns_and_none_beyond(measure, monkeypatch):
    monkeypatch.setenv(CORE_TYPE, "Prescott")
    machine = Machine()
    found = measure(machine)
    assert [k.core_type for k in found] == ["Nehalem", "Sandybridge", "Haswell"]
    assert [k.gflops for k in found] == [[25.0] * ROUNDS, [50.0] * ROUNDS, [110.0] * ROUNDS]
    assert [k.own_gflops for k in found] == [[100.0] * ROUNDS] * 3
    # A stray core type of the user's own is not what the others are held against; and all run in one thread.
    assert machine.asked == [(core, "1") for core in [None, *[None, "Nehalem", "Sandybridge", "Haswell"] * ROUNDS]]


def test_a_kernel_that_does_not_run_here_is_left_out(measure):
    assert [k.core_type for k in measure(Machine(fails=("Sandybridge",)))] == ["Nehalem", "Haswell"]


def test_another_library_or_another_kind_of_cpu_has_no_such_kernels(measure):
    assert measure(Machine(library="mkl")) == []
    assert measure(Machine(), frozenset({"asimd"})) == []
