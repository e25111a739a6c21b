"""Step 4 of 5: numbers that stay in registers.

To change: take four k in one trip of the loop over j, so that out[i, j] is read and written once for the four.
Why: each multiplication and addition here waits for a load and a store of C.
Hint: load A[i, k] .. A[i, k + 3] before the loop over j, and add four products. K may be no multiple of four.
"""

from numba import njit

OVER = "step1_loop_order"
EXPECTED = None  # write the factor that you expect here, before you change anything


@njit(fastmath=True)  # lets the compiler join a multiplication and an addition
def matmul(A, B, out):
    out[:, :] = 0
    for i in range(A.shape[0]):
        for k in range(A.shape[1]):
            for j in range(B.shape[1]):
                out[i, j] += A[i, k] * B[k, j]


if __name__ == "__main__":
    from labkit.ladder.exercise import check

    check(__file__)
