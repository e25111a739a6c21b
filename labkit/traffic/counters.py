"""The processor's own counters, for this process in user mode, where the system opens them (seldom in a guest)."""

import ctypes
import os
import platform
import struct
from collections.abc import Callable

# The number of perf_event_open; its constants are those of the manual page perf_event_open(2).
_SYSCALL = {"x86_64": 298, "aarch64": 241}
_HARDWARE, _CACHE = 0, 3
_READ_MISSES = 1 << 16  # of the cache whose number is added
EVENTS = {
    "cycles": (_HARDWARE, 0),
    "instructions": (_HARDWARE, 1),
    "L1": (_CACHE, _READ_MISSES + 0),  # loads that the first level does not serve
    "L3": (_CACHE, _READ_MISSES + 2),  # and those that the last one does not
}
_DISABLED, _EXCLUDE_KERNEL, _EXCLUDE_HYPERVISOR = 1, 1 << 5, 1 << 6
_ATTRIBUTE_BYTES = 64  # of the first version of its structure, which every kernel takes
_ENABLE, _DISABLE = 0x2400, 0x2401  # of ioctl


def count(call: Callable[[], object]) -> dict[str, int]:
    """What one call counts, of those EVENTS that open. Empty where none does."""
    opened = {name: handle for name, event in EVENTS.items() if (handle := _open(*event)) >= 0}
    if not opened:
        return {}
    import fcntl  # not on Windows

    for handle in opened.values():
        fcntl.ioctl(handle, _ENABLE)
    call()
    for handle in opened.values():
        fcntl.ioctl(handle, _DISABLE)
    counted = {name: struct.unpack("=Q", os.read(handle, 8))[0] for name, handle in opened.items()}
    for handle in opened.values():
        os.close(handle)
    return counted


def _open(kind: int, event: int) -> int:
    """A file descriptor; negative where there is none to be had."""
    number = _SYSCALL.get(platform.machine())
    if platform.system() != "Linux" or number is None:
        return -1
    flags = _DISABLED | _EXCLUDE_KERNEL | _EXCLUDE_HYPERVISOR
    attribute = struct.pack("=IIQQQQQ", kind, _ATTRIBUTE_BYTES, event, 0, 0, 0, flags).ljust(_ATTRIBUTE_BYTES, b"\0")
    return int(ctypes.CDLL(None).syscall(number, attribute, 0, -1, -1, 0))  # this process, any CPU, no group
