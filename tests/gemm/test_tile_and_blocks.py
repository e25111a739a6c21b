"""Tile and blocks follow from registers, lanes and caches, made up here."""

import pytest
from targets import TARGETS

from labkit.gemm.blocks import LARGEST_BLOCK, choose_blocks, other_blocks
from labkit.gemm.driver import workspace
from labkit.gemm.tile import choose_tile
from labkit.machine.caches import Cache

K, M = 1 << 10, 1 << 20


def caches(*sizes):
    return [Cache(level, size, shared_by=1) for level, size in enumerate(sizes, 1) if size]


SIZES = {
    ("SSE", 4): (5, 8),
    ("AVX", 8): (5, 16),
    ("AVX2 + FMA", 8): (6, 16),
    ("AVX-512", 16): (14, 32),
    ("NEON", 4): (9, 12),
}


@pytest.mark.parametrize("name", TARGETS)
def test_the_tile_fills_the_registers_and_is_as_square_as_loads_allow(name):
    target = TARGETS[name]
    tile = choose_tile(target)
    assert (tile.mr, tile.nr) == SIZES[target.instruction_set, target.lanes]
    assert (tile.lanes, tile.fma) == (target.lanes, target.fma)
    assert tile.register_class == ("w" if target.arm else "v" if target.lanes == 16 else "x")
    assert tile.registers <= target.registers
    assert tile.mr + tile.vectors <= 0.75 * tile.mr * tile.vectors  # loads per multiply-add
    assert tile.widths[-1] == tile.nr
    assert tile.widths == sorted(tile.widths)


@pytest.mark.parametrize("name", TARGETS)
def test_blocks_fit_the_caches_they_are_meant_for(name):
    tile = choose_tile(TARGETS[name])
    usual = [(32 * K, M, 32 * M), (48 * K, 2 * M, 260 * M), (64 * K, 512 * K), (128 * K, 16 * M), (8 * K, 64 * K)]
    for sizes in [*usual, (), (0, M, 0), (32 * K, 0, 1 << 40)]:
        blocks = choose_blocks(tile, caches(*sizes))
        l1, l2, l3 = (size or usual for size, usual in zip((*sizes, 0, 0, 0), (32 * K, 256 * K, 0), strict=False))
        assert blocks.mc % tile.mr == 0
        assert blocks.mc == {14: 14, 9: 18, 6: 24, 5: 20}[tile.mr]
        assert blocks.kc % 8 == 0
        assert 0 < blocks.kc <= 1280
        assert blocks.kc * tile.mr * 4 <= max(0.9 * l1, l2 / 4)
        assert blocks.nc % tile.nr == 0
        assert blocks.nc >= 8 * tile.nr
        assert blocks.kc * blocks.nc * 4 <= min(LARGEST_BLOCK, max(l2 / 2, l3 / 4))
        assert sum(workspace(tile, blocks)) < 2 * LARGEST_BLOCK
        assert blocks.b_in_place_bytes == l1
        assert blocks.b_in_place_aligned_bytes == min(l2, LARGEST_BLOCK)


def test_larger_caches_make_deeper_and_wider_blocks_up_to_a_limit():
    tile = choose_tile(TARGETS["x86-64-v4"])
    least, deep, wide, most = (
        choose_blocks(tile, caches(*sizes))
        for sizes in ((32 * K, 256 * K, 8 * M), (48 * K, M, 8 * M), (32 * K, 256 * K, 16 * M), (64 * K, 4 * M, 1 << 30))
    )
    assert least.kc < deep.kc < most.kc == 1280
    assert least.nc < wide.nc
    assert least.kc == wide.kc


@pytest.mark.parametrize("name", TARGETS)
def test_other_blocks_differ_from_the_chosen_ones_and_are_whole_tiles(name):
    tile = choose_tile(TARGETS[name])
    for sizes in ((32 * K, M, 32 * M), (8 * K, 64 * K), ()):
        others = other_blocks(tile, caches(*sizes))
        assert len(others) >= 3
        for blocks in others.values():
            assert blocks != choose_blocks(tile, caches(*sizes))
            assert (blocks.mc % tile.mr, blocks.nc % tile.nr) == (0, 0)
            assert blocks.kc > 0
