"""Do the figures follow from the seconds? GFLOPS, shares, the speedup, and what else is derived from them."""

import math
from collections.abc import Iterator

from labkit import forensics, statistics
from labkit.verify import requirements as lab
from labkit.verify.outcome import Check, met, not_met, of_faults, unknown
from labkit.verify.shapes import Cell, Comparison, Embedding, Results, Speedup
from labkit.verify.submission import Submission

# Two ways to compute the same double agree to more digits than this; an edited figure does not.
_SAME = 1e-6
# A share is taken by processor time at the fastest hundredth of visits, of which the record keeps the wall times of
# the sentinel: recomputed from those it comes out within 2 % on a quiet machine, within 15 % on a busy one.
_SHARE_WITHIN, _SHARE_WITHIN_WHEN_DISTURBED = 1.15, 1.6
# Where no sentinel is recorded, a share can only be held against the best rate over the peak, which others move.
_SHARE_BY_WALL = 1.5
# Of its wall time a repetition had the processor for some part.
_LEAST_OWN = 1e-6
_NAMES = ("recorded agreement", "gflops", "shares", "speedup", "factor of 50", "derived figures")


def checks(given: Submission) -> Iterator[Check]:
    """Each figure recomputed."""
    if given.results is None:
        yield from (unknown(name, "results.json cannot be read") for name in _NAMES)
        return
    results = given.results
    said = f"each method agreed with A @ B at N={lab.AGREEMENT_N} before anything was timed"
    yield of_faults(_NAMES[0], list(_agreement_faults(results)), said)
    faults = [fault for cell in results.cells for fault in _rate_faults(cell)]
    yield of_faults("gflops", faults, "2 N^3 / seconds / 10^9 gives each rate, with its median, best and interval")
    yield _shares(results)
    yield _speedup(results)
    yield _least_factor(results)
    yield of_faults("derived figures", list(_derived_faults(results)), "they follow from the cells")


def _agreement_faults(results: Results) -> Iterator[str]:
    said = results.agreement
    if (said.n, said.rtol, said.atol) != (lab.AGREEMENT_N, lab.RTOL, lab.ATOL):
        yield f"it was checked at N={said.n} with rtol={said.rtol:g}, atol={said.atol:g}, not as the lab asks"
    for method in lab.METHODS:
        one = said.methods.get(method)
        if one is None:
            yield f"{method} was not checked"
        elif not one.within_bound:
            yield f"{method} did not agree with A @ B within rtol of |A| @ |B|"
        elif not one.exact_on_integers:
            yield f"{method} was not exact on small integers"
        elif one.allclose != (one.outside_allclose == 0) or not 0 <= one.outside_allclose <= one.elements:
            yield f"{method}: np.allclose is said to be {one.allclose}, with {one.outside_allclose} elements outside"
        elif one.elements != said.n**2:
            yield f"{method} is said to have {one.elements} elements, not {said.n}^2"
        elif not 0 <= one.max_scaled_error <= said.rtol + said.atol:
            yield f"{method} is said to be within the bound, with an error of {one.max_scaled_error:.2g} of |A| @ |B|"


def _same(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=_SAME)


def seconds(cell: Cell) -> float:
    """The median time of a call, s; of an extrapolated cell what its rate says."""
    return statistics.median(cell.seconds_per_call) if cell.seconds_per_call else cell.flops / cell.gflops.median / 1e9


def _rate_faults(cell: Cell) -> Iterator[str]:
    if cell.flops != 2 * cell.n**3:
        yield f"{cell.name}: {cell.flops} flop is not 2 N^3 = {2 * cell.n**3}"
        return
    rate = cell.gflops
    if not 0 < rate.low <= rate.median <= rate.high <= rate.best * (1 + _SAME):
        yield f"{cell.name}: its median is not within its interval, or that is not below its best"
    if not cell.seconds_per_call or min(cell.seconds_per_call) <= 0:
        return  # its lawfulness is another check
    computed = statistics.summarise_rates([cell.flops / one / 1e9 for one in cell.seconds_per_call])
    for what in ("median", "best", "p90", "low", "high"):
        recorded, follows = getattr(rate, what), getattr(computed, what)
        if not _same(recorded, follows):
            yield f"{cell.name}: {what} GFLOPS {recorded:.6g} is recorded, its seconds give {follows:.6g}"
    if rate.interval != computed.interval:
        yield f"{cell.name}: its interval is a {computed.interval}, and is called {rate.interval}"


# --- shares -----------------------------------------------------------------------------------------


def _shares(results: Results) -> Check:
    name = "shares"
    faults = []
    for cell in results.cells:
        share = cell.roof
        if not 0 < share.low <= share.share <= share.high:
            faults.append(f"{cell.name}: its share of the roof is not within its interval")
    told = 0
    for cell in results.measured:
        again = _share_again(cell, results)
        if again is None:
            if cell.sentinel_gbs is not None:
                faults.append(f"{cell.name}: no sentinel is recorded beside any of its repetitions")
            by_wall = cell.gflops.best / results.roof.peak_gflops
            if not 1 / _SHARE_BY_WALL <= cell.roof.share / by_wall <= _SHARE_BY_WALL:
                faults.append(f"{cell.name}: {100 * cell.roof.share:.3g} % is far from its rate over the peak")
            continue
        told += 1
        within = _SHARE_WITHIN_WHEN_DISTURBED if _disturbed(cell) else _SHARE_WITHIN
        if not 1 / within <= cell.roof.share / again <= within:
            faults.append(
                f"{cell.name}: {100 * cell.roof.share:.3g} % of the roof is recorded, its repetitions and the sentinel "
                f"beside them give {100 * again:.3g} %"
            )
    for cell in results.cells:
        base = results.cell(cell.method, cell.extrapolated_from or 0) if cell.extrapolated else None
        if base and not _same(base.roof.share, cell.roof.share):
            faults.append(f"{cell.name}: it is extrapolated, and its share is not that of N={base.n}")
    if not told and not faults:
        return unknown(name, "no sentinel is recorded beside the repetitions, from which shares could be recomputed")
    return of_faults(name, faults, "each share of the roof follows from its repetitions and the sentinel beside them")


def _disturbed(cell: Cell) -> bool:
    few = len(cell.seconds_per_call) < statistics.FEWEST_FOR_INTERVAL
    return (
        few
        or (cell.gflops.high - cell.gflops.low) / cell.gflops.median > forensics.NOISY_WIDTH
        or any(mark is not None for mark in cell.marks or [])
    )


def _share_again(cell: Cell, results: Results) -> float | None:
    """The share from what the record keeps of both; None where it does not keep it, or in disorder."""
    many, beside = len(cell.seconds_per_call), cell.sentinel_gbs or []
    if not many or len(beside) != many or len(cell.cpu_over_wall) != many or min(cell.seconds_per_call) <= 0:
        return None
    pairs = [
        (cell.flops / (wall * own) / 1e9, gbs)
        for wall, own, gbs in zip(cell.seconds_per_call, cell.cpu_over_wall, beside, strict=True)
        if gbs is not None and gbs > 0 and own > _LEAST_OWN
    ]
    peak_per_byte = results.roof.peak_per_byte
    if not pairs or not peak_per_byte > 0:
        return None
    own, sentinel = (statistics.fastest(values) for values in zip(*pairs, strict=True))
    return own / sentinel / peak_per_byte


# --- the speedup ------------------------------------------------------------------------------------


def _speedup(results: Results) -> Check:
    name = "speedup"
    both = [n for n in {c.n for c in results.cells} if results.cell("naive", n) and results.cell("matmul", n)]
    largest = max(both, default=0)
    if results.speedup is None:
        return not_met(name, "results.json states no speedup: naive and matmul are needed at one size")
    faults = list(_speedup_faults(results, results.speedup))
    if results.speedup.n not in (largest, max(lab.SIZES)):
        faults.append(f"it is that of N={results.speedup.n}, not of the largest size, N={largest}")
    if results.speedup_measured is not None:
        faults += _speedup_faults(results, results.speedup_measured)
        if results.speedup_measured.extrapolated:
            faults.append("the speedup that is called measured says that it is extrapolated")
    factor = results.speedup.factor
    return of_faults(
        name, faults, f"{factor:,.0f} follows from the seconds of naive and matmul at N={results.speedup.n}"
    )


def _speedup_faults(results: Results, said: Speedup) -> Iterator[str]:
    naive, matmul = results.cell("naive", said.n), results.cell("matmul", said.n)
    if naive is None or matmul is None:
        yield f"a speedup is stated at N={said.n}, where naive or matmul has no cell"
        return
    if said.extrapolated != (naive.extrapolated or matmul.extrapolated):
        called = "extrapolated" if said.extrapolated else "measured"
        yield f"the speedup at N={said.n} is called {called}, its cells are not"
    follows = matmul.gflops.median / naive.gflops.median
    if not _same(said.factor, follows):
        yield f"a factor of {said.factor:,.6g} is recorded at N={said.n}, the cells give {follows:,.6g}"
    for cell, recorded in ((naive, said.naive_seconds), (matmul, said.matmul_seconds)):
        if not _same(recorded, cell.flops / cell.gflops.median / 1e9):
            yield f"{recorded:.6g} s is recorded for {cell.name}, its cell says {seconds(cell):.6g} s"


def _least_factor(results: Results) -> Check:
    name = "factor of 50"
    for n in sorted({cell.n for cell in results.measured}, reverse=True):
        naive, matmul = results.cell("naive", n), results.cell("matmul", n)
        if naive and matmul and not naive.extrapolated and not matmul.extrapolated:
            factor = seconds(naive) / seconds(matmul)
            if factor >= lab.LEAST_SPEEDUP:
                return met(name, f"np.matmul is {factor:,.0f} times as fast as naive at N={n}, the largest measured")
            return not_met(
                name,
                f"np.matmul is only {factor:.3g} times as fast as naive at N={n}: is naive vectorised, or is there no "
                "BLAS? `labkit doctor` tells the latter",
            )
    return unknown(name, "naive and matmul were not both measured at any size")


# --- what else is derived ---------------------------------------------------------------------------


def _derived_faults(results: Results) -> Iterator[str]:
    for row in results.sanity:
        cell = results.cell(row.method, row.n)
        if cell is None or not _same(row.measured, cell.gflops.median):
            yield f"the sanity table says {row.measured:.4g} GFLOPS of {row.method} at N={row.n}, its cell does not"
        elif len(row.expected) != 2 or not row.expected[0] < row.expected[1]:
            yield f"the sanity table has no range for {row.method} at N={row.n}"
        else:
            low, high = row.expected
            verdict = "below" if row.measured < low else "above" if row.measured > high else "inside"
            if row.verdict != verdict:
                yield f"the sanity table calls {row.method} at N={row.n} {row.verdict} its range, it is {verdict} it"
    for law in results.cube_law:
        base, cell = results.cell(law.method, law.predicted_from), results.cell(law.method, law.n)
        if base is None or cell is None or base.extrapolated or cell.extrapolated:
            yield f"the cube law is held against {law.method} at N={law.n}, which was not measured"
            continue
        of_base, measured = (one.flops / one.gflops.median / 1e9 for one in (base, cell))
        predicted = of_base * (law.n / law.predicted_from) ** 3
        follows = (
            (law.predicted_seconds, predicted),
            (law.measured_seconds, measured),
            (law.ratio, measured / predicted),
        )
        if not all(_same(recorded, value) for recorded, value in follows):
            yield f"the cube law's prediction of {law.method} at N={law.n} does not follow from its cells"
    for comparison in results.comparisons:
        yield from _comparison_faults(results, comparison)
    if results.embedding:
        yield from _embedding_faults(results.embedding)


def _embedding_faults(e: Embedding) -> Iterator[str]:
    if (e.vocabulary, e.width, e.batch, e.tokens) != lab.EMBEDDING:
        yield f"the embedding is {e.vocabulary} x {e.width} for {e.batch} x {e.tokens} tokens, not as the lab's"
    if e.lookup_flops != 2 * e.vocabulary * e.width:
        yield f"the lookup's {e.lookup_flops} flop is not 2 x vocabulary x width"
    if e.projection_flops != 2 * e.batch * e.tokens * e.width * e.vocabulary:
        yield f"the projection's {e.projection_flops} flop is not 2 x batch x tokens x width x vocabulary"
    if e.projection_seconds is not None and not _same(
        e.projection_gflops * e.projection_seconds, e.projection_flops / 1e9
    ):
        yield "the projection's GFLOPS do not follow from its seconds"


def _comparison_faults(results: Results, said: Comparison) -> Iterator[str]:
    """A comparison recomputed from the repetitions of the same rounds."""
    name = f"{said.method} against {said.other} at N={said.n}"
    a, b = results.cell(said.method, said.n), results.cell(said.other, said.n)
    if a is None or b is None:
        yield f"{name}: one has no cell"
        return
    if a.rounds is None or b.rounds is None:
        if any(cell.rounds is not None for cell in results.measured):
            yield f"{name}: the rounds of one are not recorded, those of other cells are"
        return
    of_a, of_b = (dict(zip(cell.rounds or [], cell.seconds_per_call, strict=False)) for cell in (a, b))
    common = sorted(of_a.keys() & of_b.keys())
    if not common or not min(*of_a.values(), *of_b.values()) > 0:
        yield f"{name}: no pairs are recorded"
        return
    again = statistics.paired_ratio([of_b[r] for r in common], [of_a[r] for r in common])
    if not (_same(again.value, said.ratio) and _same(again.low, said.low) and _same(again.high, said.high)):
        yield f"{name} is recorded as {said.ratio:.4g}, its pairs give {again.value:.4g}"
    elif said.pairs != again.pairs:
        yield f"{name} is said to rest on {said.pairs} pairs, there are {again.pairs}"
    elif said.verdict not in (statistics.verdict(again), "no difference resolved"):
        yield f"{name} is called {said.verdict}, its interval does not say so"
