"""What a NumPy says of itself in a process of its own, how its product is timed, and what becomes of a broken one."""

import json
import os
import sys

import numpy as np
import pytest

from labkit.doctor import examined, probe, products, turns
from labkit.doctor.probe import Ran
from labkit.doctor.turns import LARGE, SMALL, Setting, on_cpus, take_turns
from labkit.machine.blas import loaded_blas
from labkit.machine.cpus import allowed_cpus
from labkit.machine.threads import ALL_THREAD_VARIABLES


class Clock:
    """A clock that stands still unless a product is run, each of which takes as long as the list says."""

    def __init__(self, *seconds):
        self.now, self.calls, self._seconds = 0.0, 0, list(seconds)

    def __call__(self):
        return self.now

    def call(self):
        self.calls += 1
        self.now += self._seconds.pop(0) if len(self._seconds) > 1 else self._seconds[0]

    def time(self, seconds, processor=None):
        return examined.time_calls(self.call, seconds, 1000, self, processor or self)


def test_a_fast_product_is_repeated_for_the_time_given_and_the_first_call_is_not_counted():
    clock = Clock(0.001, 0.050, 0.020, 0.025, 0.040, 0.030)
    found = clock.time(0.2)
    assert found["best"] == pytest.approx(2 / 0.020)
    assert clock.calls == 8


def test_a_slow_product_is_called_twice_and_a_clock_that_stands_still_is_no_division_by_zero():
    clock = Clock(2.0)
    clock.time(0.4)
    assert clock.calls == 3
    assert Clock(0.0, 0.0, 0.0, 1.0).time(0.4)["best"] > 0


@pytest.mark.parametrize(("used", "own"), [(0.5, 0.5), (1.0, 1.0), (1.9, 1.0), (0.0, 1.0)])
def test_a_busy_machine_does_not_make_a_healthy_numpy_look_slow(used, own):
    """Half of the wall time went to others; a second thread's time does not make it faster than the wall."""
    clock = Clock(0.02)
    found = clock.time(0.1, processor=lambda: used * clock.now)
    assert found["best"] == pytest.approx(2 / (0.02 * own))
    assert found["busy"] == pytest.approx(used)


LOOK, RATES = {"numpy": "2.3.0"}, {"n": 1024, "float32": 100.0}


def printed(**answers):
    lines = [f"{examined.MARK}{json.dumps({name: answer})}" for name, answer in answers.items()]
    return "\n".join(["hello", *lines, "goodbye"])


def test_what_was_known_before_a_process_died_is_kept_and_the_last_of_each_answer_counts():
    said = f'{printed(look=LOOK, rates={"n": 64})}\n{printed(rates=RATES)}\n{examined.MARK}{{"rates": {{"n": 20'
    assert Ran(said, "", "was ended by SIGILL").answers == {"look": LOOK, "rates": RATES}


def test_the_numpy_of_this_python_is_examined_whatever_the_user_s_files_are_called_and_print(tmp_path, monkeypatch):
    for name in ("statistics", "random", "json", "labkit"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong one')")
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text(
        "import atexit, sys; print('a'); atexit.register(print, 'bye'); sys.stdout = None"
    )
    monkeypatch.chdir(tmp_path)
    environment = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(own)}
    found = probe.examine(environment, [("look",), ("rates", 0.01)]).answers
    assert found["look"]["numpy"] == np.__version__
    assert found["rates"]["n"] in examined.SIZES
    assert found["rates"]["float32"] > 0
    assert found["look"]["blas"]["library"] == loaded_blas().library


def python(code, seconds=30.0):
    return probe.run([sys.executable, "-c", code], os.environ, seconds)


def test_the_last_line_of_json_is_read_whatever_a_sitecustomize_prints_before_it_and_else_is_nonsense():
    assert probe.last_object('hello\n{"a": 1}\n\n') == {"a": 1}
    for nonsense in ("", "no JSON", "3", "\xff"):
        with pytest.raises((TypeError, ValueError)):
            probe.last_object(nonsense)


def test_a_process_that_hangs_is_ended_and_one_that_dies_or_fails_says_how():
    assert python("import time; time.sleep(60)", seconds=0.2).died.startswith("hung, and was ended after")
    said = python("import sys; print('first\\nthe last line', file=sys.stderr); sys.exit(3)").died
    assert said == "ended with status 3 (the last line)"
    if os.name == "posix":
        assert python("import os; os.kill(os.getpid(), 4)").died == "was ended by SIGILL"
    assert probe.run(["/nowhere/python"], {}, 1.0).died.startswith("could not be started")


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux tells the processor time of another process"
)
def test_the_limit_is_of_a_process_s_own_time_and_what_it_said_is_kept(monkeypatch):
    monkeypatch.setattr(probe, "WAITED", 100.0)
    ran = python(f"print('{examined.MARK}{{\"a\": 1}}', flush=True)\nwhile True: pass", seconds=0.3)
    assert ran.died == "used 0.3 s of processor time, and was ended"
    assert ran.answers == {"a": 1}
    assert python("import time; time.sleep(0.5)", seconds=0.3).died == ""


# --- the products -----------------------------------------------------------------------------------


class Wrong(np.ndarray):
    """fp32 matrices whose product with their own transpose is off by one unit in one element."""

    def __matmul__(self, other):
        found = np.asarray(self) @ np.asarray(other)
        if found.ndim == 2 and found.dtype == np.float32 and np.shares_memory(self, other) and found.size > 100:
            found[0, -1] += 1
        return found


def test_sound_products_are_right_and_one_wrong_element_of_one_routine_is_found(monkeypatch):
    monkeypatch.setattr(products, "SHAPES", ((3, 5, 2), (31, 33, 29)))
    assert products.examine(0.2)["wrong"] == []
    cases = products._cases
    monkeypatch.setattr(products, "_cases", lambda a, b: cases(a.view(Wrong), b))
    wrong = products.examine(0.2)["wrong"]
    assert {said.partition(" (")[0] for said in wrong} == {"float32 A @ A.T", "float32 A.T @ A"}
    assert all("1 of" in said for said in wrong)


def test_errors_of_a_row_that_add_up_to_nothing_are_found():
    draw = np.random.default_rng(1)
    assert products._wrong(np.array([[1.0, -1.0]]), np.zeros((1, 3)), np.zeros((3, 2)), True, draw)[0] == 2


def test_a_fault_of_one_remainder_only_is_found_by_shapes_drawn_at_random(monkeypatch):
    monkeypatch.setattr(products, "SHAPES", ((3, 3, 3),))

    def cases(a, b):
        yield "A @ B", "AB", lambda: a @ b + (b.shape[1] % 16 == 15)

    monkeypatch.setattr(products, "_cases", cases)
    assert products.examine(0.2)["wrong"]


@pytest.mark.parametrize("rounded", [np.float16, lambda x: x * np.nan])
def test_reduced_precision_and_nan_are_wrong_though_integers_may_be_right(monkeypatch, rounded):
    monkeypatch.setattr(products, "SHAPES", ((9, 7, 8),))

    def cases(a, b):
        yield "A @ B", "AB", lambda: (rounded(a) @ rounded(b)).astype(a.dtype)

    monkeypatch.setattr(products, "_cases", cases)
    assert len(products.examine(0.1)["wrong"]) == 2


def test_a_fault_of_large_products_is_looked_for_whatever_the_time_is():
    clock = iter(range(100000))
    tried = products.examine(300, clock=lambda: next(clock))["tried"]
    assert 200 < tried < 320


# --- turns ------------------------------------------------------------------------------------------


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has an affinity")
def test_two_settings_take_turns_one_that_dies_leaves_the_rest_and_an_affinity_is_seen_with_what_it_leaves_out(
    monkeypatch,
):
    monkeypatch.setattr(turns, "TURNS", 1)
    one = {**os.environ, **dict.fromkeys(ALL_THREAD_VARIABLES, "1")}
    found, _ = take_turns([Setting(one), Setting(one, frozenset({min(allowed_cpus())}))], most=20)
    assert [set(mine) for mine in found] == [{SMALL, *LARGE}] * 2
    assert all(seconds > 0 for mine in found for taken in mine.values() for seconds in taken)
    found, _ = take_turns([Setting(one), Setting({**one, "PYTHONHOME": "/nowhere"})], most=20)
    assert found[1] == {}
    with on_cpus(frozenset({min(allowed_cpus())})):
        seen = probe.examine(one, [("look",)]).answers["look"]["affinity"]
    assert (seen[:2], seen[2] >= len(allowed_cpus())) == ([1, 1], True)
    assert len(allowed_cpus()) == len(os.sched_getaffinity(0))
