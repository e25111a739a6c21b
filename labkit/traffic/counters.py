"""The processor's own counters, for this process in user mode, where the system opens them (seldom in a guest)."""

import ctypes
import os
import platform
import re
import struct
from collections.abc import Callable
from pathlib import Path

from labkit.machine.system import ROOT, text

# The number of perf_event_open; its constants are those of the manual page perf_event_open(2).
_SYSCALL = {"x86_64": 298, "aarch64": 241}
_HARDWARE, _RAW = 0, 4
_DISABLED, _EXCLUDE_KERNEL, _EXCLUDE_HYPERVISOR = 1, 1 << 5, 1 << 6
_ATTRIBUTE_BYTES = 64  # of the first version of its structure, which every kernel takes
_ENABLE, _DISABLE = 0x2400, 0x2401  # of ioctl
Event = tuple[int, int]  # the type of the counter, its number there
CORE: dict[str, list[Event]] = {"cycles": [(_HARDWARE, 0)], "instructions": [(_HARDWARE, 1)]}
# Lines fetched into each level, prefetches too. A raw number is mask << 8 | event, as the makers' lists have them.
# Intel: L1D.REPLACEMENT, and what looks up the last level and misses it: LONGEST_LAT_CACHE.REFERENCE and .MISS.
INTEL = {"L1": [0x0151], "L2": [0x4F2E], "L3": [0x412E]}
# AMD: fills of the first level, by where they come from: anywhere, beyond the second level, DRAM of any node. What the
# second level has prefetched counts as its own. Zen 3 to 5 (families 19h and 1Ah): LS_ANY_FILLS_FROM_SYS.
FILLS_FROM = {"L1": 0x5F, "L2": 0x5E, "L3": 0x48}
ZEN_3 = (0x44,)
ZEN_2 = (0x43, 0x59, 0x5A)  # family 17h has three: of loads and stores, of software's prefetches, of the hardware's
# Arm: L1D_CACHE_REFILL, L2D_CACHE_REFILL, LL_CACHE_MISS_RD.
ARM = {"L1": [0x03], "L2": [0x17], "L3": [0x37]}


def events(root: Path = ROOT) -> dict[str, list[Event]]:
    """What this processor may count, and the counters that make it up when added."""
    told = dict(re.findall(r"^(vendor_id|cpu family)\s*: (.*)$", text(root / "proc/cpuinfo") or "", re.MULTILINE))
    raw: dict[str, list[int]] = {}
    if platform.machine() == "aarch64":
        raw = ARM
    elif told.get("vendor_id") == "GenuineIntel":
        raw = INTEL
    elif told.get("vendor_id") == "AuthenticAMD" and int(told["cpu family"]) >= 0x17:
        codes = ZEN_2 if int(told["cpu family"]) == 0x17 else ZEN_3
        raw = {level: [mask << 8 | code for code in codes] for level, mask in FILLS_FROM.items()}
    return CORE | {level: [(_RAW, number) for number in numbers] for level, numbers in raw.items()}


def count(call: Callable[[], object], root: Path = ROOT) -> dict[str, int]:
    """What `call` counts, of the `events` that open; each in a call of its own, as counters are few. Or nothing."""
    counted = {name: found for name, parts in events(root).items() if (found := _count(call, parts)) is not None}
    return counted if counted.get("cycles") else {}  # a guest's may open and stand still


def _count(call: Callable[[], object], parts: list[Event]) -> int | None:
    """The sum of these counters over a call; None where one does not open."""
    opened = [handle for part in parts if (handle := _open(*part)) >= 0]
    try:
        if len(opened) < len(parts):
            return None
        import fcntl  # not on Windows

        for handle in opened:
            fcntl.ioctl(handle, _ENABLE)
        call()
        for handle in opened:
            fcntl.ioctl(handle, _DISABLE)
        return sum(int(struct.unpack("=Q", os.read(handle, 8))[0]) for handle in opened)
    finally:
        for handle in opened:
            os.close(handle)


def _open(kind: int, event: int) -> int:
    """A file descriptor; negative where there is none to be had."""
    number = _SYSCALL.get(platform.machine())
    if platform.system() != "Linux" or number is None:
        return -1
    flags = _DISABLED | _EXCLUDE_KERNEL | _EXCLUDE_HYPERVISOR
    attribute = struct.pack("=IIQQQQQ", kind, _ATTRIBUTE_BYTES, event, 0, 0, 0, flags).ljust(_ATTRIBUTE_BYTES, b"\0")
    return int(ctypes.CDLL(None).syscall(number, attribute, 0, -1, -1, 0))  # this process, any CPU, no group
