"""The workloads: their flops and bytes are those of their loops, and they touch nothing but their arrays. No clock."""

import gc
import itertools
import weakref
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from targets import HOST, TARGETS

from labkit.errors import UserError
from labkit.roofline import probes
from labkit.roofline.codegen import Target
from labkit.roofline.loops import UNROLL
from labkit.roofline.model import LOADS_STORES
from labkit.roofline.probes import (
    CLOCK_ADDS,
    STREAM_BYTES_PER_CALL,
    WINDOW_BYTES,
    Streams,
    Windows,
    peak_probe,
)
from labkit.roofline.rounds import numpy_kernels

pytestmark = pytest.mark.generated
KIB, MIB = 1 << 10, 1 << 20
# Every width that the host has, with its multiply-add and without.
RUNNABLE = [
    replace(HOST, lanes=lanes, fma=fma) for lanes in (4, 8, 16) if lanes <= HOST.lanes for fma in {False, HOST.fma}
]

# --- arithmetic -------------------------------------------------------------------------------------


def operands(workload):
    """The array behind the pointer that the loop is called with."""
    return workload.call.args[1]._arr


def accumulators(workload, lanes, multiplier, addend, trips):
    """What the chains have become after so many trips from 1, a row each, and the 64 bits behind them."""
    data = operands(workload)
    data[:lanes], data[lanes : 2 * lanes], data[2 * lanes :] = multiplier, addend, 1.0
    workload.call.func(trips, data.ctypes.data)
    assert (data[:lanes] == multiplier).all()
    assert (data[lanes : 2 * lanes] == addend).all()
    return data[2 * lanes : -2].reshape(-1, lanes), data[-2:].tobytes()


def tick_after(ticks, trips):
    """The chain of additions by itself: each is the sum of the two before it."""
    before = last = int.from_bytes(np.ones(2, np.float32).tobytes(), "little")
    for _ in range(ticks * trips):
        before, last = last, (before + last) % 2**64
    return last


@pytest.mark.parametrize(("chains", "adds", "ticks"), [(1, 0, 0), (4, 2, 0), (6, 0, 13), (0, 0, CLOCK_ADDS)])
@pytest.mark.parametrize("lanes", sorted({1, 4, HOST.lanes}))
@pytest.mark.parametrize("fma", sorted({False, HOST.fma}))
def test_flops_of_a_peak_probe_are_those_that_its_chains_have_done(lanes, chains, adds, ticks, fma):
    workload = peak_probe(HOST, lanes, chains, fma, "peak", adds, ticks)
    trips = workload.call.args[0]
    assert workload.flops == trips * (ticks or UNROLL * (2 * chains + adds) * lanes)
    assert 0.999 * probes.PEAK_STEPS < trips * (UNROLL * (chains + adds) + ticks) <= probes.PEAK_STEPS
    # Each chain does its steps, no more and no less: the numbers are small integers and so exact.
    found, behind = accumulators(workload, lanes, 2.0, 1.0, trips=2)
    multiplied = 1 + 2 * 2 * UNROLL if fma and HOST.arm else 2 ** (2 * UNROLL + 1) - 1
    assert (found[:chains] == multiplied).all()
    assert (found[chains:] == 1 + 2 * UNROLL).all()
    assert len(found) == chains + adds
    assert behind == tick_after(ticks, trips=2).to_bytes(8, "little")


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize("in_addend", [False, True])
@pytest.mark.parametrize("start", [1.0, 2000.0])
def test_accumulators_stay_finite_and_normal_however_long_they_run(monkeypatch, target, in_addend, start):
    monkeypatch.setattr(Target, "arm", in_addend)
    workload = peak_probe(target, target.lanes, 4, target.fma, "peak", adds=3)
    data = operands(workload)[2 * target.lanes : -2]
    assert (data == 1).all()
    data[:] = start
    for _ in range(8):
        workload.call()
    # They end where a step no longer changes them: at 1 by multiplying, at 2^11 by adding alone.
    assert ((data > 0.99) & (data <= 2048)).all()


@pytest.mark.parametrize(("name", "chains", "fault"), [("x86-64", 4, "a call"), ("x86-64-v3", 20, "a stack reference")])
def test_a_probe_that_calls_or_spills_is_an_error_that_names_it(name, chains, fault):
    with pytest.raises(UserError, match=f"^the 128-bit probe was compiled to something else: .*{fault} in the loop"):
        peak_probe(TARGETS[name], 4, chains, True, "128-bit")


# --- memory -----------------------------------------------------------------------------------------


class Spy:
    """A compiled loop that tells what it was called with; without one, nothing is moved."""

    def __init__(self, loop=None):
        self.loop, self.calls = loop, []

    def __call__(self, passes, elements, *pointers):
        self.calls.append((passes, elements, pointers))
        if self.loop:
            self.loop(passes, elements, *pointers)


@pytest.fixture
def spied(monkeypatch):
    """Streams of a target whose loops are spies on the real loops."""
    real = probes.compile_ir
    monkeypatch.setattr(probes, "compile_ir", lambda ir, arguments: Spy(real(ir, arguments)))
    return Streams


@pytest.fixture(scope="module")
def unmoving():
    """Streams of every width that move nothing: for working sets by the hundred."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probes, "compile_ir", lambda ir, arguments: Spy())
        made = [Streams(TARGETS[name]) for name in ("x86-64", "sandybridge", "x86-64-v4")]
        for streams, pattern in itertools.product(made, LOADS_STORES):
            streams.loop(pattern)
    return made


def asked(streams, pattern, workload):
    """(passes, elements, where the pattern's own arrays start) of one call."""
    spy = streams.loop(pattern)
    spy.calls.clear()
    workload.call()
    ((passes, elements, pointers),) = spy.calls
    return passes, elements, [getattr(pointer, "value", pointer) for pointer in pointers]


def check_places(starts, elements, size):
    """That arrays do not overlap and lie in the memory of this size that they were given."""
    assert starts[0] >= 0
    assert starts[-1] + 4 * elements <= size
    for start, following in itertools.pairwise(starts):
        assert start + 4 * elements <= following


working_sets = st.one_of(st.integers(0, 70 * KIB), st.integers(0, 6 * MIB))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2), st.sampled_from(sorted(LOADS_STORES)), working_sets, st.sampled_from([0, MIB]))
@example(2, "triad", 5 * KIB, 0)
@example(2, "triad", 32 * KIB, 0)
def test_a_resident_set_is_what_was_asked_for_and_its_bytes_are_those_of_its_passes(
    unmoving, width, pattern, working_set, more
):
    streams, arrays = unmoving[width], sum(LOADS_STORES[pattern])
    memory = Streams.memory(working_set + more)
    workload = streams.resident(pattern, memory, working_set, "a name")
    passes, elements, pointers = asked(streams, pattern, workload)
    check_places([pointer - memory.ctypes.data for pointer in pointers], elements, memory.nbytes)
    # Wide stores past the caches fault on any other address; stores at one place of a page alias with later loads.
    assert [pointer % 4096 for pointer in pointers] == list(probes.STREAM_OFFSETS[:arrays])
    assert all(offset % 64 == 0 for offset in probes.STREAM_OFFSETS)
    # Whole trips: a set smaller than one trip is a trip.
    trip = 4 * streams.step * arrays
    assert elements % streams.step == 0
    assert workload.n == 4 * elements * arrays
    assert workload.n == trip if working_set < trip else working_set - trip < workload.n <= working_set
    assert workload.bytes == passes * workload.n == 4 * sum(LOADS_STORES[pattern]) * passes * elements
    assert workload.bytes > STREAM_BYTES_PER_CALL / 2
    assert passes == 1 or workload.bytes <= STREAM_BYTES_PER_CALL


def lazily(working_set):
    """As Streams.memory, but no page of it is touched."""
    return np.empty(Streams.memory(0).size + working_set // 4, np.float32)


@pytest.mark.parametrize("working_set", [1, 16 * KIB, 3 * MIB, 23 * MIB, 64 * MIB, 100_000_000])
def test_the_whole_set_is_passed_over_before_a_window_comes_again(working_set):
    windows = Windows(lazily(working_set), working_set)
    starts = [windows.next_start() for _ in range(100)]
    count = starts.index(0, 1)
    assert starts == [starts[i % count] for i in range(len(starts))]
    # Each right behind the last, and together nearly all of the set.
    assert starts[:count] == [k * windows.bytes for k in range(count)]
    assert windows.bytes <= max(WINDOW_BYTES, 4096)
    assert count * windows.bytes <= max(working_set, 4096)
    assert working_set < 4096 or count * windows.bytes > 0.95 * working_set - 4096


@pytest.mark.parametrize("width", range(3))
@pytest.mark.parametrize("working_set", [1, 16 * KIB, 100_000_000])
def test_every_loop_takes_the_next_window_whichever_loop_had_the_last(unmoving, width, working_set):
    streams, windows = unmoving[width], Windows(lazily(working_set), working_set)
    workloads = {pattern: streams.windowed(pattern, windows, "a name") for pattern in LOADS_STORES}
    expected = Windows(windows.memory, working_set)
    for pattern, workload in itertools.islice(itertools.cycle(workloads.items()), 30):
        passes, elements, pointers = asked(streams, pattern, workload)
        start = windows.memory.ctypes.data + expected.next_start()
        assert pointers[0] == start
        check_places([pointer - start for pointer in pointers], elements, windows.bytes + probes.SPARE_BYTES)
        assert pointers[-1] + 4 * elements <= windows.memory.ctypes.data + windows.memory.nbytes
        assert passes == 1
        assert workload.bytes == 4 * elements * len(pointers)
        assert workload.n == working_set


def test_a_copy_goes_from_one_half_of_the_next_window_to_the_other():
    windows = Windows(Streams.memory(20 * MIB), 20 * MIB)
    half = windows.bytes // 8
    copy = next(w for w in numpy_kernels(windows) if w.name == "memcpy")
    for k in range(2):
        expected = windows.memory.copy()
        expected[k * 2 * half :][:half], expected[(k * 2 + 1) * half :][:half] = k + 2, k + 2
        windows.memory[k * 2 * half :][:half] = k + 2
        copy.call()
        assert (windows.memory == expected).all()
    assert copy.bytes == windows.bytes


@pytest.mark.parametrize("pattern", LOADS_STORES)
@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize("working_set", [1, 24 * KIB, 100_000, 9 * MIB])
def test_a_stream_writes_what_it_should_and_nothing_outside_its_arrays(spied, target, pattern, working_set):
    streams, memory = spied(target), Streams.memory(working_set)
    if working_set > MIB:
        workload = streams.windowed(pattern, Windows(memory, working_set), "a name")
    else:
        workload = streams.resident(pattern, memory, working_set, "a name")
    # Small integers, so that rounding has no say; the pages around the array are watched as well.
    memory[:] = np.random.default_rng(1).integers(1, 9, memory.size)
    around = memory.base if memory.base.base is None else memory.base.base
    expected = around.copy()
    begin, last = around.ctypes.data, expected.view(np.float32)
    for _ in range(2):
        _, elements, pointers = asked(streams, pattern, workload)
        a, *others = (last[(pointer - begin) // 4 :][:elements] for pointer in pointers)
        if pattern != "load":
            others[-1][:] = a * a[0] + others[0] if pattern == "triad" else a
        assert (around == expected).all()


def test_operands_keep_their_values_whatever_patterns_share_their_memory():
    streams, memory = Streams(HOST), Streams.memory(96 * KIB)
    shared = [streams.resident(pattern, memory, 96 * KIB, pattern) for pattern in LOADS_STORES]
    for order in itertools.islice(itertools.permutations(shared), 8):
        for workload in order:
            workload.call()
            assert ((memory >= 1) & (memory <= 4)).all()


@pytest.mark.parametrize("kind", ["resident", "windowed"])
def test_the_arrays_live_as_long_as_the_workload_and_no_longer(unmoving, kind):
    memory = Streams.memory(MIB)
    alive = weakref.ref(memory.base if memory.base.base is None else memory.base.base)
    if kind == "windowed":
        workload = unmoving[0].windowed("copy", Windows(memory, MIB), "a name")
    else:
        workload = unmoving[0].resident("copy", memory, MIB, "a name")
    del memory
    gc.collect()
    assert alive() is not None
    del workload
    gc.collect()
    assert alive() is None
