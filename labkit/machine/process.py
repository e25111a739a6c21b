"""What Linux, macOS and Windows do differently with processes: starting again, CPUs, ends, groups, pages, time."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from labkit.machine.system import ROOT, text

WINDOWS = sys.platform == "win32"
# How a process may be ended for using memory that is not its own; Windows has a status in place of a signal.
_FAULTS = ("SIGSEGV", "SIGBUS", "access violation")
_WINDOWS_ENDS = {0xC0000005: "access violation", 0xC000001D: "illegal instruction", 0xC0000409: "abort"}
_NO_ACCESS = 1 if WINDOWS else 0  # PAGE_NOACCESS, PROT_NONE


def start_again(environment: Mapping[str, str]) -> NoReturn:
    """The command that this process runs, once more with this environment, in its place."""
    command = [sys.executable, *sys.orig_argv[1:]]  # type: ignore[attr-defined,unused-ignore]  # from Python 3.10 on
    if not WINDOWS:
        os.execve(command[0], command, dict(environment))
    # There the shell would go on as soon as this process is replaced.
    process = subprocess.Popen(command, env=dict(environment))
    while True:
        with contextlib.suppress(KeyboardInterrupt):  # the other process was told as well
            sys.exit(process.wait())


def run_on(cpus: Iterable[int], process: int = 0) -> None:
    """Run a process, this one by default, on these CPUs alone from here on: on Linux, unless a sandbox forbids it."""
    move = getattr(os, "sched_setaffinity", None)
    if move:
        with contextlib.suppress(OSError):
            move(process, set(cpus))


def ended_by(status: int) -> str | None:
    """The signal that a process with this exit status was ended by, or what Windows calls it; None if by itself."""
    if status >= 0:
        return _WINDOWS_ENDS.get(status) if WINDOWS else None
    try:
        return signal.Signals(-status).name
    except ValueError:  # one of the real-time signals
        return f"signal {-status}"


def how_it_ended(status: int) -> str:
    """`was ended by SIGSEGV`, `ended with status 3`."""
    by = ended_by(status)
    return f"was ended by {by}" if by else f"ended with status {status}"


def touched_foreign_memory(status: int) -> bool:
    """Whether a process with this exit status was ended for using memory that is not its own."""
    return ended_by(status) in _FAULTS


def end_group(process: subprocess.Popen[Any]) -> None:
    """End a process that was started in a session of its own, with whatever it started. Windows knows no groups."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def forbid(address: int, size: int) -> None:
    """Pages that this process may not touch from here on: whoever does is ended. An OSError if that cannot be."""
    start, length = ctypes.c_void_p(address), ctypes.c_size_t(size)
    if WINDOWS:
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined,unused-ignore]
        refused = not kernel.VirtualProtect(start, length, _NO_ACCESS, ctypes.byref(ctypes.c_ulong()))
        number = ctypes.get_last_error() if refused else 0  # type: ignore[attr-defined,unused-ignore]
    else:
        refused = ctypes.CDLL(None, use_errno=True).mprotect(start, length, _NO_ACCESS)
        number = ctypes.get_errno()
    if refused:
        raise OSError(number, "pages cannot be protected")


def processor_seconds() -> float:
    """Processor time of this process, all threads; always 0, which stands for unknown, on Windows.

    It counts there in steps of 16 ms, longer than a sample.
    """
    return 0.0 if WINDOWS else time.process_time()


def _stat(process: int | str) -> list[int]:
    """The numbers of /proc/PID/stat behind the process's state; none where there is no such file."""
    return [int(field) for field in (text(ROOT / f"proc/{process}/stat") or "").rpartition(")")[2].split()[1:]]


def processor_seconds_of(process: int) -> float | None:
    """What another process has used, all threads together; None if the system does not tell."""
    numbers = _stat(process)
    return (numbers[10] + numbers[11]) / os.sysconf("SC_CLK_TCK") if numbers else None


def seconds_since_start() -> float:
    """Since this process started: what its imports took counts too. Where the system does not tell, processor time."""
    numbers, uptime = _stat("self"), (text(ROOT / "proc/uptime") or "").split()
    if not numbers or not uptime:
        return time.process_time()
    return max(0.0, float(uptime[0]) - numbers[18] / os.sysconf("SC_CLK_TCK"))


def cpu_of_now() -> int | None:
    """The CPU that this process was last run on; None if the system does not tell."""
    numbers = _stat("self")
    return numbers[35] if numbers else None
