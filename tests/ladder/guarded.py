"""Run as a program: products whose operands lie flush against pages that may not be touched."""

import ctypes
import mmap
import sys

import numpy as np
from products import TILES, product

PAGE = mmap.PAGESIZE
NO_ACCESS = 0  # PROT_NONE
_libc = ctypes.CDLL(None, use_errno=True)
_held: list[mmap.mmap] = []


def guarded(rows: int, columns: int, at_end: bool) -> np.ndarray:
    """rows x columns of fp32 between two pages without access, flush with the second (`at_end`) or the first."""
    size = 4 * rows * columns
    pages = -(-size // PAGE)
    region = mmap.mmap(-1, (pages + 2) * PAGE)
    _held.append(region)
    start = ctypes.addressof(ctypes.c_char.from_buffer(region))
    for page in (0, pages + 1):
        if _libc.mprotect(ctypes.c_void_p(start + page * PAGE), ctypes.c_size_t(PAGE), NO_ACCESS):
            raise OSError(ctypes.get_errno(), "mprotect")
    offset = PAGE + (pages * PAGE - size if at_end else 0)
    return np.frombuffer(region, np.float32, rows * columns, offset).reshape(rows, columns)


def main(names: list[str]) -> None:
    for name in names:
        multiply, tile = (product(name), TILES[name]) if name in TILES else (None, TILES["14x32"])
        if multiply is None:
            from compiled import host_product

            multiply = host_product()
        for at_end in (True, False):
            for m in (1, tile.rows - 1, tile.rows, 2 * tile.rows + 1):
                for k in (1, 5, 16, 33):
                    for n in (1, tile.lanes - 1, tile.columns, 2 * tile.columns + 1, 2 * tile.columns + tile.lanes):
                        for turned in (False, True):
                            A = guarded(k, m, at_end).T if turned else guarded(m, k, at_end)
                            B = guarded(n, k, at_end).T if turned else guarded(k, n, at_end)
                            C = guarded(m, n, at_end)
                            A[:], B[:] = 1, 2
                            multiply(A, B, C, False)
                            multiply(A, B, C, True)
                            assert (4 * k == C).all()
                            del A, B, C
        print("done", name, flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["fault"]:
        # That the guard works at all.
        print(guarded(3, 3, True).ctypes.data and ctypes.string_at(guarded(3, 3, True).ctypes.data, 37), flush=True)
    main(sys.argv[1:])
