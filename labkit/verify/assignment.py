"""The assignment in numbers: docs/assignment.md has the words, and the letters that checks are named by."""

from importlib.resources import files

FILES = ("bench.py", "results.json", "perf.png", "manifest.json", "README.md")  # F1
OUTPUTS = ("results.json", "perf.png", "README.md")  # G3
FUNCTIONS = NAIVE, BLOCKED, EINSUM = ("matmul_naive", "matmul_blocked", "matmul_einsum")  # A1 to A3
BLOCK_SIZE = 64  # A2
AGREEMENT_N, RTOL, ATOL = 64, 1e-5, 1e-6  # A5
# A6: what computes or compiles, and is not NumPy.
FOREIGN = frozenset(
    [
        *("scipy", "torch", "numba", "cython", "Cython", "pyximport", "llvmlite", "jax", "jaxlib", "tensorflow"),
        *("cupy", "numexpr", "pythran", "theano", "aesara", "pytensor", "mxnet", "taichi", "tinygrad", "mlx"),
        *("sklearn", "cffi"),
    ]
)
SEED, DTYPE = 42, "float32"  # A7, A8
SIZES = (64, 128, 256, 512, 1024)  # B1
METHODS = ("naive", "blocked", "einsum", "matmul")  # B2
MIN_SAMPLES, MIN_SECONDS = 5, 1.0  # B3
# B3: from this size on pure Python may be run less often, or extrapolated from half the size.
FEWER_FROM_N = 1024
WARMUP_CALLS = 1  # B4
LEAST_SPEEDUP = 50.0  # B7
# Why a demand is made, by its number; said beside what is not met.
WHY = dict(line.split(" ", 1) for line in (files("labkit.verify") / "why.txt").read_text("utf-8").splitlines())
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # C2
