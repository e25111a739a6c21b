"""The loops around the micro-kernel, as LLVM IR. Pure. `gemm.md` draws them."""

from dataclasses import dataclass

from blocks import Blocks
from kernel_ir import FLOAT, LINE, PREFETCH, kernel_ir, kernel_name
from packing_ir import panel_ir, scatter_ir, sliver_ir
from tile import Tile
from writer import Writer

PAGE = 4096  # bytes


def room(tile: Tile, blocks: Blocks) -> int:
    """Bytes of the workspace: a panel of A, a padded tile of C, a block of B."""
    return _panel_room(tile, blocks) + _padded_room(tile) + blocks.depth * blocks.columns * FLOAT


def _panel_room(tile: Tile, blocks: Blocks) -> int:
    """Bytes of a copied panel of A, each row up to two lines longer than it need be: whole pages."""
    return -(-tile.rows * (blocks.depth * FLOAT + 2 * LINE) // PAGE) * PAGE


def _padded_room(tile: Tile) -> int:
    """Bytes of a tile of C where C itself has no room for it: whole pages."""
    return -(-tile.rows * tile.columns * FLOAT // PAGE) * PAGE


def module_ir(tile: Tile, blocks: Blocks, workspace: int) -> str:
    """The kernels of every height and width, packing, and `product`; `workspace` is the address of `room` bytes.

    `product(m, n, k, a, a_row, a_col, b, b_row, b_col, c, c_row, c_col, add)`: c = a b, or c += a b where `add` is not
    0, of matrices at any address with any strides in bytes.
    """
    shapes = [(rows, columns) for rows in range(1, tile.rows + 1) for columns in tile.widths]
    lanes = {min(columns, tile.lanes) for columns in tile.widths}
    table = ", ".join(f"ptr @{kernel_name(*shape)}" for shape in shapes)
    vectors = {n: f"<{n} x float>" for n in lanes}
    return "\n".join(
        [
            PREFETCH,
            *(f"declare {v} @llvm.fma.v{n}f32({v}, {v}, {v})" for n, v in vectors.items()),
            *(kernel_ir(tile, *shape) for shape in shapes),
            f"@tiles = internal constant [{len(shapes)} x ptr] [{table}]",
            sliver_ir(tile),
            panel_ir(tile),
            scatter_ir(tile),
            _Driver(tile, blocks, workspace).text(),
        ]
    )


@dataclass(frozen=True)
class _Block:
    """What the inner loops know of the block they are in: names of values."""

    columns: str
    depth: str
    a: str
    b: str
    c: str
    add: str


class _Driver:
    """The function `product`."""

    def __init__(self, tile: Tile, blocks: Blocks, workspace: int) -> None:
        self.tile, self.blocks = tile, blocks
        self.width = str(tile.columns * FLOAT)  # bytes of a row of a packed sliver, and of a padded tile
        self.w = w = Writer(
            "internal void @product(i64 %m, i64 %n, i64 %k, ptr %a, i64 %a_row, i64 %a_col, "
            "ptr %b, i64 %b_row, i64 %b_col, ptr %c, i64 %c_row, i64 %c_col, i64 %add) nounwind"
        )
        self.panel = w.let(f"inttoptr i64 {workspace} to ptr")
        self.padded = w.at(self.panel, str(_panel_room(tile, blocks)))
        self.packed = w.at(self.padded, str(_padded_room(tile)))

    def text(self) -> str:
        w, tile, blocks = self.w, self.tile, self.blocks
        self._nothing_to_add()
        self._where_they_are()
        depth = self._evenly("%k", blocks.depth, 1)
        width = self._evenly("%n", blocks.columns, tile.columns)
        with w.loop("%n", width) as j0, w.loop("%k", depth) as k0:
            later = w.let(f"zext i1 {w.test(k0, 'ne', '0')} to i64")
            block = _Block(
                columns=w.minimum(width, w.sub("%n", j0)),
                depth=w.minimum(depth, w.sub("%k", k0)),
                a=w.at("%a", w.mul(k0, "%a_col")),
                b=w.at(w.at("%b", w.mul(j0, "%b_col")), w.mul(k0, "%b_row")),
                c=w.at("%c", w.mul(j0, "%c_col")),
                add=w.let(f"or i64 {later}, %add"),
            )
            with w.loop("%m", tile.rows) as i0:
                self._panel(block, i0)
        return w.text()

    def _nothing_to_add(self) -> None:
        """A sum over no k is 0, and no tile is ever visited for it."""
        w = self.w
        zeros = w.both(w.test("%k", "eq", "0"), w.test("%add", "eq", "0"))
        with w.loop(w.select(zeros, "%m", "0")) as i, w.loop("%n") as j:
            w.do(f"store float 0.0, ptr {w.at(w.at('%c', w.mul(i, '%c_row')), w.mul(j, '%c_col'))}, align 1")

    def _where_they_are(self) -> None:
        """Whether A and B are read where they are, and whether the columns of C lie side by side."""
        w, blocks = self.w, self.blocks
        near = w.both(w.test("%a_row", "sle", str(blocks.near)), w.test("%a_row", "sge", str(-blocks.near)))
        near = w.either(near, w.test("%n", "ule", str(blocks.uses * self.tile.columns)))
        self.direct_a = w.both(near, w.test("%a_col", "eq", str(FLOAT)))
        size = w.mul("%k", "%b_row")
        small = w.either(w.test(size, "ule", str(blocks.small)), self._in_lines(size))
        small = w.either(small, w.test("%m", "ule", str(blocks.uses * self.tile.rows)))
        self.direct_b = w.both(small, w.test("%b_col", "eq", str(FLOAT)))
        self.c_is_flat = w.test("%c_col", "eq", str(FLOAT))

    def _in_lines(self, size: str) -> str:
        """Whether B fits the second level, its rows begin with cache lines, and they do not compete for few places."""
        w = self.w
        places = w.let(f"or i64 {w.let('ptrtoint ptr %b to i64')}, %b_row")
        begins = w.test(w.let(f"and i64 {places}, {LINE - 1}"), "eq", "0")
        spread = w.test(w.let(f"and i64 %b_row, {PAGE - 1}"), "ne", "0")
        return w.both(w.both(begins, spread), w.test(size, "ule", str(self.blocks.in_lines)))

    def _evenly(self, total: str, most: int, multiple: int) -> str:
        """The length of blocks when `total` is cut into as few as possible of at most `most`, all nearly equal."""
        w = self.w
        count = w.maximum(w.quotient_up(total, most), "1")
        share = w.let(f"udiv i64 {w.sub(w.add(total, count), '1')}, {count}")
        return w.maximum(w.mul(w.quotient_up(share, multiple), str(multiple)), "1")

    def _panel(self, block: _Block, i0: str) -> None:
        """The tiles beside each other from row i0 on: a panel of A, copied if need be, against each sliver of B."""
        w, tile = self.w, self.tile
        rows = w.minimum(str(tile.rows), w.sub("%m", i0))
        a = w.at(block.a, w.mul(i0, "%a_row"))
        c = w.at(block.c, w.mul(i0, "%c_row"))
        # An odd number of lines apart, no two rows fall into the same places of the cache.
        apart = w.let(f"or i64 {w.up_to(w.mul(block.depth, str(FLOAT)), LINE)}, {LINE}")
        with w.when(w.no(self.direct_a)):
            w.do(
                f"call void @pack_panel(i64 {rows}, i64 {block.depth}, ptr {a}, i64 %a_row, i64 %a_col, "
                f"ptr {self.panel}, i64 {apart})"
            )
        a_from = w.select(self.direct_a, a, self.panel, "ptr")
        a_step = w.select(self.direct_a, "%a_row", apart)
        slivers = w.quotient_up(block.columns, tile.columns)
        below = w.at(a, w.mul(rows, "%a_row"))
        rows_below = w.minimum(str(tile.rows), w.sub(w.sub("%m", i0), rows))
        worth = w.both(w.no(self.direct_a), w.test("%a_col", "eq", str(FLOAT)))
        rows_below = w.select(worth, rows_below, "0")
        with w.loop(slivers) as s:
            j = w.mul(s, str(tile.columns))
            wide = w.minimum(str(tile.columns), w.sub(block.columns, j))
            b, b_step, packing = self._sliver(block, i0, s, j, wide)
            # What this call asks for on the side: in the last slivers the rows of A below, one a sliver.
            row = w.sub(w.add(s, str(tile.rows)), slivers)
            soon = w.both(w.test(row, "sge", "0"), w.test(row, "ult", rows_below))
            following = w.select(soon, w.at(below, w.mul(row, "%a_row")), c, "ptr")
            stride = w.select(soon, str(FLOAT), "0")
            # While B is packed its next sliver comes first.
            beside = w.at(w.at(block.b, w.mul(j, "%b_col")), str(tile.columns * FLOAT))
            ask = (w.select(packing, beside, following, "ptr"), w.select(packing, "%b_row", stride))
            c_tile = w.at(c, w.mul(j, "%c_col"))
            self._tile(block, (rows, wide), (a_from, a_step, b, b_step), c_tile, ask)

    def _sliver(self, block: _Block, i0: str, s: str, j: str, wide: str) -> tuple[str, str, str]:
        """(the sliver s of B, bytes between its rows, whether there is another one to be packed beside it).

        It is packed at the first panel that needs it. A narrow one is always packed: its padding can be read.
        """
        w, tile = self.w, self.tile
        there = w.at(block.b, w.mul(j, "%b_col"))
        here = w.at(self.packed, w.mul(w.mul(s, self.width), block.depth))
        as_it_is = w.both(self.direct_b, w.test(wide, "eq", str(tile.columns)))
        to_pack = w.both(w.test(i0, "eq", "0"), w.no(as_it_is))
        with w.when(to_pack):
            matrix = f"ptr {there}, i64 %b_row, i64 %b_col"
            w.do(f"call void @pack_sliver(i64 {block.depth}, i64 {wide}, {matrix}, ptr {here})")
        another = w.test(w.add(j, str(tile.columns)), "ult", block.columns)
        another = w.both(another, w.test("%b_col", "eq", str(FLOAT)))
        start, step = w.select(as_it_is, there, here, "ptr"), w.select(as_it_is, "%b_row", self.width)
        return start, step, w.both(to_pack, another)

    def _tile(
        self, block: _Block, shape: tuple[str, str], operands: tuple[str, str, str, str], c: str, ask: tuple[str, str]
    ) -> None:
        """One call of a micro-kernel, into C itself or, where C has no room for whole vectors, beside it."""
        w, tile = self.w, self.tile
        rows, wide = shape
        a, a_step, b, b_step = operands
        in_place = w.both(self.c_is_flat, w.test(wide, "eq", str(tile.columns)))
        to = w.select(in_place, c, self.padded, "ptr")
        to_step = w.select(in_place, "%c_row", self.width)
        add = w.select(in_place, block.add, "0")
        narrow = w.quotient_up(wide, tile.lanes)
        if len(tile.widths) > tile.vectors:  # the first is half a vector
            narrow = w.select(w.test(wide, "ule", str(tile.widths[0])), "0", narrow)
        else:
            narrow = w.sub(narrow, "1")
        number = w.add(w.mul(w.sub(rows, "1"), str(len(tile.widths))), narrow)
        kernel = w.let(f"load ptr, ptr {w.let(f'getelementptr ptr, ptr @tiles, i64 {number}')}")
        w.do(
            f"call void {kernel}(i64 {block.depth}, ptr {a}, i64 {a_step}, ptr {b}, i64 {b_step}, "
            f"ptr {to}, i64 {to_step}, i64 {add}, ptr {ask[0]}, i64 {ask[1]})"
        )
        with w.when(w.no(in_place)):
            w.do(
                f"call void @scatter(i64 {rows}, i64 {wide}, ptr {self.padded}, ptr {c}, i64 %c_row, i64 %c_col, "
                f"i64 {block.add})"
            )
