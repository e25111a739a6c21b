"""The generated product beside np.matmul in permuted rounds, on one thread, with the core read beside each sample."""

import argparse
from functools import partial

import numpy as np

from labkit.contention import core_state
from labkit.errors import UserError
from labkit.gemm import matmul
from labkit.matmul.declare import parse_sizes
from labkit.measure.clock import Clock, SystemClock
from labkit.measure.core_probe import CoreProbe, Probe, readings_of
from labkit.measure.sampling import Workload, calibrate, interleave
from labkit.records.derive import alone, quotient
from labkit.traffic.called import SEED, operands

# Two sizes that are no power of two stand for products as they come.
SIZES = (64, 128, 256, 512, 1000, 1024, 1025, 2048)
FEWEST_ROUNDS = 9


def run_command(arguments: argparse.Namespace) -> int:
    """`labkit gemm`: for each N the product over np.matmul, and both over the FMA rate beside them, on a core alone."""
    if arguments.rounds < FEWEST_ROUNDS:
        raise UserError(f"--rounds is {arguments.rounds}: at least {FEWEST_ROUNDS} are needed for an interval")
    sizes, clock = parse_sizes(arguments.sizes) if arguments.sizes else SIZES, SystemClock()
    probe = CoreProbe(clock)
    print(f"{'N':>6}  {'x np.matmul':>11}  {'95 % interval':>14}  {'uncontended':>11}  fraction of peak  np.matmul's")
    try:
        for n in sizes:
            print(_line(n, arguments.rounds, clock, probe), flush=True)
    finally:
        probe.close()
    return 0


def _line(n: int, rounds: int, clock: Clock, probe: Probe) -> str:
    A, B, C = operands(n)
    workloads = [
        Workload("labkit.gemm", n, partial(matmul, A, B, C), flops=2 * n**3),
        Workload("np.matmul", n, partial(np.matmul, A, B, out=C), flops=2 * n**3),
    ]
    for workload in workloads:
        workload.call()
        calibrate(workload, clock)
    probe.readings.clear()
    interleave(workloads, rounds, np.random.default_rng(SEED), clock, probe)
    readings = readings_of(probe.readings)
    core = core_state(readings.fma_gflops, readings.l1_gbs, readings.l2_gbs)
    (our_part, ours), (their_part, theirs) = (alone(w.series(), core) for w in workloads)
    ratio = quotient(ours, theirs)
    interval = f"{ratio.low:.3f} to {ratio.high:.3f}"
    fine = f"{ratio.pairs} of {rounds}"
    parts = f"{our_part.value:16.3f}  {their_part.value:11.3f}"
    return f"{n:>6}  {ratio.value:11.3f}  {interval:>14}  {fine:>11}  {parts}"
