"""The loops as the CPUs get them: the right instructions on the right registers, as often as they should stand."""

import re

import pytest
from assembly import instructions, peak_faults, stream_faults
from targets import TARGETS, emit

from labkit.roofline import peak as sweep
from labkit.roofline.loops import STREAM_UNROLL, UNROLL, peak_ir, stream_ir
from labkit.roofline.model import LOADS_STORES
from labkit.roofline.probes import CLOCK_ADDS

WITH_FMA = [name for name, target in TARGETS.items() if target.fma]


def chains_that_fit(target):
    """Numbers of chains that the sweep tries and that the registers have room for."""
    spare = sweep.SPARE_REGISTERS if target.fma else sweep.SPARE_WITHOUT_FMA
    return [chains for chains in sweep.ACCUMULATORS if chains + spare <= target.registers]


def peak(name, lanes=None, chains=3, fma=None, **more):
    """(assembly, target, lanes, chains, fma) of a peak loop: what `peak_faults` takes."""
    target = TARGETS[name]
    lanes, fma = lanes or target.lanes, target.fma if fma is None else fma
    return emit(peak_ir(lanes, chains, fma, target.arm, **more), target), target, lanes, chains, fma


@pytest.mark.parametrize("name", TARGETS)
def test_a_peak_loop_or_a_ceiling_is_arithmetic_as_wide_as_it_says_and_nothing_else(name):
    target = TARGETS[name]
    loops = [(lanes, chains, None) for lanes in sweep.instruction_sets(target) for chains in chains_that_fit(target)]
    loops += [(lanes, 12, fma) for lanes in (1, 4, 8, 16) if lanes <= target.lanes for fma in {False, target.fma}]
    for loop in loops:
        assert peak_faults(*peak(name, *loop)) == []


@pytest.mark.parametrize("name", WITH_FMA)
def test_chains_that_only_add_stand_beside_the_multiply_adds_in_every_mix(name):
    for chains, adds in [*sweep.MIXES[TARGETS[name].registers], (3, 1)]:
        assert peak_faults(*peak(name, chains=chains, adds=adds), adds=adds) == []


@pytest.mark.parametrize(("adds", "order"), [(0, [0, 1, 2, 3]), (4, [0, 4, 1, 5, 2, 6, 3, 7]), (2, [0, 4, 1, 2, 5, 3])])
def test_chains_that_only_add_are_spread_evenly_among_the_others(adds, order):
    first_step = re.findall(r"%\"a(\d+)\.1\" =", peak_ir(4, 4, True, adds=adds))
    assert [int(chain) for chain in first_step] == order


@pytest.mark.parametrize("name", TARGETS)
def test_a_clock_is_one_unbroken_chain_of_additions_alone_or_beside_its_load(name):
    for chains, ticks in ((0, CLOCK_ADDS), (1, 2), (4, 17), (4, 33), (8, 20)):
        assert peak_faults(*peak(name, chains=chains, ticks=ticks), ticks=ticks) == []


# LLVM's order of instructions for bdver2 spills beside so many ticks; a run does without this clock there.
@pytest.mark.parametrize("name", [name for name in WITH_FMA if name != "bdver2"])
def test_the_clock_under_load_compiles_for_any_loop_that_the_sweep_may_choose(name):
    for chains in chains_that_fit(TARGETS[name])[-2:]:
        for steps_per_cycle in (1, 2, 4):
            ticks = round(sweep.CLOCK_MARGIN * chains * UNROLL / steps_per_cycle)
            assert peak_faults(*peak(name, chains=chains, ticks=ticks), ticks=ticks) == []


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("pattern", LOADS_STORES)
def test_a_stream_loads_and_stores_whole_registers_as_often_as_it_is_counted_for(name, pattern):
    target = TARGETS[name]
    assembly = emit(stream_ir(pattern, target.lanes, target.fma), target)
    assert stream_faults(assembly, target, pattern) == []
    if not target.arm:
        # One trip passes over each array without a gap.
        places = {}
        for _, operands in instructions(assembly):
            if found := re.search(r"(\d*)\((%r\w+)", operands):
                places.setdefault(found[2], []).append(int(found[1] or 0))
        assert len(places) == sum(LOADS_STORES[pattern])
        for offsets in places.values():
            assert sorted(offsets) == [4 * target.lanes * step for step in range(STREAM_UNROLL)]
