"""The workloads: their flops and bytes are those of their loops, and they touch nothing but their arrays. No clock."""

import gc
import itertools
import weakref
from collections import Counter

import loops
import numpy as np
import probes
import pytest
from codegen import host_target
from hypothesis import example, given, settings
from hypothesis import strategies as st
from loops import ARRAYS, CLOCK_ADDS, LOADS_STORES, UNROLL
from probes import STREAM_BYTES_PER_CALL, WINDOW_BYTES, Streams, Windows, clock_probe, peak_probe
from targets import TARGETS

from labkit.errors import LabError

KIB, MIB = 1 << 10, 1 << 20
HOST = host_target()
# One target of every number of lanes; their loops run here too, in whatever registers there are.
BY_LANES = [TARGETS[name] for name in ("x86-64", "sandybridge", "x86-64-v4")]

# --- arithmetic -------------------------------------------------------------------------------------


def accumulators(workload, lanes, multiplier, addend, trips):
    """What the chains have become after so many trips from 1, a row each, and the 64 bits behind them."""
    data = workload.call.func.held
    data[:lanes], data[lanes : 2 * lanes], data[2 * lanes :] = multiplier, addend, 1.0
    workload.call.func(trips, data.ctypes.data)
    assert (data[:lanes] == multiplier).all()
    assert (data[lanes : 2 * lanes] == addend).all()
    return data[2 * lanes : -2].reshape(-1, lanes), data[-2:].tobytes()


def tick_after(ticks, trips):
    """The chain of additions by itself: each is the sum of the two before it."""
    seed = int.from_bytes(np.ones(2, np.float32).tobytes(), "little")
    before, last = seed, seed
    for _ in range(ticks * trips):
        before, last = last, (before + last) % 2**64
    return last


@pytest.mark.parametrize(("chains", "adds", "ticks"), [(1, 0, 0), (4, 0, 0), (4, 2, 0), (6, 0, 13)])
@pytest.mark.parametrize("lanes", sorted({1, 4, HOST.lanes}))
@pytest.mark.parametrize("fma", sorted({False, HOST.fma}))
def test_flops_of_a_peak_probe_are_those_that_its_chains_have_done(lanes, chains, adds, ticks, fma):
    workload = peak_probe(HOST, lanes, chains, fma, "peak", adds, ticks)
    trips = workload.call.args[0]
    steps_a_trip = UNROLL * (2 * chains + adds) * lanes  # a multiply and an add a lane, or an add alone
    assert workload.flops == trips * (ticks or steps_a_trip)
    # Each chain does its steps, no more and no less: the numbers are small integers and so exact.
    found, behind = accumulators(workload, lanes, 2.0, 1.0, trips=2)
    through_addend = fma and HOST.in_addend
    multiplied = 1 + 2 * 2 * UNROLL if through_addend else 2 ** (2 * UNROLL + 1) - 1
    assert (found[:chains] == multiplied).all()
    assert (found[chains:] == 1 + 2 * UNROLL).all()
    assert len(found) == chains + adds
    assert behind == tick_after(ticks, trips=2).to_bytes(8, "little")


def test_a_peak_probe_takes_as_many_instructions_a_call_however_many_chains_it_has():
    for chains, adds in ((1, 0), (3, 0), (8, 4), (8, 6)):
        workload = peak_probe(HOST, HOST.lanes, chains, HOST.fma, "peak", adds)
        instructions = UNROLL * (chains + adds) * workload.call.args[0]
        assert 0.999 * probes.PEAK_STEPS < instructions <= probes.PEAK_STEPS


@pytest.mark.parametrize(("target", "adds"), [(HOST, 0), (HOST, 3), (TARGETS["aarch64"], 0), (TARGETS["x86-64"], 3)])
@pytest.mark.parametrize("start", [1.0, 2000.0])
def test_accumulators_stay_finite_and_normal_however_long_they_run(target, adds, start):
    workload = peak_probe(target, target.lanes, 4, target.fma, "peak", adds)
    data = workload.call.func.held[2 * target.lanes : -2]
    assert (data == 1).all()
    data[:] = start
    for _ in range(8):
        workload.call()
    # They end where a step no longer changes them: at 1 by multiplying, at 2^11 by adding alone.
    assert ((data > 0.99) & (data <= 2048)).all()
    settled = data.copy()
    workload.call()
    assert start == 1 or (data == settled).all()


@pytest.mark.parametrize("start", [0.5, 4096.0])
def test_accumulators_by_multiplying_have_their_fixed_point_at_1_wherever_they_start(start):
    workload = peak_probe(HOST, HOST.lanes, 4, False, "no FMA")
    data = workload.call.func.held[2 * HOST.lanes : -2]
    data[:] = start
    for _ in range(20):
        workload.call()
    assert data == pytest.approx(1, abs=1e-2)


def test_the_clock_counts_the_additions_that_its_chain_has_done():
    workload = clock_probe(HOST)
    trips = workload.call.args[0]
    assert workload.flops == trips * CLOCK_ADDS
    data = workload.call.func.held
    assert data.tolist() == [1]
    workload.call.func(3, data.ctypes.data)
    fibonacci = [1, 1]
    while len(fibonacci) < 3 * CLOCK_ADDS + 2:
        fibonacci.append(sum(fibonacci[-2:]) % 2**64)
    assert int(data[0]) % 2**64 == fibonacci[-1]


@pytest.mark.parametrize(("name", "chains", "fault"), [("x86-64", 4, "a call"), ("x86-64-v3", 20, "a stack reference")])
def test_a_probe_whose_code_is_not_what_was_meant_is_an_error_that_names_it(name, chains, fault):
    with pytest.raises(LabError, match=f"^the 128-bit probe was compiled to something else: .*{fault} in the loop"):
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
    """Streams of a target whose loops are spies, on the real loops if they are to `run`."""
    real = probes.compile_ir

    def make(target, run=False):
        monkeypatch.setattr(probes, "compile_ir", lambda ir, arguments: Spy(real(ir, arguments) if run else None))
        return Streams(target)

    return make


@pytest.fixture(scope="module")
def unmoving():
    """Streams of every width that move nothing: for working sets by the hundred."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probes, "compile_ir", lambda ir, arguments: Spy())
        made = [Streams(target) for target in BY_LANES]
        for streams, pattern in itertools.product(made, ARRAYS):
            streams.loop(pattern)
    return made


def asked(streams, pattern, workload, calls=1):
    """(passes, elements, where the pattern's own arrays start) of so many calls."""
    spy = streams.loop(pattern)
    spy.calls.clear()
    for _ in range(calls):
        workload.call()
    assert len(spy.calls) == calls
    return [(passes, elements, pointers[: len(ARRAYS[pattern])]) for passes, elements, pointers in spy.calls]


def check_places(spans, size):
    """That arrays (start, end) do not overlap and lie in the memory of this size that they were given."""
    assert spans[0][0] >= 0
    assert spans[-1][1] <= size
    for (_, end), (start, _) in itertools.pairwise(spans):
        assert end <= start, f"{end - start} bytes of one array are another's too"


working_sets = st.one_of(st.integers(0, 70 * KIB), st.integers(0, 6 * MIB))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2), st.sampled_from(sorted(ARRAYS)), working_sets, st.sampled_from([0, MIB]))
@example(0, "triad", 5 * KIB, 0)
@example(1, "triad", 5 * KIB, 0)
@example(2, "triad", 32 * KIB, 0)
def test_a_resident_set_is_what_was_asked_for_and_its_bytes_are_those_of_its_passes(
    unmoving, width, pattern, working_set, more
):
    streams, arrays = unmoving[width], len(ARRAYS[pattern])
    memory = Streams.memory(working_set + more)
    workload = streams.resident(pattern, memory, working_set, "a name")
    ((passes, elements, pointers),) = asked(streams, pattern, workload)
    starts = [pointer - memory.ctypes.data for pointer in pointers]
    check_places([(start, start + 4 * elements) for start in starts], memory.nbytes)
    # Wide stores past the caches fault on any other address.
    assert all(pointer % 64 == 0 for pointer in pointers)
    # Whole trips: a set smaller than one trip is a trip.
    trip = 4 * streams.step * arrays
    assert elements % streams.step == 0
    assert workload.n == 4 * elements * arrays
    assert workload.n == trip if working_set < trip else working_set - trip < workload.n <= working_set
    assert workload.bytes == passes * workload.n
    assert workload.bytes > STREAM_BYTES_PER_CALL / 2
    assert passes == 1 or workload.bytes <= STREAM_BYTES_PER_CALL
    assert workload.method == "a name"


def lazily(working_set):
    """As Streams.memory, but no page of it is touched."""
    return np.empty(Streams.memory(0).size + working_set // 4, np.float32)


@pytest.mark.parametrize("working_set", [1, 16 * KIB, 3 * MIB, 12 * MIB, 23 * MIB, 64 * MIB, 100_000_000, 130 * MIB])
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
@pytest.mark.parametrize("working_set", [1, 16 * KIB, 12 * MIB, 100_000_000])
def test_every_loop_takes_the_next_window_whichever_loop_had_the_last(unmoving, width, working_set):
    streams, windows = unmoving[width], Windows(lazily(working_set), working_set)
    workloads = {pattern: streams.windowed(pattern, windows, "a name") for pattern in ARRAYS}
    expected = Windows(windows.memory, working_set)
    for pattern, workload in itertools.islice(itertools.cycle(workloads.items()), 30):
        ((passes, elements, pointers),) = asked(streams, pattern, workload)
        start = expected.next_address()
        spans = [(pointer - start, pointer - start + 4 * elements) for pointer in pointers]
        check_places(spans, windows.bytes + probes.SPARE_BYTES)
        assert spans[0][0] == 0
        assert start + spans[-1][1] <= windows.memory.ctypes.data + windows.memory.nbytes
        assert passes == 1
        assert workload.bytes == 4 * elements * len(pointers)
        assert workload.n == working_set
        trip = 4 * streams.step * len(pointers)
        assert workload.bytes == trip or windows.bytes - trip < workload.bytes <= windows.bytes


def test_the_halves_of_a_window_lie_side_by_side_in_it():
    windows = Windows(Streams.memory(20 * MIB), 20 * MIB)
    for k in range(3):
        first, second = windows.next_halves()
        assert first.size == second.size == windows.bytes // 8
        assert first.ctypes.data == windows.memory.ctypes.data + k * windows.bytes
        assert second.ctypes.data == first.ctypes.data + first.nbytes


@pytest.mark.parametrize("pattern", ARRAYS)
def test_a_set_larger_than_the_memory_it_is_given_stays_within_that(unmoving, pattern):
    streams, memory = unmoving[0], Streams.memory(24 * MIB)
    workload = streams.resident(pattern, memory, 1 << 30, "a name")
    assert workload.n <= memory.nbytes
    for _, elements, pointers in asked(streams, pattern, workload, calls=8):
        assert memory.ctypes.data <= pointers[0]
        assert pointers[-1] + 4 * elements <= memory.ctypes.data + memory.nbytes


def moved(pattern, arrays):
    """What the pattern makes of its arrays, by NumPy."""
    if pattern == "triad":
        return arrays[0] * arrays[0][0] + arrays[1]
    return arrays[0]


@pytest.mark.parametrize("pattern", ARRAYS)
@pytest.mark.parametrize("target", [*BY_LANES, HOST], ids=["4", "8", "16", "host"])
@pytest.mark.parametrize("working_set", [1, 4096, 24 * KIB, 32 * KIB, 100_000, 20 * MIB])
def test_a_stream_writes_what_it_should_and_nothing_outside_its_arrays(spied, target, pattern, working_set):
    streams, memory = spied(target, run=True), Streams.memory(working_set)
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
        ((_, elements, pointers),) = asked(streams, pattern, workload)
        starts = [(pointer - begin) // 4 for pointer in pointers]
        arrays = [last[start : start + elements] for start in starts]
        if pattern != "load":
            arrays[-1][:] = moved(pattern, [array.copy() for array in arrays])
        assert (around == expected).all()


def test_the_vector_that_a_pattern_has_no_array_for_is_one_of_its_own(spied):
    streams, memory = spied(HOST), Streams.memory(16 * KIB)
    for pattern, arrays in ARRAYS.items():
        streams.resident(pattern, memory, 16 * KIB, "a name").call()
        ((_, _, pointers),) = streams.loop(pattern).calls
        inside = [0 <= pointer - memory.ctypes.data < memory.nbytes for pointer in pointers]
        assert inside == [True] * len(arrays) + [False] * (3 - len(arrays))


def test_operands_keep_their_values_whatever_patterns_share_their_memory():
    streams, memory = Streams(HOST), Streams.memory(96 * KIB)
    shared = [streams.resident(pattern, memory, 96 * KIB, pattern) for pattern in ARRAYS] * 2
    for order in itertools.islice(itertools.permutations(shared[:4]), 8):
        for workload in order:
            workload.call()
            assert ((memory >= 1) & (memory <= 4)).all()


def test_memory_of_the_streams_is_ones_that_begin_a_page():
    for working_set in (0, 1, 4096, MIB):
        memory = Streams.memory(working_set)
        assert memory.nbytes >= working_set
        assert memory.ctypes.data % 4096 == 0
        assert (memory == 1).all()


def test_arrays_of_a_pattern_start_at_different_places_of_their_pages(unmoving):
    for streams in unmoving:
        memory = Streams.memory(MIB)
        workload = streams.resident("triad", memory, MIB, "a name")
        ((_, _, pointers),) = asked(streams, "triad", workload)
        assert [pointer % 4096 for pointer in pointers] == list(probes.STREAM_OFFSETS)


@pytest.mark.parametrize("kind", ["resident", "windowed"])
def test_the_arrays_live_as_long_as_the_workload_and_no_longer(unmoving, kind):
    memory = Streams.memory(MIB)
    alive = weakref.ref(memory.base if memory.base.base is None else memory.base.base)
    windows = Windows(memory, MIB)
    workload = (
        unmoving[0].windowed("copy", windows, "a name")
        if kind == "windowed"
        else unmoving[0].resident("copy", memory, MIB, "a name")
    )
    del memory, windows
    gc.collect()
    assert alive() is not None
    del workload
    gc.collect()
    assert alive() is None


def test_a_loop_is_compiled_once_for_all_its_working_sets(monkeypatch):
    compiled = Counter()
    monkeypatch.setattr(probes, "compile_ir", lambda ir, arguments: Spy(compiled.update([ir])))
    streams, memory = Streams(HOST), Streams.memory(MIB)
    for size, pattern in itertools.product((KIB, 64 * KIB, MIB), ARRAYS):
        streams.resident(pattern, memory, size, "a name")
        streams.windowed(pattern, Windows(memory, size), "a name")
    assert sorted(compiled.values()) == [1] * len(ARRAYS)


@pytest.mark.parametrize(("pattern", "other"), [("triad", "copy"), ("copy", "load"), ("copy_streaming", "copy")])
def test_a_stream_whose_code_is_not_what_was_meant_is_an_error_that_names_it(monkeypatch, pattern, other):
    monkeypatch.setattr(probes, "stream_ir", lambda _, lanes, fma: loops.stream_ir(other, lanes, fma))
    with pytest.raises(LabError, match=f"^the {pattern} probe was compiled to something else: "):
        Streams(HOST).loop(pattern)


def test_bytes_are_those_of_every_array_that_is_loaded_or_stored():
    streams, memory = Streams(HOST), Streams.memory(96 * KIB)
    for pattern, (loads, stores) in LOADS_STORES.items():
        workload = streams.resident(pattern, memory, 96 * KIB, pattern)
        passes, elements = workload.call.call.args[:2]
        assert workload.bytes == 4 * (loads + stores) * passes * elements
