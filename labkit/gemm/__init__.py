"""A single-precision matrix product generated from Python, in the manner of Goto and of BLIS.

    from labkit.gemm import matmul
    C = matmul(A, B)

`experiments/03-speedup-ladder/gemm.md` draws what happens between these two lines.
"""

from functools import cache
from typing import Any

import numpy as np

from labkit.matmul.operands import Matrix, check_product


@cache
def _product() -> Any:
    # Compiling needs llvmlite, which takes a while to load and may be missing: this module needs NumPy alone.
    from labkit.gemm.compiled import host_product

    return host_product()


def matmul(A: Matrix, B: Matrix, out: Matrix | None = None) -> Matrix:
    """C = A @ B. A (M, K), B (K, N), C (M, N), all float32, of any order and strides; `out`, if given, is overwritten.

    TypeError or ValueError unless A and B are float32 matrices that fit, and `out` one that shares no memory with them.
    """
    if out is None:
        if not (isinstance(A, np.ndarray) and isinstance(B, np.ndarray) and A.ndim == B.ndim == 2):
            check_product(A, B)
        out = np.empty((len(A), B.shape[1]), np.float32)
    return multiply(A, B, out)


def multiply(A: Matrix, B: Matrix, out: Matrix, add: bool = False) -> Matrix:
    """out = A @ B, or out += A @ B with `add` (alpha is 1, beta 0 or 1). Errors as in `matmul`.

    The call holds Python's global lock from beginning to end, and thereby the one workspace of the process.
    """
    arrays = isinstance(A, np.ndarray) and isinstance(B, np.ndarray) and isinstance(out, np.ndarray)
    if not (arrays and _product()(A, B, out, add)):
        check_product(A, B, out)
        raise ValueError("the generated code does not take these matrices")
    return out
