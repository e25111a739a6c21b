"""Makes Python on Linux look like macOS or Windows to this package, as far as that goes: SIMULATED names which.

What those systems lack is taken away: functions, signals, modules, files of /proc and /sys. `sys.platform` is theirs
for this package alone, since others have libraries of Linux here. Each process that a simulated one starts loads this.
"""

import contextlib
import ctypes
import mmap
import os
import platform
import signal
import subprocess
import sys
import sysconfig
import types
from pathlib import Path

SYSTEM, NOTHING = os.environ["SIMULATED"], Path(__file__).parent / "there is no such folder"
OF_LINUX = "sched_getaffinity sched_setaffinity pidfd_open memfd_create eventfd posix_fadvise"
OF_POSIX = (
    "fork forkpty killpg getpgid setpgid setsid pread pwrite getloadavg sysconf getuid geteuid getgid getgroups mkfifo "
    "nice chown fchmod fchown wait3 wait4 sched_yield confstr pathconf statvfs"
)
SIGNALS = "SIGKILL SIGALRM SIGBUS SIGHUP SIGUSR1 SIGUSR2 SIGSTOP SIGCONT SIGQUIT SIGPIPE SIGCHLD setitimer ITIMER_REAL"
MODULES = "fcntl resource pwd grp termios tty readline"


def take(what: object, names: str) -> None:
    for name in names.split():
        if hasattr(what, name):
            delattr(what, name)


class Sys(types.ModuleType):
    """`sys`, whose platform depends on who asks."""

    @property
    def platform(self) -> str:
        asks = str(sys._getframe(1).f_globals.get("__name__"))
        return SYSTEM if asks.startswith("labkit") else "linux"


# What others choose by the system, they choose before that changes.
sysconfig.get_config_vars(), platform.uname()
with contextlib.suppress(ImportError):
    import filelock  # noqa: F401
sys.__class__ = Sys
take(os, OF_LINUX)
take(mmap, "MADV_HUGEPAGE")
if SYSTEM == "win32":
    kill, load = signal.SIGKILL, ctypes.CDLL
    subprocess.Popen.kill = lambda self: os.kill(self.pid, kill) if self.poll() is None else None
    take(os, OF_POSIX)
    take(signal, SIGNALS)
    sys.modules.update(dict.fromkeys(MODULES.split()))

    class CDLL(load):
        def __init__(self, name, *rest, **more):
            if name is None:
                raise TypeError("Windows opens no None")
            super().__init__(name, *rest, **more)

    ctypes.CDLL = CDLL

from labkit.machine import system  # noqa: E402

system.ROOT = NOTHING
