"""The loops as the CPUs get them: the right instructions on the right registers, as often as they should stand."""

import re
from collections import Counter

import incore
import pytest
from codegen import check_loop, check_stream
from loops import ARRAYS, CLOCK_ADDS, LOADS_STORES, STREAM_UNROLL, UNROLL, clock_ir, peak_ir, stream_ir
from targets import TARGETS, WIDTHS, X86_REGISTER, emit, expected, kind, loop

# What a loop needs besides its work: a counter, a comparison, a branch.
OVERHEAD = {"incq", "addq", "add", "cmpq", "cmp", "jb", "b.lo"}

# An address, and not the lane of a vector: v0.s[0].
MEMORY = r"\(|\[(x|sp)"


def room(target, fma):
    """Chains that this many registers have room for, out of those that the sweep tries."""
    spare = incore.SPARE_REGISTERS if fma else incore.SPARE_WITHOUT_FMA
    return [chains for chains in incore.CHAINS if chains + spare <= target.registers]


def check_peak(target, lanes, chains, fma, adds=0, ticks=0):
    """That a loop is its arithmetic and nothing else, by a count of its own and by the check that a run makes."""
    ir = peak_ir(lanes, chains, fma, target.in_addend, adds, ticks)
    steps = chains * UNROLL
    rest, found = [], Counter()
    for word, operands in loop(ir, target):
        if name := kind(word, operands):
            found[name] += 1
        else:
            rest.append(word)
        assert not re.search(MEMORY, operands), f"{word} {operands} goes through memory"
    plain = 0 if fma else steps
    assert found == expected(target, lanes, fma=steps - plain, mul=plain, add=plain + adds * UNROLL)
    if not ticks:
        assert len(rest) == 3
        assert set(rest) <= OVERHEAD
    assert check_loop(emit(ir, target), target, lanes, steps, fma, adds * UNROLL, ticks) == []


@pytest.mark.parametrize("name", TARGETS)
def test_the_peak_loop_is_full_width_multiply_adds_and_nothing_else(name):
    target = TARGETS[name]
    for lanes, _ in incore.widths(target):
        for chains in room(target, target.fma):
            check_peak(target, lanes, chains, target.fma)


@pytest.mark.parametrize(("name", "lanes"), WIDTHS)
def test_a_ceiling_below_the_peak_is_as_narrow_as_it_says_with_fma_and_without(name, lanes):
    target = TARGETS[name]
    for fma in {False, target.fma}:
        for chains in (1, 4, 12):
            check_peak(target, lanes, chains, fma)


@pytest.mark.parametrize("name", [name for name in TARGETS if TARGETS[name].fma])
def test_chains_that_only_add_stand_beside_the_multiply_adds_in_every_mix(name):
    target = TARGETS[name]
    for chains, adds in [*incore.MIXES[target.registers], (3, 1)]:
        check_peak(target, target.lanes, chains, target.fma, adds=adds)


@pytest.mark.parametrize(("adds", "order"), [(0, [0, 1, 2, 3]), (4, [0, 4, 1, 5, 2, 6, 3, 7]), (2, [0, 4, 1, 2, 5, 3])])
def test_chains_that_only_add_are_spread_evenly_among_the_others(adds, order):
    first_step = re.findall(r"%a(\d+)\.1 =", peak_ir(4, 4, True, adds=adds))
    assert [int(chain) for chain in first_step] == order


# Registers that an addition names if it adds one to another; with a number in place of one it names fewer.
OF_TWO_REGISTERS = {"addq": 2, "add": 3, "leaq": 3}


def additions(body):
    """(how many additions of two registers stand in the loop, by how many a trip the longest chain of them grows)."""
    depth, reached, count = Counter(), [], 0
    for _ in range(4):
        count = 0
        for word, operands in body:
            registers = re.findall(r"%(r\w+)|\b(x\d+)", operands)
            names = ["".join(found) for found in registers]
            if re.fullmatch(r"add|addq|leaq|incq", word):
                target = names[-1] if "%" in operands else names[0]
                # What two-operand code adds to, it reads too; the three-operand kind reads all but the first.
                sources = names[1:] if "%" not in operands else names
                depth[target] = 1 + max(depth[source] for source in sources)
                count += len(names) == OF_TWO_REGISTERS.get(word)
            elif word in ("mov", "movq"):
                source, target = names if "%" in operands else reversed(names)
                depth[target] = depth[source]
        reached.append(max(depth.values()))
    return count, reached[-1] - reached[-2]


def test_additions_side_by_side_are_not_taken_for_a_chain():
    side_by_side = [["addq", "%r8, %rax"], ["addq", "%r8, %rcx"], ["addq", "%rax, %rcx"]]
    assert additions(side_by_side) == (3, 2)
    assert additions([["add", "x9, x10, x9"], ["add", "x10, x11, x12"], ["add", "x8, x8, #1"]]) == (2, 1)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize(("chains", "ticks"), [(1, 2), (4, 17), (4, 33), (8, 20)])
def test_a_clock_under_load_is_one_unbroken_chain_of_additions_beside_the_load(name, chains, ticks):
    target = TARGETS[name]
    check_peak(target, target.lanes, chains, target.fma, ticks=ticks)
    body = loop(peak_ir(target.lanes, chains, target.fma, target.in_addend, ticks=ticks), target)
    assert additions([line for line in body if not kind(*line)]) == (ticks, ticks)


# LLVM's order of instructions for bdver2 spills beside so many ticks; a run does without this clock there.
@pytest.mark.parametrize("name", [name for name in TARGETS if TARGETS[name].fma and name != "bdver2"])
def test_the_clock_under_load_compiles_for_any_loop_that_the_sweep_may_choose(name):
    target = TARGETS[name]
    for chains in room(target, fma=True)[-2:]:
        for steps_per_cycle in (1, 2, 4):
            ticks = round(incore.CLOCK_MARGIN * chains * UNROLL / steps_per_cycle)
            check_peak(target, target.lanes, chains, target.fma, ticks=ticks)


@pytest.mark.parametrize("name", TARGETS)
def test_the_clock_is_one_unbroken_chain_of_additions_and_nothing_else(name):
    body = loop(clock_ir(), TARGETS[name])
    assert additions(body) == (CLOCK_ADDS, CLOCK_ADDS)
    assert len(body) == CLOCK_ADDS + 3
    assert {word for word, _ in body} <= OVERHEAD
    assert not any(re.search(MEMORY, operands) for _, operands in body)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("pattern", ARRAYS)
def test_a_stream_loads_and_stores_whole_registers_as_often_as_it_is_counted_for(name, pattern):
    target = TARGETS[name]
    ir = stream_ir(pattern, target.lanes, target.fma)
    wanted = [STREAM_UNROLL * count for count in LOADS_STORES[pattern]]
    assert check_stream(emit(ir, target), target, *wanted, streaming=pattern == "copy_streaming") == []
    accesses = [line for line in loop(ir, target) if re.search(MEMORY, line[1])]
    if target.arm:
        assert all(re.match(r"q\d", operands) for _, operands in accesses)
        stores = [word for word, _ in accesses if word.startswith("st")]
        moved = sum(2 if word.endswith("p") else 1 for word, _ in accesses)
    else:
        assert all(f"%{X86_REGISTER[target.lanes]}" in operands for _, operands in accesses)
        stores = [word for word, operands in accesses if operands.endswith(")")]
        moved = len(accesses)
    assert moved == sum(wanted)
    past_the_caches = [re.fullmatch(r"v?movntps|stnp", word) is not None for word in stores]
    assert set(past_the_caches) <= {pattern == "copy_streaming"}


@pytest.mark.parametrize("name", [name for name in TARGETS if not TARGETS[name].arm])
@pytest.mark.parametrize("pattern", ARRAYS)
def test_one_trip_of_a_stream_passes_over_each_array_without_a_gap(name, pattern):
    target = TARGETS[name]
    places = {}
    for _, operands in loop(stream_ir(pattern, target.lanes, target.fma), target):
        if found := re.search(r"(\d*)\((%r\w+)", operands):
            places.setdefault(found[2], []).append(int(found[1] or 0))
    assert len(places) == len(ARRAYS[pattern])
    for offsets in places.values():
        assert sorted(offsets) == [4 * target.lanes * step for step in range(STREAM_UNROLL)]


def test_loads_and_stores_are_told_as_many_as_a_pattern_has_arrays():
    assert {pattern: sum(LOADS_STORES[pattern]) for pattern in ARRAYS} == {
        pattern: len(arrays) for pattern, arrays in ARRAYS.items()
    }
