"""The same products with different numbers of threads, each in a process of its own, 20 ms each in turns.

The best of many turns is what the machine gives while it is free: other programs may hide a gain, but make none.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Timer
from time import monotonic

from labkit.doctor import probe
from labkit.machine.system import ROOT, cpu_ticks, text

SMALL = 100  # N: some 20 us, which threads can only slow down
LARGE = (256, 512)  # some 0.4 and 3 ms: short enough to fall into a moment in which all CPUs are free
TURN_SECONDS = 0.02
TURNS = 20
STARTS_SECONDS = 2.0  # for the processes to start on a busy machine


@dataclass
class Setting:
    """What a process is started with: its variables, and the CPUs that it may run on (None: those of this one)."""

    environment: Mapping[str, str]
    cpus: frozenset[int] | None = None


@contextlib.contextmanager
def on_cpus(cpus: frozenset[int] | None) -> Iterator[None]:
    """This process on these CPUs meanwhile, and so what it starts."""
    move, before = getattr(os, "sched_setaffinity", None), getattr(os, "sched_getaffinity", lambda pid: None)(0)
    if not move or not cpus:
        yield
        return
    with contextlib.suppress(OSError):  # a sandbox may forbid it
        move(0, cpus)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            move(0, before)


def take_turns(
    settings: Sequence[Setting], python: str = sys.executable, most: float = 6.0
) -> tuple[list[dict[int, list[float]]], float | None]:
    """(by setting {N: seconds a call, one figure a turn}, how many CPUs other programs used), within `most` seconds.

    The former is empty where a process does not answer, the latter None where the system does not tell.
    """
    processes: list[subprocess.Popen[str]] = []
    found: list[dict[int, list[float]]] = [{} for _ in settings]
    started, ticks = monotonic(), _used()
    ends = started + most
    timer = Timer(most + STARTS_SECONDS, _kill, [processes])  # one that hangs is not waited for
    try:
        timer.start()
        for setting in settings:
            with on_cpus(setting.cpus):
                processes.append(
                    subprocess.Popen(
                        probe.command_of([("turns",)], python),
                        env=dict(setting.environment),
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.DEVNULL,
                        text=True,
                    )
                )
        for _ in range(TURNS):
            for n in (SMALL, *LARGE):
                for process, mine in zip(processes, found):
                    seconds = _turn(process, n)
                    mine.setdefault(n, []).append(seconds)
            if monotonic() > ends:
                break
    except (OSError, ValueError, RuntimeError):  # one has ended, or a limit allows no more of them: what there is stays
        pass
    finally:
        timer.cancel()
        _kill(processes)
        for process in processes:
            process.communicate()
    wall, now = monotonic() - started, _used()
    return found, None if ticks is None or now is None else max(0.0, now - ticks) / wall


def _kill(processes: Sequence[subprocess.Popen[str]]) -> None:
    for process in processes:
        process.kill()


def _used() -> float | None:
    """Seconds of CPU time that other processes than this one and those it has ended have used; None if unknown."""
    ticks = cpu_ticks(text(ROOT / "proc/stat") or "")
    if not ticks:
        return None
    user, nice, system, _, _, irq, softirq, _ = ticks
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK") - sum(os.times()[:4])


def _turn(process: subprocess.Popen[str], n: int) -> float:
    """Seconds a call in one turn of a process; a ValueError or OSError if it does not answer."""
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps([n, TURN_SECONDS]) + "\n")
    process.stdin.flush()
    for line in process.stdout:
        told = probe.Ran(line, "").answers.get("turn")
        if told:
            return probe.positive(told)
    raise ValueError("it has ended")
