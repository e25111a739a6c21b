"""Was it measured as the lab asks: sizes, methods, repetitions, seconds, warm-up, threads, power?"""

import math
from collections.abc import Iterator

from labkit import statistics
from labkit.forensics import SECOND_THREAD_ABOVE
from labkit.physics import LEAST_RESOLUTIONS
from labkit.verify import requirements as lab
from labkit.verify.files import status
from labkit.verify.outcome import Check, met, not_met, of_faults, unknown
from labkit.verify.shapes import Cell, Results
from labkit.verify.submission import Submission

# What a cell's repetitions add up to may differ from its total by rounding ...
_ROUNDING = 1e-6
# ... and be more, where repetitions before and after a resumption hold different numbers of calls.
_LEAST_OF_TOTAL = 0.5
# What a manifest may call the mains.
_MAINS = ("ac", "ac power", "mains", "plugged in", "adapter", "ac adapter")
_NAMES = ("inputs", "sizes", "methods", "repetitions", "seconds", "warm-up")


def checks(given: Submission) -> Iterator[Check]:
    """Protocol, then threads, then power."""
    yield status(given)
    if given.results is None:
        yield from (unknown(name, "results.json cannot be read") for name in _NAMES)
    else:
        yield from _of_results(given.results)
    yield _thread_variables(given)
    yield _effective_threads(given)
    yield _power(given)


def _of_results(results: Results) -> Iterator[Check]:
    protocol = results.protocol
    faults = []
    if protocol.seed != lab.SEED:
        faults.append(f"the seed is {protocol.seed}, not {lab.SEED}")
    if protocol.dtype != lab.DTYPE:
        faults.append(f"the dtype is {protocol.dtype}, not {lab.DTYPE}")
    yield of_faults("inputs", faults, f"seed {lab.SEED}, {lab.DTYPE}, as recorded")
    missing = [n for n in lab.SIZES if n not in protocol.sizes]
    faults = [f"N = {', '.join(map(str, missing))} of the lab's sizes was not asked for"] if missing else []
    faults += [
        f"{method} has no cell at N={n}"
        for method in dict.fromkeys((*lab.METHODS, *protocol.methods))
        for n in lab.SIZES
        if n in protocol.sizes and method in protocol.methods and results.cell(method, n) is None
    ]
    seen = {cell.n for cell in results.cells}
    faults += [f"N={n} was asked for, and has no cell" for n in protocol.sizes if n not in seen]
    yield of_faults("sizes", faults, f"each method has a cell at N = {', '.join(map(str, lab.SIZES))}")
    missing_methods = [method for method in lab.METHODS if method not in protocol.methods]
    faults = [f"{method} was not measured" for method in missing_methods]
    if protocol.block_size != lab.BLOCK_SIZE:
        faults.append(f"blocked was measured with blocks of {protocol.block_size}, not of {lab.BLOCK_SIZE}")
    yield of_faults("methods", faults, f"{', '.join(lab.METHODS)} are there")
    resolution = protocol.clock_resolution_seconds
    faults = [fault for cell in results.measured for fault in _repetition_faults(cell, resolution)]
    if resolution is not None and not resolution > 0:
        faults.append(f"the clock's resolution is recorded as {resolution:g} s")
    if protocol.min_repetitions < lab.MIN_REPETITIONS:
        faults.append(
            f"the protocol asks for {protocol.min_repetitions} repetitions, the lab for {lab.MIN_REPETITIONS}"
        )
    yield of_faults("repetitions", faults, f"at least {lab.MIN_REPETITIONS} of each cell, or as the lab allows")
    faults = [fault for cell in results.measured for fault in _seconds_faults(cell)]
    if protocol.min_seconds < lab.MIN_SECONDS:
        faults.append(f"the protocol asks for {protocol.min_seconds:g} s a cell, the lab for {lab.MIN_SECONDS:g} s")
    yield of_faults("seconds", faults, f"at least {lab.MIN_SECONDS:g} s a cell, or as the lab allows")
    if protocol.warmup_calls < lab.WARMUP_CALLS:
        yield not_met("warm-up", "no untimed call before the measurement: the first one pays for the BLAS's setup")
    else:
        yield met("warm-up", f"untimed calls before each cell: {protocol.warmup_calls}")


def _repetition_faults(cell: Cell, resolution: float | None) -> Iterator[str]:
    many = len(cell.seconds_per_call)
    if not many:
        yield f"{cell.name} has no repetitions, and is not marked as extrapolated"
        return
    if any(not (s > 0 and math.isfinite(s)) for s in cell.seconds_per_call):
        yield f"{cell.name} has a time that is not positive"
        return
    if any(not ratio > 0 for ratio in cell.cpu_over_wall):
        yield f"{cell.name} has a repetition that took no processor time"
    if many < lab.MIN_REPETITIONS and lab.needs_all_repetitions(cell.method, cell.n):
        yield f"{cell.name} has {many} of the {lab.MIN_REPETITIONS} repetitions"
    for said, values in _of_each_repetition(cell).items():
        if values is not None and len(values) != many:
            yield f"{cell.name} has {many} repetitions, but {len(values)} entries in {said}"
    if cell.rounds is not None and min(cell.rounds, default=0) < 0:
        yield f"{cell.name} has a repetition of a round below 0"
    if any(gbs is not None and not gbs > 0 for gbs in cell.sentinel_gbs or []):
        yield f"{cell.name} has a sentinel beside it that does not move"
    if cell.rounds is not None and len(set(cell.rounds)) < len(cell.rounds):
        yield f"{cell.name} has two repetitions of the same round: one is a copy"
    if many >= lab.MIN_REPETITIONS and len(set(cell.seconds_per_call)) == 1:
        yield f"{cell.name}: its {many} repetitions took the very same time, which no clock shows"
    if resolution and min(cell.seconds_per_call) * cell.calls_per_repetition < LEAST_RESOLUTIONS * resolution:
        yield f"{cell.name}: a repetition is shorter than {LEAST_RESOLUTIONS} ticks of the clock"


def _of_each_repetition(
    cell: Cell,
) -> dict[str, list[float] | list[int] | list[float | None] | list[str | None] | None]:
    return {
        "cpu_over_wall": cell.cpu_over_wall,
        "rounds": cell.rounds,
        "voluntary_switches": cell.voluntary_switches,
        "involuntary_switches": cell.involuntary_switches,
        "steal_seconds": cell.steal_seconds,
        "sentinel_gbs": cell.sentinel_gbs,
        "marks": cell.marks,
    }


def _seconds_faults(cell: Cell) -> Iterator[str]:
    total = cell.calls_per_repetition * sum(cell.seconds_per_call)
    if lab.needs_all_repetitions(cell.method, cell.n) and cell.total_seconds < lab.MIN_SECONDS * (1 - _ROUNDING):
        yield f"{cell.name} was measured for {cell.total_seconds:.3g} s, not for {lab.MIN_SECONDS:g} s"
    if cell.calls_per_repetition < 1:
        yield f"{cell.name}: {cell.calls_per_repetition} calls a repetition"
    elif not _LEAST_OF_TOTAL * total <= cell.total_seconds <= total * (1 + _ROUNDING):
        yield (
            f"{cell.name}: its repetitions add up to {total:.6g} s, its total says {cell.total_seconds:.6g} s: "
            "a repetition was dropped, added or changed"
        )


def _thread_variables(given: Submission) -> Check:
    name = "thread variables"
    if given.manifest is None:
        return unknown(name, "manifest.json cannot be read")
    said = {one: given.manifest.threads.get(one) for one in lab.THREAD_VARIABLES}
    faults = [
        f"{one} was {'not set' if value is None else repr(value)}: set it to 1 before Python starts"
        for one, value in said.items()
        if value != "1"
    ]
    return of_faults(name, faults, f"{', '.join(lab.THREAD_VARIABLES)} were 1")


def _effective_threads(given: Submission) -> Check:
    name = "effective threads"
    faults = []
    if given.results:
        busy = {c.name: statistics.median(c.cpu_over_wall) for c in given.results.measured if c.cpu_over_wall}
        faults = [
            f"{cell} took {ratio:.2f} times its wall time of the processor: more than one thread ran"
            for cell, ratio in busy.items()
            if ratio > SECOND_THREAD_ABOVE
        ]
    threads = given.manifest.blas.threads if given.manifest else None
    if threads is not None and threads != 1:
        faults.append(f"the BLAS said that it uses {threads} threads")
    if faults or (threads == 1 and given.results):
        return of_faults(name, faults, "the BLAS used one thread, and no cell took more processor time than wall time")
    if given.results and given.results.measured and all(c.cpu_over_wall for c in given.results.measured):
        return met(name, "no cell took more processor time than wall time; the BLAS does not tell its threads")
    return unknown(name, "neither the BLAS's threads nor processor times are recorded")


def _power(given: Submission) -> Check:
    name = "governor and power"
    if given.manifest is None:
        return unknown(name, "manifest.json cannot be read")
    hardware = given.manifest.hardware
    faults = []
    if hardware.governor not in (None, "performance"):
        faults.append(
            f"the clock governor was {hardware.governor}: `sudo cpupower frequency-set --governor performance`"
        )
    if (hardware.power or "").lower() in ("battery", "discharging"):
        faults.append("the machine ran on its battery: plug in the charger, and measure again")
    if faults:
        return of_faults(name, faults, "")
    if hardware.power is not None and hardware.power.lower() not in _MAINS:
        return unknown(name, f"power is said to be {hardware.power!r}: whether that is the mains is not known")
    untold = [one for one, value in (("governor", hardware.governor), ("power", hardware.power)) if value is None]
    if untold:
        return unknown(name, "; ".join(f"{one}: {hardware.reasons.get(one, 'not said')}" for one in untold))
    return met(name, f"governor {hardware.governor}, power: {hardware.power}")
