"""Tables of words and numbers, as text: what the page shows beside and below its figures."""

from collections.abc import Sequence
from dataclasses import dataclass

from labkit import pages, runs
from labkit.records import Cell, Rate
from labkit.report import looks
from labkit.runs import Run

NONE = "-"


@dataclass(frozen=True)
class Table:
    """A caption, a head, and rows whose first entry names the row; `numbers` are the columns set flush right."""

    caption: str
    head: list[str]
    rows: list[list[str]]
    numbers: frozenset[int] = frozenset()


def interval(ends: str, kind: str) -> str:
    """`9.8 to 10.1` with what it is, so that a range of few repetitions is not taken for an interval."""
    return f"{ends} ({'95 % interval' if kind == 'ci95' else 'range'})"


def rate_interval(rate: Rate) -> str:
    """The interval of a rate, in the unit of its median and to a digit more than that is given to."""
    unit = pages.flops(rate.median).split()[1]
    scale = {"GFLOPS": 1.0, "MFLOPS": 1e3, "kFLOPS": 1e6}[unit]
    return interval(f"{between(scale * rate.low, scale * rate.high, 4)} {unit}", rate.interval)


def between(low: float, high: float, digits: int = 3) -> str:
    """The two ends of an interval."""
    return f"{pages.significant(low, digits)} to {pages.significant(high, digits)}"


def share(value: float, digits: int = 3) -> str:
    """A share of a roof: `86.1 %`, and far below it `1/20,000`."""
    return pages.percent(value, digits) if value >= 0.01 else f"1/{pages.significant(1 / value, 2)}" if value else "0"


def share_interval(cell_share: float, low: float, high: float) -> str:
    """A share with its interval, in per cent."""
    return f"{pages.percent(cell_share, 3)} ({between(100 * low, 100 * high)} %)"


def repetitions(cell: Cell) -> str:
    """How often a cell was timed; of an extrapolated one, from where it comes."""
    return f"none, from N = {cell.extrapolated_from}" if cell.extrapolated else f"{len(cell.seconds_per_call)}"


def remarks(cell: Cell) -> str:
    """What must be known of a cell before it is believed."""
    words = ["extrapolated by the cube law"] if cell.extrapolated else []
    words += [f"cannot be true: {why}" for why in cell.invalid]
    words += [f"noisy: {'; '.join(cell.notes)}" if cell.notes else "noisy"] if cell.noisy else []
    return "; ".join(words)


def marks(cell: Cell) -> str:
    """The same in a letter, for a crowded table."""
    return " †" * cell.extrapolated + " ‡" * (cell.noisy and not cell.extrapolated) + " ✕" * bool(cell.invalid)


def overview(run: Run) -> Table:
    """A row a size, a column a method."""
    results = run.results
    methods = results.protocol.methods
    rows = []
    for n in sorted({cell.n for cell in results.cells}):
        cells = [results.cell(method, n) for method in methods]
        matmul = results.cell("matmul", n)
        rows.append(
            [str(n)]
            + [pages.flops(cell.gflops.median) + marks(cell) if cell else NONE for cell in cells]
            + [share_interval(matmul.roof.share, matmul.roof.low, matmul.roof.high) if matmul else NONE]
        )
    head = ["N", *(looks.of_method(method).name for method in methods), "np.matmul, share of the roof"]
    return Table(f"Median rate, fp32, one thread: {run.name}", head, rows, frozenset(range(1, len(head))))


def cells(run: Run) -> Table:
    """Everything that the lab's figure shows of a run."""
    rows = [
        [
            f"{looks.of_method(cell.method).name}, N = {cell.n}",
            pages.flops(cell.gflops.median),
            rate_interval(cell.gflops),
            share_interval(cell.roof.share, cell.roof.low, cell.roof.high),
            repetitions(cell),
            remarks(cell) or NONE,
        ]
        for cell in run.results.cells
    ]
    head = ["cell", "median rate", "interval", "share of the roof", "repetitions", "remarks"]
    return Table(f"The data of the figure: {run.name}", head, rows, frozenset((1, 2, 3)))


def differing(several: Sequence[Run]) -> Table:
    """In what the runs differ, the machine first."""
    rows = [[difference.what, *difference.values] for difference in runs.differences(several)]
    return Table("What differs between the runs", ["", *(run.name for run in several)], rows)
