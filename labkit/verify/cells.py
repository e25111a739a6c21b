"""A cell as every check takes it, of whatever record: a method at a size, its rates and its times."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean, median

from labkit.records.derive import Analysis


@dataclass
class Timed:
    """A method at a size: rates in GFLOPS as stated, `seconds` of a call one per sample, `stated` ones as summaries.

    `samples` and `total` seconds are None where they are not told.
    """

    method: str
    n: int
    rates: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    stated: list[float] = field(default_factory=list)
    samples: int | None = None
    calls: int | None = None  # in a sample, where that is told
    total: float | None = None
    extrapolated: bool = False
    bare: list[float] = field(default_factory=list)  # numbers of which no key says what they are

    @property
    def name(self) -> str:
        return f"{self.method} at N = {self.n}"

    @property
    def flops(self) -> int:
        return 2 * self.n**3

    @cached_property
    def of_seconds(self) -> list[float]:
        """The rates that its times give: one for each, of a total that of a call; and those of the mean and median."""
        times = [*self.seconds, *self.stated]
        if self.seconds:
            times += [fmean(self.seconds), median(self.seconds)]
        if self.total and self.samples:
            times.append(self.total / (self.samples * (self.calls or 1)))
        return [self.flops / t / 1e9 for t in times]

    @property
    def gflops(self) -> float | None:
        """Its rate: the first that is stated, or what its times give."""
        if self.rates:
            return self.rates[0]
        times = self.stated or ([median(self.seconds)] if self.seconds else [])
        return self.flops / times[0] / 1e9 if times else self.of_seconds[0] if self.of_seconds else None

    @property
    def many(self) -> int | None:
        """How many samples it has, where that is told."""
        return len(self.seconds) if len(self.seconds) > 1 else self.samples

    @property
    def timed_seconds(self) -> float | None:
        """Wall time in timed calls, where that is told or follows."""
        if self.total is not None:
            return self.total
        if len(self.seconds) > 1:
            return math.fsum(self.seconds) * (self.calls or 1)
        once = next(iter(self.stated or self.seconds), None)
        return once * self.samples * (self.calls or 1) if once and self.samples else None


def of_analysis(found: Analysis) -> list[Timed]:
    """The cells of a record of this project."""
    return [
        Timed(
            c.method,
            c.n,
            rates=[c.gflops.median, c.gflops.best, c.alone.gflops.value],
            seconds=c.seconds_per_call,
            samples=len(c.seconds_per_call),
            total=c.total_seconds,
            extrapolated=c.extrapolated,
        )
        for c in found.cells
    ]
