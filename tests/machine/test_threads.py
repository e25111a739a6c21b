"""One thread, before NumPy loads: asked for once, announced in one line, and checked afterwards."""

import contextlib
import os
import sys

import pytest

from labkit.errors import UserError
from labkit.machine import threads
from labkit.machine.blas import Blas

ONE = dict.fromkeys(threads.THREAD_VARIABLES, "1")


@pytest.fixture
def started(monkeypatch):
    """What would have been executed in place of this process, on Linux."""
    calls = []

    def execute(*call):
        calls.append(call)
        raise SystemExit

    monkeypatch.setattr(os, "execve", execute)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sys, "orig_argv", ["python3", "-X", "dev", "bench.py", "--sizes", "64,128"])
    for name, value in ONE.items():
        monkeypatch.setenv(name, value)
    return calls


def test_nothing_happens_if_the_assignment_s_three_variables_are_one(started, capfd):
    threads.require_one_thread(sys.stderr)
    assert (started, capfd.readouterr()) == ([], ("", ""))


@pytest.mark.parametrize("name", [*threads.THREAD_VARIABLES, threads.ACCELERATE_VARIABLE])
@pytest.mark.parametrize("value", [None, "", "2", "11"])
def test_one_variable_that_is_not_one_starts_the_same_command_once_more_with_all_set(
    started, capfd, monkeypatch, name, value
):
    if name == threads.ACCELERATE_VARIABLE:
        monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setenv(name, value or "")
    if value is None:
        monkeypatch.delenv(name)
    before = dict(os.environ)
    with pytest.raises(SystemExit):
        threads.require_one_thread(sys.stderr)
    ((program, words, given),) = started
    assert (program, words) == (sys.executable, [sys.executable, "-X", "dev", "bench.py", "--sizes", "64,128"])
    assert given == {**before, **ONE, threads.ACCELERATE_VARIABLE: "1"}
    assert os.environ == before
    out, said = capfd.readouterr()
    assert (out, said.count("\n")) == ("", 2)
    assert f"\n{name}=1\n" in said
    monkeypatch.setattr(os, "environ", given)
    threads.require_one_thread(sys.stderr)
    assert len(started) == 1


@pytest.mark.parametrize("count", [None, 1, 4])
def test_a_blas_that_is_known_to_use_more_threads_than_asked_is_refused_in_one_line(monkeypatch, count):
    monkeypatch.setattr(threads, "loaded_blas", lambda: Blas("openblas", None, None, count))
    with contextlib.nullcontext() if count != 4 else pytest.raises(UserError, match=r"^the BLAS uses 4 threads .*$"):
        threads.check_effective_threads()
