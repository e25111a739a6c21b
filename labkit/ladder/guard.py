"""Matrices between pages that may not be touched: who reads or writes beyond one is ended by the system."""

import ctypes
import mmap

import numpy as np

from labkit.measure.sampling import Floats

PAGE = mmap.PAGESIZE
NO_ACCESS = 0  # PROT_NONE
_held: list[mmap.mmap] = []  # as long as the process: an array does not keep its pages


def guarded(rows: int, columns: int, at_end: bool) -> Floats:
    """rows x columns of fp32 between two pages without access, flush with the second (`at_end`) or the first."""
    libc, size = ctypes.CDLL(None, use_errno=True), 4 * rows * columns
    pages = -(-size // PAGE)
    region = mmap.mmap(-1, (pages + 2) * PAGE)
    _held.append(region)
    start = ctypes.addressof(ctypes.c_char.from_buffer(region))
    for page in (0, pages + 1):
        if libc.mprotect(ctypes.c_void_p(start + page * PAGE), ctypes.c_size_t(PAGE), NO_ACCESS):
            raise OSError(ctypes.get_errno(), "mprotect")
    offset = PAGE + (pages * PAGE - size if at_end else 0)
    return np.frombuffer(region, np.float32, rows * columns, offset).reshape(rows, columns)
