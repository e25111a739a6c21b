"""The tile of C that the micro-kernel holds in registers: how high and how wide, from registers and lanes. Pure."""

from dataclasses import dataclass

from codegen import Target

# Loads a multiply-add: cores load once for each one they can start; a quarter of that is left to packing and to C.
LOADS_A_MULTIPLY_ADD = 0.75
# Registers beside accumulators and B: the number of A that is spread over one; without a multiply-add also the
# product, and one that two-operand instructions and split loads need for a moment.
SPARE_WITH_FMA, SPARE_WITHOUT = 1, 3
# Half a vector is a register's width too where whole ones are at least so long.
LANES_TO_HALVE = 8


@dataclass(frozen=True)
class Tile:
    """`rows` x (`vectors` x `lanes`) numbers of C, a vector register for each `lanes` of them."""

    rows: int  # MR
    vectors: int  # of a row
    lanes: int  # fp32 numbers of a vector
    fma: bool
    register_class: str  # LLVM's letter for "any vector register" in inline assembly

    @property
    def columns(self) -> int:
        """NR."""
        return self.vectors * self.lanes

    @property
    def widths(self) -> list[int]:
        """Columns of the kernels there are, ascending: half a vector, one, two ... up to NR."""
        half = [self.lanes // 2] if self.lanes >= LANES_TO_HALVE else []
        return half + [self.lanes * count for count in range(1, self.vectors + 1)]

    @property
    def loads(self) -> float:
        """Loads a multiply-add: `rows` single numbers and `vectors` vectors for a step of k."""
        return (self.rows + self.vectors) / (self.rows * self.vectors)

    @property
    def traffic(self) -> float:
        """Numbers that come from a cache for each multiplication: the squarer a tile, the fewer."""
        return 1 / self.rows + 1 / self.columns


def choose_tile(target: Target) -> Tile:
    """The tile of least traffic among those that fill the registers and do not wait for the load ports.

    AVX-512: 14 x 32. AVX and AVX2 with FMA: 6 x 16, without: 5 x 16. SSE: 5 x 8. NEON: 9 x 12.
    """
    letter = "w" if target.arm else "v" if target.lanes == 16 else "x"
    spare = SPARE_WITH_FMA if target.fma else SPARE_WITHOUT
    tiles = [
        Tile((target.registers - spare - vectors) // vectors, vectors, target.lanes, target.fma, letter)
        for vectors in range(1, target.registers // 2 - spare)
    ]
    return min((tile for tile in tiles if tile.loads <= LOADS_A_MULTIPLY_ADD), key=lambda tile: tile.traffic)
