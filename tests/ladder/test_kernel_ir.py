"""The micro-kernel comes out as it was written, for every instruction set: counted in the emitted assembly."""

import re
from collections import Counter

import pytest
from blocks import choose_blocks
from codegen import emit_assembly, host_target, loop_body
from driver_ir import module_ir
from entry_ir import entry_ir
from kernel_ir import PREFETCH, UNROLL, kernel_ir, lines_of
from targets import TARGETS, expected, kind
from tile import choose_tile

# LLVM gives the sums of Piledriver's multiply-add, which has a register of its own for the result, registers as it
# likes, and then lacks one: right there too, but slower than it could be.
IN_PLACE = [name for name in TARGETS if name != "bdver2"]
# %rbp is an ordinary register here: no frame is kept in it.
STACK = re.compile(r"%[er]?sp\b|\[sp|\bsp,|\bx29\b.*\[")


def emitted(name, rows=None, columns=None):
    """(instructions of the loop over k, target, tile) of the kernel, of the whole tile unless told otherwise."""
    target = TARGETS[name]
    tile = choose_tile(target)
    columns = columns or tile.columns
    lanes = min(columns, tile.lanes)
    v = f"<{lanes} x float>"
    declared = f"{PREFETCH}\ndeclare {v} @llvm.fma.v{lanes}f32({v}, {v}, {v})\n"
    # Internal functions that nothing calls are not emitted.
    ir = declared + kernel_ir(tile, rows or tile.rows, columns).replace("define internal", "define")
    body = loop_body(emit_assembly(ir, target))
    assert body
    return [re.split(r"\s+", line, maxsplit=1) for line in body], target, tile


def faults(body, target, rows, columns):
    """What is wrong with the loop: arithmetic miscounted, registers copied or put on the stack, a call."""
    lanes = min(columns, target.lanes)
    each = rows * (columns // lanes) * UNROLL
    found = Counter(kind(*line) for line in body if len(line) == 2)
    arithmetic = {name: n for name, n in found.items() if name and name.split()[0] in ("fma", "mul", "add")}
    wanted = expected(target, lanes, fma=each) if target.fma else expected(target, lanes, mul=each, add=each)
    said = [] if arithmetic == wanted else [f"arithmetic: {arithmetic} instead of {wanted}"]
    texts = [" ".join(line) for line in body]
    said += [f"stack: {text}" for text in texts if STACK.search(text)]
    said += [f"call: {text}" for text in texts if re.match(r"(call|bl\b|blr\b)", text)]
    said += [f"store: {text}" for text in texts if _stores(text, target)]
    return said


def _stores(text, target):
    if target.arm:
        return re.match(r"st[rpu1]", text)
    return re.match(r"v?mov[au]ps\s.*\)$|v?movss\s.*\)$|movq\s.*\)$", text)


@pytest.mark.parametrize("name", IN_PLACE)
def test_a_step_is_as_many_multiply_adds_as_the_tile_has_vectors_and_no_register_leaves_for_memory(name):
    body, target, tile = emitted(name)
    assert faults(body, target, tile.rows, tile.columns) == []


@pytest.mark.parametrize("name", ["x86-64-v4", "x86-64-v3", "x86-64", "aarch64"])
def test_so_do_the_tiles_of_edges(name):
    tile = choose_tile(TARGETS[name])
    for rows in (1, 2, tile.rows - 1):
        for columns in tile.widths:
            body, target, _ = emitted(name, rows, columns)
            assert faults(body, target, rows, columns) == [], (rows, columns)


@pytest.mark.parametrize("name", ["x86-64-v4", "x86-64-v3"])
def test_b_is_loaded_once_a_step_and_each_number_of_a_too(name):
    body, _, tile = emitted(name)
    words = Counter(word for word, *_ in body)
    assert words["vmovups"] == tile.vectors * UNROLL
    assert words["vbroadcastss"] == tile.rows * UNROLL
    lines = len(lines_of(tile.columns * 4))
    assert sum(n for word, n in words.items() if word.startswith("prefetch")) == lines * UNROLL
    # What is left is the loop's own: pointers, the counter, the branch.
    pointers = -(-tile.rows // 3)
    assert len(body) <= (tile.rows * tile.vectors + tile.rows + tile.vectors + lines) * UNROLL + pointers + 16


def test_a_tile_beyond_the_registers_is_noticed():
    target = TARGETS["x86-64-v3"]
    body, _, tile = emitted("x86-64-v3", rows=8)
    assert any(fault.startswith("stack") for fault in faults(body, target, 8, tile.columns))
    assert faults(body, target, 7, tile.columns)[0].startswith("arithmetic")


@pytest.mark.parametrize("name", TARGETS)
def test_the_whole_module_compiles_for_every_target(name):
    target = TARGETS[name]
    tile = choose_tile(target)
    assembly = emit_assembly(module_ir(tile, choose_blocks(tile, []), 4096) + entry_ir(), target)
    assert "fmaf" not in assembly  # no library call in place of an instruction


def test_the_host_has_a_kernel_as_it_was_meant():
    target = host_target()
    tile = choose_tile(target)
    v = f"<{tile.lanes} x float>"
    declared = f"{PREFETCH}\ndeclare {v} @llvm.fma.v{tile.lanes}f32({v}, {v}, {v})\n"
    ir = declared + kernel_ir(tile, tile.rows, tile.columns).replace("define internal", "define")
    body = [re.split(r"\s+", line, maxsplit=1) for line in loop_body(emit_assembly(ir, target))]
    assert faults(body, target, tile.rows, tile.columns) == []
