"""Processes on each system: how one is started again, ends, is ended with what it started, and is kept off pages."""

import os
import platform
import signal
import subprocess
import sys
import time

import pytest

from labkit.machine import process
from labkit.machine.cpus import emulated

PATIENCE_SECONDS = 30.0
STATUS, VIOLATION = 3, 0xC0000005


@pytest.fixture
def windows(monkeypatch):
    monkeypatch.setattr(process, "WINDOWS", True)


def test_how_a_process_ended_is_told_by_the_signal_s_name_and_by_what_windows_has_in_its_place(monkeypatch):
    statuses = (-signal.SIGSEGV, STATUS, VIOLATION, -1000)
    assert [process.how_it_ended(status) for status in statuses] == [
        "was ended by SIGSEGV",
        "ended with status 3",
        f"ended with status {VIOLATION}",
        "was ended by signal 1000",
    ]
    assert process.touched_foreign_memory(-signal.SIGBUS)
    assert not process.touched_foreign_memory(-signal.SIGILL)
    assert not process.touched_foreign_memory(VIOLATION)
    monkeypatch.setattr(process, "WINDOWS", True)
    assert process.how_it_ended(VIOLATION) == "was ended by access violation"
    assert process.touched_foreign_memory(VIOLATION)
    assert not process.touched_foreign_memory(STATUS)


def test_processor_time_is_unknown_where_it_counts_in_steps_longer_than_a_sample(windows):
    assert process.processor_seconds() == 0.0


def test_on_windows_a_command_is_started_again_beside_this_process_which_waits_for_its_end(windows, monkeypatch):
    seen = []

    class Started:
        def __init__(self, command, env):
            seen.append((command, env))
            self.waits = iter([KeyboardInterrupt, STATUS])

        def wait(self):
            found = next(self.waits)
            if found is KeyboardInterrupt:
                raise KeyboardInterrupt
            return found

    monkeypatch.setattr(process.subprocess, "Popen", Started)
    monkeypatch.setattr(process.os, "execve", lambda *_: pytest.fail("the shell would go on"))
    monkeypatch.setattr(sys, "orig_argv", ["python", "x.py", "--quick"], raising=False)
    with pytest.raises(SystemExit) as ended:
        process.start_again({"A": "1"})
    assert ended.value.code == STATUS
    assert seen == [([sys.executable, "x.py", "--quick"], {"A": "1"})]


def test_elsewhere_it_takes_this_process_s_place(monkeypatch):
    seen = []

    def execute(*words):
        seen.append(words)
        raise SystemExit

    monkeypatch.setattr(process, "WINDOWS", False)
    monkeypatch.setattr(process.os, "execve", execute)
    with pytest.raises(SystemExit):
        process.start_again({"A": "1"})
    assert seen[0][0] == sys.executable
    assert seen[0][2] == {"A": "1"}


def test_a_group_ends_with_what_it_started():
    code = "import subprocess, sys; print(subprocess.Popen(['sleep', '60']).pid, flush=True); sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    parent = subprocess.Popen([sys.executable, "-c", code], start_new_session=True, text=True, **pipes)
    child = int(parent.stdout.readline())
    process.end_group(parent)
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            break
        state = (process.text(process.ROOT / f"proc/{child}/stat") or "").rpartition(")")[2].split()
        if state[:1] in (["Z"], []):  # nobody has waited for it
            break
        time.sleep(0.01)
    else:
        pytest.fail("it is still there")
    for stream in (parent.stdin, parent.stdout):
        stream.close()


def test_whoever_touches_a_forbidden_page_is_ended():
    code = (
        "import ctypes, mmap; from labkit.machine.process import forbid; room = mmap.mmap(-1, 2 * mmap.PAGESIZE); "
        "start = ctypes.addressof(ctypes.c_char.from_buffer(room)); forbid(start + mmap.PAGESIZE, mmap.PAGESIZE); "
        "room[0] = 1; print('allowed', flush=True); room[mmap.PAGESIZE] = 1; print('also this')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "allowed\n"
    assert process.touched_foreign_memory(done.returncode)


def test_the_kernel_s_words_about_a_process_are_none_where_there_is_no_proc(monkeypatch, tmp_path):
    here = process.cpu_of_now(), process.processor_seconds_of(os.getpid()), process.seconds_since_start()
    if sys.platform.startswith("linux"):
        assert here[0] in os.sched_getaffinity(0)
        assert here[1] > 0 or emulated(platform.machine())  # QEMU shows none
        assert here[2] > 0
    monkeypatch.setattr(process, "ROOT", tmp_path)
    assert (process.cpu_of_now(), process.processor_seconds_of(os.getpid())) == (None, None)
    assert process.seconds_since_start() > 0
