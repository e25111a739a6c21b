"""np.matmul held to older kernels: which are tried, and what becomes of those that do not run."""

import json

import older_kernels
import pytest
from older_kernels import ROUNDS, witnesses

from labkit.doctor.kernels import CORE_TYPE
from labkit.errors import LabError

GFLOPS = {None: 100.0, "Nehalem": 25.0, "Sandybridge": 50.0, "Haswell": 110.0, "SkylakeX": 100.0}


class Machine:
    """Processes that say what they were asked to be."""

    def __init__(self, library="openblas", fails=()):
        self.library, self.fails, self.asked = library, fails, []

    def __call__(self, command, environment, seconds):
        core = environment.get(CORE_TYPE)
        self.asked.append((core, environment.get("OPENBLAS_NUM_THREADS")))
        if core in self.fails:
            raise LabError("was ended by SIGILL")
        said = {"python": "3", "numpy": "2", "library": self.library, "version": "0.3", "kernel": core or "SkylakeX"}
        return json.dumps({**said, "threads": 1, "n": 1024, "gflops": GFLOPS[core]})


@pytest.fixture(autouse=True)
def avx2(monkeypatch):
    flags = frozenset({"sse2", "avx", "avx2", "fma"})
    look = older_kernels.vitals.look
    import dataclasses

    monkeypatch.setattr(older_kernels.vitals, "look", lambda *a: dataclasses.replace(look(*a), flags=flags))


def test_every_class_that_the_cpu_can_run_is_tried_and_none_beyond():
    machine = Machine()
    found = witnesses(machine, {CORE_TYPE: "Prescott"})
    assert [(k.core_type, k.gflops) for k in found] == [("Nehalem", 25.0), ("Sandybridge", 50.0), ("Haswell", 110.0)]
    assert [k.factors for k in found] == [[0.25] * ROUNDS, [0.5] * ROUNDS, [1.1] * ROUNDS]
    # A stray core type of the user's own is not what the others are held against; and all run in one thread.
    assert "Prescott" not in {core for core, _ in machine.asked}
    assert {threads for _, threads in machine.asked} == {"1"}


def test_they_take_turns():
    machine = Machine()
    witnesses(machine, {})
    cores = [core for core, _ in machine.asked][1:]
    assert cores == [None, "Nehalem", "Sandybridge", "Haswell"] * ROUNDS


def test_a_kernel_that_does_not_run_here_is_left_out():
    assert [k.core_type for k in witnesses(Machine(fails=("Sandybridge",)), {})] == ["Nehalem", "Haswell"]


def test_another_library_has_no_such_kernels():
    assert witnesses(Machine(library="mkl"), {}) == []
