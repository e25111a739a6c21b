"""Step 2 of 5: blocks that a cache holds.

To change: cut the loops over k and j into blocks, so that a block of B is used for every row before the next is read.
Why: a row of A needs all of B, and B may be larger than a cache.
Hint: two more loops outside, `for k0 in range(0, K, BLOCK)` and the same for j. The last block may be smaller.
Let the innermost loop start at 0, over parts of rows, `out[i, j0 : j0 + BLOCK]` and `B[k, j0 : j0 + BLOCK]`: where it
starts at j0, Numba makes no SIMD of it.
"""

from numba import njit

OVER = "step1_loop_order"  # the file of the step before
EXPECTED = None  # write the factor that you expect here, before you change anything
BLOCK = 64


@njit
def matmul(A, B, out):
    out[:, :] = 0
    for i in range(A.shape[0]):
        for k in range(A.shape[1]):
            for j in range(B.shape[1]):
                out[i, j] += A[i, k] * B[k, j]


if __name__ == "__main__":
    from labkit.ladder.exercise import check

    check(__file__)
