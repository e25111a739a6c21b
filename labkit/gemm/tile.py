"""The tile of C that the micro-kernel holds in registers: MR and NR, from registers and lanes. Pure."""

from dataclasses import dataclass

from labkit.roofline.codegen import Target

# Loads per multiply-add: cores can start a load for each one; a quarter of that is left to packing and to C.
LOADS_PER_MULTIPLY_ADD = 0.75
# Registers beside the accumulators and the row of B: the number of A that is spread over one. Without a multiply-add
# also the product, and one more that two-operand instructions and split loads need for a moment.
SPARE_WITH_FMA, SPARE_WITHOUT = 1, 3
# From this vector length on there is also a kernel for half a vector.
LANES_TO_HALVE = 8


@dataclass(frozen=True)
class Tile:
    """MR x NR numbers of C, NR = `vectors` x `lanes`, a vector register for each `lanes` of them."""

    mr: int
    vectors: int  # of a row
    lanes: int  # fp32 numbers of a vector
    fma: bool
    register_class: str  # LLVM's letter for "any vector register" in inline assembly

    @property
    def nr(self) -> int:
        return self.vectors * self.lanes

    @property
    def widths(self) -> list[int]:
        """Columns of the kernels there are, ascending: half a vector, one, two ... up to NR."""
        half = [self.lanes // 2] if self.lanes >= LANES_TO_HALVE else []
        return half + [self.lanes * count for count in range(1, self.vectors + 1)]

    @property
    def registers(self) -> int:
        """Vector registers that the micro-kernel needs."""
        return self.mr * self.vectors + self.vectors + (SPARE_WITH_FMA if self.fma else SPARE_WITHOUT)


def choose_tile(target: Target) -> Tile:
    """The squarest of the tiles that fill the registers and do not wait for the load ports: it loads the least.

    AVX-512: 14 x 32. AVX and AVX2 with FMA: 6 x 16, without: 5 x 16. SSE: 5 x 8. NEON: 9 x 12.
    """
    letter = "w" if target.arm else "v" if target.lanes == 16 else "x"
    spare = SPARE_WITH_FMA if target.fma else SPARE_WITHOUT
    tiles = [
        Tile((target.registers - spare - vectors) // vectors, vectors, target.lanes, target.fma, letter)
        for vectors in range(1, target.registers // 2 - spare)
    ]
    # A step of k loads MR single numbers and so many vectors.
    fed = (t for t in tiles if t.mr + t.vectors <= LOADS_PER_MULTIPLY_ADD * t.mr * t.vectors)
    return min(fed, key=lambda t: 1 / t.mr + 1 / t.nr)
