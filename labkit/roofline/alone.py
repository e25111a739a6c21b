"""Which turns of the roofline's rounds had the core to themselves, and rates in these alone. Pure."""

from collections.abc import Collection, Iterable

from labkit import stats
from labkit.contention import WITHIN
from labkit.records.model import CoreReference, Rate, Series

# Names of series.
PEAK = "peak"
DOTS = ("dot in L1", "dot in L2")
# With fewer samples alone than this a rate is that of all samples: 6 give an exact interval.
FEWEST_ALONE = 6


def alone_turns(samples: Iterable[Series]) -> tuple[CoreReference, set[int]]:
    """(the two dots over the peak's loop, by their fastest samples; the turns in which neither fell behind that).

    By processor time. The samples are so short that the ratio of two of them scatters.
    """
    by_name = {s.name: s for s in samples}
    found = [by_name[name] for name in (PEAK, *DOTS)]
    fma, *dots = (dict(zip(s.rounds, s.cpu_rates, strict=True)) for s in found)
    best, l1, l2 = (stats.fastest(s.cpu_rates) for s in found)
    l1, l2 = l1 / best, l2 / best
    turns = sorted(fma.keys() & dots[0].keys() & dots[1].keys())
    usual = (l1, l2)
    alone = {r for r in turns if all(dot[r] / fma[r] >= (1 - WITHIN) * x for dot, x in zip(dots, usual, strict=True))}
    return CoreReference(l1_byte_per_flop=l1, l2_byte_per_flop=l2, contended=1 - len(alone) / len(turns)), alone


def rate(series: Series, turns: Collection[int]) -> Rate:
    """The rate of what was sampled in these turns; of all samples where hardly any was."""
    rates = [value for value, turn in zip(series.rates, series.rounds, strict=False) if turn in turns]
    return Rate.of(rates if len(rates) >= FEWEST_ALONE else series.rates)
