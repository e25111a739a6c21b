"""The generated product beside np.matmul and the FMA loop of the roofline, in permuted rounds, on one thread."""

import argparse
from functools import partial

import numpy as np

from labkit.errors import UserError
from labkit.gemm import matmul
from labkit.matmul.declare import parse_sizes
from labkit.measure.clock import SystemClock
from labkit.measure.sampling import Workload, aligned, calibrate, interleave
from labkit.roofline.codegen import host_target
from labkit.roofline.probes import peak_probe
from labkit.stats import paired_ratio

SEED = 42
# Two sizes that are no power of two stand for products as they come.
SIZES = (64, 128, 256, 512, 1000, 1024, 1025, 2048)
FEWEST_ROUNDS = 9


def run_command(arguments: argparse.Namespace) -> int:
    """`labkit gemm`: print medians of paired ratios for each N, the product over np.matmul, and both over the peak."""
    if arguments.rounds < FEWEST_ROUNDS:
        raise UserError(f"--rounds is {arguments.rounds}: at least {FEWEST_ROUNDS} are needed for an interval")
    sizes, clock, target = parse_sizes(arguments.sizes) if arguments.sizes else SIZES, SystemClock(), host_target()
    # Enough chains to hide the latency of any core, in registers that this one has.
    peak = peak_probe(target, target.lanes, target.registers * 3 // 4, target.fma, "peak")
    print(f"{'N':>6}  {'x np.matmul':>11}  {'95 % interval':>14}  fraction of peak  np.matmul's")
    for n in sizes:
        rng = np.random.default_rng(SEED)
        A, B, C = (aligned(n * n).reshape(n, n) for _ in "ABC")
        for X in (A, B):
            X[:] = rng.standard_normal(X.shape, dtype=np.float32)
        workloads = [
            Workload("labkit.gemm", n, partial(matmul, A, B, C), flops=2 * n**3),
            Workload("np.matmul", n, partial(np.matmul, A, B, out=C), flops=2 * n**3),
            peak,
        ]
        peak.samples.clear()
        for workload in workloads:
            workload.call()
            calibrate(workload, clock)
        interleave(workloads, arguments.rounds, rng, clock)
        # Samples of one round are a pair, whatever order the round had.
        ours, theirs, best = ([w.flops / s.seconds for s in w.samples] for w in workloads)
        ratio = paired_ratio(ours, theirs)
        interval = f"{ratio.low:.3f} to {ratio.high:.3f}"
        fractions = paired_ratio(ours, best).value, paired_ratio(theirs, best).value
        print(f"{n:>6}  {ratio.value:11.3f}  {interval:>14}  {fractions[0]:16.3f}  {fractions[1]:11.3f}", flush=True)
    return 0
