"""The micro-kernel comes out as it was written, for every instruction set: counted in the emitted assembly."""

import re
from collections import Counter

import pytest
from assembly import instructions, kernel_text, kind, multiply_adds
from targets import HOST, TARGETS

from labkit.gemm.blocks import choose_blocks
from labkit.gemm.entry import module_ir
from labkit.gemm.kernel import UNROLL
from labkit.gemm.tile import choose_tile
from labkit.roofline.codegen import emit_assembly

# LLVM gives the sums of Piledriver's multiply-add, which has a register of its own for the result, registers as it
# likes, and then lacks one: right there too, but slower than it could be.
IN_PLACE = {name: target for name, target in [*TARGETS.items(), ("the host", HOST)] if name != "bdver2"}
EDGES = ("x86-64-v4", "x86-64-v3", "x86-64", "aarch64")  # where the tiles of edges are looked at too
# %rbp is an ordinary register here: no frame is kept in it.
STACK = re.compile(r"%[er]?sp\b|\[sp|\bsp,|\bx29\b.*\[")


def loop_over_k(target, rows=None, columns=None):
    """The instructions of the kernel's main loop, of the whole tile unless told otherwise."""
    tile = choose_tile(target)
    return instructions(emit_assembly(kernel_text(tile, rows or tile.mr, columns or tile.nr), target))


def faults(body, target, rows, columns):
    """What is wrong with the loop: arithmetic miscounted, registers put on the stack or stored, a call."""
    lanes = min(columns, target.lanes)
    found = Counter(kind(*line) for line in body)
    arithmetic = {name: n for name, n in found.items() if name and name.split()[0] in ("fma", "mul", "add")}
    wanted = multiply_adds(target, lanes, rows * (columns // lanes) * UNROLL, target.fma)
    said = [] if arithmetic == wanted else [f"arithmetic: {arithmetic} instead of {wanted}"]
    store = r"st[rpu1]" if target.arm else r"v?mov[au]ps\s.*\)$|v?movss\s.*\)$|movq\s.*\)$"
    for text in map(" ".join, body):
        for fault, pattern in (("stack", STACK.search), ("call", re.compile(r"(call|bl\b|blr\b)").match)):
            said += [f"{fault}: {text}"] if pattern(text) else []
        said += [f"store: {text}"] if re.match(store, text) else []
    return said


@pytest.mark.parametrize("name", IN_PLACE)
def test_a_step_is_as_many_multiply_adds_as_the_tile_has_vectors_and_no_register_leaves_for_memory(name):
    target, tile = IN_PLACE[name], choose_tile(IN_PLACE[name])
    edges = [(rows, n) for rows in (1, 2, tile.mr - 1) for n in tile.widths] if name in EDGES else []
    for rows, columns in [(tile.mr, tile.nr), *edges]:
        assert faults(loop_over_k(target, rows, columns), target, rows, columns) == [], (rows, columns)


@pytest.mark.parametrize("name", ["x86-64-v4", "x86-64-v3"])
def test_b_is_loaded_once_a_step_and_each_number_of_a_too(name):
    body, tile = loop_over_k(TARGETS[name]), choose_tile(TARGETS[name])
    words = Counter(word for word, _ in body)
    assert words["vmovups"] == tile.vectors * UNROLL
    assert words["vbroadcastss"] == tile.mr * UNROLL
    lines = tile.nr * 4 // 64 + 1  # that a row of B touches, wherever it begins
    assert sum(n for word, n in words.items() if word.startswith("prefetch")) == lines * UNROLL
    # What is left is the loop's own: pointers, the counter, the branch.
    pointers = -(-tile.mr // 3)
    assert len(body) <= (tile.mr * tile.vectors + tile.mr + tile.vectors + lines) * UNROLL + pointers + 16


def test_a_tile_beyond_the_registers_is_noticed():
    target = TARGETS["x86-64-v3"]
    body = loop_over_k(target, rows=8)
    assert any(fault.startswith("stack") for fault in faults(body, target, 8, 16))
    assert faults(body, target, 7, 16)[0].startswith("arithmetic")


@pytest.mark.parametrize("name", ["x86-64", "sandybridge", "x86-64-v3", "bdver2", "x86-64-v4", "aarch64", "apple-m1"])
def test_the_whole_module_compiles_without_a_library_call_in_place_of_an_instruction(name):
    tile = choose_tile(TARGETS[name])
    assert "fmaf" not in emit_assembly(module_ir(tile, choose_blocks(tile, []), 4096), TARGETS[name])
