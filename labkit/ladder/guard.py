"""Matrices between pages that may not be touched: who reads or writes beyond one is ended by the system."""

import ctypes
import mmap

import numpy as np

from labkit.machine.process import forbid
from labkit.measure.sampling import Floats

PAGE = mmap.PAGESIZE
_held: list[mmap.mmap] = []  # as long as the process: an array does not keep its pages


def guarded(rows: int, columns: int, at_end: bool) -> Floats:
    """rows x columns of fp32 between two pages without access, flush with the second (`at_end`) or the first."""
    size = 4 * rows * columns
    pages = -(-size // PAGE)
    region = mmap.mmap(-1, (pages + 2) * PAGE)
    _held.append(region)
    start = ctypes.addressof(ctypes.c_char.from_buffer(region))
    for page in (0, pages + 1):
        forbid(start + page * PAGE, PAGE)
    offset = PAGE + (pages * PAGE - size if at_end else 0)
    return np.frombuffer(region, np.float32, rows * columns, offset).reshape(rows, columns)
