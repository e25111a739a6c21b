"""The loops as workloads: compiled and checked, their operands allocated, their flops and bytes counted."""

import ctypes
import math
from functools import partial
from itertools import cycle
from typing import Any

from labkit.errors import UserError
from labkit.measure.sampling import PAGE_BYTES, Floats, Workload, aligned
from labkit.roofline.codegen import Target, compile_ir, emit_assembly, loop_faults
from labkit.roofline.loops import STREAM_UNROLL, UNROLL, peak_ir, stream_ir
from labkit.roofline.model import LOADS_STORES, Pattern

# m = 0.9999 and c = 1e-4 have their fixed point at 1: accumulators stay finite and normal for ever.
# Through the addend, or by adding alone, they grow until a step no longer changes them, at 2048.
MULTIPLIER, ADDEND = 0.9999, 1e-4
# Instructions of a call: some 0.2 ms, so that entering through ctypes (about 1 us) counts for less than 1 %.
PEAK_STEPS = 1_000_000
# Dependent additions in one trip of the clock's loop: enough that the loop's own branch costs nothing.
CLOCK_ADDS = 64
# The arrays of a stream start at different places in their pages, lest stores alias with later loads.
STREAM_OFFSETS = (0, 1344, 2688)  # bytes
# Beyond the working set itself: each array begins on a page of its own, and a little way in.
SPARE_BYTES = 4 * PAGE_BYTES
# A call of a streaming loop over a small set moves about this much, in as many passes as that takes.
STREAM_BYTES_PER_CALL = 4 << 20
# What a call passes over in DRAM at most; the next call goes on behind it.
WINDOW_BYTES = 8 << 20


def _compiled(ir: str, target: Target, numbers: int, pointers: int, name: str) -> Any:
    """The loop as a function of so many integers and pointers. A UserError if it is spilled."""
    if faults := loop_faults(emit_assembly(ir, target)):
        raise UserError(f"the {name} probe was compiled to something else: {'; '.join(faults)}")
    return compile_ir(ir, [ctypes.c_int64] * numbers + [ctypes.c_void_p] * pointers)


def _pointer(array: Floats) -> ctypes.c_void_p:
    """Its address, which keeps it alive."""
    return array.ctypes.data_as(ctypes.c_void_p)


# --- arithmetic -------------------------------------------------------------------------------------


def peak_probe(
    target: Target, lanes: int, chains: int, fma: bool, name: str, adds: int = 0, ticks: int = 0
) -> Workload:
    """Chains of multiply-adds (multiply and add where `fma` is false) and `adds` chains that only add.

    With `ticks` it is a clock instead: its "flops" are the dependent integer additions that run beside the chains.
    A UserError if registers go to the stack or instructions are replaced by calls.
    """
    data = aligned((2 + chains + adds) * lanes + 2)  # at the end an integer of 64 bits for the ticks
    data[:lanes], data[lanes : 2 * lanes] = MULTIPLIER, ADDEND
    function = _compiled(peak_ir(lanes, chains, fma, target.arm, adds, ticks), target, 1, 1, name)
    trips = PEAK_STEPS // (UNROLL * (chains + adds) + ticks)
    a_trip = ticks or UNROLL * lanes * (2 * chains + adds)
    return Workload(name, max(1, chains), partial(function, trips, _pointer(data)), flops=trips * a_trip)


def clock_probe(target: Target) -> Workload:
    """The chain of dependent additions; its "flops" are additions, so that its rate in 10^9 a second is GHz."""
    return peak_probe(target, 1, 0, False, "clock", ticks=CLOCK_ADDS)


# --- memory -----------------------------------------------------------------------------------------


class Streams:
    """The streaming loops of a target, each compiled once, and where in an array they run."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.step = target.lanes * STREAM_UNROLL  # elements of one loop trip
        self._loops: dict[Pattern, Any] = {}

    def loop(self, pattern: Pattern) -> Any:
        """The compiled loop; a UserError as in `peak_probe`."""
        if pattern not in self._loops:
            ir = stream_ir(pattern, self.target.lanes, self.target.fma)
            self._loops[pattern] = _compiled(ir, self.target, 2, sum(LOADS_STORES[pattern]), pattern)
        return self._loops[pattern]

    def _split(self, pattern: Pattern, room: int) -> tuple[int, list[int]]:
        """(elements of each of the pattern's arrays, whole loop trips; where each begins in so many bytes)."""
        count = sum(LOADS_STORES[pattern])
        elements = max(self.step, room // count // (4 * self.step) * self.step)
        starts: list[int] = []
        for offset in STREAM_OFFSETS[:count]:
            end = starts[-1] + 4 * elements if starts else 0
            starts.append(-(-end // PAGE_BYTES) * PAGE_BYTES + offset)
        return elements, starts

    @staticmethod
    def memory(working_set: int) -> Floats:
        """Room for any pattern over a working set of so many bytes: fp32 ones, every page touched."""
        return aligned((working_set + SPARE_BYTES) // 4)

    def resident(self, pattern: Pattern, memory: Floats, working_set: int, name: str) -> Workload:
        """The loop over a working set again and again, as many passes a call as make it worth timing."""
        elements, starts = self._split(pattern, working_set)
        total = 4 * elements * len(starts)
        passes = max(1, STREAM_BYTES_PER_CALL // total)
        pointers = [_pointer(memory[start // 4 :]) for start in starts]
        return Workload(name, total, partial(self.loop(pattern), passes, elements, *pointers), bytes=total * passes)

    def windowed(self, pattern: Pattern, windows: "Windows", name: str) -> Workload:
        """The loop over one window a call of a working set far larger than the caches, each behind the last."""
        elements, starts = self._split(pattern, windows.bytes)
        loop, base = self.loop(pattern), windows.memory.ctypes.data

        def call() -> None:
            window = base + windows.next_start()
            loop(1, elements, *(window + start for start in starts))

        return Workload(name, windows.working_set, call, bytes=4 * elements * len(starts))


class Windows:
    """Windows of a working set, handed out one behind the other to whoever asks, and from the last to the first.

    All that run in DRAM ask the same one: before a place is read again the whole set has been passed over.
    """

    def __init__(self, memory: Floats, working_set: int) -> None:
        self.memory, self.working_set = memory, working_set
        count = max(1, math.ceil(working_set / WINDOW_BYTES))
        self.bytes = max(PAGE_BYTES, working_set // count // PAGE_BYTES * PAGE_BYTES)
        self._starts = cycle(range(0, max(1, working_set - self.bytes + 1), self.bytes))

    def next_start(self) -> int:
        """Where the next window begins, bytes into the memory."""
        return next(self._starts)
