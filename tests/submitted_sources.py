"""Sources as people write them: honest ones, and those with something wrong beside the check and words that say so.

Each is a change of a plain bench.py: a function, or a line put before or behind them. More stand in verify/sources/.
"""

import re
from collections.abc import Iterator
from pathlib import Path

PARTS = ("naive", "blocked", "einsum", "operands")

NAIVE = """
def matmul_naive(A, B):
    M, K, N = A.shape[0], A.shape[1], B.shape[1]
    C = np.zeros((M, N), dtype=np.float32)
    for i in range(M):
        for j in range(N):
            for k in range(K):
                C[i, j] += A[i, k] * B[k, j]
    return C
"""
BLOCKED = """
def matmul_blocked(A, B, block_size=64):
    M, K, N = A.shape[0], A.shape[1], B.shape[1]
    C = np.zeros((M, N), dtype=np.float32)
    for i0 in range(0, M, block_size):
        for j0 in range(0, N, block_size):
            for k0 in range(0, K, block_size):
                for i in range(i0, min(i0 + block_size, M)):
                    for j in range(j0, min(j0 + block_size, N)):
                        for k in range(k0, min(k0 + block_size, K)):
                            C[i, j] += A[i, k] * B[k, j]
    return C
"""
EINSUM = """
def matmul_einsum(A, B):
    return np.einsum("ik,kj->ij", A, B)
"""
METHODS = 'METHODS = {"naive": matmul_naive, "blocked": matmul_blocked, "einsum": matmul_einsum, "matmul": np.matmul}\n'
OPERANDS = """
def make_operands(n):
    rng = np.random.default_rng(42)
    return rng.standard_normal((n, n)).astype(np.float32), rng.standard_normal((n, n)).astype(np.float32)
"""


def source(
    naive: str = NAIVE,
    blocked: str = BLOCKED,
    einsum: str = EINSUM,
    before: str = "",
    methods: str = METHODS,
    operands: str = OPERANDS,
    behind: str = "",
) -> str:
    return f"import numpy as np\n{before}\n{naive}\n{blocked}\n{einsum}\n{operands}\n{behind}\n{methods}"


def sections(name: str) -> Iterator[tuple[list[str], str]]:
    """(what heads it, the bench.py) of each source in a file of verify/sources/; a "table" is what METHODS becomes."""
    text = (Path(__file__).parent / "verify" / "sources" / name).read_text("utf-8")
    for section in re.split("^=== ", text, flags=re.MULTILINE)[1:]:
        head, code = section.split("\n", 1)
        heads = head.split(": ", 3)
        yield heads, source(**{heads[1] if heads[1] in PARTS else "methods": code})


STEP = "C[i, j] += A[i, k] * B[k, j]"
HONEST = {
    "the plain one": source(),
    "lambdas in the table": source(methods=METHODS.replace("matmul_naive,", "lambda A, B: matmul_naive(A, B),")),
    "no table": source(methods=""),
    "an import of what is missing": source(before="try:\n    import not_here\nexcept ImportError:\n    pass"),
}
# what is wrong: (source, the check that is not met, words of its reason)
REFUSED = {
    "a dot by method": (
        source(naive=NAIVE.replace(f"for k in range(K):\n                {STEP}", "C[i, j] = A[i].dot(B[:, j])")),
        "A1 ",
        "np.dot",
    ),
    "no naive": (source(naive=NAIVE.replace("matmul_naive", "my_naive"), methods=""), "A1 ", "no matmul_naive"),
    "einsum that is @": (
        source(einsum="def matmul_einsum(A, B):\n    return A @ B\n"),
        "A3 ",
        "np.matmul's, bit for bit",
    ),
    "C[i, k]": (source(naive=NAIVE.replace("C[i, j]", "C[i, k]")), "A5 ", f"is it {STEP}?"),
    "nearly right": (source(naive=NAIVE.replace("return C", "return C * np.float32(1.0000005)")), "A5 ", "not exact"),
    "an error": (
        source(naive=NAIVE.replace("    C =", "    raise RuntimeError('no\\nluck')\n    C =")),
        "A5 ",
        "no luck",
    ),
    "numba that is not there": (source(before="from numba_like import x\nfrom numba import njit"), "A6 ", "numba"),
    "einsum in float64": (source(einsum=EINSUM.replace(", A, B)", ", A, B, dtype='d').astype('f')")), "A7 ", "einsum"),
    "an import that fails": (source(before="1 / 0"), "F2", "ZeroDivisionError"),
    "no Python": ("def matmul_naive(:\n", "F2", "SyntaxError"),
}

HONEST |= {f"{heads[1]}, {heads[0]}": text for heads, text in sections("honest.txt")}
REFUSED |= {f"{heads[1]}, {heads[0]}": (text, *heads[2:]) for heads, text in sections("mistaken.txt")}
