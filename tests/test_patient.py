"""What a NumPy says of itself, and how its product is timed, where next to nothing is installed beside it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from labkit.doctor import patient


class Clock:
    """A clock that stands still unless a product is run; `seconds` says how long each call of a size takes."""

    def __init__(self, **seconds):
        self.now, self.calls = 0.0, []
        self._seconds = {int(size[1:]): list(took) for size, took in seconds.items()}

    def __call__(self):
        return self.now

    def products(self, n):
        def call():
            took = self._seconds[n]
            self.calls.append(n)
            self.now += took.pop(0) if len(took) > 1 else took[0]

        return call

    def rate(self, seconds):
        return patient.best_rate(seconds, self.products, self)


FLOPS = 2 * 1024**3


def test_a_fast_product_is_repeated_for_the_time_given_and_the_best_call_counts():
    clock = Clock(n256=[0.0005], n1024=[0.050, 0.020, 0.025, 0.040, 0.030])
    said = clock.rate(0.2)
    assert said["n"] == 1024
    assert said["gflops"] == pytest.approx(FLOPS / 0.020 / 1e9)
    assert said["calls"] == clock.calls.count(1024) == 7


def test_a_product_longer_than_the_time_given_is_called_three_times_and_once_from_a_second_on():
    assert Clock(n256=[0.01], n1024=[0.5]).rate(0.4)["calls"] == 3
    assert Clock(n256=[0.03], n1024=[2.1]).rate(0.4)["calls"] == 1


def test_a_product_that_would_take_many_seconds_is_told_by_a_smaller_one():
    clock = Clock(n256=[1.0, 0.2])
    said = clock.rate(0.4)
    assert said["n"] == 256
    assert said["gflops"] == pytest.approx(2 * 256**3 / 0.2 / 1e9)
    assert clock.now < 2.0


def test_a_clock_that_does_not_move_is_no_division_by_zero():
    assert Clock(n256=[0.0], n1024=[0.0, 0.0, 0.0, 1.0]).rate(0.4)["gflops"] > 0


def openblas():
    told = patient._by_threadpoolctl()
    if told is None or told["library"] != "openblas":
        pytest.skip("this NumPy has no OpenBLAS")
    return told


def test_openblas_s_own_functions_say_what_threadpoolctl_says():
    assert patient._by_symbols(patient._loaded_libraries()) == openblas()


def test_without_threadpoolctl_the_loaded_library_is_asked(monkeypatch):
    told = openblas()
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    assert patient.loaded_blas() == told


def test_a_threadpoolctl_of_another_age_is_done_without(monkeypatch):
    import threadpoolctl

    monkeypatch.setattr(threadpoolctl, "threadpool_info", lambda: [{"prefix": "libopenblas"}])
    assert patient._by_threadpoolctl() is None


def test_libraries_that_cannot_be_opened_or_are_no_openblas_say_nothing(tmp_path):
    (tmp_path / "libblas.so").write_bytes(b"no library")
    assert patient._by_symbols(iter([tmp_path / "libblas.so", tmp_path / "libopenblas.so"])) is None


@pytest.mark.parametrize(
    ("blas", "library"),
    [
        ({"name": "accelerate", "found": True, "version": "unknown"}, "accelerate"), ({"name": "none"}, None),
        ({"name": "blas", "found": False}, None), ({"name": "blas", "version": "3.9.0"}, "blas"), ({}, "unknown"),
    ],
)  # fmt: skip
def test_a_library_that_says_nothing_is_what_numpy_was_built_with(monkeypatch, blas, library):
    monkeypatch.setattr(np, "show_config", lambda mode: {"Build Dependencies": {"blas": blas}})
    told = patient._by_build()
    assert (told["library"], told["kernel"], told["threads"]) == (library, None, None)


def test_a_numpy_too_old_to_say_what_it_was_built_with_is_not_said_to_have_no_blas(monkeypatch):
    monkeypatch.setattr(np, "show_config", lambda: None)
    assert patient._by_build()["library"] == "unknown"


@pytest.mark.parametrize(("used", "own"), [(0.5, 0.5), (1.0, 1.0), (1.9, 1.0)])
def test_a_busy_machine_does_not_make_a_healthy_numpy_look_slow(used, own):
    """Half of the wall time went to somebody else; a second thread's time does not make it faster than the wall."""
    now = [0.0]

    def call():
        now[0] += 0.02

    said = patient.best_rate(0.1, lambda n: call, clock=lambda: now[0], processor=lambda: used * now[0])
    assert said["gflops"] == pytest.approx(2 * said["n"] ** 3 / (0.02 * own) / 1e9)


def test_no_numpy_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert patient.main([]) == {"error": "NumPy is not installed for this Python"}


def run(*arguments, **environment):
    command = [sys.executable, "-P", patient.__file__, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)


def test_a_broken_numpy_is_said_in_one_line(tmp_path):
    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy" / "__init__.py").write_text("raise ImportError('\\n\\nIMPORTANT: read this\\n\\nand that')\n")
    said = json.loads(run(PYTHONPATH=str(tmp_path)).stdout)
    assert said == {"error": "NumPy cannot be imported (IMPORTANT: read this)"}


def test_as_a_program_it_prints_one_object_and_takes_nothing_from_the_folder_it_lies_in():
    done = run("0.01", OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
    said = json.loads(done.stdout)
    assert said["numpy"] == np.__version__
    assert said["n"] in (256, 1024)
    assert said["gflops"] > 0
    source = Path(patient.__file__).read_text()
    assert "import labkit" not in source
    assert "from labkit" not in source
