"""Step 1 of 5: the order of the loops.

To change: exchange the loops over j and k.
Why: the innermost loop walks down a column of B here, and each step touches another cache line.
Numba's vectoriser is on here, and off in the ladder's rungs: a loop along rows can use SIMD as well.
Hint: with k in the middle, A[i, k] is one number for a whole row of B. C must be 0 before the first k.
"""

from numba import njit

OVER = "compiled"  # the rung that this one is held against: these loops as they are
EXPECTED = None  # write the factor that you expect here, before you change anything


@njit
def matmul(A, B, out):
    for i in range(A.shape[0]):
        for j in range(B.shape[1]):
            total = A[0, 0] * 0
            for k in range(A.shape[1]):
                total += A[i, k] * B[k, j]
            out[i, j] = total


if __name__ == "__main__":
    from labkit.ladder.exercise import check

    check(__file__)
