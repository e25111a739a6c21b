"""The command `labkit traffic`: simulate the plain loops, count what compiled products do, and record both."""

import argparse
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from labkit.gemm.blocks import choose_blocks
from labkit.gemm.tile import choose_tile
from labkit.ladder.rungs import uncut
from labkit.machine.caches import caches
from labkit.matmul.declare import parse_sizes
from labkit.records import find, io, provenance
from labkit.records.model import CacheShape, KernelTraffic, Roofline, Traffic
from labkit.roofline.codegen import host_target
from labkit.show.screen import Screen
from labkit.traffic import called, counters, maps, valgrind
from labkit.traffic.hierarchy import shapes
from labkit.traffic.streams import LOOPS, simulate, simulate_packed

COUNTERS_SAY = "lines fetched in warm calls, prefetches too; on AMD what L2 prefetched counts as L2's"
# What is simulated takes so long about; what runs under Valgrind is ended after so long.
SIMULATION_SECONDS, VALGRIND_SECONDS = 100.0, 360.0
# Valgrind computes multiply-adds one by one, and a large product takes a minute. Small ones hardly leave L1.
EXECUTED_SIZES = (256, 512, 1024)


def run(arguments: argparse.Namespace) -> int:
    """Measure and record; the exit status."""
    output: Path = arguments.output or find.experiment(find.ROOFLINE)
    sizes = parse_sizes(arguments.sizes)
    with io.locked(output):
        io.check_writable(output, Roofline)
        screen = Screen([])
        screen.start()
        try:
            record = measure(sizes, screen)
        finally:
            screen.stop()
        io.write_atomically(output / io.TRAFFIC, io.encode(record))
    for name, says in record.instruments.items():
        screen.say(f"{name}: {says}")
    for k in (k for k in record.kernels if k.n == max(sizes)):
        each = ", ".join(f"{level} {size / 1e6:.4g} MB" for level, size in k.bytes.items())
        screen.say(f"{k.kernel}, N = {k.n}, {k.state}: {each}")
    return 0


def measure(sizes: Sequence[int], screen: Screen) -> Traffic:
    """The record, by all instruments that this machine has."""
    began, observed = time.monotonic(), provenance.observe()
    levels, notes = shapes()
    tile, names = choose_tile(host_target()), [f"L{cache.level}" for cache in levels]
    blocks, line = choose_blocks(tile, caches()[0]), levels[0].line_bytes
    kernels: list[KernelTraffic] = []
    simulated = {name: partial(simulate, name) for name in LOOPS}
    for name, of in (("register tile", uncut(tile)), ("packed", blocks)):
        simulated[name] = partial(simulate_packed, tile=tile, blocks=of)
    cells = [(name, n) for n in sizes for name in simulated]
    for at, (name, n) in enumerate(cells):
        done = SIMULATION_SECONDS * at / len(cells)
        screen.update(f"{name} at N = {n}, simulated", done, SIMULATION_SECONDS + VALGRIND_SECONDS - done)
        lines, portion = simulated[name](n, levels)
        cell = partial(KernelTraffic, kernel=name, n=n, instrument="simulation", flops=2 * n**3, portion=portion)
        for state, (fetched, written) in zip(called.STATES, line * lines.transpose(0, 2, 1), strict=True):
            moved, back = (dict(zip(names, column.tolist(), strict=True)) for column in (fetched, written))
            kernels.append(cell(state=state, bytes=moved, write_back_bytes=back))

    def progress(portion: float, now: str) -> None:
        left = (1 - portion) * VALGRIND_SECONDS
        screen.update(now, SIMULATION_SECONDS + VALGRIND_SECONDS - left, left)

    executed = [n for n in sizes if n in EXECUTED_SIZES] or sizes
    found, valgrind_says = valgrind.measure(executed, levels, VALGRIND_SECONDS, progress)
    counted = by_counters(sizes, levels)
    return Traffic(
        schema="traffic/1",
        short_name=observed.hardware.short_name,
        machine=observed.identity,
        caches=levels,
        notes=notes,
        instruments={
            "counters": COUNTERS_SAY if counted else "not available here",
            "valgrind": valgrind_says,
            "simulation": "lines fetched and written back by plain loops, from the addresses that they touch",
        },
        tile=[tile.mr, tile.nr],
        blocks=[blocks.kc, blocks.nc],
        seconds=round(time.monotonic() - began, 1),
        kernels=[*counted, *found, *kernels],
        maps=maps.maps(),
        map_caches=maps.CACHES,
    )


def by_counters(sizes: Sequence[int], levels: Sequence[CacheShape]) -> list[KernelTraffic]:
    """Warm calls of compiled products by the processor's counters: nothing unless these tell of every level."""
    names, found = [f"L{cache.level}" for cache in levels], []
    if set(names) <= set(counters.count(lambda: None)):
        for name, n, _ in called.order(sizes):
            call = partial(called.PRODUCTS[name], *called.operands(n))
            call()
            counts = counters.count(call)
            moved = {level: cache.line_bytes * counts.get(level, 0) for level, cache in zip(names, levels, strict=True)}
            cell = partial(KernelTraffic, kernel=name, n=n, instrument="counters", flops=2 * n**3)
            found.append(cell(state="warm", bytes=moved, counts=counts))
    return found
