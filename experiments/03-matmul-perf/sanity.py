"""The lab's table of expected rates, checked row by row: inside, below or above, and why."""

from collections.abc import Sequence

from labkit.records import Cell, Sanity, Verdict

# GFLOPS. Where the lab writes "~", half and double the figure still count as it.
EXPECTED = {
    ("naive", 128): (0.0015, 0.006),
    ("naive", 1024): (0.0015, 0.006),
    ("blocked", 128): (0.0015, 0.010),
    ("blocked", 1024): (0.0015, 0.010),
    ("einsum", 128): (10.0, 30.0),
    ("einsum", 1024): (20.0, 60.0),
    ("matmul", 128): (20.0, 50.0),
    ("matmul", 1024): (50.0, 100.0),
}
# The lab's two alarms, GFLOPS.
VECTORISED_ABOVE = 0.1
NO_BLAS_BELOW = 10.0


def check_sanity(cells: Sequence[Cell]) -> list[Sanity]:
    """A row for each cell that the lab's table has."""
    rows = []
    for cell in cells:
        expected = EXPECTED.get((cell.method, cell.n))
        if expected:
            low, high = expected
            rate = cell.gflops.median
            verdict: Verdict = "below" if rate < low else "above" if rate > high else "inside"
            rows.append(
                Sanity(
                    method=cell.method,
                    n=cell.n,
                    extrapolated=cell.extrapolated,
                    expected=[low, high],
                    measured=rate,
                    verdict=verdict,
                    because=_because(cell.method, rate, verdict),
                )
            )
    return rows


def _because(method: str, rate: float, verdict: Verdict) -> str:
    interpreted = method.startswith(("naive", "blocked"))
    if interpreted and rate > VECTORISED_ABOVE:
        return "over 100 MFLOPS: an accidental vectorisation; look for NumPy operations in the inner loop"
    if method == "matmul" and rate < NO_BLAS_BELOW:
        return (
            "under 10 GFLOPS: no real BLAS, or a throttled clock; "
            "look at np.show_config(), OPENBLAS_CORETYPE and the clock governor"
        )
    if verdict == "inside":
        return "as the lab expects"
    if interpreted:
        return (
            "a faster interpreter or core than the lab's; an accidental vectorisation would show more than 100 MFLOPS"
            if verdict == "above"
            else "a slower or a busy core: the interpreter alone decides this rate"
        )
    if method == "einsum":
        return (
            "NumPy's own loop is compiled for a wider or faster core than the lab's"
            if verdict == "above"
            else "NumPy's own loop, without BLAS: the lab's figure supposes that it is dispatched to one"
        )
    return (
        "wider SIMD or a faster clock than the lab's core"
        if verdict == "above"
        else "narrower SIMD, a slower clock or a busy core; still a real BLAS"
    )
