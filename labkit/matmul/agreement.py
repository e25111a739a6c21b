"""Do the methods agree? Three ways, before anything is timed."""

from collections.abc import Callable, Mapping

import numpy as np

from labkit.errors import UserError
from labkit.matmul.operands import Matrix, Method
from labkit.records.model import Agreement, MethodAgreement, WorstElement

# The assignment's size and tolerance. At K = 64 two fp32 products, summed in any order, differ by at most
# 2 g_64 |A||B| = 7.6e-6 |A||B|: rtol = 1e-5 relative to |A| @ |B| is guaranteed. Relative to |A @ B|, as np.allclose
# has it, it is not: cancellation can make that arbitrarily small.
N, RTOL, ATOL = 64, 1e-5, 1e-6
# Small integers make every partial sum exact in fp32, so every order of summation gives the same bits.
LARGEST_INTEGER = 8
INTEGER_SHAPES = ((N, N, N), (65, 33, 70))  # (M, K, N): the second one fits no block and no register tile


def check_agreement(
    methods: Mapping[str, Method], make_operands: Callable[[int], tuple[Matrix, Matrix]], seed: int
) -> Agreement:
    """The record of agreement with `A @ B`; a UserError naming the worst element if a method breaks the bound."""
    A, B = make_operands(N)
    reference = A @ B
    scale = np.abs(A.astype(np.float64)) @ np.abs(B.astype(np.float64))
    products = {name: multiply(A, B) for name, multiply in methods.items()}
    records: dict[str, MethodAgreement] = {}
    worst: WorstElement | None = None
    for name, product in products.items():
        difference = np.abs(product.astype(np.float64) - reference)
        allowed = ATOL + RTOL * scale
        outside = difference > ATOL + RTOL * np.abs(reference)
        row, column = np.unravel_index(
            np.argmax(np.where(np.isfinite(difference), difference / allowed, np.inf)), scale.shape
        )
        # Written so that a nan, which compares false with everything, does not pass.
        within = bool(np.all(difference <= allowed))
        exact = all(_exact(methods[name], shape, seed) for shape in INTEGER_SHAPES)
        if not within:
            raise UserError(
                f"{name} does not agree with A @ B at N = {N}: worst at row {row}, column {column}, where it gives "
                f"{product[row, column]!s} for {reference[row, column]!s}, off by {difference[row, column]:.2g} "
                f"with {allowed[row, column]:.2g} allowed; nothing was timed"
            )
        if not exact:
            raise UserError(
                f"{name} is not exact on small integers, where every fp32 product is: "
                f"check its indices and its handling of shapes; nothing was timed"
            )
        records[name] = MethodAgreement(
            exact_on_integers=exact,
            within_bound=within,
            max_scaled_error=float(np.max(difference / scale)),
            allclose=bool(np.allclose(product, reference, rtol=RTOL, atol=ATOL)),
            outside_allclose=int(outside.sum()),
            elements=int(outside.size),
            bit_identical_to=[o for o, other in products.items() if o != name and np.array_equal(product, other)],
        )
        if outside.any():
            excess = np.where(outside, difference / (ATOL + RTOL * np.abs(reference)), 0.0)
            i, j = (int(index) for index in np.unravel_index(np.argmax(excess), excess.shape))
            found = WorstElement(
                method=name,
                row=i,
                column=j,
                reference=float(reference[i, j]),
                difference=float(difference[i, j]),
                magnitude=float(scale[i, j]),
            )
            if worst is None or found.difference / abs(found.reference) > worst.difference / abs(worst.reference):
                worst = found
    return Agreement(
        n=N,
        rtol=RTOL,
        atol=ATOL,
        integer_shapes=[list(shape) for shape in INTEGER_SHAPES],
        methods=records,
        worst=worst,
    )


def _exact(multiply: Method, shape: tuple[int, int, int], seed: int) -> bool:
    """Whether the method is bit for bit right on small integers of this (M, K, N)."""
    rows, inner, columns = shape
    rng = np.random.default_rng(seed)
    A = rng.integers(-LARGEST_INTEGER, LARGEST_INTEGER, (rows, inner), endpoint=True)
    B = rng.integers(-LARGEST_INTEGER, LARGEST_INTEGER, (inner, columns), endpoint=True)
    product = multiply(A.astype(np.float32), B.astype(np.float32))
    return product.dtype == np.float32 and np.array_equal(product, A @ B)
