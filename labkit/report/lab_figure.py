"""The lab's figure: the rate of each method over N, or its share of the roof, under what the core can do."""

from collections.abc import Sequence

from labkit import pages
from labkit.report import figure, lab_layers, looks, tables
from labkit.report.figure import Choice, Figure, Option
from labkit.report.lab_layers import RATE, SHARE
from labkit.runs import Run


def make(several: Sequence[Run]) -> Figure:
    """The figure of one run, methods in colours of their own; or of several, each run in a colour of its own."""
    methods = list(dict.fromkeys(cell.method for run in several for cell in run.results.cells))
    alone = len(several) == 1
    named = [Option(method, looks.of_method(method).name, _look(method, alone)) for method in methods]
    choices = [Choice("method", "Methods", named, many=True)]
    if not alone:
        of_runs = [Option(run.name, run.name, looks.of_run(run.name, i)) for i, run in enumerate(several)]
        choices.append(Choice("run", "Runs", of_runs, many=True))
    choices += [
        Choice("unit", "Rate", [Option(RATE, "GFLOPS"), Option(SHARE, "share of the roof", chosen=False)]),
        figure.scale_choice("x", "Axis of N"),
        figure.scale_choice("y", "Axis of the rate"),
    ]
    where = several[0].results.short_name if alone else f"{len(several)} runs"
    return Figure(
        key="lab",
        title=f"Matrix products on {where}",
        alternative=_in_words(several),
        caption=_caption(several),
        choices=choices,
        legend=[],
        tables=[tables.cells(run) for run in several],
        spec=lab_layers.spec(several),
    )


def _look(method: str, alone: bool) -> looks.Look:
    """A method's own colour where there is one run; else its shape tells it, and the colour is the run's."""
    own = looks.of_method(method)
    return own if alone else looks.Look(own.name, looks.INK, own.shape)


def _in_words(several: Sequence[Run]) -> str:
    """What somebody who does not see the figure should know of it."""
    said = []
    for run in several:
        largest = max((cell.n for cell in run.results.cells), default=0)
        rates = ", ".join(
            f"{looks.of_method(c.method).name} {pages.flops(c.gflops.median)}"
            for c in run.results.cells
            if c.n == largest
        )
        peak = pages.flops(run.results.roof.peak_gflops)
        said.append(f"{run.name}, at N = {largest}: {rates}, under a peak of {peak}.")
    return f"Rate of each method over N. {' '.join(said)} The table below the figure has every value."


def _caption(several: Sequence[Run]) -> str:
    """How to read it."""
    cells = [cell for run in several for cell in run.results.cells]
    words = ["Bars are 95 % intervals of the median, or the range of fewer than six repetitions."]
    if any(cell.extrapolated for cell in cells):
        words.append("Hollow markers and dashed lines are extrapolated by the cube law.")
    if any(cell.noisy and not cell.extrapolated for cell in cells):
        words.append("Pale markers are noisy.")
    if any(cell.invalid for cell in cells):
        words.append("What is crossed out cannot be true.")
    words.append(
        "The thick line is the roof: the peak of multiply-adds that was measured, and left of the diamond the memory "
        "ceiling, N/6 flop a byte times the bandwidth of DRAM. The dashed line is where memory would hold a product "
        "that reuses nothing."
    )
    return " ".join(words)
