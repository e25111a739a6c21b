"""A comparison of many nodes, as tables whose rows are named by node."""

from collections.abc import Callable, Sequence

from labkit.records.compare import RunComparison
from labkit.records.fleet import FRACTION, UNITS, Kind
from labkit.records.model import Estimate
from labkit.show import numbers
from labkit.show.tables import Table

# On one screen.
MOST_LISTED, MOST_NAMED = 12, 3
JUDGED = (
    "A node is outside if its whole interval differs from the median of its CPU model by more than is allowed: four "
    "standard deviations, from the median absolute deviation over the nodes, and 3 % at least."
)
ALL = "Each node: `--all`, `--csv`, or `labkit report` with the same folders."


def page(record: RunComparison, write: Callable[[Table], str], every: bool) -> list[str]:
    """The nodes that are outside their kind, then how far the others lie apart, and if wanted each of them."""
    fleet = record.fleet
    assert fleet
    by_cpu = {kind.cpu: max(len(k.nodes) for k in fleet.kinds if k.cpu == kind.cpu) for kind in fleet.kinds}
    counted = [f"{many} of {cpu}" for cpu, many in by_cpu.items()]
    counted += [f"{many} of {cpu}, too few to judge" for cpu, many in fleet.few.items()]
    slow = sum(one.ratio.value < 1 for one in fleet.outliers)
    said = [f"{numbers.count(len(record.runs), 'node')}: {'; '.join(counted)}.", *record.notes]
    said.append(f"Slower than the others of the same CPU: {numbers.count(slow, 'node') if slow else 'none'}.")
    most = len(record.runs) if every else MOST_LISTED
    disturbed = [record.runs[i].name + f" ({why})" * every for i, why in fleet.disturbed.items()]
    said += [f"Noisy: {_some(disturbed, most)}."] if disturbed else []
    parts = ["\n".join(f"- {line}" for line in said) + "\n"]
    if fleet.outliers:
        rows = [
            [record.runs[one.run].name, one.what, *_ratio_cells(one.ratio), "; ".join(one.causes)]
            for one in fleet.outliers[:most]
        ]
        head = ["node", "figure", "times the others", "95 %", "likely cause"]
        parts += ["## Outliers\n", write(Table("", "llrll", head, rows))]
        parts += [f"and {len(fleet.outliers) - most} more\n"] if len(fleet.outliers) > most else []
    parts += changed(record, write)
    parts += ["## The nodes of a CPU\n", write(_kinds(record))]
    if every:
        parts += ["## Each node\n", write(nodes(record))]
    return [*parts, f"- {JUDGED}", *([] if every else [f"- {ALL}"])]


def _some(names: Sequence[str], most: int) -> str:
    """The first of these names, and how many more there are."""
    left = len(names) - most
    return f"{'; '.join(names[:most])}; and {left} more" if left > 0 else "; ".join(names)


def _ratio_cells(ratio: Estimate) -> list[str]:
    return [f"{ratio.value:.3f}", f"{ratio.low:.3f} to {ratio.high:.3f}"]


def _kinds(record: RunComparison) -> Table:
    """A row for each figure of each CPU model: how the nodes are spread."""
    rows = []
    for kind in record.fleet.kinds if record.fleet else []:
        values = [node.figure.value for node in kind.nodes]
        write = numbers.fraction if kind.what == FRACTION else numbers.significant
        what = _figure_name(kind)
        rows.append(
            [
                kind.cpu,
                what,
                str(len(values)),
                *map(write, (kind.median, min(values), max(values))),
                numbers.percent(kind.allowed),
            ]
        )
    return Table("", "llrrrrr", ["CPU", "figure", "nodes", "median", "lowest", "highest", "allowed"], rows)


def _figure_name(kind: Kind) -> str:
    unit = "" if kind.what == FRACTION else f", {UNITS[kind.what]}"
    return kind.what + (f", N = {kind.n}" if kind.n else "") + unit


def nodes(record: RunComparison) -> Table:
    """A row for each node, with its figures and their ratios to the medians of its CPU model."""
    kinds = record.fleet.kinds if record.fleet else []
    whats = list(dict.fromkeys(_figure_name(kind) for kind in kinds))
    cells = {(node.run, _figure_name(kind)): node for kind in kinds for node in kind.nodes}
    rows = []
    for i, run in enumerate(record.runs):
        row = [run.name, run.created[:10]]
        for what in whats:
            node = cells.get((i, what))
            row += [f"{node.figure.value:.4g}", f"{node.ratio.value:.3f}"] if node else ["", ""]
        outside = record.fleet.outliers if record.fleet else []
        causes = [cause for one in outside if one.run == i for cause in one.causes]
        rows.append([*row, "; ".join([*causes, *run.remarks])])
    head = [text for what in whats for text in (what, f"{what.split(',')[0]}, times the others")]
    return Table("", "ll" + "rr" * len(whats) + "l", ["node", "date", *head, "remarks"], rows)


def changed(record: RunComparison, write: Callable[[Table], str]) -> list[str]:
    """Which nodes changed when, and what else changed then."""
    rows = [
        [c.date, _some(c.nodes, MOST_NAMED), c.what, *_ratio_cells(c.ratio), "; ".join(c.also) or "nothing on record"]
        for c in record.changes
    ]
    head = ["date", "node", "figure", "times before", "95 %", "what else changed"]
    return ["## What changed when\n", write(Table("", "lllrll", head, rows))] if rows else []
