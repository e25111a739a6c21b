"""Four matrix products, fp32, one thread: the same 2 N^3 flops, from the interpreter to the BLAS."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]  # this experiment's files, and labkit
if __name__ == "__main__":
    from labkit.threads import require_one_thread

    require_one_thread(say=sys.stdout)  # a BLAS reads its thread count when NumPy loads it, below

import numpy as np
from operands import Matrix, Method, checked


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


# --- declare: what is measured ----------------------------------------------------------------------

from functools import partial
from typing import Annotated

import typer

from labkit import console, store, threads

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


# --- measure, reduce, record, draw, explain ---------------------------------------------------------


def main(
    sizes: Annotated[str, typer.Option(help="Orders N, separated by commas.")] = ",".join(map(str, SIZES)),
    methods: Annotated[
        str, typer.Option(help=f"Methods, separated by commas; also {', '.join(OPTIONAL_METHODS)}.")
    ] = ",".join(METHODS),
    quick: Annotated[bool, typer.Option("--quick", help="Stop after the first minute's pass.")] = False,
    measure_all: Annotated[
        bool,
        typer.Option("--measure-all", help="Run naive and blocked at N >= 1024 instead of extrapolating."),
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over: forget an unfinished run.")] = False,
    redraw: Annotated[bool, typer.Option("--redraw", help="Draw and render from the records alone.")] = False,
    output: Annotated[Path, typer.Option(help="Where the artifacts go.", show_default="beside bench.py")] = HERE,
) -> int:
    """Measure four matrix products and leave results.json, manifest.json, perf.png and README.md."""
    from agreement import check_agreement
    from artifacts import Publisher, redraw_artifacts
    from experiment import Experiment, Request

    request = Request.parse(sizes, methods, quick, measure_all, known={**METHODS, **OPTIONAL_METHODS})
    with store.locked(output):
        if redraw:
            return redraw_artifacts(output)
        store.check_writable(output, *([HERE.parents[1]] if output.resolve() == HERE else []))
        threads.check_effective_threads()
        experiment = Experiment(request, output, SEED, BLOCK_SIZE, make_operands)
        experiment.agreement = check_agreement(request.methods, make_operands, seed=SEED)
        experiment.find_roof()
        publisher = Publisher(experiment)
        try:
            experiment.measure(publisher, fresh)
        except KeyboardInterrupt:
            return publisher.interrupted()
        return publisher.finished()


if __name__ == "__main__":
    console.run("bench.py", main)
