"""Tile and blocks follow from registers, lanes and caches, made up here."""

import itertools

import pytest
from blocks import LARGEST_BLOCK, Blocks, choose_blocks
from codegen import choose_target
from driver_ir import module_ir, room
from targets import ARM, TARGETS, X86
from tile import LOADS_A_MULTIPLY_ADD, choose_tile

from labkit.records import Cache


def caches(*sizes):
    return [Cache(level=level, bytes=size, shared_by=1) for level, size in enumerate(sizes, 1) if size]


K, M = 1 << 10, 1 << 20


@pytest.mark.parametrize(
    ("name", "rows", "columns"),
    [
        ("x86-64-v4", 14, 32), ("x86-64-v3", 6, 16), ("bdver2", 6, 16), ("sandybridge", 5, 16), ("x86-64", 5, 8),
        ("aarch64", 9, 12), ("apple-m1", 9, 12),
    ],
)  # fmt: skip
def test_the_tile_fills_the_registers_and_is_as_square_as_loads_allow(name, rows, columns):
    target = TARGETS[name]
    tile = choose_tile(target)
    assert (tile.rows, tile.columns, tile.lanes, tile.fma) == (rows, columns, target.lanes, target.fma)
    assert tile.rows * tile.vectors + tile.vectors + 1 <= target.registers
    assert tile.loads <= LOADS_A_MULTIPLY_ADD
    assert tile.widths[-1] == tile.columns
    assert tile.widths == sorted(tile.widths)


@pytest.mark.parametrize("triple", [X86, ARM])
def test_every_target_has_a_tile(triple):
    names = ("avx512f", "avx2", "avx", "fma")
    for on in itertools.product([True, False], repeat=len(names)):
        target = choose_target(triple, "generic", dict(zip(names, on, strict=True)))
        tile = choose_tile(target)
        assert tile.rows * tile.vectors + tile.vectors < target.registers
        assert tile.register_class == ("w" if target.arm else "v" if target.lanes == 16 else "x")


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize(
    "sizes",
    [
        (32 * K, 1 * M, 32 * M), (48 * K, 2 * M, 260 * M), (32 * K, 256 * K, 8 * M), (64 * K, 512 * K), (32 * K, 1 * M),
        (128 * K, 16 * M), (8 * K, 64 * K), (), (0, 1 * M, 0), (32 * K, 0, 1 << 40),
    ],
)  # fmt: skip
def test_blocks_fit_the_caches_they_are_meant_for(name, sizes):
    tile = choose_tile(TARGETS[name])
    blocks = choose_blocks(tile, caches(*sizes))
    l1 = (sizes[0] if sizes else 0) or 32 * K
    assert blocks.depth % 8 == 0
    assert 0 < blocks.depth * tile.rows * 4 <= 0.9 * l1
    assert blocks.columns % tile.columns == 0
    assert blocks.columns >= 4 * tile.columns
    l2, l3 = (*sizes[1:], 0, 0)[:2]
    assert blocks.depth * blocks.columns * 4 <= min(LARGEST_BLOCK, max((l2 or 256 * K) / 2, l3 / 8))
    assert room(tile, blocks) < 2 * LARGEST_BLOCK
    assert blocks.small == l1
    assert blocks.in_lines == min(l2 or 256 * K, LARGEST_BLOCK)


def test_no_cache_reported_is_a_small_machine_and_a_huge_one_is_not_taken_in_full():
    tile = choose_tile(TARGETS["x86-64-v3"])
    none, huge, l2 = (choose_blocks(tile, caches(*s)) for s in ((), (32 * K, 1 * M, 1 << 40), (32 * K, 256 * K)))
    assert none == l2
    assert none.depth * none.columns * 4 <= 128 * K
    assert huge.depth * huge.columns * 4 <= LARGEST_BLOCK < (huge.columns + tile.columns) * huge.depth * 4


def test_a_larger_first_level_makes_deeper_blocks_and_a_larger_second_wider_ones():
    tile = choose_tile(TARGETS["x86-64-v4"])
    small, deep, wide = (choose_blocks(tile, caches(*s)) for s in ((32 * K, M), (48 * K, M), (32 * K, 2 * M)))
    assert small.depth < deep.depth
    assert small.columns < wide.columns
    assert small.depth == wide.depth


def test_the_module_is_text_that_follows_from_its_arguments_alone():
    tile = choose_tile(TARGETS["x86-64-v4"])
    blocks = Blocks(64, 96)
    assert module_ir(tile, blocks, 4096) == module_ir(tile, blocks, 4096)
    assert "inttoptr i64 4096 to ptr" in module_ir(tile, blocks, 4096)
