"""The lab's text in numbers. Each is a sentence of it; what the sentence leaves open is said beside it."""

FILES = ("bench.py", "results.json", "perf.png", "manifest.json", "README.md")
SCHEMA = "matmul-perf/1"
SEED, DTYPE = 42, "float32"
SIZES = (64, 128, 256, 512, 1024)
METHODS = ("naive", "blocked", "einsum", "matmul")
FUNCTIONS = ("matmul_naive", "matmul_blocked", "matmul_einsum")
BLOCK_SIZE = 64  # "matmul_blocked(A, B, block_size=64)"; others go by a name like blocked_32
EMBEDDING = (600, 64, 32, 16)  # the anchor's V, D, B, T
# "at minimum 5 reps, with the total elapsed time per (method, N) at least 1 second"
MIN_REPETITIONS, MIN_SECONDS = 5, 1.0
# "For naive at N=1024 you may need to run fewer iterations (or skip the largest size and extrapolate from N=512)":
# of blocked, as slow, the same is taken to hold.
FEWER_FROM_N, EXTRAPOLATED_FROM_N = 1024, 512
WARMUP_CALLS = 1
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# "rtol=1e-5, atol=1e-6 on random (M=K=N=64) inputs"; scaled by |A| @ |B|, where it is a theorem of fp32.
AGREEMENT_N, RTOL, ATOL = 64, 1e-5, 1e-6
# "If naive runs at >100 MFLOPS, you accidentally vectorised"
INTERPRETED_BELOW_GFLOPS = 0.1
# "Speedup of np.matmul over matmul_naive at the largest measured N is >= 50x"
LEAST_SPEEDUP = 50.0
# "Pure NumPy. No scipy.linalg, no torch, no numba, no cython", and what is of their kind.
FOREIGN = (
    "scipy", "torch", "numba", "cython", "Cython", "pyximport", "llvmlite", "jax", "jaxlib", "tensorflow", "cupy",
    "numexpr", "pythran", "theano", "aesara", "pytensor", "mxnet", "taichi", "tinygrad", "mlx", "sklearn", "cffi",
)  # fmt: skip


def interpreted(method: str) -> bool:
    """Whether a method's steps run in the interpreter: naive, and blocked with any block."""
    return method == "naive" or method.split("_")[0] == "blocked"


def needs_all_repetitions(method: str, n: int) -> bool:
    """Whether five repetitions and a second are asked for."""
    return not (interpreted(method) and n >= FEWER_FROM_N)
