"""What a NumPy says of itself in a process of its own, and how its product is timed."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from labkit.doctor import probe
from labkit.errors import UserError
from labkit.machine.blas import CORE_TYPE, loaded_blas


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
        return probe.best_rate(seconds, self.products, self, self)


def test_a_fast_product_is_repeated_for_the_time_given_and_the_best_call_counts():
    clock = Clock(n256=[0.0005], n1024=[0.050, 0.020, 0.025, 0.040, 0.030])
    found = clock.rate(0.2)
    assert found == {"n": 1024, "gflops": pytest.approx(2 * 1024**3 / 0.020 / 1e9)}
    assert clock.calls.count(1024) == 7


def test_a_product_longer_than_the_time_given_is_called_once_and_one_of_many_seconds_replaced_by_a_smaller_one():
    clock = Clock(n256=[0.03], n1024=[2.1])
    assert clock.rate(0.4)["n"] == 1024
    assert clock.calls.count(1024) == 1
    clock = Clock(n256=[1.0, 0.2])
    assert clock.rate(0.4) == {"n": 256, "gflops": pytest.approx(2 * 256**3 / 0.2 / 1e9)}
    assert clock.now < 2.0


def test_a_clock_that_does_not_move_is_no_division_by_zero():
    assert Clock(n256=[0.0], n1024=[0.0, 0.0, 0.0, 1.0]).rate(0.4)["gflops"] > 0


@pytest.mark.parametrize(("used", "own"), [(0.5, 0.5), (1.0, 1.0), (1.9, 1.0), (0.0, 1.0)])
def test_a_busy_machine_does_not_make_a_healthy_numpy_look_slow(used, own):
    """Half of the wall time went to others; a second thread's time does not make it faster than the wall."""
    clock = Clock(n256=[0.02], n1024=[0.02])
    found = probe.best_rate(0.1, clock.products, clock, processor=lambda: used * clock.now)
    assert found["gflops"] == pytest.approx(2 * found["n"] ** 3 / (0.02 * own) / 1e9)


BLAS = {"library": "openblas", "version": "0.3", "kernel": "SkylakeX", "threads": 2}
SOUND = {"python": "3.13.0", "numpy": "2.3.0", "blas": BLAS, "n": 1024, "gflops": 100.0, "calls": 9}


@pytest.fixture
def ask(monkeypatch):
    """What the doctor makes of a process that prints this, or dies so."""

    def asked(said, seconds=0.1, **environment):
        def run(command, given, patience):
            assert command[1] == "-P"  # else a file in the current folder could hide a module of Python's own
            assert environment.items() <= given.items()
            if isinstance(said, Exception):
                raise said
            return said

        monkeypatch.setattr(probe, "run", run)
        return probe.ask(environment, seconds)

    return asked


def test_an_answer_is_read_with_and_without_a_rate(ask):
    found = ask(SOUND)
    assert (found.n, found.gflops, found.blas.kernel, found.blas.threads) == (1024, 100.0, "SkylakeX", 2)
    assert ask(SOUND, seconds=None).gflops == 0


NONSENSE = [{}, {**SOUND, "blas": None}, {**SOUND, "n": None}]
NONSENSE += [{**SOUND, "gflops": rate} for rate in (float("nan"), 0, -1, float("inf"), "x", None)]


@pytest.mark.parametrize("printed", NONSENSE)
def test_an_answer_that_is_nonsense_is_one_line(ask, printed):
    with pytest.raises(UserError, match=r"^the process that examines NumPy printed nonsense$"):
        ask(printed)


def test_a_process_that_dies_under_a_core_type_is_one_line_that_names_it(ask):
    died = UserError("was ended by SIGILL")
    with pytest.raises(UserError, match=r"SIGILL; OPENBLAS_CORETYPE is set and may be the reason: unset it"):
        ask(died, **{CORE_TYPE: "SkylakeX"})
    with pytest.raises(UserError, match=r"SIGILL$"):
        ask(died)


def test_a_missing_or_a_broken_numpy_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert "NumPy cannot be imported" in probe.examine()["error"]
    monkeypatch.undo()
    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy" / "__init__.py").write_text("raise ImportError('\\n\\nIMPORTANT: read this\\n\\nand that')\n")
    with pytest.raises(UserError, match=r"^NumPy cannot be imported \(IMPORTANT: read this\)$"):
        probe.ask({"PYTHONPATH": str(tmp_path)})


def test_a_checkout_is_found_by_the_process_but_not_before_the_user_s_own_folders(monkeypatch):
    checkout = str(probe.REPOSITORY)
    assert probe._with_labkit({"PYTHONPATH": "mine", "A": "b"})["PYTHONPATH"].split(os.pathsep) == ["mine", checkout]
    assert probe._with_labkit({})["PYTHONPATH"] == checkout
    monkeypatch.setattr(probe, "REPOSITORY", Path("/usr/lib/python3/site-packages"))
    assert probe._with_labkit({"A": "b"}) == {"A": "b"}


def test_the_numpy_of_this_python_is_examined_from_any_folder(tmp_path, monkeypatch):
    (tmp_path / "statistics.py").write_text("raise SystemExit('the wrong one')")
    monkeypatch.chdir(tmp_path)
    found = probe.ask({"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}, 0.01)
    assert found.numpy == np.__version__
    assert found.n in (256, 1024)
    assert found.gflops > 0
    assert found.blas.library == loaded_blas().library


def python(code, seconds=30.0):
    return probe.run([sys.executable, "-c", code], os.environ, seconds)


def test_the_last_line_is_read_whatever_a_sitecustomize_prints_before_it_and_else_is_nonsense():
    assert python("print('hello'); print('{\"a\": 1}'); print()") == {"a": 1}
    for nonsense in ("", "print('no JSON')", "print(3)", "print('\\xff')"):
        with pytest.raises(UserError, match=r"^printed nonsense$"):
            python(nonsense)


def test_a_process_that_hangs_is_ended_and_one_that_dies_or_fails_says_how():
    with pytest.raises(UserError, match=r"hung, and was ended after"):
        python("import time; time.sleep(60)", seconds=0.2)
    with pytest.raises(UserError, match=r"^ended with status 3 \(the last line\)$"):
        python("import sys; print('first\\nthe last line', file=sys.stderr); sys.exit(3)")
    if os.name == "posix":
        with pytest.raises(UserError, match=r"was ended by SIGILL"):
            python("import os; os.kill(os.getpid(), 4)")
    with pytest.raises(UserError, match=r"could not be started"):
        probe.run(["/nowhere/python"], {}, 1.0)
