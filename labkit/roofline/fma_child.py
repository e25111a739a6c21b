"""A process that runs a loop for each byte on standard input: the FMA loop, or loads from DRAM.

`labkit.measure.core_probe` reads the core with it: the loop lives in registers and touches no cache, and the process
that asks stays free of LLVM. `labkit.roofline.cores` runs one on each core. An answer is two doubles, GFLOPS or GB/s by
wall time and by processor time; the first one, unasked, says that the loops are ready.
"""

import os
import struct
import sys

import numpy as np

from labkit.machine.process import run_on
from labkit.measure.clock import SystemClock
from labkit.measure.sampling import calibrate, time_calls
from labkit.roofline.codegen import host_target
from labkit.roofline.peak import widest
from labkit.roofline.probes import Streams, Windows

# Long enough that being woken costs nothing beside it, short beside a sample of 10 ms.
LOOP_SECONDS = 0.002
ANSWER = struct.Struct("dd")
FMA, LOADS = b"?", b"l"


def main(seconds: float = LOOP_SECONDS, cpu: int = -1, room: int = 0) -> None:
    """Serve until the asking process goes away. On this CPU alone if one is named; loads pass over `room` bytes."""
    if cpu >= 0:
        run_on({cpu})
    clock, target = SystemClock(), host_target()
    loops = {FMA: widest(target, clock, np.random.default_rng(0))}
    if room:
        windows = Windows(Streams.memory(room), room)
        loops[LOADS] = Streams(target).windowed("load", windows, "loads")
    for loop in loops.values():
        calibrate(loop, clock, seconds)
    answer = bytes(ANSWER.size)
    while True:
        try:
            os.write(sys.stdout.fileno(), answer)
        except BrokenPipeError:
            return
        if not (asked := os.read(sys.stdin.fileno(), 1)):
            return
        loop = loops[asked]
        wall, cpu_seconds = time_calls(loop.call, loop.calls, clock)
        done = loop.calls * (loop.flops or loop.bytes) / 1e9
        answer = ANSWER.pack(done / wall, done / (min(wall, cpu_seconds) if cpu_seconds > 0 else wall))


if __name__ == "__main__":
    main(*(kind(word) for kind, word in zip((float, int, int), sys.argv[1:], strict=False)))
