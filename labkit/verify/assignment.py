"""The assignment in numbers: docs/assignment.md has the words, and the letters that checks are named by."""

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
WHY = {
    "A1": "The gap is measured from a loop that the interpreter runs step by step; NumPy would close most of it.",
    "A2": "It shows whether blocks pay in Python, so the loops must be Python's and the blocks must be there.",
    "A3": "einsum stands between the loop and the BLAS: a compiled loop without one.",
    "A4": "A rate says something about the function that was timed, and about no other.",
    "A5": "A fast wrong product is no product.",
    "A6": "Another compiler or library would be measured instead of NumPy.",
    "A7": "fp64 moves twice the bytes and halves the peak, so the figures could not be compared.",
    "A8": "With the same operands every method and every run does the same work.",
    "B1": "One size says nothing of how the rate changes with N.",
    "B2": "Each of the four methods removes one cause of the gap.",
    "B3": "Few or brief samples show the clock and the neighbours rather than the code.",
    "B4": "The first call of a BLAS sets it up, which takes far longer than a small product.",
    "B6": "No interpreter does 100 million flops per second.",
    "B7": "Below a factor of 50 something is wrong with the loop or with the BLAS.",
    "B8": "A short or broken run leaves out what takes long.",
    "C1": "A figure says little without the machine, the versions and the settings that gave it.",
    "C2": "The peak is that of one core, so one core must do the work.",
    "C3": "A core that saves power has another clock from one second to the next.",
    "D1": "The curves show at a glance what a table hides.",
    "D2": "The roof says how far there is to go.",
    "E1": "The speedup is the answer to the first question.",
    "E2": "Where the factor comes from is what is to be learned.",
    "E3": "The fraction of peak says how much is left.",
    "E4": "It separates the cost of a step from the cost of a cache miss.",
    "E5": "A reader must know which figures were measured.",
    "F1": "What is not handed in cannot be read.",
    "F2": "A check must be able to call the functions without waiting for a measurement.",
    "G1": "Figures that do not follow from their times were not measured.",
    "G2": "What no machine can do was not measured.",
    "G3": "A changed file no longer shows what was measured.",
}
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # C2
