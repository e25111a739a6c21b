"""The loops as workloads: compiled, checked, their operands allocated, their flops and bytes counted."""

import ctypes
import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from codegen import Target, check_clock, check_loop, check_stream, compile_ir, emit_assembly
from loops import ARRAYS, CLOCK_ADDS, LOADS_STORES, STREAM_UNROLL, UNROLL, Pattern, clock_ir, peak_ir, stream_ir

from labkit.errors import LabError
from labkit.sampling import PAGE_BYTES, Workload, aligned

# m = 0.9999 and c = 1e-4 have their fixed point at 1: accumulators stay finite and normal for ever.
# Through the addend, or by adding alone, they grow until a step no longer changes them, at 2048.
MULTIPLIER, ADDEND = 0.9999, 1e-4
# Instructions of a call: some 0.2 ms, so that entering through ctypes (about 1 us) counts for less than 1 %.
PEAK_STEPS, CLOCK_STEPS = 1_000_000, 500_000
# The arrays of a stream start at different places in their pages, lest stores alias with later loads.
STREAM_OFFSETS = (0, 1344, 2688)  # bytes
# Beyond the working set itself: each array begins on a page of its own, and a little way in.
SPARE_BYTES = 4 * PAGE_BYTES
# A call of a streaming loop over a small set moves about this much, in as many passes as that takes.
STREAM_BYTES_PER_CALL = 4 << 20
# What a visit to DRAM passes over at most; the next visit goes on behind it.
WINDOW_BYTES = 8 << 20

Floats = np.ndarray[Any, np.dtype[np.float32]]
_STREAM_ARGUMENTS = [ctypes.c_int64, ctypes.c_int64, *[ctypes.c_void_p] * 3]


def _keep(function: Any, held: Any) -> Any:
    """The function, with what its pointers point to kept alive."""
    function.held = held
    return function


# --- arithmetic -------------------------------------------------------------------------------------


def peak_probe(
    target: Target, lanes: int, chains: int, fma: bool, name: str, adds: int = 0, ticks: int = 0
) -> Workload:
    """Chains of multiply-adds (multiply and add where `fma` is false) and `adds` chains that only add.

    With `ticks` it is a clock instead: its "flops" are the dependent integer additions that run beside the chains.
    A LabError if the code is not what was meant.
    """
    ir = peak_ir(lanes, chains, fma, target.in_addend, adds, ticks)
    faults = check_loop(emit_assembly(ir, target), target, lanes, chains * UNROLL, fma, adds * UNROLL, ticks)
    if faults:
        raise LabError(f"the {name} probe was compiled to something else: {'; '.join(faults)}")
    data = aligned((2 + chains + adds) * lanes + 2)  # at the end an integer of 64 bits for the ticks
    data[:lanes], data[lanes : 2 * lanes] = MULTIPLIER, ADDEND
    function = compile_ir(ir, [ctypes.c_int64, ctypes.c_void_p])
    trips = PEAK_STEPS // (UNROLL * (chains + adds))
    # The partial holds the array: its address must outlive the calls.
    call = partial(_keep(function, data), trips, data.ctypes.data)
    a_trip = ticks or UNROLL * lanes * (2 * chains + adds)
    return Workload(name, chains, call, flops=trips * a_trip)


def clock_probe(target: Target) -> Workload:
    """The chain of dependent additions; its "flops" are additions, so that its rate in 10^9 a second is GHz.

    A LabError if the code is not what was meant.
    """
    faults = check_clock(emit_assembly(clock_ir(), target), CLOCK_ADDS)
    if faults:
        raise LabError(f"the clock probe was compiled to something else: {'; '.join(faults)}")
    data = np.ones(1, dtype=np.int64)
    function = compile_ir(clock_ir(), [ctypes.c_int64, ctypes.c_void_p])
    trips = CLOCK_STEPS // CLOCK_ADDS
    call = partial(_keep(function, data), trips, data.ctypes.data)
    return Workload("clock", 1, call, flops=trips * CLOCK_ADDS)


# --- memory -----------------------------------------------------------------------------------------


class Streams:
    """The streaming loops of a target, each compiled once, and where in an array they run."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.step = target.lanes * STREAM_UNROLL  # elements of one loop trip
        self._scratch = aligned(self.step)
        self._loops: dict[Pattern, Any] = {}

    def loop(self, pattern: Pattern) -> Any:
        """The compiled loop; a LabError if its code is not what was meant."""
        if pattern not in self._loops:
            ir = stream_ir(pattern, self.target.lanes, self.target.fma)
            loads, stores = (STREAM_UNROLL * count for count in LOADS_STORES[pattern])
            faults = check_stream(
                emit_assembly(ir, self.target), self.target, loads, stores, streaming=pattern == "copy_streaming"
            )
            if faults:
                raise LabError(f"the {pattern} probe was compiled to something else: {'; '.join(faults)}")
            self._loops[pattern] = compile_ir(ir, _STREAM_ARGUMENTS)
        return self._loops[pattern]

    def _split(self, pattern: Pattern, memory: Floats, working_set: int) -> tuple[int, list[Floats]]:
        """(elements, arrays): the pattern's arrays, one behind the other in `memory`, of whole loop trips."""
        count = len(ARRAYS[pattern])
        share = min(working_set, memory.nbytes - SPARE_BYTES) // count
        elements = max(self.step, share // (4 * self.step) * self.step)
        arrays, end = [], 0
        for offset in STREAM_OFFSETS[:count]:
            start = (-(-end // PAGE_BYTES) * PAGE_BYTES + offset) // 4
            arrays.append(memory[start : start + elements])
            end = 4 * (start + elements)
        return elements, arrays

    @staticmethod
    def memory(working_set: int) -> Floats:
        """Room for any pattern over a working set of so many bytes: fp32 ones, every page touched."""
        return aligned((working_set + SPARE_BYTES) // 4)

    def resident(self, pattern: Pattern, memory: Floats, working_set: int, name: str) -> Workload:
        """The loop over a working set again and again, as many passes a call as make it worth timing."""
        elements, arrays = self._split(pattern, memory, working_set)
        pointers = [array.ctypes.data for array in arrays] + [self._scratch.ctypes.data] * (3 - len(arrays))
        total = 4 * elements * len(arrays)
        passes = max(1, STREAM_BYTES_PER_CALL // total)
        call = partial(self.loop(pattern), passes, elements, *pointers)
        return Workload(name, total, _Held(call, (memory, self._scratch)), bytes=total * passes)

    def windowed(self, pattern: Pattern, windows: "Windows", name: str) -> Workload:
        """The loop over one window a call of a working set far larger than the caches, each behind the last."""
        elements, arrays = self._split(pattern, windows.memory, windows.bytes)
        base = windows.memory.ctypes.data
        offsets = [array.ctypes.data - base for array in arrays]
        rest = [self._scratch.ctypes.data] * (3 - len(arrays))
        loop = self.loop(pattern)

        def call() -> None:
            start = windows.next_address()
            loop(1, elements, *(start + offset for offset in offsets), *rest)

        return Workload(name, windows.working_set, call, bytes=4 * elements * len(arrays))


class Windows:
    """Windows of a working set, handed out one behind the other to whoever asks, and from the last to the first.

    All that run in DRAM ask the same one: between two visits to a place the whole set has been passed over.
    """

    def __init__(self, memory: Floats, working_set: int) -> None:
        self.memory, self.working_set = memory, working_set
        count = max(1, math.ceil(working_set / WINDOW_BYTES))
        self.bytes = max(PAGE_BYTES, working_set // count // PAGE_BYTES * PAGE_BYTES)
        self._starts = range(0, max(1, working_set - self.bytes + 1), self.bytes)
        self._next = 0

    def next_start(self) -> int:
        """Where the next window begins, bytes into the memory."""
        start = self._starts[self._next]
        self._next = (self._next + 1) % len(self._starts)
        return start

    def next_address(self) -> int:
        """Where the next window begins."""
        return int(self.memory.ctypes.data) + self.next_start()

    def next_halves(self) -> tuple[Floats, Floats]:
        """The next window as two arrays."""
        start, half = self.next_start() // 4, self.bytes // 8
        return self.memory[start : start + half], self.memory[start + half : start + 2 * half]


@dataclass
class _Held:
    """A call that keeps the arrays behind its pointers alive."""

    call: Any
    held: Any

    def __call__(self) -> None:
        self.call()
