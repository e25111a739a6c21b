"""Made-up runs to compare, as if read from folders."""

import copy
from dataclasses import replace
from functools import cache

import made_up
import msgspec

from labkit.records.derive import Key
from labkit.records.find import Run
from labkit.records.model import Git, Measurement, Repeat

SIZES = (64, 128, 1024)


@cache
def _measurement() -> Measurement:
    return made_up.measurement(SIZES)


def run(
    name: str = "a CPU", speed: float = 1.0, clock: float = 1.0, samples: int = 12, dirty: bool = False, **versions: str
) -> Run:
    """A run with every method so many times as fast beside the FMA loop; `clock` speeds up both.

    `versions` are the manifest's.
    """
    measurement = copy.deepcopy(_measurement())
    for s in measurement.samples:
        s.seconds = [seconds / (clock * speed) for seconds in s.seconds][:samples]
        s.cpu_seconds = list(s.seconds)
        s.rounds, s.calls = s.rounds[:samples], s.calls[:samples]
        s.steal_seconds, s.at, s.probe = s.steal_seconds[:samples], s.at[:samples], s.probe[:samples]
    for rates in msgspec.structs.astuple(measurement.readings):
        rates[:] = [clock * rate for rate in rates]
    manifest = made_up.manifest(git=Git(commit="0123456789abcdef", dirty=dirty))
    manifest.versions |= versions
    return replace(made_up.run(measurement, name), manifest=manifest)


def of_cpu(made: Run, cpu: str) -> Run:
    """The run as of another CPU, which is its name too."""
    manifest = copy.deepcopy(made.manifest)
    manifest.hardware.cpu = manifest.hardware.short_name = cpu
    return replace(made, name=cpu, manifest=manifest, results=msgspec.structs.replace(made.results, short_name=cpu))


def moved(spread: float, key: Key = ("matmul", 1024)) -> Repeat:
    """Two runs in which one cell moved by so much in GFLOPS, and by half of it in fraction of peak."""
    repeat = made_up.repeat(runs=2, busy=False)
    for i, one in enumerate(repeat.runs):
        one.cells = [msgspec.structs.replace(one.cells[0], method=key[0], n=key[1])]
        one.cells[0].gflops = 10 * (1 + i * spread)
        one.cells[0].peak_fraction.value = 0.1 * (1 + i * spread / 2)
    return repeat
