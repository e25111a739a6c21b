"""A bench.py with one thing wrong is refused, by its syntax, by what its functions do, or by both."""

import pytest
from submissions import CALLED, Doctored, refused

from labkit.verify import functions, sources

INNER = "                C[i, j] += A[i, k] * B[k, j]"
DEEP_INNER = "                            C[i, j] += A[i, k] * B[k, j]"
START = "    C[:, :] = 0\n    for i in range(M):\n        for j in range(N):"
WHOLE_LOOP = f"""    for i in range(M):
        for j in range(N):
            for k in range(K):
{INNER}
    return C


@checked
def matmul_blocked"""


def naive(body: str) -> tuple[str, str]:
    """naive's loops replaced."""
    return WHOLE_LOOP, body + "\n    return C\n\n\n@checked\ndef matmul_blocked"


ROW = "    for i in range(M):\n        for k in range(K):\n            "
STATIC = {
    "a vectorised inner loop": (naive(ROW + "C[i] += A[i, k] * B[k]"), "naive loops", "C[i] += A[i, k] * B[k]"),
    "a vectorised inner loop by slices": (
        naive(ROW + "C[i, :] += A[i, k] * B[k, :]"), "naive loops", "whole row"),
    "a vectorised inner loop through rows": (
        naive("    for i in range(M):\n        c = C[i]\n        for k in range(K):\n            b = B[k]\n            c += A[i, k] * b"),
        "naive loops", "c += A[i, k] * b"),
    "a dot of rows": (
        naive("    for i in range(M):\n        for j in range(N):\n            C[i, j] = np.dot(A[i], B[:, j])"),
        "naive loops", "np.dot"),
    "a dot by method": (
        naive("    for i in range(M):\n        for j in range(N):\n            C[i, j] = A[i].dot(B[:, j])"),
        "naive loops", "A[i].dot"),
    "a BLAS call before the loops": ((START, "    C[:, :] = A @ B\n    return C\n" + START), "naive loops", "A @ B"),
    "np.matmul in naive": ((START, "    np.matmul(A, B, out=C)\n    return C\n" + START), "naive loops", "np.matmul"),
    "einsum in naive": ((START, "    return np.einsum('ik,kj->ij', A, B)\n" + START), "naive loops", "einsum"),
    "a BLAS call for large sizes alone": (
        (START, "    if M > 100:\n        return A @ B\n" + START), "naive loops", "A @ B"),
    "a BLAS call in a helper": (
        ("@checked\ndef matmul_naive", "def help_out(A, B):\n    return A @ B\n\n\n@checked\ndef matmul_naive"),
        (START, "    return help_out(A, B)\n" + START), "naive loops", "A @ B"),
    "something imported that computes": (
        (START, "    from helpers import product\n    return product(A, B)\n" + START), "naive loops", "helpers"),
    "lists": ((START, "    A, B = A.tolist(), B.tolist()\n" + START), "naive loops", "tolist"),
    "a sum over a list": (
        naive("    for i in range(M):\n        for j in range(N):\n            C[i, j] = sum([A[i, k] * B[k, j] for k in range(K)])"),
        "naive loops", "list"),
    "float64 inside": ((START, "    A = A.astype(np.float64)\n" + START), "naive loops", "float64"),
    "float64 by float": (naive(WHOLE_LOOP.split("    return C")[0].replace("A[i, k] *", "float(A[i, k]) *")),
                         "naive loops", "float64"),
    "float64 by default": (("np.empty((M, N), dtype=np.float32)", "np.zeros((M, N))"), "naive loops", "dtype"),
    "two loops": (naive("    for i in range(M):\n        for j in range(N):\n            C[i, j] = A[i, 0] * B[0, j]"),
                  "naive loops", "2 deep"),
    "a naive that is bound to np.matmul": (
        ("# --- declare: what is measured", "matmul_naive = np.matmul\n# --- declare: what is measured"),
        "four functions", "np.matmul"),
    "no naive": (("def matmul_naive", "def matmul_simple"), "four functions", "no matmul_naive"),
    "blocked with three loops": (
        ("        for j0 in range(0, N, block_size):\n            for k0 in range(0, K, block_size):\n",
         "        for j0 in (0,):\n            if True:\n                k0 = 0\n"), "blocked loops", "deep"),
    "blocked with slices": ((DEEP_INNER, DEEP_INNER.replace("C[i, j] += A[i, k] * B[k, j]", "C[i] += A[i, k] * B[k]")),
                            "blocked loops", "whole row"),
    "blocked without a block size": (("block_size: int = 64, ", ""), "blocked loops", "block_size"),
    "scipy": (("import numpy as np\n", "import numpy as np\nimport scipy.linalg\n"), "NumPy alone", "scipy"),
    "torch, in a function": ((START, "    import torch\n" + START), "NumPy alone", "torch"),
    "numba, by name": (("import numpy as np\n", "import importlib\nnumba = importlib.import_module('numba')\n"),
                       "NumPy alone", "numba"),
    "einsum with optimize": (("np.einsum(\"ik,kj->ij\", A, B, out=out)", "np.einsum('ik,kj->ij', A, B, optimize=True)"),
                             "einsum call", "optimize"),
    "einsum of the transposed": (("\"ik,kj->ij\", A, B, out=out", "'ik,kj->ji', A, B"), "einsum call", "ik,kj->ji"),
    "einsum that calls BLAS": (("return np.einsum(\"ik,kj->ij\", A, B, out=out)", "return np.matmul(A, B)"),
                               "einsum call", "does not call"),
    "another seed": (("SEED = 42", "SEED = 43"), "seeded inputs", "43"),
    "no seed": (("rng = np.random.default_rng(SEED)", "rng = np.random.RandomState()"), "seeded inputs", "default_rng"),
    "other numbers": (("rng.standard_normal", "rng.random"), "seeded inputs", "standard_normal"),
    "no Python": (("def matmul_naive(", "def matmul_naive(("), "four functions", "line"),
}  # fmt: skip


@pytest.mark.parametrize("what", STATIC)
def test_a_doctored_source_is_refused_by_its_syntax(valid: Doctored, what):
    *edits, name, word = STATIC[what]
    for old, new in edits:
        valid.replace("bench.py", old, new)
    refused(valid, name, word, rooms=(sources.checks,))


@pytest.mark.parametrize(
    "body",
    [
        # What a learner may write, and is right.
        "    for i in range(M):\n        for k in range(K):\n            for j in range(N):\n                C[i, j] += A[i, k] * B[k, j]",
        "    for i in range(M):\n        for j in range(N):\n            s = np.float32(0)\n            for k in range(K):\n                s += A[i, k] * B[k, j]\n            C[i, j] = s",
        "    for i in range(M):\n        for j in range(N):\n            for k in range(K):\n                C[i][j] = C[i][j] + A[i][k] * B[k][j]",
        "    for i in range(M):\n        a, c = A[i], C[i]\n        for j in range(N):\n            for k in range(K):\n                c[j] += a[k] * B[k, j]",
        "    for i, a in enumerate(A):\n        for j in range(N):\n            for k, x in enumerate(a):\n                C[i, j] += x * B[k, j]",
        "    for i, j, k in itertools.product(range(M), range(N), range(K)):\n        C[i, j] += A[i, k] * B[k, j]",
        "    for i in range(M):\n        for j in range(N):\n            C[i, j] = sum(A[i, k] * B[k, j] for k in range(K))",
        "    for i in range(M):\n        for j in range(N):\n            k = 0\n            while k < K:\n                C[i, j] += A[i, k] * B[k, j]\n                k += 1",
        "    for i in range(M):\n        for j in range(N):\n            row, column = A[i, :], B[:, j]\n            for x, y in zip(row, column):\n                C[i, j] += x * y",
    ],
)
def test_a_loop_over_single_elements_is_met_however_it_is_written(valid: Doctored, body):
    valid.replace("bench.py", *naive(body)).replace("bench.py", "import sys\n", "import sys\nimport itertools\n")
    checks = valid.checks(sources.checks, CALLED)
    assert not [check for check in checks.values() if check.passed is False]


def test_a_function_in_a_helper_file_is_found_there(valid: Doctored):
    text = (valid.folder / "bench.py").read_text()
    start, end = text.index("@checked\ndef matmul_naive"), text.index("@checked\ndef matmul_blocked")
    helper = "import numpy as np\nfrom operands import checked, Matrix\n\n\n" + text[start:end]
    valid.write("variants.py", helper.replace("C[i, j] += A[i, k] * B[k, j]", "C[i, :] += A[i, k] * B[k, :]"))
    valid.write("bench.py", text[:start] + "from variants import matmul_naive\n\n\n" + text[end:])
    refused(valid, "naive loops", "variants.py", "whole row", rooms=(sources.checks,))


# --- by what the functions do -----------------------------------------------------------------------

DYNAMIC = {
    "an index slip": ((INNER, INNER.replace("C[i, j]", "C[i, k % N]")), "agreement", "C[i, j] +="),
    "a sum begun at one": (("    C[:, :] = 0\n", "    C[:, :] = 1\n"), "exact on integers", "matmul_naive"),
    "a blocked that leaves out the last block": (
        ("for i0 in range(0, M, block_size)", "for i0 in range(0, M - M % block_size or M, block_size)"),
        "agreement", "matmul_blocked"),
    "float64 inside": ((START, "    A, out = A.astype('d'), C\n    C = np.empty((M, N), dtype='d')\n" + START),
                       "float32 throughout", "float64"),
    "float64 inside, rounded at the end": (
        naive("    D = np.zeros((M, N), dtype='d')\n    for i in range(M):\n        for j in range(N):\n            for k in range(K):\n"
              "                D[i, j] += np.multiply(A[i, k], B[k, j], dtype='d')\n    C[:, :] = D"),
        "float32 throughout", "rounds at the end"),
    "an einsum by BLAS behind a name": (
        ("    return np.einsum(\"ik,kj->ij\", A, B, out=out)", "    return np.matmul(A, B)"), "einsum's sums", "np.matmul's"),
    "an einsum in float64": ((", A, B, out=out)", ", A, B, dtype='d').astype(np.float32)"), "float32 throughout", "einsum"),
    "a vectorised inner loop": (naive(ROW + "C[i] += A[i, k] * B[k]"), "interpreted steps", "np.multiply"),
    "a BLAS call behind a plain view": (
        naive("    A, B = A.view(np.ndarray), B.view(np.ndarray)\n    C[:, :] = A @ B"), "interpreted steps", "instructions"),
    "a table that times something else": (("    \"naive\": matmul_naive,", "    \"naive\": matmul_einsum,"),
                                          "methods table", "naive"),
    "operands of another seed": (("SEED = 42", "SEED = 43"), "lab's operands", "default_rng(42)"),
    "a function that changes its operands": ((START, "    A[0, 0] = 0\n" + START), "agreement", "changes its operands"),
    "a function that raises": ((START, "    raise RuntimeError('no\\nluck')\n" + START), "agreement", "RuntimeError"),
    "a function that returns nothing": (naive("    C = None"), "agreement", "NoneType"),
    "an import that fails": (("import numpy as np\n", "import numpy as np\nimport nowhere_to_be_found\n"), "import",
                             "nowhere_to_be_found"),
    "an import that ends the process": (("import numpy as np\n", "import os\nos._exit(0)\n"), "import", "__main__"),
    "an import that exits": (("import numpy as np\n", "sys.exit(0)\n"), "import", "SystemExit"),
    "an import that writes elsewhere": (("import numpy as np\n", "open(HERE / 'results.json', 'w')\n"), "import", "written"),
    "an import that removes a file": (("import numpy as np\n", "import os\nos.remove(HERE / 'results.json')\n"), "import",
                                      "changed"),
    "an import that starts a process": (("import numpy as np\n", "import os\nos.system('true')\n"), "import", "process"),
    "a crash": (("import numpy as np\n", "import os\nos.kill(os.getpid(), 11)\n"), "import", "SIGSEGV"),
}  # fmt: skip


@pytest.mark.parametrize("what", DYNAMIC)
def test_a_doctored_source_is_refused_by_what_it_does(valid: Doctored, what):
    edit, name, word = DYNAMIC[what]
    refused(valid.replace("bench.py", *edit), name, word, rooms=(CALLED,))
    assert (valid.folder / "results.json").stat().st_size > 0


AT_LARGE_SIZES_ALONE = """
def faster(f):
    @functools.wraps(f)
    def either(A, B, **more):
        return f(A, B, **more) if len(A) < 500 else np.matmul(A, B)
    return either


@faster
@checked
def matmul_naive"""


def test_a_blas_at_large_sizes_alone_is_found_by_how_soon_it_is_done(valid: Doctored):
    """At the sizes of the other calls it is the honest loop, and its decorator says whom it wraps."""
    valid.replace("bench.py", "@checked\ndef matmul_naive", "import functools\n" + AT_LARGE_SIZES_ALONE)
    refused(valid, "interpreted steps", "N=1024", rooms=(functions.checks,))


REBOUND = {
    "a tuple": "matmul_naive, _ = np.matmul, 0",
    "globals": "globals()['matmul_naive'] = lambda A, B: np.matmul(A, B)",
    "a loop": "for matmul_naive in [lambda A, B: np.matmul(A, B)]:\n    pass",
    "exec": "exec('def matmul_naive(A, B):\\n    return A @ B')",
}


@pytest.mark.parametrize("how", REBOUND)
def test_a_name_bound_anew_behind_the_readers_back_is_found(valid: Doctored, how):
    valid.replace("bench.py", "# --- declare: what is measured", REBOUND[how] + "\n\n# --- declare: what is measured")
    refused(valid, "functions called", "matmul_naive", "bind the name once", rooms=(CALLED,))


HONEST = {
    "a helper for one step": "    for i in range(M):\n        for j in range(N):\n            for k in range(K):\n                C[i, j] = step(C[i, j], A[i, k], B[k, j])",
    "another name for float32": "    f32 = np.float32\n    for i in range(M):\n        for j in range(N):\n            s = f32(0)\n            for k in range(K):\n                s = s + A[i, k] * B[k, j]\n            C[i, j] = s",
    "the operand's dtype": "    zero = A.dtype.type(0)\n    for i in range(M):\n        for j in range(N):\n            s = zero\n            for k in range(K):\n                s = s + A[i, k] * B[k, j]\n            C[i, j] = s",
    "an array made and converted": "    C = np.zeros([M, N]).astype(np.float32)\n    for i, j, k in np.ndindex((M, N, K)):\n        C[i, j] += A[i, k] * B[k, j]",
    "a transposed view": "    Bt = np.transpose(B)\n    for i in range(M):\n        for j in range(N):\n            for k in range(K):\n                C[i, j] += A[i, k] * Bt[j, k]",
}


@pytest.mark.parametrize("how", HONEST)
def test_an_honest_way_to_write_it_is_not_refused(valid: Doctored, how):
    valid.replace("bench.py", *naive(HONEST[how]))
    valid.replace(
        "bench.py",
        "@checked\ndef matmul_naive",
        "def step(c, a, b):\n    return c + a * b\n\n\n@checked\ndef matmul_naive",
    )
    checks = valid.checks(sources.checks, CALLED)
    assert not [check for check in checks.values() if check.passed is False]


def test_a_bench_that_never_ends_is_ended_in_time_and_named(valid: Doctored):
    valid.replace("bench.py", "import numpy as np\n", "while True:\n    pass\n")
    found = list(functions.checks(_given(valid), limit_seconds=2.0))
    assert found[0].passed is False
    assert "within 2 s" in found[0].reason
    assert all(check.passed is None for check in found[1:])


def test_a_function_that_never_ends_is_named(valid: Doctored):
    valid.replace("bench.py", START, "    while True:\n        pass\n" + START)
    found = list(functions.checks(_given(valid), limit_seconds=4.0))
    assert "matmul_naive" in found[0].reason


def test_a_function_that_reaches_for_the_network_is_refused_even_if_it_hides_it(valid: Doctored):
    reach = "    import socket\n    try:\n        socket.create_connection(('127.0.0.1', 9), 1)\n    except OSError:\n        pass\n"
    refused(valid.replace("bench.py", START, reach + START), "no network", "network", rooms=(CALLED,))


def test_fresh_shapes_are_other_ones_each_time_and_the_same_for_the_same_seed():
    shapes = [[t.shape(case) for case in t.cases] for t in map(functions.Trial.draw, (1, 2, 1))]
    assert shapes[0] == shapes[2]
    assert shapes[0] != shapes[1]


def _given(doctored: Doctored):
    from labkit.verify import submission

    return submission.read(doctored.folder)
