"""Four matrix products, fp32, one thread: the same 2 N^3 flops, from the interpreter to the BLAS."""

import sys
from functools import partial
from pathlib import Path

from labkit.machine.threads import require_one_thread

if __name__ == "__main__":
    require_one_thread(say=sys.stdout)  # a BLAS reads its thread count when NumPy loads it, below

import numpy as np

from labkit.matmul.operands import Matrix, Method, checked


@checked
def matmul_naive(A: Matrix, B: Matrix, out: Matrix | None = None) -> Matrix:
    """C = A @ B by three loops. A (M, K), B (K, N), C (M, N), float32; `out`, if given, is overwritten."""
    M, K, N = A.shape[0], A.shape[1], B.shape[1]
    C = np.empty((M, N), dtype=np.float32) if out is None else out
    C[:, :] = 0
    for i in range(M):
        for j in range(N):
            for k in range(K):
                C[i, j] += A[i, k] * B[k, j]
    return C


@checked
def matmul_blocked(A: Matrix, B: Matrix, block_size: int = 64, out: Matrix | None = None) -> Matrix:
    """The same additions in the same order, by six loops over blocks of `block_size` (the last may be smaller)."""
    M, K, N = A.shape[0], A.shape[1], B.shape[1]
    C = np.empty((M, N), dtype=np.float32) if out is None else out
    C[:, :] = 0
    for i0 in range(0, M, block_size):
        for j0 in range(0, N, block_size):
            for k0 in range(0, K, block_size):
                for i in range(i0, min(i0 + block_size, M)):
                    for j in range(j0, min(j0 + block_size, N)):
                        for k in range(k0, min(k0 + block_size, K)):
                            C[i, j] += A[i, k] * B[k, j]
    return C


@checked
def matmul_einsum(A: Matrix, B: Matrix, out: Matrix | None = None) -> Matrix:
    """C = A @ B by NumPy's own compiled loop: with the default `optimize=False` no BLAS is called."""
    return np.einsum("ik,kj->ij", A, B, out=out)


SEED = 42
SIZES = (64, 128, 256, 512, 1024)
BLOCK_SIZE = 64
METHODS: dict[str, Method] = {
    "naive": matmul_naive,
    "blocked": matmul_blocked,
    "einsum": matmul_einsum,
    "matmul": np.matmul,
}
OPTIONAL_METHODS: dict[str, Method] = {
    "blocked_32": partial(matmul_blocked, block_size=32),
    "blocked_128": partial(matmul_blocked, block_size=128),
    "einsum_optimized": partial(np.einsum, "ik,kj->ij", optimize=True),
}


def make_operands(n: int) -> tuple[Matrix, Matrix]:
    """A and B, n x n, float32, standard normal: A first, from a generator seeded afresh for each n."""
    rng = np.random.default_rng(SEED)
    A = rng.standard_normal((n, n)).astype(np.float32)
    B = rng.standard_normal((n, n)).astype(np.float32)
    return A, B


if __name__ == "__main__":
    from labkit.matmul import command
    from labkit.matmul.declare import Benchmark

    script = Path(__file__).resolve()
    benchmark = Benchmark(script, METHODS, OPTIONAL_METHODS, SIZES, make_operands, SEED, BLOCK_SIZE)
    sys.exit(command.main(benchmark))
