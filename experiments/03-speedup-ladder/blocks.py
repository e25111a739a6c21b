"""How much of the matrices is worked on at a time: from the sizes of the caches. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from tile import Tile

from labkit.records import Cache

FLOAT = 4  # bytes
# What cores have at the least, for a machine that does not report its caches.
USUAL_L1, USUAL_L2 = 32 << 10, 256 << 10  # bytes
# Of the first level, a panel of A: the rest is for the rows of B that stream past it. Deeper and shallower panels, from
# half of this to twice, came out within a hundredth: what a deep panel loses here it saves in passes over C.
L1_SHARE = 0.9
# A block of B takes half of the second level, or as much of the third as leaves room there for A, for C and for
# neighbours: whichever is more. It is streamed, and the third level is fast enough for that.
L2_SHARE, L3_SHARE = 1 / 2, 1 / 8
# A process that has a huge cache to itself is rare, and the block is memory that is held for good.
LARGEST_BLOCK = 4 << 20  # bytes
# k is cut at a multiple of the micro-kernel's unrolled steps.
DEPTH_MULTIPLE = 8
# With fewer slivers in a block each panel of A would be copied or fetched for too little work.
FEWEST_SLIVERS = 4
# Where the rows of A lie no further apart than this, all rows of a panel keep their lines in a first level of 4 KiB a
# way (the usual one), and A is read where it is. Rows a page apart would all fall into the same few places.
NEAR = 1024  # bytes
# A panel of A that meets fewer slivers of B than this is not worth a copy; nor is a sliver that meets so few panels.
FEWEST_USES = 2


@dataclass(frozen=True)
class Blocks:
    """Sizes of the blocks, and when an operand is read where it is."""

    depth: int  # KC: steps of k in a block
    columns: int  # NC: columns of a block of B, a multiple of NR
    near: int = NEAR  # bytes between rows of A up to which it is not copied
    small: int = USUAL_L1  # bytes of B up to which it is not copied
    in_lines: int = USUAL_L2  # the same where rows of B begin with cache lines: no load then takes two of them
    uses: int = FEWEST_USES  # slivers or panels up to which the other operand is not copied


def choose_blocks(tile: Tile, caches: Sequence[Cache]) -> Blocks:
    """KC from the first level, NC from the second and third; a level that is not reported is taken for the usual."""
    sizes = {cache.level: cache.bytes for cache in caches}
    l1, l2, l3 = sizes.get(1, USUAL_L1), sizes.get(2, USUAL_L2), sizes.get(3, 0)
    block = int(min(max(L2_SHARE * l2, L3_SHARE * l3), LARGEST_BLOCK))
    deep = min(int(L1_SHARE * l1) // (tile.rows * FLOAT), block // (FEWEST_SLIVERS * tile.columns * FLOAT))
    depth = max(1, deep // DEPTH_MULTIPLE) * DEPTH_MULTIPLE
    slivers = max(FEWEST_SLIVERS, block // (depth * tile.columns * FLOAT))
    return Blocks(depth, slivers * tile.columns, small=l1, in_lines=min(l2, LARGEST_BLOCK))
