"""The answer in a few sentences, with what must be said before it is believed."""

from labkit import pages
from labkit.records import Results
from labkit.report.tables import between, share
from labkit.roof import coprocessor
from labkit.runs import Run


def warnings(run: Run) -> list[str]:
    """What stands in the way of this run's figures, the gravest last."""
    results, lines = run.results, []
    if results.status == "partial":
        kind = "a quick pass" if results.protocol.quick else "an unfinished run"
        lines.append(f"This is {kind}: cells that are not measured yet are extrapolated from smaller ones and marked.")
    lines += [f"Not the lab's protocol: {warning}" for warning in run.manifest.config.get("warnings", [])]
    if results.noise.noisy:
        because = "; ".join(results.noise.because)
        lines.append(f"This run is noisy: of the sentinel's {results.noise.visits} visits, {because}.")
    lines += [
        f"Invalid: {cell.method} at N = {cell.n} cannot be true: {'; '.join(cell.invalid)}."
        for cell in results.cells
        if cell.invalid and not cell.extrapolated
    ]
    return lines


def answer(run: Run) -> list[str]:
    """How many times as fast np.matmul is, and how much of the core it uses."""
    return [*_speedup(run.results), *_share(run)]


def _speedup(results: Results) -> list[str]:
    s = results.speedup
    if s is None:
        return ["This run does not have both naive and np.matmul, so it states no speedup."]
    if s.withheld:
        return [f"The speedup is withheld, as {s.withheld}. Run it again with less beside it."]
    sizes = f"{pages.seconds(s.naive_seconds)} become {pages.seconds(s.matmul_seconds)}"
    said = (
        f"np.matmul is {pages.significant(s.factor)} times ({between(s.low, s.high)}) "
        f"as fast as the same loop in Python at N = {s.n}: {sizes}."
    )
    if not s.extrapolated:
        return [said]
    lines = [said + " The loop's time is extrapolated there by the cube law."]
    m = results.speedup_measured
    if m and m.n != s.n and not m.withheld:
        lines.append(
            f"At N = {m.n}, the largest size at which both were really run, it is {pages.significant(m.factor)} times "
            f"({between(m.low, m.high)})."
        )
    return lines


def _share(run: Run) -> list[str]:
    results = run.results
    matmul = max((c for c in results.cells if c.method == "matmul"), key=lambda c: c.n, default=None)
    if matmul is None:
        return ["This run does not have np.matmul, so it says nothing of the core's peak."]
    if matmul.invalid:
        return [f"np.matmul at N = {matmul.n} cannot be true, so its share of the core's peak is not stated."]
    how = " That cell is noisy." if matmul.noisy else " That cell is extrapolated." if matmul.extrapolated else ""
    apart = (
        " It runs on a unit of its own, which is none of the core's." if coprocessor(run.manifest.blas.library) else ""
    )
    return [
        f"np.matmul does {pages.flops(matmul.gflops.median)} at N = {matmul.n}: {share(matmul.roof.share)} "
        f"({between(100 * matmul.roof.low, 100 * matmul.roof.high)} %) of what fp32 "
        f"multiply-adds can reach on one core, by the {results.roof.statistic} of their visits. The highest "
        f"peak seen is {pages.flops(results.roof.peak_gflops)}.{how}{apart}"
    ]
