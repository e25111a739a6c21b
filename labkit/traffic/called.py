"""What runs under Valgrind: three matrix products, each called twice after a buffer that leaves nothing in a cache.

The generated one takes minutes where N is large. There it is called with a few rows of A and with twice
as many, and `whole` tells from both what all rows move: they are alike.

`python -m labkit.traffic.called SWEEP N...` prints what it runs as JSON, and calls `os.getppid` before and after each
call of a product: Callgrind, told so, writes down there what it has counted.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np

from labkit.gemm import multiply
from labkit.gemm.tile import choose_tile
from labkit.machine.blas import loaded_blas
from labkit.matmul.operands import Matrix
from labkit.measure.sampling import Arena, Floats
from labkit.roofline.codegen import host_target

SEED = 42
MARK = "getppid"  # a function of the C library that nothing else here calls
STATES: tuple[Literal["cold", "warm"], ...] = ("cold", "warm")
PRODUCTS: dict[str, Callable[[Matrix, Matrix, Matrix], object]] = {
    "matmul": lambda A, B, C: np.matmul(A, B, out=C),
    "einsum": lambda A, B, C: np.einsum("ik,kj->ij", A, B, out=C),
    "generated": multiply,
}


# Larger products are computed by so many rows: whole multiples of MC, which is 24 (AVX2) or 18 (NEON) there.
SLICED_ABOVE, ROWS = 512, (72, 144)


def order(sizes: Sequence[int]) -> Iterator[tuple[str, int, tuple[int, ...]]]:
    """(product, N, rows of each part) in the order in which they are called: what takes longest comes last."""
    for n in sizes:
        for name in PRODUCTS:
            yield name, n, ROWS if name == "generated" and n > SLICED_ABOVE else (n,)


def whole(n: int, rows: Sequence[int], lines: Sequence[int]) -> int:
    """Lines that a product of N rows moves, of those that products of so many move: what grows by row, and what not."""
    if len(rows) == 1:
        return lines[0]
    return max(0, round(lines[1] + (lines[1] - lines[0]) / (rows[1] - rows[0]) * (n - rows[1])))


def operands(n: int) -> tuple[Floats, Floats, Floats]:
    """A, B and room for C, n x n, where the benchmark has them."""
    rng, arena = np.random.default_rng(SEED), Arena(3, 3 * n * n)
    A, B, C = (arena.square(n, which) for which in range(3))
    for X in (A, B):
        X[:] = rng.standard_normal(X.shape, dtype=np.float32)
    return A, B, C


def begin_counting() -> None:
    """Callgrind counts from here on. Before, it executes many times as fast: loading and compiling take seconds."""
    switch = subprocess.Popen(["vgdb", f"--pid={os.getpid()}", "instrumentation", "on"], stdout=subprocess.DEVNULL)
    while switch.poll() is None:  # Valgrind hears it while this process runs, not while it waits
        time.sleep(0.01)
    if switch.returncode:
        sys.exit("vgdb could not switch Callgrind on")


def main(sweep_bytes: int, sizes: Sequence[int]) -> None:
    """Call each product at each N."""
    tile = choose_tile(host_target())
    print(json.dumps({"kernel": loaded_blas().kernel, "tile": f"{tile.mr} x {tile.nr}"}), flush=True)
    for product in PRODUCTS.values():
        product(*operands(16))  # what only a first call does
    swept = np.ones(sweep_bytes // 8)[::4]  # two numbers of the smallest line there is
    begin_counting()
    for name, n, parts in order(sizes):
        A, B, C = operands(n)
        for rows in parts:
            swept.sum()
            os.getppid()
            for _ in STATES:
                PRODUCTS[name](A[:rows], B, C[:rows])
                os.getppid()


if __name__ == "__main__":
    main(int(sys.argv[1]), [int(word) for word in sys.argv[2:]])
