"""The roofline: what memory and arithmetic allow at an intensity, and where kernels stand under it."""

from collections.abc import Sequence

from labkit import pages
from labkit.records import Roofline
from labkit.report import figure, looks, roofline_layers, roofline_tables
from labkit.report.figure import Choice, Figure, Option
from labkit.runs import Run

ABSENT = "no roofline of the same machine, NumPy and BLAS stands beside this run: make roofline measures one"


def make(several: Sequence[Run]) -> Figure:
    """One run at a time, of those that have a roofline beside them."""
    having = [(run, run.roofline) for run in several if run.roofline]
    kernels = list(dict.fromkeys(kernel.name for _, line in having for kernel in line.kernels))
    levels = list(dict.fromkeys(ridge.level for _, line in having for ridge in line.ridge))
    choices = figure.run_choice([run for run, _ in having])
    if kernels:
        shown = [Option(name, looks.of_method(name).name, looks.of_method(name)) for name in kernels]
        choices.append(Choice("kernel", "Kernels", shown, many=True))
    choices += [figure.scale_choice("x", "Axis of intensity"), figure.scale_choice("y", "Axis of the rate")]
    return Figure(
        key="roofline",
        title="The roofline of one core",
        alternative=_in_words([(run.name, line) for run, line in having]),
        caption=(
            "A diagonal a level of memory, as more flop a byte need fewer bytes; the flat line is the measured peak"
            f"{_of_peak(having)}, dashed ones are what the core does without one of its means. A matrix product's "
            "true traffic is not known: its bar runs from the intensity that its rate proves to the one with every "
            "operand read once, where the marker is. np.copyto does no flop and stands at the left edge."
        ),
        choices=choices if having else [],
        legend=[Option(level, _level_words(level, having), looks.of_level(level)) for level in levels],
        tables=[
            table
            for run, line in having
            for table in (roofline_tables.roofs(run.name, line), roofline_tables.kernels(run.name, line))
        ],
        spec=roofline_layers.spec(having) if having else None,
        absent=[f"{run.name}: {ABSENT}." for run in several if not run.roofline],
    )


def _of_peak(having: Sequence[tuple[Run, Roofline]]) -> str:
    return f" of {pages.flops(having[0][1].peak.fp32_fma_gflops.best)}" if len(having) == 1 else ""


def _level_words(level: str, having: Sequence[tuple[Run, Roofline]]) -> str:
    """A level's name, and where there is one roofline its bandwidth."""
    rates = [ridge.gbs for _, line in having for ridge in line.ridge if ridge.level == level]
    return f"{level} {pages.significant(rates[0])} GB/s" if len(having) == 1 else level


def _in_words(having: Sequence[tuple[str, Roofline]]) -> str:
    said = []
    for name, line in having:
        levels = ", ".join(f"{r.level} {pages.significant(r.gbs)} GB/s" for r in line.ridge)
        reached = ", ".join(f"{looks.of_method(k.name).name} {roofline_tables.reaches(k)}" for k in line.kernels)
        peak = pages.flops(line.peak.fp32_fma_gflops.best)
        said.append(f"{name}: a peak of {peak}; {levels}; {reached or 'no kernel placed'}.")
    return (
        f"Attainable GFLOPS over arithmetic intensity. {' '.join(said)} The tables below the figure have every value."
    )
