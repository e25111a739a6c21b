"""The loops around the micro-kernel: the function `product`. Pure. `gemm.md` draws them."""

from typing import Any

from llvmlite import ir

from labkit.gemm.blocks import Blocks
from labkit.gemm.build import F32, FLOAT, I64, LINE, MATRIX, PTR, Builder, Matrix, Value, i64
from labkit.gemm.kernel import Kernel
from labkit.gemm.packing import add_pack_a, add_pack_b, add_write_tile
from labkit.gemm.thin import ROWS, add_dots, add_row, columns_at_once, most_columns
from labkit.gemm.tile import Tile

PAGE = 4096  # bytes


def workspace(tile: Tile, blocks: Blocks) -> tuple[int, int, int]:
    """Bytes of the workspace: MC rows of A, a padded tile of C, a block of B; the first two are whole pages.

    A row of A is up to two lines longer than it need be.
    """
    panel, padded = blocks.mc * (blocks.kc * FLOAT + 2 * LINE), tile.mr * tile.nr * FLOAT
    return -(-panel // PAGE) * PAGE, -(-padded // PAGE) * PAGE, blocks.kc * blocks.nc * FLOAT


class Product:
    """`product(m, n, k, a, a_row, a_col, b, b_row, b_col, c, c_row, c_col, add)` and all that it calls.

    c = a b, or c += a b where `add` is not 0, of matrices at any address with any strides in bytes. `address` is that
    of the `workspace`.
    """

    def __init__(self, module: Any, tile: Tile, blocks: Blocks, address: int) -> None:
        self.tile = tile
        # Of every height up to MR, and of each height every width.
        sizes = ((rows, columns) for rows in range(1, tile.mr + 1) for columns in tile.widths)
        kernels = [Kernel(module, tile, *size).w.function for size in sizes]
        self.row = add_row(module, tile)
        self.kernels = ir.GlobalVariable(module, ir.ArrayType(PTR, len(kernels)), "kernels")
        self.kernels.linkage, self.kernels.global_constant = "internal", True
        self.kernels.initializer = ir.Constant(self.kernels.value_type, kernels)
        self.kernel_type = kernels[0].type
        self.pack_a, self.pack_b, self.write_tile = (f(module, tile) for f in (add_pack_a, add_pack_b, add_write_tile))
        self.dots = {
            (rows, columns): add_dots(module, tile, rows, columns)
            for rows in (1, ROWS)
            for columns in range(1, columns_at_once(tile) + 1)
        }
        self.w = w = Builder(module, "product", [I64, I64, I64, *MATRIX, *MATRIX, *MATRIX, I64])
        self.m, n, k, *operands, add = w.function.args
        self.a, self.b, self.c = a, b, c = [Matrix(*operands[at : at + 3]) for at in (0, 3, 6)]
        self.width = tile.nr * FLOAT  # bytes of a row of a packed micro-panel of B, and of a padded tile
        panel_bytes, padded_bytes, _ = workspace(tile, blocks)
        self.panel = w.inttoptr(i64(address), PTR)
        self.padded = w.offset(self.panel, panel_bytes)
        self.packed = w.offset(self.padded, padded_bytes)
        # A sum over no k is 0, and no tile is ever visited for it.
        zeros = w.and_(w.test(k, "==", 0), w.test(add, "==", 0))
        with w.loop(w.choose(zeros, self.m, 0)) as i, w.loop(n) as j:
            w.store(ir.Constant(F32, 0.0), w.offset(w.offset(c.start, i, c.row), j, c.column), align=1)
        self._read_in_place(blocks, n, k)
        left = w.urem(n, i64(tile.nr))
        left = w.choose(w.test(left, "<=", most_columns(tile)), left, 0)
        n = w.sub(n, left)
        self._dots(n, left, k, blocks.kc, add)
        thin_kc = min(blocks.thin_kc, blocks.kc)
        done = self._row(n, k, add)
        kc, nc = self._evenly(k, w.choose(self.thin, thin_kc, blocks.kc), 1), self._evenly(n, blocks.nc, tile.nr)
        with w.loop(n, nc, done) as j0, w.loop(k, kc) as k0:
            later = w.zext(w.not_(w.test(k0, "==", 0)), I64)
            self.columns, self.k = w.minimum(nc, w.sub(n, j0)), w.minimum(kc, w.sub(k, k0))
            a_block = w.offset(a.start, k0, a.column)
            self.b_block = w.offset(w.offset(b.start, j0, b.column), k0, b.row)
            c_block = w.offset(c.start, j0, c.column)
            self.add = w.or_(later, add)
            with w.loop(self.m, blocks.mc) as i0:
                self._tiles(i0, blocks.mc, a_block, c_block)
        w.ret_void()

    def _read_in_place(self, blocks: Blocks, n: Value, k: Value) -> None:
        """Whether A and B are read where they are, and whether the columns of C lie side by side."""
        w, tile, a, b = self.w, self.tile, self.a, self.b
        near = w.icmp_signed("<=", a.row, i64(blocks.a_in_place_stride))
        near = w.and_(near, w.icmp_signed(">=", a.row, i64(-blocks.a_in_place_stride)))
        near = w.or_(near, w.test(n, "<=", blocks.in_place_uses * tile.nr))
        self.a_in_place = w.and_(near, w.test(a.column, "==", FLOAT))
        size = w.mul(k, b.row)
        small = w.test(size, "<=", blocks.b_in_place_bytes)
        # B fits the second level, its rows begin with cache lines, and they do not compete for few places.
        begins = w.test(w.and_(w.or_(w.ptrtoint(b.start, I64), b.row), LINE - 1), "==", 0)
        spread = w.not_(w.test(w.and_(b.row, PAGE - 1), "==", 0))
        small = w.or_(small, w.and_(begins, spread, w.test(size, "<=", blocks.b_in_place_aligned_bytes)))
        self.thin = w.test(self.m, "<=", blocks.in_place_uses * tile.mr)
        small = w.or_(small, self.thin)
        self.b_in_place = w.and_(small, w.test(b.column, "==", FLOAT))
        self.c_is_flat = w.test(self.c.column, "==", FLOAT)

    def _dots(self, j0: Value, columns: Value, k: Value, most: int, add: Value) -> None:
        """The columns of C from j0 on, too few for a tile: B's are copied side by side, and A's rows if need be."""
        w, a, b, c = self.w, self.a, self.b, self.c
        flat = w.test(a.column, "==", FLOAT)
        kc = self._evenly(k, most, 1)
        with w.loop(w.choose(w.test(columns, "==", 0), 0, k), kc) as k0:
            size = w.minimum(kc, w.sub(k, k0))
            length = w.or_(w.mul(size, FLOAT), LINE)
            from_b = w.offset(w.offset(b.start, j0, b.column), k0, b.row)
            w.call(self.pack_a, [columns, size, from_b, b.column, b.row, self.packed, length])
            adds = w.or_(w.zext(w.not_(w.test(k0, "==", 0)), I64), add)
            with w.loop(self.m, w.choose(flat, self.m, self.tile.mr)) as i0:
                rows = w.minimum(w.choose(flat, self.m, self.tile.mr), w.sub(self.m, i0))
                from_a = w.offset(w.offset(a.start, i0, a.row), k0, a.column)
                with w.if_then(w.not_(flat)):
                    w.call(self.pack_a, [rows, size, from_a, a.row, a.column, self.panel, length])
                row = w.choose(flat, a.row, length)
                rows_of_a = Matrix(w.select(flat, from_a, self.panel), row, i64(FLOAT))
                to = Matrix(w.offset(w.offset(c.start, i0, c.row), j0, c.column), c.row, c.column)
                whole = w.sub(rows, w.urem(rows, i64(ROWS)))
                for height, start, stop in ((ROWS, 0, whole), (1, whole, rows)):
                    with w.loop(stop, height, start) as i:
                        self._dots_of_rows(height, i, columns, size, rows_of_a, length, to, adds)

    def _dots_of_rows(
        self, height: int, i: Value, columns: Value, k: Value, a: Matrix, b_column: Value, c: Matrix, add: Value
    ) -> None:
        """So many rows of C from row i on, in groups of columns."""
        w, most = self.w, columns_at_once(self.tile)
        whole = w.sub(columns, w.urem(columns, i64(most)))
        for width in range(most, 0, -1):
            # The last group has as many columns as are left.
            start, stop = (0, whole) if width == most else (whole, columns)
            stop = stop if width == most else w.choose(w.test(w.sub(columns, whole), "==", width), columns, whole)
            with w.loop(stop, width, start) as j:
                from_a, from_b = w.offset(a.start, i, a.row), w.offset(self.packed, j, b_column)
                to = w.offset(w.offset(c.start, i, c.row), j, c.column)
                w.call(self.dots[height, width], [k, from_a, a.row, from_b, b_column, to, c.row, c.column, add])

    def _row(self, n: Value, k: Value, add: Value) -> Value:
        """A product of one row: how many of its first n columns are done here, from rows of B as they lie."""
        w, a, b, c = self.w, self.a, self.b, self.c
        flat = w.and_(w.test(b.column, "==", FLOAT), self.c_is_flat, w.test(self.m, "==", 1))
        columns = w.choose(flat, w.and_(n, -self.tile.lanes), 0)
        with w.if_then(flat):
            w.call(self.row, [columns, k, a.start, a.column, b.start, b.row, c.start, add])
        return columns

    def _evenly(self, total: Value, most: Value | int, multiple: int) -> Value:
        """The length of blocks when `total` is cut into as few as possible of at most `most`, all nearly equal."""
        w = self.w
        share = w.ceil_div(total, w.maximum(w.ceil_div(total, most), 1))
        return w.maximum(w.mul(w.ceil_div(share, multiple), multiple), 1)

    def _tiles(self, i0: Value, mc: int, a_block: Value, c_block: Value) -> None:
        """MC rows of C from row i0 on: micro-panels of A, copied if need be, with each micro-panel of B."""
        w, tile = self.w, self.tile
        rows = w.minimum(mc, w.sub(self.m, i0))
        a, c = w.offset(a_block, i0, self.a.row), w.offset(c_block, i0, self.c.row)
        # An odd number of lines apart, no two rows fall into the same places of the cache.
        apart = w.or_(w.and_(w.add(w.mul(self.k, FLOAT), LINE - 1), -LINE), LINE)
        with w.if_then(w.not_(self.a_in_place)):
            w.call(self.pack_a, [rows, self.k, a, self.a.row, self.a.column, self.panel, apart])
        from_a, a_row = w.select(self.a_in_place, a, self.panel), w.select(self.a_in_place, self.a.row, apart)
        panels = w.ceil_div(self.columns, tile.nr)
        # At the last micro-panels of B the rows of A below are prefetched, one for each tile, if they will be copied.
        below, tiles = w.offset(a, rows, self.a.row), mc // tile.mr
        rows_below = w.minimum(mc, w.sub(self.m, i0, rows))
        rows_below = w.choose(w.and_(w.not_(self.a_in_place), w.test(self.a.column, "==", FLOAT)), rows_below, 0)
        with w.loop(panels) as s:
            j = w.mul(s, tile.nr)
            columns = w.minimum(tile.nr, w.sub(self.columns, j))
            # The first rows that need a micro-panel of B pack it. A narrow one always is: its padding can be read.
            there = w.offset(self.b_block, j, self.b.column)
            here = w.offset(self.packed, w.mul(s, self.width, self.k))
            in_place = w.and_(self.b_in_place, w.test(columns, "==", tile.nr))
            to_pack = w.and_(w.test(i0, "==", 0), w.not_(in_place))
            with w.if_then(to_pack):
                w.call(self.pack_b, [self.k, columns, there, self.b.row, self.b.column, here])
            another = w.and_(w.test(w.add(j, tile.nr), "<", self.columns), w.test(self.b.column, "==", FLOAT))
            b = [w.select(in_place, there, here), w.choose(in_place, self.b.row, self.width)]
            packing = w.and_(w.or_(to_pack, w.and_(self.thin, in_place)), another)
            beside = w.offset(w.offset(self.b_block, j, self.b.column), self.width)
            with w.loop(rows, tile.mr) as i:
                # While B is packed, or read once, its next micro-panel is prefetched.
                row = w.sub(w.add(w.mul(s, tiles), w.udiv(i, tile.mr), mc), w.mul(panels, tiles))
                soon = w.and_(w.icmp_signed(">=", row, i64(0)), w.test(row, "<", rows_below))
                to = w.offset(w.offset(c, i, self.c.row), j, self.c.column)
                following, stride = w.select(soon, w.offset(below, row, self.a.row), to), w.choose(soon, FLOAT, 0)
                first = w.and_(packing, w.test(i, "==", 0))
                prefetch = [w.select(first, beside, following), w.select(first, self.b.row, stride)]
                height = w.minimum(tile.mr, w.sub(rows, i))
                self._tile(height, columns, [w.offset(from_a, i, a_row), a_row, *b], to, prefetch)

    def _tile(self, rows: Value, columns: Value, operands: list[Value], c: Value, prefetch: list[Value]) -> None:
        """One call of a micro-kernel, into C itself or, where C has no room for whole vectors, beside it."""
        w, tile = self.w, self.tile
        in_place = w.and_(self.c_is_flat, w.test(columns, "==", tile.nr))
        to, to_step = w.select(in_place, c, self.padded), w.choose(in_place, self.c.row, self.width)
        add = w.choose(in_place, self.add, 0)
        width = w.ceil_div(columns, tile.lanes)
        if len(tile.widths) > tile.vectors:  # the first is half a vector
            width = w.choose(w.test(columns, "<=", tile.widths[0]), 0, width)
        else:
            width = w.sub(width, 1)
        number = w.add(w.mul(w.sub(rows, 1), len(tile.widths)), width)
        kernel = w.load(w.gep(self.kernels, [number], source_etype=PTR), typ=self.kernel_type)
        w.call(kernel, [self.k, *operands, to, to_step, add, *prefetch])
        with w.if_then(w.not_(in_place)):
            w.call(self.write_tile, [rows, columns, self.padded, c, self.c.row, self.c.column, self.add])
