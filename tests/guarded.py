"""Run as a program: products whose operands lie flush against pages that may not be touched."""

import ctypes
import sys

from products import HOST_TILE, TILES, product

from labkit.gemm.compiled import host_product
from labkit.ladder.guard import guarded

HOST = "the host's"


def check(name: str) -> None:
    multiply, tile = (host_product(), HOST_TILE) if name == HOST else (product(name), TILES[name])
    for at_end in (True, False):
        for m in (1, tile.mr, 2 * tile.mr + 1):
            for k in (1, 5, 33):
                for n in (1, tile.lanes - 1, tile.nr, 2 * tile.nr + 1, 2 * tile.nr + tile.lanes):
                    for turned in (False, True):
                        A = guarded(k, m, at_end).T if turned else guarded(m, k, at_end)
                        B = guarded(n, k, at_end).T if turned else guarded(k, n, at_end)
                        C = guarded(m, n, at_end)
                        A[:], B[:] = 1, 2
                        assert multiply(A, B, C, False)
                        assert multiply(A, B, C, True)
                        assert (4 * k == C).all()


if __name__ == "__main__":
    if sys.argv[1:] == ["fault"]:
        # That the guard works at all.
        print(ctypes.string_at(guarded(3, 3, True).ctypes.data, 37), flush=True)
    for each in sys.argv[1:]:
        check(each)
        print("done", each, flush=True)
