"""Several cores at once: the FMA loop and loads from DRAM on 1, 2, 4 .. all of them, each in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Self

from labkit.errors import UserError
from labkit.machine import limits
from labkit.machine.cpus import CPUS, allowed_cpus
from labkit.machine.hardware import Hardware
from labkit.machine.system import ROOT, text
from labkit.measure.sampling import rounded
from labkit.records.model import SeveralCores
from labkit.roofline import bandwidth
from labkit.roofline.fma_child import ANSWER, FMA, LOADS

# A turn of a loop: long beside the microseconds by which its processes begin one after the other.
LOOP_SECONDS = 0.02
ROUNDS = 9
DIGITS = 5


def usable_cpus() -> list[int]:
    """A CPU of each core that this process may use, as many as its quota of CPU time allows."""
    cores: dict[str, int] = {}
    for cpu in sorted(allowed_cpus()):
        siblings = text(ROOT / CPUS / f"cpu{cpu}/topology/thread_siblings_list") or str(cpu)
        cores.setdefault(siblings, cpu)
    quota = limits.cpu_quota()
    return list(cores.values())[: None if quota is None else max(1, int(quota))]


def counts(cores: int) -> list[int]:
    """1, 2, 4 .. and all."""
    return sorted({*(1 << k for k in range(cores.bit_length())), cores})


class Loops:
    """A process on each of these CPUs that runs a loop when asked. With `room`, bytes each, also loads from DRAM."""

    def __init__(self, cpus: Sequence[int], room: int = 0) -> None:
        self._children = [
            subprocess.Popen(
                [sys.executable, "-P", "-m", "labkit.roofline.fma_child", str(LOOP_SECONDS), str(cpu), str(room)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                start_new_session=True,  # the terminal's Ctrl-C is this process's to take
            )
            for cpu in cpus
        ]

    def __enter__(self) -> Self:
        self._answers(len(self._children))  # each is ready
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children:
            child.kill()
            child.communicate()

    def rate(self, what: bytes = FMA, count: int | None = None) -> float:
        """GFLOPS, or GB/s of loads, of the first so many together, each by wall time."""
        count = len(self._children) if count is None else count
        for child in self._children[:count]:
            child.stdin.write(what)  # type: ignore[union-attr]
        return rounded(sum(self._answers(count)), DIGITS)

    def _answers(self, count: int) -> list[float]:
        found = [os.read(child.stdout.fileno(), ANSWER.size) for child in self._children[:count]]  # type: ignore[union-attr]
        if any(len(answer) < ANSWER.size for answer in found):
            raise UserError("a process that runs a loop beside others ended: is there memory for one on each core?")
        return [float(ANSWER.unpack(answer)[0]) for answer in found]


def measure(hardware: Hardware, cpus: Sequence[int]) -> list[SeveralCores]:
    """Peak and bandwidth over the number of cores; nothing where there is one alone. A UserError if a loop ends."""
    if len(cpus) < 2:
        return []
    allowed = bandwidth.memory_allowed(limits.memory_limit(), limits.memory_available())
    room = min(bandwidth.dram_bytes(hardware.caches, allowed), allowed // len(cpus))
    found = [SeveralCores(cores=count, gflops=[], gbs=[]) for count in counts(len(cpus))]
    with Loops(cpus, room) as loops:
        for _ in range(ROUNDS):
            for several in found:
                several.gflops.append(loops.rate(FMA, several.cores))
                several.gbs.append(loops.rate(LOADS, several.cores))
    return found
