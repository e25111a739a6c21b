"""Who else uses the core, and what that costs. Runs in the examined Python.

Another tenant of the same physical core takes load ports and the first cache. So a dot product in the first level falls
to six tenths of its speed, and square roots, which wait for one divider, to nine tenths: their ratio shows it. Nothing
that a guest can read does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from labkit.contention import core_state
from labkit.machine.cpus import stay_on_one

ROOTS = 4096  # fp64: the call's own overhead is a twentieth of their time, and they stay in the first two levels
DOT_BYTES = (16 << 10, 256 << 10)  # of two vectors together: in the first level, and in the second
READING_SECONDS, TRIES = 0.0002, 3  # a reading is the best of three
WORK_SECONDS = 0.003
# The fewest readings in either state from which its cost is told.
FEWEST = 8
# Square roots are slowed too at times, so the ratio's best is 6 % above that of a core alone; shared it is 0.6 of it.
LEAST_DROP = 0.2


def _calls(call: Callable[[], object], seconds: float) -> int:
    """How many calls take about so long."""
    call()
    started, count = time.perf_counter(), 0
    while count < 3 or time.perf_counter() - started < seconds:
        call()
        count += 1
    return max(1, round(count * seconds / (time.perf_counter() - started)))


def _rate(call: Callable[[], object], calls: int) -> float:
    """Calls a second of processor time."""
    started = time.perf_counter(), time.process_time()
    for _ in range(calls):
        call()
    wall, used = time.perf_counter() - started[0], time.process_time() - started[1]
    return calls / max(min(wall, used) if used > 0 else wall, 1e-9)


def _interpreter() -> int:
    total = 0
    for i in range(2000):
        total += i * i
    return total


def watch(seconds: float, every: float) -> Iterator[dict[str, Any]]:
    """After each `every` seconds {"seconds", "readings", "contended": the portion, "now": that of the last ones,
    "speeds": by what ran, in contended readings over the others; only what is known}.
    """
    stay_on_one()
    draw = np.random.default_rng(42)
    x = draw.random(ROOTS)
    y = np.empty_like(x)
    dots = []
    for size in DOT_BYTES:
        u, v = draw.random((2, size // 8)).astype(np.float32)
        dots.append(lambda u=u, v=v: np.dot(u, v))
    a, b = draw.random((2, 256, 256), dtype=np.float32)
    c = np.empty_like(a)
    probes = [lambda: np.sqrt(x, out=y), *dots]
    work: dict[str, Callable[[], object]] = {
        "Python": _interpreter,
        "einsum": lambda: np.einsum("ik,kj->ij", a[:64, :64], b[:64, :64], out=c[:64, :64]),
        "np.matmul": lambda: np.matmul(a, b, out=c),
    }
    counts = [_calls(probe, READING_SECONDS) for probe in probes]
    loads = {name: _calls(call, WORK_SECONDS) for name, call in work.items()}
    readings: list[list[float]] = []
    samples: list[tuple[str, int, float]] = []
    started = said = time.perf_counter()
    names = list(work)
    while time.perf_counter() - started < seconds:
        readings.append(_reading(probes, counts))
        name = names[len(readings) % len(names)]
        samples.append((name, len(readings) - 1, _rate(work[name], loads[name])))
        if time.perf_counter() - said >= every:
            said = time.perf_counter()
            readings.append(_reading(probes, counts))
            yield _reduced(said - started, readings, samples)
    readings.append(_reading(probes, counts))
    yield _reduced(time.perf_counter() - started, readings, samples)


def _reading(probes: Sequence[Callable[[], object]], counts: list[int]) -> list[float]:
    found = []
    for probe, count in zip(probes, counts):
        probe()  # what ran before has driven it out of its cache
        found.append(max(_rate(probe, count) for _ in range(TRIES)))  # an interrupt is no tenant
    return found


def _reduced(seconds: float, readings: list[list[float]], samples: list[tuple[str, int, float]]) -> dict[str, Any]:
    """What the readings say so far."""
    roots, l1, l2 = np.array(readings).T
    state = core_state(roots, l1, l2, within=LEAST_DROP)
    speeds = {}
    for name in dict.fromkeys(name for name, _, _ in samples):
        mine = [(state.alone[i], state.alone[i + 1], rate) for name_, i, rate in samples if name_ == name]
        alone = [rate for before, after, rate in mine if before and after]
        shared = [rate for before, after, rate in mine if not before and not after]
        if min(len(alone), len(shared)) >= FEWEST:
            speeds[name] = round(float(np.median(shared) / np.median(alone)), 3)
    now = state.alone[-max(5, len(readings) // 20) :]
    told = {"seconds": round(seconds, 1), "readings": len(readings), "contended": round(state.contended, 3)}
    return {**told, "now": round(1.0 - float(now.mean()), 3), "speeds": speeds}
