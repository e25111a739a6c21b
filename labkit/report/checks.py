"""What speaks for a run's figures or against them: what the lab expects, agreement, pairs, the cube law."""

from labkit import pages
from labkit.records import Results
from labkit.report import looks
from labkit.report.tables import Table, between, interval
from labkit.runs import Run


def sanity(run: Run) -> Table:
    """What the lab expects of a cell, and what it is."""
    rows = [
        [
            f"{looks.of_method(row.method).name}, N = {row.n}",
            pages.flops(row.measured) + " †" * row.extrapolated,
            " to ".join(pages.flops(bound, 2) for bound in row.expected),
            row.verdict,
            row.because,
        ]
        for row in run.results.sanity
    ]
    return Table(
        f"Expected and measured: {run.name}",
        ["cell", "measured", "expected", "verdict", "why"],
        rows,
        frozenset((1, 2)),
    )


def agreement(run: Run) -> Table:
    """Three comparisons of each method's result with A @ B, before anything was timed."""
    found = run.results.agreement
    rows = [
        [
            looks.of_method(name).name,
            _yes(a.exact_on_integers),
            f"{_yes(a.within_bound)}, largest error {a.max_scaled_error:.1e}",
            f"{_yes(a.allclose)}, {a.outside_allclose} of {a.elements} outside",
            ", ".join(a.bit_identical_to) or "no other",
        ]
        for name, a in found.methods.items()
    ]
    head = [
        "method",
        "exact on small integers",
        f"within {found.atol:g} + {found.rtol:g} (|A| @ |B|)",
        "np.allclose",
        "same bits as",
    ]
    return Table(f"Agreement with A @ B at N = {found.n}: {run.name}", head, rows)


def pairs(run: Run) -> Table:
    """Methods in pairs from the same rounds, and one method against itself."""
    results = run.results
    rows = [
        [
            f"{looks.of_method(p.method).name} over {looks.of_method(p.other).name}, N = {p.n}",
            pages.significant(p.ratio),
            interval(between(p.low, p.high), p.interval),
            str(p.pairs),
            p.verdict if p.interval == "ci95" else "too few pairs to say",
        ]
        for p in results.comparisons
    ]
    rows += [
        [
            f"{looks.of_method(p.other).name} against itself, N = {p.n}",
            pages.significant(p.ratio, 4),
            interval(between(p.low, p.high, 4), p.interval),
            str(p.pairs),
            f"the floor: no difference below {pages.percent(results.same_twice.floor)} is spoken of",
        ]
        for p in results.same_twice.pairs
    ]
    head = ["pair", "times as fast", "interval", "pairs", "verdict"]
    return Table(f"Methods in pairs: {run.name}", head, rows, frozenset((1, 2, 3)))


def cube_law(run: Run) -> Table:
    """How far the law by which cells are extrapolated was off, where it can be told."""
    rows = [
        [
            f"{looks.of_method(law.method).name}, N = {law.n}",
            str(law.predicted_from),
            pages.seconds(law.predicted_seconds),
            pages.seconds(law.measured_seconds),
            pages.significant(law.ratio, 3),
        ]
        for law in run.results.cube_law
    ]
    head = ["cell", "from N", "predicted", "measured", "measured over predicted"]
    return Table(f"The cube law, tried: {run.name}", head, rows, frozenset((1, 2, 3, 4)))


def embedding(results: Results) -> str:
    """The same sums as a lookup, in a sentence; nothing where it was not measured."""
    e = results.embedding
    if e is None:
        return ""
    return (
        f"The same sums as an embedding of {e.vocabulary} x {e.width}: a row as a product with a one-hot vector "
        f"({e.lookup_flops:,} flop) takes {pages.seconds(e.one_hot_seconds)}, as a gather "
        f"{pages.seconds(e.gather_seconds)}; the projection of {e.batch} x {e.tokens} tokens "
        f"({e.projection_flops:,} flop) takes {pages.seconds(e.projection_seconds)}: "
        f"{pages.flops(e.projection_gflops)}."
    )


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"
