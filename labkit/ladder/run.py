"""The command `labkit ladder`: every rung at every size, by the benchmark's own protocol, and the record of it."""

import argparse
import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from labkit.errors import INTERRUPTED
from labkit.gemm.tile import choose_tile
from labkit.ladder import all_cores, exercise, instructions, own, rivals
from labkit.ladder.apart import Apart
from labkit.ladder.derive import derive
from labkit.ladder.rungs import Rung, all_rungs, rungs_of_other_blocks
from labkit.machine import threads
from labkit.matmul import source
from labkit.matmul.agreement import check_agreement
from labkit.matmul.declare import COMPILED_SAMPLES, parse_sizes
from labkit.measure import journal, sampling
from labkit.measure.clock import SystemClock
from labkit.measure.core_probe import CoreProbe, readings_of
from labkit.measure.runner import Job, Runner
from labkit.measure.schedule import Key, Requirement
from labkit.records import find, io, provenance
from labkit.records.model import Ladder, LadderMeasurement, LadderRung, Rate
from labkit.roofline.codegen import host_target
from labkit.roofline.cores import usable_cpus
from labkit.roofline.obtain import obtain
from labkit.show import numbers, text
from labkit.show.screen import Screen

PILOT_N = 32
# Samples of each rung: so many that on a shared core some of them are alone.
REQUIREMENT = Requirement(samples=COMPILED_SAMPLES)


def run(arguments: argparse.Namespace) -> int:
    """Measure every rung at every size, or draw again; the exit status."""
    if arguments.start:
        exercise.begin(arguments.start)
        return 0
    output: Path = arguments.output or find.experiment(find.LADDER)
    with io.locked(output), contextlib.ExitStack() as ends:  # other processes end, however this does
        if arguments.redraw:
            print(f"Drawn again: {', '.join(_draw(output))}")
            return 0
        sizes = parse_sizes(arguments.sizes)
        io.check_writable(output, Ladder)
        threads.check_effective_threads()
        screen = Screen(["rung", *map(str, sizes)])
        try:
            mine = own.accepted(own.specs(arguments.mine), ends)
            _measure(output, sizes, mine, arguments.fresh, screen, ends)
        except KeyboardInterrupt:
            screen.say("Stopped: the same command resumes.")
            return INTERRUPTED
    return 0


def _draw(output: Path) -> list[str]:
    from labkit.show import artifacts  # after measuring: it loads what draws

    return artifacts.redraw(output)


def _measure(
    output: Path, sizes: tuple[int, ...], mine: Sequence[Apart], fresh: bool, screen: Screen, ends: contextlib.ExitStack
) -> None:
    """Measure, resuming an unfinished run of the same code on this machine; record and draw."""
    clock = SystemClock()
    started, observed = clock.wall(), provenance.observe()
    hardware, machine = observed.hardware, observed.identity
    screen.say(f"Compiling the rungs for {hardware.short_name}.")
    script = find.experiment(find.BENCH) / "bench.py"
    bench = source.load(script)
    rungs = all_rungs(bench.matmul_naive, bench.matmul_blocked, bench.BLOCK_SIZE) + rungs_of_other_blocks()
    agreement = check_agreement({rung.name: rung.multiply for rung in rungs}, bench.make_operands, bench.SEED)
    limits = obtain(machine, output, screen.say)
    others, left_out = rivals.start()
    on_all = all_cores.start(cpus := usable_cpus())
    for apart in (*others, *on_all):
        ends.callback(apart.close)
    others = [*mine, *others]
    path = io.state_folder(output) / "samples.jsonl"
    if fresh:
        journal.forget(path)
    facts = {"machine": repr(machine), "python": provenance.versions()["python"], "sizes": sizes}
    facts |= {
        "others": [apart.rung for apart in others],
        "mine": [io.digest(Path(apart.spec.place).read_bytes()) for apart in mine],
    }
    log = journal.Journal(path, journal.fingerprint(script, facts))
    if log.stale:
        screen.say("An unfinished run was made by other code or on another machine: starting over.")
    pilots = {}
    for rung in rungs:  # what a small product takes, to price the large ones
        A, B = bench.make_operands(PILOT_N)
        call = rung.prepare(A, B, np.empty_like(A))
        call()
        pilots[rung.name] = PILOT_N, sampling.time_calls(call, 1, clock)[0]
    for apart in others:
        pilots[apart.spec.name] = PILOT_N, sampling.warm_up(apart.workload(PILOT_N), clock)
    probe = CoreProbe(clock)
    for apart in others:
        apart.follow()
    jobs = list(_jobs(rungs, others, sizes, bench.make_operands))
    runner = Runner(jobs, log, clock, screen, partial(_show, screen, set()), started, bench.SEED, pilots, probe)
    if runner.taken:
        screen.say(f"Resuming an unfinished run: {runner.taken} samples are already measured.")
    screen.start()
    try:
        # All in one pass: neighbours are compared by the rounds that they share.
        runner.first_pass(everything=True)
    finally:
        screen.stop()
        probe.close()
        log.close()
    if on_all:
        screen.say(f"Timing np.matmul on {len(cpus)} cores.")
    on_several = all_cores.measure(on_all, cpus, max(sizes))
    if instructions.possible():
        screen.say("Counting instructions under Valgrind, about two minutes.")
    tile = choose_tile(host_target())
    measurement = LadderMeasurement(
        schema="ladder/2",
        short_name=hardware.short_name,
        cpus=hardware.cores.logical,
        n=max(sizes),
        sizes=list(sizes),
        tile=[tile.mr, tile.nr],
        agreement=agreement,
        rungs=[*msgspec.convert(rungs, list[LadderRung], from_attributes=True), *(apart.rung for apart in others)],
        limits=limits,
        wall_seconds=runner.wall_seconds,
        samples=[job.workload.series() for job in jobs],
        readings=readings_of(runner.readings),
        all_cores=on_several,
        instructions=instructions.measure(),
        left_out=left_out,
    )
    ladder = derive(measurement)
    config = {"sizes": list(sizes), "rungs": [rung.name for rung in measurement.rungs]}
    manifest = provenance.manifest(find.LADDER, bench.SEED, config, observed)
    record = io.encode(ladder)
    manifest.outputs = {io.RESULTS: io.digest(record)}
    io.write_all(output, {io.RESULTS: record, io.MANIFEST: io.encode(manifest)})
    _draw(output)
    log.finish()
    for line in text.ladder_summary(ladder):
        screen.say(line)


def _jobs(rungs: Sequence[Rung], others: Sequence[Apart], sizes: Sequence[int], make_operands: Any) -> Iterator[Job]:
    arena = sampling.Arena(3 * len(sizes), sum(3 * n * n for n in sizes))
    for n in sizes:
        A, B, out = (arena.square(n, which) for which in range(3))
        A[:], B[:] = make_operands(n)
        for rung in rungs:
            rows, columns = rung.part(n)
            call = rung.prepare(A[:rows], B[:, :columns], out[:rows, :columns])
            workload = sampling.Workload(rung.name, n, call, flops=2 * rows * columns * n)
            # One family: what takes long stands side by side in time, each with all others.
            yield Job(workload, REQUIREMENT, f"{rung.title} at N = {n}", "rungs")
        for apart in others:
            yield Job(apart.workload(n), REQUIREMENT, f"{apart.spec.title} at N = {n}", "rungs")


def _show(screen: Screen, shown: set[Key], runner: Runner) -> None:
    """Fill in the cells that have just been measured."""
    for key, job in runner.jobs.items():
        name, n = key
        if job.measured and key not in shown:
            shown.add(key)
            rate = Rate.of(job.workload.series().rates)
            median, of = numbers.flops(rate.median), numbers.flops_interval(rate.low, rate.high)
            screen.cell(name, str(n), median.removesuffix("LOPS"), f"{name:>18} N = {n:<5} {median:>12} ({of})")
