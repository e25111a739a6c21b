"""MC, KC and NC, the sizes of the blocks, from the sizes of the caches; and when an operand is not copied. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from labkit.gemm.build import FLOAT
from labkit.gemm.tile import Tile
from labkit.machine.caches import Cache

# What cores have at the least, for a machine that does not report its caches.
USUAL_L1, USUAL_L2 = 32 << 10, 256 << 10  # bytes
# KC: a micro-panel of A fills the first level, or it and one of B take this much of the second, whichever gives more.
# The second level feeds a tile of 14 x 32 in time, and a longer KC means fewer passes over C. Past the longest KC
# nothing more was gained.
L1_SHARE, L2_PANELS_SHARE, LONGEST_KC = 0.9, 3 / 16, 1280
# A block of B takes half of the second level, or as much of the third as leaves room there for A, C and neighbours,
# whichever is more: it is streamed. A process that has a huge cache to itself is rare, and the block is held for good.
L2_SHARE, L3_SHARE, LARGEST_BLOCK = 1 / 2, 1 / 4, 8 << 20  # the last in bytes
KC_MULTIPLE = 8  # of the micro-kernel's unrolled steps
# A block of B may come from the third level. So each micro-panel of B that is fetched meets up to so many rows of A, in
# whole tiles: four of 6 rows (AVX2). One of 14 rows reads B seldom enough.
ROWS_A_MICRO_PANEL = 24
FEWEST_PANELS = 8  # in a block of B: with fewer each micro-panel of A would be copied or fetched for too little work


@dataclass(frozen=True)
class Blocks:
    """Sizes of the blocks, and up to where an operand is read in place: not copied to the workspace first."""

    mc: int  # rows of A that meet a micro-panel of B one after another, a multiple of MR
    kc: int  # steps of k in a block
    nc: int  # columns of a block of B, a multiple of NR
    # A: bytes between its rows. A first level has 4 KiB per way (the usual one): rows of A that lie no further apart
    # than this keep their lines in it. Rows a page apart would all fall into the same few places.
    a_in_place_stride: int = 1024
    # B: bytes of it in all. More where its rows begin with cache lines, since no load then takes two of them.
    b_in_place_bytes: int = USUAL_L1
    b_in_place_aligned_bytes: int = USUAL_L2
    # With so few rows of A each number of B is used once or twice: B is read in place, so many of its rows at a time,
    # which the next micro-panel's prefetches can hold in the second level, whatever lies between them.
    thin_kc: int = 64
    # A micro-panel is not worth a copy if it meets no more micro-panels of the other operand than this.
    in_place_uses: int = 2


def choose_blocks(tile: Tile, caches: Sequence[Cache]) -> Blocks:
    """MC by the tile, KC by the first two levels, NC by the last; a level that is not reported is taken as usual."""
    sizes = {1: USUAL_L1, 2: USUAL_L2, 3: 0} | {cache.level: cache.bytes for cache in caches}
    block = int(min(max(L2_SHARE * sizes[2], L3_SHARE * sizes[3]), LARGEST_BLOCK))
    from_l1 = int(L1_SHARE * sizes[1]) // (tile.mr * FLOAT)
    from_l2 = int(L2_PANELS_SHARE * sizes[2]) // ((tile.mr + tile.nr) * FLOAT)
    most = min(max(from_l1, from_l2), LONGEST_KC, block // (FEWEST_PANELS * tile.nr * FLOAT))
    kc = max(1, most // KC_MULTIPLE) * KC_MULTIPLE
    panels = max(FEWEST_PANELS, block // (kc * tile.nr * FLOAT))
    return Blocks(
        max(1, ROWS_A_MICRO_PANEL // tile.mr) * tile.mr,
        kc,
        panels * tile.nr,
        b_in_place_bytes=sizes[1],
        b_in_place_aligned_bytes=min(sizes[2], LARGEST_BLOCK),
    )


def other_blocks(tile: Tile, caches: Sequence[Cache]) -> dict[str, Blocks]:
    """What `choose_blocks` cannot know is timed beside its choice: whether streams leave to A so much of the first
    level, and whether the third is quiet and quick. By name, each with what is different."""
    chosen = choose_blocks(tile, caches)
    second = next((cache.bytes for cache in caches if cache.level == 2), USUAL_L2)
    in_l2 = max(FEWEST_PANELS, int(L2_SHARE * second) // (chosen.kc * tile.nr * FLOAT)) * tile.nr
    others = {
        "half of KC": replace(chosen, kc=max(KC_MULTIPLE, chosen.kc // 2)),
        "twice KC": replace(chosen, kc=2 * chosen.kc),
        "four times MC": replace(chosen, mc=4 * chosen.mc),
        "NC for the second level": replace(chosen, nc=in_l2),
    }
    return {name: blocks for name, blocks in others.items() if blocks != chosen}
