"""One thread, before NumPy loads: asked for once, said in one line, and checked afterwards."""

import os
import sys

import pytest

from labkit import threads
from labkit.errors import LabError

ONE = dict.fromkeys(threads.LAB_VARIABLES, "1")


@pytest.fixture
def started(monkeypatch):
    """What would have been executed in place of this process, on Linux."""
    calls = []
    monkeypatch.setattr(os, "execve", lambda *call: calls.append(call))
    monkeypatch.setattr(threads, "required_variables", lambda: threads.LAB_VARIABLES)
    return calls


def test_the_lab_s_three_variables_are_asked_for_and_accelerate_s_on_macos():
    assert threads.required_variables("linux") == ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    assert set(threads.required_variables("darwin")) == {*ONE, "VECLIB_MAXIMUM_THREADS"}


def test_nothing_happens_when_every_variable_is_one(started, capfd):
    threads.require_one_thread(sys.stderr, {**ONE, "PATH": "/bin"})
    assert started == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", threads.LAB_VARIABLES)
@pytest.mark.parametrize("value", [None, "", "2", "11"])
def test_one_variable_that_is_not_one_starts_the_same_command_again_with_all_set(
    started, capfd, monkeypatch, name, value
):
    monkeypatch.setattr(sys, "orig_argv", ["python3", "-X", "dev", "bench.py", "--sizes", "64,128"])
    environment = {**ONE, "HOME": "there", name: value}
    if value is None:
        del environment[name]
    threads.require_one_thread(sys.stderr, environment)
    ((program, words, given),) = started
    assert program == sys.executable
    assert words == [sys.executable, "-X", "dev", "bench.py", "--sizes", "64,128"]
    assert given == {"HOME": "there", **ONE, threads.ACCELERATE_VARIABLE: "1"}
    out, said = capfd.readouterr()
    assert out == ""
    assert said.count("\n") == 1
    assert f"started again with {name}=1\n" in said


def test_the_second_start_does_not_start_a_third(started):
    threads.require_one_thread(sys.stderr, {})
    threads.require_one_thread(sys.stderr, started[0][2])
    assert len(started) == 1


def test_the_environment_of_the_caller_is_left_as_it_was(started):
    environment = {"OMP_NUM_THREADS": "8"}
    threads.require_one_thread(sys.stderr, environment)
    assert environment == {"OMP_NUM_THREADS": "8"}


def test_the_loaded_blas_uses_one_thread_here():
    assert threads.check_effective_threads() in (1, None)


def pools(*counts, api="blas"):
    return lambda: [{"user_api": api, "num_threads": count} for count in counts]


def test_a_blas_that_uses_more_threads_than_asked_is_refused_in_one_line(monkeypatch):
    monkeypatch.setattr("threadpoolctl.threadpool_info", pools(1, 4))
    with pytest.raises(LabError, match="the BLAS uses 4 threads although 1 was asked for") as error:
        threads.check_effective_threads()
    assert "\n" not in str(error.value)


def test_a_blas_that_does_not_say_is_not_guessed_at(monkeypatch):
    monkeypatch.setattr("threadpoolctl.threadpool_info", pools())
    assert threads.check_effective_threads() is None


def test_pools_that_are_neither_blas_nor_openmp_do_not_count(monkeypatch):
    monkeypatch.setattr("threadpoolctl.threadpool_info", pools(8, api="other"))
    assert threads.effective_threads() is None
