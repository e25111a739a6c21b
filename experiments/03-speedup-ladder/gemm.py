"""The top rung: a single-precision matrix product generated from Python, in the manner of Goto and of BLIS.

    from gemm import matmul
    C = matmul(A, B)

`gemm.md` draws what happens between these two lines.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
_ROOMS = [HERE, HERE.parent / "01-roofline", HERE.parent / "03-matmul-perf", HERE.parents[1]]
sys.path[:0] = [str(room) for room in _ROOMS if str(room) not in sys.path]

import numpy as np
from compiled import host_product
from entry_ir import DONE
from operands import Matrix, check_product

FLOAT32 = np.dtype(np.float32)


def matmul(A: Matrix, B: Matrix, out: Matrix | None = None) -> Matrix:
    """C = A @ B. A (M, K), B (K, N), C (M, N), all float32, of any order and strides; `out`, if given, is overwritten.

    TypeError or ValueError unless A and B are float32 matrices that fit, and `out` one that shares no memory with them.
    """
    if out is None:
        if not (isinstance(A, np.ndarray) and isinstance(B, np.ndarray) and A.ndim == B.ndim == 2):
            check_product(A, B)
        out = np.empty((len(A), B.shape[1]), FLOAT32)
    return multiply(A, B, out)


def multiply(A: Matrix, B: Matrix, out: Matrix, add: bool = False) -> Matrix:
    """out = A @ B, or out += A @ B with `add` (alpha is 1, beta 0 or 1). Errors as in `matmul`.

    The call holds Python's global lock from beginning to end, and thereby the one workspace of the process.
    """
    arrays = isinstance(A, np.ndarray) and isinstance(B, np.ndarray) and isinstance(out, np.ndarray)
    if not arrays or host_product()(A, B, out, add) != DONE:
        check_product(A, B, out)
        raise ValueError("the generated code does not take these matrices")
    return out
