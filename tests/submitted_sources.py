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


def loops(body: str, head: str = "A, B") -> str:
    """matmul_naive with this body, which fills C of M x N; indented by four."""
    lines = "\n".join(f"    {line}" for line in body.strip("\n").split("\n"))
    return (
        f"def matmul_naive({head}):\n    M, K, N = A.shape[0], A.shape[1], B.shape[1]\n"
        f"    C = np.zeros((M, N), dtype=np.float32)\n{lines}\n    return C\n"
    )


def each(inner: str, before: str = "") -> str:
    """The two outer loops around these lines."""
    lines = "\n".join(f"        {line}" for line in inner.strip("\n").split("\n"))
    return loops(f"{before}for i in range(M):\n    for j in range(N):\n{lines}")


STEP = "for k in range(K):\n    C[i, j] += A[i, k] * B[k, j]"
# Blocks counted by index, which must divide N.
DIVIDING = """
def matmul_blocked(A, B, block_size=64):
    n = A.shape[0]
    C = np.zeros((n, n), dtype=np.float32)
    b = block_size
    for bi in range(n // b):
        for bj in range(n // b):
            for bk in range(n // b):
                for i in range(b):
                    for j in range(b):
                        for k in range(b):
                            C[bi * b + i, bj * b + j] += A[bi * b + i, bk * b + k] * B[bk * b + k, bj * b + j]
    return C
"""
IN_PLACE = NAIVE.replace("(A, B)", "(A, B, C)").replace(
    "    C = np.zeros((M, N), dtype=np.float32)\n", "    C[:] = 0\n"
)
WHILE = """
def matmul_blocked(A, B, block_size=64):
    n = A.shape[0]
    C = np.zeros((n, n), dtype=np.float32)
    ii = 0
    while ii < n:
        jj = 0
        while jj < n:
            kk = 0
            while kk < n:
                i = ii
                while i < min(ii + block_size, n):
                    j = jj
                    while j < min(jj + block_size, n):
                        k = kk
                        while k < min(kk + block_size, n):
                            C[i, j] += A[i, k] * B[k, j]
                            k += 1
                        j += 1
                    i += 1
                kk += block_size
            jj += block_size
        ii += block_size
    return C
"""
WRITTEN_BACK = """
def matmul_blocked(A, B, block_size=64):
    n, b = len(A), block_size
    C = np.zeros((n, n), dtype=np.float32)
    for i0 in range(0, n, b):
        for j0 in range(0, n, b):
            for k0 in range(0, n, b):
                part = np.zeros((min(b, n - i0), min(b, n - j0)), dtype=np.float32)
                for i in range(part.shape[0]):
                    for j in range(part.shape[1]):
                        for k in range(k0, min(k0 + b, n)):
                            part[i, j] += A[i0 + i, k] * B[k, j0 + j]
                C[i0:i0 + b, j0:j0 + b] += part
    return C
"""
WITH_A_HELPER = """
def one_block(A, B, C, i0, j0, k0, size):
    for i in range(i0, min(i0 + size, A.shape[0])):
        for j in range(j0, min(j0 + size, B.shape[1])):
            for k in range(k0, min(k0 + size, A.shape[1])):
                C[i, j] += A[i, k] * B[k, j]


def matmul_blocked(A, B, block_size=64):
    C = np.zeros((A.shape[0], B.shape[1]), dtype=np.float32)
    for ii in range(0, A.shape[0], block_size):
        for jj in range(0, B.shape[1], block_size):
            for kk in range(0, A.shape[1], block_size):
                one_block(A, B, C, i0=ii, j0=jj, k0=kk, size=block_size)
    return C
"""
IN_A_CLASS = (
    "class Ops:\n    @staticmethod\n"
    + "\n".join(f"    {line}" for line in NAIVE.strip().split("\n"))
    + "\n\n\nmatmul_naive = Ops.matmul_naive\n"
)

HONEST = {
    "the plain one": source(),
    "a block size that is a constant": source(
        before="BLOCK = 8 * 8", blocked=BLOCKED.replace("block_size=64", "block_size=BLOCK")
    ),
    "a block size of None": source(
        blocked=BLOCKED.replace("block_size=64", "block_size=None").replace(
            "    M, K", "    block_size = block_size or 64\n    M, K"
        )
    ),
    "a block size by another name, explained above": source(
        blocked="# ein Block ist tam x tam\n" + BLOCKED.replace("block_size", "tam")
    ),
    "blocks that must divide N": source(blocked=DIVIDING),
    "blocks by ceiling division": source(
        before="import math",
        blocked=BLOCKED.replace(
            "range(0, M, block_size):", "[b * block_size for b in range(math.ceil(M / block_size))]:"
        ),
    ),
    "blocks by while": source(blocked=WHILE),
    "blocks written back": source(blocked=WRITTEN_BACK),
    "blocks in a helper with keywords": source(blocked=WITH_A_HELPER),
    "C as a third argument": source(naive=IN_PLACE),
    "square matrices only": source(naive=NAIVE.replace("A.shape[0], A.shape[1], B.shape[1]", "[len(A)] * 3")),
    "a static method with a name": source(naive=IN_A_CLASS),
    "a docstring in another language": source(
        blocked=BLOCKED.replace("    M, K", '    """Um bloco de cada vez."""\n    M, K')
    ),
    "np.array as a conversion": source(naive=each(STEP, "A = np.array(A, dtype=np.float32)\n")),
    "an accumulator": source(
        naive=each("s = np.float32(0)\nfor k in range(K):\n    s += A[i, k] * B[k, j]\nC[i, j] = s")
    ),
    "rows and columns side by side": source(naive=each("for a, b in zip(A[i], B[:, j]):\n    C[i, j] += a * b")),
    "rows hoisted, chained indices": source(
        naive=loops(
            "for i in range(M):\n    a, c = A[i], C[i]\n    for k in range(K):\n        b = B[k]\n"
            "        for j in range(N):\n            c[j] += a[k] * b[j]"
        )
    ),
    "flat views": source(
        naive=each("for k in range(K):\n    C[i, j] += a[i * K + k] * b[k * N + j]", "a, b = A.ravel(), B.ravel()\n")
    ),
    "a transposed copy": source(
        naive=each("for k in range(K):\n    C[i, j] += A[i, k] * T[j, k]", "T = np.ascontiguousarray(B.T)\n")
    ),
    "a generator": source(naive=each("C[i, j] = sum((A[i, k] * B[k, j] for k in range(K)), start=np.float32(0))")),
    "one loop over products of ranges": source(
        before="import itertools",
        naive=loops(
            "for i, j, k in itertools.product(range(M), range(N), range(K)):\n    C[i, j] += A[i, k] * B[k, j]"
        ),
    ),
    "a helper for a step": source(
        before="def step(c, a, b):\n    return c + a * b",
        naive=each("for k in range(K):\n    C[i, j] = step(C[i, j], A[i, k], B[k, j])"),
    ),
    "lambdas in the table": source(
        methods=METHODS.replace("matmul_naive,", "lambda A, B: matmul_naive(A, B),").replace(
            "np.matmul}", "lambda A, B: np.matmul(A, B)}"
        )
    ),
    "no table": source(methods=""),
    "a seaborn-like import of what is missing": source(
        before="try:\n    import plots_that_are_not_here\nexcept ImportError:\n    pass"
    ),
}

LOOPS, BLOCKS, ONE, TIMED, AGREE, ALONE, FP32 = (f"A{i} " for i in range(1, 8))
ROW = "for i in range(M):\n    for k in range(K):\n        "
BLOCK_ROW = BLOCKED.replace(
    "                        for k in range(k0, min(k0 + block_size, K)):\n"
    "                            C[i, j] += A[i, k] * B[k, j]",
    "                        s = slice(k0, min(k0 + block_size, K))\n                        C[i, j] += DOT",
)
# what is wrong: (source, the check that is not met, words of its reason)
REFUSED = {
    "a row in the inner loop": (
        source(naive=loops(ROW + "C[i] += A[i, k] * B[k]")),
        LOOPS,
        "np.multiply",
        "whole rows",
    ),
    "a row behind plain views": (
        source(naive=loops("A, B = np.array(A), np.array(B)\n" + ROW + "C[i] += A[i, k] * B[k]")),
        LOOPS,
        "instructions",
    ),
    "a sum of a product of rows": (source(naive=each("C[i, j] = np.sum(A[i] * B[:, j])")), LOOPS, "whole rows"),
    "a dot of rows": (source(naive=each("C[i, j] = np.dot(A[i], B[:, j])")), LOOPS, "np.dot"),
    "a dot by method": (source(naive=each("C[i, j] = A[i].dot(B[:, j])")), LOOPS, "np.dot"),
    "@ in naive": (source(naive=loops("C[:] = A @ B")), LOOPS, "np.matmul"),
    "@ at large sizes alone": (
        source(
            naive=loops(
                f"if M > 100:\n    return A @ B\nfor i in range(M):\n    for j in range(N):\n"
                f"        {STEP.replace(chr(10), chr(10) + '        ')}"
            )
        ),
        LOOPS,
        "sooner than any loop",
    ),
    "map and sum": (
        source(before="import operator", naive=each("C[i, j] = sum(map(operator.mul, A[i], B[:, j]))")),
        LOOPS,
        "instructions",
    ),
    "lists": (
        source(
            naive=each(
                "s = np.float32(0)\nfor k in range(K):\n    s += np.float32(A[i][k] * B[k][j])\nC[i, j] = s",
                "A, B = A.tolist(), B.tolist()\n",
            )
        ),
        LOOPS,
        "Python list (A, B)",
    ),
    "a result in a list of lists": (
        source(
            naive=each(
                "for k in range(K):\n    C[i][j] += A[i, k] * B[k, j]", "C = [[np.float32(0)] * N for _ in range(M)]\n"
            ).replace("return C", "C = np.array(C)\n    return C")
        ),
        LOOPS,
        "Python list (C)",
    ),
    "a dot in blocked": (source(blocked=BLOCK_ROW.replace("DOT", "np.dot(A[i, s], B[s, j])")), BLOCKS, "np.dot"),
    "@ of blocks": (
        source(
            blocked=BLOCKED.split("                for i in")[0]
            + "                i, j, k = (slice(x, x + block_size) for x in (i0, j0, k0))\n"
            "                C[i, j] += A[i, k] @ B[k, j]\n    return C\n"
        ),
        BLOCKS,
        "np.matmul",
    ),
    "blocked without a block size": (
        source(blocked=BLOCKED.replace(", block_size=64", "").replace("    M, K", "    block_size = 64\n    M, K")),
        BLOCKS,
        "no parameter for the block size",
    ),
    "blocked that is naive": (
        source(blocked="def matmul_blocked(A, B, block_size=64):\n    return matmul_naive(A, B)\n"),
        BLOCKS,
        "exactly the same work",
    ),
    "einsum by BLAS": (source(einsum=EINSUM.replace(", A, B)", ", A, B, optimize=True)")), ONE, "optimize"),
    "einsum that is @": (
        source(einsum="def matmul_einsum(A, B):\n    return A @ B\n"),
        ONE,
        "np.matmul's, bit for bit",
    ),
    "einsum that is a loop": (
        source(einsum="def matmul_einsum(A, B):\n    return matmul_naive(A, B)\n"),
        ONE,
        "a loop of Python",
    ),
    "C[i, k]": (source(naive=NAIVE.replace("C[i, j]", "C[i, k]")), AGREE, "is it C[i, j] += A[i, k] * B[k, j]?"),
    "a product that is nearly right": (
        source(naive=NAIVE.replace("return C", "return C * np.float32(1.0000005)")),
        AGREE,
        "not exact on small integers",
    ),
    "the last k left out": (source(naive=NAIVE.replace("range(K)", "range(K - 1)")), AGREE, "outside the bound"),
    "operands changed": (source(naive=loops("A[0, 0] = 0\nC[:] = 0")), AGREE, "changes its operands"),
    "a list returned": (source(naive=NAIVE.replace("return C", "return C.tolist()")), AGREE, "list, not an array"),
    "an error": (
        source(naive=NAIVE.replace("    C =", "    raise RuntimeError('no\\nluck')\n    C =")),
        AGREE,
        "no luck",
    ),
    "float64 returned": (source(naive=NAIVE.replace(", dtype=np.float32", "")), FP32, "returns float64"),
    "a float64 accumulator": (
        source(naive=each("s = 0.0\nfor k in range(K):\n    s += float(A[i, k]) * float(B[k, j])\nC[i, j] = s")),
        FP32,
        "rounds at the end",
    ),
    "einsum in float64": (source(einsum=EINSUM.replace(", A, B)", ", A, B, dtype='d').astype('f')")), FP32, "einsum"),
    "scipy": (source(before="def unused():\n    import scipy.linalg"), ALONE, "line 3, imports scipy.linalg"),
    "numba that is not there": (source(before="from numba_like import x\nfrom numba import njit"), ALONE, "numba"),
    "einsum timed as naive": (
        source(methods=METHODS.replace('"naive": matmul_naive', '"naive": matmul_einsum')),
        TIMED,
        "naive",
    ),
    "np.matmul timed as einsum": (
        source(methods=METHODS.replace('"einsum": matmul_einsum', '"einsum": lambda A, B: A @ B')),
        TIMED,
        "einsum",
    ),
    "naive timed as blocked": (
        source(methods=METHODS.replace('"blocked": matmul_blocked', '"blocked": matmul_naive')),
        TIMED,
        "blocked",
    ),
    "another seed": (source(operands=OPERANDS.replace("42", "43")), "A8 make_operands", "default_rng(42)"),
    "no naive": (source(naive=NAIVE.replace("matmul_naive", "my_naive"), methods=""), LOOPS, "no matmul_naive"),
    "an import that fails": (source(before="1 / 0"), "F2", "ZeroDivisionError"),
    "no Python": ("def matmul_naive(:\n", "F2", "SyntaxError"),
}

HONEST |= {f"{heads[1]}, {heads[0]}": text for heads, text in sections("honest.txt")}
REFUSED |= {f"{heads[1]}, {heads[0]}": (text, *heads[2:]) for heads, text in sections("mistaken.txt")}
