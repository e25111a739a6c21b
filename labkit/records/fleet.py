"""Nodes beside the others of their CPU model: which are outside, by how much and why; and which changed when. Pure."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median

from labkit import quality, stats
from labkit.records.facts import facts
from labkit.records.find import Run
from labkit.records.model import Cell, Estimate, Record
from labkit.records.spread import FRACTION_LIMIT
from labkit.stats import Ratio

MATMUL, FRACTION, PEAK, DRAM = "np.matmul", "fraction of peak", "FMA peak", "load from DRAM"
UNITS = {MATMUL: "GFLOPS", FRACTION: "of peak", PEAK: "GFLOPS", DRAM: "GB/s"}
# Facts that may explain a figure, the likeliest first: software that of a fraction of peak, the machine the others.
SOFTWARE = ("BLAS kernel", "BLAS", "NumPy", "SIMD", "threads", "commit")
MACHINE = ("governor", "power", "memory", "virtual machine", "cores", "caches", "microcode", "OS kernel", "system")
MOST_CAUSES = 2
UNKNOWN = "unknown"
UNRESOLVED = "no difference resolved"


class Node(Record):
    """A figure of a run: the index of the run, the figure, and its ratio to the median of the kind."""

    run: int
    figure: Estimate
    ratio: Estimate
    outlier: bool


class Kind(Record):
    """One figure over the nodes of a CPU model: its median, and the portion by which one may be off."""

    cpu: str
    what: str
    n: int | None  # of a product
    median: float
    allowed: float
    nodes: list[Node]


class Outlier(Record):
    """A node outside its kind: the figure that shows it, its ratio to the median of the kind, and likely causes."""

    run: int
    cpu: str
    what: str
    ratio: Estimate
    causes: list[str]


class Change(Record):
    """Nodes of which a figure changed from one run to the next in the same way, and what else had changed by then."""

    nodes: list[str]
    date: str
    what: str
    ratio: Estimate  # of the first of them
    also: list[str]


class Fleet(Record):
    """`few`: CPU models of too few nodes to judge, and how many; `disturbed`: by the index of a run, what took its core
    away."""

    kinds: list[Kind]
    outliers: list[Outlier]
    few: dict[str, int]
    disturbed: dict[int, str]


def judge(runs: Sequence[Run]) -> Fleet | None:
    """Each run beside the others of its CPU model; None where no model has enough of them."""
    by_cpu = defaultdict[str, list[int]](list)
    for i, run in enumerate(runs):
        by_cpu[facts(run)["CPU"]].append(i)
    enough = {cpu: group for cpu, group in by_cpu.items() if len(group) >= stats.FEWEST_TO_JUDGE}
    if not enough:
        return None
    kinds = [kind for cpu, group in enough.items() for kind in judged(cpu, {i: figures(runs[i]) for i in group})]
    outliers = [
        one for cpu, group in enough.items() for one in _outliers(runs, group, [k for k in kinds if k.cpu == cpu])
    ]
    return Fleet(
        kinds=kinds,
        outliers=sorted(outliers, key=lambda one: one.ratio.value),
        few={cpu: len(group) for cpu, group in by_cpu.items() if cpu not in enough},
        disturbed={i: "; ".join(why) for i, run in enumerate(runs) if (why := noise(run))},
    )


Figures = Mapping[tuple[str, int | None], Estimate]  # by what it is, and the order of a product


def figures(run: Run) -> dict[tuple[str, int | None], Estimate]:
    """What a node is judged by: np.matmul at its largest size, the peak and the bandwidth of its own roofline.

    A rate by wall time says nothing of a node whose core others had meanwhile; the fraction of peak does.
    """
    found: dict[tuple[str, int | None], Estimate] = {}
    cell = _product(run)
    if cell:
        if not quality.noisy(cell.flags):
            found[MATMUL, cell.n] = cell.gflops.estimate
        found[FRACTION, cell.n] = cell.peak_fraction
    if run.roofline:
        found[PEAK, None] = run.roofline.peak.fp32_fma_gflops.estimate
        dram = next((b for b in run.roofline.bandwidth if (b.level, b.pattern) == ("DRAM", "load")), None)
        if dram:
            found[DRAM, None] = dram.gbs.estimate
    return found


def noise(run: Run) -> list[str]:
    """What took the core away from the run, or from the product that it is judged by."""
    cell = _product(run)
    return run.analysis.noise or (quality.describe(cell.flags) if cell and quality.noisy(cell.flags) else [])


def _product(run: Run) -> Cell | None:
    timed = (c for c in run.analysis.cells if c.method == "matmul" and not (c.extrapolated or c.invalid))
    return max(timed, key=lambda c: c.n, default=None)


def judged(cpu: str, nodes: Mapping[int, Figures]) -> list[Kind]:
    """Each figure that enough nodes of a CPU model have, beside its median over them."""
    kinds = []
    keys = {key for found in nodes.values() for key in found}
    for what, n in sorted(keys, key=lambda key: ([*UNITS].index(key[0]), key[1] or 0)):
        have = {i: found[what, n] for i, found in nodes.items() if (what, n) in found}
        if len(have) >= stats.FEWEST_TO_JUDGE:
            middle = stats.middle([e.bounded for e in have.values()], FRACTION_LIMIT)
            of = [
                Node(run=i, figure=e, ratio=Estimate.of(r), outlier=stats.verdict(r, middle.allowed) != UNRESOLVED)
                for i, e in have.items()
                for r in [middle.ratio(e.bounded)]
            ]
            kinds.append(Kind(cpu=cpu, what=what, n=n, median=middle.value, allowed=middle.allowed, nodes=of))
    return kinds


def _outliers(runs: Sequence[Run], group: Sequence[int], kinds: Sequence[Kind]) -> list[Outlier]:
    """The nodes of a kind that are outside in any figure, each by the first of them."""
    described = {i: facts(runs[i]) for i in group}
    usual = {what: Counter(d[what] for d in described.values()).most_common(1)[0][0] for what in described[group[0]]}
    found = []
    for i in group:
        off = {kind.what: node.ratio for kind in kinds for node in kind.nodes if node.run == i and node.outlier}
        if off:
            what, ratio = next(iter(off.items()))
            causes = _causes(described[i], usual, off) or noise(runs[i]) or [UNKNOWN]
            found.append(Outlier(run=i, cpu=kinds[0].cpu, what=what, ratio=ratio, causes=causes[:MOST_CAUSES]))
    return found


def _causes(own: Mapping[str, str], usual: Mapping[str, str], off: Mapping[str, Estimate]) -> list[str]:
    """What may explain these ratios: in what the node differs from the others, then which part of it is off."""
    may = (*(SOFTWARE if FRACTION in off or MATMUL in off else ()), *(MACHINE if {*off} - {FRACTION} else ()))
    differs = [f"{what} {own[what]}, the others {usual[what]}" for what in may if own[what] != usual[what]]
    parts = {PEAK: "clock", DRAM: "memory"}
    return differs + [
        f"{part}: {what} {off[what].value:.2f} times the others'" for what, part in parts.items() if what in off
    ]


# --- over time -------------------------------------------------------------------------------------------


def changes(runs: Sequence[Run]) -> list[Change]:
    """Where a figure of a node changed from one run to the next, by more than is usual from run to run.

    A node that changed in several figures is named once, with the first of them.
    """
    by_node = defaultdict[str, list[Run]](list)
    for run in sorted(runs, key=lambda run: run.manifest.created):
        by_node[run.name].append(run)
    steps = defaultdict[str, list[tuple[Run, Run, Ratio]]](list)
    for before, after in (pair for own in by_node.values() for pair in pairwise(own)):
        old, new = figures(before), figures(after)
        for key in old.keys() & new.keys():
            steps[key[0]].append((before, after, stats.over(new[key].bounded, old[key].bounded)))
    found: dict[tuple[str, str], tuple[str, Ratio, tuple[str, ...]]] = {}  # by node and date
    for what in filter(steps.__contains__, UNITS):
        allowed = _usual([(after.manifest.created[:10], ratio) for _, after, ratio in steps[what]])
        for before, after, ratio in steps[what]:
            if stats.verdict(ratio, allowed) != UNRESOLVED:
                old_facts, new_facts = facts(before), facts(after)
                also = tuple(f"{k} {old_facts[k]} to {v}" for k, v in new_facts.items() if old_facts[k] != v)
                found.setdefault((after.name, after.manifest.created[:10]), (what, ratio, also))
    alike = defaultdict[tuple[str, str, bool, tuple[str, ...]], list[tuple[str, Ratio]]](list)
    for (name, date), (what, ratio, also) in found.items():
        alike[date, what, ratio.value > 1, also].append((name, ratio))
    return [
        Change(nodes=sorted(name for name, _ in of), date=date, what=what, ratio=Estimate.of(of[0][1]), also=list(also))
        for (date, what, _, also), of in sorted(alike.items())
    ]


def _usual(steps: Sequence[tuple[str, Ratio]]) -> float:
    """The portion by which a step may differ from none: by how the steps of a day differ among each other.

    So a day on which all nodes changed alike does not hide that they did.
    """
    of_day = defaultdict[str, list[float]](list)
    for day, ratio in steps:
        of_day[day].append(ratio.value)
    usual = {day: median(values) for day, values in of_day.items()}
    scaled = [(r.value / usual[day], r.low / usual[day], r.high / usual[day]) for day, r in steps]
    return stats.middle(scaled, FRACTION_LIMIT).allowed
