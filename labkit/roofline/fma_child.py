"""The child process of `labkit.measure.core_probe`: for each byte on standard input it runs the FMA loop for 2 ms.

The loop lives in registers: it touches no cache, and the process that asks stays free of LLVM. Each answer is two
doubles, the GFLOPS by wall time and by processor time; the first one, unasked, says that the loop is ready.
"""

import os
import struct
import sys

import numpy as np

from labkit.measure.clock import SystemClock
from labkit.measure.sampling import calibrate, time_calls
from labkit.roofline.codegen import host_target
from labkit.roofline.peak import widest

# Long enough that being woken costs nothing beside it, short beside a sample of 10 ms.
LOOP_SECONDS = 0.002
ANSWER = struct.Struct("dd")


def main() -> None:
    """Serve until the asking process goes away."""
    clock = SystemClock()
    loop = widest(host_target(), clock, np.random.default_rng(0))
    calibrate(loop, clock, LOOP_SECONDS)
    answer = bytes(ANSWER.size)
    while True:
        try:
            os.write(sys.stdout.fileno(), answer)
        except BrokenPipeError:
            return
        if not os.read(sys.stdin.fileno(), 1):
            return
        wall, cpu = time_calls(loop.call, loop.calls, clock)
        flops = loop.calls * loop.flops / 1e9
        answer = ANSWER.pack(flops / wall, flops / (min(wall, cpu) if cpu > 0 else wall))


if __name__ == "__main__":
    main()
